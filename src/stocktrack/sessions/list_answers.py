"""What the commands answer that change a user's saved lists, and nothing that is pushed."""

from collections.abc import Mapping

from stocktrack.errors import Code, CommandError, Reason, StockTrackError
from stocktrack.messages import (
    MAIN_LIST,
    ListChange,
    ListInfo,
    Lists,
    ListsReply,
    OrderLists,
    OrderListsReply,
    RemoveList,
    RemoveListReply,
    RenameList,
    RenameListReply,
    SetList,
    SetListReply,
)
from stocktrack.sessions.answering import AllMissingError, answers
from stocktrack.sessions.answers import check_count, unchecked
from stocktrack.sessions.contracts import Asker
from stocktrack.sessions.pages import as_missing

_IS_NEW = frozenset({ListChange.REPLACE, ListChange.ADD})


@answers(SetList)
async def set_list(session: Asker, command: SetList) -> SetListReply:
    """Change a saved list in one step; new symbols are checked as SUBSCRIBE does, and pushes stay as they are."""
    lists, list_name = session.services.lists, command.list or MAIN_LIST
    check_count(session, command.symbols)
    errors: Mapping[str, StockTrackError] = {}
    refused: dict[str, StockTrackError] = {}
    if command.change in _IS_NEW and command.symbols:
        errors = await session.services.feed.known(command.symbols, session)
        refused |= {symbol: error for symbol, error in errors.items() if error.code is Code.NOT_FOUND}
        refused |= await unchecked(session, errors, list_name)
        if len(refused) == len(command.symbols):
            raise AllMissingError(refused)
        await session.check_login()  # the source may have taken its time
    wanted = [symbol for symbol in command.symbols if symbol not in refused]
    most = session.services.rules.max_symbols
    keep = command.keep is True
    before, after = await lists.change_list(session.user, command.change, wanted, most, list_name, keep=keep)
    if before != after or keep:
        session.services.list_news.changed(session.user, [list_name], session)
    if command.change not in _IS_NEW:
        held = frozenset(before)
        refused = {
            symbol: CommandError(Reason.NOT_SUBSCRIBED, f"{symbol} is not in the list {list_name!r}.")
            for symbol in wanted
            if symbol not in held
        }
        if len(refused) == len(wanted):
            raise AllMissingError(refused)
    return SetListReply(
        id=command.id,
        list=list_name,
        symbols=after,
        pending=tuple(symbol for symbol in wanted if symbol in errors),
        missing=as_missing(refused),
    )


@answers(Lists)
async def lists(session: Asker, command: Lists) -> ListsReply:
    """The user's saved lists, and from now on what others change in them, where that is wanted."""
    if command.follow is not None:
        # First, so that nothing that is changed while they are read goes untold.
        session.services.list_news.follow(session, is_wanted=command.follow)
    return ListsReply(id=command.id, lists=_infos(await session.services.lists.list_counts(session.user)))


@answers(RenameList)
async def rename_list(session: Asker, command: RenameList) -> RenameListReply:
    """Give a saved list another name."""
    await session.services.lists.rename_list(session.user, command.list, command.name)
    if command.name != command.list:
        session.services.list_news.changed(session.user, [command.list, command.name], session)
    return RenameListReply(id=command.id, list=command.list, name=command.name)


@answers(RemoveList)
async def remove_list(session: Asker, command: RemoveList) -> RemoveListReply:
    """Take out a saved list; what is pushed of it is pushed on."""
    symbols = await session.services.lists.remove_list(session.user, command.list)
    session.services.list_news.changed(session.user, [command.list], session)
    return RemoveListReply(id=command.id, list=command.list, symbols=symbols)


@answers(OrderLists)
async def order_lists(session: Asker, command: OrderLists) -> OrderListsReply:
    """Put the user's saved lists into another order."""
    counts = await session.services.lists.order_lists(session.user, command.lists)
    session.services.list_news.changed(session.user, command.lists, session)
    return OrderListsReply(id=command.id, lists=_infos(counts))


def _infos(counts: Mapping[str, int]) -> tuple[ListInfo, ...]:
    return tuple(ListInfo(list=list_name, count=count) for list_name, count in counts.items())
