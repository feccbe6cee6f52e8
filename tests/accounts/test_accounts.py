import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

import pytest
from structlog.testing import capture_logs

from scripted_accounts import (
    HERE,
    RIGHT,
    SECRET,
    ScriptedHasher,
    a_token,
    an_old_token,
    failure,
    line_of,
    login,
    only_waiting,
    outcomes,
    started,
    unstarted,
    until,
)
from stocktrack.accounts.accounts import NO_PASSWORD, NOTE_SECONDS, Accounts
from stocktrack.accounts.logins import LOOK_SECONDS, Login
from stocktrack.accounts.passwords import MAX_PASSWORD_CHARS
from stocktrack.accounts.tokens import TokenSigner
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, LoginError, Reason, StorageError
from stocktrack.messages import Auth
from stocktrack.scopes import Scope
from stocktrack.storage.store import Store
from stores import opened

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


# --- tokens --------------------------------------------------------------------------------------------------------


async def test_a_token_lets_its_user_in_without_a_hash(accounts: Accounts, hasher: ScriptedHasher) -> None:
    token = await accounts.make_token("ann", 30)
    assert (await accounts.verify_token(token.text, HERE)).name == "ann"
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
        await accounts.verify_token(second.text, HERE)
        await command_line.change_password("ann", "new one", keep_tokens=True)
        await accounts.verify_token(second.text, HERE)
        await command_line.change_password("ann", "newer one")
        await token_failure(accounts, second.text)
        second = await accounts.make_token("ann", 30)
        await command_line.remove("ann")
        await token_failure(accounts, second.text)
        await clock.advance(0.001)
        await command_line.add("ann", RIGHT)
        for old in (first, second):
            await token_failure(accounts, old.text)


async def test_another_user_of_the_same_name_in_the_same_millisecond_is_somebody_else(
    accounts: Accounts, store: Store, clock: ManualClock
) -> None:
    token = await accounts.make_token("ann", 30)
    held = (await accounts.verify("ann", RIGHT, HERE), await accounts.verify_token(token.text, HERE))
    await accounts.remove("ann")
    await accounts.add("ann", RIGHT, is_admin=True)
    user = await accounts.user("ann")
    assert user is not None
    assert user.created_at_ms == held[0].created_at_ms
    assert [identity.counts(user, clock.now_ms()) for identity in held] == [False, False]
    await token_failure(accounts, token.text)
    with pytest.raises(CommandError) as caught:
        await accounts.make_token("ann", 30, identity=held[0])
    assert caught.value.reason is Reason.NOT_AUTHENTICATED
    assert await store.tokens("ann", now_ms=clock.now_ms()) == []


async def test_a_token_from_before_the_upgrade_counts_until_it_expires_or_all_are_revoked(
    accounts: Accounts, clock: ManualClock
) -> None:
    user = await accounts.user("ann")
    assert user is not None
    old, short = an_old_token(SECRET, user, clock), an_old_token(SECRET, user, clock, days=1)
    identity = await accounts.verify_token(old, HERE)
    assert identity.token is not None
    assert (identity.token.token_id, identity.scope) == (None, Scope.FULL)
    await clock.advance(86_400)
    await token_failure(accounts, short)
    await accounts.verify_token(old, HERE)
    assert await accounts.tokens("ann") == []
    assert await accounts.revoke_tokens("ann") == frozenset()
    await token_failure(accounts, old)


