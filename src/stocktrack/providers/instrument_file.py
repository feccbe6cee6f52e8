"""Reads an instrument file: a CSV of symbols with what each is, ours or as Kite serves it; gzip is taken too.

Ours       symbol, and any of source, source_symbol, name, exchange, expiry, strike, type, lot, tick
Kite's     instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,
           instrument_type,segment,exchange (https://kite.trade/docs/connect/v3/market-quotes/#instruments)

The header may have its columns in any order and others beside them; commas, semicolons or tabs stand between. A row
that cannot be used is left out and counted, so that one bad line of a hundred thousand stops no server.
"""

import csv
import gzip
import io
import math
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, TextIO

from stocktrack.errors import ConfigError
from stocktrack.providers.symbol_names import segment_of
from stocktrack.quotes import clean_text, normalise_symbol, shown
from stocktrack.segments import CONTRACTS, INDICES, OPTIONS, Segment, split_symbol

COLUMNS: Final = ("symbol", "source", "source_symbol", "name", "exchange", "expiry", "strike", "type", "lot", "tick")
_KITE_NEEDS: Final = frozenset({"tradingsymbol", "exchange"})
_DELIMITERS: Final = ",;\t"
_GZIP_BEGINS: Final = b"\x1f\x8b"
_TOLD: Final = 3  # how many of the rows that were left out are told with their lines
_NAME_CHARS, _EXCHANGE_CHARS = 100, 40
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_TYPE = re.compile(r"[A-Z][A-Z0-9_-]{0,15}")
_INDEX = "IDX"
# Kite writes the names of indices with spaces. These have one that the rules without a file know, too.
_KITE_INDICES: Final[Mapping[tuple[str, str], str]] = {
    ("NSE", "NIFTY 50"): "NIFTY",
    ("NSE", "NIFTY BANK"): "BANKNIFTY",
    ("NSE", "INDIA VIX"): "INDIAVIX",
}
_SEGMENTS: Final[Mapping[str, Segment]] = {segment.value: segment for segment in Segment}
_INDEX_SEGMENTS: Final[Mapping[str, Segment]] = {segment.removesuffix("_INDEX"): segment for segment in INDICES}


class Instrument(NamedTuple):
    """What a file says of one symbol: a plain tuple, since there are a hundred thousand of them."""

    symbol: str
    segment: Segment | None = None
    name: str | None = None
    exchange: str | None = None
    expiry: date | None = None
    strike: float | None = None
    type: str | None = None
    lot: int | None = None
    tick: float | None = None
    source: str | None = None
    source_symbol: str | None = None

    @property
    def local_name(self) -> str:
        """What it is called in its segment."""
        return split_symbol(self.symbol)[1]


@dataclass(frozen=True, slots=True)
class InstrumentFile:
    """The rows of a file by their symbols, how many were left out, and why the first ones were, with their lines."""

    rows: Mapping[str, Instrument]
    skipped: int = 0
    first_skipped: tuple[str, ...] = ()


