"""What a shell completes at a command: what the user has saved on the server, and the words that an option takes.

Nobody is asked for anything: without a stored token or a password in the environment nothing is completed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient

# A person waits for the Tab key.
SECONDS = 1.5
# What the rows of a command are, by what it is called in a shell: `COLUMNS` of `terminal/columns.py` has their fields.
KINDS: Final[Mapping[str, str]] = {
    "get": "GET",
    "watch": "PRICE",
    "stocks": "MY_STOCKS",
    "news": "NEWS",
    "info": "INFO",
    "dividends": "DIVIDENDS",
    "search": "SEARCH",
    "sources": "SOURCES",
    "history": "HISTORY",
    "holdings": "HOLDINGS",
    "lots list": "LOTS",
    "lists": "LISTS",
    "alert list": "MY_ALERTS",
    "sessions": "SESSIONS",
    "accounts": "USERS",
    "tokens": "TOKENS",
    "users list": "STORED_USERS",
    "users tokens": "TOKENS",
}


def saved_symbols(context: typer.Context, incomplete: str) -> list[str]:
    """The saved symbols that begin as what was typed, which may follow a comma."""
    last = incomplete.rpartition(",")[2]
    rest = [symbol[len(last) :] for symbol in _ask(context, _symbols) if symbol.startswith(last.upper())]
    # A shell takes only what begins with the very letters that were typed; the commands raise small ones.
    return [incomplete + (each.lower() if last.islower() else each) for each in rest]


def saved_lists(context: typer.Context, incomplete: str) -> list[str]:
    """The names of saved lists that begin as what was typed."""
    return [name for name in _ask(context, _lists) if name.startswith(incomplete)]


def board_columns(incomplete: str) -> list[str]:
    """The columns of the board that begin as what was typed, which may follow a comma."""
    from stocktrack.terminal.board_choice import COLUMNS

    return _listed(COLUMNS, incomplete)


def row_fields(context: typer.Context, incomplete: str) -> list[str]:
    """The fields of the rows of the command that begin as what was typed, which may follow a comma."""
    from stocktrack.terminal.columns import fields_of

    kind = KINDS.get(context.command_path.partition(" ")[2])
    return [] if kind is None else _listed(fields_of(kind), incomplete)


def currencies(incomplete: str) -> list[str]:
    """The codes of currencies that begin as what was typed, in capitals or not."""
    from stocktrack.terminal.board_choice import CURRENCIES

    rest = sorted(code[len(incomplete) :] for code in CURRENCIES if code.startswith(incomplete.upper()))
    return [incomplete + (each.lower() if incomplete.islower() else each) for each in rest]


def _listed(words: Iterable[str], incomplete: str) -> list[str]:
    """The words that go on with the last one of a list, but for those before it."""
    typed, comma, last = incomplete.rpartition(",")
    before = typed.lower().split(",")
    return [f"{typed}{comma}{word}" for word in words if word.startswith(last.lower()) and word not in before]


def board_orders(incomplete: str) -> list[str]:
    """The orders of the board that begin as what was typed, which may be turned round."""
    from stocktrack.terminal.board_choice import ORDER_NAMES

    minus = "-" if incomplete.startswith("-") else ""
    return [minus + name for name in ORDER_NAMES if (minus + name).startswith(incomplete.lower())]


async def _symbols(client: "StockTrackClient") -> list[str]:
    welcome = client.welcome
    symbols = dict.fromkeys(welcome.symbols if welcome is not None else ())
    for each in await client.lists():
        if each.count and each.list != "main":
            symbols |= dict.fromkeys((await client.my_stocks(each.list)).symbols)
    return [*symbols]


async def _lists(client: "StockTrackClient") -> list[str]:
    return [each.list for each in await client.lists()]


def _ask(context: typer.Context, find: "Callable[[StockTrackClient], Awaitable[list[str]]]") -> list[str]:
    """What `find` finds; nothing where the server does not say it at once."""
    from stocktrack.client import ClientError
    from stocktrack.client.settings import (
        CredentialsMissingError,
        ask_for_credentials,
        has_to_ask,
        load_client_settings,
    )
    from stocktrack.errors import ConfigError

    given = context.params

    async def run() -> list[str]:
        async with (
            asyncio.timeout(SECONDS),
            settings.client(timeout_seconds=SECONDS, reconnect=False) as client,
        ):
            return await find(client)

    try:
        settings = load_client_settings(
            host=given.get("host"),
            port=given.get("port"),
            username=given.get("user"),
            tls=given.get("tls"),
            ca=given.get("ca"),
        )
        if has_to_ask(settings):
            return []
        settings = ask_for_credentials(settings)
        return asyncio.run(run())
    except (ClientError, ConfigError, CredentialsMissingError, TimeoutError, OSError):
        return []