async def test_expired_tokens_are_forgotten_and_make_room_for_new_ones(
    accounts: Accounts, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktrack.storage.store.MAX_TOKENS", 2)
    await accounts.make_token("ann", 1)
    kept = await accounts.make_token("ann", 2)
    with pytest.raises(CommandError, match="'ann' has 2 tokens, the most allowed"):
        await accounts.make_token("ann", 1)
    await clock.advance(86_400)
    assert [row.token_id for row in await accounts.tokens("ann")] == [kept.token_id]
    user = await store.user("ann")
    assert user is not None
    assert len(user.token_ids) == 2  # nobody asked for room yet
    made = await accounts.make_token("ann", 1)
    user = await store.user("ann")
    assert user is not None
    assert user.token_ids == {kept.token_id, made.token_id}


async def test_a_storm_of_logins_with_tokens_writes_when_they_were_used_in_one_change(
    accounts: Accounts, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [await accounts.make_token("ann", 1) for _ in range(3)]
    written: list[int] = []
    note = store.note_tokens

    async def counted(used_at_ms: Mapping[str, int], *, now_ms: int) -> None:
        written.append(len(used_at_ms))
        await note(used_at_ms, now_ms=now_ms)

    monkeypatch.setattr(store, "note_tokens", counted)
    await clock.advance(5)
    for _ in range(100):
        for token in tokens[:2]:
            await accounts.verify_token(token.text, HERE)
    used_at_ms = clock.now_ms()
    assert written == []
    # Who lists them sees it before it is written.
    assert [row.last_used_at_ms for row in await accounts.tokens("ann")].count(used_at_ms) == 2
    await clock.advance(NOTE_SECONDS)
    await until(lambda: written == [2])
    await until(lambda: accounts._noting is not None and accounts._noting.done())
    rows = {row.token_id: row.last_used_at_ms for row in await store.tokens("ann", now_ms=clock.now_ms())}
    assert rows == {tokens[0].token_id: used_at_ms, tokens[1].token_id: used_at_ms, tokens[2].token_id: None}


async def test_uses_that_cannot_be_written_are_written_later_at_the_latest_at_the_end(
    accounts: Accounts, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await accounts.make_token("ann", 1)
    used_at_ms = clock.now_ms()
    await accounts.verify_token(token.text, HERE)
    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(store, "note_tokens", refuse)
        await clock.advance(NOTE_SECONDS)
        await until(lambda: accounts._noting is not None and accounts._noting.done())
    assert [line["why"] for line in logs] == ["The disk is full."]
    await accounts.close()
    assert [row.last_used_at_ms for row in await store.tokens("ann", now_ms=clock.now_ms())] == [used_at_ms]


async def refuse(_: Mapping[str, int], *, now_ms: int) -> None:
    raise StorageError("The disk is full.")


async def test_every_bad_token_gets_the_same_answer(accounts: Accounts, clock: ManualClock) -> None:
    forged = TokenSigner(b"t" * 32, clock).make("ann", 0, 0, a_token(clock)).text
    stranger = TokenSigner(SECRET, clock).make("nobody", 0, 0, a_token(clock)).text
    answers = {(await token_failure(accounts, text)).message for text in ("x", forged, stranger)}
    assert len(answers) == 1


async def test_bad_tokens_throttle_passwords_from_their_address_and_no_name_and_no_token(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        token = await accounts.make_token("ann", 30)
        forged = TokenSigner(b"t" * 32, clock).make("ann", 0, 0, a_token(clock)).text
        for _ in range(5):
            await token_failure(accounts, forged)
        wrong = login(accounts, "eve", "wrong")
        await only_waiting(accounts, clock)
        await clock.advance(LOOK_SECONDS)
        assert await outcomes(wrong) == [Reason.LOGIN_THROTTLED]
        await accounts.verify_token(token.text, HERE)
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


# --- changed passwords, disabled users -------------------------------------------------------------------------------


async def test_who_waits_for_a_hash_while_the_password_is_changed_is_let_in_as_nobody(
    accounts: Accounts, hasher: ScriptedHasher, clock: ManualClock
) -> None:
    hasher.hold(RIGHT)
    waiting = login(accounts, "ann", RIGHT)
    await hasher.begun()
    await accounts.change_password("ann", "a new one")
    hasher.let_go()
    identity = await waiting
    assert not identity.counts(await accounts.user("ann"), clock.now_ms())


async def test_a_hash_that_is_renewed_ends_no_login(
    accounts: Accounts, hasher: ScriptedHasher, clock: ManualClock
) -> None:
    before = await accounts.verify("ann", RIGHT, HERE)
    hasher.generation += 1
    accounts._logins._remembered._until.clear()
    await accounts.verify("ann", RIGHT, HERE)
    user = await accounts.user("ann")
    assert user is not None
    assert user.password_hash.startswith("scripted:2:")
    assert before.counts(user, clock.now_ms())


async def test_wrong_tries_to_change_a_password_are_throttled_as_logins_are(
    store: Store, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    async with started(store, clock, hasher, failures=3) as accounts:
        await accounts.add("ann", RIGHT)
        identity = await accounts.verify("ann", RIGHT, HERE)
        accounts._logins._remembered._until.clear()
        reasons = []
        for number in range(4):
            with pytest.raises(CommandError) as caught:
                await accounts.change_own_password(identity, f"wrong {number}", "a new one", HERE)
            reasons.append(caught.value.reason)
        assert reasons == [*3 * [Reason.BAD_CREDENTIALS], Reason.LOGIN_THROTTLED]
        assert (await failure(accounts, "ann", RIGHT)).reason is Reason.LOGIN_THROTTLED


async def test_a_new_password_that_cannot_be_one_is_refused_before_anything_is_hashed(
    accounts: Accounts, hasher: ScriptedHasher
) -> None:
    identity = await accounts.verify("ann", RIGHT, HERE)
    hasher.compared.clear()
    for new in ("", "x" * (MAX_PASSWORD_CHARS + 1), "\ud800"):
        with pytest.raises(CommandError, match="A password is"):
            await accounts.change_own_password(identity, RIGHT, new, HERE)
    assert hasher.compared == []


async def test_who_is_disabled_gets_in_by_no_way_and_has_everything_back_when_enabled(
    accounts: Accounts, url: str, clock: ManualClock, hasher: ScriptedHasher
) -> None:
    token = await accounts.make_token("ann", 30)
    held = (await accounts.verify("ann", RIGHT, HERE), await accounts.verify_token(token.text, HERE))
    async with opened(url) as other_store, started(other_store, clock, ScriptedHasher()) as command_line:
        await command_line.set_disabled("ann", True)
        user = await accounts.user("ann")
        assert [identity.counts(user, clock.now_ms()) for identity in held] == [False, False]
        await token_failure(accounts, token.text)
        unknown, disabled = await failure(accounts, "nobody", RIGHT), await failure(accounts, "ann", RIGHT)
        assert (disabled.reason, disabled.message) == (unknown.reason, unknown.message)
        await command_line.set_disabled("ann", False)
        await accounts.verify_token(token.text, HERE)
        await accounts.verify("ann", RIGHT, HERE)
        assert not held[0].counts(await accounts.user("ann"), clock.now_ms())
        with pytest.raises(CommandError, match="no user 'bob'"):
            await command_line.set_disabled("bob", True)


async def test_a_disabled_name_of_the_allowlist_needs_more_than_its_name(classroom: Accounts) -> None:
    await classroom.verify("pupil", None, HERE)
    await classroom.set_disabled("pupil", True)
    with pytest.raises(CommandError) as caught:
        await classroom.verify("pupil", None, HERE)
    assert caught.value.reason is Reason.BAD_CREDENTIALS


async def test_a_refused_login_says_for_the_log_whose_it_was_where_there_is_such_a_user(accounts: Accounts) -> None:
    revoked = await accounts.make_token("ann", 1)
    await accounts.revoke_token("ann", revoked.token_id)
    tries = {
        "wrong": accounts.verify("ann", "x", HERE),
        "nobody": accounts.verify("nobody", "x", HERE),
        "revoked": accounts.verify_token(revoked.text, HERE),
        "no token": accounts.verify_token("x", HERE),
    }
    whose: dict[str, str | None] = {}
    for what, tried in tries.items():
        with pytest.raises(LoginError) as caught:
            await tried
        whose[what] = caught.value.username
    assert whose == {"wrong": "ann", "nobody": None, "revoked": "ann", "no token": None}
    await accounts.remove("ann")
    with pytest.raises(LoginError) as caught:
        await accounts.verify_token(revoked.text, HERE)
    assert caught.value.username is None


# --- administrators --------------------------------------------------------------------------------------------------


async def test_a_role_counts_at_once_also_where_another_process_gives_and_takes_it(
    accounts: Accounts, url: str, clock: ManualClock
) -> None:
    assert not await is_admin(accounts, "ann")
    async with opened(url) as other_store, started(other_store, clock, ScriptedHasher()) as command_line:
        await command_line.set_admin("ann", True)
        assert await is_admin(accounts, "ann")
        await command_line.set_admin("ann", False)
        assert not await is_admin(accounts, "ann")
        await command_line.add("root", RIGHT, is_admin=True)
        assert await is_admin(accounts, "root")
        with pytest.raises(CommandError, match="no user 'bob'"):
            await command_line.set_admin("bob", True)
    assert not await is_admin(accounts, "bob")


async def is_admin(accounts: Accounts, name: str) -> bool:
    user = await accounts.user(name)
    return user is not None and user.is_admin


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
        assert (await classroom.verify("pupil", password, HERE)).is_listed
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


# --- a broken store ------------------------------------------------------------------------------------------------


async def test_a_broken_store_lets_nobody_in_not_even_a_remembered_password(accounts: Accounts, store: Store) -> None:
    await accounts.verify("ann", RIGHT, HERE)
    await store.close()
    for password in (RIGHT, "wrong"):
        with pytest.raises(StorageError):
            await accounts.verify("ann", password, HERE)


async def test_a_login_before_the_start_is_a_mistake_of_the_caller(store: Store, clock: ManualClock) -> None:
    with pytest.raises(RuntimeError, match="was not awaited"):
        await unstarted(store, clock, failures=30).verify("ann", RIGHT, HERE)


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


# --- secrets -------------------------------------------------------------------------------------------------------


async def test_no_password_and_no_hash_appears_in_logs_reprs_and_errors(
    store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    seen = [repr(Login("ann", HERE, True, b"plain-secret-0", "$argon2id$", b"digest"))]
    caplog.set_level(logging.DEBUG)
    caplog.set_level(
        logging.WARNING, "sqlalchemy"
    )  # at DEBUG it logs each statement's values: `logs.py` keeps it quiet
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
