from itertools import pairwise

import pytest

from stocktrack.terminal.canvas import Canvas


def test_dots_are_braille_of_two_by_four() -> None:
    canvas = Canvas(2, 1, is_unicode=True)
    canvas.dot(0, 0, "")
    canvas.dot(1, 3, "")
    canvas.dot(2, 1, "")
    canvas.dot(99, 99, "")
    canvas.dot(-1, 0, "")

    assert canvas.lines(colour=False) == ["\u2881\u2802"]


@pytest.mark.parametrize("end", [(7, 7), (0, 7), (7, 0), (3, 7), (0, 0)])
def test_a_line_has_both_ends_and_no_gap(end: tuple[int, int]) -> None:
    drawn: list[tuple[int, int]] = []

    class Watched(Canvas):
        def dot(self, x: int, y: int, tone: str) -> None:
            drawn.append((x, y))

    Watched(4, 2, is_unicode=True).line((0, 0), end, "")

    assert (drawn[0], drawn[-1]) == ((0, 0), end)
    assert all(max(abs(to_x - x), abs(to_y - y)) == 1 for (x, y), (to_x, to_y) in pairwise(drawn))


def test_without_unicode_it_is_ascii_that_tells_upper_from_lower() -> None:
    canvas = Canvas(3, 1, is_unicode=False)
    canvas.dot(0, 0, "")
    canvas.dot(2, 3, "")
    canvas.line((4, 0), (4, 3), "")

    assert canvas.lines(colour=False) == ["'.:"]


def test_dashes_stand_behind_what_is_drawn() -> None:
    canvas = Canvas(6, 1, is_unicode=True)
    canvas.put(2, 0, "x", "up")
    canvas.dashes(1, "dim")
    assert canvas.lines(colour=False) == ["⠒ x ⠒"]
    plain = Canvas(6, 1, is_unicode=False)
    plain.dashes(1, "dim")
    assert plain.lines(colour=False) == ["- - -"]


def test_neighbours_of_one_tone_are_painted_at_once() -> None:
    canvas = Canvas(4, 1, is_unicode=True)
    canvas.put(0, 0, "ab", "up")
    canvas.put(2, 0, "c", "down")

    assert canvas.lines(colour=True) == ["\x1b[32mab\x1b[0m\x1b[31mc\x1b[0m"]
