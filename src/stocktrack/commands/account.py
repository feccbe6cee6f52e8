"""`stocktrack login`, `logout`, `token`, `tokens`, `revoke` and `password`: what a user does with logins and tokens.

`login` keeps a token for a server, so that no command needs a password typed.
"""

import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktrack.commands.options import AsJson, ServerCall, spread
from stocktrack.scopes import Scope

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient
    from stocktrack.client.settings import ClientSettings


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (login, logout, token, tokens, revoke, password):
        app.command()(spread(command))


def login(
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="how long the token counts")] = 30,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from standard input")
    ] = False,
    call: ServerCall,
) -> None:
    """Log in once: stores a token that the other commands use when no password is given."""
    from stocktrack.client.settings import ask_for_password
    from stocktrack.terminal.run import run_to_exit

    def begin() -> Coroutine[Any, Any, int]:
        settings = _with_password(call.settings(), from_stdin=password_stdin)
        return _login(ask_for_password(settings), days, call.timeout)

    run_to_exit(begin)


def logout(*, call: ServerCall) -> None:
    """Remove the stored token, and end it at the server."""
    from stocktrack.client.tokens import forget_token, stored_token, token_file
    from stocktrack.terminal.run import run_to_exit, say

    def begin() -> Coroutine[Any, Any, int]:
        settings = call.settings()
        path = token_file(settings.host, settings.port)
        stored = stored_token(path)
        was_there = forget_token(path)
        say(
            f"The token for {settings.address} was removed."
            if was_there
            else f"There is no token for {settings.address}."
        )
        return _end(
            replace(settings, username=None, password=None, token=stored.token if stored else None), call.timeout
        )

    run_to_exit(begin)


def token(
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="how long the token counts")] = 30,
    name: Annotated[
        str | None, typer.Option(help="what `stocktrack tokens` lists it by, such as laptop", show_default=False)
    ] = None,
    scope: Annotated[Scope, typer.Option(help="read: prices, news and lists, and nothing is changed")] = Scope.FULL,
    call: ServerCall,
) -> None:
    """Print a token for another program of yours; it needs your password."""
    from stocktrack.client.settings import ask_for_password
    from stocktrack.terminal.run import run_to_exit, say, write_line

    async def make(client: "StockTrackClient") -> None:
        reply = await client.make_token(days, name=name, scope=scope)
        write_line(reply.token)
        until = f"{_when(reply.expires_at)} or `stocktrack revoke {reply.token_id}`"
        say(f"It is {reply.token_id}, and counts until {until}.")

    run_to_exit(lambda: _with_client(ask_for_password(call.settings()), make, call.timeout))


def tokens(*, as_json: AsJson = False, call: ServerCall) -> None:
    """List your tokens: id, name, scope, since when, until when, and when used last."""
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.run import run_to_exit, write_line
    from stocktrack.terminal.text import safe, safe_json, tab_separated

    async def show(client: "StockTrackClient") -> None:
        if as_json:
            answer = await client.request(command_of("TOKENS"))
            write_line(safe_json(answer.line.decode()))
            return
        for each in await client.tokens():
            used = "never used" if each.last_used_at is None else f"used {_when(each.last_used_at)}"
            since, until = f"since {_when(each.created_at)}", f"until {_when(each.expires_at)}"
            row = (safe(each.token_id), safe(each.name) or "-", each.scope, since, until, used)
            write_line(tab_separated(row))

    run_to_exit(lambda: _with_client(ask_for_credentials(call.settings()), show, call.timeout))


def revoke(
    token_id: Annotated[
        str | None, typer.Argument(metavar="[TOKEN_ID]", help="as `stocktrack tokens` lists it", show_default=False)
    ] = None,
    *,
    all_tokens: Annotated[bool, typer.Option("--all", help="instead: all of your tokens")] = False,
    call: ServerCall,
) -> None:
    """End one of your tokens, or all of them, and the sessions that they opened."""
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.terminal.run import run_to_exit, say

    if (token_id is None) != all_tokens:
        raise typer.BadParameter("name one token, as `stocktrack tokens` lists them, or say --all")

    async def end(client: "StockTrackClient") -> None:
        await client.revoke(token_id)
        say("All of your tokens were revoked." if token_id is None else f"The token {token_id} was revoked.")

    run_to_exit(lambda: _with_client(ask_for_credentials(call.settings()), end, call.timeout))


def password(
    *,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the old one and the new one, a line each")
    ] = False,
    call: ServerCall,
) -> None:
    """Change your password: all your tokens and all your other sessions end."""
    from stocktrack.client.settings import ask_for_new_password, ask_for_password
    from stocktrack.client.tokens import forget_token, token_file
    from stocktrack.terminal.run import run_to_exit, say

    def begin() -> Coroutine[Any, Any, int]:
        settings = _with_password(call.settings(), from_stdin=password_stdin)
        settings = ask_for_password(settings)
        new = _line_of_stdin() if password_stdin else ask_for_new_password(settings)

        async def change(client: "StockTrackClient") -> None:
            await client.change_password(settings.password or "", new)
            forget_token(token_file(settings.host, settings.port))
            say(f"The password of {settings.who} was changed; all tokens and all other sessions have ended.")

        return _with_client(settings, change, call.timeout)

    run_to_exit(begin)


def _with_password(settings: "ClientSettings", *, from_stdin: bool) -> "ClientSettings":
    return replace(settings, password=_line_of_stdin()) if from_stdin else settings


def _line_of_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")


async def _login(settings: "ClientSettings", days: int, timeout_seconds: float) -> int:
    import platform

    from stocktrack.client.tokens import StoredToken, store_token, token_file
    from stocktrack.terminal.exit_codes import ExitCode
    from stocktrack.terminal.run import say

    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        reply = await client.make_token(days, name=_token_name(f"login on {platform.node()}"))
    path = token_file(settings.host, settings.port)
    store_token(path, StoredToken(reply.username, reply.token, reply.expires_at))
    say(f"Logged in to {settings.address} as {reply.username} until {_when(reply.expires_at)}; the token is in {path}.")
    return ExitCode.DONE


def _token_name(text: str) -> str:
    """`text` as a token may be called, whatever this machine is called."""
    return "".join(letter for letter in text if letter.isprintable())[:64].strip()


async def _end(settings: "ClientSettings", timeout_seconds: float) -> int:
    """End the token of `settings` at the server, where there is one; that it has ended already is as good."""
    from stocktrack.client import ClientError, NotAuthorised
    from stocktrack.terminal.exit_codes import ExitCode
    from stocktrack.terminal.run import say

    if settings.token is not None:
        try:
            async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
                # One that was made before tokens had an id ends with its days, or with `revoke --all`.
                if client.welcome is not None and client.welcome.token_id is not None:
                    await client.revoke(client.welcome.token_id)
        except NotAuthorised:
            pass
        except ClientError as error:
            say(f"{error.message} So the token was not ended there, and counts until it expires.")
    return ExitCode.DONE


async def _with_client(
    settings: "ClientSettings", work: Callable[["StockTrackClient"], Awaitable[None]], timeout_seconds: float
) -> int:
    """Log in and do `work`."""
    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        await work(client)
    return 0


def _when(at_ms: int) -> str:
    """A moment as the clock on the wall shows it."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone():%Y-%m-%d %H:%M}"
