"""Text for people and for pipes: prices, changes, ages, sparklines, and replies as tab-separated rows.

What comes from outside is stripped of control, escape and bidi characters again here, whatever the server did.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TextIO, assert_never

from stocktrack.bars import Bar
from stocktrack.messages import (
    MAIN_LIST,
    AlertInfo,
    BoardQuote,
    DividendsReply,
    GetReply,
    HistoryReply,
    HoldingInfo,
    HoldingsReply,
    InfoReply,
    ListInfo,
    MyAlertsReply,
    MyStocksReply,
    NewsReply,
    OrderListsReply,
    Price,
    RemoveListReply,
    RenameListReply,
    Said,
    SayReply,
    SearchReply,
    SetListReply,
    SinkInfo,
    SinkState,
    SourceInfo,
    SourcesReply,
    SourceState,
    shown_digits,
)
from stocktrack.quotes import MAX_SYMBOL_LENGTH, CompanyInfo, MarketState, Match, clean_link, clean_text
from stocktrack.terminal.encodings import MINUS
from stocktrack.terminal.words import stale_words

Shown = (
    GetReply
    | MyStocksReply
    | NewsReply
    | InfoReply
    | DividendsReply
    | HistoryReply
    | SearchReply
    | SourcesReply
    | MyAlertsReply
    | HoldingsReply
)
Quoted = BoardQuote | Price

MAX_TEXT_CHARS = 2_000
PRICE_LINE_CELLS = 66  # the width of a full PRICE line, with the market's state
_MOST_SKEW_MS = 60_000  # clocks that differ by less say the same
_BARS = "▁▂▃▄▅▆▇█"
# Spreadsheets of the East take the wide ones as well.
_FORMULA_BEGINS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
# Three digits of a compact number: from these on what is rounded has one more before its point.
_TWO_DECIMALS, _ONE_DECIMAL, _NEXT_UNIT = Decimal("9.995"), Decimal("99.95"), Decimal("999.5")
_ALL_DIGITS = Context(prec=400)  # of any double, before its point and behind it
# At night what was last heard is from after the hours.
_EXTENDED_WORDS = {MarketState.PRE: "pre", MarketState.POST: "post", MarketState.CLOSED: "post"}
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


def count_text(count: int, one: str, many: str | None = None) -> str:
    """`1 session`, `2 sessions`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def nothing_saved(reply: MyStocksReply) -> str:
    """Says that a saved list is empty; without a full stop, for a hint to follow."""
    in_list = "" if reply.list == MAIN_LIST else f" in the list {safe(reply.list)}"
    return f"You have no saved stocks{in_list} yet"


def list_row(info: ListInfo) -> tuple[str, str]:
    """A saved list as fields: its name, and how many stocks are in it."""
    return safe(info.list), str(info.count)


def set_sentence(reply: SetListReply) -> str:
    """What a saved list holds after a change."""
    pending = f" Not checked yet, the source does not answer: {', '.join(map(safe_symbol, reply.pending))}."
    held = ", ".join(map(safe_symbol, reply.symbols)) or "nothing"
    return f"The list {safe(reply.list)} holds {held}.{pending if reply.pending else ''}"


def renamed_sentence(reply: RenameListReply) -> str:
    """That a list has another name."""
    return f"The list {safe(reply.list)} is called {safe(reply.name)} now."


def removed_list_sentence(reply: RemoveListReply) -> str:
    """That a list is no more, and what was in it, so that it can be made again."""
    return f"The list {safe(reply.list)} was removed; in it were {', '.join(map(safe_symbol, reply.symbols))}."


def ordered_sentence(reply: OrderListsReply) -> str:
    """The lists in their new order."""
    return f"Your lists: {', '.join(safe(info.list) for info in reply.lists)}."


def list_names(reply: MyStocksReply) -> str:
    """The names of a user's saved lists."""
    return ", ".join(map(safe, reply.lists))


def said_line(said: Said) -> str:
    """What another user said, on one line: `Yosakorn (AAPL): What a day!`."""
    of = f" ({safe_symbol(said.symbol)})" if said.symbol is not None else ""
    return f"{safe(said.username)}{of}: {safe(said.text)}"


def said_to(reply: SayReply) -> str:
    """Whom a word went to, as a sentence."""
    count = reply.recipients  # of this server alone: others may hear it at another one, or at another worker
    told = "Nobody at this server hears it" if not count else f"{count} session{'' if count == 1 else 's'} will hear it"
    return f"{told}. {safe(reply.message)}".rstrip() if reply.message else f"{told}."


