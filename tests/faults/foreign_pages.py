"""A page of another site in a real browser, on the machine of a real server: what it can make happen there.

    PYTHONPATH=src:tests/support python tests/faults/foreign_pages.py [PART OF AN ATTACK'S NAME]

The server is a classroom's (`allowlist`), on loopback, as it is by default; each attack has one of its own. The page
speaks to the TCP port in every way that a browser has, and comes under a name of its own that points at this machine
(DNS rebinding); and somebody far away comes through a proxy on this machine. It prints what each reached and how long
an honest login takes after it, and exits 1 where any reached something.
Measured: 0 of 13. Before anybody looked at the first bytes, the Host and the signs of a proxy it was 5: a fetch, a
beacon and a rebound WebSocket changed the list, and through a proxy both doors let a stranger in without a login.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from browser import chromium
from foreign_page import WAYS, foreign_page
from live_server import PASSWORD
from server_process import ServerProcess, run_stocktrack, server_process

EVIL = "evil.example"
FAILURES_PER_MINUTE = 12
COMMANDS = ({"type": "AUTH", "username": "pupil"}, {"type": "SUBSCRIBE", "symbols": ["TSLA"]})
WRONG_LOGIN = {"type": "AUTH", "username": "ann", "password": "wrong SeCrEt"}
# A session takes three, and a browser that is greeted in another protocol may hang up before it has sent the body.
REQUESTS = 12
# What a request has begun goes on after the browser has gone.
AFTERMATH_SECONDS = 1.0
# What a page under our own origin does, as it would be after its name was made to point here.
REBOUND_SOCKET = """([commands]) => new Promise((resolve) => {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws");
  socket.onopen = () => commands.forEach((command) => socket.send(JSON.stringify(command)));
  socket.onmessage = ({data}) => data.includes('"SUBSCRIBE"') && resolve("subscribed");
  socket.onerror = () => resolve("refused");
  setTimeout(() => resolve("timeout"), 3000);
})"""
# A Blob without a type needs no leave from the server (CORS).
LOGINS = """async ([address, body, count]) => {
  for (let number = 0; number < count; number += 1)
    await fetch(address, {mode: "no-cors", method: "POST", body: new Blob([body])}).catch(() => {});
}"""


class Scene:
    """One server, and a page of another site in a browser on its machine."""

    def __init__(self, server: ServerProcess, web: str, page: Page) -> None:
        self.server = server
        self.web = web
        self.page = page

    @property
    def tcp(self) -> str:
        """The TCP port as a browser calls it."""
        return f"http://127.0.0.1:{self.server.port}/"

    @property
    def rebound(self) -> str:
        """The web port under the page's own name."""
        return f"http://{EVIL}:{urlsplit(self.web).port}/"

    async def login(self, name: str, password: str) -> tuple[int, float]:
        """The code of a login, and the milliseconds that it took."""
        began = time.monotonic()
        client = await self.server.connect()
        code: int = (await client.ask({"type": "AUTH", "username": name, "password": password}))["code"]
        await client.close()
        return code, (time.monotonic() - began) * 1_000

    async def harm(self) -> tuple[str, float]:
        """What is not as it was before, in words; and the milliseconds of ann's login."""
        pupil = await self.server.connect()
        await pupil.ask({"type": "AUTH", "username": "pupil"})
        symbols = (await pupil.ask({"type": "MY_STOCKS"}))["symbols"]
        await pupil.close()
        code, milliseconds = await self.login("ann", PASSWORD)
        throttled, _ = await self.login("nobody", "wrong SeCrEt")
        words = [
            *([f"list changed to {symbols}"] if symbols else []),
            *(["address throttled"] if throttled == 429 else []),
            *([f"ann's login got {code}"] if code != 200 else []),
        ]
        return ", ".join(words), milliseconds


Attack = Callable[[Scene], Awaitable[str]]


def lines(*commands: dict[str, Any]) -> str:
    """The commands as a body of lines."""
    return "".join(json.dumps(command) + "\n" for command in commands)


