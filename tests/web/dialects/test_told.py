"""What clients of a dialect have been told: states that those who keep up share."""

import gc

from dialect_scene import price_line
from stocktrack.web.dialects.prices import price_of
from stocktrack.web.dialects.told import Telling
from stocktrack.web.websocket import frames_of


class Counting:
    """Tells each price with the one before it, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.telling = Telling(self.translate, lambda pieces: [b" ".join(pieces)])

    def translate(self, before: bytes, line: bytes) -> bytes:
        self.asked += 1
        return b"" if before == line else f"{_price(before)}>{_price(line)}".encode()


def _price(line: bytes) -> str:
    return f"{price_of(line)['price']:g}" if line else ""


def frame(text: str) -> bytes:
    return frames_of([text.encode()])


A1, A2, A3 = (price_line(number, symbol="A", price=float(number)) for number in (1, 2, 3))
B1, B2 = (price_line(number, symbol="B", price=float(number * 10)) for number in (1, 2))


def test_a_price_is_told_against_the_one_that_was_told_before() -> None:
    frames, told = Counting().telling.nothing.tell(A1 + B1)
    assert frames == frame(">1 >10")
    frames, told = told.tell(A2)
    assert frames == frame("1>2")
    frames, told = told.tell(A2 + B2)
    assert frames == frame("10>20")
    frames, told = told.tell(B2)
    assert frames == b""


def test_what_a_push_becomes_is_found_once_for_all_who_were_told_the_same() -> None:
    counting = Counting()
    clients = [counting.telling.nothing] * 50
    for push in (A1 + B1, A2, A3 + B2):
        answers = [client.tell(push) for client in clients]
        assert len({id(frames) for frames, _ in answers}) == 1
        clients = [told for _, told in answers]
        assert len(set(clients)) == 1
    assert counting.asked == 5


def test_who_falls_behind_is_told_the_truth_and_is_back_with_the_others_by_the_next_push() -> None:
    counting = Counting()
    _, together = counting.telling.nothing.tell(A1 + B1)
    _, quick = together.tell(A2)
    _, quick = quick.tell(A3 + B2)
    frames, slow = together.tell(A3 + B2)  # A2 was merged
    assert frames == frame("1>3 10>20")
    assert slow is quick


def test_what_is_forgotten_is_told_as_a_first_price() -> None:
    counting = Counting()
    _, told = counting.telling.nothing.tell(A1 + B1)
    frames, _ = told.forget(["A", "C"]).tell(A2 + B2)
    assert frames == frame(">2 10>20")
    assert told.forget(["B", "A"]) is counting.telling.nothing


def test_a_client_that_takes_nothing_for_long_keeps_nothing_of_what_the_others_were_told() -> None:
    counting = Counting()
    _, stalled = counting.telling.nothing.tell(A1)
    quick = stalled
    for number in range(2, 500):
        _, quick = quick.tell(price_line(number, symbol="A", price=float(number)))
    gc.collect()
    assert len(counting.telling._states) == 2
    del quick, stalled
    gc.collect()
    assert len(counting.telling._states) == 0


def test_a_line_is_kept_once_for_all_states_that_have_it() -> None:
    telling = Counting().telling
    states = [telling.nothing.tell(push)[1] for push in (A1 + B1, B1 + A1 + price_line(symbol="C"))]
    assert states[0] is not states[1]
    assert all(states[0].lines[symbol] is states[1].lines[symbol] for symbol in "AB")
