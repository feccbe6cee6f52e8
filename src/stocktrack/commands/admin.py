"""`stocktrack sessions`, `kick`, `announce` and `mute`: what an administrator does with a running server."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stocktrack.commands.at_server import at_server
from stocktrack.commands.options import ServerCall, spread

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient
    from stocktrack.messages import SessionInfo


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (sessions, kick, announce, mute):
        app.command()(spread(command))


def sessions(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    call: ServerCall,
) -> None:
    """List who is connected; for administrators."""
    at_server(lambda client: _sessions(client, as_json=as_json), call)


def kick(
    session: Annotated[
        str | None,
        typer.Argument(metavar="[SESSION]", help="as `stocktrack sessions` names it, such as s7", show_default=False),
    ] = None,
    *,
    all_of: Annotated[
        str | None,
        typer.Option("--all-of", metavar="NAME", help="instead: all sessions of this user", show_default=False),
    ] = None,
    call: ServerCall,
) -> None:
    """End a session, or all of a user; for administrators."""
    if (session is None) == (all_of is None):
        raise typer.BadParameter("name one session, such as s7, or a user by --all-of NAME")
    at_server(lambda client: _kick(client, session, all_of), call)


def announce(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="1 to 500 printable characters")],
    *,
    call: ServerCall,
) -> None:
    """Tell everybody who is logged in something; for administrators."""
    at_server(lambda client: _announce(client, text), call)


def mute(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the user")],
    *,
    minutes: Annotated[
        int, typer.Option(min=0, max=525_600, help="how long the user may say nothing; 0 lets the user talk again")
    ] = 60,
    call: ServerCall,
) -> None:
    """Silence a user for a while; for administrators."""
    at_server(lambda client: _mute(client, name, minutes), call)


async def _sessions(client: "StockTrackClient", *, as_json: bool) -> None:
    from stocktrack.terminal.run import say, write_line

    pages = [page async for page in client.session_pages()]
    listed = [info for page in pages for info in page.sessions]
    if as_json:
        write_line(json.dumps([info.model_dump(mode="json", exclude_none=True) for info in listed]))
    else:
        for info in listed:
            write_line(_row(info))
    _say_what_is_missing(next((page.message for page in pages if page.partial), None))
    if as_json:
        return
    if sys.stdout.isatty():
        say(f"{len(listed)} sessions.")


def _row(info: "SessionInfo") -> str:
    from datetime import UTC, datetime

    from stocktrack.terminal.text import safe, tab_separated

    since = datetime.fromtimestamp(info.since / 1000, tz=UTC).astimezone()
    behind = f"{info.behind} bytes behind" if info.behind else "keeps up"
    cells = (
        *(safe(info.session), safe(info.username) or "-", safe(info.address), safe(info.door)),
        f"since {since:%Y-%m-%d %H:%M:%S}",
        *(behind, ",".join(map(safe, info.symbols)) or "-"),
    )
    return tab_separated(cells)


def _say_what_is_missing(message: str | None) -> None:
    """Say which server did not answer, where this is not of all."""
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import safe

    if message is not None:
        say(safe(message))


async def _kick(client: "StockTrackClient", session: str | None, username: str | None) -> None:
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import safe

    reply = await client.kick(session, username=username)
    if session is None:
        say(f"{reply.count} sessions of {safe(username)} were ended.")
        _say_what_is_missing(reply.message)
        return
    say(f"Session {safe(reply.session)} of {safe(reply.username) or 'nobody'} was ended.")


async def _announce(client: "StockTrackClient", text: str) -> None:
    from stocktrack.terminal.run import say

    reply = await client.announce(text)
    say(f"{reply.recipients} sessions were told.")
    _say_what_is_missing(reply.message)


async def _mute(client: "StockTrackClient", name: str, minutes: int) -> None:
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import local_time, safe

    reply = await client.mute(name, minutes)
    until = f"is muted until {local_time(reply.muted_until)}" if reply.muted_until is not None else "may talk again"
    say(f"{safe(reply.username)} {until}.")
