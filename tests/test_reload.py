"""What SIGHUP does to a running server: what it takes over, what it says needs a restart, and what stays as it was."""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from certificates import AUTHORITY, trusting, write_authority, write_certificate
from fakes import ScriptedStream
from live_server import PASSWORD, LiveServer, RawClient, live_server
from stocktrack.client import StockTrackClient
from stocktrack.clock import ManualClock
from stocktrack.config import RELOADABLE, LoadedSettings, Settings
from stocktrack.errors import ConfigError
from stocktrack.system.logs import set_log_level


@pytest.fixture
def market() -> ScriptedStream:
    return ScriptedStream(ManualClock())


@pytest.fixture(autouse=True)
def log_level_as_it_was() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def reload(server: LiveServer, *, warnings: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """Reload with some settings changed, and return the last line of the log."""
    settings = Settings(**{**server.app.settings.model_dump(), **changes})
    with capture_logs() as logs:
        server.app.reload(lambda: LoadedSettings(settings, {}, warnings))
    return dict(logs[-1])


async def over_tls(server: LiveServer, authority: trustme.CA = AUTHORITY) -> RawClient:
    return RawClient(*await asyncio.open_connection(server.host, server.port, ssl=trusting(authority)))


async def test_a_changed_limit_counts_for_the_next_client_and_closes_none(
    tmp_path: Path, market: ScriptedStream
) -> None:
    async with live_server(tmp_path, market, max_sessions=2) as server:
        first, second = await server.log_in(), await server.log_in()
        line = reload(server, max_sessions=1)
        assert (line["applied"], line["restart_needed"]) == ({"max_sessions": "1"}, [])
        assert (await (await server.connect_unread()).receive())["reason"] == "session_limit"
        for client in (first, second):
            assert (await client.ask({"type": "PING"}))["code"] == 200
        reload(server, max_sessions=4)
        assert (await (await server.log_in()).ask({"type": "PING"}))["code"] == 200


async def test_changed_rules_count_for_sessions_that_are_open(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        client = await server.log_in()
        reload(server, max_symbols=2)
        reply = await client.ask({"type": "GET", "symbols": ["A", "B", "C"]})
        assert reply["reason"] == "symbol_limit"
        assert (await (await server.connect_unread()).receive())["limits"]["max_symbols"] == 2


async def test_a_changed_deadline_counts_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock) as server:
        stranger = await server.connect()
        await clock.advance(10)
        reload(server, auth_timeout_seconds=5)
        await clock.advance(2)
        assert (await stranger.receive())["reason"] == "auth_timeout"


async def test_what_needs_a_restart_is_named_and_left_as_it_is_each_time(
    tmp_path: Path, market: ScriptedStream
) -> None:
    async with live_server(tmp_path, market) as server:
        old = server.app.settings
        for _ in range(2):
            line = reload(server, heartbeat_seconds=7, port=1234, command_burst=9)
            assert line["restart_needed"] == ["port", "heartbeat_seconds"]
        assert server.app.settings == old.model_copy(update={"command_burst": 9})
        assert (await (await server.connect_unread()).receive())["heartbeat_seconds"] == 30


async def test_a_reload_that_changes_nothing_says_so(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        line = reload(server)
        assert line == {
            "event": "settings reloaded",
            "log_level": "info",
            "applied": {},
            "restart_needed": [],
            "certificate": "none",
        }


async def test_settings_that_are_wrong_change_nothing_and_say_why(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        old = server.app.settings

        def load() -> LoadedSettings:
            raise ConfigError("max_sessions = 0 (from flag): should be greater than or equal to 1.")

        with capture_logs() as logs:
            server.app.reload(load)
        assert [(line["log_level"], line["event"]) for line in logs] == [
            ("error", "settings not reloaded, the old ones stay")
        ]
        assert "max_sessions = 0" in logs[0]["why"]
        assert server.app.settings is old


async def test_the_log_level_is_taken_over(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        reload(server, log_level="error")
        assert logging.getLogger().level == logging.ERROR
        reload(server, log_level="debug")
        assert logging.getLogger().level == logging.DEBUG
        set_log_level("info")


async def test_no_value_of_what_needs_a_restart_is_logged(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        line = reload(server, database_url="postgresql+asyncpg://ann:SeCrEt@localhost/x")
        assert line["restart_needed"] == ["database_url"]
        assert "SeCrEt" not in str(line)


async def test_a_new_key_of_a_source_needs_a_restart_and_is_not_logged(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        line = reload(server, finnhub_api_key="SeCrEt")
        assert line["restart_needed"] == ["finnhub_api_key"]
        assert "SeCrEt" not in str(line)


def test_nothing_that_may_be_secret_is_reloadable() -> None:
    assert set(Settings.model_fields) >= RELOADABLE
    assert not [name for name in RELOADABLE if "secret" in name or "url" in name or "password" in name]


async def test_a_new_certificate_serves_the_next_handshake_and_no_session_notices(
    tmp_path: Path, market: ScriptedStream
) -> None:
    files = write_certificate(tmp_path)
    async with live_server(tmp_path, market, **files) as server:
        old = await over_tls(server)
        await old.receive()
        another = trustme.CA()
        assert write_certificate(tmp_path, authority=another) == files
        line = reload(server)
        assert (line["applied"], line["certificate"]) == ({}, "loaded")
        with pytest.raises(ssl.SSLCertVerificationError):
            await over_tls(server)
        new = await over_tls(server, another)
        for client, reads_hello in ((new, True), (old, False)):
            if reads_hello:
                assert (await client.receive())["type"] == "HELLO"
            assert (await client.ask({"type": "PING"}))["code"] == 200
            await client.close()


async def test_a_certificate_that_is_broken_leaves_the_old_one_serving(tmp_path: Path, market: ScriptedStream) -> None:
    files = write_certificate(tmp_path)
    async with live_server(tmp_path, market, **files) as server:
        files["tls_cert"].write_text("half a cert")
        line = reload(server, max_symbols=3)
        assert line["log_level"] == "error"
        assert "tls_cert" in line["why"]
        async with StockTrackClient(server.host, server.port, "ann", PASSWORD, ca=write_authority(tmp_path)) as client:
            assert client.hello is not None
            # Nothing was taken over: a reload succeeds as a whole or not at all.
            assert client.hello.limits.max_symbols == 500


async def test_tls_is_neither_switched_on_nor_off_without_a_restart(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        line = reload(server, **write_certificate(tmp_path))
        assert line["restart_needed"] == ["tls_cert", "tls_key"]
        assert (await (await server.connect()).ask({"type": "PING"}))["code"] == 200
    folder = tmp_path / "second"
    folder.mkdir(mode=0o700)
    async with live_server(folder, ScriptedStream(ManualClock()), **write_certificate(folder)) as server:
        line = reload(server, tls_cert=None, tls_key=None)
        assert line["restart_needed"] == ["tls_cert", "tls_key"]
        client = await over_tls(server)
        assert (await client.receive())["type"] == "HELLO"
        await client.close()


async def test_the_warnings_of_the_settings_are_logged_again(tmp_path: Path, market: ScriptedStream) -> None:
    async with live_server(tmp_path, market) as server:
        settings = server.app.settings
        with capture_logs() as logs:
            server.app.reload(lambda: LoadedSettings(settings, {}, ("STOCKTRACK_PROT is no setting.",)))
        assert logs[0]["event"] == "STOCKTRACK_PROT is no setting."
