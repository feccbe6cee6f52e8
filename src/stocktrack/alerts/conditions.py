"""An alert as it is judged: which quantity it measures, at which value it fires, and when it may do so again; pure."""

import math
from collections.abc import Hashable
from typing import Final

from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.alerts.times import next_day_at
from stocktrack.storage.alerts import NewAlert, StoredAlert

DEFAULT_COOLDOWN_SECONDS: Final = 60
PRICE: Final = "price"
PERCENT: Final = "percent"
VOLUME: Final = "volume"

_RISES = {AlertWhen.CROSSES_ABOVE, AlertWhen.ABOVE, AlertWhen.VOLUME_ABOVE}


class LiveAlert:
    """One alert that is judged.

    It fires where its `quantity` is above `threshold` (`is_up`), or below it; alerts of one quantity stand in one
    ladder. `state` is that of the database. `is_unwritten` while what it last told is not on the disk: until then it
    tells nothing more.
    """

    __slots__ = (
        *("fired_at_ms", "fired_count", "id", "is_crossing", "is_unwritten", "is_up", "quantity", "state", "stored"),
        "threshold",
    )

    def __init__(self, stored: StoredAlert) -> None:
        self.id = stored.id
        self.stored = stored
        self.state = stored.state
        self.fired_at_ms = stored.fired_at_ms
        self.fired_count = stored.fired_count
        self.is_unwritten = False
        wanted = stored.wanted
        if wanted.when.is_percent:
            # A rise of 5 % is one of at least that.
            self.is_up = wanted.value > 0
            self.threshold = math.nextafter(wanted.value, 0.0)
        else:
            self.is_up = wanted.when in _RISES
            self.threshold = wanted.value
        self.is_crossing = wanted.when.is_crossing
        self.quantity = _quantity_of(wanted, is_up=self.is_up)

    def holds_at(self, measured: float) -> bool:
        """Whether its condition, but for the price before, holds."""
        return measured > self.threshold if self.is_up else measured < self.threshold

    def rests_until(self, now_ms: int) -> int:
        """Until when it may not fire again, epoch milliseconds; not after `now_ms` where it may."""
        if self.fired_at_ms is None:
            return now_ms
        # Where the clock was set back it fired no later than now: else it would rest until then.
        self.fired_at_ms = min(self.fired_at_ms, now_ms)
        wanted = self.stored.wanted
        match wanted.repeat:
            case Repeat.DAILY:
                return next_day_at(self.fired_at_ms, wanted.timezone)
            case Repeat.EVERY:
                seconds = DEFAULT_COOLDOWN_SECONDS if wanted.cooldown_seconds is None else wanted.cooldown_seconds
                return self.fired_at_ms + seconds * 1000
            case Repeat.ONCE:
                return now_ms

    def fire(self, now_ms: int) -> AlertState:
        """Note that it fired, and return what it is from now on."""
        self.fired_at_ms = now_ms
        self.fired_count += 1
        self.state = AlertState.FIRED if self.stored.wanted.repeat is Repeat.ONCE else AlertState.HOLDING
        return self.state


def _quantity_of(wanted: NewAlert, *, is_up: bool) -> Hashable:
    match wanted.when:
        case AlertWhen.PERCENT_FROM_CLOSE:
            return PERCENT
        case AlertWhen.PERCENT_WITHIN:
            # A rise is measured from the lowest price of the window, a fall from the highest.
            return (wanted.minutes, is_up)
        case AlertWhen.VOLUME_ABOVE:
            return VOLUME
        case _:
            return PRICE
