"""The newest price of each subscribed symbol, and the streams that hand prices to their readers; no I/O.

Nothing is queued: a stream keeps, for each symbol, the newest price its reader has not seen. A reader that is behind
skips the ones between, and `seq` shows how many there were.
"""

import asyncio
import contextlib
import copy
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Self

from stocktrack.client.errors import ClientError
from stocktrack.clock import Clock, RealClock, within
from stocktrack.messages import Price

# A market's clock may run ahead of the server's by so much.
_MAX_AHEAD_MS = 60_000
_REAL_CLOCK = RealClock()


class PriceStream:
    """What `StockTrackClient.prices()` returns: iterate over it with `async for`.

    It begins with the newest price known of each subscribed symbol. It ends when the client is closed or logged out,
    and raises the client's last error where the connection is gone for good. Once its reader has read all, it hands out
    nothing for `pause_seconds`, in which prices are merged: for readers that would not show those between. Another
    number counts from the next pause on.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_end",
        "_ended",
        "_go_on_at",
        "_over",
        "_readable",
        "_unread",
        "pause_seconds",
    )

    def __init__(self, unread: Iterable[Price] = (), *, pause_seconds: float = 0.0, clock: Clock = _REAL_CLOCK) -> None:
        self._unread = OrderedDict((price.symbol, price) for price in unread)
        self._readable = asyncio.Event()
        self.pause_seconds = pause_seconds
        self._clock = clock
        self._go_on_at = float("-inf")
        self._over = asyncio.Event()
        self._ended = False
        self._end: ClientError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Price:
        while True:
            if self._unread:
                if not await self._has_paused():
                    break
            elif self._end is not None:
                raise copy.copy(self._end)
            elif self._ended:
                raise StopAsyncIteration
            else:
                self._readable.clear()
                await self._readable.wait()
        price = self._unread.popitem(last=False)[1]
        if self.pause_seconds and not self._unread:
            self._go_on_at = self._clock.monotonic() + self.pause_seconds
        return price

    async def _has_paused(self) -> bool:
        """Wait until the pause is over; False where there was none left. The end of the stream ends it at once."""
        if not self.pause_seconds or self._ended:
            return False
        left = self._go_on_at - self._clock.monotonic()
        if left <= 0:
            return False
        with contextlib.suppress(TimeoutError):
            await within(self._clock, left, self._over.wait())
        return True

    def put(self, price: Price) -> None:
        """Offer `price` to the reader, in the place of an unread one of its symbol."""
        self._unread[price.symbol] = price
        self._readable.set()

    def forget(self, symbols: Iterable[str]) -> None:
        """Take back what is unread of `symbols`: they are not subscribed any more."""
        for symbol in symbols:
            self._unread.pop(symbol, None)

    def end(self, error: ClientError | None) -> None:
        """End the iteration once all is read, with `error` where there is one."""
        self._ended, self._end = True, error
        self._readable.set()
        self._over.set()


class PriceBook:
    """Takes the prices of all connections of a client, one after the other, and lets none go back in time.

    `on_price` is given each price of a subscribed symbol as it comes, before anything is left out or merged.
    """

    def __init__(self, on_price: Callable[[Price], object] | None = None) -> None:
        self._on_price = on_price
        self._symbols: dict[str, None] = {}
        self._newest: dict[str, Price] = {}
        self._from_before: set[str] = set()  # symbols whose newest price an earlier run of the server gave
        self._instance: str | None = None
        self._streams: list[weakref.ref[PriceStream]] = []
        self._ended = False
        self._end: ClientError | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The subscribed symbols; prices of others are dropped, so that memory is bounded by what was asked for."""
        return tuple(self._symbols)

    def begin(self, instance: str) -> None:
        """A connection begins to the run of the server that its HELLO calls `instance`: `seq` may start anew."""
        if instance != self._instance:
            self._instance = instance
            self._from_before = set(self._newest)

    def subscribe(self, symbols: Iterable[str]) -> None:
        """Make exactly `symbols` the subscribed ones, and forget the prices of others."""
        self._symbols = dict.fromkeys(symbols)
        gone = [symbol for symbol in self._newest if symbol not in self._symbols]
        for symbol in gone:
            del self._newest[symbol]
        self._from_before.difference_update(gone)
        for reference in tuple(self._streams):
            if (stream := reference()) is not None:
                stream.forget(gone)

    def put(self, price: Price) -> None:
        """Give `price` to all streams, unless it is older than the last one of its symbol."""
        symbol = price.symbol
        if symbol not in self._symbols:
            return
        if self._on_price is not None:
            self._on_price(price)
        last = self._newest.get(symbol)
        if last is not None:
            same_run = not (self._from_before and symbol in self._from_before)
            if _is_older(price, last, same_run=same_run):
                return
            if not same_run:
                self._from_before.discard(symbol)
        self._newest[symbol] = price
        for reference in tuple(self._streams):
            if (stream := reference()) is not None:
                stream.put(price)

    def stream(self, *, pause_seconds: float = 0.0, clock: Clock = _REAL_CLOCK) -> PriceStream:
        """A new stream, fed for as long as the reader keeps it."""
        stream = PriceStream(self._newest.values(), pause_seconds=pause_seconds, clock=clock)
        if self._ended:
            stream.end(self._end)
        else:
            self._streams.append(weakref.ref(stream, self._streams.remove))
        return stream

    def end(self, error: ClientError | None) -> None:
        """No more prices come: end all streams, and every later one at its start."""
        self._ended, self._end = True, error
        for reference in tuple(self._streams):
            if (stream := reference()) is not None:
                stream.end(error)


def _is_older(price: Price, last: Price, *, same_run: bool) -> bool:
    """Whether `price` is older than `last`, which the same or an earlier run of the server sent.

    Within a run `seq` is the order, and the market's time may not fall either. Between runs `seq` says nothing: the
    market's time decides, and where it is equal or unknown the server's own.
    """
    if same_run and price.seq < last.seq:
        return True
    market_time, last_market_time = _market_time(price), _market_time(last)
    if market_time is not None and last_market_time is not None and market_time != last_market_time:
        return market_time < last_market_time
    return not same_run and price.received_at < last.received_at


def _market_time(price: Price) -> int | None:
    """The price's `timestamp` where it is plausible: one mistake of a source must not silence the symbol until 2099."""
    timestamp = price.timestamp
    return timestamp if timestamp is not None and timestamp <= price.received_at + _MAX_AHEAD_MS else None
