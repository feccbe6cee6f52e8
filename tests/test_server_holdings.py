"""Holdings over a real server: on the simulated market, and with rates from Yahoo's stand-in and from Finnhub's."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from fakes import NOW_MS
from finnhub_stub import FinnhubStub, quote_row
from live_server import Line, RawClient, live_server
from stocktrack.client import NotFound, StockTrackClient
from stocktrack.clock import ManualClock, RealClock
from stocktrack.config import Settings
from stocktrack.providers.registry import build_providers
from stocktrack.providers.simulated.provider import SimulatedProvider
from world_market import WorldMarket
from yahoo_redirect import send_yahoo_to
from yahoo_stub import row, running_yahoo_stub


async def add(client: RawClient, symbol: str, quantity: float, unit_cost: float, **fields: Any) -> Line:
    lot = {"type": "ADD_LOT", "symbol": symbol, "quantity": quantity, "unit_cost": unit_cost, **fields}
    reply = await client.ask(lot)
    assert reply["code"] == 200, reply
    return reply


async def test_lots_are_there_after_a_restart_and_holdings_are_worth_what_they_cost_then(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    async with live_server(tmp_path, WorldMarket(clock), clock=clock) as server:
        ann = await server.log_in()
        await add(ann, "AAPL", 10, 90, fixed_cost=1)
        await add(ann, "AAPL", -4, 120)
        before = await ann.ask({"type": "HOLDINGS"})
        assert before["totals"] == {"cost": 421.0, "value": 600.0, "gain": 179.0, "gain_percent": 42.52}
    async with live_server(tmp_path, WorldMarket(clock), users=(), clock=clock) as server:
        ann = await server.log_in()
        assert await ann.ask({"type": "HOLDINGS"}) == before


async def test_every_currency_of_the_simulated_market_has_a_rate(tmp_path: Path) -> None:
    market = SimulatedProvider(interval_seconds=1.0, seed=7, clock=RealClock())
    held = ("AAPL", "VOD.L", "SAP.DE", "NESN.SW", "7203.T", "0700.HK", "RELIANCE.NS", "SHOP.TO", "BTC-USD")
    async with live_server(tmp_path, market) as server:
        ann = await server.log_in()
        for symbol in held:
            await add(ann, symbol, 2, 10)
        for currency in ("USD", "EUR", "GBP", "JPY", "INR"):
            reply = await ann.ask({"type": "HOLDINGS", "currency": currency})
            assert (reply["code"], reply["missing"]) == (200, []), reply
            # Rows that were each rounded may differ from the total by half a coin each.
            value = sum(each["converted"]["value"] for each in reply["holdings"])
            assert reply["totals"]["value"] == pytest.approx(value, abs=(5 if currency == "JPY" else 0.05))
            assert sum(each["weight"] for each in reply["holdings"]) == pytest.approx(100, abs=0.05)


async def test_rates_of_yahoo_count_with_pence_and_one_that_it_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_yahoo_stub() as yahoo:
        send_yahoo_to(yahoo.url, monkeypatch)
        yahoo.rows["VOD.L"] = row("VOD.L", 68.22, currency="GBp", regularMarketPreviousClose=68.9)
        yahoo.rows["7203.T"] = row("7203.T", 3_652.0, currency="JPY", regularMarketPreviousClose=3_640.0)
        yahoo.rows["XYZ.SA"] = row("XYZ.SA", 10.0, currency="BRL")
        yahoo.rows["GBPEUR=X"] = row("GBPEUR=X", 1.1693, currency="EUR")
        yahoo.rows["EURJPY=X"] = row("EURJPY=X", 164.0, currency="JPY")
        [provider] = build_providers(Settings(data_dir=tmp_path, providers=("yahoo",), yahoo_stream=False), RealClock())
        async with live_server(tmp_path, provider) as server:
            ann = await server.log_in()
            await add(ann, "VOD.L", 1_000, 71.35)
            await add(ann, "7203.T", 100, 2_450.5)
            await add(ann, "XYZ.SA", 1, 1)
            reply = await ann.ask({"type": "HOLDINGS", "currency": "EUR"})
    # 1,000 * 68.22 pence are 682.20 pounds, * 1.1693; 365,200 yen / 164
    assert {each["symbol"]: each["converted"]["value"] for each in reply["holdings"] if "converted" in each} == {
        "VOD.L": 797.7,
        "7203.T": 2226.83,
    }
    assert reply["totals"]["value"] == 3024.53
    [missing] = reply["missing"]
    assert missing["message"] == "There is no rate from BRL to EUR (unknown symbol): XYZ.SA is in no total."


async def test_rates_of_finnhub_come_by_its_own_names(tmp_path: Path) -> None:
    async with FinnhubStub(f"key{secrets.token_hex(8)}").serving() as finnhub:
        finnhub.quotes["AAPL"] = quote_row(200.0, d=2.0, pc=198.0)
        finnhub.quotes["OANDA:EUR_USD"] = quote_row(1.25)
        settings = Settings(
            data_dir=tmp_path,
            providers=("finnhub",),
            finnhub_api_key=finnhub.key,
            finnhub_rest_url=finnhub.rest_url,
            finnhub_ws_url=finnhub.ws_url,
        )
        async with live_server(tmp_path, *build_providers(settings, RealClock())) as server:
            ann = await server.log_in()
            await add(ann, "AAPL", 10, 100)
            reply = await ann.ask({"type": "HOLDINGS", "currency": "EUR"})
            assert (reply["totals"]["value"], reply["totals"]["day_change"]) == (1600.0, 16.0)
            assert reply["holdings"][0]["rate"] == 0.8
        # Nobody there has a pair as Yahoo writes it: it was not asked for one.
        assert not [symbol for symbol in finnhub.asked("quote") if "=X" in symbol]


async def test_the_library_adds_removes_and_sums(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    market = WorldMarket(clock)
    market.pair("EURUSD", 1.25)
    async with (
        live_server(tmp_path, market, clock=clock) as server,
        StockTrackClient(server.host, server.port, "ann", "correct horse battery") as client,
    ):
        lot = await client.add_lot("SAP.DE", 10, 150.5, fixed_cost=5, group="pension")
        assert (lot.symbol, lot.unit_cost, lot.group) == ("SAP.DE", 150.5, "pension")
        await client.add_lot("AAPL", 1, 50)
        reply = await client.holdings("EUR", group="pension")
        assert (reply.totals.cost, reply.totals.value, reply.groups) == (1510.0, 2000.0, ("main", "pension"))
        assert (await client.remove_lot(lot.lot)).symbol == "SAP.DE"
        with pytest.raises(NotFound):
            await client.remove_lot(lot.lot)
        assert [each.symbol for each in (await client.holdings()).holdings] == ["AAPL"]