def local_time(epoch_ms: int) -> str:
    """A moment by the clock of this machine, to the minute."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000, tz=UTC).astimezone():%Y-%m-%d %H:%M}"


def number(value: float | None, *, grouped: bool = False, signed: bool = False, min_digits: int = 0) -> str:
    """All digits of `value` and never an exponent; a sign is always there where it is `signed`.

    What is `grouped` is for people, with their minus sign; the rest is for programs.
    """
    if value is None:
        return ""
    exact = Decimal(repr(value))
    digits = max(min_digits, -int(exact.as_tuple().exponent) if exact % 1 else 0)
    text = f"{exact:{'+' if signed else ''}{',' if grouped else ''}.{digits}f}"
    return text.replace("-", MINUS) if grouped else text


def fixed(value: float, digits: int, *, signed: bool = False) -> str:
    """`value` for people with exactly so many decimals, halves rounded away from zero; what reads zero has no sign."""
    exact = Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _ALL_DIGITS)
    return f"{exact or abs(exact):{'+' if signed and exact else ''},f}".replace("-", MINUS)


def price_text(price: float, digits: int) -> str:
    """A price for people: `1,234.50`."""
    return fixed(price, digits)


def change_text(quote: Quoted, digits: int | None = None) -> str:
    """The change with its sign, with the decimals of the price unless others are named."""
    digits = shown_digits(quote) if digits is None else digits
    return "" if quote.change is None else fixed(quote.change, digits, signed=True)


def percent_text(percent: float | None) -> str:
    """`+0.64%`."""
    return "" if percent is None else f"{fixed(percent, 2, signed=True)}%"


def compact_text(amount: float) -> str:
    """A count of pieces or of money for people, in at most six cells: `950`, `12.3K`, `58.1M`, `1.24B`."""
    value = Decimal(repr(amount))
    units = iter(("", "K", "M", "B", "T"))
    unit = next(units)
    while abs(value) >= _NEXT_UNIT and unit != "T":
        value, unit = value / 1_000, next(units)
    if not unit:
        rounded = float(value.quantize(Decimal("0.01"), ROUND_HALF_UP))
        return number(rounded or 0.0, grouped=True)  # what reads zero has no sign
    digits = 2 if abs(value) < _TWO_DECIMALS else 1 if abs(value) < _ONE_DECIMAL else 0
    return f"{fixed(float(value), digits)}{unit}"


def amount_text(amount: float) -> str:
    """An amount of money that belongs to no symbol's prices: all its digits, at least two decimals."""
    return number(amount, grouped=True, min_digits=2)


def tone_of(quote: Quoted) -> str:
    """Whether the price is up, down, or neither."""
    return _tone(quote.change, quote.change_percent)


def _tone(change: float | None, percent: float | None) -> str:
    return up_or_down(change if change is not None else percent)


def up_or_down(moved: float | None) -> str:
    """The tone of what is above 0, or below it; none of what is neither, or not known."""
    if not moved:
        return ""
    return "up" if moved > 0 else "down"


@dataclass(frozen=True, slots=True)
class Extended:
    """A price before or after the regular hours as people read it: `post 270.75 +0.39%`, its tone, and its time."""

    text: str
    tone: str
    at: int | None = None


def extended_of(quote: Quoted, digits: int | None = None) -> Extended | None:
    """What to show of the price before or after the regular hours; None in an open market, which has left it behind.

    It has the decimals of the price unless others are named.
    """
    if quote.extended_price is None or quote.market_state is MarketState.OPEN:
        return None
    if quote.extended_time is not None and quote.timestamp is not None and quote.extended_time < quote.timestamp:
        return None  # of the hours before the regular price
    word = _EXTENDED_WORDS.get(quote.market_state, "ext")
    digits = shown_digits(quote) if digits is None else digits
    if quote.extended_change_percent is not None:
        moved = percent_text(quote.extended_change_percent)
    else:
        moved = "" if quote.extended_change is None else fixed(quote.extended_change, digits, signed=True)
    text = f"{word} {price_text(quote.extended_price, digits)} {moved}".rstrip()
    return Extended(text, _tone(quote.extended_change, quote.extended_change_percent), quote.extended_time)


def age_text(then_ms: int | None, now_ms: int) -> str:
    """How long ago, in the largest unit that fits: `5s`, `12m`, `3h`, `4d`; a time that is yet to come is `-3h`."""
    if then_ms is None:
        return ""
    sign = MINUS if then_ms - now_ms >= _MOST_SKEW_MS else ""
    seconds = abs(now_ms - then_ms) // 1000 if sign else max(0, (now_ms - then_ms) // 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{sign}{min(seconds // size, 999 if sign else 9999)}{unit}"
    return f"{seconds}s"


