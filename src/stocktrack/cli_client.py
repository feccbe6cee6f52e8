"""`stocktrack client`: the interactive client, a board and typed commands over one connection.

On a terminal the board is its home, or with a menu a prompt; on a pipe it runs the commands of standard input.
"""

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stocktrack.client import (
    ClientError,
    NotFound,
    State,
    StateChange,
    StockTrackClient,
    Unavailable,
)
from stocktrack.client.settings import ClientSettings
from stocktrack.clock import end
from stocktrack.errors import Reason
from stocktrack.messages import (
    MAIN_LIST,
    Missing,
    MyStocksReply,
    Notice,
    Price,
    Said,
    SubscribeReply,
)
from stocktrack.quotes import clean_text
from stocktrack.terminal.alert_news import AlertNews
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.chart_request import look_of
from stocktrack.terminal.connection_report import ConnectionReport, not_connected_sentence, troubles_of
from stocktrack.terminal.dialogue import Dialogue, StopError
from stocktrack.terminal.exit_codes import (
    ExitCode,
    exit_code_of,
    exit_code_of_missing,
    missing_sentences,
    sentence_of,
)
from stocktrack.terminal.fronts import Asker, Front, LineCancelledError, PipeFront, Status
from stocktrack.terminal.interrupting import interruptible
from stocktrack.terminal.remembered import Remembered
from stocktrack.terminal.run import is_live_screen, is_typed_at, on_termination, say
from stocktrack.terminal.screen_settings import ScreenSettings, load_screen_settings
from stocktrack.terminal.text import said_line
from stocktrack.terminal.typed_commands import (
    Typed,
    UsageError,
    list_option,
    parse,
    split_interval,
    split_list,
    split_symbols,
)
from stocktrack.terminal.typed_lists import TypedLists
from stocktrack.terminal.typed_questions import SYMBOLS, TypedQuestions

if TYPE_CHECKING:
    from stocktrack.terminal.board_front import BoardFront
    from stocktrack.terminal.live_board import LiveBoard
    from stocktrack.terminal.prompt import TerminalFront

PROMPT = "stocktrack> "
# Prices on the board and above the prompt: as often as a person can read them, and as the board is drawn.
PRINT_SECONDS = 0.25
# Where they can't stand in a place of their own, they break the line that is typed.
PRINT_PLAIN_SECONDS = 2.0
# Of a crowd that talks faster than a person reads, the last ones.
MAX_HEARD = 50

# A server that does not even say goodbye is left without.
GOODBYE_SECONDS = 1.0

# The words that change the person's lists, which the board then shows as they are.
_LIST_WORDS = frozenset({"unsubscribe", "stocks", "lists"})


class LeaveError(Exception):
    """The person wants to leave."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What the board begins with, and when it ends by itself; no `symbols` are the saved list."""

    symbols: Sequence[str] = ()
    interval: float = 0.0
    seconds: float | None = None
    count: int | None = None
    hint: str = ""  # stands above the rows


_USUAL = Opening()


async def run_client(
    settings: ClientSettings,
    *,
    opening: Opening = _USUAL,
    has_menu: bool = False,
    keeps_history: bool = True,
    screen: ScreenSettings | None = None,
    timeout_seconds: float = 10.0,
) -> int:
    """Run the client until the person leaves or the input ends, and return the exit code.

    On a terminal it is the board, or with `has_menu` a prompt below a menu; elsewhere commands come a line each.
    """
    if not is_live_screen():
        if not is_typed_at():
            return await InteractiveClient(settings, PipeFront(), timeout_seconds=timeout_seconds).run()
        # What draws takes as long to import as everything else together.
        from stocktrack.terminal.plain_front import PlainFront

        plain = PlainFront()
        return await _until_ended(InteractiveClient(settings, plain, asker=plain), plain, opening.seconds)
    look = screen or load_screen_settings()
    view = BoardView(
        settings.who,
        hint=opening.hint,
        settings=look,
        # A demo leaves nothing behind.
        remembered=Remembered.in_data_folder() if keeps_history else None,
        look=look_of(sys.stdout),
        leaving="back" if has_menu else "quit",
    )
    if has_menu:
        from stocktrack.terminal.prompt import TerminalFront

        async with TerminalFront(keeps_history=keeps_history, settings=look) as prompt:
            client = InteractiveClient(settings, prompt, asker=prompt, prompt=prompt, view=view)
            return await _until_ended(client, prompt, opening.seconds)
    from stocktrack.terminal.board_front import BoardFront

    async with BoardFront(view, keeps_history=keeps_history, settings=look) as board:
        client = InteractiveClient(
            settings, board, asker=board, board=board, view=view, opening=opening, timeout_seconds=timeout_seconds
        )
        code = await _until_ended(client, board, opening.seconds)
    for sentence in client.troubles():
        say(sentence)
    return code


