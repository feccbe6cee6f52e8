"""Finnhub as a source, against a stand-in on real sockets: what it brings, and everything that goes wrong."""

import asyncio
import contextlib
import gzip
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from finnhub_stub import FinnhubStub, article, profile, quote_row, trade
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock, RealClock, settle
from stocktrack.config import Settings
from stocktrack.errors import CommandError, ConfigError, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.providers.base import Budget, Capability, Errand, capabilities_of
from stocktrack.providers.finnhub.key_lock import MachineKeyLock
from stocktrack.providers.finnhub.provider import PLAN_SECONDS, FinnhubProvider
from stocktrack.providers.http import MAX_JSON_BYTES
from stocktrack.providers.registry import build_providers
from stocktrack.quotes import MarketState
from stocktrack.testing import (
    Collected,
    CompanyContract,
    DividendContract,
    HangingContract,
    HistoryContract,
    NewsContract,
    OutageContract,
    ProviderContract,
    QuoteContract,
    SearchContract,
    StreamContract,
    Subject,
    SymbolNewsContract,
)

KEY = "c0ffee0SeCrEt0c0ffee"
HTML = b"<html><body>502 Bad Gateway</body></html>"
POLL = Errand(is_poll=True)

Build = Callable[..., FinnhubProvider]


@pytest.fixture
async def stub() -> AsyncIterator[FinnhubStub]:
    async with FinnhubStub(KEY).serving() as stub:
        stub.know("AAPL", "MSFT")
        yield stub


@pytest.fixture
async def build(stub: FinnhubStub, tmp_path: Path) -> AsyncIterator[Build]:
    built: list[FinnhubProvider] = []

    def make(**changes: Any) -> FinnhubProvider:
        arguments = {
            "key": SecretStr(KEY),
            "key_file": None,
            "rest_url": stub.rest_url,
            "ws_url": stub.ws_url,
            "timeout_seconds": 10.0,
            "clock": RealClock(),
            "lock_of": lambda key: MachineKeyLock(key, tmp_path),
            **changes,
        }
        built.append(FinnhubProvider(**arguments))
        return built[-1]

    yield make
    for provider in built:
        await provider.close()


@pytest.fixture
async def finnhub(build: Build) -> FinnhubProvider:
    provider = build()
    await provider.start()
    return provider


@contextlib.asynccontextmanager
async def streaming(provider: FinnhubProvider, wanted: Sequence[str], sink: Collected) -> AsyncIterator[None]:
    """The stream of what is `wanted` while the block runs; it must not break meanwhile."""
    task = asyncio.create_task(provider.stream(lambda: wanted, sink))
    try:
        yield
        assert not task.done(), "the stream broke"
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(condition: Callable[[], object]) -> None:
    """Return once `condition` holds: what it looks at comes over a real socket."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await settle()


def said(error: BaseException) -> str:
    """Everything that a log could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error.__dict__)


# --- the contract ------------------------------------------------------------------------------------------------


class TestFinnhubKeepsTheContract(
    ProviderContract,
    QuoteContract,
    StreamContract,
    NewsContract,
    SymbolNewsContract,
    CompanyContract,
    DividendContract,
    SearchContract,
    HistoryContract,
):
    @pytest.fixture
    async def subject(self, stub: FinnhubStub, finnhub: FinnhubProvider) -> Subject:
        stub.dividends = {"AAPL": [{"symbol": "AAPL", "date": "2024-02-09", "amount": 0.24, "currency": "USD"}]}
        stub.news = [article("One", 1_712_331_000), article("Two", 1_712_331_500)]
        stub.company_news = {"AAPL": [article("Three", 1_712_331_000)]}
        stub.matches = {"apple": [{"symbol": "AAPL", "description": "APPLE INC"}, {"symbol": "APLE"}]}
        stub.splits = {"AAPL": [{"symbol": "AAPL", "date": "2020-08-31", "fromFactor": 1, "toFactor": 4}]}
        prices = iter(range(1000, 1_000_000))

        async def next_prices() -> None:
            price = next(prices) / 5
            await stub.trade(*(trade(symbol, price, 1_712_331_900_000 + round(price * 5)) for symbol in stub.quotes))

        return Subject(
            finnhub,
            known=("AAPL", "MSFT"),
            pays_dividends="AAPL",
            pays_no_dividends="MSFT",
            bars_until=1_712_361_600_000,
            has_extended_hours=True,
            was_split="AAPL",
            query="apple",
            next_prices=next_prices,
        )