def state_text(quote: Quoted) -> str:
    """The market's state, or why the price is stale."""
    if quote.stale:
        return f"stale: {stale_words(quote.stale_reason, quote.provider)}" if quote.stale_reason else "stale"
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
    length, bars = len(values), _BARS + _BARS[-1]  # the highest value is at the upper end of the last step
    picked = [values[index * length // count - 1] for index in range(1, count + 1)]
    low, high = min(picked), max(picked)
    if high == low:
        return _BARS[3] * count
    extent = high - low
    return "".join([bars[int((value - low) / extent * 8)] for value in picked])


def price_line(
    price: Price, *, colour: bool, width: int = 80, digits: int | None = None, mark: str = "", end: str = ""
) -> str:
    """A PRICE as one aligned line; a narrow terminal gets symbol, price and percent, and the rest that fits.

    It has the decimals of its symbol unless others are named. A `mark` stands behind the symbol, and `end`, where it
    fits as a whole, behind everything.
    """
    symbol, tone = f"{safe_symbol(price.symbol)}{mark}", tone_of(price)
    digits = shown_digits(price) if digits is None else digits
    shown, percent = price_text(price.price, digits), f"{percent_text(price.change_percent):>9}"
    extended = extended_of(price, digits)
    if width < PRICE_LINE_CELLS:
        start, moved, note = f"{symbol:<10} {shown:>12}", percent, ""
    else:
        start, moved = (
            f"{symbol:<10} {shown:>12} {safe(price.currency, 8):<4}",
            f"{change_text(price, digits):>10} {percent}",
        )
        note = "" if not price.stale and (price.market_state is MarketState.OPEN or extended) else state_text(price)
    if price.stale and len(f"{start} {moved}  {note}") > width:
        note = "stale" if note else ""
    parts = [(start, ""), (f" {moved}", tone), (f"  {note}" if note else "", "warning")]
    if extended is not None:
        after = f"  {extended.text}"
        if sum(len(text) for text, _ in parts) + len(after) <= width:
            parts.append((after, extended.tone))
        elif width >= PRICE_LINE_CELLS and not note:
            parts.append((f"  {state_text(price)}", "warning"))
    if end and sum(len(text) for text, _ in parts) + 2 + len(end) <= width:
        parts.append((f"  {end}", "dim"))
    return "".join(paint(text, tone, colour=colour) for text, tone in parts).rstrip()


def price_row(price: Quoted) -> tuple[str, ...]:
    """The same eight fields for a push and for a quote, for programs that cut at the tabs.

    Where there is a price before or after the regular hours it follows with its change, the percentage and its time.
    """
    row = (
        safe_symbol(price.symbol),
        number(price.price),
        safe(price.currency, 8),
        number(price.change, signed=True),
        number(price.change_percent, signed=True),
        str(price.market_state),
        iso_time(price.timestamp),
        f"stale:{price.stale_reason or ''}" if price.stale else "",
    )
    if extended_of(price) is None:
        return row
    return (
        *row,
        number(price.extended_price),
        number(price.extended_change, signed=True),
        number(price.extended_change_percent, signed=True),
        iso_time(price.extended_time),
    )


def bar_row(bar: Bar) -> tuple[str, ...]:
    """Always the same eight fields: time, open, high, low, close, volume, outside of which hours, `live`."""
    return (
        iso_time(bar.time),
        *(number(price) for price in (bar.open, bar.high, bar.low, bar.close)),
        "" if bar.volume is None else str(bar.volume),
        str(bar.market_state or ""),
        "live" if bar.live else "",
    )


def alert_row(alert: AlertInfo) -> tuple[str, ...]:
    """Always the same fields: what is asked for, what became of it, and what went wrong."""
    return (
        safe(alert.alert, 24),
        safe_symbol(alert.symbol),
        alert.when.value,
        number(alert.value),
        "" if alert.minutes is None else str(alert.minutes),
        alert.repeat.value,
        alert.state.value,
        ",".join(safe(target, 64) for target in alert.targets),
        iso_time(alert.fired_at),
        str(alert.fired_count),
        safe(alert.message, 500),
        "" if alert.undelivered is None else str(alert.undelivered),
        safe(alert.error or alert.why, 500),
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
            fields = company_fields(reply.company)
            return [(label, text, unit) if unit else (label, text) for label, text, unit in fields if text]
        case DividendsReply():
            symbol = safe_symbol(reply.symbol)
            return [(str(each.date), number(each.amount), safe(each.currency, 8), symbol) for each in reply.dividends]
        case HistoryReply():
            return map(bar_row, reply.bars)
        case HoldingsReply():
            return [holding_row(each, reply.currency) for each in reply.holdings]
        case SearchReply():
            return [
                (safe_symbol(each.symbol), safe(each.name, 200), safe(each.exchange, 100), *contract_cells(each))
                for each in reply.matches
            ]
        case SourcesReply():
            return [*map(source_row, reply.sources), *map(sink_row, reply.sinks or ())]
        case MyAlertsReply():
            return map(alert_row, reply.alerts)
        case _:
            assert_never(reply)


def holding_row(holding: HoldingInfo, currency: str) -> tuple[str, ...]:
    """Always the same thirteen fields: what is held in its own currency, then its money in that of the totals.

    Symbol, quantity, unit cost, price, currency; value, day's change, gain, cost; of what currency these four are,
    which is empty where it is in no total; weight, percent of the gain, `stale`.
    """
    money = holding.converted
    amounts = ("",) * 5
    if money is not None:
        amounts = (
            number(money.value),
            number(money.day_change, signed=True),
            number(money.gain, signed=True),
            number(money.cost),
            currency,
        )
    return (
        safe_symbol(holding.symbol),
        *(number(value) for value in (holding.quantity, holding.unit_cost, holding.price)),
        safe(holding.currency, 8),
        *amounts,
        number(holding.weight),
        number(holding.gain_percent, signed=True),
        "stale" if holding.stale else "",
    )


def company_fields(company: CompanyInfo) -> tuple[tuple[str, str, str], ...]:
    """What is known of a company, for programs: label, text, and of money its currency; what is not known is empty."""
    currency = safe(company.currency, 8)
    return (
        *company_names(company),
        ("employees", "" if company.employees is None else f"{company.employees}", ""),
        ("market cap", number(company.market_cap), safe(company.market_cap_currency, 8)),
        ("trailing P/E", number(company.trailing_pe), ""),
        ("52-week low", number(company.fifty_two_week_low), currency),
        ("52-week high", number(company.fifty_two_week_high), currency),
        ("market opens", iso_time(company.market_opens_at), ""),
        ("market closes", iso_time(company.market_closes_at), ""),
        ("website", safe_link(company.website), ""),
        ("summary", safe(company.summary), ""),
    )


def contract_cells(of: Match | CompanyInfo, *, grouped: bool = False) -> tuple[str, str, str]:
    """The type, the expiry and the strike of an instrument; what it does not have is empty."""
    return safe(of.type, 16), str(of.expiry or ""), number(of.strike, grouped=grouped)


def company_names(company: CompanyInfo, *, grouped: bool = False) -> tuple[tuple[str, str, str], ...]:
    """What a company or a contract is called, what it is and where it belongs, in the order of `company_fields`."""
    type_, expiry, strike = contract_cells(company, grouped=grouped)
    return (
        ("symbol", safe_symbol(company.symbol), ""),
        ("name", safe(company.name, 200), ""),
        ("exchange", safe(company.exchange, 100), ""),
        ("currency", safe(company.currency, 8), ""),
        ("segment", safe(company.segment, 16), ""),
        ("type", type_, ""),
        ("expiry", expiry, ""),
        ("strike", strike, ""),
        ("lot", "" if company.lot is None else str(company.lot), ""),
        ("tick", number(company.tick), ""),
        ("sector", safe(company.sector, 100), ""),
        ("industry", safe(company.industry, 100), ""),
        ("country", safe(company.country, 100), ""),
    )


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
    """`up, 50 of 50 symbols`, `down`; `idle` where nothing is wanted of it; empty where the source has no stream."""
    if (stream := source.stream) is None:
        return ""
    if not stream.is_up:
        return "down" if source.leads else "idle"
    if stream.places is None:
        return f"up, {count_text(stream.symbols, 'symbol')}"
    return f"up, {stream.symbols} of {count_text(stream.places, 'symbol')}"


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


_SINK_STATES = {SinkState.OPENING: "connecting", SinkState.OK: "well", SinkState.FAILING: "fails"}


def sink_state_text(sink: SinkInfo) -> str:
    """How a sink is, in words."""
    return _SINK_STATES[sink.state]


def sink_row(sink: SinkInfo) -> tuple[str, ...]:
    """Ten fields as well, the same ones in the same places as far as they are the same; the last is `sink`."""
    return (
        safe(sink.sink, 300),
        sink.state.value,
        str(sink.waiting),
        f"{sink.written} written",
        f"{sink.merged} merged",
        iso_time(sink.last_success_at),
        iso_time(sink.retry_at),
        "",
        safe(sink.reason, 500),
        "sink",
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
