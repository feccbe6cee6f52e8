"""What the operator is told of the sources: by `/readyz`, by `/metrics`, and by SOURCES at every door."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes import NOW_MS, ScriptedProvider, ScriptedStream
from live_server import LiveServer, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.messages import SourceBudget, SourceInfo, SourceState, SourceStream

SECRET = "finnhub: the key k-4711 was refused"
WELL = SourceInfo(
    provider="scripted",
    capabilities=("quotes", "stream"),
    state=SourceState.OK,
    last_success_at=NOW_MS,
    budget=SourceBudget(used=12, limit=60, seconds=60),
    stream=SourceStream(is_up=True, symbols=50, places=50),
    leads=812,
)
KEYLESS = SourceInfo(
    provider="second",
    capabilities=("quotes",),
    state=SourceState.NOT_OFFERED,
    reason=Reason.NOT_OFFERED,
    message=SECRET,
)


def say(server: LiveServer, monkeypatch: pytest.MonkeyPatch, *sources: SourceInfo) -> None:
    """Have the routes say this of the sources."""
    monkeypatch.setattr(server.app.feed.routes, "sources", lambda *, is_detailed=False: sources)


async def ready(server: LiveServer) -> tuple[int, Any]:
    async with patient_http(base_url=server.web_url) as http:
        answer = await http.get("/readyz")
    return answer.status_code, answer.json()


async def figures(server: LiveServer) -> dict[str, float]:
    async with patient_http(base_url=server.web_url) as http:
        page = (await http.get("/metrics")).text
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("stocktrack_source_")]
    return {name.removeprefix("stocktrack_source_"): float(value) for name, value in lines}


async def test_the_sources_stand_in_the_metrics_with_one_state_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    providers = (ScriptedProvider(clock), ScriptedProvider(clock, name="second"))
    async with live_server(tmp_path, *providers, clock=clock, web=True) as server:
        say(server, monkeypatch, WELL, KEYLESS)
        told = await figures(server)

    states = {name: value for name, value in told.items() if name.startswith("state{")}
    assert [name for name, value in states.items() if value == 1] == [
        'state{provider="scripted",state="ok"}',
        'state{provider="second",state="not_offered"}',
    ]
    assert len(states) == 2 * len(SourceState)
    assert {name: value for name, value in told.items() if name not in states} == {
        'leads{provider="scripted"}': 812,
        'leads{provider="second"}': 0,
        'budget_used{provider="scripted"}': 12,
        'budget_limit{provider="scripted"}': 60,
        'last_success_seconds{provider="scripted"}': NOW_MS / 1000,
        'stream_up{provider="scripted"}': 1,
        'stream_symbols{provider="scripted"}': 50,
    }


async def test_a_source_that_cannot_be_used_is_not_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> None:
        raise SourceUnusable("second needs a key: set second_api_key.")

    clock = ManualClock()
    second = ScriptedProvider(clock, name="second")
    monkeypatch.setattr(second, "start", start)
    async with (
        live_server(tmp_path, ScriptedProvider(clock), second, clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        page = (await http.get("/metrics")).text

    assert [line for line in page.splitlines() if line.startswith("stocktrack_provider_up{")] == [
        'stocktrack_provider_up{provider="scripted"} 1.0',
        'stocktrack_provider_up{provider="second"} 0.0',
    ]


@pytest.mark.parametrize("state", [SourceState.NOT_OFFERED, SourceState.WAITING])
async def test_a_source_that_cannot_be_used_leaves_the_server_ready_while_another_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: SourceState
) -> None:
    clock = ManualClock()
    providers = (ScriptedProvider(clock), ScriptedProvider(clock, name="second"))
    out = KEYLESS.model_copy(update={"state": state})
    async with live_server(tmp_path, *providers, clock=clock, web=True) as server:
        say(server, monkeypatch, WELL, out)
        status, content = await ready(server)
        say(server, monkeypatch, out.model_copy(update={"provider": "scripted"}), out)
        alone_status, alone = await ready(server)

    assert (status, content["ready"], content["reasons"]) == (200, True, [])
    assert content["sources"] == [
        {"provider": "scripted", "state": "ok", "last_success_at": NOW_MS},
        {"provider": "second", "state": state.value, "reason": "not_offered"},
    ]
    assert alone_status == 503
    assert alone["reasons"] == [
        "No source of quotes answers (scripted, second); prices stay as they were, marked stale."
    ]


async def test_strangers_are_told_no_sentence_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True) as server:
        say(server, monkeypatch, KEYLESS)
        _, content = await ready(server)
        user = await (await server.log_in()).ask({"type": "SOURCES"})

    assert "message" not in content["sources"][0]
    assert user["sources"][0]["message"] == SECRET


async def test_a_broken_stream_leaves_the_server_ready_while_its_source_answers(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    market = ScriptedStream(clock)
    async with live_server(tmp_path, market, clock=clock, web=True) as server:
        ann = await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbol": "AAPL", "save": False})
        market.break_off(ProviderError(Reason.PROVIDER_ERROR, "The stream broke."))
        await clock.advance(0)
        broken = await ready(server)
        market.script = "fail"
        await ann.ask({"type": "GET", "symbol": "MSFT"})
        failing = await ready(server)

    assert (broken[0], broken[1]["reasons"]) == (200, [])
    assert failing[0] == 503


def states(sources: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {source["provider"]: source["state"] for source in sources}


async def test_sources_are_told_in_the_order_of_the_setting_with_what_they_have(tmp_path: Path) -> None:
    clock = ManualClock()
    first, second = ScriptedStream(clock, name="first"), ScriptedProvider(clock, name="second")
    async with live_server(tmp_path, first, second, clock=clock, web=True) as server:
        ann = await server.log_in()
        reply = await ann.ask({"type": "SOURCES", "id": 7})
        first.script = "fail"
        await ann.ask({"type": "GET", "symbol": "AAPL"})
        after = await ann.ask({"type": "SOURCES"})

    assert (reply["type"], reply["id"], reply["code"]) == ("SOURCES", 7, 200)
    assert [source["provider"] for source in reply["sources"]] == ["first", "second"]
    assert reply["sources"][0]["capabilities"] == ["quotes", "stream"]
    all_of_them = "company dividends history news quotes search symbol_news"
    assert " ".join(reply["sources"][1]["capabilities"]) == all_of_them
    assert states(reply["sources"]) == {"first": "unused", "second": "unused"}
    assert states(after["sources"]) == {"first": "failing", "second": "ok"}
