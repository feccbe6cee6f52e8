"""Runs the `stocktrack` command in the test's own process, which takes a hundredth of the time of a new one."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import stocktrack.accounts.accounts
import stocktrack.system.logs
from live_server import QuickHasher
from server_process import environment
from stocktrack.cli import main


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Stdin(io.TextIOWrapper):
    """Standard input that is a pipe with some bytes in it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


Run = Callable[..., Finished]


def command_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What runs `stocktrack ARGUMENTS` in this process, with an empty home as the current folder."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    # The logs of this process belong to the tests, and nobody attacks their passwords.
    monkeypatch.setattr(stocktrack.system.logs, "configure_logs", lambda *_: None)
    monkeypatch.setattr(stocktrack.accounts.accounts, "Argon2Hasher", QuickHasher)

    def run(*arguments: str, stdin: bytes = b"") -> Finished:
        monkeypatch.setattr(sys, "argv", ["stocktrack", *arguments])
        monkeypatch.setattr(sys, "stdin", Stdin(stdin))
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Finished(exit_.value.code, out, err)

    return run
