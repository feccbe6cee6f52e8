"""What each condition, each frequency and each rule of the truth makes of prices, under a clock moved by hand."""

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from alert_market import NOW_MS, AlertMarket, an_alert, body_of, held
from stocktrack.alerting import AlertState
from stocktrack.alerts.watch import Step, SymbolWatch
from stocktrack.bars import Split
from stocktrack.market.board import Board
from stocktrack.messages import BoardQuote
from stocktrack.quotes import MarketState, Quote
from stocktrack.storage.alerts import SESSIONS, PriceBefore

DAY_SECONDS = 86_400.0


@pytest.fixture
def market() -> AlertMarket:
    return AlertMarket()


# --- conditions ------------------------------------------------------------------------------------------------------


def test_a_price_that_goes_above_the_value_crosses_it(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200))
    assert market.prices(199, 200) == []
    assert market.price(200.12) == ["AAPL 200.12 USD rose above 200."]


def test_a_price_that_goes_below_the_value_crosses_it(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_below", 200))
    assert market.prices(201, 200) == []
    assert market.price(199.5) == ["AAPL 199.50 USD fell below 200."]


@pytest.mark.parametrize(("when", "prices"), [("crosses_above", (250, 251, 260)), ("crosses_below", (150, 149, 10))])
def test_the_first_price_that_is_seen_is_no_crossing_and_neither_is_one_on_the_same_side(
    market: AlertMarket, when: str, prices: tuple[float, ...]
) -> None:
    market.judge_also(an_alert(when, 200))
    assert market.prices(*prices) == []


def test_a_crossing_is_held_against_the_price_that_was_known_when_the_alert_was_made(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200, price_before=199.0))
    assert market.price(201) == ["AAPL 201.00 USD rose above 200."]


def test_an_alert_that_is_made_above_its_value_fires_only_after_the_price_was_below(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200, price_before=205.0))
    assert market.prices(206, 199) == []
    assert market.price(201) == ["AAPL 201.00 USD rose above 200."]


@pytest.mark.parametrize(
    ("when", "quiet", "fires", "sentence"),
    [("above", 200, 200.5, "AAPL 200.50 USD is above 200."), ("below", 200, 199.5, "AAPL 199.50 USD is below 200.")],
)
def test_above_and_below_fire_at_once(
    market: AlertMarket, when: str, quiet: float, fires: float, sentence: str
) -> None:
    market.judge_also(an_alert(when, 200))
    assert market.price(quiet) == []
    assert market.price(fires) == [sentence]


def test_a_price_that_is_on_the_board_already_fires_a_new_alert(market: AlertMarket) -> None:
    market.price(210)
    market.judge_also(an_alert("above", 200))
    assert [fired.message for fired in market.judge.fired] == ["AAPL 210.00 USD is above 200."]


@pytest.mark.parametrize(
    ("value", "quiet", "fires", "sentence"),
    [
        (5, 104.99, 105, "AAPL 105.00 USD has risen 5.00% since the previous close of 100.00."),
        (-5, 95.01, 95, "AAPL 95.00 USD has fallen 5.00% since the previous close of 100.00."),
    ],
)
def test_percent_is_of_the_previous_close(
    market: AlertMarket, value: float, quiet: float, fires: float, sentence: str
) -> None:
    market.judge_also(an_alert("percent_from_close", value))
    assert market.prices(100, quiet, 200 - quiet, previous_close=100.0) == []
    assert market.price(fires, previous_close=100.0) == [sentence]


def test_percent_within_minutes_is_of_any_price_of_them(market: AlertMarket) -> None:
    market.judge_also(an_alert("percent_within", 3, minutes=15))
    assert market.price(100) == []
    market.clock.stand_still(600)
    assert market.price(99) == []
    market.clock.stand_still(290)
    # 100 was the newest price until five minutes ago, and 99 is the lowest.
    assert market.price(101.97) == ["AAPL 101.97 USD has risen 3.00% within 15 minutes, from 99.00."]


