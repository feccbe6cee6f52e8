"""A command states only its own options; those that it shares come from a group."""

import inspect
import os
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from stocktrack.cli import app
from stocktrack.commands.completion import KINDS
from stocktrack.commands.options import OptionGroup, ServerAddress, ServerCall, ServerLogin, spread
from stocktrack.terminal.columns import fields_of


class Shared(OptionGroup):
    colour: Annotated[str, typer.Option(help="which colour")] = "red"
    size: Annotated[int | None, typer.Option("--size", min=1)] = None


heard: list[Any] = []


def paint(what: str, *, often: Annotated[int, typer.Option()] = 1, shared: Shared, loud: bool = False) -> None:
    """Paint it."""
    heard.append((what, often, (shared.colour, shared.size), loud))


def test_the_options_of_a_group_stand_where_the_group_stood() -> None:
    spread_out = spread(paint)

    assert list(inspect.signature(spread_out).parameters) == ["what", "often", "colour", "size", "loud"]
    assert (spread_out.__name__, spread_out.__doc__) == ("paint", "Paint it.")


@pytest.mark.parametrize(
    ("arguments", "shared"),
    [
        (["door"], ("red", None)),
        (["door", "--colour", "blue"], ("blue", None)),
        (["door", "--size", "3", "--loud"], ("red", 3)),
    ],
)
def test_a_command_gets_its_group_with_what_was_given(arguments: list[str], shared: tuple[str, int | None]) -> None:
    program = typer.Typer()
    program.command()(spread(paint))
    heard.clear()

    result = CliRunner().invoke(program, arguments)

    assert result.exit_code == 0, result.output
    assert heard == [("door", 1, shared, "--loud" in arguments)]


def test_an_option_of_a_group_is_checked_as_any_other() -> None:
    program = typer.Typer()
    program.command()(spread(paint))

    assert CliRunner().invoke(program, ["door", "--size", "0"]).exit_code == 2


def test_the_groups_are_settings_of_the_server_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith("STOCKTRACK_"):
            monkeypatch.delenv(variable)
    address = ServerAddress(host="there", port=7).settings()
    assert (address.host, address.port) == ("there", 7)
    for group in (ServerLogin, ServerCall):
        settings = group(host="there", port=7, user="ann", ca="a.pem").settings()
        assert (settings.username, settings.tls, settings.ca) == ("ann", True, "a.pem")


def test_every_command_that_calls_a_server_has_all_the_options_for_it() -> None:
    options = {
        command.callback.__name__: set(inspect.signature(command.callback).parameters)
        for command in app.registered_commands
        if command.callback is not None
    }
    without_server = {"serve", "demo", "feed", "replay", "protocol", "show_help"}

    login = {"host", "port", "user", "tls", "ca"}
    assert {name: login - options[name] for name in options.keys() - without_server if login - options[name]} == {}
    calls = options.keys() - without_server - {"client"}
    assert {name for name in calls if "timeout" not in options[name]} == set()
    assert calls >= {"get", "watch", "stocks", "login", "logout", "sessions"}


def paths_with_fields(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if any(parameter.name == "fields" for parameter in command.params):
        yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from paths_with_fields(each, (*path, name))


def test_the_fields_of_every_command_that_has_some_can_be_completed() -> None:
    paths = {" ".join(path) for path in paths_with_fields(typer.main.get_command(app))}

    assert paths == KINDS.keys()


@pytest.mark.parametrize("path", KINDS)
def test_the_fields_that_are_completed_are_those_that_the_command_takes(path: str) -> None:
    takes = ["AAPL"] if path in {"get", "info", "dividends", "search", "history", "users tokens"} else []

    result = CliRunner().invoke(app, [*path.split(), *takes, "--fields", "nonsense"], env={"COLUMNS": "2000"})

    assert result.exit_code == 2
    there = " ".join(result.output.split()).partition("there are ")[2]
    assert there.startswith(", ".join(fields_of(KINDS[path]))), result.output
