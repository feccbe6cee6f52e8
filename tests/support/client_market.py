"""A real server for other people's clients: a market that moves ten times a second, and a user who has a token.

async with client_market(home, await user_with_a_token(home)) as market:
    print(market.page, market.token)
"""

import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from live_server import PASSWORD
from server_process import ServerProcess, run_stocktrack, server_process

USER = "ann"


@dataclass(frozen=True, slots=True)
class ClientMarket:
    """The server, the port of its page, and a token of its user, whose password is that of all test users."""

    server: ServerProcess
    port: int
    token: str

    @property
    def page(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    async def end(self, how: signal.Signals) -> None:
        """Have the server end, by that signal, and wait until it has."""
        self.server.signal(how)
        await self.server.exit_code()


@contextlib.asynccontextmanager
async def client_market(home: Path, token: str, *, port: int = 0, **settings: str) -> AsyncIterator[ClientMarket]:
    """The server, at that port for the web, whose user is known in `home` and has that token."""
    given = {"STOCKTRACK_WEB_PORT": str(port), "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.1", **settings}
    async with server_process(home, **given) as server:
        page = (await server.logged("ready"))["page"]
        yield ClientMarket(server, int(page.rstrip("/").rpartition(":")[2]), token)


async def user_with_a_token(home: Path) -> str:
    """Make the user, and return a token of it."""
    added = await run_stocktrack(home, "users", "add", USER, "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    return (await run_stocktrack(home, "users", "token", USER)).out.strip().splitlines()[-1]