class FrozenClock(ManualClock):
    """One that stands still until it is moved, also while the requests of a test wait for their turn."""

    async def sleep(self, seconds: float) -> None:
        del seconds
        await asyncio.sleep(0)


ENDPOINTS = (
    *("quote", "stock/profile2", "stock/dividend", "stock/market-status", "news", "company-news", "search"),
    *("stock/candle", "stock/split"),
)


class TestFinnhubInAnOutage(OutageContract):
    @pytest.fixture
    async def subject(self, stub: FinnhubStub, finnhub: FinnhubProvider) -> Subject:
        for endpoint in ENDPOINTS:
            stub.fail(endpoint, 502, HTML, times=1000)
        return Subject(finnhub, known=("AAPL", "MSFT"), query="apple")


class TestFinnhubThatHangs(HangingContract):
    @pytest.fixture
    async def subject(self, stub: FinnhubStub, finnhub: FinnhubProvider) -> Subject:
        for endpoint in ENDPOINTS:
            stub.hang(endpoint, times=1000)
        return Subject(finnhub, known=("AAPL", "MSFT"), query="apple")


def test_it_is_a_source_of_real_prices_that_the_settings_can_name(tmp_path: Path) -> None:
    settings = Settings(providers=("finnhub", "yahoo"), data_dir=tmp_path)
    finnhub, _ = build_providers(settings, ManualClock())
    assert finnhub.name == "finnhub"
    assert finnhub.budget == Budget(60, 30)
    assert Capability.STREAM in capabilities_of(finnhub)
    with pytest.raises(ConfigError, match="invented prices"):
        build_providers(Settings(providers=("finnhub", "simulated"), data_dir=tmp_path), ManualClock())


# --- quotes ------------------------------------------------------------------------------------------------------


