import sys
from pathlib import Path

import pytest

from command_line import Run, command_runner
from recorded import NOW_MS, a_price
from stocktrack.operations.recording_run import Order
from stocktrack.recording.names import Rotation
from stocktrack.recording.recording import Recording


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return command_runner(tmp_path, monkeypatch, capsys)


def test_the_help_shows_the_three_commonest_uses(run: Run) -> None:
    finished = run("record", "--help")

    assert finished.code == 0
    assert finished.out.count("  stocktrack record ") == 3


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["AAPL"], 2, "--out"),
        (["AAPL", "--out", "ticks.txt"], 2, "must end with .csv, .jsonl"),
        (["AAPL", "--out", "ticks.csv", "--rotate", "hour"], 2, "say day, or a size"),
        (["AAPL", "--out", "ticks.csv", "--provider", "yahoo"], 2, "for `--from provider`"),
        (["a!b", "--out", "ticks.csv"], 2, "is not a symbol"),
        (["AAPL", "--out", "no/ticks.csv"], 1, "there is no folder no"),
        (["--symbols-file", "none.txt", "--out", "ticks.csv"], 1, "none.txt cannot be read"),
        (["AAPL", "--out", "ticks.csv"], 4, "no user name"),
        (["AAPL", "--out", "ticks.csv", "--from", "provider", "--provider", "acme"], 1, "no such source"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(
    run: Run, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    finished = run("record", *arguments)

    assert (finished.code, finished.out) == (code, "")
    assert says in finished.err
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("ticks")] == []


def test_a_standard_input_that_is_closed_takes_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert not Order(("AAPL",), Path("ticks.csv"), Rotation(), reads_stdin=True).takes_lines


def test_where_nobody_listens_there_is_no_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"USER": "ann", "PASSWORD": "SeCrEt", "PORT": "1"}.items():
        monkeypatch.setenv(f"STOCKTRACK_{name}", value)
    finished = run("record", "AAPL", "--out", "ticks.csv")

    assert finished.code == 5
    assert "Nothing listens at 127.0.0.1:1" in finished.err
    assert not (tmp_path / "ticks.csv").exists()


def test_a_summary_is_printed_for_people_and_for_programs(run: Run, tmp_path: Path) -> None:
    recording = Recording(tmp_path / "ticks.csv", Rotation(), lambda: NOW_MS)
    recording.write([a_price()])
    recording.close()

    text, told, bare = (run("replay", "ticks.csv", *options) for options in (["--summary"], ["--json"], []))

    assert (text.code, text.err) == (0, "")
    assert "ticks.csv: 1 row of 1 symbol" in text.out
    assert '"rows": 1' in told.out
    assert bare.code == 2
    assert "stocktrack serve --provider replay" in bare.err


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no such file"), (b"", "is empty"), (b"a,b\n1,2\n", "is no recording: line 1")],
)
def test_what_is_no_recording_is_told_in_a_sentence(run: Run, tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "ticks.csv").write_bytes(content)

    finished = run("replay", "ticks.csv", "--summary")

    assert (finished.code, finished.out) == (1, "")
    assert says in finished.err
