"""yfinance's clients when the server goes: they do not connect anew, and all that can be asked is that none spins."""

import signal
from pathlib import Path

import pytest

from client_market import client_market
from real_clients import client_program

each_end = pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill"])


@each_end
async def test_yfinances_websocket_ends_its_listening(home: Path, token: str, how: signal.Signals) -> None:
    async with client_market(home, token) as market:
        address = f"ws://127.0.0.1:{market.port}/yahoo?version=2&token={market.token}"
        async with client_program("yfinance", "yfinance_sync.py", address) as program:
            await program.sees(1, "AAPL", "TSLA")
            await market.end(how)
            assert await program.ends() == 0
            assert program.lines[-1] == "listened to the end"
            assert len([line for line in program.lines if line.startswith("Error while listening")]) <= 2


@each_end
async def test_yfinances_async_websocket_waits_between_its_tries_and_does_not_spin(
    home: Path, token: str, how: signal.Signals
) -> None:
    async with client_market(home, token) as market:
        address = f"ws://127.0.0.1:{market.port}/yahoo?version=2&token={market.token}"
        async with client_program("yfinance", "yfinance_async.py", address) as program:
            await program.sees(1, "AAPL", "TSLA")
            await market.end(how)
            # It says so before the three seconds that it waits, and goes round again: it never connects anew.
            first = await program.prints("Attempting to reconnect")
            busy = program.cpu_seconds()
            await program.prints("Attempting to reconnect", since=first)
            assert program.cpu_seconds() - busy < 1
