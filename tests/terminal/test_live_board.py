import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import pytest

from live_server import until
from scripted_server import a_price
from stocktrack.client import NotFound, State, StateChange, StockTrackClient, Unavailable
from stocktrack.client.errors import error_of
from stocktrack.clock import ManualClock, end, settle
from stocktrack.errors import Code, CommandError, Reason
from stocktrack.messages import ListInfo, Missing, SearchReply, SetListReply, SubscribeReply, UnsubscribeReply
from stocktrack.quotes import Match
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.live_board import PACE_SECONDS, LiveBoard
from stocktrack.wire.lines import failure


def refusal(reason: Reason) -> Exception:
    return error_of(failure(CommandError(reason, "No.")))


class Server:
    """What the board needs of a client, over lists that are kept here; `fails` raises from the next such command."""

    def __init__(self, **lists: tuple[str, ...]) -> None:
        self.saved = lists
        self.state = State.CLOSED  # so that nothing beside the board asks for anything
        self.subscribed: tuple[str, ...] = ()
        self.fails: dict[str, Exception] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []
        self.interval: float | None = None
        self.follows = False

    async def _take(self, what: str) -> None:
        self.asked.append(what)
        await self.gate.wait()
        if error := self.fails.pop(what.split(maxsplit=1)[0], None):
            raise error

    async def subscribe(
        self,
        symbols: str | Iterable[str] | None = None,
        *,
        interval: float | None = None,
        save: bool = True,
        list: str | None = None,  # noqa: A002 - the wire's word
    ) -> SubscribeReply:
        await self._take(f"subscribe {symbols} {list}")
        self.interval = self.interval if interval is None else interval
        named = (symbols,) if isinstance(symbols, str) else symbols
        wanted = self.saved.get(list or "main", ()) if named is None else tuple(named)
        known = tuple(each for each in wanted if each != "NOPE")
        nobody = Missing(symbol="NOPE", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL)
        missing = (nobody,) if "NOPE" in wanted else ()
        if save and symbols is not None:
            self.saved[list or "main"] = (*self.saved.get(list or "main", ()), *known)
        self.subscribed = tuple(dict.fromkeys((*self.subscribed, *known)))
        return SubscribeReply(
            subscribed=known, already=(), pending=(), missing=missing, symbols=self.subscribed, interval=interval or 0
        )

    async def unsubscribe(
        self,
        symbols: str | Iterable[str],
        *,
        save: bool = True,
        list: str | None = None,  # noqa: A002 - the wire's word
    ) -> UnsubscribeReply:
        gone = (symbols,) if isinstance(symbols, str) else tuple(symbols)
        await self._take(f"unsubscribe {','.join(gone)} {list}")
        if save:
            self.saved[list or "main"] = tuple(each for each in self.saved[list or "main"] if each not in gone)
        self.subscribed = tuple(each for each in self.subscribed if each not in gone)
        return UnsubscribeReply(removed=gone, missing=(), symbols=self.subscribed)

    async def set_list(self, symbols: str | Iterable[str], *, list: str, change: str) -> SetListReply:  # noqa: A002
        await self._take(f"set_list {change}")
        named = (symbols,) if isinstance(symbols, str) else tuple(symbols)
        before = self.saved[list]
        self.saved[list] = tuple(dict.fromkeys((*named, *before) if change == "order" else (*before, *named)))
        return SetListReply(list=list, symbols=self.saved[list])

    async def lists(self, *, follow: bool | None = None) -> list[ListInfo]:
        await self._take("lists")
        self.follows = self.follows or bool(follow)
        return [ListInfo(list=name, count=len(symbols)) for name, symbols in self.saved.items()]

    async def search(self, query: str, limit: int) -> SearchReply:
        await self._take(f"search {query}")
        return SearchReply(matches=(Match(symbol="AAPL", name="Apple Inc."),))


@contextlib.asynccontextmanager
async def a_board(server: Server, *, shows: str | None = "main") -> AsyncIterator[tuple[LiveBoard, BoardView]]:
    view = BoardView("here")
    view.has_actions = True
    live = LiveBoard(cast("StockTrackClient", server), view)
    async with live.running():
        if shows is not None:
            await live.show_list(shows)
        yield live, view


def text_of(view: BoardView) -> str:
    return "\n".join("".join(text for _, text in line) for line in view.lines(100, 12, 0))


async def told(view: BoardView, text: str) -> None:
    await until(lambda: text in text_of(view))


