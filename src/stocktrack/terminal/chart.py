"""A chart of past prices as lines of text for a terminal of any size: a line or candles, with its axes; no I/O."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from unicodedata import category, east_asian_width

from stocktrack.bars import Bar, BarInterval, HistoryRange, joined, next_start
from stocktrack.client import Bars
from stocktrack.messages import BoardQuote, shown_digits
from stocktrack.quotes import MarketState, price_digits
from stocktrack.terminal.axes import PriceScale, TimeLabel, moment_of, price_scale, time_labels
from stocktrack.terminal.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas, toned
from stocktrack.terminal.encodings import MINUS
from stocktrack.terminal.text import (
    age_text,
    change_text,
    extended_of,
    paint,
    percent_text,
    price_text,
    safe,
    safe_symbol,
    state_text,
    tone_of,
)
from stocktrack.terminal.words import stale_words

LEAST_COLUMNS, LEAST_ROWS = 30, 9
_LEAST_PLOT_ROWS = 4
_ROWS_WITH_VOLUME = 8
# Where there is room, a column stays free beside each candle.
_COLUMNS_FOR_GAPS = 56
# The previous close is drawn where that makes what is drawn so many times as high at most.
_MOST_STRETCH = 4.0
_BLOCKS, _BLOCKS_ASCII = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_WITHOUT_CELL = frozenset({"Mn", "Me", "Cf"})
_EXTENDED = frozenset({MarketState.PRE, MarketState.POST})
# How many bars of an interval make a candle, where each has no room of its own.
_MINUTES_A_CANDLE = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1_440)
_BARS_A_CANDLE = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250)
_STATES = {
    MarketState.CLOSED: "market closed",
    MarketState.PRE: "before the market opens",
    MarketState.POST: "after the market's hours",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a chart is drawn for: so many cells, with colours or without, and with which characters."""

    columns: int
    rows: int
    colour: bool = False
    is_unicode: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: bars, of at least one, that go back for `range`; and the quote where it is known."""

    bars: Bars
    range: HistoryRange
    quote: BoardQuote | None
    now_ms: int
    has_candles: bool = False

    @property
    def digits(self) -> int:
        """The decimals of its prices."""
        if self.quote is not None:
            return shown_digits(self.quote)
        return price_digits(self.bars[-1].close, None, (bar.close for bar in self.bars))

    @property
    def previous_close(self) -> float | None:
        """What a day began from; None where that is not known, and of more than a day."""
        return self.quote.previous_close if self.quote is not None and self.range is HistoryRange.DAY else None

    @property
    def tone(self) -> str:
        """Whether what is drawn went up or down: since the previous close, or else since its beginning."""
        if self.quote is not None and self.previous_close is not None:
            moved = self.quote.price - self.previous_close
        else:
            moved = self.bars[-1].close - self.bars[0].open
        return "up" if moved > 0 else "down" if moved < 0 else ""


def draw_chart(chart: Chart, look: Look) -> str:
    """The chart in lines of at most `look.columns` cells, `look.rows` of them; a sentence where that is too small."""
    if look.columns < LEAST_COLUMNS or look.rows < LEAST_ROWS:
        return _too_small(chart, look)
    plan = _planned(chart, look)
    rows, columns, scale, candles, places = plan.rows, plan.columns, plan.scale, plan.bars, plan.places
    canvas = Canvas(columns, rows, is_unicode=look.is_unicode)
    if chart.has_candles:
        _draw_candles(canvas, candles, places, scale, look)
    else:
        _draw_line(canvas, candles, scale, chart.tone)
    if chart.previous_close is not None:
        _draw_previous_close(canvas, chart.previous_close, scale, chart.digits, look)
    labels = time_labels([bar.time for bar in candles], places, chart.bars.interval, chart.bars.zone, columns)
    lines = [*plan.head, *_beside_the_axis(canvas, scale, look)]
    if plan.has_volume:
        lines.append(_volume(candles, places, columns, scale, look, has_candles=chart.has_candles))
    drawn = "\n".join([*lines, *_below(labels, columns, scale, look)])
    return drawn if look.is_unicode else drawn.replace(MINUS, "-")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What stands where: the lines above, the plot, its scale, and the column of each bar."""

    head: list[str]
    rows: int
    columns: int
    has_volume: bool
    scale: PriceScale
    bars: Sequence[Bar]
    places: list[int]


