"""Holdings are counted exactly: by a hand-made table, with pence, with nothing left, with huge and tiny amounts."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktrack.holdings import LeftOut, Mark, Portfolio, Rate, exact, money_digits, pair_rate, portfolio, positions
from stocktrack.messages import HoldingInfo, LotInfo


def lot(symbol: str, quantity: float, unit_cost: float, fixed_cost: float = 0.0) -> LotInfo:
    return LotInfo(lot="l1", symbol=symbol, quantity=quantity, unit_cost=unit_cost, fixed_cost=fixed_cost, created_at=0)


def rates(**prices: float) -> dict[str, Rate]:
    found = {currency: pair_rate(price) for currency, price in prices.items()}
    return {currency: rate for currency, rate in found.items() if rate is not None}


def count(lots: list[LotInfo], marks: dict[str, Mark], currency: str = "USD", **prices: float) -> Portfolio:
    return portfolio(positions(lots), marks, rates(**prices), currency)


def only(result: Portfolio) -> HoldingInfo:
    [holding] = result.holdings
    return holding


def money(of: object) -> tuple[float | None, ...]:
    return tuple(getattr(of, name) for name in ("cost", "value", "day_change", "gain"))


# --- the table made by hand -----------------------------------------------------------------------------------------

# Totals in EUR. One of each: USD 0.9217, GBP 1.1693, CHF 1.0241, JPY 0.006083, EUR 1.
#
# AAPL     10 @ 146.00 + 1 fee, 5 @ 172.50, price 189.45, close before 188.25, USD
#            quantity   15
#            cost       1460 + 1 + 862.50                        =   2,323.50 USD
#            value      15 * 189.45                              =   2,841.75 USD
#            day        15 * (189.45 - 188.25) = 15 * 1.20       =      18.00 USD
#            gain       2,841.75 - 2,323.50                      =     518.25 USD
#            in EUR     cost  2,323.50 * 0.9217 = 2,141.56995    → 2,141.57
#                       value 2,841.75 * 0.9217 = 2,619.240975   → 2,619.24
#                       day      18.00 * 0.9217 =    16.5906     →    16.59
#                       gain    518.25 * 0.9217 =   477.671025   →   477.67
# VOD.L    1000 @ 71.35 + 595 fee (5.95 pounds), -400 @ 75.10 + 595 fee, price 68.22, close before 68.90, GBp
#            quantity   600
#            cost       71,350 + 595 - 30,040 + 595              =  42,500.00 pence
#            value      600 * 68.22                              =  40,932.00 pence
#            day        600 * (68.22 - 68.90) = 600 * -0.68      =    -408.00 pence
#            gain       40,932 - 42,500                          =  -1,568.00 pence
#            in EUR     a pence is 1.1693 / 100 = 0.011693
#                       cost  42,500 * 0.011693 = 496.9525       →   496.95
#                       value 40,932 * 0.011693 = 478.617876     →   478.62
#                       day     -408 * 0.011693 =  -4.770744     →    -4.77
#                       gain  -1,568 * 0.011693 = -18.334624     →   -18.33
# NESN.SW  12.5 @ 101.20, price 94.86, the day's change of -0.44, CHF
#            cost       12.5 * 101.20                            =   1,265.00 CHF
#            value      12.5 * 94.86                             =   1,185.75 CHF
#            day        12.5 * -0.44                             =      -5.50 CHF
#            gain                                                =     -79.25 CHF
#            in EUR     cost  1,265.00 * 1.0241 = 1,295.4865     → 1,295.49
#                       value 1,185.75 * 1.0241 = 1,214.326575   → 1,214.33
#                       day      -5.50 * 1.0241 =    -5.63255    →    -5.63
#                       gain    -79.25 * 1.0241 =   -81.159925   →   -81.16
# 7203.T   100 @ 2450.5 + 55 fee, price 3652, close before 3640, JPY
#            cost       245,050 + 55                             = 245,105 JPY
#            value      100 * 3652                               = 365,200 JPY
#            day        100 * 12                                 =   1,200 JPY
#            gain                                                = 120,095 JPY
#            in EUR     cost  245,105 * 0.006083 = 1,490.973715  → 1,490.97
#                       value 365,200 * 0.006083 = 2,221.5116    → 2,221.51
#                       day     1,200 * 0.006083 =     7.2996    →     7.30
#                       gain  120,095 * 0.006083 =   730.537885  →   730.54
# SAP.DE   3 @ 120.333 + 9.9 fee, price 177.44, close before 177.44, EUR
#            cost       360.999 + 9.9                            =     370.899 EUR → 370.90
#            value      3 * 177.44                               =     532.32 EUR
#            day                                                 =       0
#            gain       532.32 - 370.899                         =     161.421     → 161.42
#
# Totals: the exact amounts added, then rounded.
#   cost   2,141.56995 + 496.9525 + 1,295.4865 + 1,490.973715 + 370.899      = 5,795.881665 → 5,795.88
#   value  2,619.240975 + 478.617876 + 1,214.326575 + 2,221.5116 + 532.32    = 7,066.017026 → 7,066.02
#   day    16.5906 - 4.770744 - 5.63255 + 7.2996 + 0                         =    13.486906 →    13.49
#   gain   7,066.017026 - 5,795.881665                                       = 1,270.135361 → 1,270.14
#   gain % 1,270.135361 / 5,795.881665                                       =  21.914...   →    21.91
#   day %  13.486906 / (7,066.017026 - 13.486906)                            =   0.19123...  →    0.19
# Weights: 2,619.240975 / 7,066.017026 = 37.06814... → 37.07, 6.77351... → 6.77, 17.18544... → 17.19,
#   31.43938... → 31.44, 7.53352... → 7.53
FIVE_LOTS = [
    lot("AAPL", 10, 146.0, 1.0),
    lot("VOD.L", 1000, 71.35, 595.0),
    lot("NESN.SW", 12.5, 101.2),
    lot("7203.T", 100, 2450.5, 55.0),
    lot("AAPL", 5, 172.5),
    lot("SAP.DE", 3, 120.333, 9.9),
    lot("VOD.L", -400, 75.1, 595.0),
]
FIVE_MARKS = {
    "AAPL": Mark(189.45, "USD", previous_close=188.25, name="Apple Inc."),
    "VOD.L": Mark(68.22, "GBp", previous_close=68.9),
    "NESN.SW": Mark(94.86, "CHF", change=-0.44),
    "7203.T": Mark(3652.0, "JPY", previous_close=3640.0),
    "SAP.DE": Mark(177.44, "EUR", previous_close=177.44),
}
FIVE_RATES = {"USD": 0.9217, "GBP": 1.1693, "CHF": 1.0241, "JPY": 0.006083}
OWN = {
    "AAPL": (2323.5, 2841.75, 18.0, 518.25),
    "VOD.L": (42500.0, 40932.0, -408.0, -1568.0),
    "NESN.SW": (1265.0, 1185.75, -5.5, -79.25),
    "7203.T": (245105.0, 365200.0, 1200.0, 120095.0),
    "SAP.DE": (370.9, 532.32, 0.0, 161.42),
}
IN_EUR = {
    "AAPL": (2141.57, 2619.24, 16.59, 477.67),
    "VOD.L": (496.95, 478.62, -4.77, -18.33),
    "NESN.SW": (1295.49, 1214.33, -5.63, -81.16),
    "7203.T": (1490.97, 2221.51, 7.3, 730.54),
    "SAP.DE": (370.9, 532.32, 0.0, 161.42),
}
WEIGHTS = {"AAPL": 37.07, "VOD.L": 6.77, "NESN.SW": 17.19, "7203.T": 31.44, "SAP.DE": 7.53}


def test_five_currencies_pence_among_them_add_up_to_the_cent() -> None:
    result = count(FIVE_LOTS, FIVE_MARKS, "EUR", **FIVE_RATES)
    assert [each.symbol for each in result.holdings] == sorted(OWN)
    assert {each.symbol: money(each) for each in result.holdings} == OWN
    assert {each.symbol: money(each.converted) for each in result.holdings} == IN_EUR
    assert {each.symbol: each.weight for each in result.holdings} == WEIGHTS
    assert money(result.totals) == (5795.88, 7066.02, 13.49, 1270.14)
    assert (result.totals.gain_percent, result.totals.day_change_percent) == (21.91, 0.19)
    assert result.left_out == {}


def test_pence_are_a_hundredth_of_the_pounds_rate_and_money_stays_in_pence_beside_it() -> None:
    result = count(FIVE_LOTS, FIVE_MARKS, "EUR", **FIVE_RATES)
    of = {each.symbol: each for each in result.holdings}
    assert (of["VOD.L"].currency, of["VOD.L"].rate) == ("GBp", 0.011693)
    assert (of["SAP.DE"].rate, of["AAPL"].rate, of["7203.T"].rate) == (1.0, 0.9217, 0.006083)
    assert (of["AAPL"].unit_cost, of["AAPL"].name, of["AAPL"].quantity) == (154.9, "Apple Inc.", 15.0)
    assert of["VOD.L"].unit_cost == 70.8333333333  # 42,500 / 600
    assert (of["AAPL"].gain_percent, of["AAPL"].day_change_percent) == (22.3, 0.64)


@pytest.mark.parametrize(
    ("part", "whole", "rate"),
    [
        ("GBp", "GBP", 0.01),
        ("GBX", "GBP", 0.01),
        ("ZAc", "ZAR", 0.01),
        ("ILA", "ILS", 0.01),
        ("USX", "USD", 0.01),
        ("KWF", "KWD", 0.001),
    ],
)
def test_a_part_of_the_totals_own_currency_needs_no_rate(part: str, whole: str, rate: float) -> None:
    holding = only(count([lot("X", 200, 50)], {"X": Mark(68.22, part, change=1.0)}, whole))
    assert (holding.rate, holding.value) == (rate, 13644.0)
    assert holding.converted is not None
    assert holding.converted.value == pytest.approx(13644.0 * rate, abs=0.0005)


def test_totals_add_what_was_not_rounded() -> None:
    # Three times 0.004 are nothing each, and a cent together.
    lots = [lot(symbol, 1, 0) for symbol in "ABC"]
    result = count(lots, {symbol: Mark(0.004, "USD") for symbol in "ABC"})
    assert [each.value for each in result.holdings] == [0.0, 0.0, 0.0]
    assert result.totals.value == 0.01


def test_halves_are_rounded_away_from_zero_and_floats_make_no_noise() -> None:
    assert only(count([lot("A", 1, 1.005)], {"A": Mark(2.675, "USD")})).value == 2.68
    assert only(count([lot("A", 1, 1.005)], {"A": Mark(2.675, "USD")})).cost == 1.01
    assert only(count([lot("A", -1, 1.005)], {"A": Mark(2.675, "USD")})).value == -2.68
    assert only(count([lot("A", 0.1, 1), lot("A", 0.2, 1)], {"A": Mark(3.0, "USD")})).quantity == 0.3
    # An inverse rate of 3 and 0.015 make exactly half a cent.
    third = {"XXX": Rate(exact(1.0), exact(3.0))}
    result = portfolio(positions([lot("A", 1, 0)]), {"A": Mark(0.015, "XXX")}, third, "USD")
    assert result.totals.value == 0.01


# --- lots that net --------------------------------------------------------------------------------------------------


def test_a_sale_nets_quantity_and_cost_and_its_fee_costs_as_well() -> None:
    held = positions([lot("AAPL", 10, 146, 1), lot("AAPL", -4, 180, 1), lot("MSFT", 1, 400)])
    # 1,460 + 1 - 720 + 1
    assert [*map(float, (held["AAPL"].quantity, held["AAPL"].cost))] == [6.0, 742.0]
    assert list(held) == ["AAPL", "MSFT"]


def test_what_is_sold_out_keeps_its_gain_and_has_no_cost_of_a_piece_and_no_percent() -> None:
    result = count([lot("AAPL", 10, 146), lot("AAPL", -10, 180, 2)], {"AAPL": Mark(189.45, "USD", change=1.2)})
    holding = only(result)
    assert money(holding) == (-338.0, 0.0, 0.0, 338.0)
    assert (holding.quantity, holding.unit_cost, holding.gain_percent, holding.day_change_percent) == (
        *(0.0, None),
        *(None, None),
    )
    assert money(result.totals) == (-338.0, 0.0, 0.0, 338.0)
    assert (holding.weight, result.totals.gain_percent) == (None, None)


def test_what_was_sold_short_gains_as_the_price_falls() -> None:
    result = count([lot("AAPL", -10, 200)], {"AAPL": Mark(180.0, "USD", previous_close=190.0)})
    holding = only(result)
    assert money(holding) == (-2000.0, -1800.0, 100.0, 200.0)
    assert (holding.unit_cost, holding.gain_percent) == (200.0, 10.0)
    assert holding.day_change_percent == 5.26  # 100 of 1,900
    assert holding.weight is None


def test_what_is_paid_back_already_has_no_percent_of_its_cost() -> None:
    holding = only(count([lot("A", 10, 10), lot("A", -5, 100)], {"A": Mark(50.0, "USD")}))
    assert (holding.cost, holding.gain, holding.gain_percent) == (-400.0, 650.0, None)


def test_nothing_at_all_is_zero() -> None:
    result = count([], {})
    assert (result.holdings, money(result.totals)) == ((), (0.0, 0.0, 0.0, 0.0))
    assert (result.totals.gain_percent, result.totals.day_change_percent) == (None, None)


# --- what is in no total --------------------------------------------------------------------------------------------


def test_what_lacks_something_is_told_as_far_as_it_is_known_and_in_no_total() -> None:
    lots = [lot("AAPL", 1, 100), lot("GONE", 2, 30), lot("BARE", 1, 5), lot("ODD", 1, 5), lot("TYO", 1, 900)]
    marks = {
        "AAPL": Mark(150.0, "USD", change=1.0),
        "BARE": Mark(7.0),
        "ODD": Mark(7.0, "XXx"),
        "TYO": Mark(1000.0, "JPY"),
    }
    result = count(lots, marks, EUR=1.08)
    assert result.left_out == {
        "BARE": LeftOut.NO_CURRENCY,
        "GONE": LeftOut.NO_PRICE,
        "ODD": LeftOut.NO_CURRENCY,
        "TYO": LeftOut.NO_RATE,
    }
    assert money(result.totals) == (100.0, 150.0, 1.0, 50.0)
    of = {each.symbol: each for each in result.holdings}
    assert money(of["GONE"]) == (60.0, None, None, None)
    assert money(of["BARE"]) == (5.0, 7.0, None, 2.0)
    assert (of["TYO"].value, of["TYO"].converted, of["TYO"].weight, of["TYO"].rate) == (1000.0, None, None, None)
    assert of["AAPL"].weight == 100.0


def test_a_holding_without_a_change_of_its_day_counts_as_unchanged() -> None:
    lots = [lot("A", 1, 1), lot("B", 1, 1)]
    assert count(lots, {"A": Mark(10.0, "USD", change=1.0), "B": Mark(5.0, "USD")}).totals.day_change == 1.0
    assert count(lots, {"A": Mark(10.0, "USD"), "B": Mark(5.0, "USD")}).totals.day_change is None


def test_a_stale_price_or_rate_is_used_and_marked() -> None:
    lots = [lot("A", 1, 1), lot("B", 1, 1), lot("C", 1, 1)]
    marks = {"A": Mark(10.0, "USD", is_stale=True), "B": Mark(10.0, "EUR"), "C": Mark(10.0, "USD")}
    euro = pair_rate(1.25, is_stale=True)
    assert euro is not None
    result = portfolio(positions(lots), marks, {"EUR": euro}, "USD")
    assert [each.stale for each in result.holdings] == [True, True, None]
    assert result.totals.value == 32.5


# --- currencies without cents, and with more ------------------------------------------------------------------------


def test_money_is_told_to_the_least_coin_of_its_currency() -> None:
    assert [money_digits(currency) for currency in ("JPY", "KWD", "USD", "GBp", None, "BTC")] == [0, 3, 2, 2, 2, 8]
    assert only(count([lot("T", 3, 0.5)], {"T": Mark(1234.5, "JPY")}, "JPY")).value == 3704.0
    assert count([lot("A", 1, 1)], {"A": Mark(10.0, "USD")}, "KWD", USD=0.30765).totals.value == 3.077
    assert count([lot("A", 1, 1)], {"A": Mark(10.0, "USD")}, "JPY", USD=151.62).totals.value == 1516.0


# --- huge and tiny --------------------------------------------------------------------------------------------------


def test_no_source_and_no_user_makes_a_total_that_is_no_number() -> None:
    lots = [lot("HUGE", 1e12, 1e12, 1e12), lot("HUGE", -1e12, 1e12), lot("TINY", 5e-324, 1e12), lot("A", 1, 1)]
    marks = {"HUGE": Mark(1e308, "USD", previous_close=-1e308), "TINY": Mark(5e-324, "USD"), "A": Mark(2.0, "USD")}
    result = count(lots, marks)
    assert result.totals.value == 2.0
    assert "HUGE" not in result.left_out  # nothing is left of it
    result = count([*lots, lot("HUGE", 1, 1)], marks)
    assert result.left_out == {"HUGE": LeftOut.TOO_MUCH}
    assert result.totals.value == 2.0


amounts = st.floats(min_value=-1e12, max_value=1e12).filter(bool)
costs = st.floats(min_value=0, max_value=1e12)
prices = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.tuples(st.sampled_from("AB"), amounts, costs, costs), max_size=5),
    prices,
    prices | st.none(),
    prices,
    st.sampled_from(["USD", "GBp", "JPY", None, "?"]),
)
def test_whatever_is_held_is_told_in_plain_numbers(
    lots: list[tuple[str, float, float, float]], price: float, close: float | None, rate: float, currency: str | None
) -> None:
    marks = {symbol: Mark(price, currency, previous_close=close) for symbol in "AB"}
    held = [lot(*each) for each in lots]
    for target in ("USD", "EUR"):
        result = count(held, marks, target, GBP=rate, USD=rate, JPY=rate)
        for model in (*result.holdings, result.totals):
            told = json.loads(model.model_dump_json(exclude_none=True, exclude={"price"}))
            numbers = [*told.values(), *told.get("converted", {}).values()]
            assert all(math.isfinite(number) for number in numbers if isinstance(number, float))
            assert "-0.0" not in [repr(number) for number in numbers]


@pytest.mark.parametrize("price", [0.0, -1.08, 1e-300, 1e300])
def test_a_price_that_can_be_no_rate_is_none(price: float) -> None:
    assert pair_rate(price) is None


def test_a_rate_over_another_currency_and_one_the_other_way_round_are_exact() -> None:
    yen, euro = pair_rate(160.0), pair_rate(1.08, is_stale=True)
    assert yen is not None
    assert euro is not None
    yen_in_euro = yen.inverse().then(euro.inverse())
    assert float(yen_in_euro.value) == pytest.approx(1 / 160 / 1.08)
    assert yen_in_euro.convert(exact(172.8)) == 1  # 160 * 1.08
    assert yen_in_euro.is_stale