async def test_what_the_server_will_not_take_out_comes_back_and_its_sentence_is_shown() -> None:
    server = Server(main=("AAPL", "TSLA", "MSFT"))
    async with a_board(server) as (live, view):
        server.fails["unsubscribe"] = refusal(Reason.STORAGE_ERROR)
        view.rows.choose("TSLA")
        live.remove_selected()
        assert "TSLA" not in text_of(view)
        await told(view, "No.")

        assert view.symbols == ("AAPL", "TSLA", "MSFT")
        live.undo()
        await told(view, "Nothing to bring back.")


async def test_a_row_that_no_price_comes_of_goes_without_a_way_back() -> None:
    server = Server()
    async with a_board(server, shows=None) as (live, view):
        await live.show_named(["aapl", "nope"])
        assert [each.symbol for each in live.missing] == ["NOPE"]
        server.fails["unsubscribe"] = refusal(Reason.NOT_SUBSCRIBED)
        view.rows.choose("NOPE")
        live.remove_selected()
        await told(view, "NOPE is off.")
        assert view.symbols == ("AAPL",)
        assert server.saved == {}


async def test_a_row_is_brought_back_among_those_that_another_client_has_left() -> None:
    server = Server(main=("AAPL", "TSLA", "MSFT"))
    async with a_board(server) as (live, view):
        view.rows.choose("TSLA")
        live.remove_selected()
        await told(view, "TSLA is off main")
        server.saved["main"] = ("NVDA", "AAPL", "BTC-USD")
        live.undo()
        await told(view, "TSLA is back on main.")

        assert server.saved["main"] == ("NVDA", "AAPL", "TSLA", "BTC-USD")
        assert view.symbols == ("NVDA", "AAPL", "TSLA", "BTC-USD")
        assert view.rows.selected == "TSLA"


async def test_undo_on_another_list_goes_to_it() -> None:
    server = Server(main=("AAPL",), tech=("NVDA", "MSFT"))
    async with a_board(server, shows="tech") as (live, view):
        view.rows.choose("NVDA")
        live.remove_selected()
        live.turn_tab(1)
        await until(lambda: view.symbols == ("AAPL",))
        live.undo()
        await told(view, "NVDA is back on tech.")
        assert view.tabs.current == "tech"
        assert view.symbols == ("NVDA", "MSFT")


async def test_tab_says_at_once_where_it_leads_and_only_the_last_list_is_asked_for() -> None:
    server = Server(main=("AAPL",), crypto=("BTC-USD",), tech=("NVDA",))
    async with a_board(server) as (live, view):
        server.gate.clear()
        server.asked.clear()
        live.turn_tab(1)
        live.turn_tab(1)
        assert "[tech]" in text_of(view)
        assert "Asking for tech…" in text_of(view)
        server.gate.set()
        await until(lambda: view.symbols == ("NVDA",))
        assert server.subscribed == ("NVDA",)
        assert [asked for asked in server.asked if asked.startswith("subscribe")] == ["subscribe None tech"]

        live.turn_tab(1)
        assert view.symbols == ("AAPL",), "the rows that stood there last are there at once"


async def test_what_could_not_be_shown_is_asked_for_once_there_is_a_connection() -> None:
    server = Server(main=("AAPL",))
    async with a_board(server, shows=None) as (live, view):
        server.fails["subscribe"] = Unavailable("The connection was lost.")
        with pytest.raises(Unavailable):
            await live.show_list("main")
        live.take_state(StateChange(State.RECONNECTING))
        live.take_state(StateChange(State.CONNECTED))
        await until(lambda: view.symbols == ("AAPL",))


async def test_after_a_reconnect_the_rows_are_those_that_the_list_has_now() -> None:
    server = Server(main=("AAPL", "TSLA"))
    async with a_board(server) as (live, view):
        view.rows.choose("TSLA")
        live.take_state(StateChange(State.RECONNECTING))
        server.saved = {"main": ("NVDA", "TSLA"), "tech": ("MSFT",)}
        server.follows = False
        live.take_state(StateChange(State.CONNECTED))
        await until(lambda: view.symbols == ("NVDA", "TSLA"))
        assert server.follows, "the new connection is told, too"
        assert view.tabs.all == ("main", "tech")
        assert view.rows.selected == "TSLA"


async def test_what_others_add_take_out_and_order_is_seen_on_the_list_that_is_shown() -> None:
    server = Server(main=("AAPL", "TSLA", "MSFT"), tech=("NVDA",))
    async with a_board(server) as (live, view):
        assert server.follows
        view.rows.choose("TSLA")
        server.saved["main"] = ("MSFT", "TSLA", "BTC-USD")
        live.take_news(["main"])
        await until(lambda: view.symbols == ("MSFT", "TSLA", "BTC-USD"))
        assert view.rows.selected == "TSLA"
        assert set(server.subscribed) == {"MSFT", "TSLA", "BTC-USD"}


