import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from fakes import NOW_MS, House, MakeProviders, ScriptedProvider, ScriptedQuotes, a_house
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.questions import HOURS_PATIENCE_SECONDS, NEWS_SECONDS, SYMBOL_NEWS_SECONDS
from stocktrack.providers.base import Capability, Provider
from stocktrack.providers.instruments import Instruments
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, TradingDay


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    assert isinstance(house.provider, ScriptedProvider)
    return house.provider


async def test_news_are_asked_for_once_for_everybody_and_cut_to_the_limit(
    house: House, provider: ScriptedProvider
) -> None:
    lists = await asyncio.gather(*(house.feed.questions.news(limit) for limit in (1, 10, 100)))
    assert [len(headlines) for headlines in lists] == [1, 10, 12]
    assert provider.requests[Capability.NEWS] == 1
    await house.clock.advance(NEWS_SECONDS)
    await house.feed.questions.news(10)
    assert provider.requests[Capability.NEWS] == 2


async def test_no_headlines_are_a_404(house: House, provider: ScriptedProvider) -> None:
    provider.headlines = []
    with pytest.raises(CommandError) as caught:
        await house.feed.questions.news(10)
    assert caught.value.reason is Reason.NO_NEWS


async def test_news_of_a_symbol_are_asked_for_once_for_everybody_and_cut_to_the_limit(
    house: House, provider: ScriptedProvider
) -> None:
    lists = await asyncio.gather(*(house.feed.questions.symbol_news("AAPL", limit) for limit in (1, 10, 100)))
    assert [len(headlines) for headlines in lists] == [1, 10, 12]
    assert (provider.requests[Capability.SYMBOL_NEWS], provider.requests[Capability.NEWS]) == (1, 0)
    await house.clock.advance(SYMBOL_NEWS_SECONDS - 1)
    await house.feed.questions.symbol_news("AAPL", 10)
    assert provider.requests[Capability.SYMBOL_NEWS] == 1
    await house.clock.advance(1)
    await house.feed.questions.symbol_news("AAPL", 10)
    assert provider.requests[Capability.SYMBOL_NEWS] == 2


async def test_a_symbol_that_is_there_is_looked_for_once_an_hour(house: House, provider: ScriptedProvider) -> None:
    for _ in range(10):
        await house.feed.questions.symbol_news("AAPL", 10)
        await house.clock.advance(SYMBOL_NEWS_SECONDS)
    assert provider.quote_requests == 1


async def test_a_symbol_without_headlines_and_a_symbol_that_is_unknown_are_told_apart(
    house: House, provider: ScriptedProvider
) -> None:
    # What looks for words in texts finds some of any symbol.
    provider.symbol_headlines["NOPE"] = provider.symbol_headlines["AAPL"]
    for symbol, reason in (("MSFT", Reason.NO_NEWS), ("NOPE", Reason.UNKNOWN_SYMBOL)):
        with pytest.raises(StockTrackError, match=symbol) as caught:
            await house.feed.questions.symbol_news(symbol, 10)
        assert caught.value.reason is reason


async def test_news_of_a_symbol_go_on_while_its_price_cannot_be_had(house: House, provider: ScriptedProvider) -> None:
    provider.odd.add("AAPL")
    assert len(await house.feed.questions.symbol_news("AAPL", 10)) == 10


async def test_news_of_a_symbol_come_from_the_first_source_that_serves_it_and_has_some() -> None:
    class American(ScriptedProvider):
        def serves(self, symbol: str) -> bool:
            return not symbol.endswith(".NS")

    async with a_house(lambda clock: (American(clock), ScriptedProvider(clock, name="world"))) as house:
        american, world = (upstream.provider for upstream in house.feed.routes.upstreams)
        assert isinstance(american, American)
        assert isinstance(world, ScriptedProvider)
        american.prices["INFY.NS"] = world.prices["INFY.NS"] = 1_500.0
        mint, other = Headline(title="Infosys up", source="Mint"), Headline(title="Microsoft up", source="Wire")
        world.symbol_headlines = {"INFY.NS": [mint], "AAPL": [other], "MSFT": [other]}

        told = [(await house.feed.questions.symbol_news(each, 1))[0].title for each in ("INFY.NS", "AAPL", "MSFT")]

    assert told == ["Infosys up", "Apple 0", "Microsoft up"]


