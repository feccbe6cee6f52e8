"""/finnhub: Finnhub's WebSocket as its clients know it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from dialect_scene import MARKET_MS, DialectScene, dialect_scene, goodbye, price_line
from live_server import until
from stocktrack.errors import Code, Reason
from stocktrack.messages import Notice
from stocktrack.wire.lines import encode_line
from web_clients import BareSocket, socket_client

PATH = "/finnhub"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[DialectScene]:
    async with dialect_scene(tmp_path) as scene:
        yield scene


async def test_a_subscriber_gets_the_price_that_stands_and_then_each_trade(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"type": "subscribe", "symbol": "aapl"})
        first = await client.object()
        assert first == {"data": [{"c": None, "p": 100.0, "s": "AAPL", "t": MARKET_MS, "v": 0}], "type": "trade"}
        for change in (1, 2, 3):
            scene.market.deliver()
            [trade] = (await client.object())["data"]
            assert (trade["s"], trade["p"]) == ("AAPL", 100.0 + change)


async def test_what_changes_together_stands_in_one_frame_and_what_was_unsubscribed_comes_no_more(
    scene: DialectScene,
) -> None:
    async with socket_client(scene.server, PATH) as client:
        for symbol in ("AAPL", "TSLA"):
            await client.send({"type": "subscribe", "symbol": symbol})
            assert (await client.object())["data"][0]["s"] == symbol
        scene.market.deliver()
        assert [trade["s"] for trade in (await client.object())["data"]] == ["AAPL", "TSLA"]
        await client.send({"type": "unsubscribe", "symbol": "AAPL"}, {"type": "what?"})
        assert "no message type 'what?'" in (await client.object())["msg"]
        scene.market.deliver()
        assert [trade["s"] for trade in (await client.object())["data"]] == ["TSLA"]
        # Whoever comes back to a symbol is told where it stands.
        await client.send({"type": "subscribe", "symbol": "AAPL"})
        [trade] = (await client.object())["data"]
        assert (trade["s"], trade["v"]) == ("AAPL", 0)


async def test_to_subscribe_twice_tells_nothing_twice(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"type": "subscribe", "symbol": "AAPL"})
        await client.object()
        await client.send({"type": "subscribe", "symbol": "AAPL"}, {"type": "subscribe", "symbol": "TSLA"})
        assert [trade["s"] for trade in (await client.object())["data"]] == ["TSLA"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("hello", "not JSON"),
        ("[]", "object"),
        ({"type": "subscribe"}, 'needs a "symbol"'),
        ({"type": "subscribe", "symbol": ["AAPL"]}, 'needs a "symbol"'),
        ({"type": "subscribe", "symbol": "A B"}, "'A B' is not a symbol"),
        ({"type": "subscribe", "symbol": "NOPE"}, "There is no price of NOPE."),
        ({"type": "unsubscribe", "symbol": "AAPL"}, "AAPL was not subscribed."),
        ({"type": "subscribe-news", "symbol": "AAPL"}, "there are subscribe, unsubscribe"),
        ({"type": ["subscribe"], "symbol": "AAPL"}, "no message type"),
        ({"symbol": "AAPL"}, "no message type"),
    ],
)
async def test_what_is_wrong_is_an_error_with_a_sentence_and_the_socket_stays_open(
    scene: DialectScene, message: dict[str, object] | str, said: str
) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send(message)
        told = await client.object()
        assert (told["type"], said in told["msg"]) == ("error", True), told
        await client.send({"type": "subscribe", "symbol": "AAPL"})
        assert (await client.object())["type"] == "trade"


async def test_one_symbol_too_many_gets_the_text_that_clients_look_for_and_unsubscribing_frees_a_place(
    tmp_path: Path,
) -> None:
    async with dialect_scene(tmp_path, max_symbols=2) as scene, socket_client(scene.server, PATH) as client:
        for symbol in ("AAPL", "TSLA"):
            await client.send({"type": "subscribe", "symbol": symbol})
            await client.object()
        await client.send({"type": "subscribe", "symbol": "MSFT"})
        assert await client.object() == {"msg": "Subscribing to too many symbols", "type": "error"}
        await client.send({"type": "unsubscribe", "symbol": "AAPL"}, {"type": "subscribe", "symbol": "MSFT"})
        assert (await client.object())["data"][0]["s"] == "MSFT"


async def test_a_bad_token_is_refused_with_a_401_in_the_handshake_and_a_good_one_is_let_in(tmp_path: Path) -> None:
    async with dialect_scene(tmp_path, live_price_needs_token="always") as scene:
        for query in ("?token=bad", "?token=", ""):
            with pytest.raises(InvalidStatus) as refused:
                async with socket_client(scene.server, PATH + query):
                    pass
            assert refused.value.response.status_code == 401
            assert b"token" in (refused.value.response.body or b"")
        await until(lambda: len(scene.server.app.sessions) == 0)
        token = await scene.token()
        async with socket_client(scene.server, f"{PATH}?token={token}") as client:
            await client.send({"type": "subscribe", "symbol": "AAPL"})
            assert (await client.object())["type"] == "trade"


async def test_who_needs_no_token_is_refused_all_the_same_with_a_bad_one(scene: DialectScene) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket_client(scene.server, f"{PATH}?token=YOUR_KEY"):
            pass
    assert refused.value.response.status_code == 401


async def test_one_guest_too_many_gets_a_503_in_the_handshake(tmp_path: Path) -> None:
    async with dialect_scene(tmp_path, max_guests=2) as scene, socket_client(scene.server, PATH):
        with pytest.raises(InvalidStatus) as refused:
            async with socket_client(scene.server, PATH):
                pass
        assert refused.value.response.status_code == 503


async def test_what_comes_before_the_handshake_is_answered_waits_for_it(scene: DialectScene) -> None:
    token = await scene.token()
    bare = await BareSocket.connect(scene.server)
    host, port = bare.writer.get_extra_info("peername")[:2]
    bare.writer.write(
        f"GET {PATH}?token={token} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    bare.send(b"", opcode=9)
    bare.send(b'{"type":"subscribe","symbol":"AAPL"}')
    assert (await bare.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    assert (await bare.receive())[0] == 10
    assert b'"s":"AAPL"' in (await bare.receive())[1]
    bare.close()


async def test_a_quiet_client_gets_finnhubs_own_ping(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await until(lambda: len(scene.server.app.sessions) == 1)
        await scene.clock.advance(31)
        assert await client.object() == {"type": "ping"}


async def test_what_happens_to_the_source_is_told_as_an_error_and_not_as_a_trade(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"type": "subscribe", "symbol": "AAPL"})
        await client.object()
        [session] = scene.server.app.sessions
        why = "The source failed. Prices stay as they were, marked stale."
        session.notify(encode_line(Notice(code=Code.SERVER_ERROR, reason=Reason.PROVIDER_ERROR, message=why)))
        session.notify(price_line(symbol="AAPL", price=100.0, timestamp=MARKET_MS, stale_reason=Reason.PROVIDER_ERROR))
        session.notify(encode_line(Notice(code=Code.CONTINUE, reason=Reason.PROVIDER_RESTORED, message="It is back.")))
        assert await client.object() == {"msg": why, "type": "error"}
        scene.market.deliver()
        assert (await client.object())["data"][0]["p"] == 101.0


async def test_a_shutdown_says_so_and_closes_with_1012(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"type": "subscribe", "symbol": "AAPL"})
        await client.object()
        await scene.server.app.close()
        told = await client.object()
        assert told["type"] == "error"
        code, why = await goodbye(client)
        assert (code, why) == (1012, told["msg"])


async def test_who_sends_nothing_but_nonsense_is_closed_with_1011_and_a_reason(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        for _ in range(20):
            await client.send("nonsense")
        assert await goodbye(client) == (1011, "20 bad lines in a row: the session ends.")


@pytest.mark.parametrize(("message", "code"), [(b"\x80", 1011), ("x" * 40_000, 1009)])
async def test_bytes_and_what_is_too_long_end_it(scene: DialectScene, message: bytes | str, code: int) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send(message)
        assert (await goodbye(client))[0] == code


async def test_what_is_subscribed_here_is_not_saved(scene: DialectScene) -> None:
    token = await scene.token()
    async with socket_client(scene.server, f"{PATH}?token={token}") as client:
        await client.send({"type": "subscribe", "symbol": "AAPL"})
        await client.object()
        ann = await scene.server.log_in()
        assert (await ann.ask({"type": "MY_STOCKS"}))["symbols"] == []


async def test_a_symbol_that_turned_out_unknown_is_told_as_a_first_one_should_it_come_back(scene: DialectScene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"type": "subscribe", "symbol": "AAPL"})
        first = await client.object()
        [session] = scene.server.app.sessions
        standing = price_line(symbol="AAPL", price=100.0, timestamp=MARKET_MS)
        gone = Notice(
            code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL, symbols=("AAPL",), message="No source knows it."
        )
        for line in (standing, encode_line(gone), standing):
            session.notify(line)
        assert await client.object() == {"msg": "No source knows it.", "type": "error"}
        assert await client.object() == first
