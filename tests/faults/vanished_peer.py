"""A client whose machine vanishes without a word: the server must find out within 35 seconds, quiet or busy.

    PYTHONPATH=tests/support python tests/faults/vanished_peer.py

Server and client run in two network namespaces of this machine; then the client's loses its address, so that nothing
answers any more. It needs root and iproute2, takes some 40 seconds, and exits 1 where a session lives too long.
Measured: 30.3 s for one, 31.1 s for the other.
"""

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from live_server import PASSWORD, RawClient
from server_process import STOCKTRACK, run_stocktrack, server_process

LIMIT_SECONDS = 35.0
SERVER, CLIENT = f"stserver{os.getpid()}", f"stclient{os.getpid()}"
SERVER_ADDRESS, CLIENT_ADDRESS = "10.200.0.1", "10.200.0.2"


def ip(*arguments: str) -> None:
    """Run `ip` with these arguments."""
    subprocess.run(["ip", *arguments], check=True)  # noqa: S603, S607 - the arguments are in this file


def lay_cable() -> None:
    """Two namespaces with a cable between them."""
    ip("netns", "add", SERVER)
    ip("netns", "add", CLIENT)
    ip("link", "add", "server", "netns", SERVER, "type", "veth", "peer", "name", "client", "netns", CLIENT)
    for name, link, address in ((SERVER, "server", SERVER_ADDRESS), (CLIENT, "client", CLIENT_ADDRESS)):
        ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
        ip("-n", name, "link", "set", link, "up")


def vanish() -> None:
    """The client's machine is gone, and no router says so: its packets go where nobody takes them."""
    ip("-n", SERVER, "neigh", "replace", CLIENT_ADDRESS, "lladdr", "02:00:00:00:00:01", "dev", "server")


async def client(port: int) -> None:
    """A quiet session and a busy one, in the client's namespace, until the parent ends it."""
    quiet = await RawClient.connect(SERVER_ADDRESS, port)
    busy = await RawClient.connect(SERVER_ADDRESS, port)
    for each in (quiet, busy):
        reply = await each.ask({"type": "AUTH", "username": "ann", "password": PASSWORD})
        assert reply["code"] == 200, reply
    reply = await busy.ask({"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0})
    assert reply["code"] == 200, reply
    print("ready", flush=True)
    await asyncio.Event().wait()


async def main() -> int:
    """Run it all and say what was seen."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("skipped: it needs root and iproute2")
        return 0
    lay_cable()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
        assert added.code == 0, added
        program = ("ip", "netns", "exec", SERVER, *STOCKTRACK, "serve")
        async with server_process(
            home,
            "--no-web",
            program=program,
            STOCKTRACK_HOST=SERVER_ADDRESS,
            STOCKTRACK_LOG_LEVEL="debug",
            # No heartbeat disturbs the quiet session: keep-alive alone has to find out.
            STOCKTRACK_HEARTBEAT_SECONDS="3600",
        ) as server:
            arguments = ("netns", "exec", CLIENT, sys.executable, __file__, str(server.port))
            process = await asyncio.create_subprocess_exec("ip", *arguments, stdout=asyncio.subprocess.PIPE)
            try:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
                vanish()
                began = time.monotonic()
                seconds = []
                for number in itertools.count(1):
                    while len([line for line in server.log if line.get("why") == "the connection closed"]) < number:
                        server._grown.clear()
                        await asyncio.wait_for(server._grown.wait(), 2 * LIMIT_SECONDS)
                    seconds.append(time.monotonic() - began)
                    if number == 2:
                        break
            finally:
                process.kill()
                await process.wait()
    first, second = seconds
    print(f"the two sessions were found dead after {first:.1f} and {second:.1f} s; the limit is {LIMIT_SECONDS:g} s")
    return int(max(seconds) > LIMIT_SECONDS)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(client(int(sys.argv[1])))
    else:
        try:
            sys.exit(asyncio.run(main()))
        finally:
            for name in (SERVER, CLIENT):
                subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)  # noqa: S603, S607
