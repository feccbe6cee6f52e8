"""Pages of other sites in a real browser, on the machine where the server runs: they can make nothing happen here."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from fakes import ScriptedProvider
from foreign_page import FETCH, WAYS, foreign_page
from live_server import LiveServer, live_server
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock
from stocktrack.doors import first_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    """A classroom's server: pupil needs no password, and one wrong login of ann would throttle her."""
    clock = ManualClock()
    async with live_server(
        tmp_path,
        ScriptedProvider(clock),
        clock=clock,
        web=True,
        allowlist=("pupil",),
        login_failures_per_minute=1,
    ) as server:
        pupil = await server.connect()
        assert (await pupil.ask({"type": "AUTH", "username": "pupil"}))["code"] == 200
        assert (await pupil.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"]}))["code"] == 200
        yield server


def lines(*commands: Mapping[str, object]) -> str:
    return "".join(json.dumps(command) + "\n" for command in commands)


COMMANDS = lines({"type": "AUTH", "username": "pupil"}, {"type": "SUBSCRIBE", "symbols": ["TSLA"]})
WRONG_LOGINS = lines(*[{"type": "AUTH", "username": "ann", "password": "wrong SeCrEt"}] * 3)


@pytest.mark.parametrize("way", WAYS)
async def test_a_page_that_speaks_to_the_tcp_port_changes_no_list_and_throttles_nobody(
    browser: Browser, server: LiveServer, way: str
) -> None:
    context = await browser.new_context()
    try:
        page = await context.new_page()
        async with foreign_page() as address:
            await page.goto(address)
            for body in (COMMANDS, WRONG_LOGINS):
                await page.evaluate(WAYS[way], [f"http://127.0.0.1:{server.port}/", body])
    finally:
        await context.close()
    assert await server.app._store.saved("pupil") == ("AAPL",)
    assert await server.app._store.saved("ann") == ()
    await server.log_in("ann")


async def test_a_person_who_opens_the_tcp_port_in_a_browser_is_sent_to_the_web_port(
    browser: Browser, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_bytes, "SILENCE_SECONDS", PATIENCE_SECONDS)  # however busy this machine is
    context = await browser.new_context()
    try:
        page = await context.new_page()
        answer = await page.goto(f"http://127.0.0.1:{server.port}/")
        assert answer is not None
        assert answer.status == 400
        assert f"at port {server.app.web.port}." in await answer.text()
    finally:
        await context.close()


async def test_the_answer_to_a_page_is_an_answer_and_no_broken_connection(
    browser: Browser, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_bytes, "SILENCE_SECONDS", PATIENCE_SECONDS)
    context = await browser.new_context()
    try:
        page = await context.new_page()
        async with foreign_page() as address:
            await page.goto(address)
            told = await page.evaluate(FETCH, [f"http://127.0.0.1:{server.port}/", COMMANDS])
    finally:
        await context.close()
    assert told == "answered"
