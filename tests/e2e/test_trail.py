"""The trail that real processes write, in both formats, and what fail2ban makes of it."""

import asyncio
import configparser
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from live_server import PASSWORD
from patience import PATIENCE_SECONDS
from server_process import STOCKTRACK, environment, run_stocktrack, server_process

FILTER = Path(__file__).parents[2] / "contrib/fail2ban/filter.d/stocktrack.conf"
# What <ADDR> stands for in a filter: fail2ban/server/failregex.py, R_HOST.
IP4 = r"(?:\d{1,3}\.){3}\d{1,3}"
IP6 = r"(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):)"
ADDR = rf"(?:(?:::f{{4,6}}:)?(?P<ip4>{IP4})|(?P<ip6>{IP6}))"
# What a datepattern's letters stand for: fail2ban/server/strptime.py.
DATE = {
    "%Y": r"\d{4}",
    "%m": r"\d\d",
    "%d": r"\d\d",
    "%H": r"\d\d",
    "%M": r"\d\d",
    "%S": r"\d\d",
    "%f": r"\d+",
    "%z": "Z",
}
# Names that would stand in the log as another address, another line or another event, were they not those of nobody.
FORGERIES = (
    "x address=203.0.113.9",
    "x' address=203.0.113.9 door=tcp why=wrong",
    'x", "address": "203.0.113.9", "event": "login_failed',
    "login_failed address=203.0.113.9 door=tcp why=wrong",
)
LogFormat = Literal["console", "json"]


class Filter:
    """Does what fail2ban does with a line: cuts the date out, and searches what is left for each failregex."""

    def __init__(self, path: Path) -> None:
        parser = configparser.ConfigParser()
        assert parser.read(path)
        section = parser["Definition"]
        self._dates = [self._date(line) for line in section["datepattern"].splitlines()]
        self._failures = [re.compile(line.replace("<ADDR>", ADDR)) for line in section["failregex"].splitlines()]

    @staticmethod
    def _date(pattern: str) -> "re.Pattern[str]":
        # A datepattern that begins with ^ is one at the beginning, any other may stand anywhere.
        return re.compile(re.sub("%[a-zA-Z]", lambda letter: DATE[letter[0]], pattern))

    def failure(self, line: str) -> str | None:
        """The address that the line counts against."""
        for date in self._dates:
            if found := date.search(line):
                rest = line[: found.start()] + line[found.end() :]
                for failure in self._failures:
                    if match := failure.search(rest):
                        return match["ip4"] or match["ip6"]
        return None