async def test_without_a_source_of_them_news_of_a_symbol_are_not_offered() -> None:
    async with a_house(lambda clock: (ScriptedQuotes(clock),)) as house:
        with pytest.raises(CommandError) as caught:
            await house.feed.questions.symbol_news("AAPL", 10)
    assert caught.value.reason is Reason.NOT_OFFERED


async def test_a_symbol_without_a_company_and_a_symbol_that_is_unknown_are_told_apart(house: House) -> None:
    assert (await house.feed.questions.company("AAPL")).name == "Apple Inc."
    for symbol, reason in (("MSFT", Reason.NO_COMPANY_INFO), ("NOPE", Reason.UNKNOWN_SYMBOL)):
        with pytest.raises(Exception, match=symbol) as caught:
            await house.feed.questions.company(symbol)
        assert getattr(caught.value, "reason", None) is reason


async def test_that_there_is_no_company_is_remembered(house: House, provider: ScriptedProvider) -> None:
    for _ in range(3):
        with pytest.raises(CommandError):
            await house.feed.questions.company("MSFT")
    assert provider.requests[Capability.COMPANY] == 1


async def test_dividends_are_cut_to_the_limit_and_none_at_all_is_a_404(
    house: House, provider: ScriptedProvider
) -> None:
    provider.paid["AAPL"] = [Dividend(date=date(2024, month, 9), amount=0.24) for month in range(9, 0, -1)]
    assert [paid.date.month for paid in await house.feed.questions.dividends("AAPL", 2)] == [9, 8]
    for symbol, reason in (("TSLA", Reason.NO_DIVIDENDS), ("NOPE", Reason.UNKNOWN_SYMBOL)):
        with pytest.raises(Exception, match=symbol) as caught:
            await house.feed.questions.dividends(symbol, 5)
        assert getattr(caught.value, "reason", None) is reason


RELIANCE = "NSE:RELIANCE,,,Reliance Industries,NSE,,,EQ,1,0.05\n"
FUTURE = "NFO:RELIANCE24APRFUT,,,RELIANCE,NFO,2024-04-25,,FUT,250,0.05\n"
EXPIRED = "NFO:RELIANCE24MARFUT,,,RELIANCE,NFO,2024-03-28,,FUT,250,0.05\n"


@asynccontextmanager
async def a_house_with(path: Path | None, make: MakeProviders | None = None) -> AsyncIterator[House]:
    """A house at the fifth of April 2024 with an instrument file."""
    instruments = Instruments(ManualClock(NOW_MS))
    await instruments.load(path)
    async with a_house(
        make or (lambda clock: (ScriptedProvider(clock, name="yahoo"),)), instruments=instruments
    ) as built:
        yield built
    await instruments.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "symbols.csv"
    header = "symbol,source,source_symbol,name,exchange,expiry,strike,type,lot,tick\n"
    path.write_text(f"{header}{RELIANCE}{EXPIRED}{FUTURE}GOLD,yahoo,GC=F,Gold\n")
    return path


def yahoo_of(house: House) -> ScriptedProvider:
    assert isinstance(house.provider, ScriptedProvider)
    return house.provider


async def test_a_search_finds_what_the_file_has_and_then_what_the_source_has(path: Path) -> None:
    async with a_house_with(path) as house:
        yahoo_of(house).matches = [Match(symbol=symbol, name="Reliance") for symbol in ("RELIANCE.NS", "RELI", "GOLD")]
        found = await house.feed.questions.search("reliance", 10)
        assert [(match.symbol, match.segment) for match in found] == [
            *(("NSE:RELIANCE", "NSE"), ("NFO:RELIANCE24APRFUT", "NFO"), ("NFO:RELIANCE24MARFUT", "NFO")),
            *(("RELIANCE.NS", "NSE"), ("RELI", None), ("GOLD", None)),
        ]
        assert found[1].expiry == date(2024, 4, 25)
        assert await house.feed.questions.search("reliance", 4) == found[:4]


async def test_a_source_is_not_asked_where_the_file_has_enough(path: Path) -> None:
    async with a_house_with(path) as house:
        assert len(await house.feed.questions.search("reliance", 3)) == 3
        assert yahoo_of(house).requests.total() == 0


