"""`stocktrack users …`: the operator's commands for users, passwords, tokens and roles, on the database itself."""

import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stocktrack.commands.help import CommandLine
from stocktrack.commands.options import ListedOptions, spread
from stocktrack.commands.row_forms import RowForm, form_of
from stocktrack.errors import CommandError, ConfigError
from stocktrack.operations.options import ConfigFile
from stocktrack.scopes import Scope
from stocktrack.system.acts import ALL_TOKENS, Act

if TYPE_CHECKING:
    from stocktrack.accounts.accounts import Accounts
    from stocktrack.accounts.tokens import TokenSigner
    from stocktrack.storage.store import UserRow

Result = TypeVar("Result")

users_app = CommandLine(help="Add, list and remove the users of this server.", no_args_is_help=True)

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="read the password from standard input")]


class OnOff(StrEnum):
    """What a switch can be."""

    ON = "on"
    OFF = "off"


@users_app.command("add")
def users_add(
    name: str,
    *,
    admin: Annotated[bool, typer.Option("--admin", help="may use sessions, kick, announce and mute")] = False,
    password_stdin: PasswordStdin = False,
    config: ConfigFile = None,
) -> None:
    """Add a user, whose password is asked for."""
    _with_accounts(config, lambda accounts: accounts.check_new(name))
    password = _new_password(name, from_stdin=password_stdin)
    _, database = _with_accounts(
        config,
        lambda accounts: accounts.add(name, password, is_admin=admin),
        Note(Act.USER_ADDED, name, {"admin": admin}),
    )
    _say(f"User {name}{', an administrator,' if admin else ''} was added to {database}.", database)
    _hint_at(password)


def users_list(*, rows: ListedOptions, config: ConfigFile = None) -> None:
    """List the users and what they are."""
    form = form_of("STORED_USERS", rows)
    users, _ = _with_accounts(config, lambda accounts: accounts.list())
    if form.is_json:
        documents = [
            {
                "name": user.name,
                "created_at": user.created_at_ms,
                "saved_count": user.saved_count,
                "is_admin": user.is_admin,
                "is_disabled": user.is_disabled,
                "muted_until": _still(user.muted_until_ms),
                "tokens": len(user.token_ids),
            }
            for user in users
        ]
        typer.echo(json.dumps(documents))
        return
    _print_users(users, form)
    if not users:
        typer.echo("There are no users yet; add one with: stocktrack users add NAME", err=True)


users_app.command("list")(spread(users_list))


def _print_users(users: "Sequence[UserRow]", form: RowForm) -> None:
    """A table on a terminal; in a pipe a row a user, whose times are those of the whole world."""
    from stocktrack.terminal.columns import screen_table
    from stocktrack.terminal.text import is_screen, iso_time, safe, tab_separated

    def notes(user: "UserRow", when: Callable[[int], str]) -> list[str]:
        until_ms = _still(user.muted_until_ms)
        muted = [] if until_ms is None else [f"muted until {when(until_ms)}"]
        return ["administrator"] * user.is_admin + ["disabled"] * user.is_disabled + muted

    def row(user: "UserRow") -> tuple[str, ...]:
        role, state = "administrator" if user.is_admin else "user", "disabled" if user.is_disabled else "ok"
        until_ms = _still(user.muted_until_ms)
        times = (iso_time(user.created_at_ms), "" if until_ms is None else iso_time(until_ms))
        return (safe(user.name), role, state, str(user.saved_count), str(len(user.token_ids)), *times)

    def table() -> str:
        listed = [
            (safe(user.name), str(user.saved_count), _when(user.created_at_ms), ", ".join(notes(user, _when)))
            for user in users
        ]
        return screen_table(("User", "Saved", "Since", ""), listed, gives_way=(2, 1))

    text = form.text_of(lambda: map(row, users), table)
    if text is not None or is_screen(sys.stdout):
        typer.echo(table() if text is None else text, nl=False)
        return
    for user in users:
        told = (f"{user.saved_count} saved", f"since {iso_time(user.created_at_ms)}", *notes(user, iso_time))
        typer.echo(tab_separated((safe(user.name), *told)))


@users_app.command("passwd")
def users_passwd(
    name: str,
    *,
    keep_tokens: Annotated[bool, typer.Option("--keep-tokens", help="tokens, and what they opened, go on")] = False,
    password_stdin: PasswordStdin = False,
    config: ConfigFile = None,
) -> None:
    """Change a user's password.

    All tokens end, and within seconds the sessions that are open.
    """
    _with_accounts(config, lambda accounts: accounts.check_there(name))
    password = _new_password(name, from_stdin=password_stdin)
    _, database = _with_accounts(
        config,
        lambda accounts: accounts.change_password(name, password, keep_tokens=keep_tokens),
        Note(Act.PASSWORD_CHANGED, name, {"keep_tokens": keep_tokens}),
    )
    tokens = f"Tokens stay; `stocktrack users revoke {name}` ends them." if keep_tokens else "All tokens have ended."
    _say(f"The password of {name} was changed in {database}. {tokens}", database)
    _hint_at(password)


