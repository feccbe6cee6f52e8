"""/yahoo: Yahoo's streamer as yfinance knows it."""

import base64
import json
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from dialect_scene import MARKET_MS, DialectScene, dialect_scene, goodbye, price_line
from fakes import NOW_MS
from live_server import until
from stocktrack.providers.yahoo.ticks import read_tick
from stocktrack.quotes import MarketState
from stocktrack.web.dialects.yahoo import pricing_message
from web_clients import BareSocket, SocketClient, socket_client

PATH = "/yahoo?version=2"
# They carry no type hints.
PricingData: Any = import_module("yfinance.pricing_pb2").PricingData
to_dict: Any = import_module("google.protobuf.json_format").MessageToDict


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[DialectScene]:
    async with dialect_scene(tmp_path) as scene:
        yield scene


def decoded(message: str | bytes) -> dict[str, Any]:
    told = json.loads(message)
    assert set(told) == {"type", "message"}
    assert told["type"] == "pricing"
    fields: dict[str, Any] = to_dict(
        PricingData.FromString(base64.b64decode(told["message"])), preserving_proto_field_name=True
    )
    return fields


async def pricing(client: SocketClient) -> dict[str, Any]:
    return decoded(await client.message())


async def test_a_subscriber_gets_the_price_that_stands_and_then_each_change(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"subscribe": ["AAPL", "TSLA"]})
        told = [await pricing(client), await pricing(client)]
        assert [(each["id"], each["price"], each["time"]) for each in told] == [
            ("AAPL", 100.0, str(MARKET_MS)),
            ("TSLA", 300.0, str(MARKET_MS)),
        ]
        scene.market.deliver()
        assert [(await pricing(client))["price"] for _ in range(2)] == [101.0, 301.0]


async def test_a_repeated_subscription_tells_nothing_again_and_an_unsubscribed_one_is_quiet(
    scene: DialectScene,
) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"subscribe": ["AAPL", "TSLA"]})
        [await pricing(client) for _ in range(2)]
        await client.send({"subscribe": ["AAPL", "TSLA"]}, {"unsubscribe": ["AAPL"], "subscribe": "MSFT"})
        assert (await pricing(client))["id"] == "MSFT"
        scene.market.deliver()
        assert sorted([(await pricing(client))["id"] for _ in range(2)]) == ["MSFT", "TSLA"]


@pytest.mark.parametrize(
    "message", ["hello", "[]", {}, {"subscribe": 7}, {"subscribe": []}, {"subscribe": ["A B", 7, None, "NOPE"]}]
)
async def test_what_is_no_message_and_no_symbol_is_passed_over(
    scene: DialectScene, message: dict[str, Any] | str
) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send(message, {"subscribe": ["AAPL"]})
        assert (await pricing(client))["id"] == "AAPL"


async def test_bad_symbols_do_not_keep_the_good_ones_away(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"subscribe": ["A B", "aapl", "NOPE", "TSLA"]})
        assert [(await pricing(client))["id"] for _ in range(2)] == ["AAPL", "TSLA"]


async def test_too_many_symbols_close_with_1011_and_the_reason(tmp_path: Path) -> None:
    async with dialect_scene(tmp_path, max_symbols=2) as scene, socket_client(scene.server, PATH) as client:
        await client.send({"subscribe": ["AAPL", "TSLA", "MSFT"]})
        code, why = await goodbye(client)
        assert (code, "2" in why) == (1011, True)


async def test_a_bad_token_is_refused_with_a_401_in_the_handshake_and_a_good_one_is_let_in(tmp_path: Path) -> None:
    async with dialect_scene(tmp_path, live_price_needs_token="always") as scene:
        for query in ("&token=bad", ""):
            with pytest.raises(InvalidStatus) as refused:
                async with socket_client(scene.server, PATH + query):
                    pass
            assert refused.value.response.status_code == 401
        ann = await scene.server.log_in()
        token = (await ann.ask({"type": "TOKEN"}))["token"]
        async with socket_client(scene.server, f"{PATH}&token={token}") as client:
            await client.send({"subscribe": ["AAPL"]})
            assert (await pricing(client))["id"] == "AAPL"


async def test_a_quiet_client_is_pinged_and_gets_no_message(scene: DialectScene) -> None:
    bare = await BareSocket.open(scene.server, PATH)
    await until(lambda: len(scene.server.app.sessions) == 1)
    await scene.clock.advance(31)
    assert await bare.receive() == (9, b"")
    bare.close()


async def test_a_shutdown_closes_with_1012_and_nothing_that_would_be_taken_for_a_price(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"subscribe": ["AAPL"]})
        await pricing(client)
        await scene.server.app.close()
        heard = len(client.received)
        code, why = await goodbye(client)
        assert (code, bool(why), len(client.received)) == (1012, True, heard)


# --- what a PRICE line becomes ------------------------------------------------------------------------------------


def test_our_own_reader_of_yahoos_ticks_reads_the_same_back() -> None:
    line = price_line(
        price=189.45, change=1.2, change_percent=0.64, volume=48_123, bid=189.44, ask=189.46, currency="USD"
    )
    message = json.loads(pricing_message(b"", line))
    tick = read_tick(PricingData.FromString(base64.b64decode(message["message"])))
    assert tick is not None
    assert (tick.symbol, tick.price, tick.volume, tick.bid, tick.ask, tick.currency) == (
        *("AAPL", 189.45, 48_123, 189.44, 189.46, "USD"),
    )
    assert (tick.previous_close, round(tick.change or 0, 4), tick.hours) == (188.25, 1.2, 1)


def test_what_is_not_known_is_left_out() -> None:
    told = decoded(pricing_message(b"", price_line(timestamp=None, currency=None)))
    assert set(told) == {"id", "price", "time", "market_hours", "price_hint"}


@pytest.mark.parametrize(("state", "hours"), [(MarketState.PRE, 0), (MarketState.POST, 2)])
def test_a_price_of_the_extended_hours_is_told_as_one(state: MarketState, hours: int) -> None:
    line = price_line(
        market_state=state,
        change=1.2,
        extended_price=190.5,
        extended_time=NOW_MS,
        extended_change=1.05,
        extended_change_percent=0.55,
    )
    told = decoded(pricing_message(b"", line))
    assert (told["price"], told["time"], round(told["change"], 4)) == (190.5, str(NOW_MS), 1.05)
    assert (told.get("market_hours", 0), told["previous_close"]) == (hours, 188.25)


def test_what_says_the_same_is_not_told_again_and_another_bid_is() -> None:
    first = price_line(bid=189.4, ask=189.5)
    assert pricing_message(first, price_line(bid=189.4, ask=189.5, seq=2, received_at=NOW_MS + 5)) == b""
    assert pricing_message(first, price_line(bid=189.41, ask=189.5)) != b""
