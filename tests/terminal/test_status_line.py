import io
import os

import pyte
import pytest

from stocktrack.terminal.status_line import StatusLine


@pytest.fixture(autouse=True)
def forty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 10)))


def seen(out: io.StringIO) -> list[str]:
    """What a terminal shows of it, without what is empty."""
    screen = pyte.Screen(40, 10)
    pyte.Stream(screen).feed(out.getvalue().replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display if line.strip()]


def test_the_line_is_written_anew_in_its_place_and_the_log_stands_above_it() -> None:
    out = io.StringIO()
    line = StatusLine(out)
    line.write("before\n")
    line.show("12 written")
    line.write("sink is down\n")
    line.show("13 written")
    line.write("sink is back\n")

    assert seen(out) == ["before", "sink is down", "sink is back", "13 written"]


def test_what_does_not_fit_is_left_out_and_at_the_end_the_line_stays() -> None:
    out = io.StringIO()
    line = StatusLine(out)
    line.show("x" * 100)
    line.show("y" * 100)
    line.end()
    line.end()
    out.write("$ ")

    assert seen(out) == ["y" * 39, "$"]
