"""HTTP connections over real sockets, plain and over TLS: what one client can take from the others."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from certificates import trusting, write_certificate
from fakes import ScriptedStream
from live_server import LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock
from stocktrack.doors.reading import READ_BYTES
from stocktrack.doors.turns import TURNS_AT_ONCE
from stocktrack.web import server as web_server
from stocktrack.web.asgi import Receive, Scope, Send, respond
from stocktrack.web.http import HttpConnection
from stocktrack.web.request_parser import MAX_HEAD_BYTES
from stocktrack.web.server import WebServer
from stocktrack.web.slots import Slots

GET = b"GET /metrics.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b"x" * 1_500
OTHER_ADDRESS = "127.0.0.2"
PLAIN_AND_TLS = pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])


class App:
    """Answers each request with `ANSWER`, when it may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        if scope["path"] != "/healthz":
            await self.may_answer.wait()
        await respond(send, HTTPStatus.OK, ANSWER)


class Scene:
    """A server whose web port has `App` behind it."""

    def __init__(self, server: LiveServer, *, is_tls: bool) -> None:
        self.server = server
        self.is_tls = is_tls
        self.app = App()
        self.web.app = self.app
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def web(self) -> WebServer:
        web = self.server.web._web
        assert web is not None
        return web

    @property
    def connections(self) -> list[HttpConnection]:
        return list(self.web._connections)

    async def connect(
        self, *, address: str = "127.0.0.1", receive_buffer_bytes: int | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        sock.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(sock, self.web.addresses[0])
        context: ssl.SSLContext | None = trusting() if self.is_tls else None
        name = "localhost" if self.is_tls else None
        reader, writer = await asyncio.open_connection(sock=sock, limit=16_384, ssl=context, server_hostname=name)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        """Close all clients."""
        for writer in self._writers:
            writer.transport.abort()
        for writer in self._writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def status(self, path: str, *, address: str = "127.0.0.1") -> bytes:
        """The status of the answer, and empty where the connection was closed instead."""
        reader, writer = await self.connect(address=address)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            async with asyncio.timeout(PATIENCE_SECONDS):
                return (await reader.readline())[9:12]
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()


@asynccontextmanager
async def a_scene(tmp_path: Path, *, is_tls: bool = False, **settings: Any) -> AsyncIterator[Scene]:
    clock = ManualClock()
    if is_tls:
        settings |= write_certificate(tmp_path)
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, **settings) as server:
        scene = Scene(server, is_tls=is_tls)
        try:
            yield scene
        finally:
            await scene.close()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path) as scene:
        yield scene


async def read_answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    """The status lines of so many answers."""
    lines = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(count):
            lines.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
            await reader.readexactly(len(ANSWER))
    return lines


# --- pipelining ---------------------------------------------------------------------------------------------------


@PLAIN_AND_TLS
async def test_a_client_that_pipelines_and_does_not_read_pins_little_and_gets_all_when_it_reads(
    tmp_path: Path, is_tls: bool
) -> None:
    count = 254 * 1_024 // len(GET)
    async with a_scene(tmp_path, is_tls=is_tls) as scene:
        reader, writer = await scene.connect(receive_buffer_bytes=4_096)
        writer.write(GET * count)
        await until(lambda: scene.connections and scene.connections[0]._can_write is not None)
        for _ in range(1_000):
            await asyncio.sleep(0)
        [connection] = scene.connections
        assert len(connection._parser._unparsed) <= READ_BYTES + 256  # and what is left of a record of TLS
        assert connection._transport.get_write_buffer_size() <= 65_536 + 2 * len(ANSWER)
        assert len(scene.app.asked) < count
        assert set(await read_answers(reader, count)) == {b"HTTP/1.1 200 OK"}
        assert len(scene.app.asked) == count
        writer.transport.abort()


@PLAIN_AND_TLS
async def test_while_a_request_is_answered_what_comes_behind_it_waits_in_the_kernel(
    tmp_path: Path, is_tls: bool
) -> None:
    async with a_scene(tmp_path, is_tls=is_tls) as scene:
        scene.app.may_answer.clear()
        reader, writer = await scene.connect()
        writer.write(GET * 6_000)
        await until(lambda: scene.app.asked)
        for _ in range(1_000):
            await asyncio.sleep(0)
        [connection] = scene.connections
        assert len(scene.app.asked) == 1
        assert len(connection._parser._unparsed) <= READ_BYTES + 256
        scene.app.may_answer.set()
        await read_answers(reader, 6_000)
        writer.transport.abort()


async def test_a_head_without_an_end_is_never_larger_than_it_may_be(scene: Scene) -> None:
    reader, writer = await scene.connect()
    writer.write(b"GET / HTTP/1.1\r\nX: " + b"y" * 1_000_000)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
    assert all(len(each._parser._unparsed) <= MAX_HEAD_BYTES + READ_BYTES for each in scene.connections)
    writer.transport.abort()


async def test_a_burst_on_a_hundred_connections_lets_a_session_be_answered_in_between(scene: Scene) -> None:
    ann = await scene.server.log_in()
    clients = [await scene.connect() for _ in range(100)]
    for _, writer in clients:
        writer.write(GET * 200)
    await until(lambda: len(scene.app.asked) > 100)
    before = len(scene.app.asked)
    assert (await ann.ask({"type": "PING"}))["code"] == 200
    # From the client and back it takes some turns of the loop, in each of which a few requests are begun.
    assert len(scene.app.asked) - before <= 20 * TURNS_AT_ONCE
    for _, writer in clients:
        writer.transport.abort()


# --- a client that does not take its answers ----------------------------------------------------------------------


