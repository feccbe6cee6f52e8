"""What waits for one sink: every change in its order, or the newest of each symbol once that is too much; no I/O.

While the other side keeps up, it gets each change. Beyond `MOST_CHANGES` that wait they are merged: of each symbol the
newest stays, in the place of the oldest, until nothing waits any more. Symbols are bounded, too. So a sink that is down
for a week costs no more memory than one that is down for a minute, and what it gets first afterwards is today's price.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from operator import attrgetter
from typing import Final

from stocktrack.market.board import Entry
from stocktrack.messages import BoardQuote

# A quote has about 1.5 KB, and all sinks hold the same objects: 10 MB at most for what waits in order.
MOST_CHANGES: Final = 5_000
MOST_SYMBOLS: Final = 20_000

_quote_of = attrgetter("quote")


class Backlog:
    """The changes that a sink has not taken yet; with `keeps_renewals` also quotes that were only confirmed.

    `merged` counts the changes that a newer one of their symbol took the place of, and `dropped` those of symbols that
    there was no room for.
    """

    def __init__(
        self, *, keeps_renewals: bool = False, most_changes: int = MOST_CHANGES, most_symbols: int = MOST_SYMBOLS
    ) -> None:
        self.merged = 0
        self.dropped = 0
        self._most_changes = most_changes
        self._most_symbols = most_symbols
        self._changes: deque[BoardQuote] = deque()
        # The newest of each symbol, where it is merged; else empty. Only one of the two holds anything. An entry is
        # whatever quote it has when it is written: so no quote is kept alive that the board has not got any more.
        self._newest: dict[str, BoardQuote | Entry] = {}
        self._keeps_renewals = keeps_renewals
        self._renewals: dict[str, BoardQuote] = {}

    def __len__(self) -> int:
        return len(self._changes) + len(self._newest) + len(self._renewals)

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Have a batch of the board wait."""
        if changed:
            if self._renewals:
                for entry in changed:
                    self._renewals.pop(entry.symbol, None)
            if self._newest:
                self._put(changed)
            else:
                self._changes.extend(map(_quote_of, changed))
                if len(self._changes) > self._most_changes:
                    self._merge()
        if renewed and self._keeps_renewals:
            for entry in renewed:
                if entry.quote is not None and (entry.symbol in self._renewals or self._has_room()):
                    self._renewals[entry.symbol] = entry.quote

    def next(self, most: int) -> list[BoardQuote]:
        """The oldest of what waits, `most` of it at once; it waits no longer."""
        if self._newest:
            symbols = [*islice(self._newest, most)]
            batch = [_quote_in(self._newest.pop(symbol)) for symbol in symbols]
        else:
            batch = [self._changes.popleft() for _ in range(min(most, len(self._changes)))]
        if len(batch) < most and self._renewals:
            symbols = [*islice(self._renewals, most - len(batch))]
            batch += [self._renewals.pop(symbol) for symbol in symbols]
        return batch

    def give_back(self, batch: Sequence[BoardQuote]) -> None:
        """Have what `next` gave wait again, before all else: it was not written."""
        if not self._newest:
            self._changes.extendleft(reversed(batch))
            if len(self._changes) > self._most_changes:
                self._merge()
            return
        newer, self._newest = self._newest, {}
        self._put(batch)
        self._put([*newer.values()])

    def _merge(self) -> None:
        changes = [*self._changes]
        self._changes.clear()
        self._put(changes)

    def _put(self, items: Sequence[BoardQuote | Entry]) -> None:
        newest = self._newest
        for item in items:
            symbol = item.symbol
            if symbol in newest:
                self.merged += 1
            elif len(newest) >= self._most_symbols:
                del newest[next(iter(newest))]
                self.dropped += 1
            newest[symbol] = item

    def _has_room(self) -> bool:
        return len(self._renewals) < self._most_symbols


def _quote_in(item: BoardQuote | Entry) -> BoardQuote:
    if isinstance(item, BoardQuote):
        return item
    assert item.quote is not None  # noqa: S101 - it has changed
    return item.quote
