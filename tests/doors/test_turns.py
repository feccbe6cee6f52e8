import asyncio

import pytest

from stocktrack.clock import settle
from stocktrack.doors.turns import TURNS_AT_ONCE, turns


async def test_a_few_pieces_are_done_at_once_and_the_rest_in_later_turns_in_their_order() -> None:
    done: list[int] = []
    for number in range(3 * TURNS_AT_ONCE):
        turns().take(lambda number=number: done.append(number))  # type: ignore[misc] # mypy can't infer its default
    assert done == list(range(TURNS_AT_ONCE))
    await asyncio.sleep(0)
    assert done == list(range(2 * TURNS_AT_ONCE))
    await asyncio.sleep(0)
    assert done == list(range(3 * TURNS_AT_ONCE))


async def test_between_two_turns_everybody_else_is_heard() -> None:
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    for number in range(3 * TURNS_AT_ONCE):
        turns().take(lambda: heard.append("a piece"))
        if number == 0:
            loop.call_soon(heard.append, "somebody else")
    await settle()
    assert heard.index("somebody else") == 2 * TURNS_AT_ONCE


async def test_who_comes_back_for_more_waits_behind_who_is_new_but_not_for_ever() -> None:
    done: list[str] = []
    for _ in range(TURNS_AT_ONCE):
        turns().take(lambda: None)
    for _ in range(3):
        turns().take(lambda: done.append("more"), is_more=True)
    for _ in range(2 * TURNS_AT_ONCE):
        turns().take(lambda: done.append("new"))
    await asyncio.sleep(0)
    assert done == [*["new"] * (TURNS_AT_ONCE - 1), "more"]
    await settle()
    assert (done.count("new"), done.count("more")) == (2 * TURNS_AT_ONCE, 3)


async def test_what_costs_more_leaves_less_for_the_next_turns() -> None:
    own = turns()
    await own.turn(cost=2 * TURNS_AT_ONCE)
    done: list[int] = []
    own.take(lambda: done.append(1))
    await asyncio.sleep(0)
    assert done == []  # half of it was paid
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == [1]


async def test_a_calm_loop_is_left_alone() -> None:
    turns().take(lambda: None)
    await settle()
    loop = asyncio.get_running_loop()
    assert not loop._ready  # type: ignore[attr-defined] # what is due in the next turn: nothing but this task


async def test_a_piece_that_fails_takes_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("broken")

    for _ in range(TURNS_AT_ONCE):
        turns().take(lambda: None)
    turns().take(fail)
    turns().take(lambda: done.append(1))
    await settle()
    assert done == [1]
    assert "broken" in caplog.text
