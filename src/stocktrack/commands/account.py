"""`stocktrack login`, `logout`, `token`, `tokens`, `revoke` and `password`: what a user does with logins and tokens.

`login` keeps a token for a server, so that no command needs a password typed.
"""

import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktrack.commands.at_server import at_server, with_client
from stocktrack.commands.options import RowOptions, ServerCall, spread
from stocktrack.commands.row_forms import form_of
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
    days: Annotated[int, typer.Option(min=1, max=365, help="how many days it is valid for")] = 30,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from standard input")
    ] = False,
    call: ServerCall,
) -> None:
    """Log in once, so that no command needs a password.

    It stores a token, which the other commands use where no password is given.
    """
    from stocktrack.terminal.logging_in import run_logged_in

    run_logged_in(
        lambda: _with_password(call.settings(), from_stdin=password_stdin),
        lambda settings: _login(settings, days, call.timeout),
        needs_password=True,
    )


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
    days: Annotated[int, typer.Option(min=1, max=365, help="how many days it is valid for")] = 30,
    name: Annotated[
        str | None, typer.Option(help="what `stocktrack tokens` lists it by, such as laptop", show_default=False)
    ] = None,
    scope: Annotated[Scope, typer.Option(help="read: prices, news and lists, and nothing is changed")] = Scope.FULL,
    call: ServerCall,
) -> None:
    """Print a token for another program of yours; it needs your password."""
    from stocktrack.terminal.logging_in import run_logged_in
    from stocktrack.terminal.run import say, write_line
    from stocktrack.terminal.text import local_time

    async def make(client: "StockTrackClient") -> None:
        reply = await client.make_token(days, name=name, scope=scope)
        write_line(reply.token)
        until = f"{local_time(reply.expires_at)} or `stocktrack revoke {reply.token_id}`"
        say(f"It is {reply.token_id}, valid until {until}.")

    run_logged_in(call.settings, lambda settings: with_client(settings, make, call.timeout), needs_password=True)


def tokens(*, rows: RowOptions, call: ServerCall) -> None:
    """List your tokens: until when each is valid, and when it was used last."""
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.columns import token_lines, token_row
    from stocktrack.terminal.run import say, write_line
    from stocktrack.terminal.text import is_screen, safe_json

    form = form_of("TOKENS", rows)

    async def show(client: "StockTrackClient") -> None:
        if form.is_json:
            answer = await client.request(command_of("TOKENS"))
            write_line(safe_json(answer.line.decode()))
            return
        listed = [
            (e.token_id, e.name, e.scope, e.created_at, e.expires_at, e.last_used_at) for e in await client.tokens()
        ]
        text = form.text_of(lambda: map(token_row, listed), lambda: token_lines(listed, is_table=True))
        sys.stdout.write(token_lines(listed, is_table=is_screen(sys.stdout)) if text is None else text)
        if not listed and is_screen(sys.stdout):
            say("You have no tokens; `stocktrack token` makes one.")

    at_server(show, call, is_json=form.is_json)


def revoke(
    token_id: Annotated[
        str | None, typer.Argument(metavar="[TOKEN_ID]", help="as `stocktrack tokens` lists it", show_default=False)
    ] = None,
    *,
    all_tokens: Annotated[bool, typer.Option("--all", help="instead: all of your tokens")] = False,
    call: ServerCall,
) -> None:
    """End one of your tokens, or all, and what they opened."""
    from stocktrack.terminal.run import say

    if (token_id is None) != all_tokens:
        raise typer.BadParameter("name one token, as `stocktrack tokens` lists them, or say --all")

    async def end(client: "StockTrackClient") -> None:
        await client.revoke(token_id)
        say("All of your tokens were revoked." if token_id is None else f"The token {token_id} was revoked.")

    at_server(end, call)


def password(
    *,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the old one and the new one, a line each")
    ] = False,
    call: ServerCall,
) -> None:
    """Change your password.

    All your tokens and all your other sessions end.
    """
    import asyncio

    from stocktrack.client.settings import ask_for_new_password
    from stocktrack.client.tokens import forget_token, token_file
    from stocktrack.terminal.logging_in import logged_in
    from stocktrack.terminal.run import exit_with, say

    async def prove(settings: "ClientSettings") -> "ClientSettings":
        async with settings.client(timeout_seconds=call.timeout, reconnect=False):
            return settings

    def run() -> int:
        given = _with_password(call.settings(), from_stdin=password_stdin)
        if password_stdin:
            settings, new = given, _line_of_stdin()
        else:  # nobody makes up a new password for the sake of a wrong old one
            settings = logged_in(given, prove, needs_password=True)
            new = ask_for_new_password(settings)

        async def change(client: "StockTrackClient") -> None:
            await client.change_password(settings.password or "", new)
            forget_token(token_file(settings.host, settings.port))
            say(f"The password of {settings.who} was changed; all tokens and all other sessions have ended.")

        return asyncio.run(with_client(settings, change, call.timeout))

    exit_with(run)


def _with_password(settings: "ClientSettings", *, from_stdin: bool) -> "ClientSettings":
    return replace(settings, password=_line_of_stdin()) if from_stdin else settings


def _line_of_stdin() -> str:
    from stocktrack.terminal.exit_codes import ExitCode
    from stocktrack.terminal.run import say

    if line := sys.stdin.readline().rstrip("\r\n"):
        return line
    say("No password on standard input.")
    raise typer.Exit(ExitCode.USAGE)


async def _login(settings: "ClientSettings", days: int, timeout_seconds: float) -> int:
    import platform

    from stocktrack.client.tokens import StoredToken, store_token, token_file
    from stocktrack.terminal.exit_codes import ExitCode
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import local_time

    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        reply = await client.make_token(days, name=_token_name(f"login on {platform.node()}"))
    path = token_file(settings.host, settings.port)
    store_token(path, StoredToken(reply.username, reply.token, reply.expires_at))
    until = local_time(reply.expires_at)
    say(f"Logged in to {settings.address} as {reply.username} until {until}; the token is in {path}.")
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
            say(f"{error.message} So the token was not ended there, and is valid until it expires.")
    return ExitCode.DONE
