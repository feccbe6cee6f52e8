import asyncio
import math
import statistics
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktrack.clock import ManualClock
from stocktrack.providers.simulated.instruments import INSTRUMENTS
from stocktrack.providers.simulated.provider import SimulatedProvider
from stocktrack.quotes import MarketState, Quote, clean_link, clean_text, normalise_symbol
from stocktrack.testing import (
    Collected,
    CompanyContract,
    DividendContract,
    HistoryContract,
    NewsContract,
    ProviderContract,
    QuoteContract,
    SearchContract,
    StreamContract,
    Subject,
    SymbolNewsContract,
)

Make = Callable[..., SimulatedProvider]
# The manual clock begins on 5 April 2024 at 15:45 UTC: the ninth hour from then is in the next day.
HOURS_LEFT_OF_THE_DAY = 8
TRIED_FIRST = """
AAPL MSFT TSLA GOOG AMZN NVDA META SPY QQQ BRK-B ^GSPC ^IXIC ^SOX ^FTSE EURUSD=X BTC-USD ETH-USD GC=F CL=F
OCDO.L RELIANCE.NS 7203.T SAP.DE
"""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(clock: ManualClock) -> Make:
    def made(*, seed: int | None = 7, interval_seconds: float = 1.0) -> SimulatedProvider:
        return SimulatedProvider(interval_seconds=interval_seconds, seed=seed, clock=clock)

    return made


class TestTheSimulatedMarketKeepsTheContract(
    ProviderContract,
    QuoteContract,
    StreamContract,
    NewsContract,
    CompanyContract,
    DividendContract,
    SearchContract,
    SymbolNewsContract,
    HistoryContract,
):
    @pytest.fixture
    async def subject(self, make: Make, clock: ManualClock) -> AsyncIterator[Subject]:
        provider = make()
        await provider.start()
        yield Subject(
            provider,
            known=("AAPL", *(symbol for symbol in INSTRUMENTS if symbol != "AAPL"), "S0000", "S9999"),
            pays_dividends="AAPL",
            pays_no_dividends="TSLA",
            bars_until=clock.now_ms(),
            query="a",
            next_prices=lambda: clock.advance(1),
        )
        await provider.close()


async def stream_ticks(
    provider: SimulatedProvider, clock: ManualClock, wanted: Collection[str], ticks: int, interval_seconds: float = 1.0
) -> list[dict[str, Quote]]:
    """The batches of so many ticks, each by symbol."""
    batches: list[dict[str, Quote]] = []

    def publish(quotes: Sequence[Quote]) -> None:
        batches.append({quote.symbol: quote for quote in quotes})

    task = asyncio.create_task(provider.stream(lambda: wanted, Collected(publish)))
    await clock.advance(ticks * interval_seconds)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return batches


async def prices(provider: SimulatedProvider, clock: ManualClock, symbol: str, ticks: int) -> list[float]:
    return [batch[symbol].price for batch in await stream_ticks(provider, clock, [symbol], ticks)]


async def quote_of(provider: SimulatedProvider, symbol: str) -> Quote:
    return (await provider.quotes([symbol])).quotes[symbol]


# --- the table ---------------------------------------------------------------------------------------------------


def test_the_table_holds_the_symbols_that_people_try_first() -> None:
    assert set(TRIED_FIRST.split()) <= INSTRUMENTS.keys()
    assert len(INSTRUMENTS) >= 50


@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_every_row_of_the_table_is_plausible(symbol: str) -> None:
    instrument = INSTRUMENTS[symbol]

    assert normalise_symbol(symbol) == symbol
    assert clean_text(instrument.name, 100) == instrument.name
    assert instrument.first_price > 0
    assert round(instrument.first_price, instrument.digits) == instrument.first_price
    assert 5 <= instrument.volatility_percent <= 100
    assert instrument.website is None or clean_link(instrument.website) == instrument.website
    assert instrument.quarterly_dividend is None or instrument.quarterly_dividend < instrument.first_price / 20


# --- prices ------------------------------------------------------------------------------------------------------


