"""The kind `command`: a program of this machine, with the arguments that the operator wrote and no shell.

The message comes on its standard input and in variables. It has nothing of the server's environment but what a program
needs to find its way, and a process group of its own, which ends with the time limit.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import structlog

from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.alert_targets.under_way import UnderWay
from stocktrack.errors import ConfigError
from stocktrack.quotes import clean_text
from stocktrack.target_settings import CommandSettings

log = structlog.get_logger()

AT_ONCE: Final = 2
VARIABLE_PREFIX: Final = "STOCKTRACK_ALERT_"
# What a program needs, one that shows something on a desktop among them; settings and keys are none of it.
PASSED_ON: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE"),
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    }
)
# A program that complains this much has its mouth shut, and is otherwise left alone.
MAX_COMPLAINT_BYTES, KEPT_BYTES = 1_048_576, 4_096
_GONE_SECONDS = 1.0  # after SIGKILL; a process that waits for a dead disk takes longer


class CommandTarget:
    """A `Target`; `ConfigError` where the program is not there."""

    kind: Final = "command"
    at_once: Final = AT_ONCE

    def __init__(self, name: str, settings: CommandSettings, environment: Mapping[str, str] = os.environ) -> None:
        self.name = name
        program, *arguments = settings.command
        self._command = (_found(name, program, environment), *arguments)
        self._environment = {
            variable: value
            for variable, value in environment.items()
            if variable in PASSED_ON or variable.startswith("LC_")
        }
        self._under_way = UnderWay(name, settings.timeout_seconds)

    async def send(self, message: AlertMessage) -> None:
        """Return once the program has ended with exit code 0."""
        await self._under_way.run(lambda: self._send(message))

    async def close(self) -> None:
        """End what is under way."""
        await self._under_way.close()

    async def _send(self, message: AlertMessage) -> None:
        with _Complaints() as complaints:
            try:
                with _file_of(message.body() + b"\n") as told:
                    process = await self._started(told, complaints.given, message)
            except (OSError, ValueError) as error:
                why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
                raise TargetError(f"The target {self.name} cannot be started: {why}.") from None
            try:
                complaints.listen()
                code = await process.wait()
            finally:
                await _end(process)
            complaints.hear()
            log.debug("an alert's command has ended", target=self.name, exit_code=code, said=complaints.last_line())
            if code != 0:
                how = f"ended with exit code {code}" if code > 0 else f"was ended by {_signal_name(-code)}"
                raise TargetError(f"The target {self.name} {how}.")

    async def _started(self, told: IO[bytes], complaints: int, message: AlertMessage) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=told,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            env=self._environment | variables(message),
            start_new_session=True,
        )


def variables(message: AlertMessage) -> dict[str, str]:
    """The variables of a message; what is not known has none."""
    return {
        f"{VARIABLE_PREFIX}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in message.values().items()
    }


def _file_of(body: bytes) -> IO[bytes]:
    """A file with `body`, in memory where there is such a thing, and gone with the last who has it open.

    A pipe would have to be written to, by the loop, for as long as the program does not read; and each of the loops
    that we run on says in a way of its own that it was closed meanwhile.
    """
    file: IO[bytes]
    if sys.platform == "linux":
        file = os.fdopen(os.memfd_create("alert"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(body)
    file.seek(0)
    return file


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that runs, and what it has started in its group."""
    if process.returncode is not None:
        return  # its number may be another's by now
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GONE_SECONDS):
            await process.wait()


class _Complaints:
    """What a program says on its standard error: its end is kept, for the log.

    It is a pipe of our own. Asyncio's would be waited for until everybody has closed it, and what a program leaves in
    the background may hold it for ever.
    """

    def __init__(self) -> None:
        self._ours, self.given = os.pipe()
        self._is_given = self._is_listening = False
        self._count, self._kept = 0, b""

    def __enter__(self) -> "_Complaints":
        return self

    def __exit__(self, *_: object) -> None:
        self._give()
        self._shut()

    def listen(self) -> None:
        """Take what is said from now on; the program has its end by now."""
        self._give()
        os.set_blocking(self._ours, False)
        asyncio.get_running_loop().add_reader(self._ours, self.hear)
        self._is_listening = True

    def hear(self) -> None:
        """Take what has been said."""
        if not self._is_listening:
            return
        try:
            said = os.read(self._ours, 65_536)
        except BlockingIOError:
            return
        self._count += len(said)
        self._kept = (self._kept + said)[-KEPT_BYTES:]
        if not said or self._count > MAX_COMPLAINT_BYTES:
            self._shut()

    def last_line(self) -> str:
        """The last line that says something, cleaned; empty without one."""
        lines = [line for line in self._kept.decode(errors="replace").splitlines() if line.strip()]
        return clean_text(lines[-1], 200) if lines else ""

    def _give(self) -> None:
        if not self._is_given:
            self._is_given = True
            os.close(self.given)

    def _shut(self) -> None:
        if self._ours >= 0:
            if self._is_listening:
                self._is_listening = False
                asyncio.get_running_loop().remove_reader(self._ours)
            os.close(self._ours)
            self._ours = -1


def _found(name: str, program: str, environment: Mapping[str, str]) -> str:
    setting = f"alert_targets.{name}.command: {program!r}"
    if "/" in program:
        path = Path(program)
        if not path.is_absolute():
            raise ConfigError(f"{setting} must be a whole path, such as /usr/bin/notify-send, or a name on PATH.")
        if not path.is_file():
            raise ConfigError(f"{setting} is no file.")
        if not os.access(path, os.X_OK):
            raise ConfigError(f"{setting} may not be executed: chmod +x makes it a program.")
        return program
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None:
        raise ConfigError(f"{setting} is no program on PATH.")
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
