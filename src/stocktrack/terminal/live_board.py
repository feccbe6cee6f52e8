"""The board over a client: what it shows is pushed to it, and what its keys ask for is done, one after the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from stocktrack.client import (
    ClientError,
    CommandFailed,
    NotFound,
    State,
    StateChange,
    StockTrackClient,
    Unavailable,
)
from stocktrack.clock import Clock, RealClock, end
from stocktrack.errors import Reason
from stocktrack.messages import ListChange, Missing, SetListReply, SubscribeReply
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.connection_report import not_connected_sentence, troubles_of
from stocktrack.terminal.day_courses import DayCourses
from stocktrack.terminal.details import Details
from stocktrack.terminal.exit_codes import missing_sentences, sentence_of
from stocktrack.terminal.held import Held
from stocktrack.terminal.links import open_link
from stocktrack.terminal.pace import paced
from stocktrack.terminal.pair_rates import PairRates
from stocktrack.terminal.snapshots import Snapshots
from stocktrack.terminal.tabs import label_of

# How often it is looked whether something else is sought, and how long a person pauses between two letters.
LOOK_SECONDS = 0.05
PAUSE_SECONDS = 0.15
MAX_MATCHES = 20
# How long it is looked how fast prices change, before they are asked for at another pace.
PACE_SECONDS = 3.0
_MAX_UNDONE = 100

_REAL_CLOCK = RealClock()
Answer = TypeVar("Answer")
_Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Removed:
    """A row that was taken out: of which tab, what stood above it, and why no price of it came, where none did."""

    tab: str | None
    symbol: str
    above: tuple[str, ...]
    trouble: str | None = None

    def among(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """The symbols with this one where it stood: behind the last of those that stood above it."""
        others = [each for each in symbols if each != self.symbol]
        last = max((at for at, each in enumerate(others, 1) if each in self.above), default=0)
        return (*others[:last], self.symbol, *others[last:])


class Commands(Protocol):
    """Who runs what is typed."""

    def enter(self, line: str) -> None:
        """Take a line; it is run after those before it."""
        ...

    def interrupt(self) -> bool:
        """Give up the command that runs; False where none does."""
        ...


class LiveBoard:
    """Has `view` show a list, or symbols that were named, and live prices of them, while it is `running`.

    It subscribes at `interval` and does not save what is only shown; what is added to a list or taken out is saved.
    What others change in the lists is shown as well: `take_news` of it.
    What is typed goes to `commands`, where there are any.
    """

    def __init__(
        self,
        client: StockTrackClient,
        view: BoardView,
        *,
        interval: float = 0.0,
        commands: Commands | None = None,
        clock: Clock = _REAL_CLOCK,
    ) -> None:
        self._commands = commands
        view.takes_commands = commands is not None
        self._client = client
        self._view = view
        self.interval = interval  # seconds between two pushes of a price, 0 as prices change
        self._clock = clock
        self._wanted: asyncio.Queue[_Work] = asyncio.Queue()
        self._removed: list[_Removed] = []
        self._named: tuple[str, ...] = ()  # what was named by hand
        self._was_lost = False
        self._showing = asyncio.Lock()
        self._seen: dict[str | None, tuple[tuple[str, ...], Mapping[str, str]]] = {}  # what each tab had last
        self._pace = 0.0  # seconds between two pushes where prices change faster than they are drawn, else 0
        self._has_lists = False  # whether they were asked for
        self._news: set[str] = set()  # the lists that others have changed since they were read
        self._shown: str | None = None  # the tab of the last answer, where there was any
        self._is_shown = asyncio.Event()  # once there is an answer to what was to be shown
        self.missing: tuple[Missing, ...] = ()  # of what was asked for last

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do what keys ask for, and fetch what the board shows beside its prices, meanwhile."""
        works = {
            "keys": self._do_wanted(),
            "search": self._search(),
            "the day's courses": self._beside(DayCourses(self._client, self._view).run),
            "holdings": self._beside(Held(self._client, self._view).run),
            "details": self._beside(Details(self._client, self._view).run),
            "names and days": self._beside(Snapshots(self._client, self._view).run),
            "pace": self._beside(self.keep_pace),
            "rates": self._beside(PairRates(self._client, self._view).run),
        }
        tasks = [asyncio.create_task(work, name=f"board: {name}") for name, work in works.items()]
        try:
            yield
        finally:
            await end(*tasks)
            self._wanted = asyncio.Queue()
            self._news = set()  # what is shown next is read anew
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _beside(self, run: _Work) -> None:
        """Run what the board can do without once its prices have been asked for."""
        await self._is_shown.wait()
        await run()

    # --- what is shown ----------------------------------------------------------------------------------------------

    async def show_named(self, symbols: Iterable[str]) -> None:
        """Show symbols that were named by hand; an unknown one has a row that says so. Errors of the client."""
        self._named = tuple(dict.fromkeys(symbol.upper() for symbol in symbols))
        self._view.show(self._named)
        await self._turn_to(None)

    async def show_list(self, name: str) -> None:
        """Show a saved list, `main` or another. Errors of the client."""
        await self._turn_to(name)

    async def _turn_to(self, tab: str | None) -> None:
        self._view.tabs.show(tab)
        self._view.is_awaited = self._view.is_awaited or tab not in self._seen
        # What the person has selected while the answer was awaited stays.
        keeps_place = tab in self._seen
        if tab is None:
            await self._show(tab, keeps_place=keeps_place)
            await self._read_lists()
            return
        trouble: ClientError | None = None
        try:
            await self._read_lists()  # first: what others change from then on is told
        except ClientError as error:
            trouble = error
        await self._show(tab, keeps_place=keeps_place)
        if trouble is not None:
            raise trouble

    async def show_again(self) -> None:
        """Show what the person's lists are now, in their order. Errors of the client."""
        await self._read_lists()
        current = self._view.tabs.current
        await self._show(current, keeps_place=current == self._shown)

    def rename(self, name: str, new_name: str) -> None:
        """A list is called otherwise now."""
        self._view.tabs.rename(name, new_name)
        if name in self._seen:
            self._seen[new_name] = self._seen.pop(name)
        if self._shown == name:
            self._shown = new_name
        self._removed = [replace(each, tab=new_name) if each.tab == name else each for each in self._removed]

    def leave(self, name: str) -> None:
        """A list is no more; where it is shown, `show_again` shows the one that its tab has given way to."""
        self._view.tabs.leave(name)
        self._seen.pop(name, None)

    def take_state(self, change: StateChange) -> None:
        """After a reconnect the lists may be others."""
        if change.state is State.RECONNECTING:
            self._was_lost = True
        elif change.state is State.CONNECTED and self._was_lost:
            self._was_lost = False
            self._want(self.show_again)

    def take_news(self, lists: Iterable[str]) -> None:
        """Others have changed these lists: show what they are now."""
        if not self._news:
            self._want(self._follow)
        self._news.update(lists)

    async def _follow(self) -> None:
        news, self._news = self._news, set()
        tabs, detail = self._view.tabs, self._view.detail
        names = await self._saved_lists()
        if names is None:
            return
        gone = [each for each in tabs.all if each in news and each not in names and each is not None]
        begun = [each for each in names if each in news and each not in tabs.all]
        if len(gone) == len(begun) == 1:
            self.rename(gone.pop(), begun[0])
        shown = tabs.current
        for name in gone:
            self.leave(name)
        tabs.put_lists(names)
        self._view.is_changed = True
        if shown in gone:
            self._view.uncover()
            await self._turn_to(tabs.current)
            self._view.say(f"{label_of(shown)} was emptied or deleted elsewhere.")
        elif shown in news:
            await self._show(shown, keeps_place=True)
            if detail is not None and self._view.detail is None and not self._view.rows.is_shown(detail.symbol):
                self._view.say(f"{detail.symbol} was taken off {label_of(shown)} elsewhere.")

    async def _show(self, tab: str | None, *, keeps_place: bool = False) -> None:
        """Have what a tab holds pushed, and show it unless another tab is shown by then; errors of the client.

        Where it is not to be had, the tab stays that was shown before, and is asked for after a reconnect.
        """
        # A command that changes a list and a key may want it at one time.
        async with self._showing:
            try:
                symbols, self.missing = await self._begin_pushes(tab)
            except ClientError:
                if tab == self._view.tabs.current != self._shown and self._shown in self._seen:
                    self._view.tabs.go_back(self._shown)
                    self._view.is_awaited = False
                    self._view.show(*self._seen[self._shown])
                raise
            finally:
                self._is_shown.set()
            troubles = troubles_of(self.missing)
            self._seen[tab], self._shown = (symbols, troubles), tab
            if tab == self._view.tabs.current:
                self._view.is_awaited = False
                (self._view.change if keeps_place else self._view.show)(symbols, troubles)

    async def _begin_pushes(self, tab: str | None) -> tuple[tuple[str, ...], tuple[Missing, ...]]:
        """End what is pushed, begin what a tab holds; its symbols in their order, and those no price comes of."""
        # Of a long list there may be no room beside another one.
        if before := [symbol for symbol in self._client.subscribed if symbol not in self._pairs]:
            with contextlib.suppress(NotFound):
                await self._paced(lambda: self._client.unsubscribe(before, save=False))
        if tab is None and not self._named:
            return (), ()
        try:
            if tab is None:
                named, pace = self._named, self._pushed_every
                reply = await self._paced(lambda: self._client.subscribe(named, interval=pace, save=False))
                return named, reply.missing
            reply = await self._paced(lambda: self._client.subscribe(interval=self._pushed_every, save=False, list=tab))
        except NotFound as error:
            if not error.missing:
                raise
            lost = tuple(each.symbol for each in error.missing)
            return (self._named if tab is None else lost), error.missing
        # What else is pushed are rates that the board needs.
        held = {*reply.subscribed, *reply.already, *reply.pending}
        in_order = (each for each in dict.fromkeys((*reply.symbols, *reply.pending)) if each in held)
        return (*in_order, *(each.symbol for each in reply.missing)), reply.missing

    @property
    def _pairs(self) -> Collection[str]:
        """The symbols whose prices are rates that the board needs, whether it has rows of them or not."""
        return self._view.conversion.symbols if self._view.conversion is not None else ()

    async def _read_lists(self) -> None:
        names = await self._saved_lists()
        if names is not None:
            self._view.tabs.put_lists(names)
            self._view.is_changed = True

    async def _saved_lists(self) -> Sequence[str] | None:
        """The names of the lists, whose changes by others are told from now on; None where they are not to be had."""
        try:
            lists = await self._paced(lambda: self._client.lists(follow=True))
        except Unavailable:
            return None
        except CommandFailed as error:
            if error.reason not in {Reason.UNKNOWN_COMMAND, Reason.NOT_PERMITTED}:
                raise
            return None  # an older server has one list
        finally:
            self._has_lists = True
        return [each.list for each in lists]

    @property
    def _pushed_every(self) -> float:
        return self.interval or self._pace

    async def keep_pace(self) -> None:
        """Have prices that change faster than they are drawn pushed as they are drawn: nobody sees those between."""
        while self._client.state is not State.CLOSED:
            before, began = self._changes_of_rows(), self._clock.monotonic()
            await self._clock.sleep(PACE_SECONDS)
            changes = sum(seq - before[symbol] for symbol, seq in self._changes_of_rows().items() if symbol in before)
            seconds = self._clock.monotonic() - began
            pause = self._view.pause_seconds
            if self.interval or not pause or self._client.state is not State.CONNECTED:
                continue
            # By pace all rows come at each push, those as well that did not change.
            by_pace = len(before) / pause * seconds
            if self._pace == 0 and changes > 2 * by_pace > 0:
                await self._set_pace(pause)
            elif self._pace and changes < by_pace:
                await self._set_pace(0.0)

    def _changes_of_rows(self) -> dict[str, int]:
        return {row.symbol: row.price.seq for row in self._view.rows.all if row.price is not None}

    async def _set_pace(self, seconds: float) -> None:
        async with self._showing:
            symbols = self._client.subscribed
            if symbols:
                with contextlib.suppress(ClientError):
                    await self._client.subscribe(symbols, interval=seconds, save=False)
                    self._pace = seconds

    # --- what keys ask for ------------------------------------------------------------------------------------------

    def turn_tab(self, by: int) -> None:
        """Show the list so many tabs further."""
        if len(self._view.tabs.all) < 2 and not self._has_lists:
            self._view.say("Your lists are still asked for.")
            return
        if len(self._view.tabs.all) < 2:
            self._view.say("There is one list; `:subscribe AAPL --list tech` begins another.")
            return
        if not by:
            return
        tab = self._view.tabs.turned(by)
        # The title says at once where the keys have led to, and the rows are those that stood there last.
        self._view.uncover()
        self._view.tabs.show(tab)
        symbols, troubles = self._seen.get(tab, ((), {}))
        self._view.is_awaited = True
        self._view.show(symbols, troubles)
        self._want(lambda: self._go_on_to(tab))

    async def _go_on_to(self, tab: str | None) -> None:
        if tab == self._view.tabs.current:  # else the keys have led on
            await self._turn_to(tab)

    def add(self, symbol: str) -> None:
        """Add a symbol to what is shown."""
        tab = self._view.tabs.current
        self._want(lambda: self._add(symbol, tab))

    async def _add(self, symbol: str, tab: str | None) -> None:
        if symbol in self._view.symbols and tab == self._view.tabs.current:
            self._view.rows.choose(symbol)
            self._view.say(f"{symbol} is here already.")
            return
        reply = await self._subscribe(symbol, tab)
        if reply.missing:
            self._view.say(" ".join(missing_sentences(reply.missing)))
            return
        if tab is None:
            self._named = (*self._named, symbol)
        if tab == self._view.tabs.current:
            self._view.change((*self._view.symbols, symbol), self._view.rows.troubles)
            self._view.rows.choose(symbol)
        self._view.say(f"{symbol} is added." if tab is None else f"{symbol} is on {label_of(tab)}.")
        await self._read_lists()

    async def _change(self, name: str, symbols: Sequence[str], change: ListChange) -> SetListReply:
        return await self._paced(lambda: self._client.set_list(symbols, list=name, change=change))

    async def _paced(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        # A key that is held down asks faster than a server wants to be asked.
        return await paced(ask, clock=self._clock)

    async def _subscribe(self, symbol: str, tab: str | None) -> SubscribeReply:
        if tab is None:
            return await self._paced(lambda: self._client.subscribe(symbol, interval=self._pushed_every, save=False))
        return await self._paced(lambda: self._client.subscribe(symbol, interval=self._pushed_every, list=tab))

    def remove_selected(self) -> None:
        """Take the selected row out of what is shown, and out of its list."""
        symbol, tab, shown = self._view.rows.selected, self._view.tabs.current, self._view.symbols
        if symbol is None or symbol not in shown:
            self._view.say("Select a row first, by ↑↓.")
            return
        # The row goes at once: the next key is meant for the next row.
        removed = _Removed(tab, symbol, shown[: shown.index(symbol)], self._view.rows.troubles.get(symbol))
        self._view.change([each for each in shown if each != symbol], self._view.rows.troubles)
        if tab is None:
            self._named = tuple(each for each in self._named if each != symbol)
        self._want(lambda: self._remove(removed))

    async def _remove(self, removed: _Removed) -> None:
        symbol, tab = removed.symbol, removed.tab
        try:
            if tab is None:
                await self._paced(lambda: self._client.unsubscribe(symbol, save=False))
            else:
                await self._paced(lambda: self._client.unsubscribe(symbol, list=tab))
        except NotFound:
            pass  # it was never known, or is gone already
        except ClientError:
            self._put_back(removed)
            raise
        if symbol in self._pairs:
            await self._paced(lambda: self._client.subscribe(symbol, interval=self._pushed_every, save=False))
        if tab == self._view.tabs.current and symbol in self._view.symbols:  # the list was read meanwhile
            self._view.change([each for each in self._view.symbols if each != symbol], self._view.rows.troubles)
        if removed.trouble is None:
            self._removed = [*self._removed, removed][-_MAX_UNDONE:]
        told = f"{symbol} is off" + ("" if tab is None else f" {label_of(tab)}")
        self._view.say(f"{told}; u brings it back." if removed.trouble is None else f"{told}.")
        await self._read_lists()

    def _put_back(self, removed: _Removed) -> None:
        """Show a row again where it stood, among those that are there now."""
        if removed.tab is None:
            self._named = removed.among(self._named)
        if removed.tab == self._view.tabs.current:
            troubles = dict(self._view.rows.troubles)
            if removed.trouble is not None:
                troubles[removed.symbol] = removed.trouble
            self._view.change(removed.among(self._view.symbols), troubles)

    def undo(self) -> None:
        """Put back what was taken out last."""
        if not self._removed:
            self._view.say("Nothing to bring back.")
            return
        self._want(self._undo)

    async def _undo(self) -> None:
        if not self._removed:
            return
        removed = self._removed[-1]
        if removed.tab is None:
            self._named = removed.among(self._named)
        else:
            reply = await self._change(removed.tab, [removed.symbol], ListChange.ADD)
            await self._change(removed.tab, removed.among(reply.symbols), ListChange.ORDER)
        self._removed.remove(removed)
        if removed.tab == self._view.tabs.current:
            await self.show_again()
        else:
            await self._turn_to(removed.tab)
        self._view.rows.choose(removed.symbol)
        self._view.say(f"{removed.symbol} is back{'' if removed.tab is None else f' on {label_of(removed.tab)}'}.")

    def open_link(self, number: int) -> None:
        """Open the link of the headline with this number, 1 for the first, in the person's browser."""
        detail = self._view.detail
        if detail is None:
            self._view.say("Enter opens a symbol's news, and o there the first of them.")
            return
        links = detail.links
        if number > len(links):
            self._view.say("There is no headline yet." if not links else f"There are {len(links)} headlines.")
            return
        self._want(lambda: self._open(links[number - 1]))

    async def _open(self, link: str) -> None:
        if not await open_link(link):
            self._view.say(f"No browser is to be had here: {link}")

    def enter(self, line: str) -> None:
        """Have a command run that was typed."""
        if self._commands is not None:
            self._commands.enter(line)

    def interrupt(self) -> bool:
        """Give up the command that runs; False where none does."""
        return self._commands is not None and self._commands.interrupt()

    def _want(self, work: _Work) -> None:
        self._wanted.put_nowait(work)

    async def _do_wanted(self) -> None:
        while True:
            work = await self._wanted.get()
            try:
                await work()
            except Unavailable as error:
                self._view.say(not_connected_sentence(self._client.address) if self._was_lost else sentence_of(error))
            except ClientError as error:
                self._view.say(sentence_of(error))

    async def _search(self) -> None:
        """Ask for what the picker seeks, once nothing more is typed for a moment."""
        before: str | None = None
        still_since = 0.0
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            picker = self._view.picker
            wanted = None if picker is None else picker.wanted
            now = self._clock.monotonic()
            if wanted != before:
                before, still_since = wanted, now
            if picker is None or wanted is None or now - still_since < PAUSE_SECONDS:
                continue
            try:
                found = await self._client.search(wanted, limit=MAX_MATCHES)
            except ClientError as error:
                picker.fail(wanted, sentence_of(error))
            else:
                picker.put(wanted, found.matches)
            self._view.is_changed = True
