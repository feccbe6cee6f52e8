import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from scripted_accounts import (
    HERE,
    RIGHT,
    ScriptedHasher,
    all_looked_up,
    failure,
    line_of,
    login,
    only_waiting,
    outcomes,
    started,
    until,
)
from stocktrack.accounts.accounts import Accounts
from stocktrack.accounts.identity import Identity
from stocktrack.accounts.line import BUSY_RETRY_MS
from stocktrack.accounts.logins import LOOK_SECONDS
from stocktrack.accounts.passwords import HASHES_AT_ONCE
from stocktrack.accounts.remembered import REMEMBER_SECONDS
from stocktrack.accounts.throttle import TRIES_OF_A_PAIR, _key
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.storage.store import Store
from stores import opened

# --- remembered passwords --------------------------------------------------------------------------------------------


async def test_a_password_just_verified_costs_no_second_hash(accounts: Accounts, hasher: ScriptedHasher) -> None:
    for address in (HERE, HERE, "192.0.2.7"):
        await accounts.verify("ann", RIGHT, address)
    assert hasher.compared == [RIGHT]


async def test_a_password_in_use_stays_remembered_and_an_unused_one_is_forgotten(
    accounts: Accounts, hasher: ScriptedHasher, clock: ManualClock
) -> None:
    await accounts.verify("ann", RIGHT, HERE)
    for _ in range(3):
        await clock.advance(REMEMBER_SECONDS - 1)
        await accounts.verify("ann", RIGHT, HERE)
    assert len(hasher.compared) == 1
    await clock.advance(REMEMBER_SECONDS)
    await accounts.verify("ann", RIGHT, HERE)
    assert len(hasher.compared) == 2


