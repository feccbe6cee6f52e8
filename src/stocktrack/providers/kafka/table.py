"""What was read of a topic: the newest quote of each symbol, and how much of it was none; no I/O.

A quote of ours brings its `seq` and the `instance` that it counts in. The board orders what it relays by `seq` alone:
what another instance goes on with, as that of a server which was restarted, counts on above what was told before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from stocktrack.messages import BoardQuote
from stocktrack.providers.published import Dropped, Published, Unreadable, decode_published
from stocktrack.quotes import Quote

MOST_SYMBOLS: Final = 50_000


class Record(Protocol):
    """A message of a topic, as aiokafka hands it over; `value` is None where the key was deleted."""

    @property
    def key(self) -> bytes | None:
        """The symbol."""
        ...

    @property
    def value(self) -> bytes | None:
        """The quote."""
        ...

    @property
    def timestamp(self) -> int:
        """When it was written, epoch milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    quote: Quote
    written_at: int
    instance: str | None = None
    seq: int = 0  # in its own instance


class Table:
    """The newest quotes; `provider` is who those are from that do not say so themselves."""

    def __init__(self, provider: str, *, most_symbols: int = MOST_SYMBOLS) -> None:
        self.dropped = Dropped()
        self.written_at = 0  # when the newest record was written, epoch milliseconds
        self._provider = provider
        self._most_symbols = most_symbols
        self._held: dict[str, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, symbol: str) -> Quote | None:
        """The newest quote of `symbol`."""
        held = self._held.get(symbol)
        return held.quote if held is not None else None

    def take(self, records: Iterable[Record], now_ms: int) -> Sequence[Quote]:
        """Take records in their order, and return the quotes in them that are newer than what was there."""
        return [quote for record in records if (quote := self._read(record, now_ms)[1]) is not None]

    def take_newest(self, records: Iterable[Record], now_ms: int) -> None:
        """The same, where only the newest of each key counts: of a million records most are never looked into."""
        by_key: dict[bytes, list[Record]] = {}
        for record in records:
            if not record.key:
                self._read(record, now_ms)
            else:
                by_key.setdefault(record.key, []).append(record)
        for of_key in by_key.values():
            for record in reversed(of_key):
                if self._read(record, now_ms)[0]:
                    break

    def _read(self, record: Record, now_ms: int) -> tuple[bool, Quote | None]:
        """Whether a record says anything, and its quote where that is a newer one."""
        self.written_at = max(self.written_at, min(record.timestamp, now_ms))
        symbol = record.key.decode("ascii", "replace").upper() if record.key else None
        if record.value is None:
            self._held.pop(symbol or "", None)
            return True, None
        try:
            published = decode_published(record.value, symbol=symbol, provider=self._provider, now_ms=now_ms)
        except Unreadable as error:
            self.dropped[error.why] += 1
            return False, None
        quote = published.quote
        held = self._held.get(quote.symbol)
        new = _following(published, record.timestamp, held)
        if new is None:
            return True, None
        if held is None and len(self._held) >= self._most_symbols:
            del self._held[next(iter(self._held))]
            self.dropped["full"] += 1
        self._held[quote.symbol] = new
        return True, new.quote


def _following(published: Published, written_at: int, held: _Held | None) -> _Held | None:
    """What is held after a quote that was read; None where it is older than what is held already."""
    quote = published.quote
    if not isinstance(quote, BoardQuote):
        is_older = held is not None and _is_older(quote, held.quote)
        return None if is_older else _Held(quote, written_at)
    seq = quote.seq
    if held is not None and isinstance(held.quote, BoardQuote):
        if held.instance == published.instance:
            if (seq, quote.received_at) < (held.seq, held.quote.received_at):
                return None
            told = held.quote.seq + seq - held.seq
        elif written_at < held.written_at:
            return None  # out of a partition that was read later
        else:
            told = max(seq, held.quote.seq + 1)
        if told != seq:
            quote = quote.model_copy(update={"seq": told})
    return _Held(quote, written_at, published.instance, seq)


def _is_older(quote: Quote, held: Quote) -> bool:
    return quote.timestamp is not None and held.timestamp is not None and quote.timestamp < held.timestamp
