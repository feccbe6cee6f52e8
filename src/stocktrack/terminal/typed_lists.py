"""Typed commands of saved lists and of what is in them, but for `subscribe`, which begins pushes too.

Without a name they mean the list that is shown, where one is.
"""

from typing import TYPE_CHECKING

from stocktrack.messages import MAIN_LIST
from stocktrack.terminal.dialogue import Dialogue
from stocktrack.terminal.typed_commands import split_list, split_lists, split_stocks, split_symbols
from stocktrack.terminal.typed_questions import TypedQuestions

if TYPE_CHECKING:
    from stocktrack.terminal.live_board import LiveBoard


class TypedLists:
    """Runs them by `questions` and `dialogue`; the `board`, where there is one, hears of lists that are no more."""

    def __init__(self, questions: TypedQuestions, dialogue: Dialogue, board: "LiveBoard | None") -> None:
        self._questions = questions
        self._dialogue = dialogue
        self._board = board

    async def stocks(self, arguments: str, shown: str | None) -> None:
        """Show a list with its prices, or change it; `shown` is the one that is meant where none is named."""
        stocks = split_stocks(arguments)
        list_name = stocks.list_name or shown
        if stocks.change is None:
            await self._questions.show("MY_STOCKS", list=list_name)
        else:
            fields = {"list": list_name, "symbols": stocks.symbols, "change": stocks.change.value}
            await self._questions.show("SET_LIST", **fields)

    async def lists(self, arguments: str) -> None:
        """Show the names of the lists, or rename, remove or order them."""
        what, names = split_lists(arguments)
        match what:
            case "rename":
                await self._questions.show("RENAME_LIST", list=names[0], name=names[1])
                if self._board is not None:
                    self._board.rename(names[0], names[1])
            case "remove":
                if await self._dialogue.is_sure(f"Remove the list {names[0]} with all that is in it?"):
                    await self._questions.show("REMOVE_LIST", list=names[0])
                    if self._board is not None:
                        self._board.leave(names[0])
            case "order":
                await self._questions.show("ORDER_LISTS", lists=names)
            case _:
                await self._questions.show("LISTS")

    async def unsubscribe(self, arguments: str, shown: str | None) -> None:
        """Take stocks off a list, or all of them after a question, and end their pushes."""
        named, list_name = split_list(arguments)
        symbols = split_symbols(named)
        list_name = list_name or shown
        which = "your list" if list_name in {None, MAIN_LIST} else f"your list {list_name}"
        if symbols or await self._dialogue.is_sure(f"Take all stocks off {which}?"):
            await self._questions.show("UNSUBSCRIBE", symbols=symbols or None, list=list_name)
