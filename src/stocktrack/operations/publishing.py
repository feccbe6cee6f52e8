"""Takes prices from a server or from the market's sources and hands them to sinks, until it is told to stop."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import structlog

from stocktrack.client.settings import ClientSettings
from stocktrack.clock import Clock, RealClock
from stocktrack.config import Settings
from stocktrack.errors import SourceUnusable
from stocktrack.market.board import Board, Entry
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.messages import BoardQuote, Missing, Notice, Price, SinkState
from stocktrack.providers.instruments import Instruments
from stocktrack.providers.registry import build_providers
from stocktrack.quotes import clean_text
from stocktrack.sinks.publisher import Publisher
from stocktrack.sinks.registry import build_outlets
from stocktrack.terminal.connection_report import ConnectionReport
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of_missing, missing_sentence
from stocktrack.terminal.run import say
from stocktrack.terminal.status_line import StatusLine

log = structlog.get_logger()

FLUSH_SECONDS = 2.0
_STATUS_SECONDS = 0.5
_COMMON = tuple(name for name in BoardQuote.model_fields if name in Price.model_fields)
_MOST_DECIMALS = 10  # that a quote may have; a PRICE tells more of them of a price that is next to nothing


class Console:
    """What a person at a terminal reads: sentences and the log, and below them how the publishing goes."""

    def __init__(self) -> None:
        self._line = StatusLine(sys.stderr) if sys.stderr.isatty() else None
        if self._line is not None:
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.StreamHandler):
                    handler.setStream(self._line)

    def say(self, sentence: str) -> None:
        """Tell a sentence."""
        if self._line is None:
            say(sentence)
        else:
            self._line.write(f"stocktrack: {sentence}\n")
            self._line.flush()

    async def show(self, publisher: Callable[[], Publisher | None], symbols: Callable[[], int]) -> None:
        """Keep the line up to date, for ever; without a terminal there is none."""
        while self._line is not None:
            self._line.show(_status(publisher(), symbols()))
            await asyncio.sleep(_STATUS_SECONDS)

    def end(self) -> None:
        """Go on below the line."""
        if self._line is not None:
            self._line.end()


def _status(publisher: Publisher | None, symbols: int) -> str:
    if publisher is None:
        return "Connecting."
    parts = []
    for sink in publisher.infos():
        told = f"{sink.sink}: {sink.written:,} written"
        if sink.waiting:
            told += f", {sink.waiting:,} waiting"
        if sink.merged:
            told += f", {sink.merged:,} merged"
        if sink.state is SinkState.FAILING:
            told += f", down: {clean_text(sink.reason or '', 200)}"
        parts.append(told)
    return f"{symbols:,} symbols. {'  '.join(parts)}"


async def publish_from_server(
    settings: Settings, caller: ClientSettings, symbols: Sequence[str], seconds: float
) -> int:
    """Publish what a server pushes of `symbols`, or of the user's saved list, waiting so long for each answer."""
    console = Console()
    return await _until_told(console, _FromServer(settings, caller, symbols, seconds, console).run)


async def publish_from_providers(settings: Settings, symbols: Sequence[str]) -> int:
    """Publish what the sources of the settings say of `symbols`."""
    console = Console()
    return await _until_told(console, _FromProviders(settings, symbols, console).run)


