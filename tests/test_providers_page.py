"""`docs/providers.md`: its example is a source that runs and keeps the contract, and its tables leave nothing out."""

import asyncio
import json
import os
import re
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import stocktrack
from feed_server import Answer, FeedServer, Request, respond
from installed_package import install
from live_server import PASSWORD
from patience import PATIENCE_SECONDS
from server_process import run_stocktrack, server_process
from stocktrack.providers.base import CAPABILITIES
from stocktrack.providers.registry import SOURCES

PAGE = (Path(__file__).parents[1] / "docs" / "providers.md").read_text(encoding="utf-8")
OWN = PAGE.partition("\n## Write your own\n")[2]
SOURCE, TESTS = re.findall(r"^```python\n(.*?)^```$", OWN, re.DOTALL | re.MULTILINE)
PROJECT, SETTINGS = (tomllib.loads(text) for text in re.findall(r"^```toml\n(.*?)^```$", OWN, re.DOTALL | re.MULTILINE))
MOST_LINES = 60
ROWS = {"AAPL": {"symbol": "AAPL", "last": 189.45, "previous": 188.25, "time": 1_712_331_900}}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The example as pip would have installed it."""
    folder = tmp_path / "site"
    sources = PROJECT["project"]["entry-points"]["stocktrack.providers"]
    install(folder, PROJECT["project"]["name"], {"acme_quotes": SOURCE}, sources)
    return folder


@pytest.fixture
async def vendor() -> AsyncIterator[FeedServer]:
    async with FeedServer().serving() as server:
        server.on("/v1/quotes", acme())
        yield server


def acme() -> Answer:
    """What the imaginary Acme answers."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        asked = parse_qs(urlsplit(request.path).query)["symbols"][0].split(",")
        body = json.dumps({"quotes": [ROWS[symbol] for symbol in asked if symbol in ROWS]}).encode()
        is_known = request.headers["authorization"] == "Bearer SeCrEt-key"
        await respond(body, status=200 if is_known else 401, content_type="application/json")(request, writer)

    return answer


def variables(site: Path, vendor: FeedServer) -> dict[str, Any]:
    return {
        "PYTHONPATH": os.pathsep.join((str(site), str(Path(stocktrack.__file__).parents[1]))),
        "STOCKTRACK_PROVIDERS": "acme",
        "STOCKTRACK_SOURCES__ACME__URL": vendor.url(""),
        "STOCKTRACK_SOURCES__ACME__API_KEY": "SeCrEt-key",
    }


def test_the_example_is_short_and_its_settings_are_those_it_reads() -> None:
    assert len(SOURCE.splitlines()) <= MOST_LINES
    [name] = PROJECT["project"]["entry-points"]["stocktrack.providers"]
    assert name in SETTINGS["providers"]
    assert list(SETTINGS["sources"]) == [name]


async def test_the_example_serves_prices_in_a_real_server(tmp_path: Path, site: Path, vendor: FeedServer) -> None:
    settings = variables(site, vendor)
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode(), **settings)
    async with server_process(tmp_path, **settings) as server:
        ann = await server.log_in()
        reply = await ann.ask({"type": "GET", "symbols": ["AAPL", "NOPE"]})
        sources = await ann.ask({"type": "SOURCES"})
        await ann.close()

    [quote] = reply["quotes"]
    assert (quote["symbol"], quote["price"], quote["provider"]) == ("AAPL", 189.45, "acme")
    assert (quote["change"], quote["timestamp"]) == (1.2, 1_712_331_900_000)
    assert [(each["symbol"], each["reason"]) for each in reply["missing"]] == [("NOPE", "unknown_symbol")]
    told: list[dict[str, Any]] = sources["sources"]
    assert [(each["provider"], each["capabilities"], each["state"]) for each in told] == [("acme", ["quotes"], "ok")]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "acme has no key: set sources.acme.api_key."),
        ("SeCrEt-wrong", "acme refuses its key: correct sources.acme.api_key."),
    ],
    ids=["none", "wrong"],
)
async def test_a_key_that_will_not_do_is_told_to_whoever_asks_and_the_server_goes_on(
    tmp_path: Path, site: Path, vendor: FeedServer, key: str, says: str
) -> None:
    settings = {**variables(site, vendor), "STOCKTRACK_SOURCES__ACME__API_KEY": key}
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode(), **settings)
    async with server_process(tmp_path, **settings) as server:
        ann = await server.log_in()
        reply = await ann.ask({"type": "GET", "symbols": ["AAPL"]})
        [source] = (await ann.ask({"type": "SOURCES"}))["sources"]
        pong = await ann.ask({"type": "PING"})
        await ann.close()

    assert (reply["code"], reply["reason"]) == (404, "not_offered")
    assert says in reply["message"]
    assert (source["state"], source["message"]) == ("not_offered", says)
    assert pong["code"] == 200
    assert len(vendor.requests) == (1 if key else 0)


async def test_the_check_of_the_settings_knows_the_example(tmp_path: Path, site: Path, vendor: FeedServer) -> None:
    settings = variables(site, vendor)
    checked = await run_stocktrack(tmp_path, "config", "check", **settings)
    shown = await run_stocktrack(tmp_path, "config", "show", **settings)
    assert (checked.code, checked.out, checked.err) == (0, "The settings are right.\n", "")
    assert '"api_key": "***"' in shown.out
    assert "SeCrEt" not in shown.out + shown.err
    assert vendor.requests == []


@pytest.mark.parametrize("mode", ["strict", "auto"])
async def test_the_tests_of_the_example_pass(tmp_path: Path, site: Path, mode: str) -> None:
    (tmp_path / "test_acme_quotes.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")
    paths = os.pathsep.join((str(site), str(Path(stocktrack.__file__).parents[1])))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-W", "error", f"--asyncio-mode={mode}", "-p", "no:cacheprovider"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 0, out.decode()
    assert "skipped" not in out.decode()


def test_every_source_of_ours_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.partition("\n## ")[0], re.MULTILINE)
    assert sorted(rows) == sorted(SOURCES)


def test_every_capability_has_its_row_with_its_members() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (`.*`) \|$", OWN, re.MULTILINE))
    told = {name: set(re.findall(r"`(\w+)", members)) for name, members in rows.items()}
    assert told == {capability.value: set(members) for capability, members in CAPABILITIES.items()}
