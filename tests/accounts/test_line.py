import asyncio

import pytest

from stocktrack.accounts.line import BUSY_RETRY_MS, Answer, HashLine
from stocktrack.clock import settle
from stocktrack.errors import CommandError, Reason


class Turns:
    """Turns with names, which end when they are told to; `begun` has the names in the order they began."""

    def __init__(self, line: HashLine) -> None:
        self.begun: list[str] = []
        self._line = line
        self._ends: dict[str, asyncio.Future[bool]] = {}

    def join(self, name: str) -> Answer:
        return self._line.join(lambda: self._turn(name))

    def join_first(self, name: str, suspicion: int = 0) -> Answer:
        return self._line.join_first(lambda: self._turn(name), suspicion)

    async def end(self, name: str, result: bool | Exception = True) -> None:
        if isinstance(result, Exception):
            self._ends[name].set_exception(result)
        else:
            self._ends[name].set_result(result)
        await settle()

    async def _turn(self, name: str) -> bool:
        self.begun.append(name)
        self._ends[name] = asyncio.get_running_loop().create_future()
        return await self._ends[name]


@pytest.fixture
def line() -> HashLine:
    return HashLine(2, max_waiting=3)


@pytest.fixture
def turns(line: HashLine) -> Turns:
    return Turns(line)


async def test_two_turns_are_made_at_a_time_in_the_order_they_came(line: HashLine, turns: Turns) -> None:
    answers = {name: turns.join(name) for name in "abcd"}
    await settle()
    assert (turns.begun, line.running, line.waiting) == (["a", "b"], 2, 2)
    await turns.end("b", result=False)
    assert answers["b"].result() is False
    assert (turns.begun, line.waiting) == (["a", "b", "c"], 1)
    await turns.end("a")
    await turns.end("c")
    await turns.end("d")
    assert [answers[name].result() for name in "acd"] == [True] * 3
    assert (line.running, line.waiting) == (0, 0)


async def test_looks_come_before_all_others_one_at_a_time(line: HashLine, turns: Turns) -> None:
    for name in "abcd":
        turns.join(name)
    turns.join_first("look 1")
    turns.join_first("look 2")
    await settle()
    assert line.waiting == 2
    await turns.end("a")
    await turns.end("b")
    assert turns.begun == ["a", "b", "look 2", "c"]
    await turns.end("c")
    assert turns.begun[4:] == ["d"]
    await turns.end("look 2")
    assert turns.begun[5:] == ["look 1"]


async def test_of_the_looks_the_least_suspicious_comes_first_and_then_the_newest(line: HashLine, turns: Turns) -> None:
    turns.join_first("first")
    for name, suspicion in (("bad", 5), ("old", 0), ("doubtful", 1), ("new", 0)):
        turns.join_first(name, suspicion)
    await settle()
    for name in ("first", "new", "old", "doubtful", "bad"):
        assert turns.begun[-1] == name
        await turns.end(name)


async def test_whoever_leaves_learns_whether_that_was_in_time(line: HashLine, turns: Turns) -> None:
    begun, waiting = turns.join_first("a"), turns.join_first("b")
    await settle()
    assert (line.leave(begun), line.leave(waiting), line.leave(waiting)) == (False, True, False)


async def test_so_many_wait_and_one_more_is_told_to_come_back(line: HashLine, turns: Turns) -> None:
    answers = [turns.join(name) for name in "abcde"]
    with pytest.raises(CommandError) as caught:
        turns.join("f")
    assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.LOGIN_THROTTLED, BUSY_RETRY_MS)
    line.leave(answers[3])
    turns.join("f")
    await settle()
    await turns.end("a")
    await turns.end("b")
    await turns.end("c")
    assert turns.begun == ["a", "b", "c", "e", "f"]


async def test_a_turn_that_has_begun_is_finished_whoever_leaves(line: HashLine, turns: Turns) -> None:
    begun = (turns.join("a"), turns.join_first("b"))
    waiting = (turns.join("c"), turns.join_first("d"))
    await settle()
    for answer in (*begun, *waiting):
        line.leave(answer)
    assert not any(answer.done() for answer in begun)
    assert all(answer.cancelled() for answer in waiting)
    await turns.end("a")
    await turns.end("b")
    assert (turns.begun, [answer.result() for answer in begun]) == (["a", "b"], [True, True])


async def test_a_place_that_has_its_answer_from_elsewhere_needs_no_turn(line: HashLine, turns: Turns) -> None:
    begun = turns.join("a")
    turns.join("b")
    waiting = turns.join("c")
    turns.join("d")
    await settle()
    begun.set_result(True)
    waiting.set_result(True)
    await turns.end("a", result=False)
    assert (turns.begun, begun.result()) == (["a", "b", "d"], True)


async def test_an_error_is_told_to_who_waits_and_stops_no_other_turn(line: HashLine, turns: Turns) -> None:
    answers = [turns.join(name) for name in "abc"]
    await settle()
    await turns.end("a", KeyError("a mistake"))
    with pytest.raises(KeyError, match="a mistake"):
        await answers[0]
    assert turns.begun == ["a", "b", "c"]


async def test_closing_cancels_everything_and_what_comes_later(line: HashLine, turns: Turns) -> None:
    answers = [turns.join("a"), turns.join("b"), turns.join("c"), turns.join_first("d")]
    await settle()
    await line.close()
    answers.append(turns.join("e"))
    assert all(answer.cancelled() for answer in answers)
    assert (turns.begun, line.running, line.waiting) == (["a", "b"], 0, 0)
