"""The columns of the live board: which there are, how wide they are, and which have room on a screen; no I/O.

Where nobody chose any, a screen gets as many as have room, by their worth. Who chose some gets these in that order;
what has no room is left out, the least worth first. Symbols stand on every board.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from stocktrack.terminal.board_cells import (
    BAR_CELLS,
    Cell,
    change_cell,
    currency_cell,
    day_bar_cell,
    day_cell,
    extended_cell,
    market_text,
    name_cell,
    percent_cell,
    price_cell,
    shown_change,
    shown_day,
    shown_extended,
    shown_name,
    shown_percent,
    shown_price,
    shown_volume,
    shown_year,
    time_of,
    trail_cell,
    volume_cell,
    year_bar_cell,
    year_cell,
)
from stocktrack.terminal.board_choice import COLUMNS
from stocktrack.terminal.board_row import Column, Row
from stocktrack.terminal.cells import cells_of
from stocktrack.terminal.text import age_text

GAP: Final = 2
# From here on a screen has room for what a quote says beside its price.
WIDE: Final = 120
MIN_TRAIL_CELLS: Final = 8
MAX_SYMBOL_CELLS = 14
MAX_EXTENDED_CELLS = 32
MAX_MARKET_CELLS = 26
MAX_NAME_CELLS: Final = 28
# The widest number of any market; what is longer is none that anybody reads.
MAX_NUMBER_CELLS = 26
MAX_RANGE_CELLS: Final = 40
# Where a narrow terminal would have no room for ages otherwise.
_CLOSE_GAP: Final = 1
# A mark, and enough letters to tell symbols apart.
_LEAST_SYMBOL: Final = 5
# In a column that may be narrower than its text, as much of it as still says something.
_LEAST_NAME, _LEAST_MARKET = 10, 12
# Of the columns of holdings, the first so many take the place of the day's course where both have no room.
_FIRST_HELD: Final = 3
RISING_MARK, FALLING_MARK = "▲", "▼"

# What is left out of a choice first stands last; the age of a price outlives the state of its market.
_WORTH: Final = (
    "symbol",
    "price",
    "percent",
    "age",
    "change",
    "extended",
    "value",
    "gain",
    "today",
    "quantity",
    "weight",
    "cost",
    "name",
    "range",
    "volume",
    "52weeks",
    "market",
    "currency",
    "day",
)
_WITH_BARS: Final = {"range": day_bar_cell, "52weeks": year_bar_cell}
# Who shows one of these has to ask for quotes: pushes do not tell them.
_OF_QUOTES: Final = frozenset({"name", "range", "52weeks"})


@dataclass(frozen=True, slots=True)
class _Measured:
    """A column that is as wide as its longest text: at least `least`, at most `most` cells."""

    heading: str
    least: int
    most: int
    text: Callable[[Row], str]
    cell: Callable[[Row, int], Cell]
    is_right: bool = True
    order: str = ""


_MEASURED: Final[Mapping[str, _Measured]] = {
    "name": _Measured("Name", 4, MAX_NAME_CELLS, shown_name, name_cell, is_right=False, order="company"),
    "price": _Measured("Price", 7, MAX_NUMBER_CELLS, shown_price, price_cell, order="price"),
    "change": _Measured("Change", 7, MAX_NUMBER_CELLS, shown_change, change_cell, order="change"),
    "percent": _Measured("%", 7, MAX_NUMBER_CELLS, shown_percent, percent_cell, order="percent"),
    "extended": _Measured(
        "Extended", 8, MAX_EXTENDED_CELLS, shown_extended, extended_cell, is_right=False, order="extended"
    ),
    "range": _Measured("Day range", 9, MAX_RANGE_CELLS, shown_day, day_cell, is_right=False, order="range"),
    "52weeks": _Measured("52 weeks", 8, MAX_RANGE_CELLS, shown_year, year_cell, is_right=False, order="52weeks"),
    "volume": _Measured("Volume", 6, 8, shown_volume, volume_cell, order="volume"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns on a screen of some width, by their names in their order."""

    columns: tuple[tuple[str, Column], ...]
    needs_quotes: bool = False  # one of them shows what pushes do not tell, or would if it were known
    gap: int = GAP  # the cells between two of them

    @property
    def names(self) -> tuple[str, ...]:
        """The names."""
        return tuple(name for name, _ in self.columns)

    def order_at(self, x: int, first: int) -> str:
        """The order that a click on the headings asks for, in the cell `x`; the columns begin in the cell `first`."""
        for _, column in self.columns:
            if first <= x < first + column.width + self.gap:
                return column.order
            first += column.width + self.gap
        return ""


