import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from live_server import until
from stocktrack.doors.line_stream import PIECE_BYTES, CutOff, LineStream, LineTooLong

MAX_LINE_BYTES = 1_000


@dataclass(slots=True)
class Wire:
    """A stream over a real connection, and the client's blocking end of it, which sends without waiting."""

    stream: LineStream
    client: socket.socket

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, data)

    async def line(self) -> bytes:
        return await self.stream.read_line(MAX_LINE_BYTES)

    async def arrived(self, count: int) -> None:
        """Return when so many bytes lie unread in the stream."""
        await until(lambda: self.stream.unread_bytes >= count)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[LineStream] = loop.create_future()
    server = await loop.create_server(lambda: LineStream(connected.set_result), "127.0.0.1", 0)
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, server.sockets[0].getsockname())
    stream = await connected
    yield Wire(stream, client)
    client.close()
    stream.transport.abort()
    await stream.close()
    server.close()


async def test_lines_come_one_by_one_however_they_were_cut(wire: Wire) -> None:
    await wire.send(b"one\ntwo\r\nthr")
    assert [await wire.line(), await wire.line()] == [b"one\n", b"two\r\n"]
    reading = asyncio.ensure_future(wire.line())
    await wire.arrived(3)
    await wire.send(b"ee\n\nfo")
    assert await reading == b"three\n"
    assert await wire.line() == b"\n"


async def test_a_line_may_have_as_many_bytes_as_said_and_no_more(wire: Wire) -> None:
    await wire.send(b"x" * MAX_LINE_BYTES + b"\n" + b"y" * (MAX_LINE_BYTES + 1) + b"\n")
    assert await wire.line() == b"x" * MAX_LINE_BYTES + b"\n"
    with pytest.raises(LineTooLong):
        await wire.line()


async def test_a_line_that_does_not_end_is_too_long_before_all_of_it_came(wire: Wire) -> None:
    await wire.send(b"z" * (MAX_LINE_BYTES + 1))
    with pytest.raises(LineTooLong):
        await wire.line()


async def test_what_stands_after_the_last_line_is_told_as_cut_off(wire: Wire) -> None:
    await wire.send(b"whole\nha")
    wire.client.shutdown(socket.SHUT_WR)
    assert await wire.line() == b"whole\n"
    for partial in (b"ha", b""):
        with pytest.raises(CutOff) as cut:
            await wire.line()
        assert cut.value.partial == partial
    assert await wire.stream.read() == b""


async def test_nothing_is_read_from_the_socket_while_nobody_reads_lines(wire: Wire) -> None:
    """The kernel's buffers fill up, and the client has to wait: what the stream holds stays bounded."""
    lines = b"12345678\n" * 1_000_000
    sending = asyncio.ensure_future(wire.send(lines))
    await wire.arrived(PIECE_BYTES)
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert not sending.done()
    assert wire.stream.unread_bytes < 2 * PIECE_BYTES
    received = 0
    while received < len(lines):
        received += len(await wire.line())
        assert wire.stream.unread_bytes < 2 * PIECE_BYTES + MAX_LINE_BYTES
    await sending


async def test_a_reader_that_was_cancelled_loses_nothing(wire: Wire) -> None:
    await wire.send(b"begin")
    reading = asyncio.ensure_future(wire.line())
    await wire.arrived(5)
    reading.cancel()
    await asyncio.wait([reading])
    await wire.send(b"ning\n")
    assert await wire.line() == b"beginning\n"


async def test_drain_waits_for_a_client_that_does_not_read_and_each_who_waits_goes_on(wire: Wire) -> None:
    sent = 0
    waiting = [asyncio.ensure_future(wire.stream.drain())]
    await waiting[0]
    while all(task.done() for task in waiting):
        wire.stream.transport.write(b"x" * 1_000_000)
        sent += 1_000_000
        waiting = [asyncio.ensure_future(wire.stream.drain()) for _ in range(3)]
        await asyncio.sleep(0)
    waiting.pop().cancel()
    while sent:
        sent -= len(await asyncio.get_running_loop().sock_recv(wire.client, 65_536))
    await asyncio.gather(*waiting)


async def test_draining_fails_where_the_client_is_gone(wire: Wire) -> None:
    wire.stream.transport.abort()
    await wire.stream.close()
    with pytest.raises(ConnectionResetError):
        await wire.stream.drain()


async def test_close_delivers_what_was_written(wire: Wire) -> None:
    written = b"w" * 3_000_000
    wire.stream.transport.write(written)
    closing = asyncio.ensure_future(wire.stream.close())
    received = 0
    while piece := await asyncio.get_running_loop().sock_recv(wire.client, 65_536):
        received += len(piece)
    await closing
    assert received == len(written)
