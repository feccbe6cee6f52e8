"""What the description of REST needs beyond the code of its operations: parts, commands, and real examples.

The commands that an operation sends say what its parameters may be, and what can go wrong with it: neither is written
here a second time. The examples stand in `examples.json`, by the names of the operations.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

# The parts that the operations are listed in, in this order, and what is said of each.
PARTS: Final[Mapping[str, str]] = {
    "account": "Logins: a token for a password, the user's tokens, and another password.",
    "market": "Quotes, past prices, news, companies, dividends, symbols, and how the sources are.",
    "lists": "The user's saved lists of symbols, as every other client of this server sees them.",
    "alerts": "What the user is told of when a price gets there, and the targets that are told.",
    "holdings": "What the user holds and what it is worth.",
    "chat": "What users say to each other, where the server lets them.",
    "admin": "For administrators: who has an account.",
}
# By the first word of a path; what is not named here is of the part that its file is called.
_PART_OF: Final = {
    "alerts": "alerts",
    "alert_targets": "alerts",
    "holdings": "holdings",
    "lots": "holdings",
    "say": "chat",
    "stream": "market",
}
# By the name of the operation: the commands that it sends, the one that its answer comes from last.
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "login": ("AUTH", "TOKEN"),
    "logout": ("REVOKE",),
    "list_tokens": ("TOKENS",),
    "revoke_tokens": ("REVOKE",),
    "revoke_token": ("REVOKE",),
    "change_password": ("PASSWORD",),
    "quotes": ("GET",),
    "news": ("NEWS",),
    "company": ("INFO",),
    "dividends": ("DIVIDENDS",),
    "history": ("HISTORY",),
    "search": ("SEARCH",),
    "sources": ("SOURCES",),
    "stream": ("SUBSCRIBE",),
    "lists": ("LISTS",),
    "order_lists": ("ORDER_LISTS",),
    "rename_list": ("RENAME_LIST",),
    "remove_list": ("REMOVE_LIST",),
    "stocks": ("MY_STOCKS",),
    "replace_stocks": ("SET_LIST",),
    "order_stocks": ("SET_LIST",),
    "add_stock": ("SET_LIST",),
    "remove_stocks": ("SET_LIST",),
    "remove_stock": ("SET_LIST",),
    "my_alerts": ("MY_ALERTS",),
    "alert": ("ALERT",),
    "unalert": ("UNALERT",),
    "test_alert": ("TEST_ALERT",),
    "holdings": ("HOLDINGS",),
    "add_lot": ("ADD_LOT",),
    "remove_lot": ("REMOVE_LOT",),
    "say": ("SAY",),
    "users": ("USERS",),
}
_ASKS_SOURCES: Final = frozenset(
    {"GET", "NEWS", "INFO", "DIVIDENDS", "HISTORY", "SEARCH", "SUBSCRIBE", "SET_LIST", "ALERT", "ADD_LOT"}
)
# What fits well may still not be there: a symbol, a list, an alert, or a source that offers it.
_ALWAYS_THERE: Final = frozenset({"AUTH", "TOKEN", "TOKENS", "PASSWORD", "SOURCES", "USERS"})
_ANY: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Example:
    """One real request and its answer: `parameters` by their names, those of the path among them."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None


def part_of(path: str, module: str) -> str:
    """Which part an operation at `path` (below the prefix), of this file, is listed in."""
    return _PART_OF.get(path.strip("/").partition("/")[0].partition(".")[0], module)


def commands_of(name: str) -> tuple[str, ...]:
    """The commands that an operation sends; none where nobody has said which."""
    return _COMMANDS.get(name, ())


def failures_of(name: str, *, has_body: bool) -> tuple[HTTPStatus, ...]:
    """With which statuses an operation can fail."""
    commands = set(commands_of(name))
    found = set(_ANY)
    if has_body:
        found |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    if not commands <= _ALWAYS_THERE or not commands:
        found.add(HTTPStatus.NOT_FOUND)
    if commands & _ASKS_SOURCES or not commands:
        found |= {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
    return tuple(sorted(found))


@functools.cache
def examples() -> Mapping[str, Example]:
    """The examples, by the names of the operations."""
    told = json.loads(Path(__file__).with_name("examples.json").read_bytes())
    return {name: Example(**fields) for name, fields in told.items()}
