"""A real pseudo-terminal for the tests of the command line: the program runs in it, and pyte reads its screen.

with Terminal("client", server=server) as terminal:
    terminal.wait_for("stocktrack>")
    terminal.enter("get AAPL")
    terminal.wait_for("Apple Inc.")
"""

import atexit
import contextlib
import copy
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect
import pyte

from patience import PATIENCE_SECONDS
from requirements import require_program

USER = "ann"
PASSWORD = "correct horse battery"
ROOT = Path(__file__).parents[2]
SHELL_OPTIONS = ("--norc", "--noprofile", "-i")  # of bash


def program_environment(home: Path, port: int | None = None, **variables: str) -> dict[str, str]:
    """What a program of a test sees: a home of its own, no colours chosen, and a server to call."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKTRACK_", "XDG_"))}
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PROMPT_TOOLKIT_COLOR_DEPTH"):
        kept.pop(name, None)
    kept |= {"HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "STOCKTRACK_DATA_DIR": str(home / "data")}
    if port is not None:
        kept |= {"STOCKTRACK_PORT": str(port), "STOCKTRACK_USER": USER, "STOCKTRACK_PASSWORD": PASSWORD}
    return kept | variables


def run_stocktrack(*arguments: str, home: Path, port: int) -> None:
    """Run `stocktrack ARGUMENTS` to its end, which must be a good one, as from another window."""
    subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "stocktrack", *arguments],
        env=program_environment(home, port),
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )


class Screen(pyte.HistoryScreen):
    """pyte's screen with the second, alternate one that full-screen programs draw on."""

    answer: Callable[[str], object]

    def write_process_input(self, data: str) -> None:
        self.answer(data)

    def set_mode(self, *modes: int, **kwargs: bool) -> None:
        super().set_mode(*modes, **kwargs)
        if 1049 in modes and kwargs.get("private"):
            self._main = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **kwargs: bool) -> None:
        super().reset_mode(*modes, **kwargs)
        if 1049 in modes and kwargs.get("private"):
            self.buffer, self.cursor = self._main
            self.dirty.update(range(self.lines))