async def _until_ended(client: "InteractiveClient", front: Front, seconds: float | None) -> int:
    """Run the client; a signal or the end of the time closes it in order, so that the terminal is left as it was."""
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        front.end_input()

    alarm = asyncio.get_running_loop().call_later(seconds, front.end_input) if seconds is not None else None
    try:
        with on_termination(terminate):
            code = await client.run()
    finally:
        if alarm is not None:
            alarm.cancel()
    return ExitCode.TERMINATED if terminated else code


class InteractiveClient:
    """One person's session: reads lines from `front` and runs them, one after the other.

    `asker` is the front again where it can ask questions. Where a board can be shown on `view`, the front
    is `prompt`, which shows it for a while, or `board`, which is its home and begins with `opening`.
    """

    def __init__(
        self,
        settings: ClientSettings,
        front: Front,
        *,
        asker: Asker | None = None,
        prompt: "TerminalFront | None" = None,
        board: "BoardFront | None" = None,
        view: BoardView | None = None,
        opening: Opening = _USUAL,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._settings = settings
        self._front = front
        self._prompt = prompt
        self._board = board
        self._opening = opening
        self._dialogue = Dialogue(front, asker, has_menu=board is None)
        self._view = view or BoardView(title=settings.who)
        self._report = ConnectionReport(front.warn)
        self._news = AlertNews()
        self._client = settings.client(
            timeout_seconds=timeout_seconds,
            on_notice=self._take_notice,
            on_state=self._take_state,
            on_said=self._take_said,
        )
        self._questions = TypedQuestions(self._client, front, self._dialogue)
        self._live: LiveBoard | None = None
        if prompt is not None or board is not None:
            self._live = _live_board(self._client, self._view, opening.interval, board)
        self._lists = TypedLists(self._questions, self._dialogue, self._live)
        self._not_found: tuple[Missing, ...] = ()  # of what the board began with
        self._opened = frozenset(symbol.upper() for symbol in opening.symbols)
        self._heard: deque[str] = deque(maxlen=MAX_HEARD)
        self._has_fresh = asyncio.Event()
        self._is_board_open = board is not None
        self._interval: float | None = None
        self._is_lost = False
        self._lost_for_good: ClientError | None = None

    async def run(self) -> int:
        """Connect, run lines until the end, say goodbye, and return the exit code."""
        async with self._client:
            if self._client.welcome is not None:
                # Nobody logs in to a private server: it is the person's own command.
                self._dialogue.greet(self._client.welcome, is_quiet=self._settings.label is not None)
            printing = asyncio.create_task(self._print_prices(), name="client: print prices")
            try:
                if self._board is not None and self._live is not None:
                    await self._be_at_home(self._board, self._live)
                else:
                    self._dialogue.show_menu()
                    await self._run_lines()
            except (LeaveError, EOFError):
                pass
            finally:
                printing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await printing
            # It is answered after a command that hangs at a source, and nobody who leaves wants to wait for that.
            with contextlib.suppress(ClientError, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._client.logout()
        if self._lost_for_good is not None:
            return exit_code_of(self._lost_for_good)
        return exit_code_of_missing(self._not_shown()) or self._dialogue.exit_code

    async def _be_at_home(self, board: "BoardFront", live: "LiveBoard") -> None:
        """Show the board, and run what is typed below it."""
        from stocktrack.terminal.board_screen import Ending

        board.open(live)
        async with live.running():
            opening = asyncio.create_task(self._open(live), name="client: open the board")
            # What cannot be shown at all ends the board with the reason.
            opening.add_done_callback(
                lambda done: board.end_input() if not done.cancelled() and done.exception() else None
            )
            try:
                await self._run_lines()
            finally:
                if not opening.done():
                    await end(opening)
                if not opening.cancelled():
                    opening.result()
                # The demo is its board, which Ctrl-C ends as q does.
                if board.ending is Ending.INTERRUPTED and not self._opening.hint:
                    raise KeyboardInterrupt

    async def _open(self, live: "LiveBoard") -> None:
        try:
            if self._opening.symbols:
                try:
                    await live.show_named(self._opening.symbols)
                finally:
                    self._not_found = live.missing  # the person may leave as soon as it is shown
            else:
                await live.show_list(MAIN_LIST)
        except Unavailable as error:
            self._view.say(sentence_of(error))  # it is shown once there is a connection

    def _not_shown(self) -> tuple[Missing, ...]:
        """Of the symbols that the board began with, those that are unknown, or turned out to be."""
        dropped = (each for each in self._report.dropped if each.symbol in self._opened)
        return (*self._not_found, *dropped)

    def troubles(self) -> Sequence[str]:
        """Sentences about those of the symbols that the board began with that it could not show."""
        return missing_sentences(self._not_found)

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
                    await self._attempt(self._run_typed(typed))

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a command; if it fails, say so, and the next one can come."""
        try:
            # A script's Ctrl-C ends the script.
            await self._interruptible(work)
        except LineCancelledError:
            if self._prompt is not None:
                self._prompt.forget_pasted()
        except StopError:
            await self._attempt(self._stop())
        except Unavailable as error:
            self._dialogue.fail(Unavailable(not_connected_sentence(self._settings.address)) if self._is_lost else error)
        except (UsageError, ClientError) as error:
            self._dialogue.fail(error)

    async def _interruptible(self, work: Coroutine[Any, Any, None]) -> None:
        if self._board is not None:
            await self._board.interruptible(work)
        elif self._prompt is not None:
            await interruptible(work)
        else:
            await work

    async def _run_typed(self, typed: Typed) -> None:
        if typed.word == "back" and self._board is not None:
            self._view.close_one()
            return
        await self._run(typed)
        is_change = typed.word == "unsubscribe" or (typed.word in _LIST_WORDS and typed.arguments)
        if is_change and self._board is not None and self._live is not None:
            await self._live.show_again()

    async def _run(self, typed: Typed) -> None:
        match typed.word:
            case "watch":
                named, list_name = split_list(typed.arguments)
                await self._watch(split_symbols(named), list_name=list_name, asks=typed.from_menu)
            case "subscribe" if typed.from_menu:
                await self._subscribe(await self._dialogue.argument(typed.arguments, SYMBOLS))
            case "subscribe":
                await self._subscribe(typed.arguments)
            case "unsubscribe":
                await self._lists.unsubscribe(typed.arguments, self._list_shown)
            case "stop":
                await self._stop()
            case "stocks":
                await self._lists.stocks(typed.arguments, self._list_shown)
            case "lists":
                await self._lists.lists(typed.arguments)
            case "back":
                self._dialogue.show_menu()
            case "help":
                self._dialogue.show_help()
            case "exit":
                raise LeaveError
            case _:
                await self._questions.run(typed)

    # --- what is pushed, saved and shown ----------------------------------------------------------------------------

    async def _subscribe(self, arguments: str) -> None:
        named, list_name = split_list(arguments)
        symbols, interval = split_interval(named)
        list_name = list_name or self._list_shown
        wanted = {"symbols": symbols or None, "interval": interval, "list": list_name}
        if self._board is None or self._live is None:
            reply = await self._questions.show("SUBSCRIBE", **wanted)
            if isinstance(reply, SubscribeReply):
                self._interval = reply.interval
            return
        if interval is not None:
            self._live.interval = interval
        reply = await self._questions.ask("SUBSCRIBE", **wanted)
        if isinstance(reply, SubscribeReply):
            self._dialogue.confirm_saved(reply, list_name or MAIN_LIST)
        await self._live.show_list(list_name or MAIN_LIST)

    @property
    def _list_shown(self) -> str | None:
        """The list that is meant where none was named: on the board the one that a person sees."""
        return self._view.tabs.current if self._board is not None else None

    async def _stop(self) -> None:
        if self._board is not None:
            self._dialogue.confirm("The board is live as long as it is open; q leaves it, d takes a row out.")
            return
        if not self._client.subscribed:
            self._dialogue.confirm("Nothing to stop.")
            return
        with contextlib.suppress(NotFound):  # the pushes have just ended
            await self._questions.ask("UNSUBSCRIBE", save=False)
        self._dialogue.confirm("Stopped; your list is kept.")

    async def _watch(self, symbols: list[str], *, list_name: str | None = None, asks: bool = False) -> None:
        """The board over `symbols`, or over what is pushed, or over the saved list; then all is pushed as before."""
        if self._board is not None and self._live is not None:
            await self._put_on(self._live, symbols, list_name or MAIN_LIST)
            return
        before, interval = self._client.subscribed, self._interval
        wanted, list_name = await self._wanted(symbols, list_name, asks=asks)
        if self._prompt is None or self._live is None:
            await self._questions.ask("SUBSCRIBE", symbols=wanted, interval=0.0, save=False)
            return
        self._is_board_open = True
        try:
            await self._put_on(self._live, () if list_name else wanted, list_name or MAIN_LIST)
            await self._show_board(self._prompt, self._live)
        finally:
            self._is_board_open = False
            await self._push_as_before(before, interval)

    async def _put_on(self, live: "LiveBoard", symbols: Sequence[str], list_name: str) -> None:
        """Have the board show what was named, or else a list."""
        if symbols:
            await live.show_named(symbols)
            for sentence in missing_sentences(live.missing):
                self._dialogue.confirm(sentence)
        else:
            await live.show_list(list_name)

    async def _wanted(
        self, symbols: list[str], list_name: str | None, *, asks: bool
    ) -> tuple[Sequence[str], str | None]:
        """The symbols to watch, and the list that they are; `asks` where the person may be asked for them."""
        if list_name is not None:
            of_list = await self._questions.ask("MY_STOCKS", list=list_name)
            saved = of_list.symbols if isinstance(of_list, MyStocksReply) else ()
            if not (symbols or saved):
                raise UsageError(f"The list {list_name} is empty; `subscribe AAPL{list_option(list_name)}` begins it.")
            return ([*symbols, *saved], None) if symbols else (saved, list_name)
        if wanted := [symbol.upper() for symbol in symbols or self._client.subscribed]:
            return wanted, None
        if saved := (await self._client.my_stocks()).symbols:
            return saved, MAIN_LIST
        wanted = [*self._view.symbols]  # what was watched before
        if not wanted and asks:
            wanted = [symbol.upper() for symbol in split_symbols(await self._dialogue.argument("", SYMBOLS))]
        if not wanted:
            raise UsageError("You have no saved stocks yet; name some, as in `watch AAPL,TSLA`.")
        return wanted, None

    async def _show_board(self, prompt: "TerminalFront", live: "LiveBoard") -> None:
        from stocktrack.terminal.board_screen import Ending

        async with live.running():
            ending = await prompt.show_board(self._view, live)
        if ending is Ending.LEAVE:
            raise LeaveError
        if ending is Ending.BY_PROGRAM:
            raise EOFError

    async def _push_as_before(self, before: tuple[str, ...], interval: float | None) -> None:
        with contextlib.suppress(ClientError):
            # Answers come in the order of the questions: what the board was still asking for is subscribed by then.
            await self._client.ping()
            added = [symbol for symbol in self._client.subscribed if symbol not in before]
            if added:
                await self._client.unsubscribe(added, save=False)
            if before and interval is not None:
                await self._client.subscribe(before, interval=interval, save=False)

    # --- what the connection tells ----------------------------------------------------------------------------------

    def _status(self) -> Status:
        who = self._settings.who
        pushed = [row for symbol in self._client.subscribed if (row := self._view.rows.row(symbol)) is not None]
        if self._is_lost:
            return Status(f"{who}  not connected, trying again", False, pushed)
        live = len(self._client.subscribed)
        return Status(f"{who}  connected" + (f"  {live} live" if live else ""), True, pushed)

    def _take_notice(self, notice: Notice) -> None:
        if notice.reason is Reason.ALERT:
            self._take_alert(notice)
        elif notice.reason is Reason.LISTS_CHANGED:
            if self._live is not None and self._is_board_open:
                self._live.take_news(notice.lists or ())
        elif dropped := self._report.notice(notice):
            self._view.refuse(troubles_of(dropped))

    def _take_said(self, said: Said) -> None:
        line = said_line(said)
        if not self._front.is_terminal or self._is_board_open:
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
        self._report.state(self._view.without_rates(change))
        self._view.take_state(change, time.time_ns() // 1_000_000)
        if self._live is not None:
            self._live.take_state(change)
        if change.state is State.CLOSED and change.cause is not None:
            self._lost_for_good = change.cause
            self._front.end_input()

    async def _print_prices(self) -> None:
        """Every price to the board's memory; while it is closed to the front as well, on a terminal merged.

        What others say is shown there with them: a prompt that is drawn anew for each word can't be typed at.
        """
        fresh: dict[str, Price] = {}
        pause = PRINT_SECONDS if self._live is not None else 0.0
        seen = 0

        async def take() -> None:
            nonlocal seen
            with contextlib.suppress(ClientError):  # `_take_state` tells why
                prices = self._client.prices(pause_seconds=pause)
                async for price in prices:
                    if self._board is not None:
                        prices.pause_seconds = self._view.pause_seconds
                    self._view.put(price)
                    seen += self._view.rows.is_shown(price.symbol)  # others come for the sake of these
                    if seen == self._opening.count:
                        self._front.end_input()
                    if price.symbol not in self._client.subscribed:
                        continue  # it was on its way when the pushes were ended
                    if not self._front.is_terminal:
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
                    pushed = self._client.subscribed
                    self._front.show_prices([price for price in fresh.values() if price.symbol in pushed])
                    fresh.clear()
                if self._heard:
                    self._front.hear(list(self._heard))
                    self._heard.clear()
                await asyncio.sleep(PRINT_PLAIN_SECONDS if self._prompt is None else PRINT_SECONDS)


def _live_board(client: StockTrackClient, view: BoardView, interval: float, board: "BoardFront | None") -> "LiveBoard":
    # What draws takes as long to import as everything else together.
    from stocktrack.terminal.live_board import LiveBoard

    return LiveBoard(client, view, interval=interval, commands=board)