async def test_a_wrong_password_costs_each_time_also_next_to_a_remembered_one(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    await accounts.verify("ann", RIGHT, HERE)
    for _ in range(3):
        await failure(accounts, "ann", "wrong")
    assert hasher.compared == [RIGHT, "wrong", "wrong", "wrong"]


async def test_a_remembered_password_of_one_user_opens_no_other(accounts: Accounts) -> None:
    await accounts.add("bob", "bob's own")
    await accounts.verify("ann", RIGHT, HERE)
    assert (await failure(accounts, "bob", RIGHT)).reason is Reason.BAD_CREDENTIALS


async def test_a_password_changed_by_another_process_counts_at_once(
    accounts: Accounts, url: str, clock: ManualClock
) -> None:
    await accounts.verify("ann", RIGHT, HERE)
    async with opened(url) as other_store, started(other_store, clock, ScriptedHasher()) as command_line:
        await command_line.change_password("ann", "new one")
        assert (await failure(accounts, "ann", RIGHT)).reason is Reason.BAD_CREDENTIALS
        await accounts.verify("ann", "new one", HERE)
        await command_line.remove("ann")
        assert (await failure(accounts, "ann", "new one")).reason is Reason.BAD_CREDENTIALS


async def test_a_remembered_password_is_never_throttled(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=2) as accounts:
        await accounts.add("ann", RIGHT)
        await accounts.verify("ann", RIGHT, HERE)
        for _ in range(2):
            await failure(accounts, "ann", "wrong")
        assert (await failure(accounts, "ann", "wrong")).reason is Reason.LOGIN_THROTTLED
        await accounts.verify("ann", RIGHT, HERE)


# --- many at once ----------------------------------------------------------------------------------------------------


async def test_two_hundred_equal_logins_at_once_cost_one_hash(
    accounts: Accounts, store: Store, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    logins = [login(accounts, "ann", RIGHT, f"192.0.2.{number}") for number in range(200)]
    await all_looked_up(store)
    hasher.let_go()
    assert await outcomes(*logins) == [None] * 200
    assert hasher.compared == [RIGHT]


async def test_a_client_that_goes_does_not_break_those_who_share_its_hash(
    accounts: Accounts, store: Store, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    first = login(accounts, "ann", RIGHT)
    await hasher.begun()
    others = [login(accounts, "ann", RIGHT) for _ in range(5)]
    await all_looked_up(store)
    first.cancel()
    others[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await settle()
    hasher.let_go()
    assert await outcomes(*others[:1], *others[2:]) == [None] * 4
    assert hasher.compared == [RIGHT]


async def test_equal_wrong_logins_at_once_are_counted_one_by_one(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        hasher.hold()
        logins = [login(accounts, "ann", "wrong") for _ in range(10)]
        await all_looked_up(store)
        hasher.let_go()
        reasons = await outcomes(*logins)
    assert reasons.count(Reason.BAD_CREDENTIALS) == 3
    assert reasons.count(Reason.LOGIN_THROTTLED) == 7
    assert len(hasher.compared) == 3


async def test_different_wrong_logins_at_once_are_stopped_where_one_by_one_would_be(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=5) as accounts:
        await accounts.add("ann", RIGHT)
        hasher.hold()
        logins = [login(accounts, "ann", f"guess {number}") for number in range(40)]
        await all_looked_up(store)
        assert line_of(accounts).waiting == 40 - HASHES_AT_ONCE
        hasher.let_go()
        await until(lambda: sum(each.done() for each in logins) >= 40 - 1 - TRIES_OF_A_PAIR)
        await clock.advance(LOOK_SECONDS)  # those that were looked at out of turn are told as late as that
        reasons = await outcomes(*logins)
    # Those that are hashed at the same time cannot know of each other.
    most = 5 + HASHES_AT_ONCE - 1
    assert reasons.count(Reason.BAD_CREDENTIALS) <= most
    assert reasons.count(Reason.LOGIN_THROTTLED) == 40 - reasons.count(Reason.BAD_CREDENTIALS)
    assert 5 <= len(hasher.compared) <= most + 1 + TRIES_OF_A_PAIR


async def test_wrong_logins_whose_clients_go_while_they_are_hashed_are_counted(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=2) as accounts:
        for number in range(2):
            hasher.hold()
            gone = login(accounts, "ann", f"guess {number}")
            await hasher.begun()
            gone.cancel()
            hasher.let_go()
            await asyncio.gather(gone, *line_of(accounts)._running, return_exceptions=True)
            assert gone.cancelled()
        assert (await failure(accounts, "ann", "guess 2")).reason is Reason.LOGIN_THROTTLED


async def test_clients_that_go_while_they_are_hashed_start_no_more_hashes_than_threads(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    for number in range(HASHES_AT_ONCE):
        gone = login(accounts, "ann", f"guess {number}")
        await hasher.begun()
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
    waiting = login(accounts, "ann", RIGHT)
    await until(lambda: line_of(accounts).waiting == 1)
    assert line_of(accounts).running == HASHES_AT_ONCE
    hasher.let_go()
    await waiting


async def test_at_most_so_many_logins_wait_and_one_more_is_told_to_come_back(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, max_waiting_logins=2) as accounts:
        for number in range(6):
            await accounts.add(f"user{number}", RIGHT)
        hasher.hold()
        logins = []
        for number in range(4):
            logins.append(login(accounts, f"user{number}", RIGHT))
            await until(lambda: line_of(accounts).running + line_of(accounts).waiting == len(logins))
        one_more = asyncio.create_task(failure(accounts, "user4", RIGHT))
        await until(lambda: clock._sleepers)
        await clock.advance(LOOK_SECONDS)
        error = await one_more
        assert (error.reason, error.retry_after_ms) == (Reason.LOGIN_THROTTLED, BUSY_RETRY_MS)
        logins[3].cancel()  # a client that goes while it waits makes room
        await until(lambda: line_of(accounts).waiting == 1)
        next_one = login(accounts, "user5", RIGHT)
        await until(lambda: line_of(accounts).waiting == 2)
        hasher.let_go()
        assert await outcomes(*logins[:3], next_one) == [None] * 4
        # A hash that somebody was let in without ends all the same, and gives its turn back then.
        await until(lambda: not accounts._logins._answers)


async def test_closing_ends_logins_that_wait_for_a_hash(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher) as accounts:
        hasher.hold()
        waiting = login(accounts, "ann", "wrong")
        await hasher.begun()
        await accounts.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hasher.let_go()
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("password-")]
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)


# --- the throttle ----------------------------------------------------------------------------------------------------


async def test_after_too_many_wrong_logins_a_name_has_to_wait_whatever_its_address(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        answers = []
        for name in ("ann", "nobody"):
            for number in range(3):
                error = await failure(accounts, name, "wrong", f"192.0.2.{number}")
                assert error.reason is Reason.BAD_CREDENTIALS
                await clock.advance(10)
            wrong = asyncio.create_task(failure(accounts, name, "wrong", f"198.51.100.{len(name)}"))
            await only_waiting(accounts, clock)
            await clock.advance(LOOK_SECONDS - 0.5)
            assert not wrong.done()
            await clock.advance(0.5)
            error = await wrong
            answers.append((error.reason, error.message, error.retry_after_ms))
            await clock.advance(30)
        assert answers[0] == answers[1]
        assert answers[0] == (Reason.LOGIN_THROTTLED, "Too many wrong logins. Try again in 30 s.", 30_000)


async def test_after_too_many_wrong_logins_an_address_has_to_wait_loopback_too(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        for number in range(3):
            await failure(accounts, f"guess{number}", "wrong", HERE)
        error = await failure(accounts, "guess0", RIGHT, HERE)
        assert (error.reason, error.retry_after_ms) == (Reason.LOGIN_THROTTLED, 60_000)
        assert len(hasher.compared) == 3
        await accounts.verify("ann", RIGHT, "192.0.2.1")


# --- bystanders of a throttled address -------------------------------------------------------------------------------


@asynccontextmanager
async def under_attack(store: Store, clock: ManualClock, hasher: ScriptedHasher) -> AsyncIterator[Accounts]:
    """Accounts of ann and bob, and an address from which nobody may fail any more."""
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        await accounts.add("bob", RIGHT)
        for number in range(3):
            await failure(accounts, f"guess{number}", "wrong", HERE)
        await hasher.begun(3)
        hasher.compared.clear()
        yield accounts


async def test_a_right_password_from_a_throttled_address_is_let_in_where_nobody_failed_with_the_name(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with under_attack(store, clock, hasher) as accounts:
        for _ in range(2):
            await accounts.verify("ann", RIGHT, HERE)
        await accounts.verify("bob", RIGHT, HERE)
    assert hasher.compared == [RIGHT, RIGHT]


async def test_a_wrong_password_from_a_throttled_address_is_a_429_after_the_same_time_for_every_name(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with under_attack(store, clock, hasher) as accounts:
        answers = []
        for name in ("ann", "nobody"):
            wrong = login(accounts, name, "wrong")
            await only_waiting(accounts, clock)
            await clock.advance(LOOK_SECONDS - 0.5)
            assert not wrong.done()
            await clock.advance(0.5)
            with pytest.raises(CommandError) as caught:
                await wrong
            answers.append((caught.value.reason, caught.value.message, caught.value.retry_after_ms))
        assert answers[0][0] is answers[1][0] is Reason.LOGIN_THROTTLED
        # One try a name and minute: the next one, right or not, does not even wait.
        for name in ("ann", "nobody"):
            assert (await failure(accounts, name, RIGHT)).reason is Reason.LOGIN_THROTTLED
    assert hasher.compared == ["wrong"]


async def test_names_that_nobody_has_cost_no_hash_at_a_throttled_address(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with under_attack(store, clock, hasher) as accounts:
        guesses = [login(accounts, f"stranger{number}", "wrong") for number in range(100)]
        await only_waiting(accounts, clock, 100)
        await accounts.verify("ann", RIGHT, HERE)
        await clock.advance(LOOK_SECONDS)
        assert await outcomes(*guesses) == [Reason.LOGIN_THROTTLED] * 100
    assert hasher.compared == [RIGHT]


async def test_a_bystander_that_is_found_right_too_late_is_let_in_at_the_next_try(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with under_attack(store, clock, hasher) as accounts:
        hasher.hold()
        late = login(accounts, "ann", RIGHT)
        await hasher.begun()
        await clock.advance(LOOK_SECONDS)
        with pytest.raises(CommandError):
            await late
        hasher.let_go()
        await until(lambda: not line_of(accounts).running)
        await accounts.verify("ann", RIGHT, HERE)


async def test_bystanders_are_hashed_one_at_a_time_and_not_when_their_time_is_over(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with under_attack(store, clock, hasher) as accounts:
        hasher.hold()
        first = login(accounts, "ann", "wrong")
        await hasher.begun()
        second = login(accounts, "bob", RIGHT)
        await until(lambda: len(clock._sleepers) == 2)
        assert hasher.compared == ["wrong"]
        await clock.advance(LOOK_SECONDS)
        assert await outcomes(first, second) == [Reason.LOGIN_THROTTLED] * 2
        hasher.let_go()
        await until(lambda: not line_of(accounts).running)
    assert hasher.compared == ["wrong"]


async def test_a_bystander_whose_client_goes_is_looked_at_all_the_same(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with under_attack(store, clock, hasher) as accounts:
        hasher.hold()
        gone = login(accounts, "ann", "wrong")
        await hasher.begun()
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        hasher.let_go()
        assert (await failure(accounts, "ann", RIGHT)).reason is Reason.LOGIN_THROTTLED


async def test_a_right_password_does_not_wait_for_the_wrong_ones_before_it(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    wrong = [login(accounts, f"stranger{number}", f"wrong{number}", "192.0.2.7") for number in range(20)]
    await hasher.begun(HASHES_AT_ONCE)
    await until(lambda: line_of(accounts).waiting == 20 - HASHES_AT_ONCE)
    honest = login(accounts, "ann", RIGHT, "192.0.2.7")
    await until(lambda: line_of(accounts).waiting == 21 - HASHES_AT_ONCE)
    hasher.let_go()
    await honest
    assert hasher.compared.index(RIGHT) <= HASHES_AT_ONCE + 1
    assert await outcomes(*wrong) == [Reason.BAD_CREDENTIALS] * 20


async def test_a_right_password_in_a_crowd_lets_in_all_who_wait_for_it_with_one_hash(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    wrong = [login(accounts, f"stranger{number}", "x", "192.0.2.7") for number in range(5)]
    await until(lambda: line_of(accounts).waiting == 5 - HASHES_AT_ONCE)
    honest = [login(accounts, "ann", RIGHT, f"198.51.100.{number}") for number in range(3)]
    await until(lambda: line_of(accounts).waiting == 6 - HASHES_AT_ONCE)
    hasher.let_go()
    assert await outcomes(*honest, *wrong) == [None] * 3 + [Reason.BAD_CREDENTIALS] * 5
    assert hasher.compared.count(RIGHT) == 1


async def test_a_bystander_whose_address_is_throttled_while_it_waits_is_looked_at_all_the_same(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        await accounts.add("bob", RIGHT)
        hasher.hold()
        strangers = [login(accounts, f"stranger{number}", f"guess {number}") for number in range(4)]
        await until(lambda: line_of(accounts).waiting == 4 - HASHES_AT_ONCE)
        ann = login(accounts, "ann", RIGHT)
        await until(lambda: line_of(accounts).waiting == 5 - HASHES_AT_ONCE)
        bob = login(accounts, "bob", "slow and wrong")
        await until(lambda: line_of(accounts).waiting == 6 - HASHES_AT_ONCE)
        hasher.hold("slow and wrong")
        # Three strangers were wrong, and the others refused in their turn; bob's is the look that ann's waits for.
        await until(lambda: len(clock._sleepers) == 3)
        assert RIGHT not in hasher.compared
        hasher.let_go()
        await until(ann.done)
        assert await outcomes(ann, *strangers[:3]) == [None, *[Reason.BAD_CREDENTIALS] * 3]
        assert not bob.done()
        await clock.advance(LOOK_SECONDS)
        assert await outcomes(bob, strangers[3]) == [Reason.LOGIN_THROTTLED] * 2


async def test_a_wrong_password_in_a_crowd_is_counted_once_and_answered_in_its_turn(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    strangers = [login(accounts, f"stranger{number}", "x", "192.0.2.7") for number in range(3)]
    await until(lambda: line_of(accounts).waiting == 1)
    wrong = login(accounts, "ann", "wrong", "192.0.2.7")
    await until(lambda: line_of(accounts).waiting == 2)
    hasher.let_go()
    assert await outcomes(wrong, *strangers) == [Reason.BAD_CREDENTIALS] * 4
    assert len(accounts.throttle._names._times[_key("ann")]) == 1


# --- a name under attack ----------------------------------------------------------------------------------------------


async def told_late(accounts: Accounts, clock: ManualClock, name: str, password: str, address: str) -> Reason | None:
    """What comes of a login that is looked at out of turn without being let in."""
    late = login(accounts, name, password, address)
    await only_waiting(accounts, clock)
    await clock.advance(LOOK_SECONDS)
    return (await outcomes(late))[0]


def guesses(accounts: Accounts, tries: int, addresses: int, *, first: int = 0) -> list[asyncio.Task[Identity]]:
    """So many different wrong passwords for ann from so many addresses."""
    numbers = range(first, first + tries)
    return [login(accounts, "ann", f"guess {number}", f"198.18.0.{number % addresses}") for number in numbers]


@pytest.mark.parametrize(("tries", "addresses"), [(30, 10), (300, 100)])
async def test_wrong_tries_from_elsewhere_do_not_shut_a_user_out_who_comes_for_the_first_time(
    store: Store, clock: ManualClock, hasher: ScriptedHasher, tries: int, addresses: int
) -> None:
    async with started(store, clock, hasher) as accounts:
        await accounts.add("ann", RIGHT)
        for minute in range(3):  # sustained
            attack = guesses(accounts, tries, addresses, first=minute * tries)
            honest = login(accounts, "ann", RIGHT, f"192.0.2.{minute}")
            await until(honest.done)
            assert await outcomes(honest) == [None]
            accounts._logins._remembered._until.clear()  # the next one is a first login, too
            while not all(each.done() for each in attack):
                await clock.advance(1)
                await asyncio.to_thread(lambda: None)
            assert None not in await outcomes(*attack)
            await clock.advance(50)


async def test_a_password_mistyped_twice_from_a_new_address_under_attack_is_let_in_when_it_is_right(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        for number in range(3):
            await failure(accounts, "ann", "wrong", f"198.18.0.{number}")
        for _ in range(2):
            assert await told_late(accounts, clock, "ann", "rihgt", "192.0.2.1") is Reason.LOGIN_THROTTLED
        await accounts.verify("ann", RIGHT, "192.0.2.1")


async def test_an_address_has_three_tries_with_a_locked_name_and_then_not_even_the_right_password(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        for name in ("ann", "nobody"):
            attacker, another = f"198.18.0.{len(name)}", f"192.0.2.{len(name)}"
            for _ in range(3):
                await failure(accounts, name, "wrong", attacker)
            for _ in range(3):
                assert await told_late(accounts, clock, name, "wrong", another) is Reason.LOGIN_THROTTLED
            assert (await failure(accounts, name, RIGHT, another)).reason is Reason.LOGIN_THROTTLED
            # This one had them in their turn.
            assert (await failure(accounts, name, RIGHT, attacker)).reason is Reason.LOGIN_THROTTLED
    assert hasher.compared.count(RIGHT) == 0


async def test_looks_that_say_no_count_against_their_address(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        for name in ("ann", "nobody"):
            for number in range(3):
                await failure(accounts, name, "wrong", f"198.18.{len(name)}.{number}")
        await accounts.add("ann", RIGHT)
        await accounts.add("bob", RIGHT)
        for name in ("ann", "nobody", "nobody"):
            assert await told_late(accounts, clock, name, "wrong", "192.0.2.1") is Reason.LOGIN_THROTTLED
        assert accounts.throttle.wait_seconds("bob", "192.0.2.1") > 0
        assert (await failure(accounts, "ann", RIGHT, "192.0.2.1")).reason is Reason.LOGIN_THROTTLED


async def test_a_user_is_let_in_at_once_where_she_logged_in_lately_whatever_others_try_elsewhere(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        await accounts.verify("ann", RIGHT, "192.0.2.1")
        await accounts.change_password("ann", "a new one")
        for number in range(3):
            await failure(accounts, "ann", "wrong", f"198.18.0.{number}")
        assert (await failure(accounts, "ann", "mistyped", "192.0.2.1")).reason is Reason.BAD_CREDENTIALS
        await accounts.verify("ann", "a new one", "192.0.2.1")
        # The limit by address stands.
        for number in range(2):
            await failure(accounts, f"stranger{number}", "wrong", "192.0.2.1")
        assert await told_late(accounts, clock, "bob", "wrong", "192.0.2.1") is Reason.LOGIN_THROTTLED


async def test_many_clients_of_one_user_from_one_new_address_share_the_look(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        for number in range(3):
            await failure(accounts, "ann", "wrong", f"198.18.0.{number}")
        honest = [login(accounts, "ann", RIGHT, "192.0.2.1") for _ in range(20)]
        assert await outcomes(*honest) == [None] * 20
        assert hasher.compared.count(RIGHT) == 1
        assert accounts._logins._hopes == {}


async def test_who_finds_the_line_full_is_looked_at_out_of_turn(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, max_waiting_logins=2) as accounts:
        await accounts.add("ann", RIGHT)
        hasher.hold("x")
        wrong = [login(accounts, f"stranger{number}", "x", "198.18.0.1") for number in range(4)]
        await until(lambda: line_of(accounts).waiting == 2)
        honest = login(accounts, "ann", RIGHT, "192.0.2.1")
        await until(lambda: len(clock._sleepers) == 1)
        hasher.let_go()
        await honest
        assert await outcomes(*wrong) == [Reason.BAD_CREDENTIALS] * 4


# --- hashes that change ----------------------------------------------------------------------------------------------


async def test_a_hash_with_old_parameters_is_renewed_at_the_next_login(
    accounts: Accounts, store: Store, hasher: ScriptedHasher
) -> None:
    hasher.generation = 2
    assert await outcomes(*(login(accounts, "ann", RIGHT) for _ in range(5))) == [None] * 5
    user = await store.user("ann")
    assert user is not None
    assert user.password_hash.startswith("scripted:2:")
    await accounts.verify("ann", RIGHT, HERE)
    assert hasher.compared == [RIGHT]


async def test_renewing_a_hash_does_not_undo_a_password_changed_meanwhile(
    accounts: Accounts, store: Store, hasher: ScriptedHasher
) -> None:
    hasher.generation = 2
    hasher.hold()
    late = login(accounts, "ann", RIGHT)
    await hasher.begun()
    await store.set_password_hash("ann", hasher.hash(b"new one"))
    hasher.let_go()
    await late
    await accounts.verify("ann", "new one", HERE)
    assert (await failure(accounts, "ann", RIGHT)).reason is Reason.BAD_CREDENTIALS


async def test_a_hash_that_cannot_be_renewed_lets_its_user_in_and_is_logged(
    accounts: Accounts, url: str, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    hasher.generation = 2
    read_only = url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true"
    async with opened(read_only) as frozen, started(frozen, clock, hasher) as others:
        with capture_logs() as logs:
            await others.verify("ann", RIGHT, HERE)
    assert [entry["event"] for entry in logs] == ["A password's hash could not be renewed."]
    assert [user.name for user in await accounts.list()] == ["ann"]


async def test_a_hash_that_cannot_be_compared_lets_nobody_in_and_tells_the_operator(
    accounts: Accounts, store: Store
) -> None:
    await store.set_password_hash("ann", "other:1:abc")
    with capture_logs() as logs, pytest.raises(StorageError, match="could not be compared"):
        await accounts.verify("ann", RIGHT, HERE)
    assert [(entry["log_level"], entry["username"]) for entry in logs] == [("error", "ann")]
    await accounts.change_password("ann", RIGHT)
    await accounts.verify("ann", RIGHT, HERE)
