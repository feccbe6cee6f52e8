import asyncio

import pytest
from sqlalchemy import select

from stocktrack.errors import CommandError, ConfigError, Reason
from stocktrack.messages import MAX_LISTS, ListChange
from stocktrack.storage.store import Store
from stocktrack.storage.tables import saved_symbols
from stores import HASH, add, opened

# --- users ---------------------------------------------------------------------------------------------------------


async def test_an_added_user_is_found_by_exactly_this_name(store: Store) -> None:
    await add(store, "Ann")
    user = await store.user("Ann")
    assert user is not None
    assert (user.name, user.password_hash, user.created_at_ms, user.saved_count) == ("Ann", HASH, 1_712_331_900_000, 0)
    assert await store.user("ann") is None
    assert await store.user("Ann ") is None


async def test_a_name_that_is_taken_is_refused_and_the_first_user_stays(store: Store) -> None:
    await add(store, "ann")
    with pytest.raises(CommandError, match="There is a user 'ann' already"):
        await store.add_user("ann", "another hash", created_at_ms=2)
    user = await store.user("ann")
    assert user is not None
    assert user.password_hash == HASH


async def test_users_are_listed_by_name_with_the_number_of_their_saved_symbols(store: Store) -> None:
    await add(store, "bob", "ann")
    await store.save("bob", ["AAPL", "MSFT"], limit=500)
    assert [(user.name, user.saved_count) for user in await store.users()] == [("ann", 0), ("bob", 2)]


@pytest.mark.parametrize("most", [1, 3, 100])
async def test_users_come_in_pages_in_one_order_whatever_the_alphabet_of_the_database(store: Store, most: int) -> None:
    names = ["Zoë", "ann", "Ann", "éva", "a b", "_x", "9", "zoe", chr(0x1F40E), chr(0xFFFD)]
    await add(store, *names)
    await store.save("ann", ["AAPL", "MSFT"], limit=500)
    found: list[str] = []
    while True:
        rows, count = await store.users_after(found[-1] if found else None, most)
        found += [user.name for user in rows]
        assert count == len(names)
        if len(rows) < most:
            break
    assert found == sorted(names) == [user.name for user in await store.users()]
    # A name that is gone, or never was, is a place all the same.
    [ann], _ = await store.users_after("an", 1)
    assert (ann.name, ann.saved_count) == ("ann", 2)
    assert (await store.users_after("\U0010ffff", 5))[0] == []


async def test_a_mute_is_the_users_own_and_goes_with_the_user(store: Store) -> None:
    for name in ("ann", "bob"):
        await store.add_user(name, "hash", created_at_ms=1)
    assert await store.set_muted("ann", 5_000)
    assert [(user.name, user.muted_until_ms) for user in await store.users()] == [("ann", 5_000), ("bob", None)]
    assert not await store.set_muted("cyd", 5_000)
    await store.remove_user("ann")
    await store.add_user("ann", "hash", created_at_ms=2)
    anew = await store.user("ann")
    assert anew is not None
    assert anew.muted_until_ms is None


async def test_the_hash_is_in_no_repr(store: Store) -> None:
    await add(store, "ann")
    assert "argon2" not in repr(await store.user("ann"))


async def test_a_changed_hash_replaces_the_old_one(store: Store) -> None:
    await add(store, "ann")
    assert await store.set_password_hash("ann", "new")
    user = await store.user("ann")
    assert user is not None
    assert user.password_hash == "new"
    assert not await store.set_password_hash("nobody", "new")


async def test_a_hash_that_is_not_the_expected_one_any_more_is_left_alone(store: Store) -> None:
    await add(store, "ann")
    assert not await store.set_password_hash("ann", "new", expected="older")
    assert await store.set_password_hash("ann", "new", expected=HASH)


