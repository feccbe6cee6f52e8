"""The server inside a command: what it takes of the settings, who may log in, and what stays from one to the next."""

import asyncio
import secrets
import threading
from pathlib import Path

import pytest

from stocktrack.client import NotAuthorised, StockTrackClient
from stocktrack.client.settings import ClientSettings
from stocktrack.config import Settings, load_settings
from stocktrack.errors import ConfigError
from stocktrack.messages import Subscribe
from stocktrack.operations import private_server as module
from stocktrack.operations.private_server import (
    SETTINGS_OF_SOURCES,
    RunHasher,
    private_server,
    settings_in,
)

# What a server has besides its sources, and a private one goes without, or has its own of.
OTHER_SETTINGS = """
    host port tls_cert tls_key tls_handshake_timeout_seconds web_port allowed_origins public_names trusted_proxies
    live_price_needs_token metrics_host metrics_port workers data_dir database_url max_alerts_per_user record_bars
    bars_retention_days token_secret_file push_interval_seconds publish_to alert_targets heartbeat_seconds
    auth_timeout_seconds slow_client_timeout_seconds max_line_bytes max_symbols max_lots_per_user max_sessions
    max_unauthenticated_sessions max_unauthenticated_per_address max_guests guest_idle_seconds max_sessions_per_user
    max_sessions_per_address commands_per_second command_burst bytes_per_second user_upstream_requests_per_minute
    user_upstream_burst chat chat_messages_per_minute chat_messages_per_second login_failures_per_minute allowlist
    allowlist_force event_loop log_format log_level
"""
ADDRESS = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home whose settings name the simulated market; the logs belong to the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STOCKTRACK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", "simulated")
    monkeypatch.setattr(module, "configure_logs", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_of_each_setting_it_is_decided_whether_a_private_server_takes_it() -> None:
    others = frozenset(OTHER_SETTINGS.split())
    assert set(Settings.model_fields) == SETTINGS_OF_SOURCES | others
    assert SETTINGS_OF_SOURCES.isdisjoint(others)


def test_it_takes_what_is_about_the_sources_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PROVIDERS": "finnhub,rss",
        "FINNHUB_API_KEY": "k",
        "SOURCES__ACME__URL": "x",
        "REPLAY_SPEED": "max",
        "POLL_INTERVAL_SECONDS": "9",
        "HOST": "0.0.0.0",  # noqa: S104 - nothing is bound here
        "WEB_PORT": "8080",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/x",
        "PUBLISH_TO": "redis://127.0.0.1",
        "WORKERS": "4",
        "ALERT_TARGETS__PHONE__KIND": "ntfy",
        "ALERT_TARGETS__PHONE__URL": "https://ntfy.example/x",
    }.items():
        monkeypatch.setenv(f"STOCKTRACK_{name}", value)
    loaded = load_settings().settings

    settings = settings_in(tmp_path, loaded)

    given = {name for name in Settings.model_fields if getattr(settings, name) != Settings.model_fields[name].default}
    assert {name: getattr(settings, name) for name in SETTINGS_OF_SOURCES} == {
        name: getattr(loaded, name) for name in SETTINGS_OF_SOURCES
    }
    assert (settings.host, settings.port, settings.web_port, settings.data_dir) == ("127.0.0.1", 0, None, tmp_path)
    assert given - SETTINGS_OF_SOURCES == {
        *("port", "web_port", "data_dir", "user_upstream_requests_per_minute", "user_upstream_burst"),
    }


async def test_only_who_has_the_secret_of_this_run_is_let_in(home: Path) -> None:
    async with private_server(ADDRESS) as way_in, private_server(ADDRESS) as other:
        assert way_in.username == other.username
        assert way_in.password != other.password
        for wrong in ("private", "!", "wrong", other.password):
            with pytest.raises(NotAuthorised):
                async with StockTrackClient(way_in.host, way_in.port, way_in.username, wrong, reconnect=False):
                    pytest.fail("it let somebody in")
        async with ClientSettings(other.host, other.port, other.username, other.password).client() as client:
            assert client.hello is not None
            assert client.hello.auth == ("password", "token")
        kept = {each.name: each.read_bytes() for each in (home / "data" / "private").iterdir() if each.is_file()}
        assert not any((way_in.password or "").encode() in content for content in kept.values())


async def test_what_was_added_is_there_the_next_time_and_beside_it() -> None:
    async with private_server(ADDRESS) as way_in, way_in.client() as client:
        await client.request(Subscribe(symbols=("AAPL", "TSLA")))
        await client.add_lot("AAPL", 10, unit_cost=146)
        async with private_server(ADDRESS) as beside, beside.client() as other:
            assert other.welcome is not None
            assert other.welcome.symbols == ("AAPL", "TSLA")
            await other.request(Subscribe(symbols=("NVDA",)))
    async with private_server(ADDRESS) as way_in, way_in.client() as client:
        assert client.welcome is not None
        assert client.welcome.symbols == ("AAPL", "TSLA", "NVDA")
        assert [row.symbol for row in (await client.holdings()).holdings] == ["AAPL"]


async def test_nothing_runs_or_listens_when_it_has_gone() -> None:
    before = set(threading.enumerate()), asyncio.all_tasks()
    with pytest.raises(RuntimeError, match="of the work"):
        async with private_server(ADDRESS) as way_in, way_in.client():
            raise RuntimeError("of the work")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(way_in.host, way_in.port)
    for thread in set(threading.enumerate()) - before[0]:
        await asyncio.to_thread(thread.join, 5)  # a pool lets its idle threads end
    assert asyncio.all_tasks() == before[1]
    assert [each for each in set(threading.enumerate()) - before[0] if not each.name.startswith("asyncio_")] == []


@pytest.mark.parametrize(
    ("providers", "label"),
    [
        ("simulated", "private · simulated market"),
        ("yahoo,rss", "private · Yahoo"),
        ("yahoo,finnhub,rss", "private · Yahoo, Finnhub"),
        ("rss", "private"),
    ],
)
async def test_screens_call_it_by_the_sources_of_its_prices(
    monkeypatch: pytest.MonkeyPatch, providers: str, label: str
) -> None:
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", providers)
    monkeypatch.setenv("STOCKTRACK_FINNHUB_API_KEY", "k")
    # None of them is asked for anything.
    async with private_server(ADDRESS) as way_in:
        assert way_in.who == label


async def test_a_wrong_setting_is_no_reason_to_try_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_PROVIDERS", "simulated,yahoo")
    with pytest.raises(ConfigError, match="could be taken for real ones"):
        async with private_server(ADDRESS):
            pytest.fail("it started")


async def test_an_address_that_is_set_to_nothing_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_HOST", "")
    (home / ".env").write_text("STOCKTRACK_PORT=\n", encoding="utf-8")
    async with private_server(ADDRESS) as way_in:
        assert way_in.host == "127.0.0.1"


def test_what_is_stored_matches_no_password_but_the_secret() -> None:
    secret = secrets.token_urlsafe()
    hasher = RunHasher(secret)
    stored, of_another = hasher.hash(secret.encode()), hasher.hash(b"another")

    assert hasher.matches(stored, secret.encode())
    assert not hasher.matches(stored, b"another")
    assert not hasher.matches(of_another, secret.encode())
    assert not hasher.matches(of_another, b"another")
    assert not hasher.matches("!", secret.encode())
