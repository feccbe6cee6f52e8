"""`/metrics` and the page that documents it name the same figures."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fakes import ScriptedProvider
from live_server import live_server
from patient_http import patient_http
from scripted_server import SOURCES
from stocktrack.clock import ManualClock

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text(encoding="utf-8")


async def test_every_figure_is_documented_with_its_labels_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    provider = ScriptedProvider(clock)
    monkeypatch.setattr(provider, "dropped", {"json": 1}, raising=False)
    async with (
        live_server(tmp_path, provider, clock=clock, web=True, publish_to="redis://127.0.0.1:1") as server,
        patient_http(base_url=server.web_url) as http,
    ):
        client = await server.log_in()
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"]})
        # A source with everything that one can have.
        monkeypatch.setattr(server.app.feed.routes, "sources", lambda: SOURCES)
        page = (await http.get("/metrics")).text
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page):
        if family.name.endswith("_created"):
            continue  # the library writes it beside each histogram
        name = f"{family.name}_total" if family.type == "counter" else family.name
        told[name] = {label for sample in family.samples for label in sample.labels} - {"le"}  # a histogram's own
    documented = {
        name: set(filter(None, labels.strip("{}").split(",")))
        for name, labels in re.findall(r"`(stocktrack_\w+)(\{[\w,]+\})?`", PAGE)
    }
    assert documented == told
