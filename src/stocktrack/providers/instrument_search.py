"""Finds instruments by what is typed: first what is called so, then what begins so, then what holds all the words.

The instruments lie on shelves, one for the shares, the futures and the options of each segment, in the order in which
they are found: what does not expire first, then the nearest expiry. A shelf is one run of bytes with a line for each,
so that looking through a hundred thousand of them is looking for bytes, and ends where enough is found.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from operator import itemgetter

from stocktrack.providers.instrument_file import Instrument
from stocktrack.segments import OPTIONS, Only, Segment, Wanted, part_of

_NEVER = date.min  # sorts before every expiry
_MOST_WORDS = 8
# Of what is equal otherwise, NSE stands before BSE.
_PLACES: Mapping[Segment | None, int] = {segment: place for place, segment in enumerate(Segment)}
_SYMBOL = itemgetter(0)


class InstrumentSearch:
    """A search over `instruments`, which do not change."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        # Those that have their terms in common lie on one shelf, at one place.
        groups: dict[int, list[Instrument]] = {}
        for each in instruments:
            groups.setdefault(id(each.terms), []).append(each)
        shelves: dict[tuple[Segment | None, Only | None], dict[date, list[Instrument]]] = {}
        for group in groups.values():
            terms = group[0].terms
            shelves.setdefault((terms.segment, part_of(terms.type)), {}).setdefault(_expiry(group[0]), []).extend(group)
        self._shelves = {key: _Shelf(by_expiry) for key, by_expiry in shelves.items()}

    def segments(self) -> frozenset[Segment | None]:
        """The segments that any of the instruments is in."""
        return frozenset(segment for segment, _ in self._shelves)

    def find(self, query: str, limit: int, today: date, wanted: Wanted | None = None) -> Sequence[Instrument]:
        """At most `limit` instruments that match `query`, the best first; of the `wanted` segment where one is."""
        shelves = [
            shelf
            for (segment, part), shelf in self._shelves.items()
            if wanted is None or (segment is wanted.segment and wanted.only in {None, part})
        ]
        words = query.upper().encode(errors="replace").split()[:_MOST_WORDS]
        if not words:
            return []

        def nearest(each: Instrument) -> tuple[bool, date, bool, float, int, str]:
            expiry, place = _expiry(each), _PLACES.get(each.terms.segment, 0)
            return (_NEVER < expiry < today, expiry, each.terms.type in OPTIONS, _strike(each), place, each.symbol)

        found: dict[str, Instrument] = {}
        for matches in _GRADES:
            grade = [each for shelf in shelves for each in islice(matches(shelf, words, today), limit)]
            for each in sorted(grade, key=nearest):
                found.setdefault(each.symbol, each)
            if len(found) >= limit:
                break
        return list(found.values())[:limit]


def _expiry(instrument: Instrument) -> date:
    return instrument.terms.expiry or _NEVER


def _strike(instrument: Instrument) -> float:
    return instrument.strike or 0.0


class _Shelf:
    """Instruments of one kind: line `n` of the text is the instrument `n`, as `symbol<tab>name` in capitals."""

    def __init__(self, by_expiry: Mapping[date, list[Instrument]]) -> None:
        # Each expiry by itself: one sort of all of them would be one long turn of the interpreter.
        for group in by_expiry.values():
            group.sort(key=_SYMBOL)
            group.sort(key=_strike)
        self._instruments = tuple(each for expiry in sorted(by_expiry) for each in by_expiry[expiry])
        lines = [f"{each.local_name}\t{each.name or ''}" for each in self._instruments]
        self._text = "\n".join(["", *lines, ""]).upper().encode()
        # The end of the line before each, and of the last one.
        self._starts = array("I", (end.start() for end in re.finditer(rb"\n", self._text)))

    def called(self, words: Sequence[bytes], today: date) -> Iterator[Instrument]:
        """What has the words as its symbol."""
        return self._with(b"\n%b\t" % b" ".join(words), today)

    def named(self, words: Sequence[bytes], today: date) -> Iterator[Instrument]:
        """What has the words as its name: of a contract it is what it is a contract on."""
        return self._with(b"\t%b\n" % b" ".join(words), today)

    def beginning(self, words: Sequence[bytes], today: date) -> Iterator[Instrument]:
        """What has a symbol that begins with the words."""
        return self._with(b"\n%b" % b" ".join(words), today)

    def holding(self, words: Sequence[bytes], today: date) -> Iterator[Instrument]:
        """What holds each of the words: at the beginning of one of the name's, or anywhere in the symbol."""
        rarest = min(words, key=self._text.count)
        needles = [(b"\t" + word, b" " + word, word) for word in words]
        for line in self._lines(rarest, today):
            text = self._text[self._starts[line] + 1 : self._starts[line + 1]]
            end = text.find(b"\t")
            if all(
                text.find(begins, end) >= 0 or text.find(follows, end) >= 0 or text.find(word, 0, end) >= 0
                for begins, follows, word in needles
            ):
                yield self._instruments[line]

    def _with(self, needle: bytes, today: date) -> Iterator[Instrument]:
        return (self._instruments[line] for line in self._lines(needle, today))

    def _lines(self, needle: bytes, today: date) -> Iterator[int]:
        """The lines that hold `needle`: those of what does not expire, then by expiry, at last what has expired."""
        count = len(self._instruments)
        begin = bisect_right(self._instruments, _NEVER, key=_expiry)
        living = bisect_left(self._instruments, today, begin, key=_expiry)
        for first, last in ((0, begin), (living, count), (begin, living)):
            end = self._starts[last] + 1
            at = self._text.find(needle, self._starts[first], end)
            while at >= 0:
                line = bisect_right(self._starts, at) - 1
                yield line
                at = self._text.find(needle, self._starts[line + 1], end)


_GRADES: tuple[Callable[[_Shelf, Sequence[bytes], date], Iterator[Instrument]], ...] = (
    _Shelf.called,
    _Shelf.named,
    _Shelf.beginning,
    _Shelf.holding,
)
