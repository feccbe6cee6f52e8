"""`stocktrack client`: the interactive client, a menu and typed commands over one connection.

On a terminal it has a prompt, on a pipe it runs the commands of standard input line by line.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from stocktrack.bars import HistoryRange
from stocktrack.client import ClientError, NotFound, State, StateChange, TooManyRequests
from stocktrack.client.bars import wire_moment
from stocktrack.client.settings import ClientSettings
from stocktrack.client.wire import command_of
from stocktrack.clock import end
from stocktrack.errors import Reason
from stocktrack.messages import Command, HoldingsReply, MyStocksReply, Notice, Price, Reply, Said, SubscribeReply
from stocktrack.quotes import clean_text, shown
from stocktrack.terminal.alert_news import AlertNews
from stocktrack.terminal.alert_request import NO_TARGETS, alert_names, request_of, split_alert, targets_to_try
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.chart import draw_chart
from stocktrack.terminal.chart_request import find_chart, look_of
from stocktrack.terminal.connection_report import ConnectionReport
from stocktrack.terminal.dialogue import Dialogue
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of
from stocktrack.terminal.fronts import Front, LineCancelledError, PipeFront, Status
from stocktrack.terminal.run import is_live_screen
from stocktrack.terminal.screen_settings import ScreenSettings, load_screen_settings
from stocktrack.terminal.text import said_line
from stocktrack.terminal.typed_commands import (
    Typed,
    UsageError,
    count_of,
    lot_names,
    parse,
    split_group,
    split_holdings,
    split_interval,
    split_list,
    split_lot,
    split_news,
    split_past,
    split_said,
    split_segment,
    split_symbols,
)

if TYPE_CHECKING:
    from stocktrack.terminal.prompt import TerminalFront

PROMPT = "stocktrack> "
SYMBOL, SYMBOLS = "Symbol: ", "Symbols: "
# Prices above the prompt: as often as a person can read them.
PRINT_SECONDS = 0.25
# Of a crowd that talks faster than a person reads, the last ones.
MAX_HEARD = 50
# Where the server wants a longer pause than this, the person is told.
MAX_PACE_MS = 5_000

Result = TypeVar("Result")


class LeaveError(Exception):
    """The person wants to leave."""


async def run_client(
    settings: ClientSettings,
    *,
    begin_with: tuple[str, ...] = (),
    hint: str = "",
    seconds: float | None = None,
    keeps_history: bool = True,
    screen: ScreenSettings | None = None,
) -> int:
    """Run the client until the person leaves or the input ends, and return the exit code.

    `begin_with` are symbols to show on the board at once, `hint` stands above them, and after `seconds` it all ends.
    """
    is_terminal = is_live_screen()
    if not is_terminal:
        return await InteractiveClient(settings, PipeFront()).run()
    # prompt_toolkit takes as long to import as everything else together.
    from stocktrack.terminal.prompt import TerminalFront

    look = screen or load_screen_settings()
    async with TerminalFront(keeps_history=keeps_history, settings=look) as front:
        view = BoardView(title=settings.who, hint=hint, shows_holdings=look.holdings)
        client = InteractiveClient(settings, front, screen=front, view=view)
        return await _until_ended(client, front, begin_with, seconds)


async def _until_ended(
    client: "InteractiveClient", front: Front, begin_with: tuple[str, ...], seconds: float | None
) -> int:
    """Run the client; a signal or the end of the time closes it in order, so that the terminal is left as it was."""
    loop = asyncio.get_running_loop()
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        front.end_input()

    alarm = loop.call_later(seconds, front.end_input) if seconds is not None else None
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, terminate)
    try:
        code = await client.run(begin_with)
    finally:
        if alarm is not None:
            alarm.cancel()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
    return ExitCode.TERMINATED if terminated else code


class InteractiveClient:
    """One person's session: reads lines from `front` and runs them, one after the other.

    `screen` is the front again where it can show the board and ask questions.
    """

    def __init__(
        self,
        settings: ClientSettings,
        front: Front,
        *,
        screen: "TerminalFront | None" = None,
        view: BoardView | None = None,
    ) -> None:
        self._settings = settings
        self._front = front
        self._screen = screen
        self._dialogue = Dialogue(front, screen)
        self._view = view or BoardView(title=settings.who)
        self._report = ConnectionReport(front.warn)
        self._news = AlertNews()
        self._client = settings.client(on_notice=self._take_notice, on_state=self._take_state, on_said=self._take_said)
        self._heard: deque[str] = deque(maxlen=MAX_HEARD)
        self._has_fresh = asyncio.Event()
        self._is_board_open = False
        self._interval: float | None = None
        self._is_lost = False
        self._lost_for_good: ClientError | None = None

    async def run(self, begin_with: tuple[str, ...] = ()) -> int:
        """Connect, run lines until the end, say goodbye, and return the exit code."""
        async with self._client:
            if self._client.welcome is not None:
                self._dialogue.greet(self._client.welcome)
            printing = asyncio.create_task(self._print_prices(), name="client: print prices")
            try:
                if begin_with:
                    await self._attempt(self._watch(list(begin_with)))
                self._dialogue.show_menu()
                await self._run_lines()
            except (LeaveError, EOFError):
                pass
            finally:
                printing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await printing
            with contextlib.suppress(ClientError):
                await self._client.logout()
        if self._lost_for_good is not None:
            return exit_code_of(self._lost_for_good)
        return self._dialogue.exit_code

    async def _run_lines(self) -> None:
        while True:
            try:
                typed = parse(await self._front.read_line(PROMPT, self._status))
            except LineCancelledError:
                self._dialogue.confirm("Ctrl-D or `exit` leaves.")
            except UsageError as error:
                self._dialogue.fail(error)
            else:
                if typed is not None:
                    await self._attempt(self._run(typed))

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a command; if it fails, say so, and the next one can come."""
        try:
            # A script's Ctrl-C ends the script.
            await (work if self._screen is None else _interruptible(work))
        except LineCancelledError:
            if self._screen is not None:
                self._screen.forget_pasted()
        except (UsageError, ClientError) as error:
            self._dialogue.fail(error)

    async def _run(self, typed: Typed) -> None:
        arguments, argument = typed.arguments, self._dialogue.argument
        match typed.word:
            case "get":
                await self._show("GET", symbols=split_symbols(await argument(arguments, SYMBOLS)))
            case "watch":
                await self._watch_typed(typed)
            case "subscribe":
                await self._subscribe(await argument(arguments, SYMBOLS) if typed.from_menu else arguments)
            case "unsubscribe":
                await self._unsubscribe(arguments)
            case "stop":
                await self._stop()
            case "stocks":
                await self._stocks(arguments)
            case "news":
                await self._news_of(arguments)
            case "info":
                await self._show("INFO", symbol=await argument(arguments, SYMBOL))
            case "dividends":
                await self._dividends(await argument(arguments, SYMBOL))
            case "history":
                await self._history(await argument(arguments, SYMBOL))
            case "chart":
                await self._chart(await argument(arguments, SYMBOL))
            case "alert":
                await self._alert(arguments)
            case "alerts":
                await self._alerts(arguments)
            case "unalert":
                await self._unalert(await argument(arguments, "Alert: "))
            case "holdings":
                await self._holdings(arguments)
            case "lot":
                await self._lot(await argument(arguments, "Symbol, quantity @ cost: "))
            case "lots":
                await self._lots(arguments)
            case "unlot":
                await self._unlot(await argument(arguments, "Lot: "))
            case "search":
                await self._search(arguments)
            case "sources":
                await self._show("SOURCES")
            case "say":
                await self._say(await argument(arguments, "What: "))
            case "back":
                self._dialogue.show_menu()
            case "help":
                self._dialogue.show_help()
            case _:
                raise LeaveError

    # --- what the commands do ---------------------------------------------------------------------------------------

    async def _ask(self, command_type: str, **fields: Any) -> Reply:
        reply = await self._reply_to(command_of(command_type, **fields))
        self._dialogue.note(reply)
        return reply

    async def _show(self, command_type: str, **fields: Any) -> Reply:
        reply = await self._ask(command_type, **fields)
        self._dialogue.show(reply)
        return reply

    async def _reply_to(self, command: Command) -> Reply:
        """The reply; where the server asks for a slower pace, as it does after a long paste, the client waits."""
        while True:
            try:
                return (await self._client.request(command)).reply
            except TooManyRequests as error:
                wait_ms = error.retry_after_ms
                if error.reason is not Reason.RATE_LIMITED or wait_ms is None or wait_ms > MAX_PACE_MS:
                    raise
                await asyncio.sleep(wait_ms / 1000)

    async def _watch_typed(self, typed: Typed) -> None:
        named, list_name = split_list(typed.arguments)
        await self._watch(split_symbols(named), list_name=list_name, asks=typed.from_menu)

    async def _news_of(self, arguments: str) -> None:
        symbol, count = split_news(arguments)
        await self._show("NEWS", symbol=symbol, limit=count)

    async def _search(self, arguments: str) -> None:
        text, segment = split_segment(arguments)
        query = await self._dialogue.argument(text, "Part of a name: ")
        await self._show("SEARCH", query=query, segment=segment)

    async def _holdings(self, arguments: str) -> None:
        currency, group = split_holdings(arguments)
        await self._show("HOLDINGS", currency=currency, group=group)

    async def _history(self, arguments: str) -> None:
        past = split_past(arguments)
        try:
            start, end = wire_moment(past.start), wire_moment(past.end)
        except ValueError as error:
            raise UsageError(f"{error}.") from None
        await self._show(
            "HISTORY",
            symbol=past.symbol,
            range=past.range,
            start=start,
            end=end,
            interval=past.interval,
            adjust=past.adjust,
            prepost=past.prepost or None,
        )

    async def _chart(self, arguments: str) -> None:
        past = split_past(arguments, is_chart=True)
        back = HistoryRange(past.range or HistoryRange.DAY)
        chart = await find_chart(self._client, past.symbol, range=back, prepost=past.prepost, has_candles=past.candles)
        self._front.learn((chart.bars.symbol,))
        # The line that was typed, the prompt and its toolbar stand around it.
        self._front.say(draw_chart(chart, look_of(sys.stdout, rows_kept=3)))

    async def _lots(self, arguments: str) -> None:
        rest, group = split_group(arguments)
        if rest:
            raise UsageError(f"`lots` takes no {shown(rest)}; `lot AAPL 10 @ 146` adds one.")
        reply = await self._reply_to(command_of("HOLDINGS", group=group))
        if isinstance(reply, HoldingsReply):
            self._dialogue.show_lots(reply)

    async def _dividends(self, arguments: str) -> None:
        paying, _, wanted = arguments.partition(" ")
        await self._show("DIVIDENDS", symbol=paying, limit=count_of(wanted.strip()))

    async def _lot(self, arguments: str) -> None:
        lot = split_lot(arguments)
        await self._show(
            "ADD_LOT",
            symbol=lot.symbol,
            quantity=lot.quantity,
            unit_cost=lot.unit_cost,
            fixed_cost=lot.fixed_cost,
            group=lot.group,
        )

    async def _alert(self, arguments: str) -> None:
        if (targets := targets_to_try(arguments)) is not None:
            await self._test_targets(targets)
            return
        request = request_of(split_alert(arguments))
        for remark in request.remarks:
            self._dialogue.confirm(remark)
        await self._show("ALERT", **request.fields)

    async def _alerts(self, arguments: str) -> None:
        if len(split_symbols(arguments)) > 1:
            raise UsageError("`alerts` takes one symbol, or none for all of them.")
        self._dialogue.show_alerts(await self._ask("MY_ALERTS", symbol=arguments or None), of=arguments.upper())

    async def _test_targets(self, named: list[str]) -> None:
        targets = named or (await self._client.my_alerts()).targets
        if not targets:
            raise UsageError(NO_TARGETS)
        for target in targets:
            await self._show("TEST_ALERT", target=target)

    async def _unalert(self, arguments: str) -> None:
        for name in alert_names([arguments]):
            try:
                await self._show("UNALERT", alert=name)
            except NotFound as error:
                self._dialogue.fail(error)

    async def _unlot(self, arguments: str) -> None:
        for name in lot_names(arguments):
            try:
                await self._show("REMOVE_LOT", lot=name)
            except NotFound as error:
                self._dialogue.fail(error)

    async def _stocks(self, arguments: str) -> None:
        rest, list_name = split_list(arguments)
        if rest:
            raise UsageError(f"`stocks` takes no {shown(rest)}; a list is named as in `stocks --list tech`.")
        await self._show("MY_STOCKS", list=list_name)

    async def _subscribe(self, arguments: str) -> None:
        named, list_name = split_list(arguments)
        symbols, interval = split_interval(named)
        reply = await self._show("SUBSCRIBE", symbols=symbols or None, interval=interval, list=list_name)
        if isinstance(reply, SubscribeReply):
            self._interval = reply.interval

    async def _unsubscribe(self, arguments: str) -> None:
        named, list_name = split_list(arguments)
        symbols = split_symbols(named)
        which = "your list" if list_name is None else f"your list {list_name}"
        if symbols or await self._dialogue.is_sure(f"Take all stocks off {which}?"):
            await self._show("UNSUBSCRIBE", symbols=symbols or None, list=list_name)

    async def _say(self, arguments: str) -> None:
        text, symbol = split_said(arguments)
        await self._show("SAY", text=text, symbol=symbol)

    async def _stop(self) -> None:
        if not self._client.subscribed:
            self._dialogue.confirm("No prices are being pushed.")
            return
        with contextlib.suppress(NotFound):  # the pushes have just ended
            await self._ask("UNSUBSCRIBE", save=False)
        self._dialogue.confirm("Stopped; your list is kept.")

    async def _watch(self, symbols: list[str], *, list_name: str | None = None, asks: bool = False) -> None:
        """The board over `symbols`, or over what is pushed, or over the saved list; then all is pushed as before."""
        before, interval = self._client.subscribed, self._interval
        wanted = await self._wanted(symbols, list_name, asks=asks)
        self._is_board_open = self._screen is not None
        try:
            reply = await self._ask("SUBSCRIBE", symbols=wanted, interval=0.0, save=False)
            if self._screen is None or not isinstance(reply, SubscribeReply):
                return
            self._view.show(symbol for symbol in wanted if symbol in {*reply.symbols, *reply.pending})
            await self._show_board(self._screen)
        finally:
            self._is_board_open = False
            if self._screen is not None:
                await self._push_as_before(before, interval)

    async def _wanted(self, symbols: list[str], list_name: str | None, *, asks: bool) -> list[str]:
        """What to watch; `asks` where the person may be asked for it."""
        if list_name is not None:
            of_list = await self._ask("MY_STOCKS", list=list_name)
            symbols = [*symbols, *(of_list.symbols if isinstance(of_list, MyStocksReply) else ())]
            if not symbols:
                raise UsageError(f"The list {list_name} is empty; `subscribe AAPL --list {list_name}` begins it.")
        wanted = [symbol.upper() for symbol in symbols or self._client.subscribed]
        if not wanted:
            # The saved list, or else what was watched before.
            wanted = list((await self._client.my_stocks()).symbols or self._view.symbols)
        if not wanted and asks:
            wanted = [symbol.upper() for symbol in split_symbols(await self._dialogue.argument("", SYMBOLS))]
        if not wanted:
            raise UsageError("You have no saved stocks yet; name some, as in `watch AAPL,TSLA`.")
        return wanted

    async def _show_board(self, screen: "TerminalFront") -> None:
        from stocktrack.terminal.board_screen import Ending
        from stocktrack.terminal.day_courses import DayCourses
        from stocktrack.terminal.held import Held

        fetching = asyncio.create_task(DayCourses(self._client, self._view).run(), name="client: the day's courses")
        holding = asyncio.create_task(Held(self._client, self._view).run(), name="client: holdings")
        try:
            ending = await screen.show_board(self._view)
        finally:
            await end(fetching, holding)
        if ending is Ending.LEAVE or (ending is Ending.INTERRUPTED and self._view.hint):
            # The demo is its board: leaving one leaves the other.
            raise LeaveError
        if ending is Ending.BY_PROGRAM:
            raise EOFError

    async def _push_as_before(self, before: tuple[str, ...], interval: float | None) -> None:
        added = [symbol for symbol in self._client.subscribed if symbol not in before]
        with contextlib.suppress(ClientError):
            if added:
                await self._client.unsubscribe(added, save=False)
            if before and interval is not None:
                await self._client.subscribe(before, interval=interval, save=False)

    # --- what the connection tells ----------------------------------------------------------------------------------

    def _status(self) -> Status:
        who = self._settings.who
        if self._is_lost:
            return Status(f"{who}  not connected, trying again", is_well=False)
        pushed = len(self._client.subscribed)
        return Status(f"{who}  connected" + (f"  {pushed} live" if pushed else ""), is_well=True)

    def _take_notice(self, notice: Notice) -> None:
        if notice.reason is Reason.ALERT:
            self._take_alert(notice)
        elif dropped := self._report.notice(notice):
            self._view.forget(each.symbol for each in dropped)

    def _take_said(self, said: Said) -> None:
        line = said_line(said)
        if self._screen is None or self._is_board_open:
            self._front.hear([line])
        else:
            self._heard.append(line)
            self._has_fresh.set()

    def _take_alert(self, notice: Notice) -> None:
        now_ms = time.time_ns() // 1_000_000
        told = self._news.sentence(notice, now_ms)
        if told is None:
            return
        if self._is_board_open:
            self._view.alert(notice.symbols or (), told, now_ms)
        else:
            self._front.warn(told)
        self._front.call(clean_text(notice.message, 500))

    def _take_state(self, change: StateChange) -> None:
        self._is_lost = change.state is State.RECONNECTING
        self._report.state(change)
        if change.state is State.CLOSED and change.cause is not None:
            self._lost_for_good = change.cause
            self._front.end_input()

    async def _print_prices(self) -> None:
        """Every price to the board's memory; while it is closed to the front as well, on a terminal merged.

        What others say is shown there with them: a prompt that is drawn anew for each word can't be typed at.
        """
        fresh: dict[str, Price] = {}

        async def take() -> None:
            with contextlib.suppress(ClientError):  # `_take_state` tells why
                async for price in self._client.prices():
                    self._view.put(price)
                    if self._screen is None:
                        self._front.show_prices([price])
                    elif not self._is_board_open:
                        fresh[price.symbol] = price
                        self._has_fresh.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(take(), name="client: take prices")
            while True:
                await self._has_fresh.wait()
                self._has_fresh.clear()
                if fresh:
                    self._front.show_prices(list(fresh.values()))
                    fresh.clear()
                if self._heard:
                    self._front.hear(list(self._heard))
                    self._heard.clear()
                await asyncio.sleep(PRINT_SECONDS)


async def _interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`; Ctrl-C raises `LineCancelledError` from it instead of ending the program."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        task.cancel()

    # Put back afterwards: asyncio.run has its own handler there.
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        if interrupted:
            raise LineCancelledError from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
