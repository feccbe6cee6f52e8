"""The words of alerts: which condition, how often, in which state, and the hours in which nobody wants to be told."""

import re
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class AlertWhen(StrEnum):
    """The condition of an alert; `value` is a price, percent, or pieces traded on the day."""

    CROSSES_ABOVE = "crosses_above"  # from at or below to above; needs a price before
    CROSSES_BELOW = "crosses_below"
    ABOVE = "above"  # is, at once too
    BELOW = "below"
    PERCENT_FROM_CLOSE = "percent_from_close"  # above zero: has risen so much since the previous close; below: fallen
    PERCENT_WITHIN = "percent_within"  # the same, since any price of the last `minutes`
    VOLUME_ABOVE = "volume_above"

    @property
    def is_of_prices(self) -> bool:
        """Whether `value` is a price."""
        return self in {self.CROSSES_ABOVE, self.CROSSES_BELOW, self.ABOVE, self.BELOW}

    @property
    def is_percent(self) -> bool:
        """Whether `value` is percent."""
        return self in {self.PERCENT_FROM_CLOSE, self.PERCENT_WITHIN}

    @property
    def is_crossing(self) -> bool:
        """Whether it takes a price before."""
        return self in {self.CROSSES_ABOVE, self.CROSSES_BELOW}


class Repeat(StrEnum):
    """How often an alert fires; each time only after its condition has stopped holding."""

    ONCE = "once"
    DAILY = "daily"  # once a day of its time zone
    EVERY = "every"  # every time, with a cool-down


class AlertState(StrEnum):
    """What an alert does."""

    ARMED = "armed"  # it waits for its condition
    HOLDING = "holding"  # it has fired, and waits for its condition to stop holding
    FIRED = "fired"  # it has fired once, which was all
    DISARMED = "disarmed"  # something makes its value wrong, such as a split


DAY_MINUTES: Final = 1_440
_QUIET_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


def quiet_minutes(text: str) -> tuple[int, int]:
    """The minutes of the day in which quiet hours begin and end: 22:00-07:00; `ValueError` with what is wrong."""
    found = _QUIET_HOURS.fullmatch(text)
    if found is None:
        raise ValueError("must be from when to when, as 22:00-07:00")
    first_hour, first_minute, last_hour, last_minute = map(int, found.groups())
    start, end = first_hour * 60 + first_minute, last_hour * 60 + last_minute
    if start == end:
        raise ValueError("must end at another time than it begins")
    return start, end


def known_zone(name: str) -> str:
    """`name` where it is a time zone of the IANA; `ValueError` where not."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Berlin or UTC") from None
    return name