def test_what_moved_before_the_window_does_not_count(market: AlertMarket) -> None:
    market.judge_also(an_alert("percent_within", -3, minutes=15))
    assert market.price(100) == []
    market.clock.stand_still(10)
    assert market.price(98) == []  # 100 is in the window for as long as it was the newest price, till now
    market.clock.stand_still(16 * 60)
    assert market.price(96) == []  # 98 was the price of these minutes
    assert market.price(95.06) == ["AAPL 95.06 USD has fallen 3.00% within 15 minutes, from 98.00."]


def test_volume_counts_the_day(market: AlertMarket) -> None:
    market.judge_also(an_alert("volume_above", 30_000_000))
    assert market.price(190, volume=30_000_000) == []
    assert market.price(191) == []  # this one tells no volume
    assert market.price(192, volume=30_000_001) == [
        "AAPL 192.00 USD: 30,000,001 were traded today, more than 30,000,000."
    ]


def test_alerts_of_one_symbol_fire_for_themselves_and_those_of_others_stay(market: AlertMarket) -> None:
    market.judge_also(
        an_alert("above", 201, number=1),
        an_alert("above", 202, number=2),
        an_alert("below", 198, number=3),
        an_alert("above", 100, number=4, symbol="MSFT"),
    )
    assert market.prices(200, 201.5) == ["AAPL 201.50 USD is above 201."]
    assert market.prices(203) == ["AAPL 203.00 USD is above 202."]
    assert market.prices(150) == ["AAPL 150.00 USD is below 198."]
    assert market.price(101, symbol="MSFT") == ["MSFT 101.00 USD is above 100."]
    assert len(market.judge) == 0


def test_a_price_of_pence_a_rate_and_a_small_one_are_told_with_their_own_digits(market: AlertMarket) -> None:
    market.judge_also(
        an_alert("above", 1.08, number=1, symbol="EURUSD=X"), an_alert("below", 0.00002, number=2, symbol="SHIB-USD")
    )
    assert market.price(1.08271, symbol="EURUSD=X", price_hint=4) == ["EURUSD=X 1.0827 USD is above 1.08."]
    assert market.price(0.00001234, symbol="SHIB-USD") == ["SHIB-USD 0.00001234 USD is below 0.00002."]


# --- how often -------------------------------------------------------------------------------------------------------


def test_once_is_once(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200))
    assert len(market.prices(199, 201, 199, 201)) == 1
    assert [fired.state for fired in market.judge.fired] == [AlertState.FIRED]
    assert not market.board.is_watched("AAPL")


def test_every_fires_again_only_after_the_condition_has_stopped_holding(market: AlertMarket) -> None:
    market.judge_also(an_alert("above", 200, repeat="every", cooldown_seconds=60))
    assert len(market.prices(201, 202)) == 1
    market.written()
    market.clock.stand_still(3_600)
    assert market.prices(203, 201) == []  # it held all the time
    assert market.prices(200) == []
    assert [*market.judge.armed] == [1]
    assert len(market.prices(201)) == 1


def test_a_crossing_in_the_cool_down_is_passed_over(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200, repeat="every", cooldown_seconds=60))
    assert len(market.prices(199, 201)) == 1
    market.written()
    assert market.prices(199, 201) == []
    market.clock.stand_still(120)
    assert market.prices(202) == []  # that crossing is over
    assert len(market.prices(199, 201)) == 1


def test_what_is_above_when_the_cool_down_ends_fires_then(market: AlertMarket) -> None:
    market.judge_also(an_alert("above", 200, repeat="every", cooldown_seconds=60))
    assert len(market.prices(201)) == 1
    market.written()
    assert market.prices(199, 201, 202) == []
    market.clock.stand_still(60)
    assert len(market.prices(203)) == 1
    market.written()
    assert market.prices(204) == []


def test_daily_fires_once_a_day_of_its_time_zone(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200, repeat="daily", timezone="America/New_York"))
    assert len(market.prices(199, 201)) == 1
    market.written()
    assert market.prices(199, 201) == []
    market.clock.stand_still(12 * 3_600)  # 23:45 in New York, and 03:45 of the next day by UTC
    assert market.prices(199, 201) == []
    market.clock.stand_still(3_600)
    assert len(market.prices(199, 201)) == 1


