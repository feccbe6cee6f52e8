"""The server's CPU for a price over WebSocket and as server-sent events against TCP, side by side on one server.

    gcc -O2 -o ws_drain bench/ws_drain.c
    python bench/web_fanout.py --drain ./ws_drain --clients 1000 --rounds 3

By default that is 1,000 sessions of 100 symbols, 10 times a second. The doors take turns, so that what else the machine
does weighs on all of them; a round's ratios are what counts.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from served import Served, served

USER, PASSWORD = "bench", "bench password"


async def measure(door: str, port: int, server: Served, commands: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What `ws_drain` prints of one door."""
    process = await asyncio.create_subprocess_exec(
        *(str(options.drain.resolve()), door, "127.0.0.1", str(port), str(options.clients)),
        *(str(options.warm_seconds), str(options.seconds), str(commands), str(server.ready["pid"])),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"ws_drain {door} exited with {process.returncode}")
    result: dict[str, Any] = json.loads(out)
    if result["closed"]:
        raise RuntimeError(f"the server closed {result['closed']} of {result['clients']} clients at the door {door}")
    return result


async def run(options: argparse.Namespace) -> None:
    """Measure the doors in turns and print a line each, then the ratios."""
    settings = {"WEB_PORT": "0", "SIMULATED_INTERVAL_SECONDS": str(1 / options.hertz), "MAX_SESSIONS": "20000"}
    symbols = [f"S{number:04}" for number in range(options.symbols)]
    ratios: dict[str, list[float]] = {"ws": [], "sse": []}
    async with served(**settings, EVENT_LOOP=options.event_loop) as server:
        await server.stocktrack("users", "add", USER, "--password-stdin", stdin=f"{PASSWORD}\n")
        with tempfile.TemporaryDirectory() as folder:
            commands, request = Path(folder) / "commands", Path(folder) / "request"
            lines = (
                {"type": "AUTH", "username": USER, "password": PASSWORD},
                {"type": "SUBSCRIBE", "symbols": symbols, "interval": 0, "save": False},
            )
            commands.write_text("".join(json.dumps(line) + "\n" for line in lines))
            web_port = urlsplit(server.ready["page"]).port or 80
            token = await server.stocktrack("users", "token", USER)
            request.write_text(
                f"GET /api/v1/stream?symbols={','.join(symbols)}&token={token} HTTP/1.1\r\n"
                f"Host: 127.0.0.1:{web_port}\r\n\r\n"
            )
            doors = {"tcp": (server.port, commands), "ws": (web_port, commands), "sse": (web_port, request)}
            for _ in range(options.rounds):
                cpu = {}
                for door, (port, what) in doors.items():
                    result = await measure(door, port, server, what, options)
                    cpu[door] = result["cpu_us_per_price"]
                    print(json.dumps(result), flush=True)
                for door, of_door in ratios.items():
                    of_door.append(cpu[door] / cpu["tcp"])
    for door, of_door in ratios.items():
        rounded = [round(ratio, 3) for ratio in of_door]
        print(json.dumps({f"{door}_to_tcp": rounded, "median": statistics.median(rounded)}))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drain", type=Path, default=Path("ws_drain"), help="the compiled client")
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--hertz", type=float, default=10.0)
    parser.add_argument("--warm-seconds", type=float, default=6.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--event-loop", default="auto", choices=("auto", "uvloop", "asyncio"))
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
