"""The newest quote of each symbol with its encoded line and sequence number, and who watches it; no I/O.

A price is encoded once, however many sessions receive it, and nothing is ever queued: the board holds the newest
quote only, and a session that comes late asks for what has changed since it last looked. Two numbers make that cheap:

    seq        counts the updates of one symbol and is told to clients
    revision   counts the batches of updates of the whole board; an entry remembers the one that changed it last

A quote may come from another board, as that of a feed several servers share, or one that was recorded: it is a
`BoardQuote` then, and brings its `seq` and its staleness along. Such a *relayed* quote is ordered by its `seq` alone,
and what this board says of it by itself, as that its source went away, does not count as an update: all boards that
relay one feed show the same `seq`.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Protocol

from stocktrack.errors import Reason
from stocktrack.messages import BoardQuote, Price
from stocktrack.quotes import Quote
from stocktrack.wire.lines import encode_line

# Joined pushes kept for the other sessions of the same basket until the next change of the board.
_MAX_JOINED = 64


class Watcher(Protocol):
    """Somebody who watches a basket."""

    def wake(self) -> None:
        """Called once for each batch of updates that changed the basket; must not block."""
        ...


class Tap(Protocol):
    """Somebody who takes all that happens on the board, as the way out to other programs does; it must not block."""

    def take(self, changed: Sequence["Entry"], renewed: Sequence["Entry"]) -> None:
        """A batch: the entries whose quotes are other ones now, and those whose source only confirmed them.

        Each entry is in it once: what comes twice in one message of a source is two batches.
        """
        ...


class Entry:
    """What the board knows of one symbol; `quote` is None until a source has given one."""

    __slots__ = ("_line", "baskets", "is_streamed", "quote", "refreshed_at", "relayed", "revision", "seq", "symbol")

    def __init__(self, symbol: str, seq: int) -> None:
        self.symbol = symbol
        self.quote: BoardQuote | None = None
        self.seq = seq
        self.revision = 0
        self.refreshed_at = -math.inf  # monotonic seconds; the last time a source confirmed the quote
        self.is_streamed = False  # whether the quote came by a stream
        self.relayed: int | None = None  # the `seq` that the quote has on the board it came from; None where it is ours
        self.baskets: set[Basket] = set()
        self._line: bytes | None = b""

    @property
    def line(self) -> bytes:
        """The PRICE line of the newest quote, encoded when first asked for; empty while there is no quote."""
        if self._line is None:
            assert self.quote is not None  # noqa: S101 - `hold` sets both
            self._line = encode_line(Price.of(self.quote))
        return self._line

    def hold(self, quote: BoardQuote) -> None:
        """Have `quote` as the newest from now on."""
        self.quote = quote
        self.seq = quote.seq
        self._line = None


class Basket:
    """Symbols that are watched together. Equal baskets are one object, so that a push is joined once for all."""

    __slots__ = ("_board", "_eager", "entries", "revision", "symbols", "updates", "watchers")

    def __init__(self, board: "Board", symbols: tuple[str, ...], entries: Collection[Entry]) -> None:
        self._board = board
        self._eager: set[Watcher] = set()
        self.symbols = symbols
        self.entries = entries
        self.revision = max((entry.revision for entry in entries), default=0)
        self.updates = 0  # batches that changed it
        self.watchers: set[Watcher] = set()

    def lines(self, since: int = -1) -> bytes:
        """The PRICE lines of what changed after revision `since`, in the basket's order; by default of all."""
        return self._board.join(self, since)[0]

    def push(self, since: int = -1) -> bytes:
        """The same lines, counted as pushed to one session."""
        lines, count = self._board.join(self, since)
        self._board.pushed_prices += count
        return lines

    def add(self, watcher: Watcher, *, eager: bool) -> None:
        """Let `watcher` watch; an eager one is woken at every change, the others look by themselves."""
        self.discard(watcher)
        self.watchers.add(watcher)
        if eager:
            self._eager.add(watcher)

    def discard(self, watcher: Watcher) -> None:
        """Undo `add`."""
        self.watchers.discard(watcher)
        self._eager.discard(watcher)

    def wake(self) -> None:
        """Wake the eager watchers."""
        for watcher in self._eager:
            watcher.wake()


class WatchedBasket(Basket):
    """What baskets have in them, at most `most` symbols, as that changes; who watches this one wants nothing itself."""

    __slots__ = ("_followed", "_most")

    def __init__(self, board: "Board", watched: Iterable[Entry], most: int) -> None:
        self._followed = dict.fromkeys(islice(watched, most))
        self._most = most
        super().__init__(board, (), self._followed.keys())

    def take_in(self, entry: Entry) -> None:
        """Have the entry of a symbol that is watched now, where there is room."""
        if len(self._followed) < self._most:
            self._followed[entry] = None

    def leave_out(self, entry: Entry, watched: Iterable[Entry]) -> None:
        """Have the entry of a symbol no more that nobody watches now, but another one of `watched` where one waited."""
        if entry in self._followed:
            is_full = len(self._followed) == self._most
            del self._followed[entry]
            if is_full and (waiting := next((each for each in watched if each not in self._followed), None)):
                self._followed[waiting] = None