async def test_news_of_a_list_that_is_not_shown_asks_for_the_names_alone() -> None:
    server = Server(main=("AAPL",))
    async with a_board(server) as (live, view):
        server.asked.clear()
        server.saved["tech"] = ("NVDA",)
        live.take_news(["tech"])
        await until(lambda: view.tabs.all == ("main", "tech"))
        assert server.asked == ["lists"]
        assert view.symbols == ("AAPL",)


async def test_many_changes_while_the_server_takes_its_time_are_read_once() -> None:
    server = Server(main=("AAPL",))
    async with a_board(server) as (live, view):
        server.asked.clear()
        server.gate.clear()
        live.take_news(["main"])
        await until(lambda: server.asked == ["lists"])
        for symbols in (("TSLA",), ("NVDA",), ("MSFT",)):
            server.saved["main"] = symbols
            live.take_news(["main"])
        server.gate.set()
        await until(lambda: server.asked.count("lists") == 2)
        await until(lambda: view.symbols == ("MSFT",))
        assert server.asked.count("lists") == 2


async def test_a_list_that_others_rename_goes_on_being_shown_and_undo_knows_its_name() -> None:
    server = Server(main=("AAPL",), tech=("NVDA", "MSFT"))
    async with a_board(server, shows="tech") as (live, view):
        view.rows.choose("NVDA")
        live.remove_selected()
        await told(view, "NVDA is off tech")
        server.saved = {"main": ("AAPL",), "chips": server.saved["tech"]}
        live.take_news(["tech", "chips"])
        await until(lambda: view.tabs.current == "chips")
        assert view.tabs.all == ("main", "chips")
        assert view.symbols == ("MSFT",)

        live.undo()
        await told(view, "NVDA is back on chips.")
        assert server.saved["chips"] == ("NVDA", "MSFT")


async def test_a_list_that_others_delete_gives_way_to_the_next_and_what_lay_over_it_goes() -> None:
    server = Server(main=("AAPL",), tech=("NVDA",), cars=("TSLA",))
    async with a_board(server, shows="tech") as (live, view):
        view.begin_adding()
        del server.saved["tech"]
        live.take_news(["tech"])
        await told(view, "tech was emptied or deleted elsewhere.")
        assert view.tabs.current == "cars"
        assert view.symbols == ("TSLA",)
        assert server.subscribed == ("TSLA",)
        assert view.picker is None, "what was typed was meant for the other list"


async def test_an_open_symbol_that_others_take_out_is_closed_and_that_is_said() -> None:
    server = Server(main=("AAPL", "TSLA"))
    async with a_board(server) as (live, view):
        view.rows.choose("TSLA")
        view.enter()
        assert view.detail is not None
        server.saved["main"] = ("TSLA", "AAPL")
        live.take_news(["main"])
        await until(lambda: view.symbols == ("TSLA", "AAPL"))
        assert view.detail is not None

        server.saved["main"] = ("AAPL",)
        live.take_news(["main"])
        await told(view, "TSLA was taken off main elsewhere.")
        assert view.detail is None


async def test_news_that_cannot_be_read_leave_the_board_as_it_is() -> None:
    server = Server(main=("AAPL",))
    async with a_board(server) as (live, view):
        server.fails["lists"] = Unavailable("The connection was lost.")
        live.take_news(["main"])
        await until(lambda: "lists" not in server.fails)
        server.fails["lists"] = refusal(Reason.STORAGE_ERROR)
        live.take_news(["main"])
        await told(view, "No.")
        assert view.symbols == ("AAPL",)
        server.saved["main"] = ("TSLA",)
        live.take_news(["main"])
        await until(lambda: view.symbols == ("TSLA",))


async def test_news_that_the_end_of_the_board_cut_off_do_not_keep_later_ones_from_being_seen() -> None:
    server, view = Server(main=("AAPL",)), BoardView("here")
    live = LiveBoard(cast("StockTrackClient", server), view)
    async with live.running():
        await live.show_list("main")
        live.take_news(["main"])
    async with live.running():
        await live.show_list("main")
        server.saved["main"] = ("TSLA",)
        live.take_news(["main"])
        await until(lambda: view.symbols == ("TSLA",))


async def test_where_the_names_of_the_lists_are_not_to_be_had_the_list_is_shown_all_the_same() -> None:
    server = Server(main=("AAPL",), tech=("NVDA",))
    async with a_board(server) as (live, view):
        server.fails["lists"] = refusal(Reason.STORAGE_ERROR)
        live.turn_tab(1)
        await told(view, "No.")
        assert view.symbols == ("NVDA",)