def read_instruments(path: Path) -> InstrumentFile:
    """What the file of the setting `symbols_file` says; `ConfigError` where it is no such file."""
    named = f"symbols_file = {str(path)!r}"
    try:
        with _open(path) as text:
            return _read(text, named)
    except EOFError:
        raise ConfigError(f"{named} ends in the middle of its gzip data. Fetch it again.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ConfigError(f"{named} is damaged gzip data ({error}). Fetch it again.") from None
    except OSError as error:
        raise ConfigError(f"{named} cannot be read: {error.strerror or error}.") from None


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    """The text of the file; what is no UTF-8 in it becomes a sign that no symbol has."""
    if path.exists() and not path.is_file():
        raise OSError("it is no regular file")
    with path.open("rb") as file:
        is_gzip = file.peek(2)[:2] == _GZIP_BEGINS
        # A file that a spreadsheet wrote begins with a mark of its own.
        with io.TextIOWrapper(
            gzip.open(file) if is_gzip else file,
            encoding="utf-8-sig",
            errors="replace",
            newline="",
        ) as text:
            yield text


def _read(text: TextIO, named: str) -> InstrumentFile:
    lines = enumerate(text, 1)
    begin = next(((number, line) for number, line in lines if line.strip()), None)
    if begin is None:
        raise ConfigError(f"{named} is empty. It takes a header with a column 'symbol', and a row for each symbol.")
    number, header = begin
    delimiter, columns = _header(header)
    if "symbol" in columns:
        return _Rows(lines, number, delimiter, columns, _Ours()).read()
    if columns.keys() >= _KITE_NEEDS:
        return _Rows(lines, number, delimiter, columns, _Kites()).read()
    raise ConfigError(
        f"{named}: line {number} is no header. It needs a column 'symbol', or 'tradingsymbol' and 'exchange' as in "
        f"Kite's file; it has {', '.join(map(shown, list(columns)[:12]))}."
    )


def _header(line: str) -> tuple[str, dict[str, int]]:
    """What stands between the columns, and the place of each; the first of two that have one name."""
    found: dict[str, dict[str, int]] = {}
    for delimiter in _DELIMITERS:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        columns: dict[str, int] = {}
        for place, cell in enumerate(cells):
            columns.setdefault(cell.strip().lower() or f"#{place + 1}", place)
        if "symbol" in columns or columns.keys() >= _KITE_NEEDS:
            return delimiter, columns
        found[delimiter] = columns
    delimiter = max(_DELIMITERS, key=lambda each: len(found[each]))
    return delimiter, found[delimiter]


class _Fields(ABC):
    """Texts of the file as values; each text is read once, and equal values are one object."""

    columns: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._names: dict[tuple[str, int], str | None] = {}
        self._dates: dict[str, date | None] = {"": None}
        self._numbers: dict[str, float | None] = {"": None}
        self._lots: dict[str, int | None] = {"": None}
        self._types: dict[str, str | None] = {"": None}

    @abstractmethod
    def instrument(self, cells: tuple[str, ...]) -> Instrument:
        """What the cells of `columns` say; `ValueError` where that is no instrument."""

    def name(self, text: str, max_chars: int = _NAME_CHARS) -> str | None:
        """A text for people, cleaned."""
        key = (text, max_chars)
        if key not in self._names:
            self._names[key] = clean_text(text, max_chars) or None
        return self._names[key]

    def day(self, text: str) -> date | None:
        """A day as `2024-04-25`."""
        if text not in self._dates:
            try:
                self._dates[text] = date.fromisoformat(text.strip())
            except ValueError:
                raise ValueError(f"expiry {shown(text)} is no day such as 2024-04-25") from None
        return self._dates[text]

    def number(self, text: str, column: str) -> float | None:
        """A number; None for none and for 0, which stands for it."""
        if text not in self._numbers:
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise ValueError(f"{column} {shown(text)} is no number")
            self._numbers[text] = value or None
        return self._numbers[text]

    def lot(self, text: str) -> int | None:
        """A count of pieces; None for none and for 0."""
        if text not in self._lots:
            value = self.number(text, "lot") or 0.0
            if value < 0 or value % 1:
                raise ValueError(f"lot {shown(text)} is no count of pieces")
            self._lots[text] = int(value) or None
        return self._lots[text]

    def kind(self, text: str) -> str | None:
        """What kind of instrument it is, such as `FUT`."""
        if text not in self._types:
            word = text.strip().upper()
            if not _TYPE.fullmatch(word):
                raise ValueError(f"type {shown(text)} is no word such as EQ, FUT, CE or PE")
            self._types[text] = word
        return self._types[text]


class _Ours(_Fields):
    """Rows of our own kind of file."""

    columns = COLUMNS

    def instrument(self, cells: tuple[str, ...]) -> Instrument:
        """What the cells of `columns` say; `ValueError` where that is no instrument."""
        symbol, source, source_symbol, name, exchange, expiry, strike, kind, lot, tick = map(str.strip, cells)
        symbol = normalise_symbol(symbol)
        source = source.lower()
        if source and not _SOURCE.fullmatch(source):
            raise ValueError(f"source {shown(source)} is no name of a source, such as yahoo")
        if source_symbol and not source:
            raise ValueError(f"it has the source_symbol {shown(source_symbol)} and no source")
        return Instrument(
            symbol,
            segment_of(symbol) or split_symbol(f"{exchange.upper()}:{symbol}")[0],
            self.name(name),
            self.name(exchange, _EXCHANGE_CHARS),
            self.day(expiry),
            self.number(strike, "strike"),
            self.kind(kind),
            self.lot(lot),
            self.number(tick, "tick"),
            source or None,
            normalise_symbol(source_symbol) if source_symbol else None,
        )


class _Kites(_Fields):
    """Rows of Kite's file."""

    columns = (
        *("tradingsymbol", "name", "expiry", "strike", "tick_size", "lot_size", "instrument_type", "segment"),
        "exchange",
    )

    def instrument(self, cells: tuple[str, ...]) -> Instrument:
        """What the cells of `columns` say; `ValueError` where that is no instrument."""
        name_there, name, expiry, strike, tick, lot, kind, part, exchange = cells
        is_index = part == "INDICES"
        segment = (_INDEX_SEGMENTS if is_index else _SEGMENTS).get(exchange)
        if segment is None:
            raise ValueError(f"exchange {shown(exchange)} is none that is known here")
        if is_index:
            name_there = _KITE_INDICES.get((exchange, name_there), name_there)
        if not name_there:
            raise ValueError("it has no tradingsymbol")
        written = f"{segment}:{name_there}"
        symbol = normalise_symbol(written)
        if symbol != written:
            # In capitals it would be another name, which no broker knows.
            raise ValueError(f"{shown(written)} has small letters, and symbols have none")
        kind = _INDEX if is_index else kind
        return Instrument(
            symbol,
            segment,
            self.name(name) or (self.name(cells[0]) if is_index else None),
            self.name(exchange, _EXCHANGE_CHARS),
            self.day(expiry) if segment in CONTRACTS else None,
            self.number(strike, "strike") if kind in OPTIONS else None,
            self.kind(kind),
            self.lot(lot) if not is_index else None,
            self.number(tick, "tick_size"),
        )


class _Rows:
    """The rows of `lines`, each with its number, below a header."""

    def __init__(
        self,
        lines: Iterable[tuple[int, str]],
        header_line: int,
        delimiter: str,
        columns: Mapping[str, int],
        dialect: _Fields,
    ) -> None:
        self._lines = lines
        self._line = header_line  # that was read last
        self._reader = csv.reader(self._texts(), delimiter=delimiter)
        self._width = len(columns)
        # What the header lacks is taken from one more, empty cell.
        self._cells = itemgetter(*(columns.get(name, self._width) for name in dialect.columns))
        self._instrument = dialect.instrument
        self._rows: dict[str, Instrument] = {}

    def read(self) -> InstrumentFile:
        """All rows that can be used."""
        skipped = 0
        told: list[str] = []
        while True:
            first = self._line + 1
            try:
                cells = next(self._reader, None)
                if cells is None:
                    return InstrumentFile(self._rows, skipped, tuple(told))
                if cells:
                    self._take(cells, first)
            except (ValueError, csv.Error) as error:
                # A quote that is not closed takes lines after it with it.
                skipped += self._line + 1 - first
                if len(told) < _TOLD:
                    told.append(f"line {first}: {error}")

    def _texts(self) -> Iterator[str]:
        for number, line in self._lines:
            self._line = number
            yield line

    def _take(self, cells: list[str], first: int) -> None:
        if self._line > first:
            raise ValueError(f"it goes on to line {self._line}: a quote is not closed")
        if len(cells) > self._width and any(cell.strip() for cell in cells[self._width :]):
            raise ValueError(f"it has {len(cells)} fields, and the header has {self._width}")
        cells += [""] * (self._width + 1 - len(cells))
        instrument = self._instrument(self._cells(cells))
        if instrument.symbol in self._rows:
            raise ValueError(f"{instrument.symbol} is there already")
        self._rows[instrument.symbol] = instrument