def test_nothing_fires_again_before_it_is_written_that_it_fired(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200, repeat="every", cooldown_seconds=60))
    assert len(market.prices(199, 201)) == 1
    market.clock.stand_still(120)
    assert market.prices(199, 201) == []
    market.written()
    assert len(market.prices(199, 201)) == 1


# --- what is true ----------------------------------------------------------------------------------------------------


def test_a_stale_price_fires_nothing_and_is_no_price_before(market: AlertMarket) -> None:
    market.price(201)
    market.stale()
    market.judge_also(an_alert("above", 200, number=1), an_alert("crosses_below", 200, number=2))
    assert market.judge.fired == []
    assert market.price(199) == []  # the first price that was seen
    assert market.prices(200.5, 199.5) == ["AAPL 200.50 USD is above 200.", "AAPL 199.50 USD fell below 200."]


def test_a_price_that_is_fresh_again_is_looked_at_though_it_is_the_same(market: AlertMarket) -> None:
    market.price(201)
    market.stale()
    market.judge_also(an_alert("above", 200))
    assert market.price(201) == ["AAPL 201.00 USD is above 200."]


def test_two_prices_of_one_batch_are_both_looked_at(market: AlertMarket) -> None:
    market.judge_also(an_alert("above", 200))
    quotes = [
        Quote(symbol="AAPL", price=price, received_at=NOW_MS, timestamp=NOW_MS + place, provider="scripted")
        for place, price in enumerate((199.0, 201.0, 199.5))
    ]
    market.board.put(quotes, 0.0, is_stream=True)
    assert [fired.message for fired in market.judge.fired] == ["AAPL 201.00 is above 200."]


def test_the_price_before_survives_a_restart(market: AlertMarket) -> None:
    alert = an_alert("crosses_above", 200)
    market.judge_also(alert)
    market.prices(198, 199)
    later = AlertMarket()
    later.clock.stand_still(60)
    later.judge_also(alert, prices=market.kept())
    assert later.price(201) == ["AAPL 201.00 USD rose above 200."]


def test_a_price_before_that_is_older_than_the_alert_is_none(market: AlertMarket) -> None:
    old = PriceBefore("AAPL", 150.0, NOW_MS - 1, "open", NOW_MS - 1)
    market.judge_also(an_alert("crosses_above", 200), prices={"AAPL": old})
    assert market.prices(201) == []
    assert len(market.prices(199, 201)) == 1


def test_a_gap_over_a_reopening_counts_and_says_so(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200))
    market.price(198)
    market.price(198, market_state=MarketState.CLOSED)
    market.clock.stand_still(DAY_SECONDS * 3)
    (message,) = market.price(205)
    assert message == (
        "AAPL 205.00 USD rose above 200. It is the first price since the market reopened; "
        "the last one before was 198.00, at 2024-04-05 15:45 UTC."
    )


