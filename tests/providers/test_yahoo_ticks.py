"""What a tick of Yahoo's streamer makes of a quote, and which ticks make nothing of it."""

import math
import struct
from typing import Any

import pytest

from stocktrack.providers.yahoo.ticks import Hours, Tick, is_timely, later_quote, read_tick, shortest, whole_quote
from stocktrack.quotes import MarketState, Quote
from stocktrack.testing import assert_valid
from yahoo_streamer import COIN, CURRENCY, FUTURE, HEARTBEAT, INDEX, NOW_MS, POST, PRE, REGULAR, pricing

POLLED = Quote(
    symbol="ACME",
    price=101.5,
    currency="USD",
    change=1.5,
    change_percent=1.5,
    previous_close=100.0,
    open=100.25,
    high=102.75,
    low=99.5,
    volume=123_456,
    bid=101.25,
    ask=101.75,
    name="Acme Corp.",
    exchange="NasdaqGS",
    market_state=MarketState.OPEN,
    timestamp=NOW_MS,
    received_at=NOW_MS,
    provider="yahoo",
    delay_seconds=0,
    fifty_two_week_low=80.0,
    fifty_two_week_high=120.0,
    price_hint=2,
)
LATER = NOW_MS + 5_000


def after(price: float, *, known: Quote = POLLED, polled_at: int = NOW_MS, **fields: Any) -> Quote | None:
    """What a tick five seconds later makes of what was polled."""
    read = read_tick(pricing("ACME", price, **{"time": LATER, **fields}))
    if read is None:
        return None
    quote = later_quote(known, polled_at, read, LATER + 100)
    if quote is not None:
        assert_valid(quote)
    return quote


def polled(**changes: Any) -> Quote:
    return POLLED.model_copy(update=changes)


def test_a_tick_changes_the_price_and_what_follows_from_it_and_leaves_the_rest() -> None:
    quote = after(103.25, day_volume=200_000, bid=103.2, ask=103.3)

    assert quote == polled(
        price=103.25,
        change=3.25,
        change_percent=3.25,
        high=103.25,
        volume=200_000,
        bid=103.2,
        ask=103.3,
        timestamp=LATER,
        received_at=LATER + 100,
    )


@pytest.mark.parametrize(
    ("true", "hint"),
    [(189.45, 2), (0.1, 2), (1.0834, 4), (1.0834, 0), (0.00001234, 0), (110_429.42, 2), (-37.63, 2), (3.0, 2)],
)
def test_the_noise_of_float32_is_taken_out(true: float, hint: int) -> None:
    read = read_tick(pricing("CL=F", true, price_hint=hint, quote_type=FUTURE))

    assert read is not None
    assert read.price == true


def test_digits_beyond_the_hint_are_kept_where_the_price_has_them() -> None:
    (single,) = struct.unpack("<f", struct.pack("<f", 0.0834))

    assert shortest(single, 2) == 0.0834


@pytest.mark.parametrize(
    "message",
    [
        pricing("ACME", 0.0),
        pricing("ACME", 101.0, quote_type=HEARTBEAT),
        pricing("", 101.0),
        pricing("ACME", -3.0),
        pricing("BTC-USD", -3.0, quote_type=COIN),
        pricing("ACME", math.nan),
        pricing("ACME", math.inf),
        pricing("CL=F", -math.inf, quote_type=FUTURE),
    ],
    ids=str,
)
def test_what_holds_no_price_is_no_tick(message: Any) -> None:
    assert read_tick(message) is None


@pytest.mark.parametrize("kind", [FUTURE, INDEX])
def test_what_nobody_owns_a_piece_of_may_be_below_zero(kind: int) -> None:
    read = read_tick(pricing("CL=F", -37.63, quote_type=kind))

    assert read is not None
    assert read.price == -37.63


def test_what_else_cannot_be_is_left_out() -> None:
    quote = after(101.75, bid=-1.0, ask=math.nan, day_high=math.inf, day_low=-5.0, day_volume=-7, open_price=math.nan)

    assert quote == polled(price=101.75, change=1.75, change_percent=1.75, timestamp=LATER, received_at=LATER + 100), (
        "what was polled stays"
    )


