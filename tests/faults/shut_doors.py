"""A few packets from one address that fill a door: can somebody else still come in?

    PYTHONPATH=tests/support python tests/faults/shut_doors.py [CASE …]

Each case opens connections from 127.0.0.1 that do as little as they can, and holds them for some seconds. The honest
client (`canary.py`) comes from 127.0.0.2, and so does the orchestrator that asks for `/healthz`. Then a thousand honest
clients come from one address at once, at each door, and two thousand. It exits 1 where an honest one was refused.
"""

import asyncio
import base64
import re
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from canary import PATIENCE_SECONDS, PRICE_SECONDS, canary
from live_server import PASSWORD, RawClient
from server_process import ServerProcess, run_stocktrack, server_process

HELD_SECONDS = 8.0
HONEST = 1_000


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", "")).encode()


_UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
)
# How many connections, to which door, and what each of them sends.
CASES: dict[str, tuple[int, bool, bytes]] = {
    "2,000 silent TCP connections": (2_000, False, b""),
    "256 idle HTTP connections": (256, True, b""),
    "3,000 idle HTTP connections": (3_000, True, b""),
    "3,000 HTTP connections kept alive": (3_000, True, _get("/healthz")),
    "3,000 HTTP requests without an end": (3_000, True, b"GET / HTTP/1.1\r\nHost: localhost\r\n"),
    "501 Engine.IO handshakes by polling": (501, True, _get("/socket.io/?EIO=4&transport=polling")),
    "501 Engine.IO handshakes by WebSocket": (501, True, _get("/socket.io/?EIO=4&transport=websocket", *_UPGRADE)),
    "2,000 WebSockets without a login": (2_000, True, _get("/ws", *_UPGRADE)),
    "2,000 idle guests": (2_000, True, _get("/live-price", *_UPGRADE)),
}


def connect(port: int, count: int, sent: bytes) -> list[socket.socket]:
    """Connections that have said `sent`."""
    sockets = []
    for _ in range(count):
        try:
            sock = socket.create_connection(("127.0.0.1", port), timeout=5)
            sock.sendall(sent)
        except OSError:  # refused, which is the server's right
            continue
        sockets.append(sock)
    return sockets


class Door(Protocol):
    """How an honest client comes in."""

    async def __call__(self, server: ServerProcess, web_port: int) -> bool:
        """Whether it was let in."""
        ...


async def tcp_client(server: ServerProcess, web_port: int) -> bool:
    """Log in with a password."""
    client = await RawClient.connect(server.host, server.port)
    try:
        if (await client.receive())["type"] != "HELLO":
            return False
        return bool((await client.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"] == 200)
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class HttpClient:
    """Sends one request."""

    request: bytes
    status: bytes

    async def __call__(self, server: ServerProcess, web_port: int) -> bool:
        """Whether the answer has the status that it should have."""
        reader, writer = await asyncio.open_connection(server.host, web_port)
        try:
            writer.write(self.request)
            return (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 " + self.status)
        finally:
            writer.transport.abort()


# What follows the handshake of Engine.IO: Socket.IO's CONNECT. Without it a handshake counts for ten seconds.
_CONNECT = b"\x81\x82" + bytes(4) + b"40"
DOORS: dict[str, Door] = {
    "TCP, with a password": tcp_client,
    "the page": HttpClient(_get("/"), b"200"),
    "/ws": HttpClient(_get("/ws", *_UPGRADE), b"101"),
    "/live-price": HttpClient(_get("/live-price", *_UPGRADE), b"101"),
    "Socket.IO": HttpClient(_get("/socket.io/?EIO=4&transport=websocket", *_UPGRADE) + _CONNECT, b"101"),
}


async def honest(server: ServerProcess, port: int, count: int) -> bool:
    """So many clients at each door, all at once and from one address; whether all got in."""
    is_well = True
    for door, client in DOORS.items():
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(client(server, port) for _ in range(count)), return_exceptions=True)
        seconds = asyncio.get_running_loop().time() - began
        let_in = sum(answer is True for answer in answers)
        print(f"{count} honest clients of one address at {door}: {let_in} let in, within {seconds:.1f} s", flush=True)
        is_well = is_well and let_in == count
        await all_let_go(port)
    return is_well


async def all_let_go(port: int) -> None:
    """Return once the server, whose web port this is, has let go of every session."""
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(PATIENCE_SECONDS):
        while True:
            figures = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            counts = re.findall(r"^stocktrack_sessions\{.*\} (\S+)$", figures, re.MULTILINE)
            assert counts, figures
            if not any(map(float, counts)):
                return


async def main(cases: list[str]) -> int:
    """Run the cases and say what was seen."""
    is_well = True
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
        assert added.code == 0, added
        settings = {"STOCKTRACK_WEB_PORT": "0", "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": str(PRICE_SECONDS)}
        for name in cases:
            count, is_web, sent = CASES[name]
            try:
                async with server_process(home, **settings) as server:
                    page = (await server.logged("ready"))["page"]
                    async with canary(server, page) as seen:
                        port = int(page.rstrip("/").rpartition(":")[2]) if is_web else server.port
                        held = await asyncio.to_thread(connect, port, count, sent)
                        await asyncio.sleep(HELD_SECONDS)
                        for sock in held:
                            sock.close()
            except TimeoutError:
                print("the server did not end within ten seconds of a SIGTERM", flush=True)
            print(f"{name}: {seen.text}", flush=True)
            is_well = is_well and seen.refused == 0
        async with server_process(home, **settings) as server:
            page = (await server.logged("ready"))["page"]
            for count in (HONEST, 2 * HONEST):
                is_well = await honest(server, int(page.rstrip("/").rpartition(":")[2]), count) and is_well
    return int(not is_well)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:] or list(CASES))))
