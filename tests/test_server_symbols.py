"""An instrument file in a whole server: by TCP, by REST, by the client library and by the command line."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fakes import NOW_MS, ScriptedProvider
from kite_instruments import write_instruments
from live_server import PASSWORD, LiveServer, live_server
from stocktrack.client import BadRequest, StockTrackClient
from stocktrack.clock import ManualClock
from stocktrack.config import LoadedSettings
from stocktrack.errors import ConfigError

LONGEST = "NIFTY24APR18000CE".ljust(48, "X")


@pytest.fixture(autouse=True)
def log_level_as_it_was() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_instruments(tmp_path / "instruments.csv.gz", 20_000, date(2024, 4, 25))


@pytest.fixture
async def server(tmp_path: Path, path: Path) -> AsyncIterator[LiveServer]:
    market = ScriptedProvider(ManualClock(NOW_MS), name="yahoo")
    async with live_server(tmp_path, market, clock=ManualClock(NOW_MS), web=True, symbols_file=path) as built:
        yield built


async def test_contracts_are_found_and_told_by_every_way_in(server: LiveServer) -> None:
    tcp = await server.log_in()
    reply = await tcp.ask({"type": "SEARCH", "query": "RELIANCE", "segment": "f", "limit": 2})
    assert reply["matches"] == [
        {
            "symbol": f"NFO:RELIANCE24{month}FUT",
            "name": "RELIANCE",
            "exchange": "NFO",
            "segment": "NFO",
            "expiry": expiry,
            "type": "FUT",
            "lot": 250,
        }
        for month, expiry in (("APR", "2024-04-25"), ("MAY", "2024-05-23"))
    ]
    company = (await tcp.ask({"type": "INFO", "symbol": "nfo:reliance24aprfut"}))["company"]
    assert company == {
        "symbol": "NFO:RELIANCE24APRFUT",
        "name": "RELIANCE",
        "exchange": "NFO",
        "segment": "NFO",
        "expiry": "2024-04-25",
        "type": "FUT",
        "lot": 250,
        "tick": 0.05,
    }
    async with StockTrackClient(server.host, server.port, username="ann", password=PASSWORD) as client:
        found = await client.search("reliance", 2, segment="F")
        assert [match.expiry for match in found.matches] == [date(2024, 4, 25), date(2024, 5, 23)]
        with pytest.raises(BadRequest, match="must be one of NSE, BSE"):
            await client.search("reliance", segment="NASDAQ")


async def test_a_symbol_of_a_segment_is_asked_of_the_source_by_its_name_there_and_answered_by_its_own(
    server: LiveServer,
) -> None:
    market_of(server).prices |= {"RELIANCE.NS": 2920.0, "^NSEI": 22_500.0, "INFY.BO": 1478.0}
    tcp = await server.log_in()
    symbols = ["NSE:RELIANCE", "nse_eq:reliance", "RELIANCE.NS", "NSE_INDEX:NIFTY", "BSE_EQ:INFY", "NSE:NOPE"]
    reply = await tcp.ask({"type": "GET", "symbols": symbols})
    assert [(quote["symbol"], quote["price"]) for quote in reply["quotes"]] == [
        *(("NSE:RELIANCE", 2920.0), ("NSE_EQ:RELIANCE", 2920.0), ("RELIANCE.NS", 2920.0)),
        *(("NSE_INDEX:NIFTY", 22_500.0), ("BSE_EQ:INFY", 1478.0)),
    ]
    assert [(each["symbol"], each["reason"]) for each in reply["missing"]] == [("NSE:NOPE", "unknown_symbol")]
    reply = await tcp.ask({"type": "SUBSCRIBE", "symbols": ["NSE:RELIANCE", "AAPL"], "interval": 0})
    assert reply["subscribed"] == ["NSE:RELIANCE", "AAPL"]
    assert (await tcp.receive_until("PRICE"))["symbol"] == "NSE:RELIANCE"


async def test_a_contract_that_no_source_has_and_one_that_has_expired_say_so(server: LiveServer, path: Path) -> None:
    write(path, "symbol,expiry,type\nNFO:NIFTY24MARFUT,2024-03-28,FUT\nNFO:NIFTY24APRFUT,2024-04-25,FUT\n")
    await server.app._instruments.load(path)
    tcp = await server.log_in()
    symbols = ["AAPL", "NFO:NIFTY24APRFUT", "NFO:NIFTY24MARFUT", "NIFTY24MARFUT"]
    reply = await tcp.ask({"type": "GET", "symbols": symbols})
    assert [quote["symbol"] for quote in reply["quotes"]] == ["AAPL"]
    assert {each["symbol"]: (each["code"], each["reason"], each["message"]) for each in reply["missing"]} == {
        "NFO:NIFTY24APRFUT": (404, "not_offered", server.app._instruments.not_offered("NFO:NIFTY24APRFUT", "yahoo")),
        "NFO:NIFTY24MARFUT": (404, "not_offered", "NFO:NIFTY24MARFUT expired on 2024-03-28."),
        "NIFTY24MARFUT": (404, "not_offered", "NIFTY24MARFUT expired on 2024-03-28."),
    }
    reply = await tcp.ask({"type": "SUBSCRIBE", "symbols": ["NFO:NIFTY24MARFUT"]})
    assert (reply["code"], reply["reason"], reply["message"]) == (
        *(404, "not_offered"),
        "NFO:NIFTY24MARFUT expired on 2024-03-28.",
    )
    assert (await tcp.ask({"type": "INFO", "symbol": "NFO:OTHER24APRFUT"}))["reason"] == "not_offered"
    assert all("NFO" not in "".join(batch) for batch in market_of(server).batches)


async def test_a_row_with_a_source_is_asked_of_that_one_as_it_says(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    first, second = ScriptedProvider(clock, name="yahoo"), ScriptedProvider(clock, name="somebody")
    first.prices |= {"GOLD": 1.0, "GC=F": 2.0}
    second.prices |= {"XAU": 2300.0, "GOLD": 3.0}
    path = tmp_path / "symbols.csv"
    write(path, "symbol;source;source_symbol;name\nGOLD;somebody;xau;Spot gold\nLEAD;nobody;PB;Lead\n")
    async with live_server(tmp_path, first, second, clock=clock, symbols_file=path) as server:
        tcp = await server.log_in()
        reply = await tcp.ask({"type": "GET", "symbols": ["GOLD", "LEAD"]})
        [quote] = reply["quotes"]
        assert (quote["symbol"], quote["price"], quote["provider"]) == ("GOLD", 2300.0, "somebody")
        [missing] = reply["missing"]
        assert missing["reason"] == "not_offered"
        assert "LEAD comes from nobody alone" in missing["message"]
        company = (await tcp.ask({"type": "INFO", "symbol": "GOLD"}))["company"]
        assert company == {"symbol": "GOLD", "name": "Spot gold"}
    assert first.batches == []


async def test_a_wrong_word_for_a_segment_is_a_400_that_lists_the_right_ones(server: LiveServer) -> None:
    tcp = await server.log_in()
    for word in ("NASDAQ", "", "N F O", 7):
        reply = await tcp.ask({"type": "SEARCH", "query": "A", "segment": word})
        assert (reply["code"], reply["reason"]) == (400, "invalid_command")
    reply = await tcp.ask({"type": "SEARCH", "query": "A", "segment": "NASDAQ"})
    assert "'segment' must be one of NSE, BSE, NFO" in reply["message"]


async def test_the_file_is_read_again_at_a_reload_and_prices_go_on(server: LiveServer, path: Path) -> None:
    tcp = await server.log_in()
    write(path, "symbol,name,expiry,type\nNFO:NEW24MAYFUT,NEW,2024-05-30,FUT\n")
    with capture_logs() as logs:
        server.app.reload(lambda: LoadedSettings(server.app.settings, {}, ()))
        await reloads(server)
    assert [line["event"] for line in logs] == ["settings reloaded", "symbols loaded"]
    reply = await tcp.ask({"type": "SEARCH", "query": "NEW", "segment": "FO"})
    assert [match["symbol"] for match in reply["matches"]] == ["NFO:NEW24MAYFUT"]
    assert (await tcp.ask({"type": "GET", "symbols": ["AAPL"]}))["code"] == 200


async def test_a_reload_can_take_the_file_away(server: LiveServer) -> None:
    tcp = await server.log_in()
    settings = server.app.settings.model_copy(update={"symbols_file": None})
    server.app.reload(lambda: LoadedSettings(settings, {}, ()))
    await reloads(server)
    reply = await tcp.ask({"type": "SEARCH", "query": "RELIANCE", "segment": "FO"})
    assert (reply["code"], reply["reason"]) == (404, "not_offered")
    assert "symbols_file" in reply["message"]


def write(path: Path, content: str) -> None:
    path.write_text(content)


def market_of(server: LiveServer) -> ScriptedProvider:
    market = server.app.feed.routes.upstreams[0].provider
    assert isinstance(market, ScriptedProvider)
    return market


async def reloads(server: LiveServer) -> None:
    await asyncio.gather(*server.app._instruments._reloads)


async def test_a_server_does_not_start_with_a_file_that_is_none(tmp_path: Path) -> None:
    market = ScriptedProvider(ManualClock())
    file = tmp_path / "page.html"
    write(file, "<!doctype html>\n<title>Please log in</title>\n")
    with pytest.raises(ConfigError, match=r"symbols_file = '.*page\.html': line 1 is no header"):
        async with live_server(tmp_path, market, symbols_file=file):
            pass


async def test_a_symbol_of_48_characters_goes_everywhere(server: LiveServer) -> None:
    assert len(LONGEST) == 48
    market_of(server).prices[LONGEST] = 1.0
    tcp = await server.log_in()
    assert (await tcp.ask({"type": "SUBSCRIBE", "symbols": [LONGEST.lower()]}))["subscribed"] == [LONGEST]
    assert (await tcp.ask({"type": "MY_STOCKS"}))["symbols"] == [LONGEST]
    assert (await tcp.ask({"type": "GET", "symbols": [f"{LONGEST}X"]}))["code"] == 400
