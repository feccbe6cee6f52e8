"""What a PRICE line tells dialects."""

from typing import Any

import pytest

from dialect_scene import price_line
from fakes import NOW_MS
from stocktrack.errors import Reason
from stocktrack.quotes import MarketState
from stocktrack.web.dialects import finnhub, yahoo
from stocktrack.web.dialects.prices import is_same_trade, last_trade, volume_since


def test_what_is_only_stale_or_has_another_bid_is_no_trade() -> None:
    first = price_line(volume=100, bid=189.4, ask=189.5)
    for same in (
        price_line(volume=100, bid=189.41, ask=189.5),
        price_line(volume=100, stale_reason=Reason.PROVIDER_TIMEOUT),
    ):
        assert is_same_trade(first, same)
        assert finnhub.trade(first, same) == b""
    assert not is_same_trade(b"", first)


@pytest.mark.parametrize(
    "changed",
    [{"price": 189.46}, {"timestamp": NOW_MS}, {"volume": 101}, {"extended_price": 190.0, "extended_time": NOW_MS}],
)
def test_another_price_time_or_volume_is_a_trade(changed: dict[str, Any]) -> None:
    state = {"market_state": MarketState.POST} if "extended_price" in changed else {}
    assert not is_same_trade(price_line(volume=100), price_line(**{"volume": 100, **changed, **state}))


def test_the_volumes_of_a_client_add_up_and_a_new_day_begins_at_nothing() -> None:
    lines = [price_line(volume=volume) for volume in (100, 130, None, 150, 150, 20, 25)]
    told = [volume_since(before, line) for before, line in zip([b"", *lines], lines, strict=False)]
    assert told == [0, 30, 0, 0, 0, 0, 5]


def test_volumes_of_two_sources_and_of_money_are_not_compared() -> None:
    first = price_line(volume=100)
    assert volume_since(first, price_line(volume=130, provider="another")) == 0
    money = price_line(volume=130, volume_currency="USD")
    assert volume_since(price_line(volume=100, volume_currency="USD"), money) == 0
    assert volume_since(first, money) == volume_since(money, price_line(volume=150)) == 0


def test_a_volume_that_no_client_could_read_is_none_in_every_encoding() -> None:
    first, absurd = price_line(volume=1), price_line(volume=10**25)
    assert (volume_since(first, absurd), yahoo.pricing_fields(absurd).get("day_volume")) == (0, None)
    assert yahoo.pricing_message(b"", absurd)


def test_the_last_trade_is_that_of_the_extended_hours_where_it_is_the_newer_one() -> None:
    extended: dict[str, Any] = {"extended_price": 190.5, "extended_time": NOW_MS, "market_state": MarketState.PRE}
    assert last_trade(price_line(**extended)) == (190.5, NOW_MS)
    assert last_trade(price_line(**{**extended, "extended_time": 5})) == (189.45, NOW_MS - 1_204)
    assert last_trade(price_line(timestamp=None)) == (189.45, NOW_MS)