async def test_every_tick_brings_every_wanted_symbol_another_price(make: Make, clock: ManualClock) -> None:
    wanted = [*INSTRUMENTS, "S0000", "S0815", "S9999"]
    provider = make()
    first = (await provider.quotes(wanted)).quotes

    batches = await stream_ticks(provider, clock, wanted, 100)

    assert len(batches) == 100
    for before, after in pairwise([first, *batches]):
        assert list(after) == wanted
        assert [symbol for symbol in wanted if before[symbol].price == after[symbol].price] == []


async def test_the_same_seed_repeats_itself_whoever_else_is_watched(make: Make, clock: ManualClock) -> None:
    alone = await prices(make(seed=7), clock, "AAPL", 50)
    among_others = await stream_ticks(make(seed=7), clock, ["TSLA", "S0001", "AAPL", "BTC-USD"], 50)

    assert [batch["AAPL"].price for batch in among_others] == alone


async def test_a_symbol_that_is_watched_later_begins_its_walk_where_it_always_does(
    make: Make, clock: ManualClock
) -> None:
    at_once = await prices(make(), clock, "AAPL", 20)
    provider = make()
    await stream_ticks(provider, clock, ["TSLA"], 30)

    assert await prices(provider, clock, "AAPL", 20) == at_once


async def test_another_seed_or_none_is_another_market(make: Make, clock: ManualClock) -> None:
    walks = [await prices(make(seed=seed), clock, "BTC-USD", 20) for seed in (1, 2, None, None)]

    assert len({tuple(walk) for walk in walks}) == 4


async def test_two_symbols_of_one_company_walk_apart(make: Make, clock: ManualClock) -> None:
    # A step of a day is far more than a tick, so that rounding does not hide where the walk goes.
    batches = await stream_ticks(make(interval_seconds=86_400.0), clock, ["GOOG", "GOOGL"], 30, 86_400.0)

    rises = [
        [after[symbol].price > before[symbol].price for before, after in pairwise(batches)] for symbol in batches[0]
    ]
    assert rises[0] != rises[1]


async def test_asking_twice_within_an_interval_gives_the_same_price(make: Make, clock: ManualClock) -> None:
    provider = make()
    first = await quote_of(provider, "AAPL")

    await clock.advance(0.4)
    second = await quote_of(provider, "AAPL")
    await clock.advance(0.7)
    third = await quote_of(provider, "AAPL")

    assert second.price == first.price
    assert third.price != first.price


async def test_asking_after_a_long_time_moves_the_price_by_one_step(make: Make, clock: ManualClock) -> None:
    streamed = await prices(make(), clock, "AAPL", 3)
    provider = make()

    asked = []
    for _ in range(3):
        asked.append((await quote_of(provider, "AAPL")).price)
        await clock.advance(1000)

    assert asked == streamed


