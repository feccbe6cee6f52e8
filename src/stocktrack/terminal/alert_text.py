"""Alerts in words for people: the condition, how often, who is told, and when it was."""

from datetime import UTC, datetime

from stocktrack.alerting import AlertWhen, Repeat
from stocktrack.messages import AlertInfo, UnalertReply
from stocktrack.terminal.text import number, safe, safe_symbol


def condition_text(alert: AlertInfo) -> str:
    """`above 280`, `falls 3% within 15 min`, `volume above 30,000,000`."""
    value = number(abs(alert.value) if alert.when.is_percent else alert.value, grouped=True)
    moves = "rises" if alert.value > 0 else "falls"
    match alert.when:
        case AlertWhen.CROSSES_ABOVE:
            return f"rises above {value}"
        case AlertWhen.CROSSES_BELOW:
            return f"falls below {value}"
        case AlertWhen.ABOVE:
            return f"is above {value}"
        case AlertWhen.BELOW:
            return f"is below {value}"
        case AlertWhen.PERCENT_FROM_CLOSE:
            return f"{moves} {value}% from close"
        case AlertWhen.PERCENT_WITHIN:
            return f"{moves} {value}% within {_minutes_text(alert.minutes or 0)}"
        case AlertWhen.VOLUME_ABOVE:
            return f"volume above {value}"


def repeat_text(alert: AlertInfo) -> str:
    """`once`, `daily`, `every 10m`."""
    if alert.repeat is not Repeat.EVERY or alert.cooldown_seconds is None:
        return alert.repeat.value
    seconds = alert.cooldown_seconds
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"every {seconds // size}{unit}"
    return f"every {seconds}s"


def made_sentence(alert: AlertInfo) -> str:
    """Says which alert was made, and who is told."""
    told = ", ".join(["your sessions", *(safe(target, 64) for target in alert.targets)])
    parts = [f"{safe(alert.alert, 24)}: {safe_symbol(alert.symbol)} {condition_text(alert)}, {repeat_text(alert)}"]
    if alert.quiet_hours is not None:
        parts.append(f"quiet {safe(alert.quiet_hours, 16)} {safe(alert.timezone, 64) or 'UTC'}")
    elif alert.timezone is not None:
        parts.append(f"days of {safe(alert.timezone, 64)}")
    return f"{'; '.join([*parts, f'told to {told}'])}."


def removed_sentence(reply: UnalertReply) -> str:
    """Says which alert was taken out."""
    return f"{safe(reply.alert, 24)} of {safe_symbol(reply.symbol)} was taken out."


def no_alerts_sentence(symbol: str, *, adding: str) -> str:
    """Says that there are no alerts, of a symbol where one was named, and that `adding` makes one."""
    of = f" on {safe_symbol(symbol)}" if symbol else ""
    return f"You have no alerts{of}; `{adding} {safe_symbol(symbol) or 'AAPL'} above 280` makes one."


def told_time(at_ms: int, now_ms: int) -> str:
    """A time of the clock on the wall, `14:03:07`; with its day where that is another than today."""
    at = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone()
    today = datetime.fromtimestamp(now_ms / 1000, tz=UTC).astimezone()
    return f"{at:%H:%M:%S}" if at.date() == today.date() else f"{at:%d %b %H:%M}"


def _minutes_text(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
