import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import argon2
import pytest
from structlog.testing import capture_logs

from stocktrack.accounts.accounts import NO_PASSWORD, Accounts
from stocktrack.accounts.line import BUSY_RETRY_MS, HashLine
from stocktrack.accounts.logins import LOOK_SECONDS, Login
from stocktrack.accounts.passwords import HASHES_AT_ONCE, MAX_PASSWORD_CHARS, Argon2Hasher, password_hint
from stocktrack.accounts.remembered import MAX_REMEMBERED, REMEMBER_SECONDS, RememberedPasswords
from stocktrack.accounts.tokens import TokenSigner
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.messages import Auth
from stocktrack.storage.store import Store

HERE = "127.0.0.1"
RIGHT = "correct horse"
SECRET = b"s" * 32


class ScriptedHasher:
    """Hashes that are quick and can be read; counts them, and holds them up between `hold` and `let_go`."""

    def __init__(self) -> None:
        self.compared: list[str] = []
        self.generation = 1
        self._may_go = threading.Event()
        self._may_go.set()
        self._begun = threading.Semaphore(0)

    def hash(self, password: bytes) -> str:
        return f"scripted:{self.generation}:{password.hex()}"

    def matches(self, password_hash: str, password: bytes) -> bool:
        kind, _, stored = password_hash.split(":")
        if kind != "scripted":
            raise ValueError("no scripted hash")
        self.compared.append(password.decode())
        self._begun.release()
        assert self._may_go.wait(10)
        return stored == password.hex()

    def is_outdated(self, password_hash: str) -> bool:
        return password_hash.split(":")[1] != str(self.generation)

    def hold(self) -> None:
        self._may_go.clear()

    def let_go(self) -> None:
        self._may_go.set()

    async def begun(self, hashes: int = 1) -> None:
        """Return when so many more comparisons have begun."""
        for _ in range(hashes):
            assert await asyncio.to_thread(self._begun.acquire, timeout=10)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hasher() -> ScriptedHasher:
    return ScriptedHasher()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'stocktrack.db'}"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = Store(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with opened(url) as store:
        yield store


@asynccontextmanager
async def started(
    store: Store,
    clock: ManualClock,
    hasher: ScriptedHasher,
    *,
    failures: int = 30,
    max_waiting_logins: int = 128,
    allowlist: tuple[str, ...] = (),
) -> AsyncIterator[Accounts]:
    accounts = Accounts(
        store,
        clock,
        open_signer=lambda: TokenSigner(SECRET, clock),
        login_failures_per_minute=failures,
        allowlist=allowlist,
        hasher=hasher,
        max_waiting_logins=max_waiting_logins,
    )
    await accounts.start()
    try:
        yield accounts
    finally:
        hasher.let_go()
        await accounts.close()


def unstarted(store: Store, clock: ManualClock, *, failures: int) -> Accounts:
    """Accounts with the real hasher."""
    return Accounts(store, clock, open_signer=lambda: TokenSigner(SECRET, clock), login_failures_per_minute=failures)


@pytest.fixture
async def accounts(store: Store, clock: ManualClock, hasher: ScriptedHasher) -> AsyncIterator[Accounts]:
    async with started(store, clock, hasher) as accounts:
        await accounts.add("ann", RIGHT)
        yield accounts


async def failure(accounts: Accounts, name: str, password: str, address: str = HERE) -> CommandError:
    with pytest.raises(CommandError) as caught:
        await accounts.verify(name, password, address)
    return caught.value


async def outcomes(*logins: asyncio.Task[None]) -> list[Reason | None]:
    """Of each login the reason of its failure, or None where it succeeded."""
    results = await asyncio.gather(*logins, return_exceptions=True)
    reasons: list[Reason | None] = []
    for result in results:
        assert result is None or isinstance(result, CommandError), result
        reasons.append(result.reason if result is not None else None)
    return reasons


def line_of(accounts: Accounts) -> HashLine:
    return accounts._logins._line


def login(accounts: Accounts, name: str, password: str, address: str = HERE) -> asyncio.Task[None]:
    return asyncio.create_task(accounts.verify(name, password, address))


# --- right and wrong -----------------------------------------------------------------------------------------------