def _planned(chart: Chart, look: Look) -> _Plan:
    size = 1
    if chart.has_candles:
        # The head says how long a candle is, which depends on the width that the labels leave.
        size = _size_of_candles(chart.bars, look.columns - _scale(chart, look.rows - 5).label_cells - 2)
    head = _head(chart, look, size)
    has_volume = look.rows - len(head) - 3 >= _ROWS_WITH_VOLUME and any(bar.volume for bar in chart.bars)
    rows = look.rows - len(head) - 2 - has_volume
    if rows < _LEAST_PLOT_ROWS:
        head = head[: look.rows - 2 - _LEAST_PLOT_ROWS]
        rows = look.rows - len(head) - 2
    scale = _scale(chart, rows)
    columns = look.columns - scale.label_cells - 2
    bars = chart.bars.bars if size == 1 else _gathered(chart.bars, size)
    places = _places(len(bars), columns, has_candles=chart.has_candles)
    return _Plan(head, rows, columns, has_volume, scale, bars, places)


# --- the head -------------------------------------------------------------------------------------------------------


def _head(chart: Chart, look: Look, size: int) -> list[str]:
    """The price in the first line, and below it what is drawn, in as many lines as that takes."""
    quote, columns = chart.quote, look.columns
    parts = [(safe_symbol(chart.bars.symbol), "bold"), *_price_parts(chart)]
    while len(parts) > 2 and sum(len(text) + 2 for text, _ in parts) - 2 > columns:
        parts.pop()
    if (spare := columns - sum(len(text) + 2 for text, _ in parts) + 2) < 0:
        # A symbol of a contract has up to 48 characters; its price comes first.
        parts = [(_cut(parts[0][0], max(8, len(parts[0][0]) + spare), look), "bold"), *parts[1:]]
        parts[-1] = (_cut(parts[-1][0], columns - len(parts[0][0]) - 2, look), parts[-1][1])
    first = "  ".join(paint(text, tone, colour=look.colour) for text, tone in parts)
    left = columns - sum(len(text) + 2 for text, _ in parts)
    name = safe(quote.name, 60) if quote is not None else ""
    if name and display_cells(name) <= left:
        first, name = f"{first}  {name}", ""
    dot = " · " if look.is_unicode else ", "
    told = [text for text in (name, *_told(chart, size)) if text]
    below: list[str] = []
    for text in told:
        if below and display_cells(below[-1]) + display_cells(text) + len(dot) <= columns:
            below[-1] += dot + text
        else:
            below.append(_cut(text, columns, look))
    return [first, *(paint(line, "dim", colour=look.colour) for line in below)]


def _cut(text: str, cells: int, look: Look) -> str:
    if display_cells(text) <= cells:
        return text
    dots = "…" if look.is_unicode else "..."
    while text and display_cells(text) + len(dots) > cells:
        text = text[:-1]
    return text + dots


def _price_parts(chart: Chart) -> Iterator[tuple[str, str]]:
    quote = chart.quote
    currency = safe(chart.bars.currency or (quote.currency if quote is not None else ""), 8)
    price = chart.bars[-1].close if quote is None else quote.price
    yield f"{price_text(price, chart.digits)} {currency}".rstrip(), ""
    if quote is not None:
        moved = f"{change_text(quote)}  {percent_text(quote.change_percent)}".strip()
        if moved:
            yield moved, tone_of(quote)
        if (extended := extended_of(quote)) is not None:
            yield extended.text, extended.tone


def _told(chart: Chart, size: int) -> Iterator[str]:
    """The range and its bars, what it did, whose the bars are and how old, the zone, and what is special."""
    bars, quote = chart.bars, chart.quote
    opened, closed = bars[0].open, bars[-1].close
    moved = ""
    if chart.range is not HistoryRange.DAY and opened > 0:
        moved = f" {percent_text((closed - opened) / opened * 100)}"
    yield f"{chart.range}{moved}"
    yield f"{_length_text(bars.interval, size)} {'candles' if chart.has_candles else 'bars'}"
    yield f"{safe(bars.provider, 40)}, {_age(chart)}"
    yield safe(bars.timezone, 60)
    if bars.stale:
        yield f"stale: {stale_words(bars.stale_reason, bars.provider)}" if bars.stale_reason else "stale"
    elif quote is not None and quote.stale:
        yield state_text(quote)
    state = _STATES.get(quote.market_state, "") if quote is not None else ""
    newest, today = (moment_of(time, bars.zone).date() for time in (bars[-1].time, chart.now_ms))
    session = f"session of {newest:%a} {newest.day} {newest:%b}"
    if not chart.bars.interval.is_intraday:
        yield state
    elif newest != today and bars[-1].live is None:
        yield f"{state}: {session}" if state else session
    else:
        yield state


def _age(chart: Chart) -> str:
    newest = chart.bars[-1]
    if newest.live:
        return "live"
    ends = next_start(newest.time, chart.bars.interval, chart.bars.zone)
    return f"{age_text(min(ends, chart.now_ms), chart.now_ms)} old"


