"""The `stocktrack` command itself: its help, how it is misused, and the protocol that it prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Finished, Run
from server_process import environment
from stocktrack import __version__
from stocktrack.messages import COMMAND_TYPES


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version") == Finished(0, f"stocktrack {__version__}\n", "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_lists_the_commands_on_standard_output(run: Run, option: str) -> None:
    finished = run(option)
    assert (finished.code, finished.err) == (0, "")
    assert {"serve", "demo", "client", "users", "config", "protocol"} <= set(finished.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["sell"],
        ["users", "rename"],
        ["--colour"],
        ["users", "add"],
        ["demo", "--seconds", "0"],
        ["config", "show", "x"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_is_a_usage_error(run: Run, arguments: list[str]) -> None:
    finished = run(*arguments)
    assert (finished.code, finished.out) == (2, "")
    assert "Usage: stocktrack" in finished.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("history AAPL --range 2d", "'--range': '2d' is not one of '1d', '5d', "),
        ("news --limit 0", "'--limit': should be greater than or equal to 1"),
        ("users token ann --days x", "'--days': should be a valid integer"),
    ],
)
def test_a_wrong_option_is_told_in_plain_words(run: Run, arguments: str, told: str) -> None:
    finished = run(*arguments.split())
    assert (finished.code, finished.out) == (2, "")
    assert f"Error: Invalid value for {told}" in finished.err


def test_the_schema_of_the_protocol_is_one_json_document(run: Run) -> None:
    finished = run("protocol", "--schema")
    assert (finished.code, finished.err) == (0, "")
    assert set(json.loads(finished.out)["$defs"]) >= {"command", "server_message"}


def test_the_commands_of_the_protocol_are_listed(run: Run) -> None:
    finished = run("protocol")
    assert finished.code == 0
    assert all(command in finished.out for command in COMMAND_TYPES)


def test_the_help_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.argv = ['stocktrack', '--help']\n"
        "from stocktrack.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    slow = {'yfinance', 'pandas', 'sqlalchemy', 'dotenv', 'uvloop', 'fastapi'} & set(sys.modules)\n"
        "    print(sorted(slow), file=sys.stderr)\n"
    )
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == "[]\n"