@contextlib.asynccontextmanager
async def serving(home: Path, log_format: LogFormat, **variables: str) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that writes its log in this format: its port, and the lines that it has written so far."""
    given = {"STOCKTRACK_PORT": "0", "STOCKTRACK_WEB_PORT": "off", "STOCKTRACK_PROVIDERS": "simulated", **variables}
    process = await asyncio.create_subprocess_exec(
        *STOCKTRACK,
        "serve",
        env=environment(home, STOCKTRACK_LOG_FORMAT=log_format, **given),
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (
                ready := re.search(r'\bready\b.*\bport"?[=:] ?(\d+)|"port": (\d+).*"ready"', "".join(lines[-1:]))
            ):
                lines.append((await process.stderr.readline()).decode())
        yield int(ready[1] or ready[2]), lines
        process.terminate()
        lines += (await process.stderr.read()).decode().splitlines(keepends=True)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def auth(port: int, source: str, **credentials: str) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    await reader.readline()
    writer.write(json.dumps({"type": "AUTH", **credentials}).encode() + b"\n")
    reply: dict[str, Any] = json.loads(await reader.readline())
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return reply


async def add_user(home: Path, name: str) -> None:
    added = await run_stocktrack(home, "users", "add", name, "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_fail2ban_finds_every_failed_login_with_its_address_and_no_other(
    tmp_path: Path, log_format: LogFormat
) -> None:
    spaced = "o'neil address=203.0.113.8"  # a name that the operator gave
    for name in ("ann", spaced):
        await add_user(tmp_path, name)
    async with serving(tmp_path, log_format, STOCKTRACK_LOGIN_FAILURES_PER_MINUTE="3") as (port, lines):
        assert (await auth(port, "127.0.0.2", username="ann", password=PASSWORD))["code"] == 200
        for source, credentials in (
            ("127.0.0.3", {"username": "ann", "password": "SeCrEt"}),
            ("127.0.0.4", {"username": spaced, "password": "SeCrEt"}),
            ("127.0.0.5", {"token": "SeCrEt"}),
            *((f"127.0.0.{6 + number}", {"username": name, "password": "x"}) for number, name in enumerate(FORGERIES)),
        ):
            assert (await auth(port, source, **credentials))["reason"] == "bad_credentials", credentials
        for token in ("1", "2", "3", "4"):
            await auth(port, "127.0.0.10", token=token)
        for _ in range(2):
            reply = await auth(port, "127.0.0.10", username="ann", password="SeCrEt-2")
            assert reply["reason"] == "login_throttled"
    found = [(address, line) for line in lines if (address := Filter(FILTER).failure(line)) is not None]
    expected = [*(f"127.0.0.{number}" for number in range(3, 10)), *["127.0.0.10"] * 6]
    assert [address for address, _ in found] == expected, "".join(lines)
    text = "".join(lines)
    assert "SeCrEt" not in text
    assert "203.0.113.9" not in text  # a name that nobody has is not written
    if (program := shutil.which("fail2ban-regex")) is not None:
        log = tmp_path / "log"
        await asyncio.to_thread(log.write_text, text)
        process = await asyncio.create_subprocess_exec(
            *(program, "--out", "ip", str(log), str(FILTER)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert out.decode().split() == expected, err.decode()


async def test_the_trail_tells_of_logins_tokens_administrators_and_what_the_commands_changed(tmp_path: Path) -> None:
    added = await run_stocktrack(
        tmp_path, "users", "add", "root", "--admin", "--password-stdin", stdin=f"{PASSWORD}\n".encode()
    )
    assert added.code == 0, added
    async with server_process(tmp_path, STOCKTRACK_MAX_SESSIONS_PER_USER="2") as server:
        await add_user(tmp_path, "ann")
        told = await server.logged("user_added")
        assert told.items() >= {"address": "local", "door": "cli", "user": "ann", "level": "info"}.items()
        assert datetime.fromisoformat(told["at"]).tzinfo is not None
        token = (await run_stocktrack(tmp_path, "users", "token", "ann")).out.strip()
        await server.logged("token_made")
        ann = await server.connect()
        assert (await ann.ask({"type": "AUTH", "token": token}))["code"] == 200
        admin = await server.log_in("root")
        assert (await admin.ask({"type": "TOKEN", "days": 3}))["code"] == 200
        listed = (await admin.ask({"type": "SESSIONS"}))["sessions"]
        session = next(each["session"] for each in listed if each["username"] == "ann")
        assert (await admin.ask({"type": "KICK", "session": session}))["code"] == 200
        assert (await admin.ask({"type": "ANNOUNCE", "text": "Lunch."}))["code"] == 200
        second = await server.log_in("root")
        third = await server.connect()
        reply = await third.ask({"type": "AUTH", "username": "root", "password": PASSWORD})
        assert reply["reason"] == "session_limit"
        await run_stocktrack(tmp_path, "users", "remove", "ann")
        await server.logged("user_removed")
        for client in (ann, admin, second, third):
            await client.close()
    acts = [line for line in server.log if "door" in line]
    assert [line["event"] for line in acts] == [
        *(
            "user_added",
            "token_made",
            "login",
            "login",
            "token_made",
            "session_kicked",
            "announced",
            "login",
            "refused",
        ),
        "user_removed",
    ]
    here = {"address": "127.0.0.1", "door": "tcp"}
    expected: list[dict[str, Any]] = [
        {"user": "ann", "by": "token", **here},
        {"user": "root", "by": "password", **here},
        {"user": "root", "days": 3, **here},
        {"user": "ann", "by": "root", "session": session, **here},
        {"by": "root", "text": "Lunch.", "recipients": 1, **here},
        {"user": "root", "by": "password", **here},
        {"user": "root", "why": "session_limit", "limit": "user", **here},
    ]
    for line, fields in zip(acts[2:9], expected, strict=True):
        assert line.items() >= fields.items(), line
    assert token not in server.text
    noted = [json.loads(line) for line in (tmp_path / "data/stocktrack/changes.log").read_text().splitlines()]
    assert [(line["event"], line["user"]) for line in noted] == [
        ("user_added", "root"),
        ("user_added", "ann"),
        ("token_made", "ann"),
        ("user_removed", "ann"),
    ]


async def test_the_trail_tells_of_what_users_and_the_commands_do_with_tokens_and_passwords(tmp_path: Path) -> None:
    await add_user(tmp_path, "ann")
    noted = tmp_path / "data/stocktrack/changes.log"
    new = f"{PASSWORD}, another".encode()
    async with server_process(tmp_path) as server:
        ann = await server.log_in("ann")
        made = await ann.ask({"type": "TOKEN", "name": "x address=203.0.113.9", "scope": "read", "days": 2})
        board = await server.connect()
        assert (await board.ask({"type": "AUTH", "token": made["token"]}))["code"] == 200
        await board.ask({"type": "PASSWORD", "password": "SeCrEt", "new_password": "SeCrEt-2"})
        await ann.ask({"type": "PASSWORD", "password": "SeCrEt", "new_password": "SeCrEt-2"})
        assert (await ann.ask({"type": "REVOKE", "token_id": made["token_id"]}))["code"] == 200
        assert (await server.logged("session_ended")).items() >= {"user": "ann", "why": "token_revoked"}.items()
        own = await ann.ask({"type": "PASSWORD", "password": PASSWORD, "new_password": new.decode()})
        assert own["code"] == 200
        token = await run_stocktrack(tmp_path, "users", "token", "ann", "--name", "y", "--scope", "read", "--days", "3")
        token_id = json.loads(noted.read_text().splitlines()[-1])["token_id"]
        for arguments, stdin in (
            (("passwd", "ann", "--keep-tokens", "--password-stdin"), new + b"\n"),
            (("revoke", "ann", token_id), b""),
            (("revoke", "ann"), b""),
            (("disable", "ann"), b""),
            (("enable", "ann"), b""),
        ):
            done = await run_stocktrack(tmp_path, "users", *arguments, stdin=stdin)
            assert done.code == 0, done
        await server.logged("user_enabled")
        await ann.close()
        await board.close()
    acts = [line for line in server.log if "door" in line]
    by_ann, by_command = {"user": "ann", "by": "ann", "door": "tcp"}, {"user": "ann", "door": "cli", "address": "local"}
    expected: list[dict[str, Any]] = [
        {"event": "token_made", "token_id": made["token_id"], "days": 2, "scope": "read", **by_ann},
        {"event": "login", "user": "ann", "by": "token"},
        {"event": "login_failed", "user": "ann", "why": "wrong", "door": "tcp"},
        {"event": "tokens_revoked", "token_id": made["token_id"], **by_ann},
        {"event": "session_ended", "user": "ann", "why": "token_revoked", "door": "tcp"},
        {"event": "password_changed", **by_ann},
        {"event": "token_made", "token_id": token_id, "days": 3, "scope": "read", **by_command},
        {"event": "password_changed", "keep_tokens": True, **by_command},
        {"event": "tokens_revoked", "token_id": token_id, **by_command},
        {"event": "tokens_revoked", "token_id": "all", **by_command},
        {"event": "user_disabled", **by_command},
        {"event": "user_enabled", **by_command},
    ]
    # When the open session ends by the new password of `users passwd` is up to the next look.
    told = [line for line in acts[1:] if line.get("why") not in {"password_changed", "disabled"}]
    assert [line["event"] for line in told] == [line["event"] for line in expected]
    for line, fields in zip(told, expected, strict=True):
        assert line.items() >= fields.items(), line
    for secret in ("SeCrEt", "203.0.113.9", made["token"], token.out.strip()):
        assert secret not in server.text
