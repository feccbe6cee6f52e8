"""What stands in a row of the live board: the text of each cell and its style class, in so many cells; no I/O."""

from typing import Final

from stocktrack.messages import Price
from stocktrack.terminal.board_row import Figures, Row
from stocktrack.terminal.cells import cells_of, cut
from stocktrack.terminal.text import (
    change_text,
    compact_text,
    percent_text,
    price_text,
    safe,
    sparkline,
    state_text,
    tone_of,
)

Fragment = tuple[str, str]  # a style class and its text, as prompt_toolkit takes them
Line = list[Fragment]
Cell = tuple[str, str]  # the other way round: a text and its style class

_BAR: Final = 7
BAR_CELLS: Final = _BAR + 1  # with the space behind it


def cut_line(line: Line, cells: int, style: str = "") -> Line:
    """A line of several parts in exactly so many cells; what is filled up has the `style`."""
    parts: Line = []
    left = cells
    for part_style, text in line:
        shown = text if cells_of(text) <= left else cut(text, left)
        parts.append((part_style, shown))
        left -= cells_of(shown)
    return [*parts, (style, " " * left)] if left > 0 else parts


def time_of(row: Row) -> int | None:
    """When the market made the newest price."""
    return row.price.timestamp if row.price is not None else None


def shown_price(row: Row) -> str:
    """The price, empty where there is none yet; with its unit where it is not in the currency of the board."""
    figures = row.figures
    if figures is None:
        return ""
    text = price_text(figures.price.price, figures.digits)
    return f"{text} {safe(figures.unit, 8)}" if figures.unit else text


def shown_change(row: Row) -> str:
    """The change, with the decimals of the price."""
    figures = row.figures
    return "" if figures is None else change_text(figures.price, figures.digits)


def shown_percent(row: Row) -> str:
    """The change in percent."""
    return "" if row.price is None else percent_text(row.price.change_percent)


def shown_extended(row: Row) -> str:
    """The price before or after the regular hours."""
    figures = row.figures
    return figures.extended.text if figures is not None and figures.extended is not None else ""


def shown_name(row: Row) -> str:
    """What the symbol is called."""
    return safe(row.name, 60)


def shown_volume(row: Row) -> str:
    """How much was traded, in at most six cells: `58.1M`."""
    return "" if row.volume is None else compact_text(row.volume)


def shown_day(row: Row) -> str:
    """The low and the high of the day."""
    figures = row.figures
    return "" if figures is None else _between(figures.day, figures.digits)


def shown_year(row: Row) -> str:
    """The low and the high of 52 weeks."""
    figures = row.figures
    return "" if figures is None else _between(figures.year, figures.digits)


def price_cell(row: Row, _: int) -> Cell:
    """The price in the colour of its last move."""
    if row.price is None:
        return "…", "class:dim"
    style = "class:dim" if row.price.stale else {1: "class:up", -1: "class:down"}.get(row.last_move, "")
    return shown_price(row), style


def name_cell(row: Row, _: int) -> Cell:
    """The name."""
    return shown_name(row), ""


def volume_cell(row: Row, _: int) -> Cell:
    """The volume."""
    return shown_volume(row), "class:dim"


def day_cell(row: Row, _: int) -> Cell:
    """The low and the high of the day."""
    return shown_day(row), "class:dim"


def day_bar_cell(row: Row, _: int) -> Cell:
    """The same, and before it a mark where the price is between the two."""
    figures = row.figures
    return ("", "") if figures is None else (_bar(figures.day, figures) + shown_day(row), "class:dim")


def year_cell(row: Row, _: int) -> Cell:
    """The low and the high of 52 weeks."""
    return shown_year(row), "class:dim"


def year_bar_cell(row: Row, _: int) -> Cell:
    """The same, and before it a mark where the price is between the two."""
    figures = row.figures
    return ("", "") if figures is None else (_bar(figures.year, figures) + shown_year(row), "class:dim")


def extended_cell(row: Row, cells: int) -> Cell:
    """The price outside the hours as a whole, or nothing."""
    figures = row.figures
    extended = None if figures is None else figures.extended
    if extended is None or cells_of(extended.text) > cells:
        return "", ""
    return extended.text, f"class:{extended.tone}" if extended.tone else ""


def change_cell(row: Row, _: int) -> Cell:
    """The change in the colour of the day."""
    return shown_change(row), _tone(row.price)


def percent_cell(row: Row, _: int) -> Cell:
    """The change in percent in the colour of the day."""
    return shown_percent(row), _tone(row.price)


def currency_cell(row: Row, _: int) -> Cell:
    """The currency that the price is shown in."""
    figures = row.figures
    if figures is None:
        return "", "class:dim"
    return safe(figures.unit or figures.price.currency, 8), "class:dim"


def market_text(row: Row) -> str:
    """The market's state, or why the price is stale, or that there is none yet."""
    return "waiting" if row.price is None else state_text(row.price)


def market_cell(row: Row, _: int) -> Cell:
    """The market's state, or why the price is stale."""
    is_stale = row.price is not None and row.price.stale
    return market_text(row), "class:stale" if is_stale else "class:dim"


def trail_cell(row: Row, cells: int) -> Cell:
    """The course of the day in the day's colour, or else of the prices since the start."""
    if row.course is not None and (prices := row.course.prices):
        return sparkline(prices, cells), _tone(row.price) or "class:dim"
    rises = len(row.trail) > 1 and row.trail[-1] != row.trail[0]
    style = ("class:up" if row.trail[-1] > row.trail[0] else "class:down") if rises else "class:dim"
    return sparkline(row.trail, cells), style


def _between(ends: tuple[float | None, float | None], digits: int) -> str:
    low, high = ends
    return "" if low is None or high is None else f"{price_text(low, digits)}–{price_text(high, digits)}"  # noqa: RUF001 - from one to the other


def _bar(ends: tuple[float | None, float | None], figures: Figures) -> str:
    low, high = ends
    if low is None or high is None:
        return ""
    part = (figures.price.price - low) / (high - low) if high > low else 0.5
    at = max(0, min(_BAR - 1, int(part * _BAR)))
    return f"{'─' * at}●{'─' * (_BAR - 1 - at)} "


def _tone(price: Price | None) -> str:
    tone = "" if price is None else tone_of(price)
    return f"class:{tone}" if tone else ""
