"""The Yahoo source and the real yfinance against recorded answers of Yahoo, where this machine has them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from recorded_yahoo import RecordedYahoo, recorded_yahoo
from stocktrack.clock import RealClock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.base import QuoteAnswer
from stocktrack.providers.yahoo.provider import YahooProvider
from stocktrack.quotes import MarketState
from yahoo_redirect import send_yahoo_to

SYMBOLS = ("AAPL", "OCDO.L", "BTC-USD", "QQQ", "GC=F", "^SOX", "ALL.AX")
TWELVE = (*SYMBOLS, "AMZN", "TSLA", "GOOG", "CRON", "^VXAPL")
UNKNOWN = "NOSUCH"
CURRENCIES = {"OCDO.L": "GBp", "ALL.AX": "AUD"}
MARKET_STATES = {"AAPL": MarketState.CLOSED, "QQQ": MarketState.CLOSED}
# The stub makes up the rows that were not recorded, and says that their market is open.


@pytest.fixture
async def recorded(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RecordedYahoo]:
    async with recorded_yahoo(rebase="off") as stub:
        send_yahoo_to(stub.url, monkeypatch)
        yield stub


async def started(folder: Path, timeout_seconds: float) -> YahooProvider:
    provider = YahooProvider(timeout_seconds=timeout_seconds, cache_dir=folder, clock=RealClock())
    await provider.start()
    return provider


@pytest.fixture
async def yahoo(recorded: RecordedYahoo, tmp_path: Path) -> AsyncIterator[YahooProvider]:
    provider = await started(tmp_path, 20)
    yield provider
    await provider.close()


@pytest.fixture
async def hasty_yahoo(recorded: RecordedYahoo, tmp_path: Path) -> AsyncIterator[YahooProvider]:
    provider = await started(tmp_path, 1.5)
    yield provider
    await provider.close()


def recorded_price(recorded: RecordedYahoo, symbol: str) -> float:
    """The one price that the stub gives at every endpoint: that of the recorded chart."""
    answer = recorded.recorded("chart", symbol)
    price: float = answer["chart"]["result"][0]["meta"]["regularMarketPrice"]
    return price


async def asked(provider: YahooProvider, symbols: Sequence[str]) -> QuoteAnswer:
    """The answer; where the call failed as a whole, its error stands for every symbol."""
    try:
        return await provider.quotes(symbols)
    except ProviderError as error:
        return QuoteAnswer(failed=dict.fromkeys(symbols, error))


def prices(answer: QuoteAnswer) -> dict[str, float]:
    return {symbol: quote.price for symbol, quote in answer.quotes.items()}


async def test_quotes_are_those_on_record(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    answer = await yahoo.quotes([*SYMBOLS, UNKNOWN])

    assert answer.unknown == {UNKNOWN}
    assert answer.failed == {}
    assert prices(answer) == {symbol: recorded_price(recorded, symbol) for symbol in SYMBOLS}
    for symbol, quote in answer.quotes.items():
        assert quote.currency == CURRENCIES.get(symbol, "USD")
        assert quote.market_state is MARKET_STATES.get(symbol, MarketState.OPEN)
        assert quote.timestamp is not None
        assert quote.previous_close is not None
        assert quote.change is not None
        assert quote.change == pytest.approx(quote.price - quote.previous_close)
        assert quote.change_percent == pytest.approx(quote.change / quote.previous_close * 100, rel=1e-4)


async def test_the_price_after_hours_and_the_figures_of_the_year_are_those_on_record(
    recorded: RecordedYahoo, yahoo: YahooProvider
) -> None:
    quotes = (await yahoo.quotes(["AAPL", "CRON", "BTC-USD", "OCDO.L"])).quotes

    apple = quotes["AAPL"]
    assert (apple.price, apple.extended_price, apple.extended_change) == (269.7, 270.75, 1.05)
    assert apple.extended_change_percent == pytest.approx(0.3893, abs=1e-4)
    assert apple.timestamp is not None
    assert apple.extended_time == apple.timestamp + 14_395_000
    for symbol, quote in quotes.items():
        row = recorded.recorded("quote", symbol)["quoteResponse"]["result"][0]
        assert (quote.fifty_two_week_low, quote.fifty_two_week_high) == (
            row["fiftyTwoWeekLow"],
            row["fiftyTwoWeekHigh"],
        )
        assert (quote.trailing_pe, quote.price_hint) == (row.get("trailingPE"), row["priceHint"])
        assert quote.market_cap == row["marketCap"]
    assert {quote.market_cap_currency for quote in quotes.values()} == {"USD", "GBP"}
    assert [quote.extended_price for quote in quotes.values()][2:] == [None, None]


async def test_an_index_without_a_day_range_leaves_it_out(yahoo: YahooProvider) -> None:
    quote = (await yahoo.quotes(["^VXAPL"])).quotes["^VXAPL"]

    assert (quote.price, quote.bid, quote.ask, quote.open, quote.high, quote.low) == (23.77, *[None] * 5)
    assert (quote.change, quote.market_state, quote.delay_seconds) == (-0.51, MarketState.CLOSED, 900)


async def test_twelve_symbols_are_one_request_and_an_unknown_one_adds_a_chart(
    recorded: RecordedYahoo, yahoo: YahooProvider
) -> None:
    await yahoo.quotes(TWELVE)
    first = (await recorded.stats(clear=True))["by_endpoint"]
    await yahoo.quotes(TWELVE)
    second = (await recorded.stats(clear=True))["by_endpoint"]
    await yahoo.quotes([*TWELVE, UNKNOWN])
    third = (await recorded.stats(clear=True))["by_endpoint"]
    await yahoo.company(UNKNOWN)
    await yahoo.quotes(TWELVE)

    assert first == {"cookie": 1, "crumb": 1, "quote": 1}
    assert second == {"quote": 1}
    assert third == {"quote": 1, "chart": 1}
    # The company was asked of the list of quotes as well, before it was given up.
    assert (await recorded.stats())["by_endpoint"] == {"quoteSummary": 1, "quote": 2}


async def test_the_charts_tell_the_same_prices(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    await recorded.fault("quote", "401")

    answer = await yahoo.quotes([*SYMBOLS, UNKNOWN])

    assert prices(answer) == {symbol: recorded_price(recorded, symbol) for symbol in SYMBOLS}
    assert answer.unknown == {UNKNOWN}
    assert {symbol: quote.currency for symbol, quote in answer.quotes.items()} == {
        symbol: CURRENCIES.get(symbol, "USD") for symbol in SYMBOLS
    }


async def test_a_price_that_moves_is_seen_at_once(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    await recorded.price("AAPL", 280.5, previous_close=270.0)

    quote = (await yahoo.quotes(["AAPL"])).quotes["AAPL"]

    assert (quote.price, quote.previous_close, quote.change) == (280.5, 270.0, 10.5)


async def test_a_429_three_times_is_three_requests_and_then_all_is_well(
    recorded: RecordedYahoo, yahoo: YahooProvider
) -> None:
    await yahoo.quotes(["AAPL"])
    await recorded.fault("quote", "429", times=3)
    await recorded.stats(clear=True)

    for _ in range(3):
        with pytest.raises(ProviderError) as caught:
            await yahoo.quotes(["AAPL"])
        assert caught.value.reason is Reason.PROVIDER_BLOCKED

    assert (await recorded.stats(clear=True))["by_endpoint"] == {"quote": 3}
    assert prices(await yahoo.quotes(["AAPL"])) == {"AAPL": recorded_price(recorded, "AAPL")}
    assert (await recorded.stats())["by_endpoint"] == {"quote": 1}


async def test_a_429_of_everything_is_one_request(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    await recorded.fault("*", "429")

    with pytest.raises(ProviderError) as caught:
        await yahoo.quotes(TWELVE)

    assert caught.value.reason is Reason.PROVIDER_BLOCKED
    assert (await recorded.stats())["total"] == 1
    await recorded.heal()
    assert set((await yahoo.quotes(TWELVE)).quotes) == set(TWELVE)


async def test_broken_answers_are_errors_and_heal(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    # A stub takes half a second to start: one serves all modes.
    for mode in ("500", "503", "403", "garbage", "html", "wrb", "empty", "truncated", "partial", "drop", "reset"):
        await recorded.fault("quote", mode)  # more than once: curl itself tries a dropped connection anew

        failed = (await asked(yahoo, SYMBOLS)).failed

        assert {error.reason for error in failed.values()} == {Reason.PROVIDER_ERROR}, mode
        assert set(failed) == set(SYMBOLS), mode
        assert "http://" not in failed["AAPL"].message, mode
        await recorded.heal()
        assert set((await yahoo.quotes(SYMBOLS)).quotes) == set(SYMBOLS), mode


@pytest.mark.parametrize("mode", ["hang", "slow"])
async def test_what_takes_too_long_is_a_time_out_and_heals(
    recorded: RecordedYahoo, hasty_yahoo: YahooProvider, mode: str
) -> None:
    await recorded.fault("quote", mode, times=1, seconds=60)

    with pytest.raises(ProviderError) as caught:
        await hasty_yahoo.quotes(SYMBOLS)

    assert caught.value.reason is Reason.PROVIDER_TIMEOUT
    assert set((await hasty_yahoo.quotes(SYMBOLS)).quotes) == set(SYMBOLS)


async def test_the_charts_tell_the_price_of_rows_that_have_none(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    await recorded.fault("quote", "nullprice", times=1)

    answer = await yahoo.quotes([*SYMBOLS, UNKNOWN])

    assert prices(answer) == {symbol: recorded_price(recorded, symbol) for symbol in SYMBOLS}
    assert answer.unknown == {UNKNOWN}


@pytest.mark.parametrize("status", ["400", "422", "500"])
async def test_one_symbol_that_yahoo_fails_at_takes_no_other_along(
    recorded: RecordedYahoo, yahoo: YahooProvider, status: str
) -> None:
    await recorded.fault("quote", status, symbol="POISON")

    for _ in range(3):
        answer = await yahoo.quotes([*TWELVE, "POISON"])
        assert set(answer.quotes) == set(TWELVE)
        assert answer.unknown == {"POISON"}

    # The first call finds it; the others know it, and ask once for all the rest.
    asked = (await recorded.stats())["by_endpoint"]
    assert asked["quote"] <= 1 + 8 + 2


async def test_an_empty_result_is_checked_by_the_charts(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    await recorded.fault("quote", "emptyresult", times=1)

    answer = await yahoo.quotes([*SYMBOLS, UNKNOWN])

    assert prices(answer) == {symbol: recorded_price(recorded, symbol) for symbol in SYMBOLS}
    assert answer.unknown == {UNKNOWN}


async def test_no_outage_of_the_charts_makes_a_known_symbol_unknown(
    recorded: RecordedYahoo, yahoo: YahooProvider
) -> None:
    for mode in ("500", "html", "empty", "emptyresult", "nullmeta"):
        await recorded.fault("quote", "emptyresult")
        await recorded.fault("chart", mode)

        answer = await asked(yahoo, SYMBOLS)

        assert answer.unknown == frozenset(), mode
        assert set(answer.failed) == set(SYMBOLS), mode
        await recorded.heal()


async def test_companies_are_those_on_record(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    for symbol in ("AAPL", "OCDO.L", "BTC-USD", "QQQ", "GC=F", "^VXAPL"):
        modules = recorded.recorded("quoteSummary", symbol)["quoteSummary"]["result"][0]
        profile: dict[str, Any] = modules.get("assetProfile") or {}

        company = await yahoo.company(symbol)

        assert company is not None
        assert company.name == (modules["price"]["longName"] or modules["price"]["shortName"])
        assert company.currency == modules["price"]["currency"]
        assert (company.sector, company.industry) == (profile.get("sector"), profile.get("industry"))
        assert (company.website, company.employees) == (profile.get("website"), profile.get("fullTimeEmployees"))
        detail: dict[str, Any] = modules.get("summaryDetail") or {}
        assert company.fifty_two_week_low == (detail["fiftyTwoWeekLow"] or None)
        assert company.trailing_pe == detail.get("trailingPE")
    assert await yahoo.company(UNKNOWN) is None


async def test_the_hours_of_a_market_are_those_on_record(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    for symbol, has_early_hours in (("AAPL", True), ("OCDO.L", True), ("ALL.AX", True), ("^SOX", True)):
        periods = recorded.recorded("chart", symbol)["chart"]["result"][0]["meta"]["currentTradingPeriod"]

        day = await yahoo.trading_day(symbol)

        assert day is not None
        assert day.closes_at - day.opens_at == (periods["regular"]["end"] - periods["regular"]["start"]) * 1000
        assert (day.pre_starts_at is not None) is has_early_hours
        assert (day.post_ends_at is None) is (periods["post"]["start"] == periods["post"]["end"])
    assert await yahoo.trading_day("BTC-USD") is None
    assert await yahoo.trading_day("GC=F") is None
    assert await yahoo.trading_day(UNKNOWN) is None


async def test_dividends_are_those_on_record(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    dividends = await yahoo.dividends("AAPL")

    assert dividends is not None
    paid = recorded.recorded("chart", "AAPL")["chart"]["result"][0]["events"]["dividends"].values()
    assert [dividend.amount for dividend in dividends] == [entry["amount"] for entry in reversed(paid)]
    assert [dividend.date for dividend in dividends] == [date(2025, 8, 11), date(2025, 5, 12)]
    assert await yahoo.dividends("TSLA") == []
    assert await yahoo.dividends(UNKNOWN) is None


async def test_news_of_a_symbol_are_those_on_record(recorded: RecordedYahoo, yahoo: YahooProvider) -> None:
    stream = recorded.recorded("news", "AAPL")["data"]["tickerStream"]["stream"]

    headlines = await yahoo.symbol_news("AAPL")

    assert {headline.title for headline in headlines} == {entry["content"]["title"].strip() for entry in stream}
    assert {headline.source for headline in headlines} >= {"Yahoo Finance", "Reuters", "MT Newswires", "Barrons.com"}
    published = [headline.published for headline in headlines]
    assert published == sorted(published, key=lambda moment: -(moment or 0))
    assert all(headline.link and headline.link.startswith("https://") for headline in headlines)
    assert list(await yahoo.symbol_news(UNKNOWN)) == []


async def test_a_search_finds_what_is_on_record(yahoo: YahooProvider) -> None:
    matches = await yahoo.search("apple", 3)

    assert [match.symbol for match in matches] == ["AAPL", "APLE", "AAPL.VI"]
    assert (matches[0].name, matches[0].exchange) == ("Apple Inc.", "NASDAQ")
    assert await yahoo.search("no such company", 3) == []


IN_A_CHILD = """
import asyncio, json, sys
from pathlib import Path
from stocktrack.clock import RealClock
from stocktrack.providers.yahoo.provider import YahooProvider

async def main() -> None:
    assert "yfinance" not in sys.modules
    provider = YahooProvider(timeout_seconds=20, cache_dir=Path(sys.argv[1]), clock=RealClock())
    await provider.start()
    answer = await provider.quotes(sys.argv[2:])
    print(json.dumps({symbol: quote.price for symbol, quote in answer.quotes.items()}))
    await provider.close()

asyncio.run(main())
"""


async def test_an_unmodified_process_meets_the_recorded_yahoo(recorded: RecordedYahoo, tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", IN_A_CHILD, str(tmp_path), *SYMBOLS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **recorded.environment()},
    )
    output, errors = await child.communicate()

    assert (child.returncode, errors) == (0, b"")
    assert json.loads(output) == {symbol: recorded_price(recorded, symbol) for symbol in SYMBOLS}
