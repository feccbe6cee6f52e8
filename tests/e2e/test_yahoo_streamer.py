"""The real program on the recorded Yahoo and its streamer, as it finds the two where this machine has them."""

import argparse
import asyncio
import importlib.util
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import stocktrack
from recorded_yahoo import RecordedYahoo, recorded_yahoo, yahoo_folder
from server_process import ServerProcess, server_process

# No poll within a test: what comes has come by the stream.
FAR = "3600"


@asynccontextmanager
async def streamer_of(yahoo: RecordedYahoo) -> AsyncIterator[tuple[str, Any]]:
    """`yahoo_ws_stub.py` with the prices of the recorded Yahoo: its address, and itself."""
    spec = importlib.util.spec_from_file_location("yahoo_ws_stub", yahoo_folder() / "yahoo_ws_stub.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stub = module.WS(argparse.Namespace(follow=yahoo.url, poll=0.05, repeat=False, interval=1.0, walk=0.0, fixtures=""))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", stub.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    ticking = asyncio.create_task(stub.ticker())
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/", stub
    finally:
        ticking.cancel()
        await asyncio.wait({ticking})
        await runner.cleanup()


@asynccontextmanager
async def a_server(home: Path, yahoo: RecordedYahoo, **variables: str) -> AsyncIterator[ServerProcess]:
    """The program on this Yahoo, with a user."""
    found = yahoo.environment()
    given = {
        **found,
        "PYTHONPATH": os.pathsep.join([str(Path(stocktrack.__file__).parents[1]), found["PYTHONPATH"]]),
        "STOCKTRACK_PROVIDERS": "yahoo",
        "STOCKTRACK_YAHOO_STREAM": "true",
        "STOCKTRACK_POLL_INTERVAL_SECONDS": FAR,
        "STOCKTRACK_ALLOWLIST": "ann",
        "STOCKTRACK_HEARTBEAT_SECONDS": "0.5",
        **variables,
    }
    async with server_process(home, **given) as server:
        yield server


@pytest.fixture
async def yahoo() -> AsyncIterator[RecordedYahoo]:
    async with recorded_yahoo(rebase="now") as running:
        yield running


@pytest.mark.parametrize("variable", ["STOCKTRACK_TEST_YAHOO_WS_URL", "STOCKTRACK_YAHOO_STREAM_URL"])
async def test_prices_come_by_the_stream_and_again_after_it_was_cut(
    variable: str, yahoo: RecordedYahoo, tmp_path: Path
) -> None:
    async with streamer_of(yahoo) as (url, streamer), a_server(tmp_path, yahoo, **{variable: url}) as server:
        client = await server.connect()
        await client.ask({"type": "AUTH", "username": "ann"})
        reply = await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "OCDO.L"], "interval": 0})
        assert reply["code"] == 200, reply

        await yahoo.price("AAPL", 280.5, previous_close=270.0)
        price = await client.receive_until("PRICE")
        while (price["symbol"], price["price"]) != ("AAPL", 280.5):
            price = await client.receive_until("PRICE")
        full = (await client.ask({"type": "GET", "symbols": ["AAPL"]}))["quotes"][0]
        subscriptions = [sorted(symbols) for _, symbols in streamer.clients.values()]
        for request, _ in list(streamer.clients.values()):
            request.transport.abort()
        while streamer.n["connections"] < 2:
            await client.receive_until("HEARTBEAT")
        await yahoo.price("AAPL", 281.25, previous_close=270.0)
        while (price["symbol"], price["price"]) != ("AAPL", 281.25):
            price = await client.receive_until("PRICE")
        await client.close()
        server.signal(signal.SIGTERM)

        assert await server.exit_code() == 0
        assert (full["price"], full["previous_close"], full["change"]) == (280.5, 270.0, 10.5)
        assert (full["currency"], full["name"]) == ("USD", "Apple Inc.")
        assert subscriptions == [["AAPL", "OCDO.L"]]
