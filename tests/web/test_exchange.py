"""One request and its answer, between a connection in memory and an application."""

import asyncio

from stocktrack.clock import settle
from stocktrack.web.asgi import Receive, Scope, Send
from stocktrack.web.exchange import Exchange

SCOPE = {"type": "http", "method": "POST", "path": "/x", "http_version": "1.1", "headers": []}


class MemoryWire:
    """Keeps what is written; satisfies `exchange.Wire`."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        """Nothing waits."""

    def date(self) -> bytes:
        return b"today"


def an_exchange(wire: MemoryWire) -> Exchange:
    return Exchange(wire, dict(SCOPE), is_kept_alive=True, wants_continue=False)


async def test_who_listens_on_after_the_request_is_told_when_the_client_goes_and_nothing_before() -> None:
    heard: list[str] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        while not heard or heard[-1] != "http.disconnect":
            heard.append((await receive())["type"])

    exchange = an_exchange(MemoryWire())
    answering = asyncio.create_task(exchange.run(app))
    exchange.complete()
    await settle()
    assert heard == ["http.request"]
    exchange.lose()
    await answering
    assert heard == ["http.request", "http.disconnect"]


async def test_an_answer_that_is_streamed_while_somebody_listens_for_the_clients_going_is_sent_whole() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        listening = asyncio.create_task(listen())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await settle()
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})
        await listening

    wire = MemoryWire()
    exchange = an_exchange(wire)
    exchange.complete()
    await exchange.run(app)
    assert exchange.is_answered
    assert wire.written.endswith(b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


async def test_the_body_comes_in_pieces_and_its_end_is_told_once() -> None:
    pieces: list[tuple[bytes, bool]] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            pieces.append((message["body"], more))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    exchange = an_exchange(MemoryWire())
    answering = asyncio.create_task(exchange.run(app))
    exchange.feed(b"one")
    await settle()
    exchange.feed(b"two")
    exchange.complete()
    await answering
    assert pieces == [(b"one", True), (b"two", False)]
    assert exchange.is_answered
