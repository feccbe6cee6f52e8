"""Days and quiet hours of a time zone, for alerts; pure."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stocktrack.alerting import quiet_minutes


def next_day_at(now_ms: int, timezone: str | None) -> int:
    """When the day after that of `now_ms` begins in a time zone, epoch milliseconds; UTC where none is named."""
    local = _local(now_ms, timezone)
    return _epoch_ms(_at_minute(local + timedelta(days=1), 0))


def told_at(now_ms: int, quiet_hours: str | None, timezone: str | None) -> int:
    """When what fires at `now_ms` may be told: at once, or at the end of the quiet hours it is in; epoch ms."""
    if quiet_hours is None:
        return now_ms
    start, end = quiet_minutes(quiet_hours)
    local = _local(now_ms, timezone)
    minute = local.hour * 60 + local.minute
    if start < end:
        is_quiet, days = start <= minute < end, 0
    else:  # over midnight
        is_quiet, days = minute >= start or minute < end, 1 if minute >= start else 0
    if not is_quiet:
        return now_ms
    ends_at = _at_minute(local + timedelta(days=days), end)
    if _epoch_ms(ends_at) <= now_ms:  # clocks were put back: the end comes a second time
        ends_at = ends_at.replace(fold=1)
    return max(now_ms, _epoch_ms(ends_at))


def local_time(at_ms: int, timezone: str | None) -> str:
    """A moment as a person reads it: 2026-11-28 21:00 UTC, or with the zone's name."""
    local = _local(at_ms, timezone)
    return f"{local:%Y-%m-%d %H:%M} {timezone or 'UTC'}"


def _at_minute(day: datetime, minute: int) -> datetime:
    return day.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0, fold=0)


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _local(at_ms: int, timezone: str | None) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, _zone(timezone))


@lru_cache(maxsize=64)
def _zone(name: str | None) -> tzinfo:
    # One that this machine does not know any more, or never did where another server does, counts as UTC.
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return UTC
