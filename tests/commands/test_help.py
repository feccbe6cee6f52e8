"""The help of the commands: groups, headings, examples that can be typed, and lines that fit."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from command_line import Finished, Run, command_runner
from stocktrack.cli import app
from stocktrack.commands.examples import EXAMPLES, GROUPS

ROOT: Any = typer.main.get_command(app)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return command_runner(tmp_path, monkeypatch, capsys)


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        called = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield called, command
            yield from commands(command, called)
        else:
            yield called, command


PATHS = [path for path, _ in commands(ROOT)]


def test_each_command_stands_in_one_group_of_the_main_help() -> None:
    listed = [name for _, names in GROUPS for name in names]
    assert sorted(listed) == sorted(ROOT.commands)


@pytest.mark.parametrize("path", PATHS)
def test_each_command_has_two_examples_or_more(path: str) -> None:
    assert len(EXAMPLES[path]) >= 2
    assert all(line == path or line.startswith(f"{path} ") for line, _ in EXAMPLES[path])


def test_no_example_is_of_a_command_that_is_not_there() -> None:
    assert set(EXAMPLES) - {""} == set(PATHS)


@pytest.mark.parametrize("line", [line for told in EXAMPLES.values() for line, _ in told])
def test_each_example_is_a_command_line_that_is_taken(line: str) -> None:
    words = shlex.split(line.partition(" | ")[0].partition(" < ")[0])
    at, command = ROOT.make_context("stocktrack", [*words], resilient_parsing=True), ROOT
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words[0]]
        at = command.make_context(words[0], words[1:], parent=at)
        words = words[1:]
    assert not hasattr(command, "commands") or command.invoke_without_command


@pytest.mark.parametrize("path", ["", "get", "users", "users add", "lists", "alert add"])
def test_help_prints_what_the_option_prints(run: Run, path: str) -> None:
    asked = run("help", *path.split())
    assert asked == run(*path.split(), "--help")
    assert (asked.code, asked.err) == (0, "")
    assert f"Usage: stocktrack {path}".rstrip() in asked.out


@pytest.mark.parametrize(
    ("words", "says"),
    [(["nope"], "No such command 'nope'"), (["wacth"], "Did you mean 'watch'"), (["get", "x"], "no commands in it")],
)
def test_help_of_what_is_not_there_is_a_usage_error(run: Run, words: list[str], says: str) -> None:
    finished = run("help", *words)
    assert (finished.code, finished.out) == (2, "")
    assert says in finished.err


def test_the_connection_has_a_heading_of_its_own_below_the_options(run: Run) -> None:
    page = run("help", "get").out
    own, _, connection = page.partition("\nConnection:\n")
    assert "--format" in own
    assert "--host" not in own
    assert all(name in connection for name in ("--host", "--port", "--user", "--tls", "--ca", "--timeout"))
    assert "\nExamples:\n  stocktrack get AAPL" in connection


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("path", ["", *PATHS])
def test_no_line_is_wider_than_the_terminal_and_no_sentence_is_cut(
    run: Run, monkeypatch: pytest.MonkeyPatch, path: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    page = run("help", *path.split()).out
    prose, _, _ = page.partition("\nExamples:\n")  # an example is whole, so that it can be copied
    assert [line for line in prose.splitlines() if len(line) > columns] == []
    assert "..." not in prose.partition("\n\n")[2]


def test_the_short_option_of_the_version_is_taken(run: Run) -> None:
    assert run("-V") == run("--version")


def test_nothing_asked_for_in_a_pipe_is_a_usage_error(run: Run) -> None:
    finished = run()
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith("Usage: stocktrack [OPTIONS] COMMAND [ARGS]...\n")
    assert "stocktrack help" in finished.err


def test_what_the_options_take_is_told_in_words(run: Run) -> None:
    page = run("help", "watch").out
    assert "<" not in page.partition("Options:")[2].partition("Connection:")[0]
    assert "x>=" not in page


def test_an_option_that_is_wrong_is_still_told_without_a_programmers_words(run: Run) -> None:
    finished: Finished = run("news", "--limit", "0")
    assert "Value error" not in finished.err
    assert finished.code == 2


@pytest.mark.parametrize(
    ("words", "ready"),
    [
        (["get", "AAPL"], ["get"]),
        (["login"], ["login"]),
        ([], sorted(ROOT.commands)),
        (["gte"], sorted(ROOT.commands)),
        (["help", "get"], sorted(ROOT.commands)),
        (["users", "list"], sorted(ROOT.commands)),
        (["--version"], sorted(ROOT.commands)),
    ],
)
def test_of_a_command_that_needs_no_other_only_itself_is_made_ready(words: list[str], ready: list[str]) -> None:
    called: Any = typer.main.get_command(app.called_by(words))
    assert sorted(called.commands) == ready
    assert sorted(typer.main.get_command(app).commands) == sorted(ROOT.commands)  # type: ignore[attr-defined] # a group


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("get", "Missing argument 'SYMBOL'. For example: `stocktrack get AAPL EURUSD=X`."),
        ("alert add AAPL above", "Missing argument 'VALUE'. For example: `stocktrack alert add AAPL above 280`."),
        ("users passwd", "For example: `stocktrack users passwd ann`."),
        ("news AAPL MSFT", "'MSFT' is not a count: `news` takes one symbol and a count, as in `news AAPL 5`."),
    ],
)
def test_what_is_missing_is_told_with_what_to_type(run: Run, words: str, says: str) -> None:
    done = run(*words.split())
    assert (done.code, done.out) == (2, "")
    assert says in " ".join(done.err.split())
