"""What sessions rely on, held by the real accounts and store as by the fakes that the tests of sessions stand on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from fakes import NOW_MS, PASSWORD, USER, MemoryAccounts, MemoryAuthenticator, MemoryLists
from scripted_accounts import HERE, ScriptedHasher, failure, started
from stocktrack.accounts.identity import Identity
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.messages import MAIN_LIST, MAX_LISTS, ListChange
from stocktrack.scopes import Scope
from stocktrack.sessions.contracts import Authenticator, WatchLists
from stocktrack.storage.store import Store

OTHER, ADMIN, PUPIL = "somebody", "boss", "pupil"
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Scene:
    """The users yosakorn and somebody, the administrator boss, and pupil, who needs no password."""

    authenticator: Authenticator
    lists: WatchLists
    # Has the next login of yosakorn with the password "throttled" be one too many.
    exhaust: Callable[[], Awaitable[None]]
    break_down: Callable[[], Awaitable[None]]


@asynccontextmanager
async def real(store: Store) -> AsyncIterator[Scene]:
    failures = 3
    async with started(store, ManualClock(NOW_MS), ScriptedHasher(), failures=failures, allowlist=(PUPIL,)) as accounts:
        for name in (USER, OTHER):
            await accounts.add(name, PASSWORD)
        await accounts.add(ADMIN, PASSWORD, is_admin=True)
        await accounts.verify(PUPIL, None, HERE)

        async def exhaust() -> None:
            for number in range(failures):
                await failure(accounts, USER, f"wrong {number}")

        yield Scene(accounts, store, exhaust, store.close)


def fakes(authenticator: MemoryAuthenticator, lists: MemoryLists) -> Scene:
    authenticator.passwords |= {ADMIN: PASSWORD, PUPIL: None}
    authenticator.admins.add(ADMIN)

    async def exhaust() -> None:
        """The fake goes by the password alone."""

    async def break_down() -> None:
        authenticator.is_broken = lists.is_broken = True

    return Scene(authenticator, lists, exhaust, break_down)


@pytest.fixture(params=["real", "two fakes", "one fake"])
async def scene(request: pytest.FixtureRequest, store: Store) -> AsyncIterator[Scene]:
    if request.param == "real":
        async with real(store) as scene:
            yield scene
    elif request.param == "two fakes":
        authenticator = MemoryAuthenticator()
        yield fakes(authenticator, MemoryLists(authenticator.passwords))
    else:
        both = MemoryAccounts()
        yield fakes(both, both)


async def refusal(work: Awaitable[object]) -> Reason:
    with pytest.raises(CommandError) as caught:
        await work
    return caught.value.reason


async def test_the_users_come_after_a_name_in_the_order_of_their_names(scene: Scene) -> None:
    rows, count = await scene.authenticator.users_after(None, 3)
    assert ([row.name for row in rows], count) == ([ADMIN, PUPIL, OTHER], 4)
    rows, count = await scene.authenticator.users_after(PUPIL, 3)
    assert ([(row.name, row.is_admin) for row in rows], count) == ([(OTHER, False), (USER, False)], 4)
    await scene.break_down()
    with pytest.raises(StorageError):
        await scene.authenticator.users_after(None, 3)


# --- who somebody is -----------------------------------------------------------------------------------------------


async def test_the_right_password_is_let_in_and_everything_else_is_refused_alike(scene: Scene) -> None:
    verify = scene.authenticator.verify
    await verify(USER, PASSWORD, HERE)
    messages: set[str] = set()
    wrong = ((USER, "wrong"), (USER, None), (USER.upper(), PASSWORD), ("nobody", "x"), ("nobody", None))
    for number, (name, password) in enumerate(wrong):
        with pytest.raises(CommandError) as caught:
            await verify(name, password, f"192.0.2.{number}")  # no address fails too often
        assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.BAD_CREDENTIALS, None)
        messages.add(caught.value.message)
    assert len(messages) == 1


async def test_who_needs_no_password_is_let_in_with_any_and_gets_no_token(scene: Scene) -> None:
    for password in (None, "x"):
        await scene.authenticator.verify(PUPIL, password, HERE)
    assert await refusal(scene.authenticator.make_token(PUPIL, 30)) is Reason.NOT_PERMITTED


async def test_one_wrong_password_too_many_is_told_how_long_to_wait(scene: Scene) -> None:
    await scene.exhaust()
    with pytest.raises(CommandError) as caught:
        await scene.authenticator.verify(USER, "throttled", HERE)
    assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.LOGIN_THROTTLED, 60_000)


async def test_a_token_says_whose_it_is_and_until_when_it_is_valid(scene: Scene) -> None:
    token = await scene.authenticator.make_token(USER, 30)
    assert token.expires_at_ms == NOW_MS + 30 * DAY_MS
    assert (await scene.authenticator.verify_token(token.text, HERE)).name == USER
    assert await refusal(scene.authenticator.verify_token(f"{token.text}x", HERE)) is Reason.BAD_CREDENTIALS


async def test_nobody_else_gets_a_token_and_nobody_one_for_ever(scene: Scene) -> None:
    for name, days in (("nobody", 30), (USER, 0), (USER, 366)):
        assert await refusal(scene.authenticator.make_token(name, days)) is Reason.INVALID_COMMAND


async def test_tokens_are_listed_with_their_name_and_scope_and_revoked_singly_and_all(scene: Scene) -> None:
    authenticator = scene.authenticator
    assert await authenticator.tokens(USER) == []
    laptop = await authenticator.make_token(USER, 30, name="laptop")
    board = await authenticator.make_token(USER, 1, name="board", scope=Scope.READ)
    others = await authenticator.make_token(OTHER, 1)
    listed = await authenticator.tokens(USER)
    assert {(row.token_id, row.name, row.scope, row.created_at_ms, row.expires_at_ms) for row in listed} == {
        (laptop.token_id, "laptop", Scope.FULL, NOW_MS, NOW_MS + 30 * DAY_MS),
        (board.token_id, "board", Scope.READ, NOW_MS, NOW_MS + DAY_MS),
    }
    assert (await authenticator.verify_token(board.text, HERE)).scope is Scope.READ
    for token_id in ("k0", others.token_id):
        assert await refusal(authenticator.revoke_token(USER, token_id)) is Reason.INVALID_COMMAND
    await authenticator.revoke_token(USER, board.token_id)
    assert await refusal(authenticator.verify_token(board.text, HERE)) is Reason.BAD_CREDENTIALS
    assert [row.token_id for row in await authenticator.tokens(USER)] == [laptop.token_id]
    assert await authenticator.revoke_tokens(USER) == {laptop.token_id}
    assert await refusal(authenticator.verify_token(laptop.text, HERE)) is Reason.BAD_CREDENTIALS
    assert (await authenticator.verify_token(others.text, HERE)).name == OTHER


async def test_what_was_ended_ends_the_login_that_it_opened_and_no_other(scene: Scene) -> None:
    authenticator = scene.authenticator
    by_password = await authenticator.verify(USER, PASSWORD, HERE)
    token = await authenticator.make_token(USER, 30)
    by_token = await authenticator.verify_token(token.text, HERE)
    assert await counting(scene, by_password, by_token) == [True, True]
    await authenticator.revoke_token(USER, token.token_id)
    assert await counting(scene, by_password, by_token) == [True, False]
    assert await refusal(authenticator.make_token(USER, 1, identity=by_token)) is Reason.NOT_AUTHENTICATED
    by_token = await authenticator.verify_token((await authenticator.make_token(USER, 30)).text, HERE)
    await authenticator.revoke_tokens(USER)
    assert await counting(scene, by_password, by_token) == [True, False]


async def test_a_password_is_changed_by_who_knows_the_old_one_and_ends_everything_else(scene: Scene) -> None:
    authenticator = scene.authenticator
    mine, elsewhere = [await authenticator.verify(USER, PASSWORD, HERE) for _ in range(2)]
    token = await authenticator.make_token(USER, 30)
    by_token = await authenticator.verify_token(token.text, HERE)
    change = authenticator.change_own_password
    assert await refusal(change(mine, "wrong", "battery staple", HERE)) is Reason.BAD_CREDENTIALS
    renewed = await change(mine, PASSWORD, "battery staple", HERE)
    assert await counting(scene, renewed, elsewhere, by_token) == [True, False, False]
    assert await refusal(authenticator.verify(USER, PASSWORD, "192.0.2.1")) is Reason.BAD_CREDENTIALS
    assert await authenticator.verify(USER, "battery staple", HERE) == renewed
    assert await authenticator.tokens(USER) == []


async def test_who_needs_no_password_has_none_to_change(scene: Scene) -> None:
    pupil = await scene.authenticator.verify(PUPIL, None, HERE)
    assert await refusal(scene.authenticator.change_own_password(pupil, "x", "y", HERE)) is Reason.NOT_PERMITTED


async def counting(scene: Scene, *identities: Identity) -> list[bool]:
    user = await scene.authenticator.user(USER)
    return [identity.counts(user, NOW_MS) for identity in identities]


async def test_administrators_are_told_apart(scene: Scene) -> None:
    names = (ADMIN, USER, PUPIL, "nobody")
    users = [await scene.authenticator.user(name) for name in names]
    assert [user is not None and user.is_admin for user in users] == [True, False, False, False]
    assert users[-1] is None


async def test_a_broken_database_lets_nobody_in(scene: Scene) -> None:
    authenticator = scene.authenticator
    token = await authenticator.make_token(USER, 30)
    identity = await authenticator.verify(USER, PASSWORD, HERE)
    await scene.break_down()
    for work in (
        authenticator.verify(USER, PASSWORD, HERE),
        authenticator.verify_token(token.text, HERE),
        authenticator.make_token(USER, 30),
        authenticator.user(ADMIN),
        authenticator.tokens(USER),
        authenticator.revoke_token(USER, token.token_id),
        authenticator.revoke_tokens(USER),
        authenticator.change_own_password(identity, PASSWORD, "new", HERE),
    ):
        with pytest.raises(StorageError):
            await work


# --- the lists -----------------------------------------------------------------------------------------------------


async def test_a_list_keeps_the_order_of_saving_and_each_symbol_once(scene: Scene) -> None:
    await scene.lists.save(USER, ["TSLA", "AAPL", "TSLA"], 10)
    await scene.lists.save(USER, ["MSFT", "AAPL"], 10)
    assert await scene.lists.saved(USER) == ("TSLA", "AAPL", "MSFT")
    assert await scene.lists.saved(OTHER) == ()


async def test_beyond_the_limit_nothing_is_saved_and_a_lowered_limit_takes_nothing_away(scene: Scene) -> None:
    await scene.lists.save(USER, ["AAPL", "MSFT"], 2)
    assert await refusal(scene.lists.save(USER, ["TSLA"], 2)) is Reason.SYMBOL_LIMIT
    await scene.lists.save(USER, ["MSFT"], 1)
    assert await scene.lists.saved(USER) == ("AAPL", "MSFT")


async def test_lists_begin_with_their_first_symbol_and_end_with_the_last(scene: Scene) -> None:
    lists = scene.lists
    assert await lists.saved(USER, "tech") == ()
    assert await lists.list_names(USER) == (MAIN_LIST,)
    await lists.save(USER, ["AAPL"], 10, "tech")
    await lists.save(USER, ["GLD"], 10, "metals")
    assert await lists.list_names(USER) == (MAIN_LIST, "metals", "tech")
    assert await lists.list_names(OTHER) == (MAIN_LIST,)
    assert (await lists.saved(USER), await lists.saved(USER, "tech")) == ((), ("AAPL",))
    await lists.unsave(USER, None, "tech")
    assert await lists.list_names(USER) == (MAIN_LIST, "metals")


async def test_one_list_too_many_is_refused_and_a_full_one_can_still_grow(scene: Scene) -> None:
    for number in range(MAX_LISTS - 1):  # the main list is one, also where it is empty
        await scene.lists.save(USER, ["AAPL"], 10, f"list{number}")
    assert await refusal(scene.lists.save(USER, ["AAPL"], 10, "one more")) is Reason.SYMBOL_LIMIT
    await scene.lists.save(USER, ["MSFT"], 10)
    await scene.lists.save(USER, ["MSFT"], 10, "list0")
    assert await scene.lists.saved(USER, "list0") == ("AAPL", "MSFT")


async def test_what_is_taken_out_is_told_in_the_order_asked_and_once(scene: Scene) -> None:
    await scene.lists.save(USER, ["AAPL", "MSFT", "TSLA"], 10)
    assert await scene.lists.unsave(USER, ["TSLA", "NOPE", "AAPL", "TSLA"]) == ("TSLA", "AAPL")
    assert await scene.lists.unsave(USER, None) == ("MSFT",)
    assert await scene.lists.unsave(USER, None) == ()


async def test_a_symbol_is_forgotten_in_all_lists_of_its_user_alone(scene: Scene) -> None:
    await scene.lists.save(USER, ["AAPL", "MSFT"], 10)
    await scene.lists.save(USER, ["AAPL"], 10, "tech")
    await scene.lists.save(OTHER, ["AAPL"], 10)
    await scene.lists.forget(USER, ["AAPL", "NOPE"])
    saved = [await scene.lists.saved(*of) for of in ((USER,), (USER, "tech"), (OTHER,))]
    assert saved == [("MSFT",), (), ("AAPL",)]


async def test_who_is_no_user_has_nothing_and_can_save_nothing(scene: Scene) -> None:
    assert await refusal(scene.lists.save("nobody", ["AAPL"], 10)) is Reason.NOT_AUTHENTICATED
    assert await scene.lists.saved("nobody") == ()
    assert await scene.lists.unsave("nobody", ["AAPL"]) == ()
    await scene.lists.forget("nobody", ["AAPL"])
    assert await scene.lists.list_names("nobody") == (MAIN_LIST,)


async def test_a_broken_database_refuses_every_list(scene: Scene) -> None:
    await scene.break_down()
    for work in (
        scene.lists.list_names(USER),
        scene.lists.saved(USER),
        scene.lists.save(USER, ["AAPL"], 10),
        scene.lists.unsave(USER, None),
        scene.lists.forget(USER, ["AAPL"]),
    ):
        with pytest.raises(StorageError):
            await work


async def test_a_mute_is_seen_at_once_ends_no_login_and_can_be_lifted(scene: Scene) -> None:
    identity = await scene.authenticator.verify(USER, PASSWORD, HERE)
    until_ms = await scene.authenticator.mute(USER, 5)
    assert until_ms == NOW_MS + 5 * 60_000
    user = await scene.authenticator.user(USER)
    assert user is not None
    assert user.muted_until_ms == until_ms
    assert identity.counts(user, NOW_MS)
    other = await scene.authenticator.user(OTHER)
    assert other is not None
    assert other.muted_until_ms is None
    assert await scene.authenticator.mute(USER, 0) is None
    user = await scene.authenticator.user(USER)
    assert user is not None
    assert user.muted_until_ms is None


async def test_nobody_is_muted_who_is_no_user(scene: Scene) -> None:
    assert await refusal(scene.authenticator.mute("nobody", 5)) is Reason.INVALID_COMMAND


async def test_a_list_is_changed_in_one_step_and_one_that_is_not_there_is_said_to_be(scene: Scene) -> None:
    lists = scene.lists
    assert await lists.change_list(USER, ListChange.REPLACE, ["B", "A"], 2) == ((), ("B", "A"))
    assert await lists.change_list(USER, ListChange.REPLACE, ["C", "A"], 2) == (("B", "A"), ("C", "A"))
    assert await lists.change_list(USER, ListChange.ORDER, ["A"], 2) == (("C", "A"), ("A", "C"))
    assert await refusal(lists.change_list(USER, ListChange.ADD, ["D"], 2)) is Reason.SYMBOL_LIMIT
    assert await lists.change_list(USER, ListChange.REMOVE, ["A", "X"], 2) == (("A", "C"), ("C",))
    for change in (ListChange.REMOVE, ListChange.ORDER, ListChange.REPLACE):
        assert await refusal(lists.change_list(USER, change, [], 2, "tech")) is Reason.UNKNOWN_LIST
    assert await lists.saved(USER) == ("C",)


async def test_lists_are_renamed_removed_and_put_in_order(scene: Scene) -> None:
    lists = scene.lists
    for name in ("b", "c"):
        await lists.save(USER, ["A"], 2, name)
    await lists.rename_list(USER, "b", "z")
    assert await lists.list_counts(USER) == {MAIN_LIST: 0, "z": 1, "c": 1}
    assert [*await lists.order_lists(USER, ["c"])] == ["c", MAIN_LIST, "z"]
    assert await lists.list_names(USER) == ("c", MAIN_LIST, "z")
    assert await lists.remove_list(USER, "c") == ("A",)
    for change in (
        lists.rename_list(USER, "b", "d"),
        lists.remove_list(USER, "b"),
        lists.order_lists(USER, ["b"]),
    ):
        assert await refusal(change) is Reason.UNKNOWN_LIST
    for change in (lists.rename_list(USER, "z", MAIN_LIST), lists.remove_list(USER, MAIN_LIST)):
        assert await refusal(change) is Reason.INVALID_COMMAND
    assert await lists.list_names(USER) == (MAIN_LIST, "z")