async def test_while_the_stream_runs_asking_moves_nothing(make: Make, clock: ManualClock) -> None:
    alone = await prices(make(), clock, "AAPL", 5)
    provider = make()
    streamed: list[float] = []
    task = asyncio.create_task(
        provider.stream(lambda: ["AAPL"], Collected(lambda quotes: streamed.extend(quote.price for quote in quotes)))
    )
    await clock.advance(1)

    for _ in range(4):
        # The stream is late for this tick: who asks meanwhile must not take the step away from it.
        clock._elapsed += 0.999
        assert (await quote_of(provider, "AAPL")).price == streamed[-1]
        clock._elapsed += 0.001
        assert (await quote_of(provider, "AAPL")).price == streamed[-1]
        await clock.advance(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert streamed == alone


async def test_while_the_stream_runs_a_symbol_that_is_only_asked_for_moves_too(make: Make, clock: ManualClock) -> None:
    provider = make()
    task = asyncio.create_task(provider.stream(lambda: ["AAPL"], Collected()))
    asked = []
    for _ in range(5):
        asked.append((await quote_of(provider, "TSLA")).price)
        await clock.advance(1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert all(before != after for before, after in pairwise(asked))


async def test_a_stream_of_unknown_symbols_or_of_none_publishes_nothing(make: Make, clock: ManualClock) -> None:
    assert await stream_ticks(make(), clock, ["NOPE", "S12345", "S000", "s0000"], 3) == []
    assert await stream_ticks(make(), clock, [], 3) == []


async def test_prices_are_as_precise_as_their_market(make: Make, clock: ManualClock) -> None:
    digits = {"EURUSD=X": 5, "USDJPY=X": 3, "BTC-USD": 2, "DOGE-USD": 5, "OCDO.L": 2, "7203.T": 0, "GC=F": 1, "AAPL": 2}

    batches = await stream_ticks(make(), clock, digits, 200)

    for symbol, places in digits.items():
        walk = [batch[symbol].price for batch in batches]
        assert all(round(price, places) == price for price in walk), symbol
        assert any(round(price, places - 1) != price for price in walk), symbol
        assert {batch[symbol].price_hint for batch in batches} == {places}


async def test_a_quote_says_what_its_market_has_and_no_more(make: Make) -> None:
    answer = await make().quotes(["AAPL", "OCDO.L", "EURUSD=X", "^GSPC"])

    apple, ocado, euro, index = answer.quotes.values()
    assert (apple.name, apple.exchange, apple.currency) == ("Apple Inc.", "NASDAQ", "USD")
    assert ocado.currency == "GBp"
    assert (euro.volume, euro.bid is None) == (None, False)
    assert (index.volume, index.bid, index.ask) == (None, None, None)


async def test_a_quote_carries_the_time_of_the_clock_and_an_open_market(make: Make, clock: ManualClock) -> None:
    provider = make()
    await clock.advance(12.345)

    quote = await quote_of(provider, "AAPL")

    assert quote.timestamp == quote.received_at == clock.now_ms()
    assert (quote.market_state, quote.delay_seconds) == (MarketState.OPEN, 0)


async def test_the_figures_of_a_quote_belong_together(make: Make, clock: ManualClock) -> None:
    batches = await stream_ticks(make(), clock, list(INSTRUMENTS), 50)

    for symbol, instrument in INSTRUMENTS.items():
        walk = [batch[symbol] for batch in batches]
        for quote in walk:
            assert quote.previous_close is not None
            change = quote.price - quote.previous_close
            assert quote.change == round(change, instrument.digits)
            assert quote.change_percent == round(change / quote.previous_close * 100, 2)
        # The day has figures of before the walk began, too.
        walked, first = [quote.price for quote in walk], walk[0]
        assert first.high is not None
        assert first.low is not None
        assert first.low <= min(instrument.first_price, first.price) <= first.price <= first.high
        assert [quote.high for quote in walk] == [max(first.high, *walked[: n + 1]) for n in range(50)]
        assert [quote.low for quote in walk] == [min(first.low, *walked[: n + 1]) for n in range(50)]
        assert {quote.open for quote in walk} == {instrument.first_price}


async def test_somebody_bids_less_and_somebody_asks_more(make: Make, clock: ManualClock) -> None:
    batches = await stream_ticks(make(), clock, [symbol for symbol in INSTRUMENTS if symbol[0] != "^"], 20)

    for quote in (quote for batch in batches for quote in batch.values()):
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.price < quote.ask


async def test_the_volume_only_grows_within_a_day(make: Make, clock: ManualClock) -> None:
    batches = await stream_ticks(make(), clock, ["AAPL"], 50)

    volumes = [batch["AAPL"].volume or 0 for batch in batches]
    assert volumes[0] == int(58e6 * 945 / 1_440)  # of the minutes of the day until now
    assert all(before < after for before, after in pairwise(volumes))


async def test_a_new_day_closes_the_old_one(make: Make, clock: ManualClock) -> None:
    batches = await stream_ticks(make(interval_seconds=3600.0), clock, ["AAPL"], 24, 3600.0)

    yesterday = batches[HOURS_LEFT_OF_THE_DAY - 1]["AAPL"]
    today = batches[HOURS_LEFT_OF_THE_DAY]["AAPL"]
    assert today.previous_close == yesterday.price != yesterday.previous_close
    assert today.open == today.high == today.low == today.price
    assert (today.volume or 0) < (yesterday.volume or 0)


async def test_each_asset_is_as_restless_as_its_table_says(make: Make, clock: ManualClock) -> None:
    symbols = ["SPY", "AAPL", "BTC-USD", "EURUSD=X"]
    batches = await stream_ticks(make(interval_seconds=3600.0), clock, symbols, 2000, 3600.0)

    for symbol in symbols:
        returns = [math.log(after[symbol].price / before[symbol].price) for before, after in pairwise(batches)]
        yearly_percent = statistics.stdev(returns) * math.sqrt(365 * 24) * 100
        assert yearly_percent == pytest.approx(INSTRUMENTS[symbol].volatility_percent, rel=0.1), symbol


async def test_after_ten_years_prices_are_still_plausible(make: Make, clock: ManualClock) -> None:
    symbols = ["SPY", "NVDA", "BTC-USD", "DOGE-USD"]

    batches = await stream_ticks(make(interval_seconds=86_400.0), clock, symbols, 3650, 86_400.0)

    for symbol in symbols:
        first = INSTRUMENTS[symbol].first_price
        assert all(first / 4 < batch[symbol].price < first * 4 for batch in batches), symbol


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(), number=st.integers(0, 9999), interval_seconds=st.floats(0.05, 86_400))
async def test_a_walk_stays_positive_and_near_its_first_price(seed: int, number: int, interval_seconds: float) -> None:
    clock = ManualClock()
    provider = SimulatedProvider(interval_seconds=interval_seconds, seed=seed, clock=clock)
    symbol = f"S{number:04}"
    first = await quote_of(provider, symbol)

    walk = [first]
    for _ in range(500):
        await clock.advance(interval_seconds * 1.01)
        walk.append(await quote_of(provider, symbol))

    assert all(before.price != after.price for before, after in pairwise(walk))
    assert all(first.price / 6 < quote.price < first.price * 6 for quote in walk)


# --- the pace ----------------------------------------------------------------------------------------------------


class LateClock(ManualClock):
    """A clock whose sleeps end late, by as much as the script says; when it is at its end the sleeper is cancelled."""

    def __init__(self, lateness: Sequence[float]) -> None:
        super().__init__()
        self._lateness = iter(lateness)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        late = next(self._lateness, None)
        if late is None:
            raise asyncio.CancelledError
        self.slept.append(round(seconds, 6))
        self._elapsed += seconds + late


async def paced(lateness: Sequence[float]) -> tuple[LateClock, list[int]]:
    """The sleeps of a stream, and when it published."""
    clock = LateClock(lateness)
    provider = SimulatedProvider(interval_seconds=1.0, seed=1, clock=clock)
    published: list[int] = []
    with suppress(asyncio.CancelledError):
        await provider.stream(
            lambda: ["AAPL"], Collected(lambda _: published.append(clock.now_ms() - 1_712_331_900_000))
        )
    return clock, published


async def test_lateness_does_not_add_up() -> None:
    clock, published = await paced([0.3, 0.3, 0.3, 0.0])

    assert clock.slept == [1.0, 0.7, 0.7, 0.7]
    assert published == [1300, 2300, 3300, 4000]


async def test_ticks_missed_are_left_out_and_never_made_up_for_in_a_burst() -> None:
    clock, published = await paced([0.0, 3.4, 0.0, 0.0])

    assert clock.slept == [1.0, 1.0, 0.6, 1.0]
    assert published == [1000, 5400, 6000, 7000]


async def test_a_sleep_that_ends_early_makes_no_second_tick() -> None:
    _, published = await paced([-0.001, 0.0, 0.0])

    assert published == [999, 2000, 3000]


async def test_every_tick_is_one_batch(make: Make, clock: ManualClock) -> None:
    batches = await stream_ticks(make(interval_seconds=0.1), clock, ["AAPL", "TSLA"], 25, 0.1)

    assert len(batches) == 25
    assert {len(batch) for batch in batches} == {2}


# --- everything else ---------------------------------------------------------------------------------------------


async def test_news_is_a_dozen_headlines_that_say_they_are_simulated(make: Make, clock: ManualClock) -> None:
    headlines = await make().news()

    assert len(headlines) == 12
    for headline in headlines:
        assert headline.title.startswith("Simulated: ")
        assert any(instrument.name in headline.title for instrument in INSTRUMENTS.values())
        assert headline.source == "Simulated News"
        assert (headline.link or "").startswith("https://example.com/")
        assert 0 <= clock.now_ms() - (headline.published or 0) <= 2 * 3_600_000


async def test_news_of_a_symbol_is_about_it_alone_and_says_that_it_is_simulated(make: Make, clock: ManualClock) -> None:
    headlines = await make().symbol_news("BRK-B")

    assert len({headline.link for headline in headlines}) == len(headlines) == 12
    assert all("Berkshire Hathaway Inc." in headline.title for headline in headlines)
    assert all(headline.title.startswith("Simulated: ") for headline in headlines)
    assert headlines[0].published is not None
    assert clock.now_ms() - 600_000 < headlines[0].published <= clock.now_ms()
    assert (await make().symbol_news("S0042"))[0].title.count("Synthetic 0042") == 1


async def test_news_moves_on_with_the_clock(make: Make, clock: ManualClock) -> None:
    provider = make()
    before = await provider.news()
    assert await provider.news() == before

    await clock.advance(600)
    after = await provider.news()

    assert after[1:] == before[:-1]
    assert after[0] not in before


@pytest.mark.parametrize("symbol", [each.symbol for each in INSTRUMENTS.values() if each.quarterly_dividend])
async def test_a_dividend_is_paid_every_quarter_until_today(make: Make, clock: ManualClock, symbol: str) -> None:
    today = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date()

    dividends = await make().dividends(symbol)

    assert dividends is not None
    assert len(dividends) == 12
    assert today - timedelta(days=92) <= dividends[0].date <= today
    assert all(89 <= (newer.date - older.date).days <= 92 for newer, older in pairwise(dividends))
    assert all(newer.amount >= older.amount for newer, older in pairwise(dividends))


async def test_dividends_already_paid_never_change(make: Make, clock: ManualClock) -> None:
    before = await make(seed=1).dividends("MSFT")
    await clock.advance(92 * 86_400)
    after = await make(seed=2).dividends("MSFT")

    assert before is not None
    assert after is not None
    assert after[0] not in before
    assert after[1:] == before[: len(after) - 1]


@pytest.mark.parametrize("symbol", ["TSLA", "AMZN", "BRK-B", "^GSPC", "EURUSD=X", "BTC-USD", "GC=F", "S0001"])
async def test_what_never_paid_a_dividend_has_an_empty_list(make: Make, symbol: str) -> None:
    assert await make().dividends(symbol) == []


async def test_a_company_is_told_from_the_table(make: Make) -> None:
    company = await make().company("AAPL")

    assert company is not None
    assert (company.name, company.sector, company.industry) == ("Apple Inc.", "Technology", "Consumer Electronics")
    assert (company.website, company.exchange, company.currency) == ("https://apple.com", "NASDAQ", "USD")
    assert "simulated" in (company.summary or "")


@pytest.mark.parametrize("symbol", ["S0000", "S4711", "S9999"])
async def test_synthetic_symbols_are_known_everywhere(make: Make, symbol: str) -> None:
    provider = make()

    company = await provider.company(symbol)

    assert company is not None
    assert company.name == f"Synthetic {symbol[1:]}"
    assert (await quote_of(provider, symbol)).name == company.name


@pytest.mark.parametrize("symbol", ["NOPE", "S000", "S00000", "S000A", "SPY2", "S\u0660\u0660\u0660\u0660", ""])
async def test_everything_else_is_unknown(make: Make, symbol: str) -> None:
    provider = make()

    assert (await provider.quotes([symbol])).unknown == {symbol}
    assert await provider.company(symbol) is None
    assert await provider.dividends(symbol) is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("AAPL", ["AAPL"]),
        ("apple", ["AAPL"]),
        ("goog", ["GOOG", "GOOGL"]),
        ("gspc", ["^GSPC"]),
        ("^GS", ["^GSPC"]),
        ("T", ["T", "TSLA"]),
        ("group", ["OCDO.L", "VOD.L", "6758.T"]),
        ("uSOFT", []),
        ("S0042", ["S0042"]),
        ("s004", [f"S004{n}" for n in range(10)]),
        ("Synthetic 12", [f"S12{n:02}" for n in range(10)]),
        ("synth", [f"S{n:04}" for n in range(10)]),
        ("S00042", []),
    ],
)
async def test_a_search_finds_symbols_first_and_names_after_them(make: Make, query: str, found: list[str]) -> None:
    matches = await make().search(query, 10)

    assert [match.symbol for match in matches][: len(found) or None] == found


async def test_a_match_says_name_and_exchange(make: Make) -> None:
    (match,) = await make().search("ocado", 10)

    assert (match.symbol, match.name, match.exchange) == ("OCDO.L", "Ocado Group plc", "LSE")
