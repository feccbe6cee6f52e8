"""Other people's clients when the server goes, and comes again at the same port: who returns, and sees prices again."""

import signal
from pathlib import Path

import pytest

from browser import chromium
from client_market import USER, client_market
from event_source import LISTEN, ten_of_each
from patience import PATIENCE_SECONDS
from real_clients import client_program
from recipe_pages import Page, at

each_end = pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill"])

# The language of the code on a page, the client, and the file.
RECIPES = {
    "finnhub": ("python", "websocket-client", "finnhub.py"),
    "node": ("javascript", "node", "node.cjs"),
}


@each_end
async def test_socket_io_client_comes_back_by_itself(home: Path, token: str, how: signal.Signals) -> None:
    async with (
        client_market(home, token) as market,
        client_program("node", "socketio.js", market.page, market.token) as program,
    ):
        await program.prints("unsubscribed TSLA")
        await market.end(how)
        gone = await program.prints("disconnected: ")
        async with client_market(home, token, port=market.port):
            back = await program.prints("^connected", since=gone)
            await program.sees(10, "AAPL", "TSLA", since=back)


@each_end
async def test_alpaca_py_comes_back_by_itself(home: Path, token: str, how: signal.Signals) -> None:
    async with client_market(home, token) as market:
        address = f"ws://127.0.0.1:{market.port}/v2/iex"
        async with client_program("alpaca-py", "alpaca_py.py", address, USER, token) as program:
            await program.prints("unsubscribed TSLA")
            await market.end(how)
            gone = len(program.lines)
            async with client_market(home, token, port=market.port):
                # What it gave up it does not ask for again.
                back = await program.prints("^subscribed to trades", since=gone)
                await program.sees(10, "AAPL", since=back)
                assert "TSLA" not in program.prices(back)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
async def test_a_recipe_that_says_how_to_connect_again_does_so(
    home: Path, token: str, tmp_path: Path, recipe: tuple[str, str, str]
) -> None:
    language, client, name = recipe
    page = f"{Path(name).stem}.md"
    code = Page(page).blocks(language)[-1].replace("reconnect=5", "reconnect=1")
    price = r"\bAAPL\b.*\d+\.\d+|\d+\.\d+.*\bAAPL\b"
    async with client_market(home, token) as market:
        (tmp_path / name).write_text(at(code, market.port, token), encoding="utf-8")
        async with client_program(client, tmp_path / name) as program:
            await program.prints(price)
            await market.end(signal.SIGTERM)
            gone = len(program.lines)
            async with client_market(home, token, port=market.port):
                await program.prints(price, since=gone)


@each_end
async def test_an_event_source_comes_back_by_itself(home: Path, token: str, how: signal.Signals) -> None:
    async with chromium() as browser, client_market(home, token) as market:
        page = await browser.new_page()
        await page.goto(f"{market.page}/healthz")
        await page.evaluate(LISTEN, f"{market.page}/api/v1/stream?symbols=AAPL,TSLA&token={token}")
        await ten_of_each(page)
        await market.end(how)
        await page.wait_for_function("() => stream.readyState !== EventSource.OPEN", timeout=PATIENCE_SECONDS * 1000)
        await page.evaluate("prices.splice(0)")
        async with client_market(home, token, port=market.port):
            await ten_of_each(page)
            assert await page.evaluate("opened") == 2
