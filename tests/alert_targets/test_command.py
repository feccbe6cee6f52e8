"""The kind `command` with real programs."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from alert_messages import NASTY, gone, message, nasty_messages, open_descriptors
from patience import PATIENCE_SECONDS
from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.alert_targets.command import CommandTarget
from stocktrack.errors import ConfigError
from stocktrack.target_settings import CommandSettings

# A target closes within a second; a busy machine may take a little longer.
CLOSE_SECONDS = 5.0
# Writes down what it was started with.
REPORT = """
import json, os, sys
with open(sys.argv[1], "w") as file:
    json.dump([sys.argv[2:], dict(os.environ), sys.stdin.read()], file)
"""


def target(*command: str, environment: dict[str, str] | None = None, **settings: Any) -> CommandTarget:
    values = CommandSettings.model_validate({"kind": "command", "command": command, **settings})
    return CommandTarget("desk", values, os.environ if environment is None else environment)


def python(program: str, *arguments: str, **settings: Any) -> CommandTarget:
    return target(sys.executable, "-c", program, *arguments, **settings)


async def refusal(desk: CommandTarget) -> str:
    with pytest.raises(TargetError) as caught:
        await desk.send(message())
    return caught.value.message


async def test_the_program_gets_the_message_by_its_input_and_by_variables(tmp_path: Path) -> None:
    secrets = {"STOCKTRACK_FINNHUB_API_KEY": "s3cr3t", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "LC_TIME": "C.UTF-8"}
    desk = python(REPORT, str(tmp_path / "report"), "$HOME", "*", environment={**os.environ, **secrets})
    await desk.send(message())
    await desk.close()
    arguments, variables, said = json.loads((tmp_path / "report").read_text(encoding="utf-8"))
    assert arguments == ["$HOME", "*"]
    assert json.loads(said) == json.loads(message().body())
    assert {n: v for n, v in variables.items() if n.startswith("STOCKTRACK_")} == {
        "STOCKTRACK_ALERT_ID": "d-7f3a",
        "STOCKTRACK_ALERT_ALERT": "a7",
        "STOCKTRACK_ALERT_SYMBOL": "AAPL",
        "STOCKTRACK_ALERT_WHEN": "crosses_above",
        "STOCKTRACK_ALERT_VALUE": "200.0",
        "STOCKTRACK_ALERT_PRICE": "200.12",
        "STOCKTRACK_ALERT_CURRENCY": "USD",
        "STOCKTRACK_ALERT_TIMESTAMP": "1712331900000",
        "STOCKTRACK_ALERT_MESSAGE": "AAPL 200.12 USD rose above 200.",
        "STOCKTRACK_ALERT_USERNAME": "ann",
    }
    assert variables["PATH"] == os.environ["PATH"]
    assert variables["LC_TIME"] == "C.UTF-8"
    assert "s3cr3t" not in json.dumps(variables)
    assert (desk.name, desk.kind, desk.at_once) == ("desk", "command", 2)


async def test_what_is_not_known_has_no_variable(tmp_path: Path) -> None:
    desk = python(REPORT, str(tmp_path / "report"))
    await desk.send(message(alert=None, symbol=None, when=None, value=None, price=None, currency=None))
    await desk.close()
    _, variables, _ = json.loads((tmp_path / "report").read_text(encoding="utf-8"))
    assert {n for n in variables if n.startswith("STOCKTRACK_")} == {
        f"STOCKTRACK_ALERT_{each}" for each in ("ID", "TIMESTAMP", "MESSAGE", "USERNAME")
    }


@pytest.mark.parametrize("nasty", nasty_messages(), ids=range(len(NASTY)))
async def test_no_text_of_a_user_becomes_an_argument_or_another_variable(tmp_path: Path, nasty: AlertMessage) -> None:
    desk = python(REPORT, str(tmp_path / "report"), "{symbol}", "$STOCKTRACK_ALERT_MESSAGE")
    await desk.send(nasty)
    await desk.close()
    arguments, variables, said = json.loads((tmp_path / "report").read_text(encoding="utf-8"))
    assert arguments == ["{symbol}", "$STOCKTRACK_ALERT_MESSAGE"]
    assert json.loads(said) == json.loads(nasty.body())
    assert {n for n in variables if n.startswith("STOCKTRACK_")} == {
        f"STOCKTRACK_ALERT_{each.upper()}" for each in nasty.values()
    }


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.stdin.close()",
        "import os; os.close(0)",
        "pass",
        "import sys; sys.stdin.read(3)",
        "print('x' * 10_000_000)",
        "import sys; sys.stderr.write('complaint\\n' * 1_000)",
    ],
)
async def test_a_program_may_read_and_say_what_it_likes(program: str) -> None:
    desk = python(program)
    await desk.send(message())
    await desk.close()


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise SystemExit(3)", "The target desk ended with exit code 3."),
        ("raise ValueError('s3cr3t')", "The target desk ended with exit code 1."),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "The target desk was ended by SIGTERM."),
        ("import os; os.kill(os.getpid(), 40)", "The target desk was ended by signal 40."),
    ],
)
async def test_any_other_end_than_exit_code_0_is_an_error(program: str, says: str) -> None:
    desk = python(program)
    assert await refusal(desk) == says
    await desk.close()


async def test_what_it_complained_of_last_is_in_the_log_of_details() -> None:
    desk = python("import sys; sys.exit('first\\nno \\x1b[31mdisplay\\n')")
    with capture_logs() as logs:
        await refusal(desk)
    await desk.close()
    assert logs == [
        {
            "event": "an alert's command has ended",
            "log_level": "debug",
            "target": "desk",
            "exit_code": 1,
            "said": "no [31mdisplay",
        }
    ]


async def test_the_time_limit_ends_the_program_and_what_it_started(tmp_path: Path) -> None:
    # A shell, which starts in a moment on a busy machine as well.
    program = "trap '' TERM; sleep 1000 & echo $$ $! >\"$0\"; wait"
    desk = target("sh", "-c", program, str(tmp_path / "pids"), timeout_seconds=1.5)
    assert await refusal(desk) == "The target desk did not answer within 1.5 s."
    pids = (tmp_path / "pids").read_text(encoding="utf-8").split()
    assert len(pids) == 2
    for pid in pids:
        await gone(int(pid))
    await desk.close()


async def started(fifo: Path) -> list[int]:
    """The process ids that a program writes into `fifo`, where it is waited for."""
    os.mkfifo(fifo)
    return [int(pid) for pid in (await asyncio.to_thread(fifo.read_text, encoding="utf-8")).split()]


HANGS = """
import os, signal, subprocess, sys
child = subprocess.Popen(["tail", "-f", "/dev/null"])
with open(sys.argv[1], "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
signal.pause()
"""


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_whatever_breaks_it_off_leaves_no_process_task_or_descriptor(tmp_path: Path, how: str) -> None:
    await target("true").send(message())  # what the loop opens for its first process stays open
    before = open_descriptors()
    desk = python(HANGS, str(tmp_path / "fifo"))
    told = asyncio.create_task(started(tmp_path / "fifo"))
    await asyncio.sleep(0)
    sending = asyncio.create_task(desk.send(message()))
    pids = await told
    if how == "cancelled":
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    async with asyncio.timeout(CLOSE_SECONDS):
        await desk.close()
    if how == "closed":
        with pytest.raises(TargetError, match="closing"):
            await sending
    for pid in pids:
        await gone(pid)
    assert not [task for task in asyncio.all_tasks() if "target" in task.get_name()]
    assert open_descriptors() <= before


async def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    program = """
import subprocess, sys
child = subprocess.Popen(["sleep", "1000"])
with open(sys.argv[1], "w") as file:
    file.write(f"{child.pid}")
"""
    desk = python(program, str(tmp_path / "pid"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await desk.send(message())
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    os.kill(pid, 9)  # it is alive: what it is for, only the operator knows
    await desk.close()


async def test_a_flood_of_complaints_is_cut_off() -> None:
    desk = target("sh", "-c", "yes complaint >&2", timeout_seconds=20)
    # Its next word has nobody to hear it, which ends it, as it would in a shell.
    assert "did not answer" not in await refusal(desk)
    await desk.close()


async def test_a_program_that_is_gone_or_none_is_an_error_when_it_is_started(tmp_path: Path) -> None:
    program = tmp_path / "s3cr3t"
    program.write_text("#!/nowhere/at/all\n", encoding="utf-8")
    program.chmod(0o700)
    await target("true").send(message())
    before = open_descriptors()
    desk = target(str(program))
    assert await refusal(desk) == "The target desk cannot be started: No such file or directory."
    program.unlink()
    assert await refusal(desk) == "The target desk cannot be started: No such file or directory."
    await desk.close()
    assert open_descriptors() <= before


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("./notify", "must be a whole path"),
        ("no-such-program-here", "is no program on PATH"),
        ("/nowhere/notify", "is no file"),
        ("/", "is no file"),
        (__file__, "may not be executed"),
    ],
)
def test_a_program_that_is_not_there_stops_the_start(program: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^alert_targets\.desk\.command: '{re.escape(program)}' {says}"):
        target(program)


async def test_a_program_on_path_is_found() -> None:
    desk = target("true")
    await desk.send(message())
    await desk.close()
