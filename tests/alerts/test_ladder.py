"""A ladder does what looking at each of its alerts would do, and is quiet exactly where that does nothing."""

import random
from dataclasses import replace

import pytest

from alert_market import an_alert
from stocktrack.alerts.conditions import LiveAlert
from stocktrack.alerts.ladder import Ladder


def alert(number: int, value: float, *, is_up: bool) -> LiveAlert:
    return LiveAlert(an_alert("above" if is_up else "below", value, number=number))


class Naive:
    """Which alerts hold, looked at one by one."""

    def __init__(self) -> None:
        self.holding: dict[LiveAlert, bool] = {}

    def step(self, measured: float) -> tuple[set[int], set[int]]:
        triggered = {each.id for each, holds in self.holding.items() if not holds and each.holds_at(measured)}
        stopped = {each.id for each, holds in self.holding.items() if holds and not each.holds_at(measured)}
        return triggered, stopped


@pytest.mark.parametrize("seed", range(20))
def test_random_steps_do_what_looking_at_each_alert_does(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - it keeps no secret
    values = [0.5 * number for number in range(-3, 12)]  # few, so that many alerts have one and prices meet them
    ladder, naive = Ladder(), Naive()
    for number in range(400):
        action = rng.random()
        if action < 0.3:
            new = alert(number, rng.choice(values), is_up=rng.random() < 0.5)
            naive.holding[new] = rng.random() < 0.5
            ladder.place(new, is_holding=naive.holding[new])
        elif action < 0.4 and naive.holding:
            gone = rng.choice([*naive.holding])
            del naive.holding[gone]
            ladder.remove(gone)
        else:
            measured = rng.choice(values) + rng.choice((0.0, 0.0, 0.25))
            expected = naive.step(measured)
            assert ladder.is_quiet(measured) == (expected == (set(), set()))
            triggered, stopped = ladder.step(measured)
            assert ({each.id for each in triggered}, {each.id for each in stopped}) == expected
            assert len(triggered) + len(stopped) == len(expected[0]) + len(expected[1])
            for each, is_holding in (*((one, True) for one in triggered), *((one, False) for one in stopped)):
                naive.holding[each] = is_holding
                ladder.place(each, is_holding=is_holding)
        assert len(ladder) == len(naive.holding)


def test_an_empty_ladder_is_always_quiet() -> None:
    ladder = Ladder()
    assert len(ladder) == 0
    for measured in (-1e15, 0.0, 1e15):
        assert ladder.is_quiet(measured)
        assert ladder.step(measured) == ([], [])


@pytest.mark.parametrize(("value", "quiet", "fires"), [(5.0, 4.999999, 5.0), (-5.0, -4.999999, -5.0)])
def test_percent_holds_at_its_value_as_it_says(value: float, quiet: float, fires: float) -> None:
    ladder = Ladder()
    each = LiveAlert(an_alert("percent_from_close", value))
    ladder.place(each, is_holding=False)
    assert ladder.is_quiet(quiet)
    assert ladder.step(fires) == ([each], [])


def test_what_is_not_in_a_ladder_is_not_taken_out_of_it() -> None:
    ladder = Ladder()
    one = alert(1, 2.0, is_up=True)
    ladder.place(one, is_holding=False)
    ladder.remove(alert(2, 2.0, is_up=True))
    ladder.remove(LiveAlert(replace(one.stored, id=0)))
    assert ladder.step(3.0) == ([one], [])
    ladder.remove(one)
    assert len(ladder) == 0
