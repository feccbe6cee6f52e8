"""What else the web port serves: the page's files, health and metrics, and the headers that go with all of it."""

import os
import signal
from pathlib import Path

import pytest

from fakes import ScriptedProvider, ScriptedStream
from live_server import PASSWORD, live_server
from patient_http import patient_http
from server_process import run_stocktrack, server_process
from stocktrack.app import App
from stocktrack.clock import ManualClock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError, SourceUnusable
from stocktrack.web.assets import Assets
from web_clients import logged_in


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A folder as the page's: its own files and one of npm's."""
    folder = tmp_path / "page"
    (folder / "vendor").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "app.js").write_text("import './vendor/preact.mjs';")
    (folder / "vendor" / "preact.mjs").write_text("export {};")
    (folder / ".secret").write_text("no")
    (tmp_path / "outside.js").write_text("no")
    (folder / "link.js").symlink_to(tmp_path / "outside.js")
    return folder


def test_files_have_the_types_that_a_browser_needs(page: Path) -> None:
    assets = Assets(page)
    types = {
        path: asset.content_type
        for path in ("index.html", "app.js", "vendor/preact.mjs")
        if (asset := assets.get(path))
    }
    script = "text/javascript; charset=utf-8"
    assert types == {"index.html": "text/html; charset=utf-8", "app.js": script, "vendor/preact.mjs": script}
    assert assets.missing() is None


@pytest.mark.parametrize(
    "path",
    ["../outside.js", "link.js", ".secret", "vendor", "", "/etc/passwd", "none.js", "a\0b", "vendor/../../outside.js"],
)
def test_what_is_no_file_of_the_page_is_not_there(page: Path, path: str) -> None:
    assert Assets(page).get(path) is None


def test_a_file_that_changes_is_served_anew(page: Path) -> None:
    assets = Assets(page)
    before = assets.get("app.js")
    (page / "app.js").write_text("changed();")
    os.utime(page / "app.js", ns=(1, 1))
    after = assets.get("app.js")
    assert before is not None
    assert after is not None
    assert (after.content, after.etag != before.etag) == (b"changed();", True)


async def test_the_page_is_served_with_its_headers_and_a_304_while_it_is_the_same(tmp_path: Path, page: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path / "data", ScriptedStream(clock), clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        server.web._web.app._assets = Assets(page)  # type: ignore[union-attr] # the site of a running server
        index = await http.get("/")
        assert (index.status_code, index.text) == (200, "<!doctype html><title>page</title>")
        policy = index.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert index.headers["x-content-type-options"] == "nosniff"
        assert index.headers["referrer-policy"] == "no-referrer"
        assert index.headers["cache-control"] == "no-cache"
        again = await http.get("/", headers={"If-None-Match": index.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        module = await http.get("/page/vendor/preact.mjs")
        assert module.text == "export {};"
        # What a document may do is told with the document, and not with each of its parts.
        assert "content-security-policy" not in module.headers
        assert module.headers["x-content-type-options"] == "nosniff"
        assert module.headers["cross-origin-resource-policy"] == "same-origin"
        missing = await http.get("/page/nothing.js")
        assert (missing.status_code, missing.headers["content-security-policy"]) == (404, policy)
        assert (await http.head("/page/app.js")).headers["content-length"] == "29"
        for path in ("/page/..%2f..%2foutside.js", "/page/%2e%2e/outside.js", "/page/", "/nothing"):
            assert (await http.get(path)).status_code == 404, path
        assert (await http.post("/")).status_code == 405


@pytest.mark.parametrize(("gone", "said"), [("index.html", "not part of this installation"), ("vendor", "npm")])
async def test_a_page_that_is_not_complete_says_what_is_missing_and_the_server_runs(
    tmp_path: Path, page: Path, gone: str, said: str
) -> None:
    (page / "vendor" / "preact.mjs").unlink()
    if gone == "index.html":
        (page / gone).unlink()
    clock = ManualClock()
    async with (
        live_server(tmp_path / "data", ScriptedStream(clock), clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        server.web._web.app._assets = Assets(page)  # type: ignore[union-attr] # the site of a running server
        answer = await http.get("/")
        assert (answer.status_code, said in answer.text) == (503, True)
        async with logged_in(server) as client:
            assert (await client.ask({"type": "PING"}))["code"] == 200


# --- for the operator ---------------------------------------------------------------------------------------------


async def test_a_server_that_is_well_is_alive_and_ready(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        ready = await http.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() | {"sources": []} == {"ready": True, "reasons": [], "sources": []}


async def test_a_server_that_should_get_no_clients_is_not_ready_and_says_why(tmp_path: Path) -> None:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    async with (
        live_server(tmp_path, market, clock=clock, web=True, max_sessions=1) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        ann = await server.log_in()
        market.script = "fail"
        assert (await ann.ask({"type": "GET", "symbol": "AAPL"}))["code"] == 500
        await server.app._store.close()
        ready = await http.get("/readyz")
        assert ready.status_code == 503
        limit, storage, source = ready.json()["reasons"]
        assert "limit of sessions" in limit
        assert storage
        assert "scripted" in source
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("task", ["poll scripted", "session deadlines"])
async def test_a_task_that_fails_shows_in_readyz_and_in_the_metrics_until_it_is_well_again(
    tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        ann = await server.log_in()
        assert (await ann.ask({"type": "SUBSCRIBE", "symbol": "AAPL"}))["code"] == 200

        def raises(*_: object) -> None:
            raise KeyError(f"a mistake in {tmp_path}")

        with monkeypatch.context() as broken:
            broken.setattr(server.app.feed._leads, "arrange", raises)
            broken.setattr(server.app.sessions, "check_deadlines", raises)
            await clock.advance(5)
            ready = await http.get("/readyz")
            reasons = ready.json()["reasons"]
            assert ready.status_code == 503
            assert [reason for reason in reasons if f"'{task}'" in reason]
            assert str(tmp_path) not in ready.text
            failures = f'stocktrack_task_failures_total{{task="{task}"}} '
            assert [line for line in (await http.get("/metrics")).text.splitlines() if line.startswith(failures)] != [
                f"{failures}0.0"
            ]
        await clock.advance(60)
        ready = await http.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() | {"sources": []} == {"ready": True, "reasons": [], "sources": []}


async def test_the_metrics_tell_sessions_prices_commands_and_sources(tmp_path: Path) -> None:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    async with (
        live_server(tmp_path, market, clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
        logged_in(server) as client,
    ):
        await server.log_in()
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "TSLA"], "save": False})
        market.script = "fail"
        await client.ask({"type": "NEWS"})
        answer = await http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        figures = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
        assert figures['stocktrack_sessions{door="tcp"}'] == "1.0"
        assert figures['stocktrack_sessions{door="web"}'] == "1.0"
        assert figures["stocktrack_prices_delivered_total"] == "2.0"
        assert figures["stocktrack_pushes_merged_total"] == "0.0"
        assert figures['stocktrack_command_seconds_count{command="AUTH"}'] == "2.0"
        requests = "stocktrack_upstream_requests_total"
        assert figures[requests + '{asked="quotes",provider="scripted",result="ok"}'] == "1.0"
        assert figures[requests + '{asked="news",provider="scripted",result="provider_error"}'] == "1.0"
        assert figures['stocktrack_provider_up{provider="scripted"}'] == "0.0"
        assert figures["stocktrack_symbols_watched"] == "2.0"
        assert figures['stocktrack_quote_age_seconds{which="oldest"}'] == "0.0"


async def test_a_source_that_cannot_be_used_as_it_is_set_up_is_not_up(tmp_path: Path) -> None:
    class Keyless(ScriptedProvider):
        async def start(self) -> None:
            raise SourceUnusable("scripted needs a key: set scripted_api_key.")

    clock = ManualClock()
    async with (
        live_server(tmp_path, Keyless(clock), clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        figures = (await http.get("/metrics")).text
    assert 'stocktrack_provider_up{provider="scripted"} 0.0' in figures


async def test_pushes_that_were_merged_are_counted(tmp_path: Path) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    async with live_server(tmp_path, market, clock=clock) as server:
        ann = await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0, "save": False})
        await ann.receive()
        for _ in range(3):
            market.deliver()  # in one turn of the loop, so that the session can only take the last
        assert (await ann.receive())["seq"] == 4
        assert (server.app.board.merged_pushes, server.app.board.pushed_prices) == (2, 2)


async def test_health_and_metrics_can_have_an_address_of_their_own(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, metrics_port=0) as server:
        (own, _, _), _ = server.web._servers
        host, port = own.addresses[0]
        async with patient_http(base_url=f"http://{host}:{port}") as http:
            assert "stocktrack_sessions" in (await http.get("/metrics")).text
            assert (await http.get("/readyz")).status_code == 200
            assert (await http.get("/")).status_code == 404
            assert (await http.get("/api/v1/stocks")).status_code == 404
        async with patient_http(base_url=server.web_url) as http:
            for path in ("/metrics", "/healthz", "/readyz"):
                assert (await http.get(path)).status_code == 404
        taken = App(
            Settings(data_dir=tmp_path / "other", port=0, web_port=None, metrics_port=port),
            providers=[ScriptedStream(ManualClock())],
        )
        with pytest.raises(ConfigError, match=rf"Port {port} .*STOCKTRACK_METRICS_PORT"):
            await taken.start()


# --- the process --------------------------------------------------------------------------------------------------


async def test_the_real_server_says_where_its_page_is_and_its_signals_stay_its_own(tmp_path: Path) -> None:
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    async with server_process(tmp_path, "--web-port", "0") as server:
        ready = await server.logged("ready")
        async with patient_http(base_url=ready["page"]) as http:
            assert (await http.get("/healthz")).json() == {"status": "ok"}
        server.signal(signal.SIGTERM)
        assert await server.exit_code() == 0


async def test_no_web_opens_no_web_port(tmp_path: Path) -> None:
    async with server_process(tmp_path, "--web-port", "0", "--no-web") as server:
        assert "page" not in await server.logged("ready")
