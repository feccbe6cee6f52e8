"""TLS and SIGHUP with the real process: certificates are renewed under open sessions, and settings from a file."""

import asyncio
import signal
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from certificates import trusting, write_authority, write_certificate
from live_server import PASSWORD, RawClient
from patience import PATIENCE_SECONDS
from server_process import ServerProcess, run_stocktrack, server_process


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home in which the user ann is known, with a certificate in it."""
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added
    write_certificate(tmp_path)
    return tmp_path


def config(home: Path, *lines: str) -> Path:
    path = home / "server.toml"
    path.write_text("\n".join((*lines, 'tls_cert = "server-cert.pem"', 'tls_key = "server-key.pem"', "")))
    return path


async def connect(server: ServerProcess, authority: trustme.CA | None = None) -> RawClient:
    context = trusting(authority) if authority is not None else trusting()
    client = RawClient(*await asyncio.open_connection(server.host, server.port, ssl=context, limit=1 << 20))
    assert (await client.receive())["type"] == "HELLO"
    return client


async def times_logged(server: ServerProcess, event: str, times: int) -> dict[str, object]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found := [entry for entry in server.log if entry["event"] == event]) < times:
            server._grown.clear()
            await server._grown.wait()
    return found[times - 1]


async def test_a_renewed_certificate_and_changed_settings_are_taken_over_at_sighup(home: Path) -> None:
    async with server_process(home, "--config", str(config(home, "max_symbols = 9"))) as server:
        old = await connect(server)
        another = trustme.CA()
        write_certificate(home, authority=another)
        config(home, "max_symbols = 8", "heartbeat_seconds = 5", 'log_level = "debug"')
        server.signal(signal.SIGHUP)
        said = await times_logged(server, "settings reloaded", 1)
        assert said["applied"] == {"max_symbols": "8", "log_level": "debug"}
        assert said["restart_needed"] == ["heartbeat_seconds"]
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(server)
        new = await connect(server, another)
        assert (await old.ask({"type": "PING"}))["code"] == 200

        config(home, "max_symbols = many")
        server.signal(signal.SIGHUP)
        refused = await times_logged(server, "settings not reloaded, the old ones stay", 1)
        assert "server.toml is not TOML" in str(refused["why"])
        config(home, "max_symbols = 0")
        server.signal(signal.SIGHUP)
        refused = await times_logged(server, "settings not reloaded, the old ones stay", 2)
        assert "max_symbols = 0" in str(refused["why"])
        (home / "server-key.pem").write_text("gone")
        config(home, "max_symbols = 7")
        server.signal(signal.SIGHUP)
        refused = await times_logged(server, "settings not reloaded, the old ones stay", 3)
        assert "tls_key" in str(refused["why"])
        for client in (old, new, await connect(server, another)):
            assert (await client.ask({"type": "PING"}))["code"] == 200
            await client.close()
        # Debug messages are logged since the first SIGHUP.
        assert any(entry.get("level") == "debug" for entry in server.log)
    assert server.log[-1]["event"] == "stopped"


async def test_the_clients_of_the_command_line_speak_tls(home: Path) -> None:
    ca = str(write_authority(home))
    async with server_process(home, "--config", str(config(home))) as server:
        variables: dict[str, Any] = {
            "STOCKTRACK_PORT": str(server.port),
            "STOCKTRACK_USER": "ann",
            "STOCKTRACK_PASSWORD": PASSWORD,
        }
        got, by_variable, watched, typed, plain, strange = await asyncio.gather(
            run_stocktrack(home, "get", "AAPL", "--ca", ca, **variables),
            run_stocktrack(home, "get", "AAPL", **{**variables, "STOCKTRACK_CA": ca}),
            run_stocktrack(home, "watch", "AAPL", "--count", "2", "--ca", ca, **variables),
            run_stocktrack(home, "client", "--ca", ca, stdin=b"get AAPL\n", **variables),
            run_stocktrack(home, "get", "AAPL", "--no-tls", **{**variables, "STOCKTRACK_CA": ca}),
            run_stocktrack(home, "get", "AAPL", "--tls", **variables),
        )
    for one in (got, by_variable, typed):
        assert (one.code, one.out.split("\t")[0]) == (0, "AAPL"), one
    assert (watched.code, len(watched.out.splitlines())) == (0, 2), watched
    assert (plain.code, "--tls" in plain.err) == (5, True), plain
    assert (strange.code, "not trusted" in strange.err) == (5, True), strange


async def test_a_server_with_a_broken_certificate_does_not_start_and_says_why(home: Path) -> None:
    (home / "server-key.pem").unlink()
    for command in (("serve",), ("config", "check")):
        ended = await run_stocktrack(home, *command, "--config", str(config(home)))
        assert ended.code == 1
        assert "tls_key = 'server-key.pem' cannot be read: No such file or directory." in ended.err
