"""Clients without a login that send much and hardly read: what they cost the server, and what an honest client notices.

    PYTHONPATH=tests/support python tests/faults/http_pipelining.py [CASE …]

Each case is a burst of 254 KB on each of 40 or 100 connections from one address, held for some seconds, against a real
server in a process of its own. The honest client (`canary.py`) comes from another address. It prints the server's
memory before, at its highest and afterwards, and the longest that the honest client waited for anything; a figure in
milliseconds counts what the machine does besides as well, so look at two cores that do nothing else.
"""

import asyncio
import base64
import itertools
import select
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from canary import PRICE_SECONDS, canary
from live_server import PASSWORD
from server_process import ServerProcess, run_stocktrack, server_process

BURST_BYTES = 254 * 1024
CONNECTIONS = (40, 100)
HELD_SECONDS = 12.0
AFTER_SECONDS = 2.0
# A client that hardly reads: this much from each connection, each second.
SIPPED_BYTES = 512


def filled(piece: bytes) -> bytes:
    """As many whole `piece`s as fit into a burst."""
    return piece * (BURST_BYTES // len(piece))


def frame(opcode: int, payload: bytes = b"", *, is_final: bool = True) -> bytes:
    """A frame as a client sends it, masked with zeros."""
    return struct.pack("!BB", 0x80 * is_final | opcode, 0x80 | len(payload)) + bytes(4) + payload


def upgraded(path: str, frames: bytes) -> bytes:
    """A handshake, and what follows it without waiting."""
    key = base64.b64encode(bytes(16)).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode() + frames


_POST = b"POST /api/v1/stocks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
_ENGINE = "/socket.io/?EIO=4&transport=websocket"
_SUBSCRIBE = b'{"action":"subscribe","symbol":"A"}'


def request(line: str) -> bytes:
    """A request without a body."""
    return f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


CASES: dict[str, Callable[[], bytes]] = {
    "GET /": lambda: filled(request("GET /")),
    "HEAD /": lambda: filled(request("HEAD /")),
    "GET /metrics": lambda: filled(request("GET /metrics")),
    "GET without a token": lambda: filled(request("GET /api/v1/stocks")),
    "trailers": lambda: _POST + b"0\r\n" + filled(b"a:b\r\n"),
    "chunk extensions": lambda: _POST + filled(b"1;a=b\r\nx\r\n"),
    "small chunks": lambda: _POST + filled(b"1\r\nx\r\n"),
    "bodies": lambda: filled(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"),
    "a head without end": lambda: b"GET / HTTP/1.1\r\n" + filled(b"a:b\r\n"),
    "WebSocket, small messages": lambda: upgraded("/ws", filled(frame(1))),
    "WebSocket, pings": lambda: upgraded("/ws", filled(frame(9))),
    "WebSocket, long pings": lambda: upgraded("/ws", filled(frame(9, bytes(125)))),
    "WebSocket, fragments": lambda: upgraded("/ws", frame(1, is_final=False) + filled(frame(0, is_final=False))),
    "live-price, actions": lambda: upgraded("/live-price", filled(frame(1, b'{"action":"x"}'))),
    "live-price, subscriptions": lambda: upgraded("/live-price", filled(frame(1, _SUBSCRIBE))),
    "Engine.IO, packets": lambda: upgraded(_ENGINE, frame(1, b"40") + filled(frame(1, b"5"))),
    "Engine.IO, events": lambda: upgraded(_ENGINE, frame(1, b"40") + filled(frame(1, b'42["subscribe",1]'))),
    "Engine.IO, handshakes": lambda: filled(request("GET /socket.io/?EIO=4&transport=polling")),
}


def megabytes(server: ServerProcess) -> float:
    """The server's resident memory."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kilobytes) / 1024


async def attack(server: ServerProcess, port: int, burst: bytes, connections: int) -> float:
    """Send the burst on each connection, sip at the answers for a while, and go; returns the highest memory."""
    unsent: dict[socket.socket, bytes] = {}
    for _ in range(connections):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        unsent[sock] = burst
    highest = 0.0
    ends = time.monotonic() + HELD_SECONDS
    sip_at = 0.0
    while time.monotonic() < ends:
        is_sip_due = time.monotonic() >= sip_at
        if is_sip_due:
            sip_at = time.monotonic() + 1
        for sock, left in unsent.items():
            try:
                if left:
                    unsent[sock] = left[sock.send(left) :]
                if is_sip_due:
                    sock.recv(SIPPED_BYTES)
            except BlockingIOError:
                pass
            except OSError:  # the server has had enough of it
                unsent[sock] = b""
        highest = max(highest, megabytes(server))
        await asyncio.to_thread(select.select, [], [sock for sock, left in unsent.items() if left], [], 0.02)
    for sock in unsent:
        sock.close()
    return highest


async def main(cases: list[str]) -> int:
    """Run the cases and say what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
        assert added.code == 0, added
        settings = {
            "STOCKTRACK_WEB_PORT": "0",
            "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": str(PRICE_SECONDS),
            "STOCKTRACK_COMMANDS_PER_SECOND": "1000",
        }
        for name, connections in itertools.product(cases, CONNECTIONS):
            try:
                async with server_process(home, **settings) as server:
                    page = (await server.logged("ready"))["page"]
                    port = int(page.rstrip("/").rpartition(":")[2])
                    async with canary(server, page) as seen:
                        before = megabytes(server)
                        highest = await attack(server, port, CASES[name](), connections)
                    await asyncio.sleep(AFTER_SECONDS)
                    after = megabytes(server)
            except TimeoutError:
                print("the server did not end within ten seconds of a SIGTERM", flush=True)
            print(f"{name}, {connections}: {before:.0f} → {highest:.0f} → {after:.0f} MB; {seen.text}", flush=True)
            if errors := [entry for entry in server.log if entry.get("level") == "error"]:
                print(f"   and {len(errors)} errors in the log, the first: {str(errors[0])[:400]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:] or list(CASES))))
