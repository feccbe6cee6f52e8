"""The `stocktrack` command itself: its help, how it is misused, and the protocol that it prints."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Finished, Run
from fakes import ScriptedProvider
from live_server import PASSWORD, live_server
from server_process import environment
from stocktrack import __version__
from stocktrack.clock import ManualClock
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


IMPORTED = (
    "import sys\n"
    "sys.argv = ['stocktrack', *sys.argv[1:]]\n"
    "from stocktrack.cli import main\n"
    "try:\n"
    "    main()\n"
    "except SystemExit:\n"
    "    print(*sorted(sys.modules), file=sys.stderr)\n"
)
SLOW = frozenset({"yfinance", "pandas", "sqlalchemy", "dotenv", "uvloop", "fastapi", "structlog", "pydantic_settings"})


def imported_by(folder: Path, *arguments: str, **variables: str) -> frozenset[str]:
    """The modules that `stocktrack ARGUMENTS` imports."""
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-c", IMPORTED, *arguments],
        env=environment(folder) | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return frozenset(done.stderr.splitlines()[-1].split())


def test_the_help_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    assert imported_by(tmp_path, "--help") & SLOW == set()


async def test_where_a_server_runs_a_get_imports_nothing_of_the_servers_side(tmp_path: Path) -> None:
    async with live_server(tmp_path / "server", ScriptedProvider(ManualClock())) as server:
        login = {"STOCKTRACK_USER": "ann", "STOCKTRACK_PASSWORD": PASSWORD, "STOCKTRACK_PORT": str(server.port)}
        imported = await asyncio.to_thread(imported_by, tmp_path, "get", "AAPL", **login)
    assert "stocktrack.client.client" in imported
    assert imported & SLOW == set()
    assert {each for each in imported if each.startswith(("stocktrack.operations.private", "stocktrack.app"))} == set()


def test_ctrl_c_while_the_command_is_still_being_imported_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from stocktrack.__main__ import main; main()"
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-c", code, str(tmp_path)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
