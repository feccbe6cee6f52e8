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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, TextIO, TypeVar

from stocktrack.errors import ConfigError
from stocktrack.providers.symbol_names import segment_of
from stocktrack.quotes import clean_text, normalise_symbol, shown
from stocktrack.segments import INDICES, OPTIONS, Segment, split_symbol

Key = TypeVar("Key")
Value = TypeVar("Value")

COLUMNS: Final = ("symbol", "source", "source_symbol", "name", "exchange", "expiry", "strike", "type", "lot", "tick")
_KITE_NEEDS: Final = frozenset({"tradingsymbol", "exchange"})
_DELIMITERS: Final = ",;\t"
_GZIP_BEGINS: Final = b"\x1f\x8b"
_MOST_HEADER_CHARS: Final = 16_384
_TOLD: Final = 3  # how many of the rows that were left out are told with their lines
_NAME_CHARS, _EXCHANGE_CHARS = 100, 40
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_TYPE = re.compile(r"[A-Z][A-Z0-9_-]{0,15}")
# What else `float` takes, as `1_000` and digits of other scripts, no exchange writes.
_NUMBER = re.compile(r"[-+0-9.eE]+", re.ASCII)
_MOST_PIECES: Final = 10**12
_INDEX = "IDX"
# Kite writes the names of indices with spaces. OpenAlgo has them without, and other names for these.
_KITE_INDICES: Final[Mapping[str, str]] = {
    "NIFTY 50": "NIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
    "INDIA VIX": "INDIAVIX",
    "SNSX50": "SENSEX50",
}
_SPACES_AND_HYPHENS: Final = str.maketrans("", "", " -")
_SEGMENTS: Final[Mapping[str, Segment]] = {segment.value: segment for segment in Segment}
_INDEX_SEGMENTS: Final[Mapping[str, Segment]] = {segment.removesuffix("_INDEX"): segment for segment in INDICES}


@dataclass(frozen=True, slots=True)
class Terms:
    """What many instruments have in common; each of them points to one object."""

    segment: Segment | None = None
    exchange: str | None = None
    expiry: date | None = None
    type: str | None = None
    lot: int | None = None
    tick: float | None = None


class Instrument(NamedTuple):
    """What a file says of one symbol: a small tuple, since there are a hundred thousand of them."""

    symbol: str
    terms: Terms
    name: str | None = None
    strike: float | None = None
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
    if "\0" in str(path):
        raise ConfigError(f"{named} is no path of a file.")
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
    number, line = 1, text.readline(_MOST_HEADER_CHARS)
    while line and not line.strip():
        number, line = number + 1, text.readline(_MOST_HEADER_CHARS)
    if not line:
        raise ConfigError(f"{named} is empty. It takes a header with a column 'symbol', and a row for each symbol.")
    if len(line) == _MOST_HEADER_CHARS:
        raise ConfigError(f"{named}: line {number} is no header: it is longer than {_MOST_HEADER_CHARS} characters.")
    header = _header(number, line)
    if "symbol" in header.columns:
        return _Rows(text, header, _Ours()).read()
    if header.columns.keys() >= _KITE_NEEDS:
        return _Rows(text, header, _Kites()).read()
    if "\0" in line or "\ufffd" in line:
        raise ConfigError(f"{named}: line {number} is no text in UTF-8. Save it as CSV in UTF-8.")
    raise ConfigError(
        f"{named}: line {number} is no header. It needs a column 'symbol', or 'tradingsymbol' and 'exchange' as in "
        f"Kite's file; it has {', '.join(map(shown, list(header.columns)[:12]))}."
    )


@dataclass(frozen=True, slots=True)
class _Header:
    """The header: its line, what stands between its cells, the cells, and the place of each by its name."""

    line: int
    delimiter: str
    cells: Sequence[str]
    columns: Mapping[str, int]

    @property
    def width(self) -> int:
        """How many cells it has."""
        return len(self.cells)

    @property
    def is_usable(self) -> bool:
        """Whether it is of one of the two kinds of files."""
        return "symbol" in self.columns or self.columns.keys() >= _KITE_NEEDS


def _header(number: int, line: str) -> _Header:
    headers = []
    for delimiter in _DELIMITERS:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        columns: dict[str, int] = {}
        for place, cell in enumerate(cells):
            columns.setdefault(cell.strip().lower() or f"#{place + 1}", place)
        headers.append(_Header(number, delimiter, cells, columns))
    return max(headers, key=lambda header: (header.is_usable, header.width))


class _Once(dict[Key, Value]):
    """What each key means, read once: the texts of a column repeat, and equal values are one object."""

    def __init__(self, read: Callable[[Key], Value]) -> None:
        self._read = read

    def __missing__(self, key: Key) -> Value:
        value = self[key] = self._read(key)
        return value


def _name(text: str) -> str | None:
    return clean_text(text, _NAME_CHARS) or None


def _day(text: str) -> date | None:
    """A day as `2024-04-25`."""
    try:
        return date.fromisoformat(text.strip()) if text else None
    except ValueError:
        raise ValueError(f"expiry {shown(text)} is no day such as 2024-04-25") from None


def _number(column: str, text: str) -> float | None:
    """A number; None for none and for 0, which stands for it."""
    try:
        value = float(text or 0) if _NUMBER.fullmatch(text or "0") else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{column} {shown(text)} is no number")
    return value or None


def _pieces(text: str) -> int | None:
    """A count of pieces; None for none and for 0."""
    value = _number("lot", text) or 0.0
    if not 0 <= value <= _MOST_PIECES or value % 1:
        raise ValueError(f"lot {shown(text)} is no count of pieces")
    return int(value) or None


