"""What a session needs of the wire under it: the border between deciding and moving bytes."""

from collections.abc import Awaitable
from typing import Protocol


class Connection(Protocol):
    """One client's way out. TCP and the web implement it, tests have one in memory."""

    @property
    def last_sent_at(self) -> float:
        """Monotonic time of the last `send`."""
        ...

    @property
    def sent_bytes(self) -> int:
        """Bytes handed over so far."""
        ...

    def send(self, data: bytes) -> None:
        """Hand over whole lines; never waits, and says nothing when the client is gone."""
        ...

    def drain(self) -> Awaitable[None]:
        """Wait until the client has taken enough for more to be sent; `OSError` when it is gone."""
        ...

    def unsent_bytes(self) -> int:
        """Those of `sent_bytes` that wait for the client to take them; 0 while it keeps up."""
        ...

    def end(self) -> None:
        """Stop reading, deliver what was sent, then close; returns at once."""
        ...

    def abort(self) -> None:
        """Close now, throwing away what was not taken: the way to get rid of a client that does not read."""
        ...
