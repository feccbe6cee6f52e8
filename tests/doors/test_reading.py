import asyncio
from typing import cast

from live_server import until
from stocktrack.doors.reading import READ_BYTES, SmallReads


class Kept(SmallReads):
    """Keeps what it gets, and wants no more than `wanted` pieces."""

    def __init__(self, wanted: int) -> None:
        self.pieces: list[bytes] = []
        self.wanted = wanted
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        if len(self.pieces) == self.wanted:
            self.transport.pause_reading()


async def test_a_burst_comes_in_small_pieces_and_none_after_it_was_too_much() -> None:
    sent = bytes(range(256)) * 1_024
    first, second = Kept(wanted=2), Kept(wanted=1_000)
    protocols = [second, first]
    server = await asyncio.get_running_loop().create_server(protocols.pop, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(2)]
        for writer in writers:
            writer.write(sent)
        await until(lambda: len(b"".join(second.pieces)) == len(sent))
        await until(lambda: len(first.pieces) == 2)
        assert b"".join(second.pieces) == sent
        assert max(map(len, second.pieces)) <= READ_BYTES
        assert sent.startswith(b"".join(first.pieces))
        first.wanted = 1_000
        first.transport.resume_reading()
        await until(lambda: len(b"".join(first.pieces)) == len(sent))
        for writer, protocol in zip(writers, (first, second), strict=True):
            writer.transport.abort()
            protocol.transport.abort()
