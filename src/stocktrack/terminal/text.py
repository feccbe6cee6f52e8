"""Text for people and for pipes: prices, changes, ages, sparklines, and replies as tab-separated rows.

What comes from outside is stripped of control, escape and bidi characters again here, whatever the server did.
"""

import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TextIO, assert_never

from stocktrack.messages import (
    MAIN_LIST,
    BoardQuote,
    DividendsReply,
    GetReply,
    InfoReply,
    MyStocksReply,
    NewsReply,
    Price,
    SearchReply,
    SourceInfo,
    SourcesReply,
    SourceState,
)
from stocktrack.quotes import MAX_SYMBOL_LENGTH, CompanyInfo, Match, clean_link, clean_text

Shown = GetReply | MyStocksReply | NewsReply | InfoReply | DividendsReply | SearchReply | SourcesReply
Quoted = BoardQuote | Price

MAX_TEXT_CHARS = 2_000
PRICE_LINE_CELLS = 66  # the width of a full PRICE line, with the market's state
_MOST_SKEW_MS = 60_000  # clocks that differ by less say the same
_BARS = "▁▂▃▄▅▆▇█"
# Spreadsheets of the East take the wide ones as well.
_FORMULA_BEGINS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_ANSI = {"up": "32", "down": "31", "dim": "2", "bold": "1", "warning": "33"}


def has_colour(stream: TextIO) -> bool:
    """Whether to colour what is written to `stream`: `NO_COLOR` and `FORCE_COLOR` decide before the terminal does."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (is_screen(stream) and os.environ.get("TERM") != "dumb")


def is_screen(stream: TextIO) -> bool:
    """Whether a person reads `stream`; forced colours mean a pager with a person behind it."""
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


def paint(text: str, tone: str, *, colour: bool) -> str:
    """`text` in a tone: up, down, dim, bold or warning."""
    return f"\x1b[{_ANSI[tone]}m{text}\x1b[0m" if colour and text and tone in _ANSI else text


def safe(text: str | None, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Text from outside, safe to show on a terminal; what is not known is empty."""
    return clean_text(text, max_chars) if text else ""


def safe_symbol(symbol: str) -> str:
    """The symbol as `safe` shows it, whole where it is one."""
    return safe(symbol, MAX_SYMBOL_LENGTH)


def nothing_saved(reply: MyStocksReply) -> str:
    """Says that a saved list is empty; without a full stop, for a hint to follow."""
    in_list = "" if reply.list == MAIN_LIST else f" in the list {safe(reply.list)}"
    return f"You have no saved stocks{in_list} yet"


def list_names(reply: MyStocksReply) -> str:
    """The names of a user's saved lists."""
    return ", ".join(map(safe, reply.lists))


def number(value: float | None, *, grouped: bool = False, signed: bool = False, min_digits: int = 0) -> str:
    """All digits of `value` and never an exponent; a sign is always there where it is `signed`."""
    if value is None:
        return ""
    exact = Decimal(repr(value))
    digits = max(min_digits, -int(exact.as_tuple().exponent) if exact % 1 else 0)
    return f"{exact:{'+' if signed else ''}{',' if grouped else ''}.{digits}f}"


def price_digits(price: float) -> int:
    """The decimals to show for `price`: those it has, at least two, but none for what is counted in tens of thousands.

    A yen or an index point has no hundredths worth a column.
    """
    exact = Decimal(repr(price))
    has = -int(exact.as_tuple().exponent) if exact % 1 else 0
    return has if has >= 2 or abs(price) >= 10_000 else 2


def price_text(price: float) -> str:
    """A price for people: `1,234.50`."""
    return number(price, grouped=True, min_digits=price_digits(price))


def change_text(quote: Quoted) -> str:
    """The change with its sign, in the precision of the price."""
    return number(quote.change, grouped=True, signed=True, min_digits=price_digits(quote.price))


def percent_text(percent: float | None) -> str:
    """`+0.64%`."""
    return "" if percent is None else f"{percent:+,.2f}%"