def _step(text: str) -> float | None:
    """The least step of a price; None for none and for 0."""
    value = _number("tick", text)
    if value is not None and value < 0:
        raise ValueError(f"tick {shown(text)} is below zero")
    return value


def _kind(text: str) -> str | None:
    """What kind of instrument it is, such as `FUT`."""
    word = text.strip().upper()
    if text and not _TYPE.fullmatch(word):
        raise ValueError(f"type {shown(text)} is no word such as EQ, FUT, CE or PE")
    return word or None


class _Dialect(ABC):
    """A kind of file: which columns are taken, and what they say."""

    columns: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.names = _Once(_name)
        self.strikes = _Once(partial(_number, "strike"))

    @abstractmethod
    def instrument(self, cells: tuple[str, ...]) -> Instrument:
        """What the cells of `columns` say; `ValueError` where that is no instrument."""


class _Ours(_Dialect):
    """Our own kind of file."""

    columns = COLUMNS

    def __init__(self) -> None:
        super().__init__()
        self._terms = _Once(self._read_terms)

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
            self._terms[segment_of(symbol), exchange, expiry, kind, lot, tick],
            self.names[name],
            self.strikes[strike],
            source or None,
            normalise_symbol(source_symbol) if source_symbol else None,
        )

    def _read_terms(self, key: tuple[Segment | None, str, str, str, str, str]) -> Terms:
        segment, exchange, expiry, kind, lot, tick = key
        # Where the symbol does not say it, the exchange may be a segment.
        segment = segment or split_symbol(f"{exchange.upper()}:X")[0]
        shown_exchange = clean_text(exchange, _EXCHANGE_CHARS) or None
        return Terms(segment, shown_exchange, _day(expiry), _kind(kind), _pieces(lot), _step(tick))


class _Kites(_Dialect):
    """Kite's file."""

    columns = (
        *("tradingsymbol", "name", "strike"),
        *("exchange", "segment", "expiry", "instrument_type", "lot_size", "tick_size"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._terms = _Once(self._read_terms)

    def instrument(self, cells: tuple[str, ...]) -> Instrument:
        """What the cells of `columns` say; `ValueError` where that is no instrument."""
        name_there, name, strike = cells[:3]
        terms, prefix = self._terms[cells[3:]]
        if terms.type == _INDEX:
            name = name or name_there
            name_there = _KITE_INDICES.get(name_there) or name_there.translate(_SPACES_AND_HYPHENS)
        if not name_there:
            raise ValueError("it has no tradingsymbol")
        written = prefix + name_there
        symbol = normalise_symbol(written)
        if symbol != written:
            # In capitals it would be another name, which no broker knows.
            raise ValueError(f"{shown(written)} has small letters, and symbols have none")
        # What has no strike has a zero there.
        return Instrument(symbol, terms, self.names[name], self.strikes[strike] if terms.type in OPTIONS else None)

    def _read_terms(self, key: tuple[str, ...]) -> tuple[Terms, str]:
        """What the cells behind the first three say, and what stands before the name in a symbol."""
        exchange, part, expiry, kind, lot, tick = key
        is_index = part == "INDICES"
        segment = (_INDEX_SEGMENTS if is_index else _SEGMENTS).get(exchange)
        if segment is None:
            raise ValueError(f"exchange {shown(exchange)} is none that is known here")
        if is_index:
            kind, lot = _INDEX, ""
        return (
            Terms(segment, exchange, _day(expiry), _kind(kind), _pieces(lot), _step(tick)),
            f"{segment}:",
        )


class _Rows:
    """The rows of `lines`, which are those below a header."""

    def __init__(self, lines: Iterable[str], header: _Header, dialect: _Dialect) -> None:
        self._reader = csv.reader(lines, delimiter=header.delimiter)
        self._header = header
        # What the header lacks is taken from one more, empty cell.
        self._cells = itemgetter(*(header.columns.get(name, header.width) for name in dialect.columns))
        self._instrument = dialect.instrument
        self._rows: dict[str, Instrument] = {}

    def read(self) -> InstrumentFile:
        """All rows that can be used."""
        skipped, before = 0, 0
        told: list[str] = []
        while True:
            try:
                cells = next(self._reader, None)
                if cells is None:
                    return InstrumentFile(self._rows, skipped, tuple(told))
                if cells:
                    self._take(cells, self._reader.line_num - before)
            except (ValueError, csv.Error) as error:
                # Spreadsheets end with rows of nothing but commas, which nobody misses.
                if isinstance(error, csv.Error) or any(map(str.strip, cells or ())):
                    # A quote that is not closed takes lines after it with it.
                    skipped += self._reader.line_num - before
                    if len(told) < _TOLD:
                        told.append(f"line {self._header.line + before + 1}: {error}")
            before = self._reader.line_num

    def _take(self, cells: list[str], lines: int) -> None:
        if lines != 1:
            raise ValueError(f"a quote in it is not closed, and takes {lines - 1} more of the lines after it")
        if cells == self._header.cells:
            return  # as where two files were put together
        if len(cells) == self._header.width:
            cells.append("")
        else:
            self._fit(cells)
        instrument = self._instrument(self._cells(cells))
        if self._rows.setdefault(instrument.symbol, instrument) is not instrument:
            raise ValueError(f"{instrument.symbol} is there already")

    def _fit(self, cells: list[str]) -> None:
        """Fill up what ends early; `ValueError` where there is more than the header has."""
        width = self._header.width
        if any(cell.strip() for cell in cells[width:]):
            raise ValueError(f"it has {len(cells)} fields, and the header has {width}")
        cells[width:] = [""] * (width + 1 - min(len(cells), width))
