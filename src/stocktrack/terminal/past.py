"""Past prices as a table for people and as CSV for programs."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from itertools import pairwise

from stocktrack.bars import Bar, BarInterval
from stocktrack.client.bars import zone_of
from stocktrack.messages import HistoryReply
from stocktrack.quotes import price_digits
from stocktrack.terminal.axes import moment_of
from stocktrack.terminal.text import fixed, number, paint, percent_text, price_text, safe, safe_symbol
from stocktrack.terminal.words import stale_words

CSV_HEADING = "time,open,high,low,close,volume"
_GAP = "  "
_NARROW = 52  # cells, as of the other tables
_MINUTE_CELLS = len("2024-02-09T09:30")
_ADJUSTED = {
    "none": "as they were traded",
    "splits": "corrected for splits",
    "all": "corrected for splits and dividends",
}


def csv_lines(bars: Sequence[Bar]) -> Iterator[str]:
    """The heading, and a line a bar: its time as on the wire, epoch milliseconds, and what is not known empty."""
    yield CSV_HEADING
    for bar in bars:
        prices = (number(price) for price in (bar.open, bar.high, bar.low, bar.close))
        yield ",".join((str(bar.time), *prices, "" if bar.volume is None else str(bar.volume)))


def bars_table(reply: HistoryReply, *, width: int, colour: bool) -> str:
    """The bars as lines of at most `width` cells, each with a line's end; the columns that do not fit are left out.

    It is drawn here and not by rich, which would take seconds for some thousands of bars.
    """
    columns = _that_fit(_columns(reply, has_offsets=width >= _NARROW), width)
    widths = [max(map(len, cells)) for cells, _ in columns]
    lines: list[str] = []
    for row in range(len(reply.bars) + 1):
        parts = []
        for (cells, tones), cell_width in zip(columns, widths, strict=True):
            text = cells[row].ljust(cell_width) if cells is columns[0][0] else cells[row].rjust(cell_width)
            parts.append(paint(text, "dim" if row == 0 else tones[row - 1], colour=colour))
        lines.append(_GAP.join(parts).rstrip())
    return "".join(f"{line}\n" for line in lines)


def bars_sentence(reply: HistoryReply) -> str:
    """What the bars are: how many, of what length, whose, in which currency, corrected for what, by which clock."""
    currency = f", in {safe(reply.currency, 8)}" if reply.currency else ""
    count = len(reply.bars)
    sentence = (
        f"{safe_symbol(reply.symbol)}: {count} bar{'' if count == 1 else 's'} of {reply.interval} from "
        f"{safe(reply.provider, 40)}{currency}, {_ADJUSTED[reply.adjust]}; times of {safe(reply.timezone, 60)}."
    )
    if not reply.stale:
        return sentence
    why = f": {stale_words(reply.stale_reason, reply.provider)}" if reply.stale_reason else ""
    return f"{sentence} The newest may be missing{why}."


def bar_time_text(time: int, interval: BarInterval, zone: tzinfo) -> str:
    """When a bar begins by the exchange's clock, as ISO 8601 has it: with the time where it is of hours."""
    moment = moment_of(time, zone)
    return moment.isoformat(timespec="minutes") if interval.is_intraday else moment.date().isoformat()


_Column = tuple[list[str], list[str]]  # the heading and the cells, and the tones of the cells


def _columns(reply: HistoryReply, *, has_offsets: bool) -> dict[str, _Column]:
    bars, zone = reply.bars, zone_of(reply.timezone)
    digits = max((price_digits(bar.close, None, (bar.open, bar.high, bar.low)) for bar in bars), default=2)
    moved = [0.0, *(bar.close - before.close for before, bar in pairwise(bars))]
    tones = ["up" if move > 0 else "down" if move < 0 else "" for move in moved]
    changes = [
        percent_text(move / before.close * 100) if before.close > 0 else ""
        for before, move in zip(bars, moved[1:], strict=False)
    ]
    notes = [
        " ".join(
            part for part in (str(bar.market_state or ""), safe(bar.provider, 40), "live" if bar.live else "") if part
        )
        for bar in bars
    ]
    plain = [""] * len(bars)
    times = [bar_time_text(bar.time, reply.interval, zone) for bar in bars]

    def prices(name: str) -> list[str]:
        return [name.capitalize(), *(price_text(getattr(bar, name), digits) for bar in bars)]

    columns: dict[str, _Column] = {
        "time": (["Time", *(text if has_offsets else text[:_MINUTE_CELLS] for text in times)], plain),
        "open": (prices("open"), plain),
        "high": (prices("high"), plain),
        "low": (prices("low"), plain),
        "close": (prices("close"), tones),
        "percent": (["%", *([""] if bars else []), *changes], tones),
    }
    if any(bar.volume is not None for bar in bars):
        columns["volume"] = (["Volume", *("" if bar.volume is None else fixed(bar.volume, 0) for bar in bars)], plain)
    if any(notes):
        columns["note"] = (["", *notes], ["dim"] * len(bars))
    return columns


def _that_fit(columns: dict[str, _Column], width: int) -> list[_Column]:
    """All columns, or the time, the close and the most that there is room for."""
    left = dict(columns)
    for worth_least in (("percent",), ("volume",), ("open",), ("note",), ("high", "low")):
        needed = sum(max(map(len, cells)) for cells, _ in left.values()) + len(_GAP) * (len(left) - 1)
        if needed <= width:
            break
        for name in worth_least:
            left.pop(name, None)
    return list(left.values())