async def test_a_removed_user_takes_the_saved_symbols_along(store: Store) -> None:
    await add(store, "ann", "bob")
    await store.save("ann", ["AAPL"], limit=500)
    await store.save("bob", ["MSFT"], limit=500)
    assert await store.remove_user("ann")
    assert not await store.remove_user("ann")
    await add(store, "ann")
    assert await store.saved("ann") == ()
    assert await store.saved("bob") == ("MSFT",)


# --- saved symbols -------------------------------------------------------------------------------------------------


async def test_saved_symbols_keep_the_order_of_saving_and_stand_there_once(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["TSLA", "AAPL", "TSLA"], limit=500)
    await store.save("ann", ["MSFT", "AAPL"], limit=500)
    assert await store.saved("ann") == ("TSLA", "AAPL", "MSFT")


async def test_a_symbol_saved_again_after_it_was_taken_out_is_the_last(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["AAPL", "MSFT"], limit=500)
    await store.unsave("ann", ["MSFT"])
    await store.unsave("ann", ["AAPL"])
    await store.save("ann", ["MSFT"], limit=500)
    await store.save("ann", ["AAPL"], limit=500)
    assert await store.saved("ann") == ("MSFT", "AAPL")


async def test_at_the_limit_saving_works_and_beyond_it_nothing_is_saved(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["A", "B"], limit=3)
    with pytest.raises(CommandError, match="at most 3 symbols: it has 2 and 2 would be added") as caught:
        await store.save("ann", ["C", "D"], limit=3)
    assert caught.value.reason is Reason.SYMBOL_LIMIT
    assert await store.saved("ann") == ("A", "B")
    await store.save("ann", ["C", "A"], limit=3)
    await store.save("ann", ["A", "B", "C"], limit=1)  # nothing new: a limit that was lowered takes nothing away
    assert await store.saved("ann") == ("A", "B", "C")


