"""The window knows what a walk over all prices of its minutes would find."""

import random

import pytest

from stocktrack.alerts.window import Window


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("minutes", [1, 7, 1_440])
def test_the_lowest_and_the_highest_are_those_of_all_prices_that_were_the_newest_in_the_window(
    seed: int, minutes: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - it keeps no secret
    window, prices, now_ms = Window(minutes), list[tuple[int, float]](), 1_712_331_900_000
    for _ in range(500):
        now_ms += rng.choice((0, 1, 500, 20_000, minutes * 20_000, minutes * 60_000, minutes * 70_000))
        price = rng.choice((-1.0, 0.0, 1.0, 2.0, 3.0)) + rng.choice((0.0, rng.random()))
        prices.append((now_ms, price))
        window.add(price, now_ms)
        counting = [each for until_ms, each in prices if until_ms >= now_ms - minutes * 60_000]
        assert window.furthest(is_up=True) == min(counting)
        assert window.furthest(is_up=False) == max(counting)


def test_a_window_without_prices_knows_none() -> None:
    window = Window(5)
    assert (window.furthest(is_up=True), window.furthest(is_up=False)) == (None, None)
    window.add(3.0, 0)
    window.clear()
    assert (window.furthest(is_up=True), window.furthest(is_up=False)) == (None, None)


def test_a_price_of_long_ago_that_nothing_followed_counts_until_the_next_one_came() -> None:
    window = Window(5)
    window.add(100.0, 60_000)
    window.add(90.0, 3_600_000)  # it was the newest for an hour
    assert window.furthest(is_up=False) == 90.0


def test_a_window_keeps_no_more_than_what_can_still_count() -> None:
    window = Window(60)
    for number in range(100_000):
        window.add(100.0 + number % 7, number)
    kept = len(window._lowest) + len(window._highest)
    assert kept < 50


def test_a_clock_that_is_set_back_keeps_no_price_for_longer_than_its_minutes() -> None:
    window = Window(5)
    window.add(100.0, 86_400_000)
    window.add(110.0, 3_600_000)
    assert window.furthest(is_up=True) == 100.0
    window.add(120.0, 3_600_000 + 300_001)
    assert (window.furthest(is_up=True), window.furthest(is_up=False)) == (120.0, 120.0)
