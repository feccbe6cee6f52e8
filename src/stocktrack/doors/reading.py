"""Reading in small pieces, so that little is held of a client before anybody can say that it is enough.

asyncio and uvloop hand over up to 256 KB at once. A protocol that wants no more can stop them only after that, and what
it was given it has to keep: a thousand clients that send much would be a quarter of a gigabyte.
"""

import asyncio
import threading

# As much as a record of TLS, and more than any request has without a body.
READ_BYTES = 16_384


class _Space(threading.local):
    """Where a loop reads to: it fills it and has it looked at in one go, so that one is enough for all connections."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_BYTES))


_space = _Space()


class SmallReads(asyncio.BufferedProtocol):
    """A protocol whose `data_received` gets at most `READ_BYTES` at once."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        raise NotImplementedError

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the loop."""
        return _space.view

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the loop."""
        self.data_received(bytes(_space.view[:nbytes]))
