"""Sessions that outlive the login that opened them: each way in which a login ends, at each door of a real server.

    PYTHONPATH=tests/support python tests/faults/stale_identity.py

Somebody is logged in at every door and is pushed prices; then the operator, or the user from elsewhere, ends the login.
For each door it is told what the session still could do a moment later, and after how many seconds it was over. It
takes a minute or two, needs the extra `socketio`, and exits 1 where a session that should end lives longer than
`LIMIT_SECONDS`, or where one ends that should go on.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from live_server import PASSWORD, RawClient
from server_process import ServerProcess, run_stocktrack, server_process

LIMIT_SECONDS = 6.0
WATCHED_SECONDS = 8.0
NEW_PASSWORD = f"{PASSWORD} staple"
PASSWORD_LINE = f"{PASSWORD}\n".encode()


class Door(Protocol):
    """One session at one door."""

    async def try_it(self) -> str:
        """What it still can do."""
        ...

    async def until_over(self) -> None:
        """Return when the session is over."""
        ...


class LineDoor:
    """A session at the TCP port or at /ws; `receive` raises where it is over."""

    def __init__(self, send: Callable[[bytes], Coroutine[Any, Any, None]], receive: Callable[[], Any]) -> None:
        self._send = send
        self._receive = receive

    async def ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to a command; a NOTICE that says that the session is over is one too."""
        await self._send(json.dumps(command).encode() + b"\n")
        while True:
            line: dict[str, Any] = await self._receive()
            if line["type"] in {command["type"], "ERROR"} or (line["type"] == "NOTICE" and line["code"] == 401):
                return line

    async def try_it(self) -> str:
        """Ask for a token, as whoever took the login over would, and for what is for administrators."""
        found = []
        try:
            for kind in ("TOKEN", "SESSIONS"):
                reply = await self.ask({"type": kind})
                found.append(f"{kind} {reply['code']}")
        except (EOFError, ConnectionError, ConnectionClosed):
            found.append("closed")
        return ", ".join(found)

    async def until_over(self) -> None:
        """Read until the server closes."""
        with contextlib.suppress(EOFError, ConnectionError, ConnectionClosed):
            while True:
                await self._receive()


class TcpDoor(LineDoor):
    """A session at the TCP port."""

    def __init__(self, client: RawClient) -> None:
        async def send(line: bytes) -> None:
            client.send(line)

        super().__init__(send, client.receive)


class WebSocketDoor(LineDoor):
    """A session at /ws."""

    def __init__(self, socket: ClientConnection) -> None:
        lines: list[str] = []

        async def send(line: bytes) -> None:
            await socket.send(line.decode())

        async def receive() -> Any:
            while not lines:
                lines.extend(str(await socket.recv()).splitlines())
            return json.loads(lines.pop(0))

        super().__init__(send, receive)


class ObjectDoor:
    """A session at /live-price or of Socket.IO: it can only listen."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def try_it(self) -> str:
        """Whether a price still comes within a second."""
        try:
            async with asyncio.timeout(1.0):
                while '"price"' not in await self.receive():
                    pass
        except (TimeoutError, ConnectionClosed):
            return "no prices"
        return "prices"

    async def until_over(self) -> None:
        """Read until the server closes."""
        with contextlib.suppress(ConnectionClosed):
            while not (await self.receive()).startswith(("1", "41")):  # what Engine.IO and Socket.IO say at the end
                pass

    async def receive(self) -> str:
        """The next message; Engine.IO's pings are answered."""
        while (message := str(await self._socket.recv())) == "2":
            await self._socket.send("3")
        return message