@users_app.command("remove")
def users_remove(name: str, config: ConfigFile = None) -> None:
    """Remove a user, with the saved stocks and the tokens.

    Sessions that are open end within seconds.
    """
    _, database = _with_accounts(config, lambda accounts: accounts.remove(name), Note(Act.USER_REMOVED, name))
    _say(f"User {name} was removed from {database}. Sessions that are open end within seconds.", database)


@users_app.command("disable")
def users_disable(name: str, config: ConfigFile = None) -> None:
    """Shut a user out, who keeps everything.

    Sessions that are open end within seconds.
    """
    _, database = _with_accounts(
        config, lambda accounts: accounts.set_disabled(name, True), Note(Act.USER_DISABLED, name)
    )
    back = f"`stocktrack users enable {name}` lets in again."
    _say(f"{name} was disabled in {database}; sessions that are open end within seconds. {back}", database)


@users_app.command("enable")
def users_enable(name: str, config: ConfigFile = None) -> None:
    """Let a user in again who was disabled.

    Password, tokens and stocks are the same as before.
    """
    _, database = _with_accounts(
        config, lambda accounts: accounts.set_disabled(name, False), Note(Act.USER_ENABLED, name)
    )
    _say(f"{name} may log in again in {database}.", database)


@users_app.command("token")
def users_token(
    name: str,
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="how many days it is valid for")] = 30,
    label: Annotated[
        str | None, typer.Option("--name", help="what the token is listed by, such as laptop", show_default=False)
    ] = None,
    scope: Annotated[Scope, typer.Option(help="read: prices, news and lists, and nothing is changed")] = Scope.FULL,
    config: ConfigFile = None,
) -> None:
    """Print a token, by which a user logs in without a password."""
    token, database = _with_accounts(
        config,
        lambda accounts: accounts.make_token(name, days, name=label, scope=scope),
        lambda token: Note(Act.TOKEN_MADE, name, {"token_id": token.token_id, "days": days, "scope": scope}),
    )
    typer.echo(token.text)
    reading = " It is for reading alone." if token.scope is Scope.READ else ""
    _say(
        f"It is for {name} in {database}, and is valid until {_when(token.expires_at_ms)}, "
        f"or until `stocktrack users revoke {name} {token.token_id}`.{reading}",
        database,
    )


def users_tokens(name: str, *, rows: ListedOptions, config: ConfigFile = None) -> None:
    """List the tokens of a user that are valid."""
    form = form_of("TOKENS", rows)
    tokens, _ = _with_accounts(config, lambda accounts: accounts.tokens(name))
    if form.is_json:
        documents = [
            {
                "token_id": token.token_id,
                "name": token.name,
                "scope": token.scope,
                "created_at": token.created_at_ms,
                "expires_at": token.expires_at_ms,
                "last_used_at": token.last_used_at_ms,
            }
            for token in tokens
        ]
        typer.echo(json.dumps(documents))
        return
    from stocktrack.terminal.columns import token_lines, token_row
    from stocktrack.terminal.text import is_screen

    listed = [
        (token.token_id, token.name, token.scope, token.created_at_ms, token.expires_at_ms, token.last_used_at_ms)
        for token in tokens
    ]
    text = form.text_of(lambda: map(token_row, listed), lambda: token_lines(listed, is_table=True))
    typer.echo(token_lines(listed, is_table=is_screen(sys.stdout)) if text is None else text, nl=False)
    if not tokens:
        typer.echo(f"{name} has no tokens that are listed; make one with: stocktrack users token {name}", err=True)


users_app.command("tokens")(spread(users_tokens))


@users_app.command("revoke")
def users_revoke(
    name: str,
    token_id: Annotated[
        str | None, typer.Argument(metavar="[TOKEN_ID]", help="as `users tokens` lists it", show_default=False)
    ] = None,
    config: ConfigFile = None,
) -> None:
    """End one token of a user, or all and every login.

    What they opened ends within seconds.
    """
    if token_id is not None:
        _, database = _with_accounts(
            config,
            lambda accounts: accounts.revoke_token(name, token_id),
            Note(Act.TOKENS_REVOKED, name, {"token_id": token_id}),
        )
        _say(f"The token {token_id} of {name} in {database} was revoked.", database)
        return
    _, database = _with_accounts(
        config,
        lambda accounts: accounts.revoke_tokens(name, end_sessions=True),
        Note(Act.TOKENS_REVOKED, name, {"token_id": ALL_TOKENS}),
    )
    _say(f"All tokens of {name} in {database} were revoked. Sessions that are open end within seconds.", database)