async def test_each_symbol_is_asked_for_in_finnhubs_writing_with_the_key_in_a_header_alone(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    stub.know("BRK.B", "BINANCE:BTCUSDT")
    answer = await finnhub.quotes(["BRK-B", "BINANCE:BTCUSDT", "NOPE"])
    assert set(answer.quotes) == {"BRK-B", "BINANCE:BTCUSDT"}
    assert answer.unknown == {"NOPE"}
    assert answer.quotes["BINANCE:BTCUSDT"].market_state is MarketState.OPEN
    assert sorted(stub.asked("quote")) == ["BINANCE:BTCUSDT", "BRK.B", "NOPE"]
    assert all(call.authorised and KEY not in call.query for call in stub.calls)


async def test_what_the_plan_does_not_have_is_not_offered_and_never_unknown(stub: FinnhubStub, build: Build) -> None:
    clock = FrozenClock()
    finnhub = build(clock=clock)
    assert finnhub.serves("RELIANCE.NS")
    answer = await finnhub.quotes(["RELIANCE.NS", "AAPL"])
    assert set(answer.quotes) == {"AAPL"}
    assert answer.unknown == frozenset()
    assert answer.not_offered["RELIANCE.NS"].reason is Reason.NOT_OFFERED
    assert "RELIANCE.NS is not on this Finnhub plan" in answer.not_offered["RELIANCE.NS"].message

    assert not finnhub.serves("OCDO.L"), "the plan is one of the US"
    assert finnhub.serves("AAPL")
    clock.stand_still(PLAN_SECONDS)
    assert finnhub.serves("OCDO.L"), "it is tried again after an hour"


async def test_a_share_of_the_us_that_is_not_on_the_plan_says_nothing_of_those_abroad(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    stub.fail("quote", 403, b'{"error":"You don\'t have access to this resource."}')
    answer = await finnhub.quotes(["AAPL"])
    assert set(answer.not_offered) == {"AAPL"}
    assert finnhub.serves("OCDO.L")


async def test_a_plan_with_shares_abroad_is_known_by_the_first_that_it_gives(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    stub.know("OCDO.L")
    stub.abroad_is_refused = False
    await finnhub.quotes(["OCDO.L"])
    stub.fail("quote", 403, b"{}")
    assert set((await finnhub.quotes(["RELIANCE.NS"])).not_offered) == {"RELIANCE.NS"}
    assert finnhub.serves("OCDO.L")


async def test_a_refused_key_names_the_setting_and_not_the_key(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    stub.key = "another"
    calls = (finnhub.quotes(["AAPL", "MSFT"]), finnhub.company("AAPL"), finnhub.news(), finnhub.search("x", 5))
    for call in calls:
        with pytest.raises(SourceUnusable, match="finnhub_api_key") as caught:
            await call
        assert not caught.value.is_waiting
        assert KEY not in said(caught.value)


@pytest.mark.parametrize(
    ("headers", "retry_after_ms"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7_000),
        ({"Retry_After": "0"}, None),
        ({"Retry_After": "99999999"}, None),
        ({"Retry_After": "soon"}, None),
        ({"X_Ratelimit_Reset": "1712331930"}, 30_000),
        ({"X_Ratelimit_Reset": "1712331800"}, None),
        ({"X_Ratelimit_Reset": "1812331930"}, None),
        ({"Retry_After": "Fri, 05 Apr 2024 15:45:30 GMT"}, 30_000),
    ],
)
async def test_a_429_ends_the_call_and_says_when_to_come_back(
    stub: FinnhubStub, build: Build, headers: dict[str, str], retry_after_ms: int | None
) -> None:
    clock = FrozenClock()
    finnhub = build(clock=clock)
    stub.fail("quote", 429, b'{"error":"API limit reached."}', times=100, **headers)
    symbols = [f"S{number}" for number in range(40)]
    with pytest.raises(ProviderError, match="429") as caught:
        await finnhub.quotes(symbols)
    assert caught.value.reason is Reason.PROVIDER_BLOCKED
    assert caught.value.retry_after_ms == retry_after_ms
    assert len(stub.asked("quote")) <= 4, "nobody asks on after it"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, b"", Reason.PROVIDER_ERROR),
        (502, HTML, Reason.PROVIDER_ERROR),
        (302, b"", Reason.PROVIDER_ERROR),
        (404, b"{}", Reason.PROVIDER_ERROR),
        (200, HTML, Reason.PROVIDER_ERROR),
        (200, b"", Reason.PROVIDER_ERROR),
        (200, b"null", Reason.PROVIDER_ERROR),
        (200, b"[]", Reason.PROVIDER_ERROR),
        (200, b"{", Reason.PROVIDER_ERROR),
        (200, b'{"c":NaN,"d":null}', Reason.PROVIDER_ERROR),
        (200, b'{"c":"189.45"}', Reason.PROVIDER_ERROR),
        (200, b'{"c":null,"d":null,"dp":null,"h":null,"l":null,"o":null,"pc":null,"t":null}', Reason.PROVIDER_ERROR),
        (200, b"[" * 200_000, Reason.PROVIDER_ERROR),
        (200, b'{"c":' + b"9" * 5_000 + b"}", Reason.PROVIDER_ERROR),
        (200, b" " * (MAX_JSON_BYTES + 1), Reason.PROVIDER_ERROR),
    ],
)
async def test_one_bad_answer_is_the_failure_of_its_symbol_alone(
    stub: FinnhubStub, finnhub: FinnhubProvider, status: int, body: bytes, reason: Reason
) -> None:
    await finnhub.quotes(["AAPL"])
    stub.fail("quote", status, body)
    answer = await finnhub.quotes(["AAPL", "MSFT"])
    assert len(answer.quotes) == 1
    [failure] = answer.failed.values()
    assert failure.reason is reason
    assert "Finnhub" in failure.message
    assert answer.unknown == frozenset()

    stub.fail("quote", status, body, times=2)
    with pytest.raises(ProviderError, match="Finnhub"):
        await finnhub.quotes(["AAPL", "MSFT"])


