"""What a server keeps to itself: no secret stands in its log, and nobody else may read its files."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from live_server import PASSWORD, RawClient
from server_process import run_stocktrack, server_process

WRONG = "SeCrEt-and-wrong"


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home in which the user ann is known."""
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added
    return tmp_path


def auth(password: object, **more: object) -> bytes:
    return json.dumps({"type": "AUTH", "username": "ann", "password": password, **more}).encode() + b"\n"


async def test_whatever_clients_send_no_password_of_theirs_is_logged_at_any_level(home: Path) -> None:
    lines = [
        auth(WRONG),
        auth([WRONG]),
        auth({"a": WRONG}),
        auth(WRONG, extra=WRONG),
        auth(WRONG).replace(b'"password"', b'"passwort"'),
        auth(WRONG)[:-3] + b"\n",
        auth(WRONG).replace(b'"AUTH"', f'"{WRONG}"'.encode()),
        json.dumps({"type": "AUTH", "username": WRONG, "password": WRONG}).encode() + b"\n",
        json.dumps({"type": "AUTH", "token": WRONG}).encode() + b"\n",
        json.dumps({"type": "AUTH", "token": f"eyJhbGciOiJub25lIn0.{WRONG}.{WRONG}"}).encode() + b"\n",
        WRONG.encode() + b"\n",
        auth(PASSWORD),
        json.dumps({"type": "GET", "symbol": WRONG}).encode() + b"\n",
        json.dumps({"type": "SEARCH", "query": "apple", "password": WRONG}).encode() + b"\n",
    ]
    # server_process itself looks for these passwords in all that was written.
    async with server_process(home, STOCKTRACK_LOG_LEVEL="debug", STOCKTRACK_LOGIN_FAILURES_PER_MINUTE="2") as server:
        for line in lines:
            client = await RawClient.connect(server.host, server.port)
            client.send(line, auth(PASSWORD), {"type": "LOGOUT"})
            assert (await client.rest())[-1]["type"] in {"LOGOUT", "AUTH", "ERROR"}
            await client.close()
        cut = await RawClient.connect(server.host, server.port)
        cut.send(auth(WRONG)[:-1])
        cut.end_input()
        await cut.rest()
        await cut.close()
        long = await RawClient.connect(server.host, server.port)
        long.send(auth(WRONG * 10_000))
        await long.rest()
        await long.close()
        server.signal(signal.SIGHUP)
        await server.logged("settings reloaded")
        text = server.text
    assert "ann" in text, "nothing of the logins was logged at all"
    assert "$argon2" not in text


async def test_the_data_folder_and_all_in_it_are_for_its_owner_alone(home: Path) -> None:
    # Whatever the umask of whoever starts it.
    old = os.umask(0)
    try:
        async with server_process(home, STOCKTRACK_DATA_DIR=str(home / "kept")) as server:
            added = await run_stocktrack(
                home,
                *("users", "add", "bob", "--password-stdin"),
                stdin=f"{PASSWORD}\n".encode(),
                STOCKTRACK_DATA_DIR=str(home / "kept"),
            )
            assert added.code == 0, added
            client = await server.log_in("bob")
            await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 5})
            await client.close()
            modes = _modes(home / "kept")
    finally:
        os.umask(old)
    assert {mode for kind, mode in modes.values() if kind == "folder"} == {0o700}, modes
    assert {mode for kind, mode in modes.values() if kind == "file"} == {0o600}, modes
    assert {"server.lock", "stocktrack.db"} <= {Path(name).name for name in modes}


def _modes(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): ("folder" if path.is_dir() else "file", stat.S_IMODE(path.stat().st_mode))
        for path in (folder, *folder.rglob("*"))
    }
