"""What a command needs besides its row in `COMMANDS`: each test names the command that lacks it.

The models' lines, headings and schema are held together by `test_protocol_page.py`.
"""

import inspect
import re
from pathlib import Path
from typing import get_type_hints

import pytest
import typer

import stocktrack
import stocktrack.web.rest.application  # it puts the operations into the router
from stocktrack.cli import app
from stocktrack.client import StockTrackClient
from stocktrack.messages import COMMANDS
from stocktrack.sessions.every_answer import ANSWERS
from stocktrack.terminal.typed_commands import WORDS
from stocktrack.web.rest.parts import router

# How a command is called elsewhere, where it is not its type in small letters; None: it is not there, for the reason.
CLIENT_METHODS: dict[str, str | None] = {
    "AUTH": None,  # a client logs in when it connects, and when it comes back
    "TOKEN": "make_token",
    "PASSWORD": "change_password",
}
REST_OPERATIONS: dict[str, str | None] = {
    "AUTH": "login",
    "TOKEN": "login",
    "GET": "quotes",
    "SUBSCRIBE": None,  # a request is answered once and pushed nothing; SET_LIST changes what is saved
    "UNSUBSCRIBE": None,
    "SET_LIST": "replace_stocks",
    "MY_STOCKS": "stocks",
    "INFO": "company",
    "PING": None,  # /healthz
    "TOKENS": "list_tokens",
    "REVOKE": "revoke_token",
    "PASSWORD": "change_password",
    "SESSIONS": None,  # administrators have the page, the command line and the protocol
    "KICK": None,
    "ANNOUNCE": None,
    "MUTE": None,
}
SHELL_COMMANDS: dict[str, str | None] = {
    "AUTH": "login",
    "SUBSCRIBE": "watch",
    "UNSUBSCRIBE": "stocks",
    "MY_STOCKS": "stocks",
    "SET_LIST": "stocks",
    "RENAME_LIST": "lists",
    "REMOVE_LIST": "lists",
    "ORDER_LISTS": "lists",
    "MY_ALERTS": "alert",
    "UNALERT": "alert",
    "TEST_ALERT": "alert",
    "ADD_LOT": "lots",
    "REMOVE_LOT": "lots",
    "PING": None,  # `get` says whether the server answers
    "USERS": "accounts",  # `stocktrack users` works on the database, without a server
}
TYPED_WORDS: dict[str, str | None] = {
    "AUTH": None,  # the client logs in before the first word
    "TOKEN": None,  # `stocktrack login`, `token`, `tokens`, `revoke` and `password`
    "TOKENS": None,
    "REVOKE": None,
    "PASSWORD": None,
    "MY_STOCKS": "stocks",
    "SET_LIST": "stocks",
    "RENAME_LIST": "lists",
    "REMOVE_LIST": "lists",
    "ORDER_LISTS": "lists",
    "MY_ALERTS": "alerts",
    "TEST_ALERT": "alert",
    "ADD_LOT": "lot",
    "REMOVE_LOT": "unlot",
    "PING": None,
    "LOGOUT": "exit",
    "SESSIONS": None,  # `stocktrack sessions`, `accounts`, `kick`, `announce` and `mute`
    "USERS": None,
    "KICK": None,
    "ANNOUNCE": None,
    "MUTE": None,
}


def name_in(names: dict[str, str | None], kind: str) -> str | None:
    return names.get(kind, kind.lower())


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_has_an_answer_that_takes_it_and_returns_its_reply(kind: str) -> None:
    row = COMMANDS[kind]
    assert row.command in ANSWERS, f"{kind} has no answer: write one in sessions/answers.py."
    hints = get_type_hints(ANSWERS[row.command])
    assert (hints["command"], hints["return"]) == (row.command, row.reply)
    assert inspect.getdoc(ANSWERS[row.command])


def test_nothing_answers_what_is_no_command() -> None:
    assert set(ANSWERS) == {row.command for row in COMMANDS.values()}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_has_a_method_of_the_client(kind: str) -> None:
    method = name_in(CLIENT_METHODS, kind)
    if method is not None:
        assert callable(getattr(StockTrackClient, method, None)), f"{kind} has no method {method!r} in client/."


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_has_an_operation_of_rest(kind: str) -> None:
    operations = {getattr(route, "name", None) for route in router.routes}
    operation = name_in(REST_OPERATIONS, kind)
    assert operation is None or operation in operations, f"{kind} has no operation {operation!r} in web/rest/."


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_has_one_of_the_shell(kind: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined] # it is a group
    name = name_in(SHELL_COMMANDS, kind)
    assert name is None or name in commands, f"{kind} has no command `stocktrack {name}`."


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_has_a_word_of_the_interactive_client(kind: str) -> None:
    word = name_in(TYPED_WORDS, kind)
    assert word is None or word in WORDS, f"{kind} has no word {word!r} in terminal/typed_commands.py."


@pytest.mark.parametrize("names", [CLIENT_METHODS, REST_OPERATIONS, SHELL_COMMANDS, TYPED_WORDS])
def test_no_list_here_speaks_of_a_command_that_is_gone(names: dict[str, str | None]) -> None:
    assert set(names) <= set(COMMANDS)


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_has_its_row_in_the_readme_with_its_fields(kind: str) -> None:
    readme = (Path(stocktrack.__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {kind} \|.*\|(.*)\|$", readme, re.MULTILINE)
    assert row is not None, f"{kind} has no row in the README's table of commands."
    named = set(re.findall(r"`(\w+)`", row[1]))
    fields = set(COMMANDS[kind].command.model_fields) - {"type", "id"}
    assert fields <= named, f"{kind}: the README does not name {fields - named}."