async def test_with_real_argon2_the_right_password_is_let_in_and_a_wrong_one_is_not(
    store: Store, clock: ManualClock
) -> None:
    accounts = unstarted(store, clock, failures=30)
    await accounts.start()
    try:
        await accounts.add("ann", "pässwörd 🐎")
        await accounts.verify("ann", "pässwörd 🐎", HERE)
        error = await failure(accounts, "ann", "passwort")
        user = await store.user("ann")
    finally:
        await accounts.close()
    assert error.reason is Reason.BAD_CREDENTIALS
    assert user is not None
    assert user.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_argon2_says_when_its_parameters_are_old_and_what_is_no_hash() -> None:
    hasher = Argon2Hasher()
    old = argon2.PasswordHasher(time_cost=1, memory_cost=1024).hash(b"x")
    assert hasher.is_outdated(old)
    assert hasher.matches(old, b"x")
    assert not hasher.matches(old, b"y")
    with pytest.raises(ValueError, match="no argon2 hash"):
        hasher.matches("garbage", b"x")
    with pytest.raises(ValueError, match="Decoding failed"):
        hasher.matches(old[:-4] + "!", b"x")


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer_at_the_same_cost(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    known = await failure(accounts, "ann", "wrong")
    assert hasher.compared == ["wrong"]
    unknown = await failure(accounts, "nobody", "wrong")
    assert hasher.compared == ["wrong", "wrong"]
    for error in (known, unknown):
        assert (error.reason, error.message) == (Reason.BAD_CREDENTIALS, "The name or the password is wrong.")
        assert error.retry_after_ms is None


async def test_the_hash_that_stands_in_for_unknown_names_lets_nobody_in(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    accounts._logins._decoy_hash = hasher.hash(RIGHT.encode())
    assert (await failure(accounts, "nobody", RIGHT)).reason is Reason.BAD_CREDENTIALS


async def test_names_are_told_apart_by_case(accounts: Accounts) -> None:
    assert (await failure(accounts, "Ann", RIGHT)).reason is Reason.BAD_CREDENTIALS


async def test_a_password_with_half_a_surrogate_pair_is_only_wrong(accounts: Accounts) -> None:
    hasher = Argon2Hasher()
    assert not hasher.matches(hasher.hash(b"x"), "\ud800".encode("utf-8", "surrogatepass"))
    accounts._pool._hasher = hasher
    accounts._logins._decoy_hash = hasher.hash(b"x")
    assert (await failure(accounts, "nobody", "\ud800")).reason is Reason.BAD_CREDENTIALS


# --- remembered passwords ------------------------------------------------------------------------------------------


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


async def test_the_memory_of_passwords_is_bounded_and_forgets_the_longest_unused(clock: ManualClock) -> None:
    remembered = RememberedPasswords(clock)
    for number in range(MAX_REMEMBERED + 5):
        remembered.add(number.to_bytes(4))
    assert len(remembered) == MAX_REMEMBERED
    assert not remembered.has((4).to_bytes(4))
    assert remembered.has((5).to_bytes(4))
    await clock.advance(REMEMBER_SECONDS)
    remembered.add(b"fresh")
    assert len(remembered) == 1
    assert remembered.has(b"fresh")


# --- many at once --------------------------------------------------------------------------------------------------


async def test_two_hundred_equal_logins_at_once_cost_one_hash(
    accounts: Accounts, store: Store, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    logins = [login(accounts, "ann", RIGHT, f"192.0.2.{number}") for number in range(200)]
    await all_looked_up(store)
    hasher.let_go()
    assert await outcomes(*logins) == [None] * 200
    assert hasher.compared == [RIGHT]


async def all_looked_up(store: Store) -> None:
    """Return when every login that was begun waits for a hash: the store reads in the order asked."""
    await settle()
    await store.user("nobody")
    await settle()


async def test_a_client_that_goes_does_not_break_those_who_share_its_hash(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    hasher.hold()
    first = login(accounts, "ann", RIGHT)
    await hasher.begun()
    others = [login(accounts, "ann", RIGHT) for _ in range(5)]
    first.cancel()
    others[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
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
        hasher.hold()
        logins = [login(accounts, "ann", f"guess {number}") for number in range(40)]
        await all_looked_up(store)
        assert line_of(accounts).waiting == 40 - HASHES_AT_ONCE
        hasher.let_go()
        reasons = await outcomes(*logins)
    # Those that are hashed at the same time cannot know of each other.
    assert 5 <= len(hasher.compared) <= 5 + HASHES_AT_ONCE - 1
    assert reasons.count(Reason.LOGIN_THROTTLED) == 40 - len(hasher.compared)


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
        error = await failure(accounts, "user4", RIGHT)
        assert (error.reason, error.retry_after_ms) == (Reason.LOGIN_THROTTLED, BUSY_RETRY_MS)
        logins[3].cancel()  # a client that goes while it waits makes room
        await until(lambda: line_of(accounts).waiting == 1)
        next_one = login(accounts, "user5", RIGHT)
        await until(lambda: line_of(accounts).waiting == 2)
        hasher.let_go()
        assert await outcomes(*logins[:3], next_one) == [None] * 4
        # A hash that somebody was let in without ends all the same, and gives its turn back then.
        await until(lambda: not accounts._logins._answers)


async def until(is_so: Callable[[], object]) -> None:
    """Return when `is_so`; what it waits for comes from a thread, so it is looked at again and again."""
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.to_thread(lambda: None)


# --- the throttle --------------------------------------------------------------------------------------------------


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
            error = await failure(accounts, name, RIGHT, f"198.51.100.{len(name)}")
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


async def waiting(accounts: Accounts, clock: ManualClock, logins: int = 1) -> None:
    """Return when so many wrong logins only wait for their time to be over."""
    await until(lambda: len(clock._sleepers) == logins and not line_of(accounts).running)


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
            await waiting(accounts, clock)
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
        await waiting(accounts, clock, 100)
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
    assert len(accounts._throttle._names._times["ann"]) == 1


# --- tokens --------------------------------------------------------------------------------------------------------


async def test_a_token_lets_its_user_in_without_a_hash(accounts: Accounts, hasher: ScriptedHasher) -> None:
    token = await accounts.make_token("ann", 30)
    assert await accounts.verify_token(token.text, HERE) == "ann"
    assert hasher.compared == []


async def test_a_token_ends_with_its_days(accounts: Accounts, clock: ManualClock) -> None:
    token = await accounts.make_token("ann", 1)
    await clock.advance(86_400)
    await token_failure(accounts, token.text)


async def test_revoking_removing_and_a_new_user_of_the_same_name_end_tokens_also_from_another_process(
    accounts: Accounts, url: str, clock: ManualClock
) -> None:
    first = await accounts.make_token("ann", 30)
    async with opened(url) as other_store, started(other_store, clock, ScriptedHasher()) as command_line:
        await command_line.revoke_tokens("ann")
        await token_failure(accounts, first.text)
        second = await accounts.make_token("ann", 30)
        assert await accounts.verify_token(second.text, HERE) == "ann"
        await command_line.change_password("ann", "new one")
        assert await accounts.verify_token(second.text, HERE) == "ann"
        await command_line.remove("ann")
        await token_failure(accounts, second.text)
        await clock.advance(0.001)
        await command_line.add("ann", RIGHT)
        for old in (first, second):
            await token_failure(accounts, old.text)


async def test_every_bad_token_gets_the_same_answer(accounts: Accounts, clock: ManualClock) -> None:
    forged = TokenSigner(b"t" * 32, clock).make("ann", 0, 0, days=1).text
    stranger = TokenSigner(SECRET, clock).make("nobody", 0, 0, days=1).text
    answers = {(await token_failure(accounts, text)).message for text in ("x", forged, stranger)}
    assert len(answers) == 1


async def test_bad_tokens_throttle_passwords_from_their_address_and_no_name_and_no_token(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        token = await accounts.make_token("ann", 30)
        forged = TokenSigner(b"t" * 32, clock).make("ann", 0, 0, days=1).text
        for _ in range(5):
            await token_failure(accounts, forged)
        wrong = login(accounts, "eve", "wrong")
        await waiting(accounts, clock)
        await clock.advance(LOOK_SECONDS)
        assert await outcomes(wrong) == [Reason.LOGIN_THROTTLED]
        assert await accounts.verify_token(token.text, HERE) == "ann"
        await accounts.verify("ann", RIGHT, "192.0.2.1")


async def test_a_token_is_for_a_user_and_for_days_that_can_be(accounts: Accounts) -> None:
    for name, days, sentence in (("bob", 30, "no user 'bob'"), ("ann", 0, "1 to 365"), ("ann", 366, "1 to 365")):
        with pytest.raises(CommandError, match=sentence):
            await accounts.make_token(name, days)
    with pytest.raises(CommandError, match="no user 'bob'"):
        await accounts.revoke_tokens("bob")


async def token_failure(accounts: Accounts, token: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        await accounts.verify_token(token, HERE)
    assert caught.value.reason is Reason.BAD_CREDENTIALS
    return caught.value


# --- administrators --------------------------------------------------------------------------------------------------


async def test_a_role_counts_at_once_also_where_another_process_gives_and_takes_it(
    accounts: Accounts, url: str, clock: ManualClock
) -> None:
    assert not await accounts.is_admin("ann")
    async with opened(url) as other_store, started(other_store, clock, ScriptedHasher()) as command_line:
        await command_line.set_admin("ann", True)
        assert await accounts.is_admin("ann")
        await command_line.set_admin("ann", False)
        assert not await accounts.is_admin("ann")
        await command_line.add("root", RIGHT, is_admin=True)
        assert await accounts.is_admin("root")
        with pytest.raises(CommandError, match="no user 'bob'"):
            await command_line.set_admin("bob", True)
    assert not await accounts.is_admin("bob")


# --- the allowlist ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def classroom(store: Store, clock: ManualClock, hasher: ScriptedHasher) -> AsyncIterator[Accounts]:
    async with started(store, clock, hasher, allowlist=("pupil", "ann")) as accounts:
        await accounts.add("ann", RIGHT)
        await accounts.add("bob", RIGHT)
        yield accounts


async def test_a_name_of_the_allowlist_is_let_in_by_any_password_and_none_and_has_a_saved_list(
    classroom: Accounts, store: Store, hasher: ScriptedHasher
) -> None:
    for password in (None, "x", "y"):
        await classroom.verify("pupil", password, HERE)
    await store.save("pupil", ["AAPL"], 5)
    assert await store.saved("pupil") == ("AAPL",)
    assert [user.name for user in await classroom.list()] == ["ann", "bob", "pupil"]
    assert hasher.compared == []


async def test_first_logins_of_one_name_at_the_same_time_are_all_let_in(classroom: Accounts) -> None:
    await asyncio.gather(*(classroom.verify("pupil", None, HERE) for _ in range(10)))
    assert len(await classroom.list()) == 3


@pytest.mark.parametrize("name", ["ann", "bob", "stranger"])
async def test_a_name_with_a_password_needs_it_and_other_names_get_the_same_answer(
    classroom: Accounts, name: str
) -> None:
    for password in (None, "wrong"):
        with pytest.raises(CommandError) as caught:
            await classroom.verify(name, password, HERE)
        assert caught.value.message == "The name or the password is wrong."
    if name != "stranger":
        await classroom.verify(name, RIGHT, HERE)


async def test_a_password_given_later_is_needed_from_then_on(classroom: Accounts) -> None:
    await classroom.verify("pupil", None, HERE)
    await classroom.change_password("pupil", "own one")
    with pytest.raises(CommandError):
        await classroom.verify("pupil", None, HERE)
    await classroom.verify("pupil", "own one", HERE)


async def test_who_never_had_a_password_gets_no_token_and_is_let_in_no_more_without_the_allowlist(
    classroom: Accounts, store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    await classroom.verify("pupil", None, HERE)
    with pytest.raises(CommandError) as caught:
        await classroom.make_token("pupil", 1)
    assert caught.value.reason is Reason.NOT_PERMITTED
    async with started(store, clock, hasher) as later:
        for password in ("x", NO_PASSWORD):
            assert (await failure(later, "pupil", password)).message == "The name or the password is wrong."


# --- more of the throttle --------------------------------------------------------------------------------------------


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


# --- hashes that change --------------------------------------------------------------------------------------------


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


# --- a broken store ------------------------------------------------------------------------------------------------


async def test_a_broken_store_lets_nobody_in_not_even_a_remembered_password(accounts: Accounts, store: Store) -> None:
    await accounts.verify("ann", RIGHT, HERE)
    await store.close()
    for password in (RIGHT, "wrong"):
        with pytest.raises(StorageError):
            await accounts.verify("ann", password, HERE)


async def test_a_hash_that_cannot_be_compared_lets_nobody_in_and_tells_the_operator(
    accounts: Accounts, store: Store
) -> None:
    await store.set_password_hash("ann", "other:1:abc")
    with capture_logs() as logs, pytest.raises(StorageError, match="could not be compared"):
        await accounts.verify("ann", RIGHT, HERE)
    assert [(entry["log_level"], entry["username"]) for entry in logs] == [("error", "ann")]
    await accounts.change_password("ann", RIGHT)
    await accounts.verify("ann", RIGHT, HERE)


async def test_a_login_before_the_start_is_a_mistake_of_the_caller(store: Store, clock: ManualClock) -> None:
    with pytest.raises(RuntimeError, match="was not awaited"):
        await unstarted(store, clock, failures=30).verify("ann", RIGHT, HERE)


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


# --- managing users ------------------------------------------------------------------------------------------------


async def test_users_are_added_listed_and_removed(accounts: Accounts, store: Store, clock: ManualClock) -> None:
    await accounts.add("bob", "b")
    await store.save("bob", ["AAPL", "MSFT"], 500)
    users = [(user.name, user.created_at_ms, user.saved_count) for user in await accounts.list()]
    assert users == [("ann", clock.now_ms(), 0), ("bob", clock.now_ms(), 2)]
    await accounts.remove("bob")
    assert [user.name for user in await accounts.list()] == ["ann"]


async def test_a_taken_name_and_a_missing_user_get_a_sentence(accounts: Accounts) -> None:
    with pytest.raises(CommandError, match="There is a user 'ann' already"):
        await accounts.add("ann", "other")
    await accounts.verify("ann", RIGHT, HERE)
    with pytest.raises(CommandError, match="There is no user 'bob'"):
        await accounts.change_password("bob", "other")
    with pytest.raises(CommandError, match="There is no user 'bob'"):
        await accounts.remove("bob")


@pytest.mark.parametrize("name", ["", " ann", "ann\n", "a\x00b", "n" * 65, "\ud800", "a\u202eb"])
async def test_a_name_that_could_not_log_in_is_refused(accounts: Accounts, name: str) -> None:
    for manage in (accounts.add(name, "x"), accounts.change_password(name, "x"), accounts.remove(name)):
        with pytest.raises(CommandError, match="1 to 64 printable characters"):
            await manage


@pytest.mark.parametrize(
    ("password", "sentence"),
    [("", "1 to 1024"), ("p" * (MAX_PASSWORD_CHARS + 1), "1 to 1024"), ("secret\udc80", "is Unicode text")],
)
async def test_a_password_that_cannot_be_is_refused_without_showing_it(
    accounts: Accounts, password: str, sentence: str
) -> None:
    for manage in (accounts.add("bob", password), accounts.change_password("ann", password)):
        with pytest.raises(CommandError, match=sentence) as caught:
            await manage
        assert caught.value.__context__ is None
    await accounts.verify("ann", RIGHT, HERE)


async def test_the_longest_password_works_and_auth_takes_it(accounts: Accounts) -> None:
    password = "ß" * MAX_PASSWORD_CHARS
    await accounts.add("bob", password)
    command = Auth(username="bob", password=password)
    assert command.username is not None
    await accounts.verify(command.username, command.password, HERE)
    with pytest.raises(ValueError, match="at most 1024"):
        Auth(username="bob", password=f"{password}x")


def test_a_short_password_gets_a_hint_and_a_long_one_none() -> None:
    hint = password_hint("1234567")
    assert hint is not None
    assert "8 characters" in hint
    assert password_hint("12345678") is None


# --- secrets -------------------------------------------------------------------------------------------------------


async def test_no_password_and_no_hash_appears_in_logs_reprs_and_errors(
    store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    seen = [repr(Login("ann", HERE, True, b"plain-secret-0", "$argon2id$", b"digest"))]
    caplog.set_level(logging.DEBUG)
    for name in ("aiosqlite", "sqlalchemy"):  # at DEBUG these log each statement's values: `logs.py` keeps them quiet
        caplog.set_level(logging.WARNING, name)
    asyncio.get_running_loop().set_debug(True)
    accounts = unstarted(store, clock, failures=1)
    await accounts.start()
    with capture_logs() as logs:
        await accounts.add("ann", "plain-secret-1")
        waiting = login(accounts, "ann", "plain-secret-1")
        # Not sooner: while a row is read, it stands in the repr of the task that reads it.
        await until(lambda: line_of(accounts).running)
        seen += [repr(task) for task in asyncio.all_tasks()]
        await waiting
        for password in ("plain-secret-2", "plain-secret-3"):
            error = await failure(accounts, "ann", password)
            seen += [repr(error), repr(error.__context__), repr(error.__cause__)]
        seen += [repr(await accounts.list()), repr(accounts)]
        await accounts.close()
    everything = "\n".join([*seen, repr(logs), caplog.text])
    assert "Too many wrong logins" in everything
    assert "plain-secret" not in everything
    assert "argon2id" not in everything
