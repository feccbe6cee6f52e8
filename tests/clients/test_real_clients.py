"""Other people's clients, unmodified, at a real server: they see prices, want fewer of them, and are refused.

A program that a user would write is all that stands between them; only the address and the key are ours.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from client_market import USER, ClientMarket, client_market
from counting_relay import counting_relay
from live_server import PASSWORD
from patience import PATIENCE_SECONDS
from real_clients import client_program
from stocktrack.web.dialects.alpaca import HOLD_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG_TOKEN = "This token is wrong, has expired or was revoked"


@dataclass(frozen=True, slots=True)
class Client:
    """How a client is pointed at this server; `refused` is what its user sees of a wrong key, as a pattern."""

    name: str
    program: str
    arguments: tuple[str, ...]
    refused: str
    most_connections: int = 1  # of one that is refused

    def told(self, port: int, token: str, password: str) -> list[str]:
        values = {"at": f"127.0.0.1:{port}", "token": token, "password": password}
        return [each.format_map(values) for each in self.arguments]


CLIENTS = {
    "websocket-client": Client(
        "websocket-client",
        "finnhub.py",
        ("ws://{at}/finnhub?token={token}",),
        f"error: WebSocketBadStatusException Handshake status 401.*{WRONG_TOKEN}",
    ),
    "yfinance-WebSocket": Client(
        "yfinance",
        "yfinance_sync.py",
        ("ws://{at}/yahoo?version=2&token={token}",),
        "Failed to connect to WebSocket: server rejected WebSocket connection: HTTP 401",
    ),
    "yfinance-AsyncWebSocket": Client(
        "yfinance",
        "yfinance_async.py",
        ("ws://{at}/yahoo?version=2&token={token}",),
        "Failed to connect to WebSocket: server rejected WebSocket connection: HTTP 401",
    ),
    "ws": Client(
        "node", "ws.js", ("ws://{at}/ws", "ann", "{password}"), r"refused: The name or the password is wrong\."
    ),
    "ws-at-finnhub": Client(
        "node", "ws_finnhub.js", ("ws://{at}/finnhub?token={token}",), "error: Unexpected server response: 401"
    ),
    "Alpaca-as-JSON": Client(
        "alpaca-py",
        "alpaca_json.py",
        ("ws://{at}/v2/iex", "ann", "{token}"),
        "refused: 402 auth failed",
    ),
    # It polls first, and then asks for a WebSocket.
    "socket.io-client": Client("node", "socketio.js", ("http://{at}", "{token}"), f"refused: {WRONG_TOKEN}", 6),
}
each_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(home: Path, token: str) -> AsyncIterator[ClientMarket]:
    async with client_market(home, token) as market:
        yield market


@each_client
async def test_it_sees_ten_prices_of_each_of_two_and_no_more_of_the_one_that_it_gives_up(
    client: Client, market: ClientMarket
) -> None:
    arguments = client.told(market.port, market.token, PASSWORD)
    async with client_program(client.name, client.program, *arguments) as program:
        since = await program.prints("unsubscribed TSLA")
        seen = program.prices()
        assert min(seen.count("AAPL"), seen.count("TSLA")) >= 10
        await program.sees_only(10, "AAPL", since)


@each_client
async def test_a_wrong_key_is_refused_in_words_and_tried_once(client: Client, market: ClientMarket) -> None:
    async with counting_relay(market.port) as relay:
        arguments = client.told(relay.port, "no-token-of-this-server", "not the password")
        async with client_program(client.name, client.program, *arguments) as program:
            await program.prints(client.refused)
            await program.ends()
            assert len(relay.came_at) <= client.most_connections
            assert len([line for line in program.lines if re.search(client.refused, line)]) <= 2  # and a trace says it
            assert program.prices() == []


async def test_alpaca_py_sees_ten_prices_of_each_of_two_and_no_more_of_the_one_that_it_gives_up(
    market: ClientMarket,
) -> None:
    address = f"ws://127.0.0.1:{market.port}/v2/iex"
    async with client_program("alpaca-py", "alpaca_py.py", address, USER, market.token) as program:
        since = await program.prints("unsubscribed TSLA")
        seen = program.prices()
        assert min(seen.count("AAPL"), seen.count("TSLA")) >= 10
        await program.sees_only(10, "AAPL", since)


async def test_alpaca_py_with_a_wrong_secret_is_told_so_and_is_held_back_since_it_tries_for_ever(
    market: ClientMarket,
) -> None:
    async with counting_relay(market.port) as relay:
        address = f"ws://127.0.0.1:{relay.port}/v2/iex"
        async with client_program("alpaca-py", "alpaca_py.py", address, USER, "no-token") as program:
            await program.prints("auth failed")
            await relay.comes(3, within=2 * PATIENCE_SECONDS)
            assert program.prices() == []
        first, second, third = relay.came_at[:3]
        assert min(second - first, third - second) >= HOLD_SECONDS
