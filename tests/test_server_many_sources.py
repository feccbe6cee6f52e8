"""A server on two real sources at once, Finnhub's stand-in and Yahoo's: from their sockets to a client's."""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from finnhub_stub import FinnhubStub, quote_row, trade
from live_server import Line, LiveServer, RawClient, live_server
from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.providers.registry import build_providers
from yahoo_redirect import send_yahoo_to
from yahoo_stub import YahooStub, row, running_yahoo_stub

POLL_SECONDS = 0.3
PLACES = 50


@dataclass
class Scene:
    """The server, and the two vendors behind it."""

    server: LiveServer
    finnhub: FinnhubStub
    yahoo: YahooStub

    async def subscriber(self, *symbols: str) -> tuple[RawClient, Line]:
        """A client that is pushed `symbols` as they change, and the reply to its subscription."""
        client = await self.server.log_in()
        reply = await client.ask({"type": "SUBSCRIBE", "symbols": list(symbols), "interval": 0, "save": False})
        return client, reply

    async def source(self, name: str) -> dict[str, Any]:
        client = await self.server.log_in()
        reply = await client.ask({"type": "SOURCES"})
        return next(each for each in reply["sources"] if each["provider"] == name)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def row_now(symbol: str, price: float) -> dict[str, Any]:
    """A row of Yahoo's whose price was made a moment ahead, so that it is newer than any trade before it."""
    return row(symbol, price, regularMarketTime=now_ms() // 1000 + 1)


async def price_of(client: RawClient, symbol: str, **fields: Any) -> Line:
    """The first PRICE of `symbol` with these fields; no time on the way there may go back."""
    newest = 0
    while True:
        line = await client.receive_until("PRICE")
        if line["symbol"] != symbol:
            continue
        assert line["timestamp"] // 1000 >= newest // 1000
        newest = line["timestamp"]
        if fields.items() <= line.items():
            return line


@contextlib.asynccontextmanager
async def a_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *symbols: str) -> AsyncIterator[Scene]:
    async with running_yahoo_stub() as yahoo, FinnhubStub(f"key{secrets.token_hex(8)}").serving() as finnhub:
        send_yahoo_to(yahoo.url, monkeypatch)
        for symbol in symbols:
            finnhub.quotes[symbol] = quote_row(100.0, t=now_ms() // 1000 - 60)
            yahoo.rows[symbol] = row(symbol, 100.0, regularMarketTime=now_ms() // 1000 - 60)
        settings = Settings(
            data_dir=tmp_path,
            providers=("finnhub", "yahoo"),
            finnhub_api_key=finnhub.key,
            finnhub_rest_url=finnhub.rest_url,
            finnhub_ws_url=finnhub.ws_url,
            yahoo_stream=False,
        )
        providers = build_providers(settings, RealClock())
        async with live_server(
            tmp_path, *providers, users=("ann",), poll_interval_seconds=POLL_SECONDS, max_symbols=500
        ) as server:
            yield Scene(server, finnhub, yahoo)


async def test_each_symbol_comes_from_the_source_that_has_it_and_only_all_of_them_can_call_one_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch, "AAPL") as scene:
        scene.yahoo.rows["RELIANCE.NS"] = row("RELIANCE.NS", 1_390.0, currency="INR")
        client, reply = await scene.subscriber("AAPL", "RELIANCE.NS", "NOPE")
        assert (reply["subscribed"], reply["missing"]) == (
            ["AAPL", "RELIANCE.NS"],
            [{"symbol": "NOPE", "code": 404, "reason": "unknown_symbol"}],
        )
        await scene.finnhub.subscribed("AAPL")
        await scene.finnhub.trade(trade("AAPL", 101.5, now_ms()))
        streamed = await price_of(client, "AAPL", price=101.5)
        assert (streamed["provider"], streamed["stale"]) == ("finnhub", False)
        quotes = (await client.ask({"type": "GET", "symbols": ["AAPL", "RELIANCE.NS"]}))["quotes"]
        assert [quote["provider"] for quote in quotes] == ["finnhub", "yahoo"]
        # What is not American was tried once: the plan may have it.
        assert scene.finnhub.asked("quote") == ["AAPL", "RELIANCE.NS", "NOPE"]


async def test_when_finnhub_goes_yahoo_takes_over_and_hands_back_and_no_price_goes_back_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch, "AAPL") as scene:
        client, _ = await scene.subscriber("AAPL")
        await scene.finnhub.subscribed("AAPL")
        await scene.finnhub.trade(trade("AAPL", 101.5, now_ms()))
        await price_of(client, "AAPL", price=101.5, provider="finnhub")

        scene.yahoo.rows["AAPL"] = row_now("AAPL", 102.0)
        scene.finnhub.fail("quote", 503, times=1_000)
        scene.finnhub.handshake_status = 503
        await scene.finnhub.drop()
        taken_over = await price_of(client, "AAPL", provider="yahoo")
        assert (taken_over["price"], taken_over["stale"]) == (102.0, False)
        assert not (await scene.source("finnhub"))["stream"]["is_up"]
        assert (await scene.source("yahoo"))["leads"] == 1

        scene.finnhub.heal()
        await scene.finnhub.subscribed("AAPL")
        await scene.finnhub.trade(trade("AAPL", 103.0, now_ms() + 1_500))
        assert (await price_of(client, "AAPL", provider="finnhub"))["price"] == 103.0


async def test_of_500_symbols_50_stream_and_the_others_come_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = "ABCDEFGHIJKLMNOPQRST"
    symbols = [f"{first}{second}X" for first in letters for second in f"{letters}UVWXY"]
    async with a_scene(tmp_path, monkeypatch, *symbols) as scene:
        client, reply = await scene.subscriber(*symbols)
        assert (len(reply["subscribed"]), reply["pending"], reply["missing"]) == (500, [], [])
        # The first prices took each source one call, and Finnhub no more than it may be asked at once.
        assert scene.finnhub.most_calls_within(60) <= 12
        await scene.finnhub.subscribed(*symbols[:PLACES])
        await scene.finnhub.trade(*(trade(symbol, 101.0, now_ms()) for symbol in symbols[:PLACES]))
        await price_of(client, symbols[PLACES - 1], price=101.0, provider="finnhub")
        scene.yahoo.rows[symbols[-1]] = row_now(symbols[-1], 102.0)
        await price_of(client, symbols[-1], price=102.0, provider="yahoo")
        finnhub, yahoo = await scene.source("finnhub"), await scene.source("yahoo")
        assert (finnhub["leads"], finnhub["stream"]) == (PLACES, {"is_up": True, "symbols": PLACES, "places": PLACES})
        assert yahoo["leads"] == 450
        assert scene.finnhub.most_calls_within(60) <= 60