def test_a_symbol_may_come_in_another_case() -> None:
    read = read_tick(pricing("acme", 101.0))

    assert read is not None
    assert read.symbol == "ACME"


@pytest.mark.parametrize("time", [0, 1, NOW_MS // 1000, 631_151_999_999, NOW_MS + 60_001, 2**62])
def test_a_tick_of_a_time_that_cannot_be_is_not_timely(time: int) -> None:
    assert not is_timely(Tick("ACME", 101.0, time), NOW_MS)


@pytest.mark.parametrize("time", [631_152_000_000, NOW_MS, NOW_MS + 60_000])
def test_a_tick_of_a_time_that_can_be_is_timely(time: int) -> None:
    assert is_timely(Tick("ACME", 101.0, time), NOW_MS)


@pytest.mark.parametrize("hours", [PRE, REGULAR, POST])
def test_a_tick_that_is_older_than_what_is_known_says_nothing(hours: int) -> None:
    assert after(90.0, time=NOW_MS - 1, market_hours=hours) is None


def test_a_known_time_that_has_not_come_yet_shuts_no_tick_out() -> None:
    quote = after(102.0, known=polled(timestamp=NOW_MS + 86_400_000))

    assert quote is not None
    assert (quote.price, quote.timestamp) == (102.0, LATER)


def test_ticks_of_one_moment_are_all_taken() -> None:
    first = after(102.0, time=LATER)
    assert first is not None
    second = after(102.5, time=LATER, known=first)

    assert second is not None
    assert second.price == 102.5


def test_a_price_after_hours_leaves_the_regular_one() -> None:
    quote = after(102.3, market_hours=POST, change=0.8, day_volume=5)

    assert quote == polled(
        market_state=MarketState.POST,
        extended_price=102.3,
        extended_change=0.8,
        extended_change_percent=pytest.approx(0.788177),
        extended_time=LATER,
        received_at=LATER + 100,
    )


def test_a_price_before_hours_is_believed_where_the_poll_found_the_early_hours() -> None:
    quote = after(102.3, market_hours=PRE, known=polled(market_state=MarketState.PRE))

    assert quote is not None
    assert (quote.price, quote.extended_price, quote.market_state) == (101.5, 102.3, MarketState.PRE)


def test_a_tick_that_tells_no_hours_is_a_regular_one_in_an_open_market() -> None:
    quote = after(102.0, market_hours=PRE)

    assert quote is not None
    assert (quote.price, quote.extended_price, quote.market_state) == (102.0, None, MarketState.OPEN)


@pytest.mark.parametrize("state", [MarketState.CLOSED, MarketState.POST, MarketState.UNKNOWN])
def test_a_share_that_tells_no_hours_while_its_market_is_not_open_says_nothing(state: MarketState) -> None:
    assert after(102.0, market_hours=PRE, known=polled(market_state=state)) is None


@pytest.mark.parametrize("kind", [COIN, CURRENCY, FUTURE, INDEX])
@pytest.mark.parametrize("hours", [PRE, REGULAR, POST])
def test_what_has_no_early_and_late_hours_has_regular_prices_only(kind: int, hours: int) -> None:
    quote = after(102.0, market_hours=hours, quote_type=kind)

    assert quote is not None
    assert (quote.price, quote.extended_price) == (102.0, None)


def test_hours_that_are_new_to_us_say_nothing() -> None:
    assert later_quote(POLLED, NOW_MS, Tick("ACME", 102.0, LATER, hours=9), LATER) is None


def test_the_first_regular_tick_opens_the_market_and_ends_the_prices_before_hours() -> None:
    early = polled(market_state=MarketState.PRE, extended_price=102.3, extended_change=0.8, extended_time=NOW_MS + 1)

    quote = after(103.0, known=early)

    assert quote is not None
    assert (quote.market_state, quote.extended_price, quote.extended_time) == (MarketState.OPEN, None, None)


def test_the_market_that_a_later_poll_found_closed_is_not_opened_by_a_late_print() -> None:
    known = polled(market_state=MarketState.POST, extended_price=102.3, extended_time=LATER + 500)

    quote = after(101.75, known=known, polled_at=LATER + 1_000)

    assert quote is not None
    assert (quote.price, quote.market_state, quote.extended_price) == (101.75, MarketState.POST, 102.3)


def test_a_late_price_after_hours_does_not_replace_a_newer_one() -> None:
    known = polled(market_state=MarketState.POST, extended_price=102.3, extended_time=LATER + 1)

    assert after(90.0, known=known, market_hours=POST) is None


@pytest.mark.parametrize("told", [{"change": 2.0}, {"previous_close": 101.5}])
@pytest.mark.parametrize("state", [MarketState.PRE, MarketState.OPEN])  # a future's market is never closed
def test_the_first_tick_of_another_day_is_counted_from_its_own_close_and_has_a_day_of_its_own(
    told: dict[str, Any], state: MarketState
) -> None:
    quote = after(103.5, known=polled(market_state=state), day_high=104.0, day_low=103.0, **told)

    assert quote is not None
    assert (quote.previous_close, quote.change) == (101.5, 2.0)
    assert (quote.open, quote.high, quote.low, quote.volume) == (None, 104.0, 103.0, None)


def test_a_change_that_is_counted_from_the_polled_close_leaves_the_day_as_it_is() -> None:
    quote = after(103.5, known=polled(market_state=MarketState.CLOSED), change=3.4999998)

    assert quote is not None
    assert (quote.previous_close, quote.change, quote.open, quote.volume) == (100.0, 3.5, 100.25, 123_456)


@pytest.mark.parametrize("kind", [COIN, CURRENCY])
def test_what_no_exchange_trades_keeps_the_close_that_was_polled(kind: int) -> None:
    quote = after(103.5, quote_type=kind, change=2.0, previous_close=101.5)

    assert quote is not None
    assert (quote.previous_close, quote.change, quote.open) == (100.0, 3.5, 100.25)


def test_the_change_of_a_coin_is_not_that_of_the_day() -> None:
    quote = after(103.5, known=polled(market_state=MarketState.UNKNOWN), quote_type=COIN, change=-50.0)

    assert quote is not None
    assert (quote.previous_close, quote.change) == (100.0, 3.5)


def test_a_volume_does_not_shrink_within_a_day_unless_it_is_that_of_24_hours() -> None:
    share, coin = after(102.0, day_volume=5), after(102.0, day_volume=5, quote_type=COIN)

    assert share is not None
    assert coin is not None
    assert (share.volume, coin.volume) == (123_456, 5)


def test_a_tick_that_stands_alone_makes_a_whole_quote_of_what_it_says() -> None:
    read = read_tick(
        pricing("BTC-USD", 110_429.42, currency="USD", exchange="CCC", quote_type=COIN, day_volume=5, change=-2207.38)
    )
    assert read is not None
    quote = whole_quote(read, NOW_MS + 100)

    assert quote is not None
    assert_valid(quote)
    assert (quote.symbol, quote.price, quote.currency, quote.timestamp) == ("BTC-USD", 110_429.42, "USD", NOW_MS)
    assert (quote.market_state, quote.change, quote.volume_currency) == (MarketState.OPEN, None, "USD")


def test_a_share_that_stands_alone_has_the_change_that_it_tells() -> None:
    read = read_tick(pricing("ACME", 101.5, currency="USD", change=1.5, short_name="Acme\x1b[2J Corp."))
    assert read is not None
    quote = whole_quote(read, NOW_MS)

    assert quote is not None
    assert_valid(quote)
    assert (quote.previous_close, quote.change, quote.change_percent) == (100.0, 1.5, 1.5)


@pytest.mark.parametrize("fields", [{}, {"currency": "USD", "market_hours": PRE}, {"currency": "\x1b"}])
def test_a_tick_that_says_too_little_waits_for_a_poll(fields: dict[str, Any]) -> None:
    read = read_tick(pricing("ACME", 101.5, **fields))

    assert read is not None
    assert whole_quote(read, NOW_MS) is None


def test_the_hours_are_those_of_yahoo() -> None:
    assert [Hours.PRE, Hours.REGULAR, Hours.POST, Hours.EXTENDED] == [0, 1, 2, 3]