def test_a_gap_after_an_outage_counts_and_says_so(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_below", 200))
    market.price(201)
    market.stale()
    market.clock.stand_still(3_600)
    (message,) = market.price(190)
    assert message == (
        "AAPL 190.00 USD fell below 200. No price was seen in between; the last one before was 201.00, "
        "at 2024-04-05 15:45 UTC."
    )


def test_an_alert_is_demand_until_it_is_taken_out(market: AlertMarket) -> None:
    alert = an_alert("above", 200)
    market.judge_also(alert)
    assert market.board.watched() == ["AAPL"]
    market.judge_also(held(alert, is_removed=True))
    assert market.board.watched() == []
    assert market.price(201) == []


async def test_a_split_disarms_what_is_of_prices_and_says_so(market: AlertMarket) -> None:
    market.judge_also(
        an_alert("crosses_below", 200, number=1),
        an_alert("above", 500, number=2, repeat="every"),
        an_alert("volume_above", 10, number=3),
        an_alert("percent_from_close", -50, number=4),
    )
    market.price(400, previous_close=398.0, volume=5)
    market.splits = [Split(NOW_MS + 60_000_000, 4.0)]
    market.clock.stand_still(DAY_SECONDS * 3)
    assert market.price(101, previous_close=100.0, volume=20) == []
    await market.settle()
    fired = {each.alert_id: each for each in market.judge.fired}
    assert sorted(fired) == [1, 2, 3]
    assert {each.state for each in fired.values()} == {AlertState.DISARMED}
    assert fired[1].why == fired[1].message
    assert fired[1].message == (
        "AAPL was split, 4 for 1: the alert crosses below 200 is of before the split and was disarmed. Make a new one."
    )
    assert (fired[1].count, fired[1].fired_at_ms) == (0, None)
    assert market.price(102, previous_close=100.0) == []
    assert len(market.judge) == 1
    assert market.asked == ["AAPL"]


async def test_a_fall_that_is_no_split_fires_with_all_prices_that_came_while_it_was_asked(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_below", 200, number=1), an_alert("above", 150, number=2, price_before=400.0))
    market.written()
    market.price(400, previous_close=398.0)
    market.written()
    market.judge_also(an_alert("crosses_above", 120, number=3, created_at_ms=NOW_MS))
    market.may_answer.clear()
    market.clock.stand_still(DAY_SECONDS)
    assert market.prices(101, 121, 101, previous_close=100.0) == []
    market.may_answer.set()
    await market.settle()
    assert [fired.message.split(". ")[0] for fired in market.judge.fired] == [
        "AAPL 101.00 USD fell below 200",
        "AAPL 121.00 USD rose above 120.",
    ]


async def test_a_source_that_does_not_say_whether_there_was_a_split_holds_nothing_up_for_long(
    market: AlertMarket,
) -> None:
    market.judge_also(an_alert("crosses_below", 200))
    market.price(400, previous_close=398.0)
    market.may_answer.clear()
    market.clock.stand_still(DAY_SECONDS)
    market.price(101, previous_close=100.0)
    await market.settle()
    assert market.judge.fired == []
    await market.clock.advance(15)
    assert len(market.judge.fired) == 1
    await market.judge.close()


async def test_a_restart_over_a_split_disarms_too() -> None:
    market = AlertMarket()
    market.clock.stand_still(DAY_SECONDS)
    before = PriceBefore("AAPL", 400.0, NOW_MS, "open", NOW_MS)
    market.splits = [Split(NOW_MS + 60_000_000, 4.0)]
    market.judge_also(an_alert("crosses_below", 200), prices={"AAPL": before})
    market.price(101, previous_close=100.0)
    await market.settle()
    assert [fired.state for fired in market.judge.fired] == [AlertState.DISARMED]


def test_no_split_is_looked_for_on_a_usual_day(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_below", 200))
    market.prices(400, 380, previous_close=398.0)
    market.clock.stand_still(DAY_SECONDS)
    market.prices(350, 300, previous_close=381.0)
    assert market.asked == []


@pytest.mark.parametrize("repeat", ["every", "daily"])
@pytest.mark.parametrize("when", ["above", "crosses_above"])
def test_a_clock_that_is_set_back_has_nothing_rest_for_longer_than_usual(
    market: AlertMarket, when: str, repeat: str
) -> None:
    market.judge_also(an_alert(when, 200, repeat=repeat))
    market.clock._started_ms += 365 * 86_400_000  # a year too far
    assert len(market.prices(199, 201)) == 1
    market.written()
    market.prices(199, 201)  # it rests
    market.clock._started_ms -= 365 * 86_400_000
    market.judge.clock_set_back()
    assert market.prices(199, 201) == []
    market.clock.stand_still(DAY_SECONDS)
    assert len(market.prices(199, 201)) == 1


# --- sources that take turns -----------------------------------------------------------------------------------------


def test_a_source_that_counts_in_pounds_after_one_that_counted_in_pence_crosses_nothing(market: AlertMarket) -> None:
    market.judge_also(
        an_alert("crosses_below", 100, symbol="VOD.L", repeat="every"),
        an_alert("below", 100, number=2, symbol="VOD.L"),
        an_alert("percent_within", -5, number=3, minutes=5, symbol="VOD.L"),
        an_alert("percent_from_close", 5, number=4, symbol="VOD.L"),
    )
    market.price(140.0, symbol="VOD.L", currency="GBp", previous_close=139.0)
    assert market.prices(1.41, 1.42, symbol="VOD.L", currency="GBP", previous_close=1.39) == []
    assert market.prices(140.5, symbol="VOD.L", currency="GBp", previous_close=139.0) == []
    assert market.asked == []  # and nobody took it for a split
    assert market.prices(99.0, symbol="VOD.L", currency="GBp", previous_close=139.0) == [
        "VOD.L 99.00 GBp fell below 100.",
        "VOD.L 99.00 GBp is below 100.",
        "VOD.L 99.00 GBp has fallen 29.54% within 5 minutes, from 140.50.",
    ]


def test_a_source_that_tells_no_currency_is_held_against_the_others(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200))
    market.prices(199, currency=None)
    market.prices(199.5, currency="USD")
    assert market.prices(201, currency=None) == ["AAPL 201.00 rose above 200."]


async def test_sources_that_take_turns_with_closes_of_their_own_are_asked_for_splits_once(market: AlertMarket) -> None:
    market.judge_also(an_alert("above", 1_000))
    for number in range(20):
        market.price(100 + number / 100, previous_close=110.0 if number % 2 else 100.0)
        await market.settle()
        market.clock.stand_still(5)
    assert market.asked == ["AAPL"]


# --- what is told ----------------------------------------------------------------------------------------------------


def test_the_sessions_and_each_target_are_told_the_same_under_ids_of_their_own(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 200, targets=("phone", "desk")))
    market.prices(199, 200.12)
    (fired,) = market.judge.fired
    assert [word.target for word in fired.words] == [SESSIONS, "phone", "desk"]
    assert len({word.delivery_id for word in fired.words}) == 3
    assert body_of(fired, 1) == {
        "id": fired.words[1].delivery_id,
        "alert": "a1",
        "symbol": "AAPL",
        "when": "crosses_above",
        "value": 200,
        "price": 200.12,
        "currency": "USD",
        "timestamp": NOW_MS + 1_000,
        "message": "AAPL 200.12 USD rose above 200.",
        "username": "Yosakorn",
    }


def test_quiet_hours_delay_and_say_when_it_was(market: AlertMarket) -> None:
    # It is 11:45 in New York.
    market.judge_also(an_alert("above", 200, quiet_hours="11:30-13:00", timezone="America/New_York"))
    (message,) = market.price(201)
    assert message == (
        "AAPL 201.00 USD is above 200. That was in the quiet hours, at 2024-04-05 11:45 America/New_York."
    )
    end = datetime(2024, 4, 5, 17, 0, tzinfo=UTC)
    assert {word.due_at_ms for word in market.judge.fired[0].words} == {round(end.timestamp() * 1000)}


def test_a_board_without_alerts_is_left_alone() -> None:
    market = AlertMarket()
    assert market.prices(1, 2, 3) == []
    assert market.judge.moved == {}
    assert isinstance(market.board, Board)


def test_a_mistake_about_one_symbol_keeps_no_price_off_the_board(
    market: AlertMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.judge_also(an_alert("above", 200), an_alert("above", 100, number=2, symbol="MSFT"))
    real = SymbolWatch.look

    def look(watch: SymbolWatch, quote: BoardQuote) -> Step | None:
        if watch.symbol == "AAPL":
            raise OverflowError("a time that no calendar has")
        return real(watch, quote)

    monkeypatch.setattr(SymbolWatch, "look", look)
    with capture_logs() as logs:
        assert market.prices(201, 202) == []
        assert market.price(101, symbol="MSFT") == ["MSFT 101.00 USD is above 100."]
    assert market.board.quote("AAPL").price == 202  # type: ignore[union-attr]
    assert [line["event"] for line in logs] == ["judging the alerts of a symbol failed unexpectedly"]


def test_a_price_in_another_currency_that_touches_nothing_is_noticed_too(market: AlertMarket) -> None:
    market.judge_also(an_alert("crosses_above", 105, price_before=100.0))
    assert market.prices(100, 101) == []
    assert market.price(102, currency="EUR") == []
    assert market.price(110, currency="EUR") == ["AAPL 110.00 EUR rose above 105."]