@dataclass(slots=True)
class _Update:
    """What an entry is to hold: a quote, and why it is stale where it is."""

    entry: Entry
    quote: Quote
    stale_reason: Reason | None = None
    retry_at_ms: int | None = None
    relayed: int | None = None


class Board:
    """The newest quotes. `on_demand(symbol, is_wanted)` is called when a symbol's first watcher comes or its last goes.

    Whoever renews the quotes listens to it; it is set once, before anybody watches. `taps` take all that happens. A
    symbol's `seq` counts on from ``first_seq()``, asked when the board first hears of it.
    """

    def __init__(self, first_seq: Callable[[], int] = lambda: 0) -> None:
        self._first_seq = first_seq
        self.on_demand: Callable[[str, bool], None] = lambda _symbol, _is_wanted: None
        self.taps: list[Tap] = []
        self.revision = 0
        self._entries: dict[str, Entry] = {}
        self._baskets: dict[tuple[str, ...], Basket] = {}
        self._watched_baskets: dict[int, WatchedBasket] = {}  # by how many symbols they may have
        self._joined: dict[tuple[Basket, int], tuple[bytes, int]] = {}
        self.pushed_prices = 0
        # Updates of a basket that a session never got, because a newer one came before it could take them.
        self.merged_pushes = 0
        self._highest_forgotten_seq = 0

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, symbol: str) -> Entry | None:
        """The entry of `symbol`, where the board has one."""
        return self._entries.get(symbol)

    def quote(self, symbol: str) -> BoardQuote | None:
        """The newest quote of `symbol`."""
        entry = self._entries.get(symbol)
        return entry.quote if entry is not None else None

    def watched(self) -> list[str]:
        """The symbols that somebody watches."""
        return [entry.symbol for entry in self._watched_entries()]

    def is_watched(self, symbol: str) -> bool:
        """Whether anybody watches `symbol`."""
        entry = self._entries.get(symbol)
        return entry is not None and bool(entry.baskets)

    def not_renewed(self, symbols: Iterable[str], since: float) -> list[str]:
        """Those of `symbols` that no source has confirmed after monotonic time `since`; the unknown ones are such."""
        entries = ((symbol, self._entries.get(symbol)) for symbol in symbols)
        return [symbol for symbol, entry in entries if entry is None or entry.refreshed_at <= since]

    def put(self, quotes: Iterable[Quote], at: float, *, is_stream: bool = False) -> None:
        """Take a batch of quotes that a source gave at monotonic time `at`; they are stale no longer.

        An older market time never takes the place of a newer one that came from another source, or by a stream. Quotes
        that another board had before are relayed as they stood there.
        """
        updates: list[_Update] = []
        in_batch: set[Entry] = set()
        for quote in quotes:
            entry = self._entry(quote.symbol)
            if entry in in_batch:
                # Two prices of one symbol are two updates: whoever looks at each of them sees both.
                self._update(updates)
                updates = []
                in_batch.clear()
            in_batch.add(entry)
            held = entry.quote
            relayed = quote.seq if isinstance(quote, BoardQuote) else None
            if relayed is not None and entry.relayed is not None:
                if relayed < entry.relayed:
                    continue
            elif held is None or not _is_older(quote, held):
                entry.is_streamed = is_stream
            elif held.provider != quote.provider:
                continue  # it says nothing of whether the newer one still holds
            elif entry.is_streamed:
                # The source is there, and has told something newer by its stream.
                entry.refreshed_at = at
                updates.append(_Update(entry, held, relayed=entry.relayed))
                continue
            entry.refreshed_at = at
            if isinstance(quote, BoardQuote):
                updates.append(_Update(entry, quote, quote.stale_reason, quote.retry_at, relayed))
            else:
                updates.append(_Update(entry, quote))
        self._update(updates)

    def mark_stale(self, symbols: Iterable[str], reason: Reason, retry_at_ms: int | None = None) -> None:
        """Say of the quotes of `symbols` that they could not be renewed; symbols without a quote are passed over."""
        entries = [self._entries[symbol] for symbol in symbols if symbol in self._entries]
        self._update(
            [
                _Update(entry, entry.quote, reason, retry_at_ms, entry.relayed)
                for entry in entries
                if entry.quote is not None
            ]
        )

    def watch(self, symbols: tuple[str, ...], watcher: Watcher, *, eager: bool) -> Basket:
        """The basket of `symbols`, which `watcher` watches until `unwatch`."""
        basket = self._baskets.get(symbols)
        if basket is None:
            entries = tuple(self._entry(symbol) for symbol in symbols)
            basket = self._baskets[symbols] = Basket(self, symbols, entries)
            for entry in entries:
                is_first = not entry.baskets
                entry.baskets.add(basket)
                if is_first:
                    for watched in self._watched_baskets.values():
                        watched.take_in(entry)
                        self._unjoin(watched)
                    self.on_demand(entry.symbol, True)
        basket.add(watcher, eager=eager)
        return basket

    def watch_watched(self, watcher: Watcher, *, most: int) -> Basket:
        """The basket of whatever others watch, at most so many symbols, until `unwatch`.

        It is no demand: a symbol leaves it when its last other watcher goes.
        """
        basket = self._watched_baskets.get(most)
        if basket is None:
            basket = self._watched_baskets[most] = WatchedBasket(self, self._watched_entries(), most)
        basket.add(watcher, eager=True)
        return basket

    def unwatch(self, basket: Basket, watcher: Watcher) -> None:
        """Undo `watch`; the last watcher takes the basket with it."""
        basket.discard(watcher)
        if basket.watchers:
            return
        self._watched_baskets = {most: each for most, each in self._watched_baskets.items() if each is not basket}
        if self._baskets.get(basket.symbols) is not basket:
            return
        del self._baskets[basket.symbols]
        for entry in basket.entries:
            entry.baskets.discard(basket)
            if not entry.baskets:
                for watched in self._watched_baskets.values():
                    watched.leave_out(entry, self._watched_entries())
                    self._unjoin(watched)
                self.on_demand(entry.symbol, False)

    def join(self, basket: Basket, since: int) -> tuple[bytes, int]:
        """The lines of a basket that changed after revision `since`, and how many they are."""
        key = (basket, since)
        joined = self._joined.get(key)
        if joined is None:
            lines = [entry.line for entry in basket.entries if entry.revision > since]
            joined = b"".join(lines), len(lines)
            # Only what another session can use is kept: a joined push is many times the size of its lines' list.
            if len(basket.watchers) > 1 and len(self._joined) < _MAX_JOINED:
                self._joined[key] = joined
        return joined

    def _unjoin(self, basket: Basket) -> None:
        """Forget what was joined of a basket that has other symbols now."""
        self._joined = {key: joined for key, joined in self._joined.items() if key[0] is not basket}

    def forget(self, before: float, keep: int) -> None:
        """Drop unwatched quotes that were not renewed since monotonic time `before`, and the oldest beyond `keep`."""
        unwatched = [entry for entry in self._entries.values() if not entry.baskets]
        unwatched.sort(key=lambda entry: entry.refreshed_at, reverse=True)
        for place, entry in enumerate(unwatched):
            if place >= keep or entry.refreshed_at < before:
                # A symbol that comes back counts on from here, so that its seq never falls.
                self._highest_forgotten_seq = max(self._highest_forgotten_seq, entry.seq)
                del self._entries[entry.symbol]

    def _watched_entries(self) -> Iterator[Entry]:
        return (entry for entry in self._entries.values() if entry.baskets)

    def _entry(self, symbol: str) -> Entry:
        entry = self._entries.get(symbol)
        if entry is None:
            entry = self._entries[symbol] = Entry(symbol, max(self._highest_forgotten_seq, self._first_seq()))
        return entry

    def _update(self, updates: Iterable[_Update]) -> None:
        revision = self.revision + 1
        touched: set[Basket] = set()
        changed: list[Entry] = []
        renewed: list[Entry] = []
        for update in updates:
            entry = update.entry
            is_changed = not _is_same(entry.quote, update)
            entry.hold(
                BoardQuote.of(
                    update.quote,
                    seq=_seq_after(update, is_changed=is_changed),
                    stale_reason=update.stale_reason,
                    retry_at=update.retry_at_ms,
                )
            )
            entry.relayed = update.relayed
            if is_changed:
                entry.revision = revision
                touched |= entry.baskets
                changed.append(entry)
            else:
                renewed.append(entry)
        self._joined.clear()
        if changed:
            self.revision = revision
        for tap in self.taps:
            tap.take(changed, renewed)
        touched.update(
            basket for basket in self._watched_baskets.values() if any(entry in basket.entries for entry in changed)
        )
        for basket in touched:
            basket.revision = revision
            basket.updates += 1
        for basket in touched:
            basket.wake()


def _seq_after(update: _Update, *, is_changed: bool) -> int:
    """The `seq` of an entry after an update: where it is relayed that of the other board, unless ours is ahead of it.

    Ours is ahead only where another source filled in meanwhile; what this board alone says of a quote does not count.
    """
    seq = update.entry.seq
    if update.relayed is None:
        return seq + is_changed
    if update.relayed >= seq:
        return update.relayed
    return seq + (is_changed and update.relayed != update.entry.relayed)


def _is_older(quote: Quote, held: Quote) -> bool:
    """Whether the market's time of a quote is before that of the one held, in whole seconds: some tell no more."""
    if quote.timestamp is None or held.timestamp is None:
        return False
    return quote.timestamp // 1000 < held.timestamp // 1000


def _is_same(held: BoardQuote | None, update: _Update) -> bool:
    """Whether nothing but `received_at` differs."""
    if held is None or held.stale_reason is not update.stale_reason or held.retry_at != update.retry_at_ms:
        return False
    return bool(_compared(held.__dict__) == _compared(update.quote.__dict__))


_compared = itemgetter(*(name for name in Quote.model_fields if name != "received_at"))
