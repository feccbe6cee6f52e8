import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stocktrack.clock import settle
from stocktrack.storage.groups import Call, Groups, answer_of


class Doing:
    """Does groups when it is told to, and keeps the names of the calls in each; `again` are done a second time."""

    def __init__(self, *, at_once: int = 1, most: int = 3, stuck_seconds: float = 60.0) -> None:
        self.groups = Groups(
            "a group", self._do, at_once=at_once, most=most, stuck_seconds=stuck_seconds, stuck=lambda: OSError("stuck")
        )
        self.done: list[str] = []
        self.again: set[str] = set()
        self.may_go_on = asyncio.Semaphore(0)

    def ask(self, name: str) -> Call[str]:
        call = Call(lambda _: name, of=name, gives_up_at=0.0)
        self.groups.join(call)
        return call

    async def _do(self, calls: Sequence[Call[Any]]) -> Sequence[Call[Any]]:
        self.done.append("".join(call.of for call in calls))
        await self.may_go_on.acquire()
        again = [call for call in calls if call.of in self.again]
        self.again.clear()
        for call in calls:
            if call not in again:
                call.settle(call.of)
        return again

    def go_on(self, groups: int = 1) -> None:
        for _ in range(groups):
            self.may_go_on.release()


async def test_a_call_is_begun_at_once_and_what_comes_meanwhile_is_the_next_group() -> None:
    doing = Doing()
    first = doing.ask("a")
    await settle()
    assert (doing.done, first.has_begun) == (["a"], True)
    calls = [doing.ask(name) for name in "bcde"]
    await settle()
    assert doing.done == ["a"]
    doing.go_on(3)
    assert await asyncio.gather(*(answer_of(call) for call in (first, *calls))) == list("abcde")
    assert doing.done == ["a", "bcd", "e"]


async def test_a_call_that_comes_in_the_moment_in_which_the_last_group_ends_is_done() -> None:
    doing = Doing()
    first = doing.ask("a")
    answers: list[asyncio.Task[str]] = []
    first.answer.add_done_callback(lambda _: answers.append(asyncio.create_task(answer_of(doing.ask("b")))))
    doing.go_on(2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert [await answer for answer in answers] == ["b"]


async def test_what_is_to_be_done_again_comes_before_what_waits() -> None:
    doing = Doing(most=2)
    doing.again = {"a", "b"}
    calls = [doing.ask(name) for name in "abcd"]
    doing.go_on(3)
    assert await asyncio.gather(*(answer_of(call) for call in calls)) == list("abcd")
    assert doing.done == ["ab", "ab", "cd"]


async def test_a_call_that_nobody_waits_for_any_more_is_not_begun() -> None:
    doing = Doing()
    calls = [doing.ask("a"), doing.ask("b")]
    calls[0].answer.cancel()
    doing.go_on()
    assert await answer_of(calls[1]) == "b"
    assert doing.done == ["b"]


async def test_a_call_whose_caller_is_cancelled_is_done_all_the_same() -> None:
    doing = Doing()
    call = doing.ask("a")
    waiting = asyncio.create_task(answer_of(call))
    await settle()
    waiting.cancel()
    await settle()
    doing.go_on()
    assert await call.answer == "a"


async def test_several_groups_at_once_are_as_many_as_may_be() -> None:
    doing = Doing(at_once=2)
    for name in "abc":
        doing.ask(name)
        await settle()
    assert doing.done == ["a", "b"]
    doing.go_on(3)
    await settle()
    assert doing.done == ["a", "b", "c"]


async def test_a_group_that_hangs_is_an_error_for_all_who_wait_and_who_come_until_it_ends() -> None:
    doing = Doing(stuck_seconds=0.01)
    calls = [doing.ask("a")]
    await settle()
    calls.append(doing.ask("b"))
    errors = await asyncio.gather(*(answer_of(call) for call in calls), return_exceptions=True)
    errors.append((await asyncio.gather(answer_of(doing.ask("c")), return_exceptions=True))[0])
    assert [str(error) for error in errors] == ["stuck"] * 3
    doing.go_on(2)
    await settle()
    assert await answer_of(doing.ask("d")) == "d"
    assert doing.done == ["a", "d"]


async def test_closing_refuses_what_waits_and_lets_what_has_begun_end() -> None:
    doing = Doing()
    calls = [doing.ask("a")]
    await settle()
    calls.append(doing.ask("b"))
    closing = asyncio.create_task(doing.groups.close(OSError("closed"), within_seconds=60))
    await settle()
    doing.go_on()
    await closing
    assert await answer_of(calls[0]) == "a"
    with pytest.raises(OSError, match="closed"):
        await answer_of(calls[1])


async def test_a_mistake_of_ours_reaches_all_of_the_group_and_the_next_one_is_done() -> None:
    doing = Doing()

    class MistakeError(Exception):
        """It is nobody's outcome."""

    async def fail(_: Sequence[Call[Any]]) -> Sequence[Call[Any]]:
        raise MistakeError

    doing.groups._do = fail
    for _ in range(2):
        with pytest.raises(MistakeError):
            await answer_of(doing.ask("a"))