async def _until_told(console: Console, run: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """What `run` returns, or the code of the signal that ended it; a second signal ends the process at once."""
    told: list[signal.Signals] = []
    running = asyncio.ensure_future(run())

    def stop(number: signal.Signals) -> None:
        if told:
            os._exit(128 + number)
        told.append(number)
        running.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await asyncio.wait({running})
        if told and running.cancelled():
            return 128 + told[0]
        return running.result()
    finally:
        console.end()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class _FromServer:
    """What a server pushes, published under the server's own `instance` and `seq`."""

    def __init__(
        self, settings: Settings, caller: ClientSettings, symbols: Sequence[str], seconds: float, console: Console
    ) -> None:
        self._urls = settings.publish_to
        self._caller = caller
        self._symbols = symbols
        self._seconds = seconds
        self._console = console
        self._clock = RealClock()
        self._publisher: Publisher | None = None
        # An address that cannot be used is told before anybody is called.
        build_outlets(self._urls, "", self._clock)

    async def run(self) -> int:
        report = ConnectionReport(self._console.say)

        def take_notice(notice: Notice) -> None:
            if report.notice(notice) and not client.subscribed:
                prices.end(None)  # no price can come any more

        client = self._caller.client(timeout_seconds=self._seconds, on_notice=take_notice, on_state=report.state)
        prices = client.prices()
        missing: tuple[Missing, ...] = ()
        instance = None
        async with client, self._shown(lambda: len(client.subscribed)):
            reply = await client.subscribe(self._symbols or None, interval=0, save=False)
            missing = reply.missing
            for each in missing:
                self._console.say(missing_sentence(each))
            if not (reply.symbols or reply.pending):
                self._console.say("You have no saved stocks yet; name some, as in `stocktrack publish AAPL --to …`.")
                return ExitCode.DONE
            try:
                async for price in prices:
                    if client.hello is not None and client.hello.instance != instance:
                        # What waits counts in the run of the server before: it is not mixed with that of the new one.
                        instance = client.hello.instance
                        await self._begin(instance)
                    assert self._publisher is not None  # noqa: S101 - a price comes after a HELLO
                    entry = Entry(price.symbol, 0)
                    entry.hold(_quote_of(price))
                    self._publisher.take([entry], [])
            finally:
                await self._end()
        return exit_code_of_missing((*missing, *report.dropped))

    async def _begin(self, instance: str) -> None:
        await self._end()
        self._publisher = Publisher(build_outlets(self._urls, instance, self._clock), self._clock)
        self._publisher.start()

    async def _end(self) -> None:
        if self._publisher is not None:
            await self._publisher.close(FLUSH_SECONDS)

    @contextlib.asynccontextmanager
    async def _shown(self, symbols: Callable[[], int]) -> AsyncIterator[None]:
        async with _beside(self._console.show(lambda: self._publisher, symbols)):
            yield


class _FromProviders:
    """What the sources say, on a board of this process' own: its `instance` is this run of it."""

    def __init__(self, settings: Settings, symbols: Sequence[str], console: Console) -> None:
        self._settings = settings
        self._symbols = tuple(symbols)
        self._console = console
        self._clock: Clock = RealClock()
        self._board = Board()
        self._publisher = Publisher(build_outlets(settings.publish_to, secrets.token_hex(2), self._clock), self._clock)
        self._instruments = Instruments(self._clock)
        self._feed = Feed(
            build_providers(settings, self._clock, log.warning),
            self._board,
            self._clock,
            poll_interval_seconds=settings.poll_interval_seconds,
            timeout_seconds=settings.provider_timeout_seconds,
            requests_per_minute=settings.upstream_requests_per_minute,
            instruments=self._instruments,
        )
        self._board.on_demand = self._feed.demand_changed
        self._board.taps.append(self._publisher)
        self._feed.on_event = self._take_event
        self._unknown: set[str] = set()
        self._is_over = asyncio.Event()

    async def run(self) -> int:
        try:
            await self._instruments.load(self._settings.symbols_file)
            await self._feed.start()
            self._tell_unusable()
            self._publisher.start()
            for symbol in self._symbols:
                self._board.watch((symbol,), self, eager=False)
            shown = self._console.show(lambda: self._publisher, lambda: len(self._symbols) - len(self._unknown))
            async with _beside(shown):
                await self._is_over.wait()
            return ExitCode.NOT_FOUND
        finally:
            await self._feed.close()
            await self._publisher.close(FLUSH_SECONDS)
            await self._instruments.close()

    def wake(self) -> None:
        """Nothing: what changes is taken where it changes."""

    def _take_event(self, event: FeedEvent) -> None:
        symbols = ", ".join(sorted(event.symbols))
        match event.event:
            case Event.OUTAGE if event.error is not None:
                self._console.say(f"{event.error.message} No new prices of {symbols} meanwhile.")
            case Event.RESTORED:
                self._console.say(f"Prices of {symbols} come again.")
            case _:
                for symbol in sorted(event.symbols - self._unknown):
                    self._console.say(f"{symbol} is unknown to the sources, and is not published.")
                self._unknown |= event.symbols
                if self._unknown.issuperset(self._symbols):
                    self._is_over.set()

    def _tell_unusable(self) -> None:
        for upstream in self._feed.routes.upstreams:
            if isinstance(upstream.unusable, SourceUnusable):
                self._console.say(upstream.unusable.message)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do `work` meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _quote_of(price: Price) -> BoardQuote:
    """The quote that a PRICE tells of."""
    fields = price.__dict__
    told = {name: fields[name] for name in _COMMON}
    if told["price_hint"] is not None:
        told["price_hint"] = min(told["price_hint"], _MOST_DECIMALS)
    return BoardQuote(**told)
