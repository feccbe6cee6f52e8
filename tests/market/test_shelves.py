from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from scripted_past import a_bar
from stocktrack.bars import BarInterval, Split
from stocktrack.market.shelves import Key, Shelf, Shelves, Span, zone_of
from stocktrack.providers.base import SourceBars


def told(*times: int, **fields: object) -> SourceBars:
    return SourceBars("scripted", [a_bar(time) for time in times], **fields)  # type: ignore[arg-type] # by their names


def put(shelf: Shelf, span: Span, bars: SourceBars, *, settled_until: int = 10**6, fresh_seconds: float = 0.0) -> None:
    shelf.put(span, bars, settled_until=settled_until, fresh_seconds=fresh_seconds, monotonic=0.0)


def times(shelf: Shelf, span: Span) -> list[int]:
    return [each.bar.time for each in shelf.between(*span)]


def test_an_empty_shelf_misses_everything() -> None:
    assert Shelf().missing((0, 100), now=0.0) == [(0, 100)]
    assert times(Shelf(), (0, 100)) == []


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        ((20, 30), []),
        ((20, 40), []),
        ((10, 30), [(10, 20)]),
        ((30, 50), [(40, 50)]),
        ((0, 100), [(0, 20), (40, 60), (80, 100)]),
        ((45, 55), [(45, 55)]),
        ((90, 95), [(90, 95)]),
    ],
)
def test_only_what_was_never_told_is_missing(asked: Span, missing: list[Span]) -> None:
    shelf = Shelf()
    put(shelf, (60, 80), told(60, 70))
    put(shelf, (20, 40), told(20, 30))
    assert shelf.missing(asked, now=0.0) == missing


def test_stretches_that_touch_become_one_and_what_is_told_again_takes_the_place_of_before() -> None:
    shelf = Shelf()
    put(shelf, (0, 10), told(1, 5))
    put(shelf, (10, 20), told(12))
    put(shelf, (4, 11), told(6, 7))
    assert shelf.settled == [(0, 20)]
    assert times(shelf, (0, 20)) == [1, 6, 7, 12]


def test_what_may_still_change_is_known_for_a_moment() -> None:
    shelf = Shelf()
    put(shelf, (0, 100), told(10, 90), settled_until=50, fresh_seconds=20.0)
    assert shelf.missing((0, 100), now=19.0) == []
    assert shelf.missing((0, 5_000), now=19.0) == []  # nothing new is expected so soon
    assert shelf.missing((0, 100), now=20.0) == [(50, 100)]


def test_a_dividend_that_was_not_counted_in_so_far_makes_it_forget_what_was_before() -> None:
    shelf = Shelf()
    put(shelf, (0, 100), told(10, 90, dividend_times=[50]))
    put(shelf, (100, 200), told(110, dividend_times=[50]))
    assert times(shelf, (0, 200)) == [10, 90, 110]
    put(shelf, (200, 300), told(210, splits=[Split(205, 2.0)]))
    assert times(shelf, (0, 300)) == [210]
    assert shelf.missing((0, 300), now=0.0) == [(0, 200)]
    put(shelf, (0, 200), told(10, 90, 110, dividend_times=[50]))
    assert times(shelf, (0, 300)) == [10, 90, 110, 210]


def test_a_split_of_long_ago_changes_nothing_that_came_after_it() -> None:
    shelf = Shelf()
    put(shelf, (100, 200), told(110))
    put(shelf, (0, 100), told(10, splits=[Split(20, 2.0)]))
    assert times(shelf, (0, 200)) == [10, 110]


def test_the_shelves_that_were_not_used_for_the_longest_make_room() -> None:
    shelves = Shelves(max_bars=100)
    keys = [Key(symbol, BarInterval.DAY, prepost=False) for symbol in "ABC"]
    for key in keys:
        put(shelves.at(key), (0, 100), told(*range(40)))
    shelves.at(keys[0])
    shelves.tidy()
    assert [len(shelves.at(key).kept) for key in keys] == [40, 0, 40]


def test_shelves_without_a_bar_make_room_as_well() -> None:
    shelves = Shelves(max_bars=300)
    keys = [Key(f"NOPE{number}", BarInterval.DAY, prepost=False) for number in range(1_000)]
    for key in keys:
        put(shelves.at(key), (0, 100), told())
        shelves.tidy()
    assert sum(bool(shelves.at(key).settled) for key in reversed(keys)) == 10


async def test_a_shelf_that_is_being_filled_stays() -> None:
    shelves = Shelves(max_bars=50)
    filled, other = (Key(symbol, BarInterval.DAY, prepost=False) for symbol in "AB")
    shelf = shelves.at(filled)
    async with shelf.lock:
        put(shelves.at(other), (0, 100), told(*range(60)))
        shelves.tidy()
        assert shelves.at(filled) is shelf
    shelves.at(other)
    shelves.tidy()
    assert shelves.at(filled) is not shelf


def test_the_one_that_is_in_use_stays_however_large_it_is() -> None:
    shelves = Shelves(max_bars=1)
    key = Key("A", BarInterval.DAY, prepost=False)
    put(shelves.at(key), (0, 100), told(1, 2, 3))
    shelves.tidy()
    assert len(shelves.at(key).kept) == 3


def test_a_zone_that_nobody_knows_is_utc() -> None:
    assert zone_of("America/New_York") == ZoneInfo("America/New_York")
    for name in (None, "", "Mars/Olympus", "../etc/passwd", "\0"):
        assert zone_of(name) is UTC