class BoardColumns:
    """Measures rows and says which columns there are; `symbol_cell` and `market_cell` know more than the row.

    `unit` is the currency of the board, where all money is in one. `now_ms` is the moment that ages are told of.
    """

    def __init__(
        self, symbol_cell: Callable[[Row, int], Cell], market_cell: Callable[[Row, int], Cell], *, unit: str = ""
    ) -> None:
        self._symbol_cell = symbol_cell
        self._market_cell = market_cell
        self._unit = unit
        self._chosen: tuple[str, ...] | None = None
        self._widths: dict[str, int] = {}
        self._touched: dict[str, Row] = {}
        self._unmeasured: dict[str, Row] = {}
        self._measured: set[str] = set()
        self._with_extended: set[str] = set()
        self._with_day: set[str] = set()
        self._laid_out: tuple[object, Layout] | None = None
        self._version = 0
        self.now_ms = 0

    @property
    def chosen(self) -> tuple[str, ...] | None:
        """The columns that the person chose, in that order; None where the room decides."""
        return self._chosen

    @chosen.setter
    def chosen(self, names: tuple[str, ...] | None) -> None:
        self._chosen = names
        self._version += 1

    def touch(self, *rows: Row) -> None:
        """Have rows measured, since something of them changed."""
        for row in rows:
            self._touched[row.symbol] = row

    def restart(self, rows: Iterable[Row]) -> None:
        """Forget the widths of other rows than these."""
        self._widths.clear()
        for each in (self._touched, self._unmeasured, self._measured):
            each.clear()
        self._with_extended.clear()
        self._with_day.clear()
        self.touch(*rows)
        self._version += 1

    def layout(
        self,
        width: int,
        *,
        held: Sequence[Column] = (),
        order: str = "",
        is_rising: bool = True,
        first: int = 0,
        in_sight: Iterable[Row] = (),
    ) -> Layout:
        """The columns on a screen of `width` cells, of which `first` are taken; the same one until it changes.

        `held` are the columns of holdings, the most important first. The heading of `order` says which way it goes.
        A row that is not `in_sight` is measured once, and again when it is.
        """
        self._measure({row.symbol for row in in_sight})
        asked = (width, first, tuple((each.heading, each.width, each.cell) for each in held), order, is_rising)
        key = (self._version, asked)
        if self._laid_out is None or self._laid_out[0] != key:
            there = self._there(held, order, FALLING_MARK if not is_rising else RISING_MARK)
            if self._chosen is None:
                layout = self._by_room(there, width - first, width >= WIDE, [each.heading.lower() for each in held])
            else:
                layout = self._by_choice(there, width - first, self._chosen)
            self._laid_out = key, layout
        return self._laid_out[1]

    def available(self, held: Sequence[Column]) -> frozenset[str]:
        """The columns that have something to show, whether there is room for them or not."""
        return frozenset(self._there(held, "", ""))

    def _measure(self, in_sight: Collection[str]) -> None:
        """Measure what changed; a width only grows: columns that dance with every price can't be read."""
        widths, before = self._widths, (bool(self._with_extended), bool(self._with_day))
        has_grown = False
        for symbol, row in self._touched.items():
            figures = row.figures
            has_extended = figures is not None and figures.extended is not None
            (self._with_extended.add if has_extended else self._with_extended.discard)(symbol)
            has_day = row.course is not None and bool(row.course.prices)
            (self._with_day.add if has_day else self._with_day.discard)(symbol)
        self._unmeasured |= self._touched
        self._touched.clear()
        for symbol in [each for each in self._unmeasured if each in in_sight or each not in self._measured]:
            row = self._unmeasured.pop(symbol)
            self._measured.add(symbol)
            for name, text, most in (*_TEXTS, ("symbol", _symbol_text, MAX_SYMBOL_CELLS)):
                cells = min(cells_of(text(row)), most)
                if cells > widths.get(name, 0):
                    widths[name], has_grown = cells, True
        # Whether there are any is all that counts of these.
        if has_grown or before != (bool(self._with_extended), bool(self._with_day)):
            self._version += 1

    def _there(self, held: Sequence[Column], order: str, mark: str) -> dict[str, Column]:
        """All columns that there are, each as wide as it wants to be."""

        def headed(heading: str, column_order: str) -> str:
            return f"{heading}{mark}" if order and order == column_order else heading

        widths = self._widths
        there = {
            "symbol": Column(
                headed("Symbol", "name"), max(6, widths.get("symbol", 0)) + 1, self._symbol_cell, False, "name"
            ),
            "currency": Column(headed("Cur", "currency"), 4, currency_cell, False, "currency"),
            "market": Column(
                headed("Market", "market"), max(7, widths.get("market", 0)), self._market_cell, False, "market"
            ),
            "age": Column(headed("Age", "age"), 4, self._age_cell, order="age"),
        }
        for name, each in _MEASURED.items():
            heading = f"{each.heading} {self._unit}".rstrip() if name == "price" else each.heading
            heading = headed(heading, each.order)
            width = max(each.least, widths.get(name, 0), cells_of(heading))
            there[name] = Column(heading, width, each.cell, each.is_right, each.order)
        if not self._with_extended:
            del there["extended"]
        for column in held:
            name = column.heading.lower()
            heading = headed(column.heading, name)
            there[name] = replace(column, heading=heading, width=max(column.width, cells_of(heading)), order=name)
        there["day"] = Column("Day" if self._with_day else "Since start", MIN_TRAIL_CELLS, trail_cell, False)
        return there

    def _by_room(self, there: Mapping[str, Column], width: int, is_wide: bool, held: Sequence[str]) -> Layout:
        """Symbol and price always; the others by their worth, and the sparkline takes what is left.

        A price before or after the regular hours is worth the most, and is there as a whole or not at all. Every
        price says its age: where there is no room for that, the columns stand closer together. Half a price would be
        worse than no percentage, and than a symbol that is cut.
        """
        layouts = [self._fitted(there, width, is_wide, held, gap) for gap in (GAP, _CLOSE_GAP)]
        for wanted in ({"percent", "age"}, {"percent"}):
            for layout in layouts:
                if wanted.issubset(layout.names):
                    return layout
        return layouts[-1]

    def _fitted(self, there: Mapping[str, Column], width: int, is_wide: bool, held: Sequence[str], gap: int) -> Layout:
        fitting = _Fitting(there, width, taken=("symbol", "price"), gap=gap)
        fitting.add("percent")
        fitting.add("extended")
        # What is held is worth more than the course of the day, and how much of it there is is not.
        for name in ("age", *held[:_FIRST_HELD]):
            fitting.add(name)
        # A column that nobody can fill would only take room.
        wide = [name for name in ("name", "range", "volume") if is_wide and self._widths.get(name)]
        market = _LEAST_MARKET if is_wide else MAX_MARKET_CELLS
        for name, least in (
            ("change", None),
            *((each, None) for each in held[_FIRST_HELD:]),
            ("market", market),
            *(() if self._unit else (("currency", None),)),
            *((each, _LEAST_NAME if each == "name" else None) for each in wide),
        ):
            fitting.add(name, least=least, leaves=MIN_TRAIL_CELLS + gap)
        return replace(fitting.layout(COLUMNS, has_trail=True, leaves=MIN_TRAIL_CELLS + gap), needs_quotes=is_wide)

    def _by_choice(self, there: Mapping[str, Column], width: int, chosen: Sequence[str]) -> Layout:
        wanted = chosen if "symbol" in chosen else ("symbol", *chosen)
        fitting = _Fitting(there, width, taken=("symbol",), gap=GAP)
        for name in _WORTH:
            if name in wanted and name not in {"symbol", "day"}:
                fitting.add(name, least={"name": _LEAST_NAME, "market": _LEAST_MARKET}.get(name))
        has_trail = "day" in wanted
        layout = fitting.layout(wanted, has_trail=has_trail, leaves=MIN_TRAIL_CELLS + GAP if has_trail else 0)
        return replace(layout, needs_quotes=not _OF_QUOTES.isdisjoint(layout.names))

    def _age_cell(self, row: Row, _: int) -> Cell:
        return age_text(time_of(row), self.now_ms), "class:dim"


