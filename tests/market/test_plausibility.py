import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fakes import NOW_MS, a_quote
from stocktrack.clock import ManualClock
from stocktrack.market import plausibility
from stocktrack.market.plausibility import AHEAD_MS, HELD_MS, STAYS_SECONDS, Gate
from stocktrack.providers.reading import FIRST_TIME_MS
from stocktrack.quotes import Quote

POLL_SECONDS = 5.0
DAY_SECONDS = 86_400.0


class Market:
    """A gate with a board behind it."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.gate = Gate(self.clock)
        self.board: dict[str, Quote] = {}

    def hear(self, price: float, symbol: str = "AAPL", *, currency: str = "USD", provider: str = "yahoo") -> bool:
        """Whether the price is on the board once the source has told it."""
        quote = a_quote(
            symbol, price=price, currency=currency, provider=provider, received_at=self.clock.now_ms(), timestamp=None
        )
        self.sift(quote)
        return self.board.get(symbol) == quote

    def sift(self, *quotes: Quote) -> Sequence[Quote]:
        sifted = self.gate.sift(quotes, self.board.get)
        self.board |= {quote.symbol: quote for quote in sifted}
        return sifted

    def wait(self, seconds: float) -> None:
        self.clock.stand_still(seconds)


@pytest.fixture
def market() -> Market:
    return Market()


def bare(**values: object) -> Quote:
    """A quote with nothing in it but what is named here."""
    return Quote.model_validate(
        {"symbol": "AAPL", "price": 150.0, "received_at": NOW_MS, "provider": "yahoo", **values}
    )


# --- the everyday quote ---


def test_a_quote_with_nothing_wrong_in_it_is_passed_on_itself(market: Market) -> None:
    quote = bare(timestamp=NOW_MS, bid=149.0, ask=151.0, extended_price=152.0, extended_time=NOW_MS)

    with capture_logs() as logs:
        assert market.sift(quote)[0] is quote
        assert market.sift(quote)[0] is quote

    assert logs == []


def test_quotes_keep_their_order(market: Market) -> None:
    quotes = [bare(symbol=symbol, price=price) for symbol, price in (("C", 1.0), ("A", -1.0), ("B", 2.0))]

    assert [quote.symbol for quote in market.sift(*quotes)] == ["C", "B"]


# --- times ---


@pytest.mark.parametrize("field", ["timestamp", "extended_time"])
@pytest.mark.parametrize(
    ("time_ms", "is_kept"),
    [
        (NOW_MS + AHEAD_MS, True),
        (NOW_MS + AHEAD_MS + 1, False),
        (NOW_MS * 1000, False),
        (FIRST_TIME_MS, True),
        (FIRST_TIME_MS - 1, False),
        (0, False),
        (-5, False),
    ],
)
def test_a_time_that_no_clock_shows_is_left_out_and_its_price_is_taken(
    market: Market, field: str, time_ms: int, is_kept: bool
) -> None:
    (quote,) = market.sift(bare(extended_price=151.0, **{field: time_ms}))

    assert quote == bare(extended_price=151.0, **{field: time_ms if is_kept else None})


def test_the_log_tells_once_of_a_source_whose_clock_is_wrong(market: Market) -> None:
    with capture_logs() as logs:
        for symbol in ("AAPL", "MSFT", "AAPL"):
            market.sift(bare(symbol=symbol, timestamp=NOW_MS * 1000))

    assert [(entry["event"], entry["provider"], entry["timestamp"]) for entry in logs] == [
        ("a market time was left out", "yahoo", NOW_MS * 1000)
    ]


# --- prices of nothing ---


@pytest.mark.parametrize(
    "symbol", ["AAPL", "RELIANCE.NS", "EURUSD=X", "BTC-USD", "NFO:NIFTY28MAR2420800CE", "F", "FUT"]
)
@pytest.mark.parametrize("price", [0.0, -0.0, -37.63])
def test_what_somebody_owns_has_no_price_of_nothing(market: Market, symbol: str, price: float) -> None:
    with capture_logs() as logs:
        assert not market.hear(price, symbol)
        assert not market.hear(price, symbol)

    assert [(entry["event"], entry["symbol"], entry["price"]) for entry in logs] == [
        ("a price was kept out", symbol, price)
    ]


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("symbol", ["AAPL", "CL=F"])
def test_a_number_that_is_none_is_no_price(market: Market, symbol: str, price: float) -> None:
    for _ in range(5):  # nor one that stays
        market.sift(a_quote(symbol).model_copy(update={"price": price}))
        market.wait(POLL_SECONDS)
    assert market.board == {}


@pytest.mark.parametrize("symbol", ["CL=F", "CLK20.NYM", "^IRX", "MCX:CRUDEOIL20APR20FUT", "NCDEX:GUARSEED20MAY26FUT"])
def test_futures_and_indices_may_cost_nothing_and_less(market: Market, symbol: str) -> None:
    assert all(market.hear(price, symbol) for price in (18.27, 0.01, 0.0, -1.5, -37.63, -13.1, 1.4))


def test_other_prices_of_nothing_are_left_out_with_what_was_computed_from_them(market: Market) -> None:
    told = bare(
        previous_close=0.0, change=150.0, change_percent=0.0, open=0.0, high=151.0, low=-1.0, bid=0.0, ask=152.0
    )

    assert market.sift(told) == [bare(high=151.0, ask=152.0)]


def test_other_prices_of_a_future_may_be_below_zero(market: Market) -> None:
    told = bare(symbol="CL=F", price=-37.63, low=-40.32, bid=-37.7, previous_close=18.27, change=-55.9)

    assert market.sift(told)[0] is told


# --- prices that are far off ---


@pytest.mark.parametrize("price", [150_000.0, 15_100.0, 1.5, 0.15])
def test_a_price_a_hundred_times_away_is_kept_out_and_told_once(market: Market, price: float) -> None:
    market.hear(150.0)

    with capture_logs() as logs:
        assert not market.hear(price)
        assert market.hear(150.1)
        assert not market.hear(price)

    assert [
        (entry["event"], entry["symbol"], entry["provider"], entry["price"], entry["held_price"]) for entry in logs
    ] == [("a price was kept out", "AAPL", "yahoo", price, 150.0)]


@pytest.mark.parametrize("price", [14_999.0, 1.51, 75.0, 300.0])
def test_a_price_less_than_a_hundred_times_away_is_taken_at_once(market: Market, price: float) -> None:
    market.hear(150.0)

    assert market.hear(price)


def test_a_price_that_stays_is_taken_from_any_source(market: Market) -> None:
    market.hear(150.0)
    assert not market.hear(1.5, provider="finnhub")
    market.wait(POLL_SECONDS)
    assert market.hear(1.52, provider="yahoo")
    assert market.hear(1.49)


def test_a_stream_has_to_stay_as_long_as_a_poll(market: Market) -> None:
    market.hear(150.0)
    for _ in range(39):
        assert not market.hear(150_000.0)
        market.wait(STAYS_SECONDS / 40)
    market.wait(STAYS_SECONDS / 40)
    assert market.hear(150_000.0)


def test_whoever_is_heard_with_the_old_price_makes_it_begin_again(market: Market) -> None:
    market.hear(150.0)
    assert not market.hear(150_000.0)
    market.wait(STAYS_SECONDS / 2)
    assert market.hear(150.2)
    market.wait(STAYS_SECONDS)
    assert not market.hear(150_000.0)


def test_wild_prices_do_not_confirm_each_other(market: Market) -> None:
    market.hear(150.0)
    for price in (150_000.0, 1.5, 2_000_000.0, 0.001):
        assert not market.hear(price)
        market.wait(POLL_SECONDS)


def test_an_option_that_fell_to_its_last_ticks_is_believed(market: Market) -> None:
    market.hear(30.0, "NFO:NIFTY28MAR2420800CE")
    heard = []
    for price in (0.05, 0.1, 0.05, 0.15, 0.05):
        heard.append(market.hear(price, "NFO:NIFTY28MAR2420800CE"))
        market.wait(1.0)

    assert heard == [False, False, False, False, True]


def test_a_future_near_zero_moves_freely_and_one_far_from_it_does_not(market: Market) -> None:
    assert all(market.hear(price, "CL=F") for price in (0.01, -1.5, 20.0, 0.002, -37.0))
    assert not market.hear(-37_000.0, "CL=F")
    market.wait(POLL_SECONDS)
    assert market.hear(-38_000.0, "CL=F")


def test_an_old_price_says_nothing_of_a_new_one(market: Market) -> None:
    market.hear(150.0)
    market.wait(HELD_MS / 1000 + 1)
    assert market.hear(1.5)


def test_a_price_of_yesterday_does(market: Market) -> None:
    market.hear(150.0)
    market.wait(DAY_SECONDS)
    assert not market.hear(1.5)


def test_pence_of_one_source_and_pounds_of_another_are_the_same_price(market: Market) -> None:
    market.hear(68.22, "VOD.L", currency="GBp")
    assert market.hear(0.6822, "VOD.L", currency="GBP", provider="finnhub")


def test_a_price_after_hours_that_is_far_off_is_left_out_alone_and_taken_when_it_stays(market: Market) -> None:
    late = bare(extended_price=150_000.0, extended_change=149_850.0, extended_change_percent=9.9, extended_time=NOW_MS)

    with capture_logs() as logs:
        assert market.sift(late) == [bare()]
    assert [entry["extended_price"] for entry in logs] == [150_000.0]
    market.wait(POLL_SECONDS)
    assert market.sift(late) == [late]


def test_a_price_after_hours_of_nothing_is_left_out(market: Market) -> None:
    assert market.sift(bare(extended_price=0.0, extended_change=-150.0)) == [bare()]


# --- what it remembers ---


def test_a_source_gone_mad_neither_fills_the_memory_nor_the_log(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plausibility, "MAX_SUSPECTS", 10)
    monkeypatch.setattr(plausibility, "MAX_TOLD", 5)
    symbols = [f"S{number:04}" for number in range(50)]
    for symbol in symbols:
        market.hear(150.0, symbol)

    with capture_logs() as logs:
        for _ in range(3):
            assert not any(market.hear(150_000.0, symbol) for symbol in symbols)
        market.wait(plausibility.TELL_AGAIN_SECONDS)
        assert not market.hear(150_000.0, symbols[0])

    assert [entry["symbol"] for entry in logs] == [*symbols[:5], symbols[0]]


@given(
    prices=st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1, max_size=30),
    pauses=st.lists(st.floats(min_value=0, max_value=10), min_size=30, max_size=30),
)
def test_whatever_is_heard_what_goes_on_for_a_minute_is_on_the_board(
    prices: Sequence[float], pauses: Sequence[float]
) -> None:
    market = Market()
    for price, pause in zip(prices, pauses, strict=False):
        market.hear(price)
        market.wait(pause)
    for _ in range(12):
        market.hear(prices[-1] * 7)
        market.wait(POLL_SECONDS)

    assert market.board["AAPL"].price == prices[-1] * 7


@given(prices=st.lists(st.floats(min_value=-1e9, max_value=1e9), max_size=50))
def test_no_jump_is_taken_in_the_second_in_which_it_comes(prices: Sequence[float]) -> None:
    market = Market()
    market.hear(150.0)
    board = [150.0, *filter(market.hear, prices)]

    assert all(price > 0 for price in board)
    assert all(abs(math.log(after / before)) < math.log(100) for before, after in pairwise(board))
