"""The real program with Finnhub's stand-in behind it: prices that stream, and a key that nothing shows."""

import asyncio
import contextlib
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from finnhub_stub import FinnhubStub, trade
from live_server import PASSWORD
from server_process import ServerProcess, run_stocktrack, server_process

# No two tests that run at one time share one: a key is one server's on a machine. What it begins with is looked for in
# everything that the processes write.
KEY_BEGINS = "SeCrEt"


@pytest.fixture
async def stub() -> AsyncIterator[FinnhubStub]:
    async with FinnhubStub(f"{KEY_BEGINS}{secrets.token_hex(8)}").serving() as stub:
        stub.know("AAPL", "MSFT")
        yield stub


@contextlib.asynccontextmanager
async def finnhub_server(home: Path, stub: FinnhubStub, **variables: str) -> AsyncIterator[ServerProcess]:
    """A server on Finnhub alone, with a user, that logs everything."""
    added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    given = {
        "STOCKTRACK_PROVIDERS": "finnhub",
        "STOCKTRACK_FINNHUB_REST_URL": stub.rest_url,
        "STOCKTRACK_FINNHUB_WS_URL": stub.ws_url,
        "STOCKTRACK_LOG_LEVEL": "debug",
        **variables,
    }
    async with server_process(home, **given) as server:
        yield server


async def told(client: Any, price: float) -> dict[str, Any]:
    """The PRICE with this price."""
    while (line := await client.receive_until("PRICE"))["price"] != price:
        pass
    return dict(line)


async def test_prices_stream_with_a_plain_env_file_and_the_key_is_shown_nowhere(
    stub: FinnhubStub, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f'export API_KEY="{stub.key}"\r\n', encoding="utf-8")
    async with finnhub_server(tmp_path, stub) as server:
        client = await server.log_in()
        reply = await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0, "save": False})
        assert reply["code"] == 200, reply
        await stub.subscribed("AAPL")
        await stub.trade(trade("AAPL", 222.5))
        price = await told(client, 222.5)
        assert (price["provider"], price["currency"]) == ("finnhub", "USD")

        server.signal(signal.SIGHUP)
        await server.logged("settings reloaded")
        running = await asyncio.to_thread(Path(f"/proc/{server.pid}/cmdline").read_bytes)
        assert KEY_BEGINS.encode() not in running
        await stub.drop()
        await server.logged("stream went away")
        await stub.subscribed("AAPL")
        await client.close()
    assert KEY_BEGINS not in server.text


async def test_a_new_key_needs_a_restart_and_is_not_written_at_a_reload(stub: FinnhubStub, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"FINNHUB_API_KEY={stub.key}\n", encoding="utf-8")
    async with finnhub_server(tmp_path, stub) as server:
        env_file.write_text(f"FINNHUB_API_KEY={KEY_BEGINS}another\n", encoding="utf-8")
        server.signal(signal.SIGHUP)
        line = await server.logged("settings reloaded")
    assert line["restart_needed"] == ["finnhub_api_key"]
    assert KEY_BEGINS not in server.text


@pytest.mark.parametrize(
    ("key", "says"), [("", "STOCKTRACK_FINNHUB_API_KEY"), (f"{KEY_BEGINS}wrong", "finnhub_api_key")]
)
async def test_with_a_missing_or_a_wrong_key_the_server_starts_and_the_sentence_says_which_setting(
    stub: FinnhubStub, tmp_path: Path, key: str, says: str
) -> None:
    async with finnhub_server(tmp_path, stub, FINNHUB_API_KEY=key) as server:
        client = await server.log_in()
        reply = await client.ask({"type": "GET", "symbols": ["AAPL"]})
        assert (reply["code"], reply["missing"][0]["reason"]) == (404, "not_offered")
        line = await server.logged("source cannot be used")
        assert says in line["why"]
        await client.close()
    assert KEY_BEGINS not in server.text


async def test_a_second_server_with_the_key_waits_until_the_first_is_killed(stub: FinnhubStub, tmp_path: Path) -> None:
    homes = tmp_path / "first", tmp_path / "second"
    for home in homes:
        home.mkdir()
    async with finnhub_server(homes[0], stub, FINNHUB_API_KEY=stub.key) as first:
        client = await first.log_in()
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0, "save": False})
        await stub.subscribed("AAPL")
        async with finnhub_server(homes[1], stub, FINNHUB_API_KEY=stub.key) as second:
            line = await second.logged("source cannot be used")
            assert f"process {first.pid} on this machine uses the same key" in line["why"]
            waiting = await second.log_in()
            reply = await waiting.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0, "save": False})
            assert reply["code"] != 404, "a server that waits has not said that there is no such symbol"
            assert stub.handshakes == 1

            first.signal(signal.SIGKILL)
            await second.logged("source can be used now")
            await stub.subscribed("AAPL")
            await stub.trade(trade("AAPL", 233.5))
            await told(waiting, 233.5)
            await waiting.close()
        await client.close()
