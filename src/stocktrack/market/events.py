"""What the sessions are told of the symbols that they watch, beside prices."""

from dataclasses import dataclass
from enum import Enum

from stocktrack.errors import ProviderError


class Event(Enum):
    """What the sessions that watch a symbol are told."""

    OUTAGE = "outage"
    RESTORED = "restored"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """Something happened to `symbols`; for an outage `error` says what and when the source is asked again."""

    event: Event
    symbols: frozenset[str]
    error: ProviderError | None = None
