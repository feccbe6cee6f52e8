"""`stocktrack login` and `logout`: keep a token for a server, so that no command needs a password typed."""

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktrack.commands.options import ServerAddress, ServerCall, spread

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(spread(login))
    app.command()(spread(logout))


def login(
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="how long the token counts")] = 30,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from standard input")
    ] = False,
    call: ServerCall,
) -> None:
    """Log in once: stores a token that the other commands use when no password is given."""
    from dataclasses import replace

    from stocktrack.client.settings import ask_for_password
    from stocktrack.terminal.run import run_to_exit

    def begin() -> Coroutine[Any, Any, int]:
        settings = call.settings()
        if password_stdin:
            settings = replace(settings, password=sys.stdin.readline().rstrip("\r\n"))
        return _login(ask_for_password(settings), days, call.timeout)

    run_to_exit(begin)


def logout(*, server: ServerAddress) -> None:
    """Remove the stored token; it counts elsewhere until it expires or the operator revokes it."""
    from stocktrack.client.tokens import forget_token, token_file
    from stocktrack.terminal.run import say

    settings = server.settings()
    was_there = forget_token(token_file(settings.host, settings.port))
    say(f"The token for {settings.address} was removed." if was_there else f"There is no token for {settings.address}.")


async def _login(settings: "ClientSettings", days: int, timeout_seconds: float) -> int:
    from datetime import UTC, datetime

    from stocktrack.client.tokens import StoredToken, store_token, token_file
    from stocktrack.terminal.exit_codes import ExitCode
    from stocktrack.terminal.run import say

    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        reply = await client.make_token(days)
    path = token_file(settings.host, settings.port)
    store_token(path, StoredToken(reply.username, reply.token, reply.expires_at))
    until = datetime.fromtimestamp(reply.expires_at / 1000, tz=UTC).astimezone()
    say(f"Logged in to {settings.address} as {reply.username} until {until:%Y-%m-%d %H:%M}; the token is in {path}.")
    return ExitCode.DONE
