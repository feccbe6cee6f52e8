"""REST of a user's saved lists of symbols: each operation is one command, and so one transaction."""

from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from stocktrack.errors import CommandError, Reason
from stocktrack.messages import (
    MAIN_LIST,
    MAX_LISTS,
    ListChange,
    ListsReply,
    Missing,
    MyStocksReply,
    OrderListsReply,
    RemoveListReply,
    RenameListReply,
    SetListReply,
)
from stocktrack.quotes import shown
from stocktrack.web.rest.parts import Asking, json_answer, router
from stocktrack.web.rest.sessions import RestSession

_MAX_NAME_CHARS = 64


class StockList(BaseModel):
    """Symbols of a saved list."""

    model_config = ConfigDict(extra="forbid")
    symbols: list[str] = Field(description="as many as the server's max_symbols; one that is named twice counts once")


class Stocks(BaseModel):
    """A saved list after a change; what could not be checked is pending, and what was not done stands in missing."""

    list: str
    symbols: tuple[str, ...] = Field(description="all that the list holds now, in its order")
    missing: tuple[Missing, ...] = ()
    pending: tuple[str, ...] | None = Field(default=None, description="saved unchecked, while their source is down")


class NewName(BaseModel):
    """Another name for a list."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=_MAX_NAME_CHARS, description="that no other list has")


class ListOrder(BaseModel):
    """Names of lists in their new order."""

    model_config = ConfigDict(extra="forbid")
    lists: list[str] = Field(
        min_length=1, max_length=MAX_LISTS, description="those that are not named stand behind these as they stood"
    )


ListQuery = Annotated[
    str | None,
    Query(
        alias="list", min_length=1, max_length=_MAX_NAME_CHARS, description="which saved list; main unless it is given"
    ),
]
ListPath = Annotated[str, Path(min_length=1, max_length=_MAX_NAME_CHARS, description="the name of a saved list")]


@router.get("/lists", response_model=ListsReply)
async def lists(asking: Asking) -> Any:
    """The user's saved lists in their order, each with the number of its symbols."""
    return json_answer(await asking.ask("LISTS"))


@router.put("/lists", response_model=OrderListsReply)
async def order_lists(body: ListOrder, asking: Asking) -> Any:
    """Put the user's saved lists into another order."""
    return json_answer(await asking.ask("ORDER_LISTS", lists=body.lists))


@router.patch("/lists/{name:path}", response_model=RenameListReply)
async def rename_list(name: ListPath, body: NewName, asking: Asking) -> Any:
    """Give a saved list another name; it keeps its symbols and its place."""
    return json_answer(await asking.ask("RENAME_LIST", list=name, name=body.name))


@router.delete("/lists/{name:path}", response_model=RemoveListReply)
async def remove_list(name: ListPath, asking: Asking) -> Any:
    """Take out a saved list with all its symbols; main can only be emptied."""
    return json_answer(await asking.ask("REMOVE_LIST", list=name))


@router.get("/stocks", response_model=MyStocksReply)
async def stocks(asking: Asking, list_name: ListQuery = None) -> Any:
    """A saved list with its latest quotes; main is always there, and may be empty."""
    reply = await asking.ask("MY_STOCKS", list=list_name)
    assert isinstance(reply, MyStocksReply)  # noqa: S101 - as its row says
    if list_name is not None and list_name not in reply.lists:
        # At the protocol such a list is an empty one, and has been since before there was REST.
        why = f"You have no list {shown(list_name)}; a list begins with its first symbol."
        raise CommandError(Reason.UNKNOWN_LIST, why)
    return json_answer(reply)


@router.put("/stocks", response_model=Stocks)
async def replace_stocks(body: StockList, asking: Asking, list_name: ListQuery = None) -> Any:
    """Make a saved list hold these symbols and no others, in this order."""
    return await _change(asking, ListChange.REPLACE, body.symbols, list_name)


@router.patch("/stocks", response_model=Stocks)
async def order_stocks(body: StockList, asking: Asking, list_name: ListQuery = None) -> Any:
    """Put these symbols of a saved list first, in this order, and leave the others behind them."""
    return await _change(asking, ListChange.ORDER, body.symbols, list_name)


@router.put("/stocks/{symbol:path}", response_model=Stocks)
async def add_stock(symbol: str, asking: Asking, list_name: ListQuery = None) -> Any:
    """Add a symbol at the end of a saved list; one that it holds keeps its place."""
    return await _change(asking, ListChange.ADD, [symbol], list_name)


@router.delete("/stocks", response_model=Stocks)
async def remove_stocks(asking: Asking, list_name: ListQuery = None) -> Any:
    """Empty a saved list; one other than main ends with that."""
    return await _change(asking, ListChange.REPLACE, [], list_name)


@router.delete("/stocks/{symbol:path}", response_model=Stocks)
async def remove_stock(symbol: str, asking: Asking, list_name: ListQuery = None) -> Any:
    """Take a symbol out of a saved list."""
    return await _change(asking, ListChange.REMOVE, [symbol], list_name)


async def _change(asking: RestSession, change: ListChange, symbols: list[str], list_name: str | None) -> Response:
    reply = await asking.ask("SET_LIST", change=change.value, symbols=symbols, list=list_name)
    assert isinstance(reply, SetListReply)  # noqa: S101 - as its row says
    told = Stocks(
        list=list_name or MAIN_LIST, symbols=reply.symbols, missing=reply.missing, pending=reply.pending or None
    )
    return json_answer(told)