def _length_text(interval: BarInterval, size: int) -> str:
    """`15m` of three bars of `5m`."""
    count, unit = int(interval.value.rstrip("mhdwko")) * size, interval.value.lstrip("0123456789")
    if unit == "m" and count % 60 == 0:
        count, unit = count // 60, "h"
    return f"{count}{unit}"


def _too_small(chart: Chart, look: Look) -> str:
    parts = (safe_symbol(chart.bars.symbol), *(text for text, _ in _price_parts(chart)))
    return (
        f"{' '.join(parts)}. A chart takes {LEAST_COLUMNS} columns and {LEAST_ROWS} rows; "
        f"there are {look.columns} and {look.rows}."
    )


def display_cells(text: str) -> int:
    """How wide `text` is on a terminal: letters of the East are two cells, and accents that stand alone none.

    It is `cells_of` of what is drawn without the toolkit, which takes a third of a second to import.
    """
    return sum(_cells_of_letter(letter) for letter in text)


def _cells_of_letter(letter: str) -> int:
    if east_asian_width(letter) in "WF":
        return 2
    return 0 if category(letter) in _WITHOUT_CELL else 1


# --- the plot -------------------------------------------------------------------------------------------------------


def _scale(chart: Chart, rows: int) -> PriceScale:
    if chart.has_candles:
        low, high = min(bar.low for bar in chart.bars), max(bar.high for bar in chart.bars)
    else:
        closes = [bar.close for bar in chart.bars]
        low, high = min(closes), max(closes)
    previous = chart.previous_close
    if previous is not None:
        # What stands still has no height of its own that the previous close could spoil.
        lowest, highest = min(low, previous), max(high, previous)
        if high == low or highest - lowest <= _MOST_STRETCH * (high - low):
            low, high = lowest, highest
    return price_scale(low, high, rows, chart.digits)