@PLAIN_AND_TLS
@pytest.mark.parametrize("reads", [0, 200], ids=["nothing", "a little"])
async def test_a_client_that_hardly_reads_is_closed(tmp_path: Path, is_tls: bool, reads: int) -> None:
    async with a_scene(tmp_path, is_tls=is_tls) as scene:
        reader, writer = await scene.connect(receive_buffer_bytes=4_096)
        scene.web.request_timeout_seconds, scene.web.behind_seconds = 0.2, 0.4
        if reads:
            scene.web.request_timeout_seconds = 1.0  # it takes something again and again within this time
        writer.write(GET * 1_000)
        await until(lambda: scene.connections and scene.connections[0]._behind is not None)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while scene.connections:
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(0.05):
                        if reads:
                            await reader.read(reads)
                        await asyncio.get_running_loop().create_future()
        assert len(scene.app.asked) < 1_000
        writer.transport.abort()


async def test_a_client_that_has_caught_up_is_no_longer_behind(scene: Scene) -> None:
    scene.web.request_timeout_seconds = 0.1
    reader, writer = await scene.connect(receive_buffer_bytes=4_096)
    writer.write(GET * 1_000)
    await until(lambda: scene.connections and scene.connections[0]._behind is not None)
    await read_answers(reader, 1_000)
    await until(lambda: scene.connections[0]._behind is None)
    writer.write(GET)
    assert await read_answers(reader, 1) == [b"HTTP/1.1 200 OK"]
    writer.transport.abort()


# --- the end ------------------------------------------------------------------------------------------------------


@PLAIN_AND_TLS
@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close", b"GET / HTTP/1.0\r\nHost: localhost"]
)
async def test_who_asks_to_close_gets_the_end_right_after_the_answer(
    tmp_path: Path, is_tls: bool, request_line: bytes
) -> None:
    async with a_scene(tmp_path, is_tls=is_tls) as scene:
        scene.web.keep_alive_seconds = 1_000.0
        reader, writer = await scene.connect()
        writer.write(request_line + b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await reader.read(-1)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"connection: close" in head
        assert body == ANSWER
        writer.transport.abort()


async def test_all_that_came_before_the_end_of_the_input_is_answered(scene: Scene) -> None:
    reader, writer = await scene.connect()
    writer.write(GET * 50 + b"GET / HT")
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_SECONDS):
        answers = await reader.read(-1)
    assert answers.count(b"HTTP/1.1 200 OK") == 50
    await until(lambda: not scene.connections)
    writer.transport.abort()


async def test_an_idle_connection_is_closed_after_its_time(scene: Scene) -> None:
    scene.web.keep_alive_seconds = 0.05
    reader, writer = await scene.connect()
    writer.write(GET)
    await read_answers(reader, 1)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.read() == b""
    writer.transport.abort()


# --- slots --------------------------------------------------------------------------------------------------------


async def test_the_one_that_is_idle_for_longest_gives_way_to_a_newcomer(scene: Scene) -> None:
    scene.web._slots = Slots(3, lambda _: 3)
    idle = [await scene.connect() for _ in range(3)]
    for reader, writer in idle:
        writer.write(GET)
        await read_answers(reader, 1)
    assert await scene.status("/", address=OTHER_ADDRESS) == b"200"
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await idle[0][0].read() == b""
    reader, writer = idle[1]
    writer.write(GET)
    assert await read_answers(reader, 1) == [b"HTTP/1.1 200 OK"]
    for _, writer in idle:
        writer.transport.abort()


async def test_silent_connections_of_one_address_keep_nobody_else_out(scene: Scene) -> None:
    scene.web._slots = Slots(20, lambda _: 20)
    silent = [await scene.connect() for _ in range(20)]
    await until(lambda: len(scene.connections) == 20)
    for _ in range(5):
        assert await scene.status("/", address=OTHER_ADDRESS) == b"200"
    for _, writer in silent:
        writer.transport.abort()


async def test_a_door_whose_slots_are_all_at_work_still_answers_the_operator(scene: Scene) -> None:
    scene.web._slots = Slots(3, lambda _: 3)
    scene.app.may_answer.clear()
    busy = [await scene.connect() for _ in range(3)]
    for _, writer in busy:
        writer.write(GET)
    await until(lambda: len(scene.app.asked) == 3)
    # Silent ones in the operator's own slots keep nobody out of them either.
    silent = [await scene.connect() for _ in range(3 * web_server.OPERATOR_CONNECTIONS)]
    for address in ("127.0.0.1", OTHER_ADDRESS):
        assert await scene.status("/healthz", address=address) == b"200"
        assert await scene.status("/", address=address) == b"503"
    scene.app.may_answer.set()
    for reader, writer in busy:
        assert await read_answers(reader, 1) == [b"HTTP/1.1 200 OK"]
        writer.transport.abort()
    for _, writer in silent:
        writer.transport.abort()


async def test_what_an_address_has_too_many_of_has_little_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "SHORT_REQUEST_SECONDS", 0.05)
    async with a_scene(tmp_path, max_unauthenticated_per_address=2) as scene:
        silent = [await scene.connect() for _ in range(2)]
        await until(lambda: len(scene.connections) == 2)
        third_reader, third = await scene.connect()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await third_reader.read() == b""
        assert len(scene.connections) == 2
        # Who uses it at once is served, from here as from elsewhere.
        assert await scene.status("/") == b"200"
        assert await scene.status("/", address=OTHER_ADDRESS) == b"200"
        for _, writer in (*silent, (third_reader, third)):
            writer.transport.abort()


async def test_nothing_is_left_of_connections_that_are_gone(scene: Scene) -> None:
    for _ in range(30):
        assert await scene.status("/") == b"200"
    await until(lambda: not scene.connections)
    assert len(scene.web._slots) == 0