def _symbol_text(row: Row) -> str:
    return row.symbol


_TEXTS: Final = (
    *((name, each.text, each.most) for name, each in _MEASURED.items()),
    ("market", market_text, MAX_MARKET_CELLS),
)


class _Fitting:
    """Gives columns room, one after the other; those that may be narrower than they want get theirs at the end."""

    def __init__(self, there: Mapping[str, Column], width: int, *, taken: Sequence[str], gap: int) -> None:
        self._there = there
        self._gap = gap
        self._widths = {name: there[name].width for name in taken}
        self._left = width - sum(self._widths.values()) - gap * (len(taken) - 1)
        if self._left < 0:
            narrower = max(_LEAST_SYMBOL, self._widths["symbol"] + self._left)
            self._left += self._widths["symbol"] - narrower
            self._widths["symbol"] = narrower

    def add(self, name: str, *, least: int | None = None, leaves: int = 0) -> None:
        """Take a column that there is room for, `leaves` cells for others kept free; `least` cells of it will do."""
        column = self._there.get(name)
        if column is None:
            return
        width = column.width if least is None else min(column.width, least)
        if width + self._gap <= self._left - leaves:
            self._widths[name] = width
            self._left -= width + self._gap

    def layout(self, order: Iterable[str], *, has_trail: bool, leaves: int) -> Layout:
        """What was taken, in an order; the trail gets what is left, and the heading that has room there."""
        for name in ("market", "name"):
            self._widen(name, self._there[name].width, leaves)
        columns = {name: replace(self._there[name], width=width) for name, width in self._widths.items()}
        for name, cell in _WITH_BARS.items():
            if name in columns and self._left - leaves >= BAR_CELLS:
                columns[name] = replace(columns[name], width=columns[name].width + BAR_CELLS, cell=cell)
                self._left -= BAR_CELLS
        trail, trail_width = self._there["day"], self._left - self._gap
        if has_trail and trail_width >= len("Start"):
            heading = trail.heading if trail_width >= len(trail.heading) else "Start"
            columns["day"] = replace(trail, heading=heading, width=trail_width)
        return Layout(tuple((name, columns[name]) for name in order if name in columns), gap=self._gap)

    def _widen(self, name: str, wanted: int, leaves: int) -> None:
        if name not in self._widths:
            return
        more = min(wanted - self._widths[name], self._left - leaves)
        if more > 0:
            self._widths[name] += more
            self._left -= more