@pytest.mark.parametrize(
    ("query", "segment", "symbols"),
    [
        ("reliance", "FO", ["NFO:RELIANCE24APRFUT", "NFO:RELIANCE24MARFUT"]),
        ("NFO:reliance", None, ["NFO:RELIANCE24APRFUT", "NFO:RELIANCE24MARFUT"]),
        ("reliance", "C", ["NSE:RELIANCE", "RELIANCE.NS"]),
        ("NSE_EQ:RELIANCE", "NSE", ["NSE:RELIANCE", "RELIANCE.NS"]),
        ("reliance", "BSE", ["RELIANCE.BO"]),
        ("reliance", "O", []),
        ("reliance", "MCX", []),
        ("NFO:RELIANCE", "MCX", []),
    ],
)
async def test_a_search_in_a_segment_finds_nothing_else(
    path: Path, query: str, segment: str | None, symbols: list[str]
) -> None:
    async with a_house_with(path) as house:
        yahoo_of(house).matches = [
            Match(symbol=symbol, name="Reliance") for symbol in ("RELIANCE.BO", "RELI", "RELIANCE.NS")
        ]
        found = await house.feed.questions.search(query, 10, segment=segment)
        assert [match.symbol for match in found] == symbols


async def test_without_a_file_a_search_for_contracts_says_what_is_missing() -> None:
    async with a_house_with(None) as house:
        yahoo_of(house).matches = [Match(symbol="RELIANCE.NS", name="Reliance")]
        with pytest.raises(CommandError, match="has no instrument file: its setting symbols_file names one") as caught:
            await house.feed.questions.search("reliance", 10, segment="F")
        assert caught.value.reason is Reason.NOT_OFFERED
        found = await house.feed.questions.search("reliance", 10, segment="NSE_EQ")
        assert [match.symbol for match in found] == ["RELIANCE.NS"]


@pytest.mark.parametrize(
    ("segment", "symbols"),
    [
        ("FO", ["NFO:RELIANCE28APR24FUT", "NFO:RELIANCE28APR242900CE"]),
        ("F", ["NFO:RELIANCE28APR24FUT"]),
        ("O", ["NFO:RELIANCE28APR242900CE"]),
        ("C", ["RELIANCE.NS"]),
    ],
)
async def test_without_a_file_the_first_source_that_may_have_the_segment_is_asked(
    segment: str, symbols: list[str]
) -> None:
    def make(clock: ManualClock) -> Sequence[Provider]:
        finnhub, yahoo, openalgo = (ScriptedProvider(clock, name=name) for name in ("finnhub", "yahoo", "openalgo"))
        finnhub.matches = [Match(symbol="RELI", name="Reliance Global")]
        yahoo.matches = [Match(symbol="RELIANCE.NS", name="Reliance")]
        openalgo.matches = [
            Match(symbol=f"NFO:RELIANCE28APR24{kind}", name="RELIANCE", segment="NFO", type=kind[-3:].lstrip("0"))
            for kind in ("FUT", "2900CE")
        ]
        return (finnhub, yahoo, openalgo)

    async with a_house_with(None, make) as house:
        found = await house.feed.questions.search("reliance", 10, segment=segment)
        assert [match.symbol for match in found] == symbols
        assert yahoo_of(house).requests.total() == 0  # it is Finnhub, which has nothing of India


async def test_what_the_file_knows_is_told_while_the_source_fails_and_where_there_is_none(path: Path) -> None:
    async with a_house_with(path) as house:
        yahoo_of(house).script = "fail"
        assert len(await house.feed.questions.search("reliance", 10)) == 3
        assert (await house.feed.questions.company("NSE:RELIANCE")).name == "Reliance Industries"
        with pytest.raises(ProviderError):
            await house.feed.questions.search("apple", 10)
        with pytest.raises(ProviderError):
            await house.feed.questions.company("AAPL")
    async with a_house_with(path, lambda clock: (ScriptedQuotes(clock, name="yahoo"),)) as house:
        assert len(await house.feed.questions.search("reliance", 10)) == 3
        assert await house.feed.questions.search("apple", 10) == []
        assert (await house.feed.questions.company("NFO:RELIANCE24APRFUT")).lot == 250