def to_tcp(way: str, body: str) -> Attack:
    """A page sends lines to the TCP port, in one of the ways that a browser has."""

    async def attack(scene: Scene) -> str:
        async with foreign_page() as address:
            await scene.page.goto(address)
            for _ in range(REQUESTS):
                await scene.page.evaluate(WAYS[way], [scene.tcp, body])
        return ""

    return attack


async def rebound_socket(scene: Scene) -> str:
    """The page's own name points at this machine: for the browser they are one origin."""
    await scene.page.goto(scene.rebound)
    await scene.page.evaluate(REBOUND_SOCKET, [COMMANDS])
    return ""


async def rebound_logins(scene: Scene) -> str:
    """The same, over REST."""
    await scene.page.goto(scene.rebound)
    body = json.dumps({"username": "ann", "password": "wrong SeCrEt"})
    await scene.page.evaluate(LOGINS, ["/api/v1/login", body, 3 * REQUESTS])
    return ""


async def foreign_logins(scene: Scene) -> str:
    """A page of another site tries logins over REST, and may not read the answers."""
    async with foreign_page() as address:
        await scene.page.goto(address)
        body = json.dumps({"username": "ann", "password": "wrong SeCrEt"})
        await scene.page.evaluate(LOGINS, [f"{scene.web}api/v1/login", body, 3 * REQUESTS])
    return ""


def proxied(path: str, messages: str, sign: str) -> Attack:
    """Somebody far away comes through a proxy on this machine."""

    async def attack(scene: Scene) -> str:
        url = f"{scene.web.replace('http', 'ws', 1)}{path}"
        with contextlib.suppress(WebSocketException, TimeoutError):
            async with connect(url, additional_headers={"X-Forwarded-For": "203.0.113.9"}) as socket:
                for message in messages.splitlines():
                    await socket.send(message)
                async with asyncio.timeout(3):
                    while sign not in str(await socket.recv()):
                        pass
            return "let in without a login"
        return ""

    return attack


ATTACKS: dict[str, Attack] = {
    **{f"{way} to the TCP port, commands": to_tcp(way, lines(*COMMANDS)) for way in WAYS},
    **{f"{way} to the TCP port, wrong logins": to_tcp(way, lines(*[WRONG_LOGIN] * 3)) for way in WAYS},
    "rebinding, a WebSocket": rebound_socket,
    "rebinding, logins over REST": rebound_logins,
    "a foreign page, logins over REST": foreign_logins,
    "through a proxy, /ws by a listed name": proxied("ws", lines(*COMMANDS), '"SUBSCRIBE","code":200'),
    "through a proxy, /live-price as a guest": proxied(
        "live-price", '{"action":"subscribe","symbol":"AAPL"}', '"price"'
    ),
}


async def run(browser: Browser, name: str) -> bool:
    """One attack on a server of its own; whether it reached something."""
    with tempfile.TemporaryDirectory(prefix="stocktrack-foreign-pages-") as folder:
        home = Path(folder)
        added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
        assert added.code == 0, added.err
        settings = {
            "STOCKTRACK_ALLOWLIST": "pupil",
            "STOCKTRACK_WEB_PORT": "0",
            "STOCKTRACK_LOGIN_FAILURES_PER_MINUTE": str(FAILURES_PER_MINUTE),
        }
        async with server_process(home, **settings) as server:
            context = await browser.new_context()
            scene = Scene(server, (await server.logged("ready"))["page"], await context.new_page())
            reached = await ATTACKS[name](scene)
            await asyncio.sleep(AFTERMATH_SECONDS)
            harm, milliseconds = await scene.harm()
            await context.close()
    told = ", ".join(filter(None, (reached, harm)))
    print(f"  {name:<42} {told or 'nothing':<42} ann's login {milliseconds:5.0f} ms", flush=True)
    return bool(told)


async def main() -> int:
    """Run all of them and say what was reached."""
    async with chromium(f"--host-resolver-rules=MAP {EVIL} 127.0.0.1") as browser:
        reached = [await run(browser, name) for name in ATTACKS if all(part in name for part in sys.argv[1:])]
    print(f"{sum(reached)} of {len(reached)} attacks reached something")
    return int(any(reached))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
