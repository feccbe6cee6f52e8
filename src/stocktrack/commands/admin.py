"""`stocktrack sessions`, `accounts`, `kick`, `announce` and `mute`: an administrator at a running server."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from stocktrack.commands.at_server import at_server
from stocktrack.commands.options import RowOptions, ServerCall, spread
from stocktrack.commands.row_forms import RowForm, form_of

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient
    from stocktrack.messages import SessionInfo, SessionsReply, UserInfo, UsersReply


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (sessions, accounts, kick, announce, mute):
        app.command()(spread(command))


def sessions(
    *,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """List who is connected; for administrators."""
    form = form_of("SESSIONS", rows)
    at_server(lambda client: _sessions(client, form), call, is_json=form.is_json)


def accounts(
    *,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """List who has an account at a server, and how many sessions each has now; for administrators.

    `stocktrack users list` reads the database itself, on the server's machine.
    """
    form = form_of("USERS", rows)
    at_server(lambda client: _accounts(client, form), call, is_json=form.is_json)


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


async def _sessions(client: "StockTrackClient", form: RowForm) -> None:
    pages = [page async for page in client.session_pages()]
    listed = [info for page in pages for info in page.sessions]
    _show(listed, pages, form, lambda: _print(listed, form), "session")


def _show(
    listed: "Sequence[SessionInfo | UserInfo]",
    pages: "Sequence[SessionsReply | UsersReply]",
    form: RowForm,
    print_rows: Callable[[], None],
    noun: str,
) -> None:
    """Print what is listed, say which server did not answer, and on a terminal how many there are."""
    from stocktrack.terminal.run import say, write_line
    from stocktrack.terminal.text import count_text

    if form.is_json:
        write_line(json.dumps([info.model_dump(mode="json", exclude_none=True) for info in listed]))
    else:
        print_rows()
    _say_what_is_missing(next((page.message for page in pages if page.partial), None))
    if not form.is_json and sys.stdout.isatty():
        say(f"{count_text(len(listed), noun)}.")


def _print(listed: "Sequence[SessionInfo]", form: RowForm) -> None:
    """A table on a terminal; in a pipe a row a session, whose times are those of the whole world."""
    from stocktrack.terminal.columns import screen_table
    from stocktrack.terminal.run import write_line
    from stocktrack.terminal.text import is_screen, iso_time, local_time, safe, tab_separated

    def row(info: "SessionInfo", since: str, between: str) -> tuple[str, ...]:
        who = (safe(info.session), safe(info.username) or "-", safe(info.address), safe(info.door))
        return (*who, since, "slow" if info.behind else "ok", between.join(map(safe, info.symbols)) or "-")

    def table() -> str:
        headings = ("Session", "User", "Address", "Door", "Since", "State", "Symbols")
        rows = [row(info, local_time(info.since), " ") for info in listed]
        return screen_table(headings, rows, gives_way=(4, 3, 2))

    text = form.text_of(lambda: [row(info, iso_time(info.since), ",") for info in listed], table)
    if text is not None or is_screen(sys.stdout):
        sys.stdout.write(table() if text is None else text)
        return
    for info in listed:
        write_line(tab_separated(row(info, f"since {iso_time(info.since)}", ",")))


async def _accounts(client: "StockTrackClient", form: RowForm) -> None:
    pages = [page async for page in client.user_pages()]
    listed = [info for page in pages for info in page.users]
    _show(listed, pages, form, lambda: _print_accounts(listed, form), "account")


def _print_accounts(listed: "Sequence[UserInfo]", form: RowForm) -> None:
    """A table on a terminal; in a pipe a row an account, whose times are those of the whole world."""
    from stocktrack.terminal.columns import screen_table
    from stocktrack.terminal.run import write_line
    from stocktrack.terminal.text import is_screen, iso_time, local_time, safe, tab_separated

    def row(info: "UserInfo", since: str, muted_until: str) -> tuple[str, ...]:
        role = "administrator" if info.is_admin else "user"
        state = "disabled" if info.is_disabled else "ok"
        counts = (str(info.sessions), str(info.saved_count), str(info.tokens))
        return (safe(info.username), role, state, *counts, since, muted_until)

    def muted(info: "UserInfo", told: "Callable[[int], str]") -> str:
        return "" if info.muted_until is None else told(info.muted_until)

    def table() -> str:
        headings = ("User", "Role", "State", "Sessions", "Saved", "Tokens", "Since", "Muted until")
        rows = [row(info, local_time(info.created_at), muted(info, local_time)) for info in listed]
        return screen_table(headings, rows, gives_way=(6, 5, 4))

    text = form.text_of(lambda: [row(info, iso_time(info.created_at), muted(info, iso_time)) for info in listed], table)
    if text is not None or is_screen(sys.stdout):
        sys.stdout.write(table() if text is None else text)
        return
    for info in listed:
        write_line(tab_separated(row(info, iso_time(info.created_at), muted(info, iso_time))))


def _say_what_is_missing(message: str | None) -> None:
    """Say which server did not answer, where this is not of all."""
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import safe

    if message is not None:
        say(safe(message))


async def _kick(client: "StockTrackClient", session: str | None, username: str | None) -> None:
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import count_text, safe

    reply = await client.kick(session, username=username)
    if session is None:
        say(f"{count_text(reply.count, 'session')} of {safe(username)} {'was' if reply.count == 1 else 'were'} ended.")
        _say_what_is_missing(reply.message)
        return
    say(f"Session {safe(reply.session)} of {safe(reply.username) or 'nobody'} was ended.")


async def _announce(client: "StockTrackClient", text: str) -> None:
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import count_text

    reply = await client.announce(text)
    say(f"{count_text(reply.recipients, 'session')} {'was' if reply.recipients == 1 else 'were'} told.")
    _say_what_is_missing(reply.message)


async def _mute(client: "StockTrackClient", name: str, minutes: int) -> None:
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import local_time, safe

    reply = await client.mute(name, minutes)
    until = f"is muted until {local_time(reply.muted_until)}" if reply.muted_until is not None else "may talk again"
    say(f"{safe(reply.username)} {until}.")