def tone_of(quote: Quoted) -> str:
    """Whether the price is up, down, or neither."""
    change = quote.change if quote.change is not None else quote.change_percent
    if not change:
        return ""
    return "up" if change > 0 else "down"


def age_text(then_ms: int | None, now_ms: int) -> str:
    """How long ago, in the largest unit that fits: `5s`, `12m`, `3h`, `4d`; a time that is yet to come is `-3h`."""
    if then_ms is None:
        return ""
    sign = "-" if then_ms - now_ms >= _MOST_SKEW_MS else ""
    seconds = abs(now_ms - then_ms) // 1000 if sign else max(0, (now_ms - then_ms) // 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{sign}{min(seconds // size, 999 if sign else 9999)}{unit}"
    return f"{seconds}s"


def state_text(quote: Quoted) -> str:
    """The market's state, or why the price is stale."""
    if quote.stale:
        reason = (quote.stale_reason or "").removeprefix("provider_")
        return f"stale: {reason}" if reason else "stale"
    return "" if quote.market_state == "unknown" else str(quote.market_state)


def iso_time(epoch_ms: int | None) -> str:
    """`2024-04-05T15:45:00Z`; empty where it is unknown or no time at all."""
    if epoch_ms is None:
        return ""
    try:
        moment = datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sparkline(values: Sequence[float], width: int) -> str:
    """The course of `values` in at most `width` bars, the newest at the right; each bar is the last of its slice."""
    if not values or width <= 0:
        return ""
    count = min(width, len(values))
    picked = [values[(index + 1) * len(values) // count - 1] for index in range(count)]
    low, high = min(picked), max(picked)
    if high == low:
        return _BARS[3] * count
    return "".join(_BARS[min(7, int((value - low) / (high - low) * 8))] for value in picked)


def price_line(price: Price, *, colour: bool, width: int = 80) -> str:
    """A PRICE as one aligned line; a narrow terminal gets symbol, price and percent."""
    symbol, tone = safe_symbol(price.symbol), tone_of(price)
    percent = f"{percent_text(price.change_percent):>9}"
    if width < PRICE_LINE_CELLS:
        return f"{symbol:<10} {price_text(price.price):>12} {paint(percent, tone, colour=colour)}"
    note = "" if price.market_state == "open" and not price.stale else f"  {state_text(price)}"
    start = f"{symbol:<10} {price_text(price.price):>12} {safe(price.currency, 8):<4}"
    moved = f"{change_text(price):>10} {percent}"
    return (start + " " + paint(moved, tone, colour=colour) + paint(note, "warning", colour=colour)).rstrip()


def price_row(price: Quoted) -> tuple[str, ...]:
    """The same eight fields for a push and for a quote, for programs that cut at the tabs."""
    return (
        safe_symbol(price.symbol),
        number(price.price),
        safe(price.currency, 8),
        number(price.change, signed=True),
        number(price.change_percent, signed=True),
        str(price.market_state),
        iso_time(price.timestamp),
        f"stale:{price.stale_reason or ''}" if price.stale else "",
    )


def rows_of(reply: Shown) -> Iterable[tuple[str, ...]]:
    """The reply as rows of fields, without headings, in the order of the server."""
    match reply:
        case GetReply() | MyStocksReply():
            return [price_row(quote) for quote in reply.quotes]
        case NewsReply():
            return [
                (safe(item.title), safe(item.source, 100), iso_time(item.published), safe_link(item.link))
                for item in reply.articles
            ]
        case InfoReply():
            return [
                (label, text, unit) if unit else (label, text)
                for label, text, unit in company_fields(reply.company)
                if text
            ]
        case DividendsReply():
            return [(str(each.date), number(each.amount), safe(each.currency, 8)) for each in reply.dividends]
        case SearchReply():
            return [
                (safe_symbol(each.symbol), safe(each.name, 200), safe(each.exchange, 100), *contract_cells(each))
                for each in reply.matches
            ]
        case SourcesReply():
            return [source_row(each) for each in reply.sources]
        case _:
            assert_never(reply)


def contract_cells(of: Match | CompanyInfo, *, grouped: bool = False) -> tuple[str, str, str]:
    """The type, the expiry and the strike of an instrument; what it does not have is empty."""
    return safe(of.type, 16), str(of.expiry or ""), number(of.strike, grouped=grouped)


def company_fields(company: CompanyInfo, *, grouped: bool = False) -> tuple[tuple[str, str, str], ...]:
    """What is known of a company, each with its label and, for money, its currency; what is not known is empty."""
    fields = (
        ("symbol", safe_symbol(company.symbol)),
        ("name", safe(company.name, 200)),
        ("exchange", safe(company.exchange, 100)),
        ("currency", safe(company.currency, 8)),
        ("segment", safe(company.segment, 16)),
        *zip(("type", "expiry", "strike"), contract_cells(company, grouped=grouped), strict=True),
        ("lot", "" if company.lot is None else str(company.lot)),
        ("tick", number(company.tick)),
        ("sector", safe(company.sector, 100)),
        ("industry", safe(company.industry, 100)),
        ("country", safe(company.country, 100)),
        ("employees", f"{company.employees:{',' if grouped else ''}}" if company.employees is not None else ""),
        ("market cap", number(company.market_cap, grouped=grouped)),
        ("website", safe_link(company.website)),
        ("summary", safe(company.summary)),
    )
    units = {"market cap": safe(company.market_cap_currency, 8)}
    return tuple((label, text, units.get(label, "")) for label, text in fields)


_SOURCE_STATES = {
    SourceState.OK: "well",
    SourceState.FAILING: "fails",
    SourceState.BLOCKED: "refuses requests",
    SourceState.WAITING: "waits",
    SourceState.NOT_OFFERED: "cannot be used",
    SourceState.UNUSED: "not asked yet",
}


def source_state_text(source: SourceInfo) -> str:
    """How a source is, in words."""
    return _SOURCE_STATES[source.state]


def source_stream_text(source: SourceInfo) -> str:
    """`up, 50 of 50 symbols`, `down`; empty where the source has no stream."""
    if (stream := source.stream) is None:
        return ""
    if not stream.is_up:
        return "down"
    of = "" if stream.places is None else f" of {stream.places}"
    return f"up, {stream.symbols}{of} symbols"


def source_budget_text(source: SourceInfo) -> str:
    """`12 of 60 in 60 s`; empty where the source may be asked as often as one likes."""
    budget = source.budget
    return "" if budget is None else f"{budget.used} of {budget.limit} in {budget.seconds} s"


def source_row(source: SourceInfo) -> tuple[str, ...]:
    """Always the same ten fields, for programs that cut at the tabs."""
    return (
        safe(source.provider, 100),
        source.state.value,
        str(source.leads),
        source_stream_text(source),
        source_budget_text(source),
        iso_time(source.last_success_at),
        iso_time(source.retry_at),
        source.reason.value if source.reason is not None else "",
        safe(source.message, 500),
        ",".join(safe(each, 40) for each in source.capabilities),
    )


def safe_link(link: str | None) -> str:
    """A plain http(s) address as it is; anything else is left out."""
    return (clean_link(link) or "") if link else ""


def tab_separated(row: Iterable[str]) -> str:
    """One line of a table for programs. No field holds a tab or a line's end: `safe` has made spaces of them."""
    return "\t".join(map(cell, row))


def cell(text: str) -> str:
    """The text of a field that no spreadsheet takes for a formula: before one stands an apostrophe, as people write it.

    A number stays one, with a sign too: https://owasp.org/www-community/attacks/CSV_Injection.
    """
    begin = text.lstrip()
    is_formula = len(begin) > 1 and begin[0] in _FORMULA_BEGINS and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def safe_json(line: str) -> str:
    """JSON of the same value with nothing for a terminal to obey: what does not print is written as its escape."""
    if line.isprintable():
        return line
    # Such a character stands only within strings: a line of the protocol has no white space around its values.
    return "".join(char if char.isprintable() else _json_escape(char) for char in line)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")  # beyond the first plane JSON writes two
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