class RestDoor:
    """A user of REST who asks again and again."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    async def try_it(self) -> str:
        """The status of a request."""
        return f"GET {await asyncio.to_thread(self._get)}"

    async def until_over(self) -> None:
        """Ask until it is refused."""
        while await asyncio.to_thread(self._get) == 200:
            await asyncio.to_thread(time.sleep, 0.2)

    def _get(self) -> int:
        request = urllib.request.Request(  # noqa: S310 - this script's own server
            f"{self._url}/api/v1/quotes?symbols=AAPL", headers={"authorization": f"Bearer {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@dataclass
class Scene:
    """A server, its home, and the user of one case, with a token."""

    home: Path
    server: ServerProcess
    url: str
    name: str
    token: str
    token_id: str

    async def run(self, *arguments: str, stdin: bytes = b"") -> bool:
        """Run a command of the operator, and say whether there is such a one."""
        finished = await run_stocktrack(self.home, "users", *arguments, stdin=stdin)
        return finished.code == 0


@dataclass(frozen=True)
class Case:
    """How a login ends, and which sessions end with it: those of a password, of a token, or both."""

    name: str
    act: Callable[[Scene], Coroutine[Any, Any, bool]]
    ends: frozenset[str]
    is_token_short: bool = False


BOTH = frozenset({"password", "token"})


async def _add_again(scene: Scene) -> bool:
    await scene.run("remove", scene.name)
    return await scene.run("add", scene.name, "--admin", "--password-stdin", stdin=f"{NEW_PASSWORD}\n".encode())


async def _by_the_user(scene: Scene) -> bool:
    client = await scene.server.log_in(scene.name)
    reply = await client.ask({"type": "PASSWORD", "password": PASSWORD, "new_password": NEW_PASSWORD})
    await client.close()
    return bool(reply["code"] == 200)


async def _nothing(_: Scene) -> bool:
    return True


CASES = (
    Case("users passwd", lambda s: s.run("passwd", s.name, "--password-stdin", stdin=NEW_PASSWORD.encode()), BOTH),
    Case(
        "users passwd --keep-tokens",
        lambda s: s.run("passwd", s.name, "--keep-tokens", "--password-stdin", stdin=NEW_PASSWORD.encode()),
        frozenset({"password"}),
    ),
    Case("users revoke NAME", lambda s: s.run("revoke", s.name), BOTH),
    Case("users revoke NAME TOKEN_ID", lambda s: s.run("revoke", s.name, s.token_id), frozenset({"token"})),
    Case("users remove", lambda s: s.run("remove", s.name), BOTH),
    Case("users remove, then add --admin", _add_again, BOTH),
    Case("users disable", lambda s: s.run("disable", s.name), BOTH),
    Case("PASSWORD, sent elsewhere", _by_the_user, BOTH),
    Case("a token that expires in 3 s", _nothing, frozenset({"token"}), is_token_short=True),
)


async def log_in_lines(door: LineDoor, login: Mapping[str, Any]) -> LineDoor:
    """Log in and have prices pushed."""
    for command in ({"type": "AUTH", **login}, {"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0, "save": False}):
        reply = await door.ask(command)
        assert reply["code"] == 200, reply
    return door


@contextlib.asynccontextmanager
async def all_doors(scene: Scene) -> AsyncIterator[dict[tuple[str, str], Door]]:
    """A session at each door, by the door's name and by what it was opened with."""
    doors: dict[tuple[str, str], Door] = {}
    by_password, by_token = {"username": scene.name, "password": PASSWORD}, {"token": scene.token}
    base = scene.url.replace("http", "ws", 1)
    async with contextlib.AsyncExitStack() as stack:
        for kind, login in (("password", by_password), ("token", by_token)):
            tcp = await scene.server.connect()
            stack.push_async_callback(tcp.close)
            doors["TCP", kind] = await log_in_lines(TcpDoor(tcp), login)
            socket = await stack.enter_async_context(connect(f"{base}/ws"))
            doors["/ws", kind] = await log_in_lines(WebSocketDoor(socket), login)
        live = await stack.enter_async_context(connect(f"{base}/live-price?token={scene.token}"))
        await live.send('{"action":"subscribe","symbol":"AAPL"}')
        doors["/live-price", "token"] = ObjectDoor(live)
        socketio = await stack.enter_async_context(connect(f"{base}/socket.io/?EIO=4&transport=websocket"))
        await socketio.recv()
        await socketio.send(f"40{json.dumps({'token': scene.token})}")
        while not str(await socketio.recv()).startswith("42"):
            pass
        await socketio.send('42["subscribe","AAPL"]')
        doors["Socket.IO", "token"] = ObjectDoor(socketio)
        doors["REST", "token"] = RestDoor(scene.url, scene.token)
        yield doors


async def watch(door: Door, began: float) -> tuple[str, float | None]:
    """What the session still can do, and after how many seconds it was over."""
    found = await door.try_it()
    try:
        async with asyncio.timeout(WATCHED_SECONDS - (time.monotonic() - began)):
            await door.until_over()
    except TimeoutError:
        return found, None
    return found, time.monotonic() - began


async def judge(case: Case, scene: Scene) -> int:
    """Print what became of each session in this case; how many were wrong."""
    mistakes = 0
    async with all_doors(scene) as doors:
        print(f"\n{case.name}")
        if not await case.act(scene):
            print("    cannot be done with this version")
            return 1
        began = time.monotonic()
        results = await asyncio.gather(*(watch(door, began) for door in doors.values()))
    for (name, kind), (found, seconds) in zip(doors, results, strict=True):
        is_right = seconds is not None and seconds <= LIMIT_SECONDS if kind in case.ends else seconds is None
        mistakes += not is_right
        over = f"lived on for {WATCHED_SECONDS:g} s" if seconds is None else f"over after {seconds:.1f} s"
        print(f"    {'' if is_right else 'WRONG '}{name}, by {kind}: {found}; {over}")
    return mistakes


async def make_scene(number: int, case: Case, home: Path, server: ServerProcess, url: str) -> Scene:
    """A user with a token, which has its id where this version gives one."""
    name = f"user{number}"
    added = await run_stocktrack(home, "users", "add", name, "--password-stdin", stdin=PASSWORD_LINE)
    assert added.code == 0, added
    client = await server.log_in(name)
    made = await client.ask({"type": "TOKEN"})
    await client.close()
    token = made["token"]
    if case.is_token_short:
        [secret] = home.glob("data/*/token.secret")  # noqa: ASYNC240 - nothing else runs meanwhile
        claims = jwt.decode(token, options={"verify_signature": False}) | {"exp": int(time.time()) + 3}
        token = jwt.encode(claims, hashlib.sha256(secret.read_bytes().strip()).digest(), algorithm="HS256")
    return Scene(home, server, url, name, token, made.get("token_id", "none"))


async def main() -> int:
    """Run it all; the number of sessions that were wrong."""
    mistakes = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with server_process(
            home,
            STOCKTRACK_WEB_PORT="0",
            STOCKTRACK_SIMULATED_INTERVAL_SECONDS="0.2",
            STOCKTRACK_LIVE_PRICE_NEEDS_TOKEN="always",
        ) as server:
            url = (await server.logged("ready"))["page"].rstrip("/")
            for number, case in enumerate(CASES):
                mistakes += await judge(case, await make_scene(number, case, home, server, url))
    print(f"\n{mistakes} sessions did what they should not.")
    return int(mistakes > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
