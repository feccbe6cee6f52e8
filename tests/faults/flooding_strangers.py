"""Strangers send the longest lines that they may, as fast as they can; how long does an honest login take meanwhile?

    PYTHONPATH=src:tests/support python tests/faults/flooding_strangers.py --strangers 20

Each stranger sends one long line after the other without a login, and begins again where it was closed. Every line is
a command that is no bad line and as expensive to parse as its length allows. It prints how long honest logins took
before and during the attack, the CPU that the server used, and ends with 1 where one took longer than `--within`.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from live_server import PASSWORD, RawClient
from server_process import run_stocktrack, server_process

SETTINGS = {"STOCKTRACK_LOG_FORMAT": "json"}


def longest_line(max_bytes: int) -> bytes:
    """A command that a stranger may not have run, with as many symbols as fit."""
    symbols = [f"S{number:03}" for number in range((max_bytes - 60) // 7)]
    return json.dumps({"type": "GET", "symbols": symbols}, separators=(",", ":")).encode() + b"\n"


async def flood(port: int, line: bytes, under_way: asyncio.Event) -> None:
    """Send `line` without end; when the server closes, connect again. `under_way` is set once it takes no more."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            reading = asyncio.ensure_future(_read_to_the_end(reader))
            try:
                while not reading.done():
                    writer.write(line)
                    if writer.transport.get_write_buffer_size() > 0:
                        under_way.set()
                    await asyncio.wait([asyncio.ensure_future(writer.drain()), reading], return_when="FIRST_COMPLETED")
                under_way.set()
            finally:
                reading.cancel()
                writer.transport.abort()
        await asyncio.sleep(0)


async def _read_to_the_end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass


async def honest_login(host: str, port: int) -> float:
    """The seconds from connecting to the answer to AUTH."""
    began = time.monotonic()
    client = await RawClient.connect(host, port)
    reply = await client.ask({"type": "AUTH", "username": "ann", "password": PASSWORD})
    assert reply["code"] == 200, reply
    await client.close()
    return time.monotonic() - began


async def main() -> int:
    """Run the attack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strangers", type=int, default=20)
    parser.add_argument("--logins", type=int, default=20)
    parser.add_argument("--line-bytes", type=int, default=0, help="0: the longest that is taken before a login")
    parser.add_argument("--within", type=float, default=1.0, help="seconds that an honest login may take")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stocktrack-faults-") as folder:
        home = Path(folder)
        added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode())
        assert added.code == 0, added.err
        async with server_process(home, "--provider", "simulated", **SETTINGS) as server:
            before = [await honest_login(server.host, server.port) for _ in range(options.logins)]
            line = longest_line(options.line_bytes or 4_096)
            under_way = [asyncio.Event() for _ in range(options.strangers)]
            strangers = [asyncio.create_task(flood(server.port, line, event)) for event in under_way]
            await asyncio.gather(*(event.wait() for event in under_way))
            during = [await honest_login(server.host, server.port) for _ in range(options.logins)]
            for stranger in strangers:
                stranger.cancel()
            await asyncio.gather(*strangers, return_exceptions=True)
    print(f"lines of {len(line)} bytes, {options.strangers} strangers, {options.logins} honest logins")
    for what, seconds in (("before", before), ("during", during)):
        print(f"  {what}: median {sorted(seconds)[len(seconds) // 2]:.3f} s, longest {max(seconds):.3f} s")
    return 0 if max(during) <= options.within else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