@users_app.command("admin")
def users_admin(
    name: str, switch: Annotated[OnOff, typer.Argument(metavar="on|off")], config: ConfigFile = None
) -> None:
    """Make a user an administrator, or an ordinary user again.

    It takes effect at once.
    """
    act = Act.ADMIN_GRANTED if switch is OnOff.ON else Act.ADMIN_WITHDRAWN
    _, database = _with_accounts(config, lambda accounts: accounts.set_admin(name, switch is OnOff.ON), Note(act, name))
    _say(f"{name} is {'now' if switch is OnOff.ON else 'no longer'} an administrator in {database}.", database)


def _still(until_ms: int | None) -> int | None:
    """The moment, unless it is over."""
    return until_ms if until_ms is not None and until_ms > time.time_ns() // 1_000_000 else None


def _when(at_ms: int) -> str:
    """A moment as the operator's clock on the wall shows it."""
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone():%Y-%m-%d %H:%M}"


def _say(sentence: str, database: str) -> None:
    """Tell what was done to `database`, and warn where the servers that run would not see it."""
    typer.echo(sentence, err=True)
    _warn_of_other_databases(database)


def _hint_at(password: str) -> None:
    """Say of a weak password that it is one; it is the operator's to choose."""
    from stocktrack.accounts.passwords import password_hint

    if (hint := password_hint(password)) is not None:
        typer.echo(hint, err=True)


def _warn_of_other_databases(database: str) -> None:
    from stocktrack.system.running_servers import RunningServers

    for server in RunningServers().using_another(database):
        typer.echo(
            f"stocktrack: A running server (process {server.pid}) uses another database, {server.database}. "
            "Give both the same STOCKTRACK_DATA_DIR, .env or --config.",
            err=True,
        )


def _new_password(name: str, *, from_stdin: bool) -> str:
    """The password for `name`: a line of standard input, or asked for twice on the terminal."""
    if from_stdin:
        try:
            return sys.stdin.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            # The error itself holds what was read.
            raise ConfigError("The password on standard input is not UTF-8.") from None
    if not sys.stdin.isatty():
        typer.echo("stocktrack: there is no terminal to ask for the password on; use --password-stdin.", err=True)
        raise typer.Exit(2)
    import getpass

    try:
        while True:
            # Not typer's, which shows what is typed between its question and the end of the echo.
            new = getpass.getpass(f"Password for {name}: ", sys.stderr)
            if new and new == getpass.getpass("The same again: ", sys.stderr):
                return new
            typer.echo("There was none, or the two differ.", err=True)
    except EOFError:
        raise typer.Abort from None


@dataclass(frozen=True, slots=True)
class Note:
    """What a command did, and to which user, as the trail tells it."""

    act: Act
    user: str
    fields: Mapping[str, object] = field(default_factory=dict)


def _with_accounts(
    config: Path | None,
    work: Callable[["Accounts"], Awaitable[Result]],
    note: Note | Callable[[Result], Note] | None = None,
) -> tuple[Result, str]:
    """Open the accounts of the settings, do `work` with them, close them; its result, and the database's name.

    What changed something is noted in the data folder, by a note that may be made of the result.
    """
    import asyncio

    from stocktrack.accounts.accounts import Accounts
    from stocktrack.clock import RealClock
    from stocktrack.config import load_settings
    from stocktrack.storage.store import Store
    from stocktrack.system.change_notes import note_change
    from stocktrack.system.data_folder import DataFolder
    from stocktrack.system.logs import configure_logs

    settings = load_settings(config_file=config).settings
    configure_logs(settings.log_format, settings.log_level)
    clock = RealClock()
    DataFolder(settings.data_dir, _warn).make()
    store = Store(settings.database)

    def open_signer() -> "TokenSigner":
        from stocktrack.accounts import tokens

        return tokens.open_signer(settings.token_secret, clock, is_loopback=settings.is_loopback, warn=_warn)

    async def run() -> Result:
        accounts = Accounts(
            store,
            clock,
            open_signer=open_signer,
            login_failures_per_minute=settings.login_failures_per_minute,
        )
        await store.open()
        try:
            return await work(accounts)
        finally:
            await accounts.close()
            await store.close()

    try:
        result = asyncio.run(run())
    except CommandError:
        # A user who is not there may be in the database that the server uses.
        _warn_of_other_databases(store.label)
        raise
    if note is not None:
        if not isinstance(note, Note):
            note = note(result)
        try:
            note_change(settings.data_dir, note.act, note.user, **note.fields)
        except ConfigError as error:
            _warn(str(error))  # what was asked for is done
    return result, store.label


def _warn(sentence: str) -> None:
    typer.echo(f"stocktrack: {sentence}", err=True)
