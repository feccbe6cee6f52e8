"""What an alert tells, in a sentence; pure."""

from stocktrack.alerting import AlertWhen
from stocktrack.alerts.times import local_time
from stocktrack.messages import BoardQuote, shown_digits
from stocktrack.quotes import plain
from stocktrack.storage.alerts import NewAlert


def fired_sentence(wanted: NewAlert, quote: BoardQuote, measured: float, since: float | None) -> str:
    """That an alert fired by `quote`: `measured` is percent or pieces where it is of those, `since` which price."""
    digits = shown_digits(quote)
    price = _priced(quote, digits)
    value = plain(wanted.value)
    since_price = "" if since is None else f"{since:.{digits}f}"
    match wanted.when:
        case AlertWhen.CROSSES_ABOVE:
            return f"{price} rose above {value}."
        case AlertWhen.CROSSES_BELOW:
            return f"{price} fell below {value}."
        case AlertWhen.ABOVE:
            return f"{price} is above {value}."
        case AlertWhen.BELOW:
            return f"{price} is below {value}."
        case AlertWhen.PERCENT_FROM_CLOSE:
            close = f" of {since_price}" if since_price else ""
            return f"{price} has {_moved(measured)} since the previous close{close}."
        case AlertWhen.PERCENT_WITHIN:
            minutes = "a minute" if wanted.minutes == 1 else f"{wanted.minutes} minutes"
            return f"{price} has {_moved(measured)} within {minutes}, from {since_price}."
        case AlertWhen.VOLUME_ABOVE:
            return f"{price}: {measured:,.0f} were traded today, more than {wanted.value:,.0f}."


def gap_sentence(quote: BoardQuote, price_before: float, before_ms: int, *, is_reopening: bool) -> str:
    """That nothing was seen between the price before, of `before_ms`, and the one by which an alert fired."""
    before = f"{price_before:.{shown_digits(quote)}f}, at {local_time(before_ms, None)}"
    if is_reopening:
        return f"It is the first price since the market reopened; the last one before was {before}."
    return f"No price was seen in between; the last one before was {before}."


def quiet_sentence(fired_at_ms: int, timezone: str | None) -> str:
    """That it was held back."""
    return f"That was in the quiet hours, at {local_time(fired_at_ms, timezone)}."


def split_sentence(symbol: str, ratio: float, wanted: NewAlert) -> str:
    """That a split disarmed an alert."""
    new, old = (ratio, 1.0) if ratio >= 1 else (1.0, 1 / ratio)
    condition = wanted.when.value.replace("_", " ")
    return (
        f"{symbol} was split, {plain(round(new, 4))} for {plain(round(old, 4))}: the alert {condition} "
        f"{plain(wanted.value)} is of before the split and was disarmed. Make a new one."
    )


def test_sentence(username: str) -> str:
    """What a target is told by a test."""
    return f"This is a test of StockTrack's alerts, which {username} asked for."


def _priced(quote: BoardQuote, digits: int) -> str:
    currency = f" {quote.currency}" if quote.currency else ""
    return f"{quote.symbol} {quote.price:.{digits}f}{currency}"


def _moved(percent: float) -> str:
    return f"{'risen' if percent >= 0 else 'fallen'} {abs(percent):.2f}%"
