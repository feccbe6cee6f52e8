"""`stocktrack users …`: the operator's commands for users, passwords, tokens and roles, on the database itself."""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stocktrack.errors import ConfigError
from stocktrack.operations.options import ConfigFile

if TYPE_CHECKING:
    from stocktrack.accounts.accounts import Accounts
    from stocktrack.accounts.tokens import TokenSigner

Result = TypeVar("Result")

users_app = typer.Typer(help="Add, list and remove the users of this server.", no_args_is_help=True)

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="read the password from standard input")]


class OnOff(StrEnum):
    """What a switch can be."""

    ON = "on"
    OFF = "off"


@users_app.command("add")
def users_add(
    name: str,
    *,
    admin: Annotated[bool, typer.Option("--admin", help="an administrator: may use sessions, kick, announce")] = False,
    password_stdin: PasswordStdin = False,
    config: ConfigFile = None,
) -> None:
    """Add a user; the password is asked for without echo."""
    password = _new_password(name, from_stdin=password_stdin)
    _with_accounts(config, lambda accounts: accounts.add(name, password, is_admin=admin))
    typer.echo(f"User {name} was added{', an administrator' if admin else ''}.", err=True)


@users_app.command("list")
def users_list(
    config: ConfigFile = None, as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False
) -> None:
    """List the users, their saved stocks and since when they are there."""
    users = _with_accounts(config, lambda accounts: accounts.list())
    if as_json:
        rows = [
            {
                "name": user.name,
                "created_at": user.created_at_ms,
                "saved_count": user.saved_count,
                "is_admin": user.is_admin,
            }
            for user in users
        ]
        typer.echo(json.dumps(rows))
        return
    for user in users:
        since = datetime.fromtimestamp(user.created_at_ms / 1000, tz=UTC).astimezone()
        role = "\tadministrator" if user.is_admin else ""
        typer.echo(f"{user.name}\t{user.saved_count} saved\tsince {since:%Y-%m-%d %H:%M}{role}")
    if not users:
        typer.echo("There are no users yet; add one with: stocktrack users add NAME", err=True)


@users_app.command("passwd")
def users_passwd(name: str, *, password_stdin: PasswordStdin = False, config: ConfigFile = None) -> None:
    """Change a user's password; it takes effect at the next login, and tokens stay."""
    password = _new_password(name, from_stdin=password_stdin)
    _with_accounts(config, lambda accounts: accounts.change_password(name, password))
    typer.echo(
        f"The password of {name} was changed. TokenSigner stay; `stocktrack users revoke {name}` ends them.", err=True
    )


@users_app.command("remove")
def users_remove(name: str, config: ConfigFile = None) -> None:
    """Remove a user, the saved stocks and the tokens."""
    _with_accounts(config, lambda accounts: accounts.remove(name))
    typer.echo(f"User {name} was removed.", err=True)


@users_app.command("token")
def users_token(
    name: str,
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="how long it is valid")] = 30,
    config: ConfigFile = None,
) -> None:
    """Print a token that the user's clients log in with instead of a password."""
    token = _with_accounts(config, lambda accounts: accounts.make_token(name, days))
    typer.echo(token.text)
    until = datetime.fromtimestamp(token.expires_at_ms / 1000, tz=UTC).astimezone()
    typer.echo(f"It is valid until {until:%Y-%m-%d %H:%M}, or until `stocktrack users revoke {name}`.", err=True)


@users_app.command("revoke")
def users_revoke(name: str, config: ConfigFile = None) -> None:
    """End all tokens of a user; sessions that are open stay (`stocktrack kick` ends one)."""
    _with_accounts(config, lambda accounts: accounts.revoke_tokens(name))
    typer.echo(f"All tokens of {name} were revoked.", err=True)


@users_app.command("admin")
def users_admin(
    name: str, switch: Annotated[OnOff, typer.Argument(metavar="on|off")], config: ConfigFile = None
) -> None:
    """Make a user an administrator, or an ordinary user again; it takes effect at once."""
    _with_accounts(config, lambda accounts: accounts.set_admin(name, switch is OnOff.ON))
    typer.echo(f"{name} is {'now' if switch is OnOff.ON else 'no longer'} an administrator.", err=True)


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
    return str(typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True))


def _with_accounts(config: Path | None, work: Callable[["Accounts"], Awaitable[Result]]) -> Result:
    """Open the user accounts of the settings, do `work` with them, and close them again."""
    import asyncio

    from stocktrack.accounts.accounts import Accounts
    from stocktrack.clock import RealClock
    from stocktrack.config import load_settings
    from stocktrack.storage.store import Store
    from stocktrack.system.data_folder import DataFolder
    from stocktrack.system.logs import configure_logs

    settings = load_settings(config_file=config).settings
    configure_logs(settings.log_format, settings.log_level)
    clock = RealClock()

    def open_signer() -> "TokenSigner":
        from stocktrack.accounts import tokens

        return tokens.open_signer(settings.data_dir, clock, is_loopback=settings.is_loopback, warn=_warn)

    async def run() -> Result:
        DataFolder(settings.data_dir).make()
        store = Store(settings.database)
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

    return asyncio.run(run())


def _warn(sentence: str) -> None:
    typer.echo(f"stocktrack: {sentence}", err=True)
