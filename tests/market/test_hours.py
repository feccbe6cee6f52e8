"""When markets are open: how often the sources are asked, and which is believed, the day or the quote."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from fakes import SteadyRandom, a_quote
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import ProviderError, Reason
from stocktrack.market.hours import FAILED_SECONDS, NO_HOURS_SECONDS, PAST_DAY_SECONDS, Hours
from stocktrack.market.routes import Routes
from stocktrack.providers.base import Source
from stocktrack.quotes import MarketState, Quote, TradingDay

MINUTE, HOUR = 60_000, 3_600_000
NOW = 1_712_304_000_000  # Fri, 05 Apr 2024 04:00 in New York, when the early trading begins
DAY = TradingDay(
    pre_starts_at=NOW, opens_at=NOW + 330 * MINUTE, closes_at=NOW + 12 * HOUR, post_ends_at=NOW + 16 * HOUR
)
STATES = tuple(MarketState)


class Market(Source):
    """A source of hours that tells `day` to everybody, counts who asks, and fails or hangs when told to."""

    name = "market"

    def __init__(self) -> None:
        self.day: TradingDay | None = DAY
        self.asked: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.at_once = self.most_at_once = 0

    def serves(self, symbol: str) -> bool:
        return symbol != "FOREIGN"

    async def trading_day(self, symbol: str) -> TradingDay | None:
        self.asked[symbol] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_answer.wait()
        self.at_once -= 1
        if self.failure is not None:
            raise self.failure
        return self.day


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
async def hours(clock: ManualClock, market: Market) -> AsyncIterator[Hours]:
    built = Hours(Routes([market], clock, timeout_seconds=10, rng=SteadyRandom()), clock)
    yield built
    await built.close()


def quote(
    symbol: str = "AAPL",
    state: MarketState = MarketState.UNKNOWN,
    *,
    exchange: str | None = "NasdaqGS",
    received_at: int = NOW - 10 * HOUR,
    traded_at: int | None = NOW - 12 * HOUR,
) -> Quote:
    return a_quote(symbol, market_state=state, exchange=exchange, received_at=received_at, timestamp=traded_at)


# --- asking --------------------------------------------------------------------------------------------------------


async def test_nothing_is_known_before_it_was_asked_for(hours: Hours, market: Market) -> None:
    assert hours.day_of(quote()) is None
    assert market.asked == Counter()


async def test_an_exchange_is_asked_about_once_until_its_day_is_over(
    hours: Hours, market: Market, clock: ManualClock
) -> None:
    for _ in range(15):
        for symbol in ("AAPL", "MSFT", "TSLA"):
            await hours.learn(quote(symbol))
        await clock.advance(3_600)
    assert market.asked == {"AAPL": 1}
    assert hours.day_of(quote("MSFT")) == DAY

    await clock.advance(3_600)
    market.day = TradingDay(opens_at=NOW + 30 * HOUR, closes_at=NOW + 36 * HOUR)
    await hours.learn(quote("MSFT"))
    await hours.learn(quote("AAPL"))

    assert market.asked == {"AAPL": 1, "MSFT": 1}
    assert hours.day_of(quote("AAPL")) == market.day


async def test_without_an_exchange_a_symbol_stands_for_itself(hours: Hours, market: Market) -> None:
    for _ in range(2):
        for symbol in ("AAPL", "MSFT"):
            await hours.learn(quote(symbol, exchange=None))

    assert market.asked == {"AAPL": 1, "MSFT": 1}
    assert hours.day_of(quote("AAPL")) is None


async def test_a_day_that_is_over_already_is_asked_for_again_later(
    hours: Hours, market: Market, clock: ManualClock
) -> None:
    await clock.advance(20 * 3_600)
    await hours.learn(quote())
    await clock.advance(PAST_DAY_SECONDS - 1)
    await hours.learn(quote())
    assert market.asked["AAPL"] == 1

    await clock.advance(1)
    await hours.learn(quote())

    assert market.asked["AAPL"] == 2


async def test_a_source_that_tells_no_hours_is_asked_once_a_day(
    hours: Hours, market: Market, clock: ManualClock
) -> None:
    market.day = None
    await hours.learn(quote())
    await clock.advance(NO_HOURS_SECONDS - 1)
    await hours.learn(quote())
    assert market.asked["AAPL"] == 1

    await clock.advance(1)
    await hours.learn(quote())

    assert (market.asked["AAPL"], hours.day_of(quote())) == (2, None)


@pytest.mark.parametrize(
    "failure",
    [ProviderError(Reason.PROVIDER_ERROR, "out"), ProviderError(Reason.PROVIDER_BLOCKED, "429"), KeyError("x")],
)
async def test_a_failure_is_nobodys_trouble_and_asked_about_again_after_ten_minutes(
    hours: Hours, market: Market, clock: ManualClock, failure: Exception
) -> None:
    market.failure = failure
    for _ in range(10):
        await hours.learn(quote())
        await clock.advance(59)
    assert (market.asked["AAPL"], hours.day_of(quote())) == (1, None)

    market.failure = None
    await clock.advance(FAILED_SECONDS - 590)
    await hours.learn(quote())

    assert hours.day_of(quote()) == DAY


async def test_a_failure_forgets_no_day(hours: Hours, market: Market, clock: ManualClock) -> None:
    await hours.learn(quote())
    await clock.advance(16 * 3_600)
    market.failure = ProviderError(Reason.PROVIDER_TIMEOUT, "out")

    await hours.learn(quote())

    assert hours.day_of(quote()) == DAY


async def test_who_asks_meanwhile_waits_for_the_same_answer_and_may_give_up(hours: Hours, market: Market) -> None:
    market.may_answer.clear()
    first, second = (asyncio.ensure_future(hours.learn(quote(symbol))) for symbol in ("AAPL", "MSFT"))
    await settle()
    first.cancel()
    await settle()

    market.may_answer.set()
    await second

    assert first.cancelled()
    assert market.asked == {"AAPL": 1}
    assert hours.day_of(quote()) == DAY


async def test_who_asks_at_the_same_time_shares_one_question(hours: Hours, market: Market) -> None:
    await asyncio.gather(hours.learn(quote()), hours.learn(quote("MSFT")))
    await hours.learn(quote())

    assert hours.day_of(quote()) == DAY
    assert market.asked == {"AAPL": 1}


async def test_many_exchanges_are_asked_about_two_at_a_time(hours: Hours, market: Market) -> None:
    market.may_answer.clear()
    tasks = [asyncio.ensure_future(hours.learn(quote(f"S{number}", exchange=None))) for number in range(20)]
    await settle()

    market.may_answer.set()
    await asyncio.gather(*tasks)

    assert (market.most_at_once, len(market.asked)) == (2, 20)


async def test_what_no_source_serves_is_asked_of_none(hours: Hours, market: Market) -> None:
    await hours.learn(quote("FOREIGN", exchange=None))

    assert (market.asked, hours.day_of(quote("FOREIGN", exchange=None))) == (Counter(), None)


async def test_closing_ends_what_hangs(hours: Hours, market: Market) -> None:
    market.may_answer.clear()
    asking = asyncio.ensure_future(hours.learn(quote()))
    await settle()

    await hours.close()
    await settle()

    assert asking.done()


# --- open or resting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("after", "is_resting"), [(-1, True), (0, False), (6 * HOUR, False), (16 * HOUR - 1, False)])
async def test_the_day_knows_better_than_what_an_old_quote_says(
    hours: Hours, state: MarketState, after: int, *, is_resting: bool
) -> None:
    await hours.learn(quote())

    assert hours.is_resting(quote(state=state), NOW + after) is is_resting


async def test_at_the_opening_a_market_that_was_closed_rests_no_longer(hours: Hours, market: Market) -> None:
    market.day = TradingDay(opens_at=NOW + HOUR, closes_at=NOW + 9 * HOUR)
    closed = quote(state=MarketState.CLOSED)
    assert hours.is_resting(closed, NOW + HOUR) is True, "nothing is known but the quote"

    await hours.learn(closed)

    assert hours.is_resting(closed, NOW + HOUR - 1) is True
    assert hours.is_resting(closed, NOW + HOUR) is False


async def test_a_market_that_is_called_closed_long_after_its_opening_has_a_holiday(hours: Hours) -> None:
    await hours.learn(quote())

    def says_closed(received_at: int) -> Quote:
        return quote(state=MarketState.CLOSED, received_at=received_at)

    assert hours.is_resting(says_closed(DAY.opens_at + MINUTE), DAY.opens_at + HOUR) is False, "the source is late"
    assert hours.is_resting(says_closed(DAY.opens_at + 6 * MINUTE), DAY.opens_at + HOUR) is True
    assert hours.is_resting(says_closed(DAY.opens_at + 6 * MINUTE), DAY.closes_at) is False, "the next part of the day"


async def test_what_was_traded_a_moment_ago_does_not_rest_before_the_day_begins(hours: Hours) -> None:
    await hours.learn(quote())

    assert hours.is_resting(quote(state=MarketState.OPEN, traded_at=NOW - 31 * MINUTE), NOW - 1) is True
    assert hours.is_resting(quote(state=MarketState.OPEN, traded_at=NOW - 29 * MINUTE), NOW - 1) is False
    assert hours.is_resting(quote(state=MarketState.CLOSED, traded_at=NOW - 2), NOW - 1) is True


@pytest.mark.parametrize("is_day_over", [False, True])
@pytest.mark.parametrize(
    ("state", "quiet_ms", "is_resting"),
    [
        (MarketState.CLOSED, 0, True),
        (MarketState.CLOSED, None, True),
        (MarketState.OPEN, 10 * HOUR, False),
        (MarketState.PRE, 10 * HOUR, False),
        (MarketState.POST, 10 * HOUR, False),
        (MarketState.UNKNOWN, 30 * MINUTE, False),
        (MarketState.UNKNOWN, 30 * MINUTE + 1, True),
        (MarketState.UNKNOWN, -MINUTE, False),
        (MarketState.UNKNOWN, None, False),
    ],
)
async def test_beyond_the_day_the_quote_is_believed(
    hours: Hours, state: MarketState, quiet_ms: int | None, *, is_resting: bool, is_day_over: bool
) -> None:
    now = NOW
    if is_day_over:
        await hours.learn(quote())
        now = NOW + 16 * HOUR
    told = quote(state=state, traded_at=None if quiet_ms is None else now - quiet_ms)

    assert hours.is_resting(told, now) is is_resting
