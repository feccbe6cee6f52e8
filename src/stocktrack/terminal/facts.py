"""What is known of a symbol beside its price, as labels and texts for people: its day, its year, its company."""

from datetime import UTC, datetime

from stocktrack.messages import BoardQuote, shown_digits
from stocktrack.quotes import CompanyInfo, price_digits
from stocktrack.terminal.text import compact_text, company_names, fixed, price_text, safe, safe_link

Facts = tuple[tuple[str, str], ...]


def company_facts(company: CompanyInfo, now_ms: int) -> Facts:
    """What is known of a company for people, in their own time."""
    low, high = company.fifty_two_week_low, company.fifty_two_week_high
    either = high if low is None else low
    digits = 0 if either is None else price_digits(either, None, (high,))
    facts = (
        *((label, text) for label, text, _ in company_names(company, grouped=True)),
        ("employees", "" if company.employees is None else f"{company.employees:,}"),
        ("market cap", _money(company.market_cap, company.market_cap_currency)),
        ("trailing P/E", "" if company.trailing_pe is None else fixed(company.trailing_pe, 2)),
        ("52 weeks", range_text(low, high, digits)),
        ("market", hours_text(company.market_opens_at, company.market_closes_at, now_ms)),
        ("website", safe_link(company.website)),
        ("summary", safe(company.summary)),
    )
    return tuple((label, text) for label, text in facts if text)


def quote_facts(quote: BoardQuote) -> Facts:
    """What is known of a symbol's day and year beside its row in a table, for people."""
    digits = shown_digits(quote)

    def priced(value: float | None) -> str:
        return "" if value is None else price_text(value, digits)

    facts = (
        ("open", priced(quote.open)),
        ("previous close", priced(quote.previous_close)),
        ("day", range_text(quote.low, quote.high, digits)),
        ("52 weeks", range_text(quote.fifty_two_week_low, quote.fifty_two_week_high, digits)),
        ("bid", priced(quote.bid)),
        ("ask", priced(quote.ask)),
        ("volume", _money(quote.volume, quote.volume_currency)),
        ("market cap", _money(quote.market_cap, quote.market_cap_currency)),
        ("trailing P/E", "" if quote.trailing_pe is None else fixed(quote.trailing_pe, 2)),
    )
    return tuple((label, text) for label, text in facts if text)


def range_text(low: float | None, high: float | None, digits: int) -> str:
    """`124.17 to 199.62`, or the one end that is known."""
    if low is None or high is None:
        return " ".join(
            f"{word} {price_text(end, digits)}" for word, end in (("from", low), ("up to", high)) if end is not None
        )
    return f"{price_text(low, digits)} to {price_text(high, digits)}"


def hours_text(opens_at: int | None, closes_at: int | None, now_ms: int) -> str:
    """`opens 14:30, closes 21:00 your time`, with the day where it is not that of the time before it."""
    parts, day = [], _local(now_ms)
    for word, at in (("opens", opens_at), ("closes", closes_at)):
        moment = None if at is None else _local(at)
        if moment is not None:
            is_same_day = day is not None and moment.date() == day.date()
            parts.append(f"{word} {moment:{'%H:%M' if is_same_day else '%a %d %b %H:%M'}}")
            day = moment
    return f"{', '.join(parts)} your time" if parts else ""


def _money(amount: float | None, currency: str | None) -> str:
    return f"{compact_text(amount)} {safe(currency, 8)}".rstrip() if amount is not None else ""


def _local(epoch_ms: int) -> datetime | None:
    """The moment on the clock of whoever reads it; None where it is no time at all."""
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC).astimezone()
    except (OverflowError, OSError, ValueError):
        return None
