"""How long clients wait that connect all at once, as after a restart, and what it costs the server at its limits.

    python bench/reconnect_storm.py --clients 2000 --event-loop asyncio
    python bench/reconnect_storm.py --clients 2000 --backlog 64 --accepts 64
    python bench/reconnect_storm.py --clients 1500 --descriptors 512 --rounds 5

It starts a real server with its own data folder on a free loopback port and ends it. A client counts as connected when
its three-way handshake is done, and as answered when the first line is there: a HELLO, or the NOTICE that refuses it.
"""

import argparse
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

PATIENCE_SECONDS = 10.0
SERVER = """
import resource, sys
import stocktrack.doors.listening as listening
backlog, accepts, descriptors = map(int, sys.argv.pop(1).split(","))
listening.BACKLOG = backlog or listening.BACKLOG
listening.ACCEPTS_IN_A_ROW = accepts or listening.ACCEPTS_IN_A_ROW
if descriptors:
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
from stocktrack.cli import main
main()
"""


@dataclass(slots=True)
class Storm:
    """What the clients of one round saw, in seconds since the first of them called."""

    connected: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


def storm(port: int, clients: int) -> Storm:
    """All clients connect at once, read their first line, and go when all have it."""
    result = Storm()
    selector = selectors.DefaultSelector()
    sockets = [socket.socket() for _ in range(clients)]
    began = time.perf_counter()
    for each in sockets:
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", port))
        selector.register(each, selectors.EVENT_WRITE, each)
    waiting = clients
    while waiting and time.perf_counter() - began < PATIENCE_SECONDS:
        for key, events in selector.select(1.0):
            sock: socket.socket = key.data
            now = time.perf_counter() - began
            if events & selectors.EVENT_WRITE:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    result.kinds["refused by the kernel"] += 1
                    selector.unregister(sock)
                    waiting -= 1
                    continue
                result.connected.append(now)
                selector.modify(sock, selectors.EVENT_READ, sock)
                continue
            try:
                line = sock.recv(65_536).partition(b"\n")[0]
            except ConnectionError:
                line = b""
            result.answered.append(now)
            message = json.loads(line) if line else {"type": "closed without a word"}
            result.kinds[message.get("reason", message["type"])] += 1
            selector.unregister(sock)
            waiting -= 1
    result.kinds["never answered"] += waiting
    for each in sockets:
        each.close()
    selector.close()
    return result


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (Linux)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - two lines, no paths
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(seconds: list[float]) -> str:
    """Median, 99th percentile and the last."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    picks = (ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])
    return " / ".join(f"{pick * 1000:.0f}" for pick in picks) + " ms"


def main() -> None:
    """Run the rounds and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--event-loop", default="uvloop", choices=("uvloop", "asyncio"))
    parser.add_argument("--backlog", type=int, default=0, help="0: what the server has")
    parser.add_argument("--accepts", type=int, default=0, help="accepts in a row; 0: what the server has")
    parser.add_argument("--descriptors", type=int, default=0, help="the server's limit of open files; 0: this shell's")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "STOCKTRACK_DATA_DIR": folder,
            "STOCKTRACK_PORT": "0",
            "STOCKTRACK_PROVIDERS": "simulated",
            "STOCKTRACK_LOG_FORMAT": "json",
            "STOCKTRACK_EVENT_LOOP": options.event_loop,
            "STOCKTRACK_MAX_UNAUTHENTICATED_SESSIONS": "100000",
        }
        given = f"{options.backlog},{options.accepts},{options.descriptors}"
        server = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", SERVER, given, "serve", "--no-web"], env=environment, stderr=subprocess.PIPE
        )
        output = server.stderr or sys.exit("The server has no output.")
        try:
            ready: dict[str, Any] = {}
            while "port" not in ready:
                text = output.readline()
                if not text.startswith(b"{"):
                    sys.exit(f"The server did not start: {text.decode()}")
                ready = json.loads(text)
            for _ in range(options.rounds):
                before = cpu_seconds(server.pid)
                seen = storm(ready["port"], options.clients)
                time.sleep(1.0)
                cost = cpu_seconds(server.pid) - before
                print(
                    f"{options.event_loop:8} connected {show(seen.connected):24} answered {show(seen.answered):24} "
                    f"cpu {cost:.2f} s  {dict(+seen.kinds)}"
                )
            before = cpu_seconds(server.pid)
            time.sleep(2.0)
            print(f"idle afterwards: {(cpu_seconds(server.pid) - before) / 2:.1%} of a core")
        finally:
            server.send_signal(signal.SIGTERM)
            lines = server.communicate()[1].decode().splitlines()
        print(f"log lines: {len(lines)}, exit code {server.returncode}")
        events = Counter(json.loads(line)["event"] if line.startswith("{") else line for line in lines)
        for event, times in events.items():
            print(f"  {times} x {event}")


if __name__ == "__main__":
    main()