async def test_a_source_is_asked_for_what_it_calls_the_symbol(path: Path) -> None:
    async with a_house_with(path) as house:
        yahoo = yahoo_of(house)
        yahoo.companies = {
            symbol: CompanyInfo(symbol=symbol, sector="Energy") for symbol in ("RELIANCE.NS", "INFY.BO", "GC=F")
        }
        yahoo.paid = {"RELIANCE.NS": [Dividend(date=date(2024, 3, 1), amount=9.0)]}
        for symbol, name in (("NSE_EQ:RELIANCE", "Reliance Industries"), ("BSE:INFY", None), ("GOLD", "Gold")):
            company = await house.feed.questions.company(symbol)
            assert (company.symbol, company.sector, company.name) == (symbol, "Energy", name)
        assert (await house.feed.questions.dividends("NSE:RELIANCE", 5))[0].amount == 9.0


async def test_what_has_expired_still_has_its_facts_and_says_that_it_has_where_money_is_asked_for(path: Path) -> None:
    async with a_house_with(path) as house:
        assert (await house.feed.questions.company("NFO:RELIANCE24MARFUT")).expiry == date(2024, 3, 28)
        with pytest.raises(CommandError, match=r"NFO:RELIANCE24MARFUT expired on 2024-03-28\.") as caught:
            await house.feed.questions.dividends("NFO:RELIANCE24MARFUT", 5)
        assert caught.value.reason is Reason.NOT_OFFERED


async def test_a_search_without_matches_is_an_empty_list(house: House) -> None:
    assert [match.symbol for match in await house.feed.questions.search("apple", 10)] == ["AAPL"]
    assert await house.feed.questions.search("zebra", 10) == []


DAY = TradingDay(opens_at=1_712_323_800_000, closes_at=1_712_347_200_000)


class WithHours(ScriptedProvider):
    """A source that tells the hours of every market, unless it hangs or fails at that alone."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.may_tell = asyncio.Event()
        self.may_tell.set()
        self.hours_fail = False

    async def trading_day(self, symbol: str) -> TradingDay | None:
        assert symbol == "AAPL"
        self.requests[Capability.HOURS] += 1
        await self.may_tell.wait()
        if self.hours_fail:
            raise ProviderError(Reason.PROVIDER_ERROR, "out of order")
        return DAY


async def test_a_company_comes_with_the_hours_of_its_market() -> None:
    async with a_house(lambda clock: (WithHours(clock),)) as house:
        source = house.provider
        assert isinstance(source, WithHours)
        companies = [await house.feed.questions.company("AAPL") for _ in range(3)]

    assert {(each.name, each.market_opens_at, each.market_closes_at) for each in companies} == {
        ("Apple Inc.", DAY.opens_at, DAY.closes_at)
    }
    assert (source.requests[Capability.COMPANY], source.requests[Capability.HOURS]) == (1, 1)


async def test_a_company_is_told_without_hours_where_there_are_none(house: House) -> None:
    company = await house.feed.questions.company("AAPL")

    assert (company.name, company.market_opens_at, company.market_closes_at) == ("Apple Inc.", None, None)


async def test_hours_that_fail_fail_no_company() -> None:
    async with a_house(lambda clock: (WithHours(clock),)) as house:
        source = house.provider
        assert isinstance(source, WithHours)
        source.hours_fail = True
        company = await house.feed.questions.company("AAPL")

    assert (company.name, company.market_opens_at) == ("Apple Inc.", None)


async def test_hours_that_hang_keep_a_company_waiting_for_a_moment_and_are_there_the_next_time() -> None:
    async with a_house(lambda clock: (WithHours(clock),)) as house:
        source = house.provider
        assert isinstance(source, WithHours)
        source.may_tell.clear()
        asking = asyncio.ensure_future(house.feed.questions.company("AAPL"))
        await house.clock.advance(HOURS_PATIENCE_SECONDS)
        assert (await asking).market_opens_at is None

        source.may_tell.set()
        await settle()

        assert (await house.feed.questions.company("AAPL")).market_opens_at == DAY.opens_at
        assert source.requests[Capability.HOURS] == 1
