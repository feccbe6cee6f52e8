"""Prices for a recorder from the sources themselves, on a board of its own; no server runs."""

from collections.abc import Callable, Mapping, Sequence

from stocktrack.client import ClientError
from stocktrack.clock import Clock
from stocktrack.config import Settings
from stocktrack.errors import Code, Reason, StockTrackError
from stocktrack.market.board import Basket, Board, Entry
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.messages import Missing, Price
from stocktrack.providers.instruments import Instruments
from stocktrack.providers.registry import build_providers
from stocktrack.recording.recorder import Recorder


class ProviderPrices:
    """Prices of the sources that the settings name, asked for by this process itself; no server runs."""

    def __init__(self, settings: Settings, recorder: Recorder, clock: Clock, tell: Callable[[str], None]) -> None:
        self._recorder = recorder
        self._tell = tell
        self._board = Board()
        self._instruments = Instruments(clock)
        self._symbols_file = settings.symbols_file
        self._feed = Feed(
            build_providers(settings, clock, tell),
            self._board,
            clock,
            poll_interval_seconds=settings.poll_interval_seconds,
            timeout_seconds=settings.provider_timeout_seconds,
            requests_per_minute=settings.upstream_requests_per_minute,
            instruments=self._instruments,
        )
        self._board.on_demand = self._feed.demand_changed
        self._board.taps.append(self)
        self._feed.on_event = self._take_event
        self._baskets: dict[str, Basket] = {}
        self._unknown: list[Missing] = []
        self.name = ", ".join(settings.providers)
        self.why_over: ClientError | None = None

    async def open(self) -> None:
        """Start the sources."""
        await self._instruments.load(self._symbols_file)
        await self._feed.start()

    async def add(self, symbols: Sequence[str]) -> tuple[Missing, ...]:
        """Watch `symbols` on a board of its own."""
        errors = await self._feed.known(symbols)
        missing = {symbol: error for symbol, error in errors.items() if not _may_come(error)}
        for symbol in symbols:
            if symbol not in missing and symbol not in self._baskets:
                self._baskets[symbol] = self._board.watch((symbol,), self, eager=False)
                if (quote := self._board.quote(symbol)) is not None:
                    self._recorder.take(Price.of(quote))
        return _missing_of(missing)

    async def remove(self, symbols: Sequence[str]) -> None:
        """Watch `symbols` no longer."""
        for symbol in symbols:
            if (basket := self._baskets.pop(symbol, None)) is not None:
                self._board.unwatch(basket, self)
        self._recorder.forget(list(symbols))

    async def look(self) -> tuple[Missing, ...]:
        """What turned out to be unknown since."""
        unknown, self._unknown = tuple(self._unknown), []
        await self.remove([each.symbol for each in unknown])
        return unknown

    def finish(self) -> None:
        """What a source did not give is marked stale in its rows."""

    async def close(self) -> None:
        """End the sources."""
        await self._feed.close()
        await self._instruments.close()

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Record what has changed of what is watched."""
        for entry in changed:
            if entry.quote is not None and entry.symbol in self._baskets:
                self._recorder.take(Price.of(entry.quote))

    def wake(self) -> None:
        """Nothing has to be done: the tap is told of each change."""

    def _take_event(self, event: FeedEvent) -> None:
        match event.event:
            case Event.OUTAGE if event.error is not None:
                self._say(f"{event.error.message} The last prices stay, marked stale.")
            case Event.RESTORED:
                self._say(f"Prices of {', '.join(sorted(event.symbols)[:6])} come again.")
            case Event.UNKNOWN:
                self._unknown += [
                    Missing(symbol=symbol, code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL)
                    for symbol in sorted(event.symbols)
                ]
            case _:
                pass

    def _say(self, sentence: str) -> None:
        self._tell(sentence)
        self._recorder.note(sentence)


def _may_come(error: StockTrackError) -> bool:
    return error.code in {Code.SERVER_ERROR, Code.TOO_MANY_REQUESTS}


def _missing_of(errors: Mapping[str, StockTrackError]) -> tuple[Missing, ...]:
    return tuple(
        Missing(symbol=symbol, code=error.code, reason=error.reason, message=error.message)
        for symbol, error in errors.items()
    )
