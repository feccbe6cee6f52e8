"""Which rows the live board has and in which order: sorted, filtered, scrolled, and one of them selected; no I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from stocktrack.messages import Price
from stocktrack.terminal.board_cells import time_of
from stocktrack.terminal.board_choice import LIST_ORDER, RISING, Order
from stocktrack.terminal.board_row import Figures, Row
from stocktrack.terminal.conversion import Conversion

Number = Callable[[Row], float | None]


def _of_figures(read: Callable[[Figures], float | None]) -> Number:
    """What is sorted by is what is seen, in the currency of the board."""
    return lambda row: None if (figures := row.figures) is None else read(figures)


def _place(ends: tuple[float | None, float | None], figures: Figures) -> float | None:
    low, high = ends
    if low is None or high is None:
        return None
    return (figures.price.price - low) / (high - low) if high > low else 0.5


_TEXTS: Final[Mapping[str, Callable[[Row], str]]] = {
    "name": lambda row: row.symbol,
    "company": lambda row: row.name.casefold(),
    "currency": lambda row: (row.price.currency or "") if row.price else "",
    "market": lambda row: str(row.price.market_state) if row.price else "",
}
_NUMBERS: Final[Mapping[str, Number]] = {
    "price": _of_figures(lambda figures: figures.price.price),
    "change": _of_figures(lambda figures: figures.price.change),
    "percent": lambda row: row.price.change_percent if row.price else None,
    "extended": _of_figures(lambda figures: figures.price.extended_change_percent),
    "range": _of_figures(lambda figures: _place(figures.day, figures)),
    "52weeks": _of_figures(lambda figures: _place(figures.year, figures)),
    "volume": lambda row: row.volume,
    "age": time_of,
}
# Of these a price moves no row.
_STILL: Final = frozenset({LIST_ORDER, "name"})


class BoardRows:
    """The rows by symbol, of which some are shown; `top` is the first one in sight of so many that are `in_sight`.

    Prices of symbols that are not shown are kept as well: their sparkline is there when they are. `held` is, by the
    name of a column of holdings, what its order goes by.
    """

    def __init__(self, conversion: Conversion | None = None, *, held: Mapping[str, Number] | None = None) -> None:
        self._rows: dict[str, Row] = {}
        self._shown: dict[str, Row] = {}
        self._conversion = conversion
        self._numbers = {**_NUMBERS, **(held or {})}
        self._order = Order()
        self._filter = ""
        # Sorting what is sorted but for a few is cheap, and what did not change is not sorted at all.
        self._ordered: list[Row] = []
        self._is_unsorted = self._is_unfiltered = False
        self.selected: str | None = None
        self.top = 0
        self.in_sight = 1

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is shown, as it was asked for."""
        return tuple(self._shown)

    @property
    def all(self) -> Sequence[Row]:
        """The rows of what is shown, as it was asked for."""
        return [*self._shown.values()]

    @property
    def prices(self) -> Sequence[Price]:
        """The newest prices, also of what is not shown."""
        return [row.price for row in self._rows.values() if row.price is not None]

    @property
    def order(self) -> Order:
        """The order of the rows."""
        return self._order

    @order.setter
    def order(self, order: Order) -> None:
        self._order = order
        self._is_unsorted = True
        self.top = 0

    @property
    def order_words(self) -> str:
        """` by price reversed`; empty where the order is that in which they were asked for."""
        if self._order.name == LIST_ORDER:
            return ""
        return f" by {self._order.name}{' reversed' if self._order.is_reversed else ''}"

    @property
    def is_rising(self) -> bool:
        """Whether the rows go from small to great, or from A to Z; ages grow where times fall."""
        rises = self._order.name in RISING or self._order.name in {LIST_ORDER, "age"}
        return rises is not self._order.is_reversed

    def row(self, symbol: str) -> Row | None:
        """The row of a symbol, shown or not."""
        return self._rows.get(symbol)

    def is_shown(self, symbol: str) -> bool:
        """Whether there is a row of the symbol on the board."""
        return symbol in self._shown

    def show(self, symbols: Iterable[str], troubles: Mapping[str, str]) -> None:
        """Show exactly these, in this order until another is asked for; no price comes of those with a trouble."""
        self._shown = {}
        for symbol in symbols:
            row = self._shown[symbol] = self._row_of(symbol)
            row.trouble = troubles.get(symbol, "")
            row.version += 1
        self.top, self.selected, self._filter = 0, None, ""
        self._is_unfiltered = True

    def change(self, symbols: Iterable[str], troubles: Mapping[str, str]) -> None:
        """Show these from now on, and let the person find everything else as it was left."""
        before, selected, found = self.top, self.selected, self._filter
        ordered = [row.symbol for row in self.ordered()]
        at = ordered.index(selected) if selected in ordered else 0
        self.show(symbols, troubles)
        self._filter = found
        left = [row.symbol for row in self.ordered()]
        if selected is not None and left:
            self.selected = selected if selected in left else left[min(at, len(left) - 1)]
        self.top = max(0, min(before, len(left) - self.in_sight))

    def refuse(self, troubles: Mapping[str, str]) -> None:
        """Say in the rows of some symbols why no price of them comes."""
        for symbol, why in troubles.items():
            if symbol in self._shown:
                self._shown[symbol].refuse(why)
                self._is_unsorted = True
            else:
                self._rows.pop(symbol, None)

    def put(self, price: Price) -> Row:
        """Take the newest price of its symbol, and return its row."""
        row = self._row_of(price.symbol)
        row.put(price)
        self.move()
        return row

    def rename(self) -> None:
        """Names of rows have come, and what is found may be in them."""
        self._is_unfiltered = self._is_unfiltered or bool(self._filter)
        self.move()

    def move(self) -> None:
        """Something changed of the rows that their order may go by."""
        self._is_unsorted = self._is_unsorted or self._order.name not in _STILL

    def order_by(self, order: str) -> None:
        """Sort by a column; the same once more turns it round."""
        is_same = order == self._order.name and order != LIST_ORDER
        self.order = Order(order, is_reversed=is_same and not self._order.is_reversed)

    def reverse(self) -> None:
        """Turn the order round."""
        self.order = Order(self._order.name, is_reversed=not self._order.is_reversed)

    @property
    def found(self) -> str:
        """What the symbols in sight, or their names, have in them."""
        return self._filter

    @found.setter
    def found(self, text: str) -> None:
        self._filter = text.upper()
        self.top = 0
        self._is_unfiltered = True
        if self.selected is not None:
            # What keys are about is in sight: nobody wants to take out a row that is not there to be seen.
            found = [row.symbol for row in self.ordered()]
            if self.selected not in found:
                self.selected = found[0] if found else None

    def ordered(self) -> Sequence[Row]:
        """The rows that are not filtered out, in their order."""
        if self._is_unfiltered or (self._is_unsorted and self._order.name == LIST_ORDER):
            self._ordered = [row for row in self._shown.values() if self._is_found(row)]
            if self._order.name == LIST_ORDER and self._order.is_reversed:
                self._ordered.reverse()
            self._is_unfiltered, self._is_unsorted = False, self._order.name != LIST_ORDER
        if self._is_unsorted:
            falls = (self._order.name in RISING) is self._order.is_reversed
            self._ordered.sort(key=self._key(falls=falls), reverse=falls)
            self._is_unsorted = False
        return self._ordered

    def visible(self) -> Sequence[Row]:
        """The rows in sight."""
        return self.ordered()[self.top : self.top + self.in_sight]

    def scroll(self, rows: int) -> None:
        """Move down by `rows`, up where it is negative."""
        self.top = max(0, min(self.top + rows, len(self.ordered()) - self.in_sight))

    def scroll_page(self, pages: int) -> None:
        """Move down by as many pages."""
        self.scroll(pages * self.in_sight)

    @property
    def troubles(self) -> Mapping[str, str]:
        """By symbol why no price of it comes, of those that have none."""
        return {row.symbol: row.trouble for row in self.all if row.trouble}

    def choose(self, symbol: str) -> None:
        """Select a symbol's row, and have it in sight."""
        ordered = [row.symbol for row in self.ordered()]
        if symbol not in ordered:
            return
        self.selected, at = symbol, ordered.index(symbol)
        self.top = max(min(self.top, at), at - self.in_sight + 1)

    def select(self, rows: int) -> None:
        """Select the row so many below the selected one; the first in sight where none is."""
        ordered = [row.symbol for row in self.ordered()]
        if not ordered:
            return
        if self.selected in ordered:
            at = ordered.index(self.selected) + rows
        else:
            at = self.top if rows > 0 else self.top + self.in_sight - 1
        self.choose(ordered[max(0, min(at, len(ordered) - 1))])

    def _key(self, *, falls: bool) -> Callable[[Row], tuple[object, ...]]:
        """What rows are compared by; one with nothing to sort by is neither great nor small, and stands last."""
        if (text := _TEXTS.get(self._order.name)) is not None:
            return lambda row: (((shown := text(row)) == "") is not falls, shown, row.symbol)
        number = self._numbers.get(self._order.name, _NUMBERS["price"])
        return lambda row: (((value := number(row)) is None) is not falls, 0.0 if value is None else value, row.symbol)

    def _is_found(self, row: Row) -> bool:
        found = self._filter.rstrip()  # the next word may be still to come
        return found in row.symbol.upper() or found in row.name.upper()

    def _row_of(self, symbol: str) -> Row:
        row = self._rows.get(symbol)
        if row is None:
            row = self._rows[symbol] = Row(symbol, conversion=self._conversion)
        return row
