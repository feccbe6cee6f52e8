"""A page of another site in a real browser, on the machine of a real server: what it can make happen there.

    PYTHONPATH=src:tests/support python tests/faults/foreign_pages.py

The server is a classroom's (`allowlist`), on loopback, as it is by default. The page speaks to the TCP port in every way
that a browser has, then comes under a name of its own that points at this machine (DNS rebinding), and a proxy that
nobody trusts forwards it. It prints what each attack reached and how long an honest login takes, and exits 1 where any
reached something. Before there was a look at the first bytes and at the Host, 8 of these 13 attacks succeeded.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from browser import chromium
from foreign_page import WAYS, foreign_page
from live_server import PASSWORD
from server_process import ServerProcess, run_stocktrack, server_process

EVIL = "evil.example"
COMMANDS = [{"type": "AUTH", "username": "pupil"}, {"type": "SUBSCRIBE", "symbols": ["TSLA"]}]
WRONG_LOGINS = [{"type": "AUTH", "username": "ann", "password": "wrong SeCrEt"}] * 2
# What a page under our own origin does, as it would be after its name was made to point here.
REBOUND = """([commands]) => new Promise((resolve) => {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws");
  socket.onopen = () => commands.forEach((command) => socket.send(JSON.stringify(command)));
  socket.onmessage = ({data}) => data.includes('"SUBSCRIBE"') && resolve("subscribed");
  socket.onerror = () => resolve("refused");
  setTimeout(() => resolve("timeout"), 3000);
})"""


class Scene:
    """The server that is attacked, and what the attacks reached."""

    def __init__(self, server: ServerProcess, web: str) -> None:
        self.server = server
        self.web = web
        self.reached: dict[str, str] = {}

    @property
    def tcp(self) -> str:
        """The TCP port as a browser calls it."""
        return f"http://127.0.0.1:{self.server.port}/"

    async def pupils_list(self) -> list[str]:
        """What is saved for pupil; it is emptied again."""
        pupil = await self.server.connect()
        await pupil.ask({"type": "AUTH", "username": "pupil"})
        symbols: list[str] = (await pupil.ask({"type": "MY_STOCKS"}))["symbols"]
        if symbols:
            await pupil.ask({"type": "UNSUBSCRIBE"})
        await pupil.close()
        return symbols

    async def login_of_ann(self) -> tuple[int, float]:
        """The code of an honest login, and the milliseconds that it took."""
        began = time.monotonic()
        ann = await self.server.connect()
        code: int = (await ann.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"]
        await ann.close()
        return code, (time.monotonic() - began) * 1_000

    async def attack(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do it, and note whether the list changed or ann is locked out."""
        await work()
        changed = await self.pupils_list()
        code, milliseconds = await self.login_of_ann()
        harm = [f"list changed to {changed}"] * bool(changed) + [f"ann's login got {code}"] * (code != 200)
        self.reached[name] = ", ".join(harm)
        print(f"  {name:<44} {self.reached[name] or 'nothing':<36} login {milliseconds:5.0f} ms", flush=True)


def lines(commands: list[dict[str, object]]) -> str:
    """The commands as a body of lines."""
    return "".join(json.dumps(command) + "\n" for command in commands)


async def speak_to_tcp(scene: Scene, page: Page) -> None:
    """Every way in which a page can send bytes to a port."""
    async with foreign_page() as address:
        for way, script in WAYS.items():
            for what, commands in (("commands", COMMANDS), ("wrong logins", WRONG_LOGINS)):

                async def work(script: str = script, body: str = lines(commands)) -> None:  # type: ignore[arg-type] # of str
                    await page.goto(address)
                    for _ in range(3):
                        await page.evaluate(script, [scene.tcp, body])

                await scene.attack(f"{way} to the TCP port, {what}", work)


async def rebind(scene: Scene, page: Page) -> None:
    """The page's own name points at this machine: the browser holds it for one origin with the server."""
    port = urlsplit(scene.web).port

    async def work() -> None:
        answer = await page.goto(f"http://{EVIL}:{port}/")
        print(f"    GET / under {EVIL}: {answer.status if answer is not None else None}")
        await page.evaluate(REBOUND, [COMMANDS])

    await scene.attack("rebinding, a WebSocket from the page", work)

    async def login() -> None:
        await page.evaluate(
            """async ([body]) => { for (let n = 0; n < 3; n += 1) await fetch("/api/v1/login", {method: "POST", body}); }""",
            [json.dumps({"username": "ann", "password": "wrong SeCrEt"})],
        )

    await scene.attack("rebinding, wrong logins over REST", login)


async def login_from_afar(scene: Scene, page: Page) -> None:
    """A foreign page tries logins over REST: a Blob without a type needs no leave from the server (CORS)."""
    async with foreign_page() as address:

        async def work() -> None:
            await page.goto(address)
            await page.evaluate(
                """async ([address, body]) => {
                  for (let n = 0; n < 3; n += 1)
                    await fetch(address, {mode: "no-cors", method: "POST", body: new Blob([body])}).catch(() => {});
                }""",
                [f"{scene.web}api/v1/login", json.dumps({"username": "ann", "password": "wrong SeCrEt"})],
            )

        await scene.attack("a foreign page, wrong logins over REST", work)


async def come_through_a_proxy(scene: Scene) -> None:
    """What a proxy on this machine forwards comes from loopback, and from anywhere."""
    for path, talk, sign in (
        ("ws", lines(COMMANDS).splitlines(), '"SUBSCRIBE","code":200'),  # type: ignore[arg-type] # of str
        ("live-price", ['{"action":"subscribe","symbol":"AAPL"}'], '"price"'),
    ):
        reached = ""
        try:
            url = f"{scene.web.replace('http', 'ws', 1)}{path}"
            async with connect(url, additional_headers={"X-Forwarded-For": "203.0.113.9"}) as socket:
                for message in talk:
                    await socket.send(message)
                async with asyncio.timeout(3):
                    while sign not in str(await socket.recv()):
                        pass
            reached = "let in without a login"
        except (WebSocketException, TimeoutError):
            pass
        name = f"through a proxy, /{path}"
        scene.reached[name] = reached
        print(f"  {name:<44} {reached or 'nothing'}", flush=True)
    await scene.pupils_list()


async def run(browser: Browser, home: Path) -> Scene:
    """All attacks on one server after the other, each with a fresh throttle."""
    added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    settings = {
        "STOCKTRACK_ALLOWLIST": "pupil",
        "STOCKTRACK_WEB_PORT": "0",
        "STOCKTRACK_LOGIN_FAILURES_PER_MINUTE": "3",
    }
    reached: dict[str, str] = {}
    scene = None
    for attacks in (speak_to_tcp, rebind, login_from_afar):
        async with server_process(home, **settings) as server:
            scene = Scene(server, (await server.logged("ready"))["page"])
            context = await browser.new_context()
            await attacks(scene, await context.new_page())
            await context.close()
            reached |= scene.reached
    async with server_process(home, **settings) as server:
        scene = Scene(server, (await server.logged("ready"))["page"])
        await come_through_a_proxy(scene)
        scene.reached = reached | scene.reached
    return scene


async def main() -> int:
    """Run it and say what was reached."""
    with tempfile.TemporaryDirectory(prefix="stocktrack-foreign-pages-") as folder:
        async with chromium(f"--host-resolver-rules=MAP {EVIL} 127.0.0.1") as browser:
            scene = await run(browser, Path(folder))
    succeeded = [name for name, reached in scene.reached.items() if reached]
    print(f"{len(succeeded)} of {len(scene.reached)} attacks reached something")
    return int(bool(succeeded))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
