"""What a client tells of alerts that fire: each delivery once, as a sentence with its time."""

from typing import Final

from stocktrack.errors import Reason
from stocktrack.messages import Notice
from stocktrack.quotes import clean_text
from stocktrack.terminal.alert_text import told_time

# A server tells a double soon after the first one, as when it comes back from a crash.
_MAX_REMEMBERED: Final = 5_000
_MAX_CHARS: Final = 500


class AlertNews:
    """Knows which deliveries were told."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}

    def sentence(self, notice: Notice, now_ms: int) -> str | None:
        """`14:03:07  AAPL 280.12 USD rose above 280.`; None where it is no alert, or was told already."""
        if notice.reason is not Reason.ALERT:
            return None
        if notice.delivery is not None:
            if notice.delivery in self._told:
                return None
            self._told[notice.delivery] = None
            while len(self._told) > _MAX_REMEMBERED:
                del self._told[next(iter(self._told))]
        at_ms = now_ms if notice.timestamp is None else notice.timestamp
        return f"{told_time(at_ms, now_ms)}  {clean_text(notice.message, _MAX_CHARS)}"
