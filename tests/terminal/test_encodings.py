"""What a terminal that cannot show a minus sign gets instead, from `print` and from prompt_toolkit alike."""

import io
import sys

import pytest

from stocktrack.terminal.encodings import ERRORS, MINUS, can_show, output_of_screen

SHOWN = f"{MINUS}1.20 {MINUS}0.64% ▁▂ 9\u201310"  # from one to the other, by a dash


def stream(encoding: str, errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, write_through=True)


def written(to: io.TextIOWrapper) -> bytes:
    assert isinstance(to.buffer, io.BytesIO)
    return to.buffer.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp850"])
def test_a_minus_is_a_hyphen_and_columns_stay_as_wide(encoding: str) -> None:
    out = stream(encoding, ERRORS)
    out.write(SHOWN)
    assert written(out) == b"-1.20 -0.64% .: 9-10"


def test_the_marks_of_the_board_are_plain_ones() -> None:
    out = stream("ascii", ERRORS)
    out.write("▸ AAPL  Price▼  ▁▃▇█  ──●──  ←→ range  Microsoft Co…  中")
    assert written(out) == b"> AAPL  Pricev  .-#@  --o--  <> range  Microsoft Co~  ?"


def test_what_can_show_it_gets_it() -> None:
    out = stream("utf-8", ERRORS)
    out.write(SHOWN)
    assert written(out).decode() == SHOWN
    assert can_show(MINUS, out)
    assert not can_show(MINUS, stream("ascii"))


def test_prompt_toolkit_writes_a_hyphen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = stream("ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    output = output_of_screen()
    assert output is not None
    output.write(SHOWN)
    output.flush()
    assert written(plain).strip() == b"-1.20 -0.64% .: 9-10"


def test_where_it_can_be_shown_prompt_toolkit_draws_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream("utf-8"))
    assert output_of_screen() is None


def test_reading_is_as_strict_as_ever() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", ERRORS)