@functools.cache
def _data_folder_with_user() -> Path:
    """What `stocktrack users add` makes, once for all servers of this run: it takes a second each time."""
    folder = Path(tempfile.mkdtemp(prefix="stocktrack-user-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "stocktrack", "users", "add", USER, "--password-stdin"],
        input=f"{PASSWORD}\n",
        text=True,
        env=program_environment(folder, None, STOCKTRACK_DATA_DIR=str(folder / "server")),
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    return folder / "server"


class ServerProcess:
    """`stocktrack serve` on the simulated market as a child process, with one user. It can be stopped and restarted."""

    def __init__(self, folder: Path, *, interval_seconds: float = 0.2, **variables: str) -> None:
        folder.mkdir(exist_ok=True)
        self._environment = program_environment(
            folder,
            None,
            STOCKTRACK_DATA_DIR=str(folder / "server"),
            STOCKTRACK_SIMULATED_INTERVAL_SECONDS=str(interval_seconds),
            STOCKTRACK_SIMULATED_SEED="7",
            STOCKTRACK_LOG_FORMAT="json",
            **variables,
        )
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        shutil.copytree(_data_folder_with_user(), self._environment["STOCKTRACK_DATA_DIR"], dirs_exist_ok=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop(signal.SIGTERM)

    def run(self, *arguments: str) -> None:
        """Run one of the operator's commands on its database, to a good end."""
        subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-m", "stocktrack", *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        )

    def start(self) -> None:
        """Start it; a second time on the same port."""
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [
                sys.executable,
                "-m",
                "stocktrack",
                "serve",
                "--no-web",
                "--provider",
                "simulated",
                "--port",
                str(self.port),
            ],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        told = []
        for line in self._process.stderr:
            told.append(line)
            if '"ready"' in line:
                found = re.search(r'"port": (\d+)', line)
                assert found is not None, line
                self.port = int(found[1])
                return
        self.stop()
        raise AssertionError(f"the server ended before it was ready: {''.join(told)}")

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It has its port and its connections, and does nothing, meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it the signal and wait until it has gone."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait()


class Terminal:
    """A program in a pseudo-terminal of `columns` by `rows`, and its screen as a person would see it.

    `in_shell` it is a job of an interactive shell, which can be suspended and brought back. `run_by` is what Python
    runs it by.
    """

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str],
        columns: int = 100,
        rows: int = 30,
        history: int = 2_000,
        in_shell: bool = False,
        run_by: Sequence[str] = ("-m", "stocktrack"),
    ) -> None:
        self._screen = Screen(columns, rows, history=history, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        program = "bash" if in_shell else sys.executable
        its_arguments = SHELL_OPTIONS if in_shell else (*run_by, *arguments)
        self._child = pexpect.spawn(
            program,
            [*its_arguments],
            env=environment,
            dimensions=(rows, columns),
            timeout=PATIENCE_SECONDS,
        )
        # A person takes longer than this anyhow, and the tests send nothing before they have seen the prompt.
        self._child.delaybeforesend = None
        # The program asks where the cursor is, and a terminal answers.
        self._screen.answer = self._child.send
        self.raw = b""
        if in_shell:
            self.wait_for("$")
            self.enter(shlex.join([sys.executable, *run_by, *arguments]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._child.close(force=True)
        except pexpect.ExceptionPexpect:
            self._child.wait()  # it was killed: a busy machine takes longer over that than pexpect does

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without the spaces at the ends."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The screen as one text, with what has scrolled out of it above."""
        above = [
            "".join(line[column].data for column in range(self._screen.columns)).rstrip()
            for line in self._screen.history.top
        ]
        return "\n".join([*above, *self.lines])

    @property
    def screen(self) -> str:
        """The screen alone, for people."""
        return "\n".join(self.lines).rstrip()

    @property
    def cursor_line(self) -> str:
        """The line that the cursor is on."""
        return self.lines[self._screen.cursor.y]

    def colours_of(self, text: str) -> set[str]:
        """The colours in which `text` stands on the screen."""
        for row, line in enumerate(self._screen.display):
            column = line.find(text)
            if column >= 0:
                return {self._screen.buffer[row][column + offset].fg for offset in range(len(text))}
        raise AssertionError(f"{text!r} is not on the screen:\n{self.screen}")

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def enter(self, line: str) -> None:
        """Type a line and press Enter."""
        self.type(f"{line}\r")

    def paste(self, text: str) -> None:
        """Paste, as a terminal marks it for a program that has asked for that."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def click(self, column: int, row: int) -> None:
        """Press the left button of the mouse and let it go, in a place of `lines`."""
        for end in "Mm":
            self.type(f"\x1b[<0;{column + 1};{row + 1}{end}")

    def wheel(self, notches: int) -> None:
        """Turn the wheel of the mouse, down where it is positive."""
        for _ in range(abs(notches)):
            self.type(f"\x1b[<{65 if notches > 0 else 64};10;5M")

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, of which the program is told."""
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def has_mouse(self) -> bool:
        """Whether the program has asked for what the mouse does, and not taken it back since."""
        return self.raw.rfind(b"\x1b[?1006h") > self.raw.rfind(b"\x1b[?1006l")

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        self._child.kill(number)

    def wait_for(self, *texts: str) -> None:
        """Read until each of `texts` stands on the screen or above it."""
        self.wait_until(lambda: all(text in self.text for text in texts), f"to see {texts}")

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Read until it is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, f"waited {what}; the screen is:\n{self.text}"
            if not self._read():
                assert is_so(), f"the program ended while waiting {what}; the screen is:\n{self.text}"
                return

    def wait_for_prompt(self) -> None:
        """Read until the last thing that was said is the client's prompt."""
        self.wait_until(lambda: self.cursor_line == "stocktrack>", "for an empty prompt")

    def leave(self) -> None:
        """Leave the client at its prompt."""
        self.enter("exit")
        assert self.wait_exit() == 0

    def wait_exit(self) -> int:
        """Read to the end and return the exit code, 128 and more for a signal."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._read():
            assert time.monotonic() < deadline, f"the program does not end; the screen is:\n{self.text}"
        self._child.wait()
        status = self._child.exitstatus
        return 128 + int(self._child.signalstatus or 0) if status is None else int(status)

    def _read(self) -> bool:
        """Read what there is, or wait a little for it; False at the end."""
        try:
            data = self._child.read_nonblocking(65_536, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True


@contextlib.contextmanager
def terminal_program(
    *arguments: str,
    home: Path,
    port: int | None = None,
    columns: int = 100,
    rows: int = 30,
    in_shell: bool = False,
    **variables: str,
) -> Iterator[Terminal]:
    """A `stocktrack` command in a terminal of its own."""
    environment = program_environment(home, port, **variables)
    if in_shell:
        require_program("bash")
        environment["PS1"] = "$ "
    with Terminal(*arguments, environment=environment, columns=columns, rows=rows, in_shell=in_shell) as terminal:
        yield terminal