def _places(count: int, columns: int, *, has_candles: bool) -> list[int]:
    """In which column each bar stands: nights and weekends take no room."""
    if has_candles or count == 1:
        return [int((place + 0.5) * columns / count) for place in range(count)]
    return [x // DOTS_ACROSS for x in _dots_across(count, columns)]


def _dots_across(count: int, columns: int) -> list[int]:
    if count == 1:
        return [columns]
    return [round(place * (columns * DOTS_ACROSS - 1) / (count - 1)) for place in range(count)]


def _draw_line(canvas: Canvas, bars: Sequence[Bar], scale: PriceScale, tone: str) -> None:
    points = list(zip(_dots_across(len(bars), canvas.columns), (scale.dot_of(bar.close) for bar in bars), strict=True))
    tones = ["dim" if bar.market_state in _EXTENDED else tone for bar in bars]
    if len(points) == 1:
        canvas.line((points[0][0] - 1, points[0][1]), points[0], tone)
    for (start, end), shade in zip(pairwise(points), tones[1:], strict=False):
        canvas.line(start, end, shade)


def _size_of_candles(bars: Bars, columns: int) -> int:
    """How many bars make a candle, so that each has its column."""
    most = columns // 2 if columns >= _COLUMNS_FOR_GAPS else columns
    if len(bars) <= most:
        return 1
    sizes = _sizes(bars.interval)
    return next((size for size in sizes if len(_gathered(bars, size)) <= most), sizes[-1])


def _sizes(interval: BarInterval) -> Sequence[int]:
    if not interval.is_intraday:
        return _BARS_A_CANDLE
    minutes = interval.length_ms // 60_000
    return [size // minutes for size in _MINUTES_A_CANDLE if size % minutes == 0]


def _gathered(bars: Bars, count: int) -> list[Bar]:
    """So many bars as one, by the exchange's clock where they are of minutes; none of two days, nor of late hours."""
    zone = bars.zone
    if bars.interval.is_intraday:
        minutes = bars.interval.length_ms // 60_000 * count

        def key(item: tuple[int, Bar]) -> object:
            moment = moment_of(item[1].time, zone)
            place = (moment.hour * 60 + moment.minute) // minutes
            return moment.date(), moment.utcoffset(), place, item[1].market_state in _EXTENDED
    else:

        def key(item: tuple[int, Bar]) -> object:
            return item[0] // count

    groups = ([bar for _, bar in group] for _, group in groupby(enumerate(bars.bars), key))
    return [joined(group, time=group[0].time) for group in groups]


# What stands in a cell, by what is in its upper and its lower half: nothing, the wick, or the body.
_THIN = {
    ("", ""): "",
    ("wick", "wick"): "│",
    ("wick", ""): "╵",
    ("", "wick"): "╷",
    ("body", "body"): "┃",
    ("body", ""): "╹",
    ("", "body"): "╻",
    ("wick", "body"): "╽",
    ("body", "wick"): "╿",
}
_FILLED = _THIN | {
    ("body", "body"): "█",
    ("body", ""): "▀",
    ("", "body"): "▄",
    ("wick", "body"): "▄",
    ("body", "wick"): "▀",
}


def _draw_candles(canvas: Canvas, bars: Sequence[Bar], places: Sequence[int], scale: PriceScale, look: Look) -> None:
    half = DOTS_DOWN // 2
    for bar, column in zip(bars, places, strict=True):
        is_down = bar.close < bar.open
        top, bottom = scale.dot_of(bar.high) // half, scale.dot_of(bar.low) // half
        from_, to = sorted((scale.dot_of(bar.open) // half, scale.dot_of(bar.close) // half))
        tone = "dim" if bar.market_state in _EXTENDED else "down" if is_down else "up"
        # Without colours it is the shape that tells them apart.
        characters = _FILLED if is_down and not look.colour else _THIN

        def part(place: int, body: tuple[int, int] = (from_, to), wick: tuple[int, int] = (top, bottom)) -> str:
            if body[0] <= place <= body[1]:
                return "body"
            return "wick" if wick[0] <= place <= wick[1] else ""

        for row in range(top // 2, bottom // 2 + 1):
            parts = (part(2 * row), part(2 * row + 1))
            in_ascii = ("#" if is_down else "O") if "body" in parts else "|"
            canvas.put(column, row, characters[parts] if look.is_unicode else in_ascii, tone)


def _draw_previous_close(canvas: Canvas, price: float, scale: PriceScale, digits: int, look: Look) -> None:
    """A dashed line with its price; where that lies outside of what is drawn, an arrow says in which direction."""
    y = scale.dot_of(price)
    row = y // DOTS_DOWN
    is_within = scale.top - scale.rows * scale.a_row <= price <= scale.top
    text = f" prev. close {price_text(price, digits)} "
    if not is_within:
        is_above = price > scale.top
        row = 0 if is_above else canvas.rows - 1
        text += f"{('↑' if is_above else '↓') if look.is_unicode else ('^' if is_above else 'v')} "
    free = _last_free_place(canvas, row, len(text))
    if free is not None:
        canvas.put(free, row, text, "dim")
    if is_within:
        canvas.dashes(y, "dim")


def _last_free_place(canvas: Canvas, row: int, cells: int) -> int | None:
    run = 0
    for column in range(canvas.columns - 1, -1, -1):
        run = run + 1 if canvas.is_empty(column, row) else 0
        if run >= cells:
            return column
    return None


# --- the axes -------------------------------------------------------------------------------------------------------


def _beside_the_axis(canvas: Canvas, scale: PriceScale, look: Look) -> Iterator[str]:
    with_label, without = ("┤", "│") if look.is_unicode else ("+", "|")
    for row, line in enumerate(canvas.lines(colour=look.colour)):
        label = scale.labels.get(row, "")
        axis = f"{label:>{scale.label_cells}} {with_label if label else without}"
        yield f"{axis}{line}".rstrip()


def _below(labels: Sequence[TimeLabel], columns: int, scale: PriceScale, look: Look) -> Iterator[str]:
    corner, line, mark = ("└", "─", "┬") if look.is_unicode else ("+", "-", "+")
    marked = {label.column for label in labels}
    yield f"{'':>{scale.label_cells}} {corner}{''.join(mark if at in marked else line for at in range(columns))}"
    text = ""
    for label in labels:
        text = f"{text:<{label.start}}{label.text}"
    yield f"{'':>{scale.label_cells + 2}}{text}"


def _volume(
    bars: Sequence[Bar], places: Sequence[int], columns: int, scale: PriceScale, look: Look, *, has_candles: bool
) -> str:
    """What was traded, as a row of blocks: of each column all that stands in it."""
    traded = [0.0] * columns
    for bar, column in zip(bars, places, strict=True):
        traded[column] += bar.volume or 0
    if not has_candles and 1 < len(bars) < columns:
        # A bar is as wide as the way to the next one.
        for column, following in pairwise([*places, columns]):
            traded[column:following] = [traded[column]] * (following - column)
    most = max(traded)
    blocks = _BLOCKS if look.is_unicode else _BLOCKS_ASCII
    text = "".join(blocks[math.ceil(each / most * (len(blocks) - 1)) if each > 0 else 0] for each in traded)
    label = f"{'vol':>{scale.label_cells}}" if scale.label_cells >= len("vol") else f"{'':>{scale.label_cells}}"
    axis = "│" if look.is_unicode else "|"
    return f"{label} {axis}{toned(text, ['dim'] * len(text), colour=look.colour)}".rstrip()