async def test_the_last_stock_that_is_taken_off_leaves_its_list_to_be_begun_again() -> None:
    server = Server(main=("AAPL",), cars=("TSLA",), tech=("NVDA",))
    async with a_board(server, shows="cars") as (live, view):
        view.rows.choose("TSLA")
        del server.saved["cars"]  # as the server does with a list that is empty
        server.fails["unsubscribe"] = refusal(Reason.NOT_SUBSCRIBED)
        live.remove_selected()
        await told(view, "TSLA is off cars")
        await until(lambda: server.asked[-1] == "lists")
        assert (view.tabs.current, view.tabs.all) == ("cars", ("main", "cars", "tech"))
        assert "cars is empty: a adds a stock." in text_of(view)


async def test_an_older_server_has_one_list_and_its_board_works() -> None:
    server = Server(main=("AAPL",))
    server.fails["lists"] = refusal(Reason.UNKNOWN_COMMAND)
    async with a_board(server) as (live, view):
        assert view.symbols == ("AAPL",)
        server.fails["lists"] = refusal(Reason.UNKNOWN_COMMAND)
        live.turn_tab(1)
        await told(view, "There is one list")


async def test_a_list_of_unknown_symbols_alone_has_rows_that_say_so() -> None:
    server = Server(main=("AAPL",))
    async with a_board(server) as (live, view):
        error = refusal(Reason.UNKNOWN_SYMBOL)
        assert isinstance(error, NotFound)
        missing = Missing(symbol="GONE", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL)
        answer: Any = error.answer
        server.fails["subscribe"] = error_of(answer.model_copy(update={"missing": (missing,)}))
        await live.show_list("main")
        assert view.symbols == ("GONE",)
        assert "unknown symbol" in text_of(view)


async def test_the_picker_is_answered_once_nothing_more_is_typed_and_says_what_fails() -> None:
    server = Server(main=())
    async with a_board(server) as (_, view):
        view.begin_adding()
        picker = view.picker
        assert picker is not None
        picker.typed("a")
        picker.typed("apple")
        await told(view, "Apple Inc.")
        assert [asked for asked in server.asked if asked.startswith("search")] == ["search apple"]

        server.fails["search"] = refusal(Reason.NOT_OFFERED)
        picker.typed("tsla")
        await told(view, "No.")
        assert picker.chosen == "TSLA"


async def test_prices_that_change_faster_than_they_are_drawn_are_pushed_as_they_are_drawn() -> None:
    server, clock, view = Server(main=("AAPL", "TSLA")), ManualClock(), BoardView("here")
    live = LiveBoard(cast("StockTrackClient", server), view, clock=clock)
    seq = 0

    async def look(changes: int) -> None:
        nonlocal seq
        await settle()
        for _ in range(changes):
            seq += 1
            for symbol in ("AAPL", "TSLA"):
                view.put(a_price(symbol, seq=seq))
        await clock.advance(PACE_SECONDS)
        await settle()

    await live.show_list("main")
    server.state = State.CONNECTED
    pacing = asyncio.create_task(live.keep_pace())
    await look(1)
    assert server.interval == 0, "nothing is drawn yet"
    view.pause_seconds = 0.5
    await look(100)
    assert server.interval == 0.5
    await look(100)
    await live.show_list("main")
    assert server.interval == 0.5, "another list is pushed at the same pace"
    await look(1)
    assert server.interval == 0, "a calm market is pushed as it changes"
    await end(pacing)


async def test_an_interval_that_the_person_chose_stays() -> None:
    server, clock, view = Server(main=("AAPL",)), ManualClock(), BoardView("here")
    live = LiveBoard(cast("StockTrackClient", server), view, interval=5.0, clock=clock)
    await live.show_list("main")
    server.state, view.pause_seconds = State.CONNECTED, 0.5
    view.put(a_price("AAPL", seq=1))
    pacing = asyncio.create_task(live.keep_pace())
    await settle()
    view.put(a_price("AAPL", seq=500))
    await clock.advance(PACE_SECONDS)
    await settle()
    assert server.interval == 5.0
    await end(pacing)


async def test_a_tab_and_a_command_at_one_time_leave_pushed_what_is_shown() -> None:
    server = Server(main=("AAPL",), tech=("NVDA",))
    async with a_board(server) as (live, view):
        server.gate.clear()
        command = asyncio.create_task(live.show_again())
        live.turn_tab(1)
        await until(lambda: len(server.asked) > 0)
        server.gate.set()
        await command
        await until(lambda: view.symbols == ("NVDA",))
        await until(lambda: server.subscribed == ("NVDA",))