async def test_two_saves_at_once_cannot_pass_the_limit_together(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        results = await asyncio.gather(
            one.save("ann", ["A", "B"], limit=3), other.save("ann", ["C", "D"], limit=3), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["CommandError", "NoneType"]
        assert len(await one.saved("ann")) == 2


async def test_unsave_names_what_it_took_out_in_the_order_asked(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["A", "B", "C"], limit=500)
    assert await store.unsave("ann", ["C", "X", "A", "C"]) == ("C", "A")
    assert await store.saved("ann") == ("B",)


async def test_unsave_without_symbols_takes_out_all_of_this_user_only(store: Store) -> None:
    await add(store, "ann", "bob")
    await store.save("ann", ["A", "B"], limit=500)
    await store.save("bob", ["B"], limit=500)
    assert await store.unsave("ann", None) == ("A", "B")
    assert await store.unsave("ann", None) == ()
    assert await store.saved("bob") == ("B",)


async def test_ten_thousand_symbols_are_saved_and_taken_out_in_one_go(store: Store) -> None:
    await add(store, "ann")
    symbols = tuple(f"S{number}" for number in range(10_000))
    await store.save("ann", symbols, limit=10_000)
    assert await store.saved("ann") == symbols
    assert await store.unsave("ann", symbols) == symbols


async def test_a_user_who_is_gone_has_nothing_saved_and_can_save_nothing(store: Store) -> None:
    assert await store.saved("ann") == ()
    assert await store.unsave("ann", None) == ()
    with pytest.raises(CommandError, match="no user 'ann' any more") as caught:
        await store.save("ann", ["AAPL"], limit=500)
    assert caught.value.reason is Reason.NOT_AUTHENTICATED


# --- several lists -------------------------------------------------------------------------------------------------


async def test_lists_are_apart_and_named_by_name_with_the_main_list_first(store: Store) -> None:
    await add(store, "ann", "bob")
    await store.save("ann", ["AAPL", "MSFT"], limit=500)
    await store.save("ann", ["NVDA", "AAPL"], limit=500, list_name="tech")
    await store.save("ann", ["SAP"], limit=500, list_name="Ålesund")
    await store.save("bob", ["TSLA"], limit=500, list_name="cars")
    assert await store.list_names("ann") == ("main", "tech", "Ålesund")
    assert await store.list_names("nobody") == ("main",)
    assert await store.saved("ann") == ("AAPL", "MSFT")
    assert await store.saved("ann", "tech") == ("NVDA", "AAPL")
    assert await store.saved("ann", "cars") == ()
    # A symbol in two lists is one saved stock.
    assert [(user.name, user.saved_count) for user in await store.users()] == [("ann", 4), ("bob", 1)]


async def test_a_symbol_leaves_only_the_list_it_is_taken_out_of_and_the_last_one_ends_the_list(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["AAPL"], limit=500)
    await store.save("ann", ["NVDA", "AAPL"], limit=500, list_name="tech")
    assert await store.unsave("ann", ["AAPL", "MSFT"], "tech") == ("AAPL",)
    assert await store.unsave("ann", None, "tech") == ("NVDA",)
    assert await store.list_names("ann") == ("main",)
    assert await store.saved("ann") == ("AAPL",)


async def test_a_forgotten_symbol_leaves_all_lists_of_this_user(store: Store) -> None:
    await add(store, "ann", "bob")
    for list_name in ("main", "tech"):
        await store.save("ann", ["AAPL", "NOPE"], limit=500, list_name=list_name)
    await store.save("bob", ["NOPE"], limit=500)
    await store.forget("ann", ["NOPE", "NADA"])
    assert [await store.saved("ann", list_name) for list_name in ("main", "tech")] == [("AAPL",), ("AAPL",)]
    assert await store.saved("bob") == ("NOPE",)
    await store.forget("nobody", ["NOPE"])


async def test_each_list_has_its_own_limit_and_one_list_too_many_is_refused(store: Store) -> None:
    await add(store, "ann")
    # The main list counts also where it is empty.
    for number in range(1, MAX_LISTS):
        await store.save("ann", ["AAPL", "MSFT"], limit=2, list_name=f"list {number}")
    with pytest.raises(CommandError, match=f"at most {MAX_LISTS} lists") as caught:
        await store.save("ann", ["AAPL"], limit=2, list_name="one more")
    assert caught.value.reason is Reason.SYMBOL_LIMIT
    await store.save("ann", ["AAPL"], limit=2)
    await store.unsave("ann", None, "list 7")
    await store.save("ann", ["AAPL"], limit=2, list_name="one more")
    assert len(await store.list_names("ann")) == MAX_LISTS


async def test_lists_begun_at_once_cannot_pass_their_number_together(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        saves = [
            store.save("ann", ["AAPL"], limit=5, list_name=f"{store is one} {number}")
            for number in range(MAX_LISTS)
            for store in (one, other)
        ]
        refused = [error for error in await asyncio.gather(*saves, return_exceptions=True) if error is not None]
        assert len(refused) == len(saves) - (MAX_LISTS - 1)
        assert len(await one.list_names("ann")) == MAX_LISTS


async def test_a_full_list_is_replaced_by_another_full_one_in_the_order_given_and_what_is_too_long_changes_nothing(
    store: Store,
) -> None:
    await add(store, "ann")
    await store.save("ann", ["AAPL", "MSFT", "TSLA"], limit=3, list_name="tech")
    before, after = await store.change_list("ann", ListChange.REPLACE, ["SAP", "MSFT", "NVDA"], 3, "tech")
    assert (before, after) == (("AAPL", "MSFT", "TSLA"), ("SAP", "MSFT", "NVDA"))
    with pytest.raises(CommandError) as caught:
        await store.change_list("ann", ListChange.REPLACE, ["A", "B", "C", "D"], 3, "tech")
    assert caught.value.reason is Reason.SYMBOL_LIMIT
    with pytest.raises(CommandError):
        await store.change_list("ann", ListChange.ADD, ["A"], 3, "tech")
    assert await store.saved("ann", "tech") == ("SAP", "MSFT", "NVDA")
    # The main list can be empty; another one ends with its last symbol.
    assert (await store.change_list("ann", ListChange.REPLACE, [], 3))[1] == ()
    assert (await store.change_list("ann", ListChange.REPLACE, [], 3, "tech"))[1] == ()
    assert await store.list_names("ann") == ("main",)


async def test_a_list_that_is_kept_is_there_without_symbols_until_it_is_removed(store: Store) -> None:
    await add(store, "ann")
    assert await store.change_list("ann", ListChange.REPLACE, [], 9, "empty", keep=True) == ((), ())
    await store.save("ann", ["AAPL"], limit=9, list_name="tech")
    await store.change_list("ann", ListChange.REMOVE, ["AAPL"], 9, "tech", keep=True)
    assert await store.list_counts("ann") == {"main": 0, "empty": 0, "tech": 0}
    await store.rename_list("ann", "tech", "chips")
    await store.save("ann", ["NVDA"], limit=9, list_name="chips")
    assert await store.unsave("ann", None, "chips") == ("NVDA",)
    assert [*await store.order_lists("ann", ["chips"])] == ["chips", "main", "empty"]
    assert await store.remove_list("ann", "chips") == ()
    assert await store.list_names("ann") == ("main", "empty")
    # What is taken out of a list that is not there begins none.
    with pytest.raises(CommandError) as caught:
        await store.change_list("ann", ListChange.REMOVE, ["AAPL"], 9, "nope", keep=True)
    assert caught.value.reason is Reason.UNKNOWN_LIST
    # The main list is kept anyway, and stays what it is.
    await store.change_list("ann", ListChange.REPLACE, [], 9, keep=True)
    assert await store.list_names("ann") == ("main", "empty")


async def test_a_list_that_begins_by_being_kept_stands_last_until_it_is_moved(store: Store) -> None:
    await add(store, "ann", "bob")
    for name in ("tech", "zeta"):
        await store.save("ann", ["AAPL"], limit=9, list_name=name)
    await store.change_list("ann", ListChange.REPLACE, [], 9, "new", keep=True)
    await store.change_list("ann", ListChange.REPLACE, ["KO"], 9, "also new", keep=True)
    assert await store.list_names("ann") == ("main", "tech", "zeta", "new", "also new")
    # One that is there already keeps its place.
    await store.change_list("ann", ListChange.REPLACE, ["V"], 9, "tech", keep=True)
    assert await store.list_names("ann") == ("main", "tech", "zeta", "new", "also new")
    await store.rename_list("ann", "new", "a")
    await store.order_lists("ann", ["also new"])
    assert await store.list_names("ann") == ("also new", "main", "tech", "zeta", "a")
    # Lists that begin with their first symbol stand by their names, until somebody orders them.
    await store.save("bob", ["AAPL"], limit=9, list_name="b")
    await store.save("bob", ["AAPL"], limit=9, list_name="a")
    assert await store.list_names("bob") == ("main", "a", "b")


async def test_kept_lists_count_among_those_that_a_user_may_have(store: Store) -> None:
    await add(store, "ann")
    for number in range(1, MAX_LISTS):
        await store.change_list("ann", ListChange.REPLACE, [], 9, f"list {number}", keep=True)
    for change in (
        store.change_list("ann", ListChange.REPLACE, [], 9, "one more", keep=True),
        store.save("ann", ["AAPL"], limit=9, list_name="one more"),
    ):
        with pytest.raises(CommandError) as caught:
            await change
        assert caught.value.reason is Reason.SYMBOL_LIMIT
    await store.save("ann", ["AAPL"], limit=9, list_name="list 1")
    assert len(await store.list_names("ann")) == MAX_LISTS


async def test_lists_are_added_to_taken_out_of_and_put_in_order_and_keep_that_order(store: Store) -> None:
    await add(store, "ann")
    await store.change_list("ann", ListChange.ADD, ["A", "B", "C", "D"], 9)
    assert (await store.change_list("ann", ListChange.ORDER, ["D", "B", "NOPE"], 9))[1] == ("D", "B", "A", "C")
    assert (await store.change_list("ann", ListChange.ADD, ["A", "E"], 9))[1] == ("D", "B", "A", "C", "E")
    assert (await store.change_list("ann", ListChange.REMOVE, ["B", "NOPE"], 9))[1] == ("D", "A", "C", "E")
    await store.save("ann", ["F"], limit=9)
    assert await store.saved("ann") == ("D", "A", "C", "E", "F")
    for change in (ListChange.REMOVE, ListChange.ORDER):
        with pytest.raises(CommandError) as caught:
            await store.change_list("ann", change, ["A"], 9, "tech")
        assert caught.value.reason is Reason.UNKNOWN_LIST


async def test_a_list_that_is_replaced_again_and_again_takes_no_new_rows(store: Store) -> None:
    await add(store, "ann", "bob")
    for turn in range(5):
        await store.change_list("ann", ListChange.REPLACE, [f"A{turn}", "B", f"C{turn}"], 9)
    await store.save("bob", ["SAP"], limit=9)
    [row_id] = await store._database.read(
        lambda connection: connection.scalars(select(saved_symbols.c.id).where(saved_symbols.c.symbol == "SAP")).all()
    )
    assert row_id == 4
    assert await store.saved("ann") == ("A4", "B", "C4")


async def test_a_renamed_list_keeps_its_symbols_and_its_place(store: Store) -> None:
    await add(store, "ann")
    for name in ("b", "c", "d"):
        await store.save("ann", ["AAPL", name.upper()], limit=9, list_name=name)
    await store.rename_list("ann", "b", "z")
    assert await store.list_names("ann") == ("main", "z", "c", "d")
    assert await store.saved("ann", "z") == ("AAPL", "B")
    await store.rename_list("ann", "z", "z")
    for old, new, reason in (
        ("b", "e", Reason.UNKNOWN_LIST),
        ("c", "d", Reason.INVALID_COMMAND),
        ("c", "main", Reason.INVALID_COMMAND),
        ("main", "e", Reason.INVALID_COMMAND),
    ):
        with pytest.raises(CommandError) as caught:
            await store.rename_list("ann", old, new)
        assert caught.value.reason is reason
    assert await store.list_counts("ann") == {"main": 0, "z": 2, "c": 2, "d": 2}


async def test_lists_are_put_in_order_and_what_begins_later_stands_at_the_end(store: Store) -> None:
    await add(store, "ann", "bob")
    for name in ("b", "c", "d"):
        await store.save("ann", ["AAPL"], limit=9, list_name=name)
    assert [*await store.order_lists("ann", ["d", "main"])] == ["d", "main", "b", "c"]
    await store.save("ann", ["AAPL"], limit=9, list_name="a")
    assert await store.list_names("ann") == ("d", "main", "b", "c", "a")
    assert await store.remove_list("ann", "d") == ("AAPL",)
    await store.save("ann", ["AAPL"], limit=9, list_name="d")
    assert await store.list_names("ann") == ("main", "b", "c", "a", "d")
    for name in ("nope", "main"):
        with pytest.raises(CommandError):
            await store.remove_list("ann", name)
    with pytest.raises(CommandError) as caught:
        await store.order_lists("ann", ["a", "nope"])
    assert caught.value.reason is Reason.UNKNOWN_LIST
    assert await store.list_names("bob") == ("main",)


async def test_clients_that_rename_replace_and_add_at_once_lose_nothing(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        await one.save("ann", ["AAPL"], limit=500, list_name="tech")
        renamed = await asyncio.gather(
            one.rename_list("ann", "tech", "chips"), other.rename_list("ann", "tech", "cars"), return_exceptions=True
        )
        [refused] = [error for error in renamed if error is not None]
        assert isinstance(refused, CommandError)
        assert refused.reason is Reason.UNKNOWN_LIST
        [name] = set(await one.list_names("ann")) - {"main"}
        both = ([f"{letter}{number}" for number in range(40)] for letter in "XY")
        await asyncio.gather(
            *(
                store.change_list("ann", ListChange.REPLACE, symbols, 500, name)
                for store, symbols in zip((one, other), both, strict=True)
            )
        )
        # The one or the other, whole.
        assert len({symbol[0] for symbol in await one.saved("ann", name)}) == 1
        await asyncio.gather(
            *(
                store.change_list("ann", ListChange.ADD, [f"{store is one}{number}"], 500, name)
                for number in range(10)
                for store in (one, other)
            )
        )
        assert len(await other.saved("ann", name)) == 60


# --- administrators and tokens -------------------------------------------------------------------------------------


async def test_a_user_is_an_administrator_only_where_that_was_said(store: Store) -> None:
    await add(store, "ann")
    await store.add_user("root", HASH, created_at_ms=1, is_admin=True)
    assert [(user.name, user.is_admin) for user in await store.users()] == [("ann", False), ("root", True)]
    assert await store.set_admin("ann", is_admin=True)
    assert await store.set_admin("root", is_admin=False)
    assert [(user.name, user.is_admin) for user in await store.users()] == [("ann", True), ("root", False)]
    assert not await store.set_admin("nobody", is_admin=True)


async def test_revoking_tokens_gives_this_user_another_epoch_each_time(store: Store) -> None:
    await add(store, "ann", "bob")
    assert await store.revoke_tokens("ann") == frozenset()
    assert await store.revoke_tokens("ann", end_sessions=True) == frozenset()
    assert await store.revoke_tokens("nobody") is None
    assert [(user.name, user.token_epoch, user.password_epoch) for user in await store.users()] == [
        ("ann", 2, 1),
        ("bob", 0, 0),
    ]


# --- several at once -----------------------------------------------------------------------------------------------


async def test_what_one_store_changes_another_one_sees_at_once(url: str) -> None:
    async with opened(url) as server, opened(url) as command_line:
        await add(command_line, "ann")
        assert await server.user("ann") is not None
        await server.save("ann", ["AAPL"], limit=500)
        assert await command_line.saved("ann") == ("AAPL",)
        await command_line.remove_user("ann")
        assert await server.user("ann") is None


async def test_changes_of_two_stores_at_once_are_all_made(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        stores = {"A": one, "B": other}
        changes = [store.save("ann", [f"{name}{n}"], limit=500) for n in range(20) for name, store in stores.items()]
        await asyncio.gather(*changes)
        assert len(await one.saved("ann")) == 40


async def test_a_call_cancelled_at_any_moment_leaves_the_store_usable_and_the_change_whole(store: Store) -> None:
    await add(store, "ann")
    for turns in range(40):
        pair = (f"A{turns}", f"B{turns}")
        calls = [
            asyncio.create_task(store.save("ann", pair, limit=500)),
            asyncio.create_task(store.user("ann")),
            asyncio.create_task(store.saved("ann")),
        ]
        for _ in range(turns):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await store.save("ann", ["LAST"], limit=500)
    saved = await store.saved("ann")
    assert "LAST" in saved  # not always at the end: on PostgreSQL a cancelled change may still be under way beside it
    assert all((f"A{turns}" in saved) == (f"B{turns}" in saved) for turns in range(40))


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "names no file"),
        ("sqlite+aiosqlite:///:memory:", "names no file"),
        ("mysql+aiomysql://ann:secret@host/db", "names 'mysql': StockTrack knows sqlite and postgresql"),
        ("sqlite:////tmp/x.db?timeout=soon", "timeout=soon is no number"),
        ("ann:secret@host", "is no address of a database"),
    ],
)
def test_an_address_that_is_no_database_is_refused_without_showing_its_password(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        Store(url)
    assert "secret" not in str(caught.value)
