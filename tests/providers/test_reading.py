"""Readers of what is not trusted: what is not what it should be is None."""

from typing import Any

import pytest

from stocktrack.providers.reading import FIRST_TIME_MS, is_time, link, number, objects, positive, text

NOW_MS = 1_712_331_900_000
NO_LISTS: tuple[Any, ...] = (None, {}, "x", 5)


@pytest.mark.parametrize(("value", "read"), [(1, 1.0), (-2.5, -2.5), (0, 0.0), (10**25, 1e25)])
def test_numbers_are_read(value: Any, read: float) -> None:
    assert number(value) == read


@pytest.mark.parametrize(
    "value", [None, True, "1", "", float("nan"), float("inf"), -float("inf"), 1e30, 10**400, [], {}, [1], b"1"]
)
def test_what_is_no_number_is_none(value: Any) -> None:
    assert number(value) is None
    assert positive(value) is None


@pytest.mark.parametrize("value", [0, -0.0, -1, -1e-9])
def test_nothing_and_less_is_not_positive(value: float) -> None:
    assert positive(value) is None


def test_the_first_text_with_something_in_it_is_cleaned() -> None:
    assert text(None, 5, "", " \t", "\x1b[31mApple\x00  Inc", "Other") == "[31mApple Inc"
    assert text("A" * 100) == f"{'A' * 59}…"
    assert text("A" * 100, max_chars=5) == "AAAA…"
    assert text(None, [], {}) is None


def test_only_addresses_of_the_web_are_links() -> None:
    assert link("https://example.com/a") == "https://example.com/a"
    assert [link(value) for value in ("javascript:alert(1)", "", None, 5, ["https://example.com"])] == [None] * 5


def test_only_the_objects_of_a_list_are_rows() -> None:
    assert objects([{"a": 1}, None, [], "x", {}]) == [{"a": 1}, {}]
    assert [list(objects(value)) for value in NO_LISTS] == [[], [], [], []]


@pytest.mark.parametrize(
    ("milliseconds", "can_be"),
    [(NOW_MS, True), (NOW_MS + 60_000, True), (NOW_MS + 60_001, False), (FIRST_TIME_MS, True), (0, False), (-1, False)],
)
def test_a_time_of_a_price_is_neither_ancient_nor_ahead(milliseconds: int, can_be: bool) -> None:
    assert is_time(milliseconds, NOW_MS, ahead_ms=60_000) is can_be