async def test_an_answer_that_unpacks_to_too_much_is_broken_off(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    stub.fail("quote", 200, bomb, Content_Encoding="gzip")
    stub.fail("quote", 200, bomb, Content_Encoding="gzip, gzip")
    for what in ("more than 4 MiB", "compressed more than once"):
        with pytest.raises(ProviderError, match=what):
            await finnhub.quotes(["AAPL"])


async def test_a_symbol_that_hangs_takes_no_other_with_it(stub: FinnhubStub, build: Build) -> None:
    finnhub = build(timeout_seconds=0.5)
    stub.hang("quote")
    answer = await finnhub.quotes(["AAPL", "MSFT", "NOPE"])
    [failure] = answer.failed.values()
    assert failure.reason is Reason.PROVIDER_TIMEOUT
    assert len(answer.quotes) + len(answer.unknown) == 2


async def test_a_server_that_is_gone_is_a_provider_error_without_the_key(stub: FinnhubStub, build: Build) -> None:
    finnhub = build(rest_url="http://127.0.0.1:9/api/v1")
    with pytest.raises(ProviderError, match="Finnhub cannot be reached") as caught:
        await finnhub.quotes(["AAPL"])
    assert KEY not in said(caught.value)


async def test_a_stand_in_on_this_machine_is_reached_past_the_proxy_of_the_environment(
    stub: FinnhubStub, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert set((await build().quotes(["AAPL"])).quotes) == {"AAPL"}


async def test_never_more_requests_in_a_minute_than_finnhub_allows(stub: FinnhubStub, build: Build) -> None:
    clock = FrozenClock()
    finnhub = build(clock=clock)
    stub.market = {}
    symbols = [f"S{number}" for number in range(100)]
    answer = await finnhub.quotes(symbols)
    assert len(stub.calls) == 60
    assert len(answer.unknown) + len(answer.put_off) == 100
    [why, *_] = answer.put_off.values()
    assert (why.reason, why.retry_after_ms) == (Reason.PROVIDER_BLOCKED, 5_000)

    clock.stand_still(62)
    answer = await finnhub.quotes(["AAPL"])
    assert set(answer.quotes) == {"AAPL"}


async def test_requests_do_not_start_all_at_once(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    await finnhub.quotes([f"S{number}" for number in range(50)])
    assert stub.most_calls_within(1) <= 30


# --- where the market is in its day ------------------------------------------------------------------------------


async def test_the_state_of_the_us_market_stands_in_quotes_and_is_asked_once_a_minute(
    stub: FinnhubStub, build: Build
) -> None:
    clock = FrozenClock()
    finnhub = build(clock=clock)
    for _ in range(3):
        answer = await finnhub.quotes(["AAPL"])
        assert answer.quotes["AAPL"].market_state is MarketState.OPEN
    assert len(stub.asked("stock/market-status")) == 1
    stub.market |= {"isOpen": False, "session": None}
    clock.stand_still(60)
    assert (await finnhub.quotes(["AAPL"])).quotes["AAPL"].market_state is MarketState.CLOSED
    assert len(stub.asked("stock/market-status")) == 2


@pytest.mark.parametrize("status", [403, 404])
async def test_a_plan_without_the_state_is_not_asked_for_it_again_and_again(
    stub: FinnhubStub, build: Build, status: int
) -> None:
    clock = FrozenClock()
    finnhub = build(clock=clock)
    stub.fail("stock/market-status", status, b"{}", times=10)
    for _ in range(3):
        answer = await finnhub.quotes(["AAPL"])
        assert answer.quotes["AAPL"].market_state is MarketState.UNKNOWN
        clock.stand_still(600)
    assert len(stub.asked("stock/market-status")) == 1
    clock.stand_still(3600)
    await finnhub.quotes(["AAPL"])
    assert len(stub.asked("stock/market-status")) == 2


async def test_coins_alone_need_no_state_of_the_us_market(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    stub.know("BINANCE:BTCUSDT")
    await finnhub.quotes(["BINANCE:BTCUSDT"])
    assert stub.asked("stock/market-status") == []


async def test_a_poll_has_the_request_for_the_state_counted_or_leaves_it_out(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    counted: list[str] = []
    full = CommandError(Reason.RATE_LIMITED, "No more.")

    def refusal(symbol: str) -> StockTrackError | None:
        counted.append(symbol)
        return full if len(counted) == 1 else None

    poll = replace(POLL, refusal=refusal)
    await finnhub.quotes(["AAPL", "MSFT"], poll)
    assert stub.asked("stock/market-status") == []
    await finnhub.quotes(["AAPL", "MSFT"], poll)
    assert len(stub.asked("stock/market-status")) == 1
    # The quotes were counted before the call; what was counted here is the state twice, and the name of each.
    assert counted == ["AAPL", "AAPL", "AAPL", "MSFT"]


async def test_polls_learn_the_names_behind_the_prices_one_a_time_and_once(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    stub.profiles["AAPL"] = profile("AAPL", name="Apple Inc", exchange="NASDAQ NMS - GLOBAL MARKET")
    symbols = ["AAPL", "MSFT", "BINANCE:BTCUSDT"]
    stub.know(*symbols[1:])
    await finnhub.quotes(symbols)
    assert stub.asked("stock/profile2") == []
    for _ in range(4):
        answer = await finnhub.quotes(symbols, POLL)
    assert stub.asked("stock/profile2") == ["AAPL", "MSFT"]
    assert (answer.quotes["AAPL"].name, answer.quotes["AAPL"].exchange) == ("Apple Inc", "NASDAQ NMS - GLOBAL MARKET")
    assert answer.quotes["BINANCE:BTCUSDT"].name is None


async def test_a_profile_that_cannot_be_had_keeps_no_price_back(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    stub.fail("stock/profile2", 500, times=10)
    for _ in range(2):
        answer = await finnhub.quotes(["AAPL"], POLL)
        assert answer.quotes["AAPL"].name is None
    assert stub.asked("stock/profile2") == ["AAPL"]


# --- news, companies, dividends, search --------------------------------------------------------------------------


async def test_a_plan_without_dividends_says_so_and_is_no_outage(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    stub.dividends = None
    with pytest.raises(CommandError, match="dividends of AAPL is not on this Finnhub plan") as caught:
        await finnhub.dividends("AAPL")
    assert caught.value.reason is Reason.NOT_OFFERED
    with pytest.raises(CommandError, match=r"RELIANCE\.NS is not on this Finnhub plan"):
        await finnhub.company("RELIANCE.NS")


async def test_news_of_a_symbol_are_those_of_the_last_week(stub: FinnhubStub, build: Build) -> None:
    finnhub = build(clock=FrozenClock())
    stub.company_news["BRK.B"] = [article("Cash pile")]
    [headline] = await finnhub.symbol_news("BRK-B")
    assert (headline.title, headline.source) == ("Cash pile", "CNBC")
    assert stub.calls[-1].query == "symbol=BRK.B&from=2024-03-29&to=2024-04-05"


async def test_a_company_stands_under_the_symbol_that_was_asked_for(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    stub.profiles["BRK.B"] = profile("BRK.B")
    company = await finnhub.company("BRK-B")
    assert company is not None
    assert (company.symbol, company.name) == ("BRK-B", "BRK.B Inc")


# --- the key -----------------------------------------------------------------------------------------------------


async def test_without_a_key_every_call_says_which_setting_is_missing(build: Build) -> None:
    finnhub = build(key=None)
    calls: Sequence[Callable[[], Any]] = (
        finnhub.start,
        lambda: finnhub.quotes(["AAPL"]),
        lambda: finnhub.stream(lambda: ["AAPL"], Collected()),
        finnhub.news,
        lambda: finnhub.dividends("AAPL"),
    )
    for call in calls:
        with pytest.raises(SourceUnusable, match="STOCKTRACK_FINNHUB_API_KEY"):
            await call()


async def test_a_key_that_is_put_into_its_file_later_is_found(build: Build, tmp_path: Path) -> None:
    file = tmp_path / "finnhub.key"
    finnhub = build(key=None, key_file=file)
    with pytest.raises(SourceUnusable, match="cannot be read"):
        await finnhub.start()
    file.touch(0o600)
    file.write_text(f"{KEY}\n", encoding="ascii")
    assert set((await finnhub.quotes(["AAPL"])).quotes) == {"AAPL"}


async def test_a_second_server_with_one_key_waits_and_takes_over(stub: FinnhubStub, build: Build) -> None:
    first, second = build(), build()
    sink = Collected()
    await first.start()
    async with streaming(first, ["AAPL"], sink):
        await stub.subscribed("AAPL")
        calls: Sequence[Callable[[], Any]] = (
            second.start,
            lambda: second.quotes(["AAPL"]),
            lambda: second.stream(lambda: ["AAPL"], Collected()),
        )
        for call in calls:
            with pytest.raises(SourceUnusable, match="uses the same key") as caught:
                await call()
            assert (caught.value.is_waiting, caught.value.retry_after_ms) == (True, 5000)
        await stub.trade(trade("AAPL", 200.0))
        await until(lambda: sink.quotes)
        assert stub.handshakes == 1, "the second one did not end the stream of the first"
    await first.close()

    await second.start()
    assert set((await second.quotes(["AAPL"])).quotes) == {"AAPL"}


async def test_the_stand_in_ends_both_of_two_connections_with_one_key(stub: FinnhubStub, build: Build) -> None:
    """What the lock is for."""
    first, second = build(), build(lock_of=lambda key: MachineKeyLock(key, Path("/nowhere")))
    task = asyncio.create_task(first.stream(lambda: ["AAPL"], Collected()))
    await stub.subscribed("AAPL")
    for stream in (second.stream(lambda: ["AAPL"], Collected()), task):
        with pytest.raises(ProviderError, match="Finnhub closed its stream"):
            await stream


async def test_a_closed_source_is_not_running(finnhub: FinnhubProvider) -> None:
    await finnhub.close()
    with pytest.raises(ProviderError, match="finnhub is not running"):
        await finnhub.quotes(["AAPL"])


# --- the stream --------------------------------------------------------------------------------------------------


async def test_a_trade_comes_on_the_figures_that_rest_has_told(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    await finnhub.quotes(["AAPL"])
    sink = Collected()
    async with streaming(finnhub, ["AAPL", "MSFT"], sink):
        await stub.subscribed("AAPL", "MSFT")
        await stub.trade(trade("AAPL", 200.0, 1_712_331_901_000), trade("MSFT", 400.0))
        await until(lambda: len(sink.quotes) == 2)
    full, alone = sink.quotes
    assert (full.price, full.previous_close, full.high, full.market_state) == (200.0, 188.25, 200.0, MarketState.OPEN)
    assert (alone.price, alone.previous_close, alone.currency) == (400.0, None, "USD")
    assert sink.times_opened == 1


async def test_after_hours_the_stream_fills_the_extended_price(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    stub.market |= {"isOpen": False, "session": "post-market"}
    now_ms = RealClock().now_ms()
    stub.quotes["AAPL"] = quote_row(t=now_ms // 1000 - 2)
    await finnhub.quotes(["AAPL"])
    sink = Collected()
    async with streaming(finnhub, ["AAPL"], sink):
        await stub.subscribed("AAPL")
        await stub.trade(trade("AAPL", 190.0, now_ms - 1000))
        await until(lambda: sink.quotes)
    [quote] = sink.quotes
    assert (quote.price, quote.extended_price, quote.market_state) == (189.45, 190.0, MarketState.POST)


async def test_51_symbols_have_50_places_and_a_lower_limit_is_learnt_and_forgotten(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    symbols = [f"S{number}" for number in range(51)]
    async with streaming(finnhub, symbols, Collected()):
        await stub.subscribed(*symbols[:50])
        assert finnhub.stream_places == 50
    stub.places = 7
    await until(lambda: not stub.connections)
    async with streaming(finnhub, symbols, Collected()):
        await until(lambda: finnhub.stream_places == 7)
        [connection] = stub.connections
        await until(lambda: sum(each["type"] == "unsubscribe" for each in connection.sent) == 43)
        assert list(connection.symbols) == symbols[:7]
    stub.places = 51
    await until(lambda: not stub.connections)
    async with streaming(finnhub, symbols, Collected()):
        await stub.subscribed(*symbols[:50])
        assert finnhub.stream_places == 50


async def test_the_documented_limit_is_kept_so_that_the_52nd_never_is_asked_for(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    wanted = [f"S{number}" for number in range(50)]
    sink = Collected()
    async with streaming(finnhub, wanted, sink):
        await stub.subscribed(*wanted)
        gone, wanted[0] = wanted[0], "NEW"
        await stub.subscribed(*wanted)
        await stub.trade(trade(gone, 1.0), trade("NEW", 2.0))
        await until(lambda: sink.quotes)
    assert [quote.symbol for quote in sink.quotes] == ["NEW"]
    assert finnhub.stream_places == 50


async def test_a_frame_of_16_mb_breaks_the_connection_and_nothing_else(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    task = asyncio.create_task(finnhub.stream(lambda: ["AAPL"], Collected()))
    await stub.subscribed("AAPL")
    with contextlib.suppress(ConnectionError):
        await stub.say("x" * (16 * 1024 * 1024))
    with pytest.raises(ProviderError, match="more than 1 MiB"):
        await task
    async with streaming(finnhub, ["AAPL"], Collected()):
        await stub.subscribed("AAPL")


@pytest.mark.parametrize(("status", "kind"), [(401, SourceUnusable), (403, SourceUnusable), (429, ProviderError)])
async def test_a_handshake_that_is_refused_says_why(
    stub: FinnhubStub, finnhub: FinnhubProvider, status: int, kind: type[StockTrackError]
) -> None:
    stub.handshake_status = status
    with pytest.raises(kind) as caught:
        await finnhub.stream(lambda: ["AAPL"], Collected())
    assert KEY not in said(caught.value)
    assert ("finnhub_api_key" in caught.value.message) == (kind is SourceUnusable)


async def test_an_invalid_key_told_by_the_stream_names_the_setting(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    task = asyncio.create_task(finnhub.stream(lambda: ["AAPL"], Collected()))
    await stub.subscribed("AAPL")
    await stub.say('{"type":"error","msg":"Invalid API key"}')
    with pytest.raises(SourceUnusable, match="finnhub_api_key"):
        await task


async def test_a_cut_ends_the_stream_with_a_provider_error(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    task = asyncio.create_task(finnhub.stream(lambda: ["AAPL"], Collected()))
    await stub.subscribed("AAPL")
    await stub.drop()
    with pytest.raises(ProviderError, match="Finnhub") as caught:
        await task
    assert KEY not in said(caught.value)


async def test_the_state_of_the_market_is_followed_while_only_the_stream_runs(stub: FinnhubStub, build: Build) -> None:
    clock = ManualClock()
    finnhub = build(clock=clock)
    sink = Collected()
    async with streaming(finnhub, ["AAPL"], sink):
        await _moved(clock, stub, lambda: finnhub._days.state("AAPL") is MarketState.OPEN)
        stub.market |= {"isOpen": False, "session": "post-market"}
        await _moved(clock, stub, lambda: finnhub._days.state("AAPL") is MarketState.POST)
    assert clock.monotonic() >= 60
    assert [call.endpoint for call in stub.calls] == ["stock/market-status"] * 2


async def _moved(clock: ManualClock, stub: FinnhubStub, condition: Callable[[], object]) -> None:
    """Move the clock on until `condition` holds; the stand-in says by pings that it lives."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await clock.advance(0.25)
            await stub.say('{"type":"ping"}')


# --- the key is never shown --------------------------------------------------------------------------------------


async def test_no_log_of_ours_or_of_the_libraries_holds_the_key(
    stub: FinnhubStub, finnhub: FinnhubProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        await finnhub.quotes(["AAPL"])
        async with streaming(finnhub, ["AAPL"], Collected()):
            await stub.subscribed("AAPL")
            await stub.say('{"type":"error","msg":"Something else"}')
            await until(lambda: logs)
        stub.key = "another"
        for call in (finnhub.quotes(["AAPL"]), finnhub.stream(lambda: ["AAPL"], Collected())):
            with pytest.raises(SourceUnusable):
                await call
    assert logs
    assert KEY not in str(logs)
    assert caplog.records
    assert KEY not in str([record.getMessage() for record in caplog.records])
    assert KEY not in repr(finnhub) + repr(vars(finnhub))
