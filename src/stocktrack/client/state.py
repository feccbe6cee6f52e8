"""Where a client is in its life, and what it tells of a change."""

from dataclasses import dataclass
from enum import StrEnum

from stocktrack.client.errors import ClientError
from stocktrack.messages import Missing


class State(StrEnum):
    """Where a client is in its life."""

    NEW = "new"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a client tells its `on_state` callback.

    RECONNECTING comes before every try, with the `cause`, the number of the try, and the seconds until it. CONNECTED
    names in `subscribed` the symbols that are pushed again, and in `missing` those that could not be restored. CLOSED
    has a `cause` unless the program closed the client itself.
    """

    state: State
    cause: ClientError | None = None
    attempt: int = 0
    retry_seconds: float | None = None
    missing: tuple[Missing, ...] = ()
    subscribed: tuple[str, ...] = ()
