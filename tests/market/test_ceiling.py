import pytest

from stocktrack.clock import ManualClock
from stocktrack.market.ceiling import POLLS_SHARE, WINDOW_SECONDS, Ceiling

PER_MINUTE = 300  # 50 in a window of ten seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ceiling(clock: ManualClock) -> Ceiling:
    return Ceiling(clock, PER_MINUTE)


def take_all(ceiling: Ceiling, *, is_poll: bool = False, most: int = 10_000) -> int:
    """Take as many single requests as there is room for, and say how many those were."""
    for taken in range(most):
        if ceiling.wait_seconds(1, is_poll=is_poll) > 0:
            return taken
        ceiling.take(1, is_poll=is_poll)
    return most


async def test_no_minute_has_more_requests_than_the_ceiling_and_each_can_have_as_many(
    ceiling: Ceiling, clock: ManualClock
) -> None:
    times: list[float] = []
    for _ in range(300):
        times += [clock.monotonic()] * take_all(ceiling)
        await clock.advance(1)
    minutes = [sum(1 for at in times if start <= at < start + 60) for start in range(240)]
    assert set(minutes) == {PER_MINUTE}


async def test_a_full_window_says_when_to_look_again(ceiling: Ceiling, clock: ManualClock) -> None:
    assert take_all(ceiling) == 50
    await clock.advance(4)
    assert ceiling.wait_seconds(1, is_poll=False) == pytest.approx(WINDOW_SECONDS - 4)
    await clock.advance(WINDOW_SECONDS - 4)
    assert ceiling.wait_seconds(50, is_poll=False) == 0


async def test_questions_leave_room_for_the_polls_and_polls_for_questions(ceiling: Ceiling, clock: ManualClock) -> None:
    assert ceiling.pace(8, 5.0) == 5.0
    # Eight requests every five seconds can fall into a window three times.
    assert take_all(ceiling) == 50 - 3 * 8
    for _ in range(3):
        assert ceiling.wait_seconds(8, is_poll=True) == 0
        ceiling.take(8, is_poll=True)
    assert ceiling.wait_seconds(1, is_poll=True) > 0


async def test_what_the_polls_have_taken_is_not_kept_for_them_twice(ceiling: Ceiling) -> None:
    ceiling.pace(8, 5.0)
    ceiling.take(8, is_poll=True)
    ceiling.take(8, is_poll=True)
    assert take_all(ceiling) == 50 - 3 * 8


@pytest.mark.parametrize(("requests", "seconds"), [(1, 5.0), (20, 5.0), (40, 10.0), (400, 100.0)])
async def test_polls_are_so_far_apart_that_questions_have_their_share(
    ceiling: Ceiling, requests: int, seconds: float
) -> None:
    assert ceiling.pace(requests, 5.0) == pytest.approx(seconds)
    assert take_all(ceiling) >= round((1 - POLLS_SHARE) * 50)


async def test_nothing_is_kept_for_polls_that_are_none(ceiling: Ceiling) -> None:
    ceiling.pace(40, 5.0)
    ceiling.pace(0, 5.0)
    assert take_all(ceiling) == 50


async def test_a_question_larger_than_its_share_has_its_turn_when_no_other_was_asked(
    ceiling: Ceiling, clock: ManualClock
) -> None:
    ceiling.pace(40, 5.0)
    ceiling.take(1, is_poll=False)
    assert ceiling.wait_seconds(70, is_poll=False) > 0
    await clock.advance(WINDOW_SECONDS)
    assert ceiling.wait_seconds(70, is_poll=False) == 0


async def test_a_batch_of_a_poll_larger_than_the_room_kept_does_not_wait_for_questions_to_end(
    clock: ManualClock,
) -> None:
    ceiling = Ceiling(clock, 60)  # 10 in a window, 8 of them for polls
    ceiling.pace(20, 5.0)
    for _ in range(20):
        while ceiling.wait_seconds(1, is_poll=False) == 0:
            ceiling.take(1, is_poll=False)
        await clock.advance(1)
    assert ceiling.wait_seconds(10, is_poll=True) == 0


@pytest.mark.parametrize("per_minute", [1, 5, 7, 29, 30, 60])
async def test_what_a_source_counts_itself_is_never_over_its_number(clock: ManualClock, per_minute: int) -> None:
    ceiling = Ceiling(clock, per_minute, is_theirs=True)
    times: list[float] = []
    for _ in range(600):
        times += [clock.monotonic()] * take_all(ceiling)
        await clock.advance(0.5)
    assert len(times) >= 0.75 * 5 * per_minute
    # It may see some of them a little later than they were sent.
    assert max(sum(1 for at in times if start <= at < start + 60.4) for start in times) <= per_minute


async def test_no_second_has_more_requests_than_the_source_takes(clock: ManualClock) -> None:
    ceiling = Ceiling(clock, 600, is_theirs=True, per_second=4)
    assert take_all(ceiling) == 4
    assert (ceiling.room(is_poll=True), ceiling.wait_seconds(1, is_poll=False)) == (0, 1.0)
    await clock.advance(1)
    assert ceiling.room(is_poll=True) == 4
    # What is more than a second's requests has its turn with them.
    assert ceiling.wait_seconds(10, is_poll=False) == 0


async def test_the_least_ceiling_lets_something_through(clock: ManualClock) -> None:
    assert take_all(Ceiling(clock, 6)) == 1
