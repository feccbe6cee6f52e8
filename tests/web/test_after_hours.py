"""What every door tells of a market after its regular hours: REST, and the protocol's replies and pushes."""

from pathlib import Path

from after_hours import EXTENDED, FIGURES, AfterHours
from live_server import PASSWORD, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock

POLL_SECONDS = 5.0


async def test_every_door_tells_the_price_after_hours_and_none_once_the_market_is_open(tmp_path: Path) -> None:
    clock = ManualClock()
    source = AfterHours(clock)
    async with (
        live_server(tmp_path, source, users=("ann",), clock=clock, web=True) as server,
        patient_http(base_url=f"{server.web_url}/api/v1") as http,
    ):
        login = await http.post("/login", json={"username": "ann", "password": PASSWORD})
        token = {"Authorization": f"Bearer {login.json()['token']}"}
        ann = await server.log_in("ann")
        reply = await ann.ask({"type": "GET", "symbols": ["AAPL"]})
        [quote] = reply["quotes"]
        assert {name: quote[name] for name in FIGURES} == FIGURES
        assert quote["extended_time"] == source.figures["AAPL"]["extended_time"]
        rest = (await http.get("/quotes?symbols=AAPL", headers=token)).json()
        assert rest["quotes"] == [quote]

        await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        push = await ann.receive_until("PRICE")
        assert {name: push[name] for name in EXTENDED} == {name: FIGURES[name] for name in EXTENDED}
        assert "price_hint" not in push  # it is two

        source.open_market("AAPL", 272.25)
        await clock.advance(POLL_SECONDS)
        push = await ann.receive_until("PRICE")
        assert push["price"] == 272.25
        assert not {*EXTENDED, "extended_time"} & push.keys()
        rest = (await http.get("/quotes?symbols=AAPL", headers=token)).json()
        assert not {*EXTENDED, "extended_time"} & rest["quotes"][0].keys()


async def test_a_push_tells_the_decimals_of_a_symbol_whose_source_tells_none(tmp_path: Path) -> None:
    clock = ManualClock()
    source = AfterHours(clock)
    source.prices["EURUSD=X"] = 1.08
    source.figures["EURUSD=X"] = {"previous_close": 1.08153}
    async with live_server(tmp_path, source, users=("ann",), clock=clock) as server:
        ann = await server.log_in("ann")
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["EURUSD=X"], "interval": 0})
        assert (await ann.receive_until("PRICE"))["price_hint"] == 5
        [quote] = (await ann.ask({"type": "GET", "symbols": ["EURUSD=X"]}))["quotes"]
        assert "price_hint" not in quote
