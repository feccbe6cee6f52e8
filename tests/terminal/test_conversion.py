import pytest

from scripted_server import a_price
from stocktrack.messages import Price
from stocktrack.terminal.conversion import Conversion, converted, is_money, unit_of


def a_rate(symbol: str, rate: float, currency: str | None, *, stale: bool = False, seq: int = 1) -> Price:
    return a_price(symbol, price=rate, seq=seq).model_copy(update={"currency": currency, "stale": stale})


def to_euros() -> Conversion:
    conversion = Conversion("EUR")
    conversion.learn("EURUSD=X", ("EUR", "USD"))
    conversion.learn("GBPUSD=X", ("GBP", "USD"))
    conversion.put(a_rate("EURUSD=X", 1.25, "USD"))
    conversion.put(a_rate("GBPUSD=X", 1.5, "USD"))
    return conversion


def in_euros(amount: float, currency: str | None) -> float | None:
    rate = to_euros().rate_of("AAPL", currency)
    return None if rate is None else converted(amount, rate)


@pytest.mark.parametrize(
    ("amount", "currency", "euros"),
    [
        (100.0, "EUR", 100.0),
        (100.0, "USD", 80.0),  # the pair the other way round
        (100.0, "GBP", 120.0),  # over the dollar
        (100.0, "GBp", 1.2),
        (100.0, "GBX", 1.2),
        (100.0, "USX", 0.8),
        (100.0, "JPY", None),
        (100.0, "ILA", None),
        (100.0, "XXp", None),
        (100.0, None, None),
        (0.1, "USD", 0.08),
    ],
)
def test_money_is_converted_by_pairs_either_way_round_and_pence_are_no_pounds(
    amount: float, currency: str | None, euros: float | None
) -> None:
    assert in_euros(amount, currency) == euros


@pytest.mark.parametrize("symbol", ["^GSPC", "NSE_INDEX:NIFTY", "EURUSD=X", "OANDA:EUR_USD"])
def test_an_index_and_a_pair_are_no_money(symbol: str) -> None:
    assert not is_money(symbol)
    assert to_euros().rate_of(symbol, "USD") is None


def test_what_is_not_converted_says_what_it_is_in() -> None:
    assert unit_of("^GSPC", "USD") == "pts"
    assert unit_of("EURUSD=X", "USD") == "USD"
    assert unit_of("OCDO.L", "GBp") == "GBp"
    assert unit_of("X", None) == ""


def test_a_rate_stays_until_another_one_comes() -> None:
    conversion = to_euros()
    before, version = conversion.rate_of("AAPL", "USD"), conversion.version

    assert not conversion.put(a_rate("EURUSD=X", 1.25, "USD", seq=2))
    assert not conversion.put(a_price("AAPL"))
    assert conversion.rate_of("MSFT", "USD") == before
    assert conversion.put(a_rate("EURUSD=X", 1.6, "USD", seq=3))
    assert conversion.version > version
    after = conversion.rate_of("AAPL", "USD")
    assert after is not None
    assert converted(100.0, after) == 62.5


@pytest.mark.parametrize(
    ("rate", "currency"), [(0.0, "USD"), (-1.25, "USD"), (1e300, "USD"), (1e-300, "USD"), (1.25, "GBP")]
)
def test_what_can_be_no_rate_is_none(rate: float, currency: str) -> None:
    conversion = Conversion("EUR")
    conversion.learn("EURUSD=X", ("EUR", "USD"))

    assert not conversion.put(a_rate("EURUSD=X", rate, currency))
    assert conversion.rate_of("AAPL", "USD") is None


def test_a_stale_rate_is_not_used_and_told() -> None:
    conversion = to_euros()
    conversion.want("USD")
    assert (conversion.is_complete, conversion.why_not("USD", 0)) == (True, "")

    conversion.put(a_rate("EURUSD=X", 1.25, "USD", stale=True, seq=2))

    assert conversion.rate_of("AAPL", "USD") is None
    assert conversion.rate_of("OCDO.L", "GBp") is None  # its way goes over this one
    assert (conversion.is_complete, conversion.why_not("USD", 0)) == (False, "stale rate")
    conversion.put(a_rate("EURUSD=X", 1.25, "USD", seq=3))
    assert (conversion.is_complete, conversion.why_not("USD", 0)) == (True, "")


def test_a_rate_that_is_looked_for_is_not_missed_before_it_had_time_to_come() -> None:
    conversion = Conversion("EUR")
    for currency in ("USD", "GBp", "GBP", "EUR", None, "USD"):
        conversion.want(currency)
    assert [*conversion.wanted] == ["USD", "GBP"]
    assert conversion.why_not("USD", 0) == ""
    assert conversion.why_not(None, 0) == "no currency"

    conversion.asked("USD", 1_000, is_there=True)
    conversion.asked("GBP", 1_000, is_there=False)

    assert [*conversion.wanted] == []
    assert conversion.why_not("USD", 2_000) == ""
    assert conversion.why_not("GBp", 2_000) == "no rate"
    assert conversion.why_not("USD", 10_000) == "no rate"
    conversion.ask_again()
    assert [*conversion.wanted] == ["GBP"]


@pytest.mark.parametrize(
    ("target", "price", "hint", "digits"),
    [
        ("EUR", 174.123, 2, 2),
        ("EUR", 22.31, 0, 2),
        ("JPY", 28_724.0, 2, 0),
        ("KWD", 58.1, 2, 3),
        ("EUR", 0.164651, 5, 5),
    ],
)
def test_a_converted_price_has_the_decimals_of_its_coins_or_more_where_its_own_has(
    target: str, price: float, hint: int, digits: int
) -> None:
    assert Conversion(target).digits_of(price, hint) == digits
