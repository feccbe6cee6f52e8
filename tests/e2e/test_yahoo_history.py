"""Past prices through a real server: those of recorded charts bar for bar, and a share with splits and dividends."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from live_server import PASSWORD, LiveServer, RawClient, live_server
from recorded_yahoo import RecordedYahoo, recorded_yahoo
from server_process import run_stocktrack, server_process
from stocktrack.clock import ManualClock, RealClock
from stocktrack.providers.yahoo.provider import YahooProvider
from yahoo_history import OPENING, ZONE, at, charts_of_a_share, flat, past, trading_days
from yahoo_redirect import send_yahoo_to
from yahoo_stub import YahooStub, running_yahoo_stub

DAILY = ("AAPL", "AMZN", "TSLA", "GOOG", "CRON", "QQQ", "OCDO.L", "ALL.AX", "BTC-USD", "GC=F", "^SOX")
INTRADAY = (("AAPL", "1m", False), ("TSLA", "30m", False), ("TSLA", "30m", True))
PRICES = ("open", "high", "low", "close")
# A Friday evening after the late hours: what was traded on it is settled.
NOW_MS = at(date(2024, 4, 5), OPENING) * 1000 + 12 * 3_600_000


def single(value: float) -> float:
    """What Yahoo computes in."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def figures(bar: Mapping[str, Any]) -> tuple[Any, ...]:
    return (bar["time"], *(single(bar[name]) for name in PRICES), bar.get("volume"))


def recorded_rows(chart: Mapping[str, Any], *, moved: int = 0) -> list[tuple[Any, ...]]:
    """The rows of a recording that have prices, as `figures` has a bar; an index without volumes has none."""
    quote = chart["indicators"]["quote"][0]
    counts = any(quote["volume"])
    return [
        (
            (moment + moved) * 1000,
            *(single(quote[name][number]) for name in PRICES),
            quote["volume"][number] if counts else None,
        )
        for number, moment in enumerate(chart["timestamp"])
        if quote["close"][number] is not None
    ]


async def bars_of(client: RawClient, **question: Any) -> list[dict[str, Any]]:
    """All bars that are meant, page after page."""
    found: list[dict[str, Any]] = []
    while True:
        reply = await client.ask({"type": "HISTORY", **question})
        assert reply["code"] == 200, reply
        found += reply["bars"]
        if not reply["more"]:
            return found
        question = {**question, "start": found[-1]["time"] + 1}


@asynccontextmanager
async def a_server(home: Path, rebase: str) -> AsyncIterator[tuple[RawClient, RecordedYahoo]]:
    """A client of a real process, which asks the recorded Yahoo."""
    async with recorded_yahoo(rebase=rebase) as yahoo:
        settings = {**yahoo.environment(), "STOCKTRACK_PROVIDERS": "yahoo"}
        await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode(), **settings)
        async with server_process(home, **settings) as server:
            client = await server.log_in()
            yield client, yahoo
            await client.close()


async def charts_asked(yahoo: RecordedYahoo, symbol: str) -> int:
    asked: dict[str, int] = (await yahoo.stats())["by_symbol"]
    return sum(count for name, count in asked.items() if name.rpartition(" ")[2] == symbol or name == symbol)


async def test_daily_bars_are_those_on_record_and_a_past_day_is_asked_for_once(tmp_path: Path) -> None:
    async with a_server(tmp_path, "off") as (client, yahoo):
        for symbol in DAILY:
            chart = yahoo.recorded("chart", symbol)["chart"]["result"][0]
            rows, meta = recorded_rows(chart), chart["meta"]
            if chart["timestamp"][-1] == meta["regularMarketTime"]:
                # It stands under the time of its last trade; its bar begins where the day did.
                rows[-1] = (meta["currentTradingPeriod"]["regular"]["start"] * 1000, *rows[-1][1:])
            stretch = {"start": rows[0][0], "end": rows[-1][0], "interval": "1d"}
            await yahoo.stats(clear=True)

            found = await bars_of(client, symbol=symbol, **stretch)
            again = await bars_of(client, symbol=symbol, **stretch)
            part = await bars_of(client, symbol=symbol, **{**stretch, "start": rows[len(rows) // 2][0]})

            assert [figures(bar) for bar in found] == rows, symbol
            assert again == found, symbol
            assert part == found[len(rows) // 2 :], symbol
            assert (await yahoo.stats())["by_endpoint"]["chart"] == 1, symbol
        assert len(rows) > 10


async def test_the_dividends_on_record_correct_the_bars_to_the_closes_on_record(tmp_path: Path) -> None:
    async with a_server(tmp_path, "off") as (client, yahoo):
        chart = yahoo.recorded("chart", "AAPL")["chart"]["result"][0]
        stretch = {"symbol": "AAPL", "start": chart["timestamp"][0] * 1000, "interval": "1d"}

        corrected = await bars_of(client, **stretch, adjust="all")
        plain = await bars_of(client, **stretch, adjust="splits")

        closes = chart["indicators"]["adjclose"][0]["adjclose"]
        assert [bar["close"] for bar in corrected] == pytest.approx(closes, rel=1e-6)
        last_paid = max(paid["date"] for paid in chart["events"]["dividends"].values())
        before = sum(moment < last_paid for moment in chart["timestamp"])
        assert [one != other for one, other in zip(corrected, plain, strict=True)].count(True) == before > 0


async def test_bars_of_minutes_are_those_on_record_without_the_lone_row_after_them(tmp_path: Path) -> None:
    async with a_server(tmp_path, "week") as (client, yahoo):
        for symbol, interval, prepost in INTRADAY:
            chart = yahoo.recorded("chart", f"{symbol}__{interval}")["chart"]["result"][0]
            last, now = max(chart["timestamp"]), datetime.now(UTC).timestamp()
            rows = recorded_rows(chart, moved=int((now - last) // 604_800) * 604_800)
            if not prepost:
                periods = chart["meta"]["tradingPeriods"]
                regular = [
                    each for day in (periods if isinstance(periods, list) else periods["regular"]) for each in day
                ]
                inside = [
                    any(each["start"] <= moment < each["end"] for each in regular)
                    for moment, close in zip(chart["timestamp"], chart["indicators"]["quote"][0]["close"], strict=True)
                    if close is not None
                ]
                rows = [row for row, is_inside in zip(rows, inside, strict=True) if is_inside]
            question = {"symbol": symbol, "interval": interval, "prepost": prepost}

            found = await bars_of(client, **question, start=rows[0][0], end=rows[-1][0])

            assert [figures(bar) for bar in found] == rows, (symbol, interval)
            assert len(rows) > 10
            states = [bar.get("market_state") for bar in found]
            assert set(states) == ({"pre", None, "post"} if prepost else {None})


async def test_bars_that_are_too_old_are_a_400_and_no_request(tmp_path: Path) -> None:
    async with a_server(tmp_path, "off") as (client, yahoo):
        reply = await client.ask(
            {"type": "HISTORY", "symbol": "AAPL", "start": "2024-10-02", "end": "2024-10-03", "interval": "1m"}
        )
        unknown = await client.ask({"type": "HISTORY", "symbol": "NOSUCH", "range": "1mo"})

        assert (reply["code"], reply["reason"]) == (400, "range_limit")
        assert "Yahoo has no 1-minute bars older than 30 days" in reply["message"]
        assert (unknown["code"], unknown["reason"]) == (404, "unknown_symbol")
        assert await charts_asked(yahoo, "AAPL") == 0


# --- a share with splits and dividends, made up ------------------------------------------------------------------


SPLIT, DIVIDEND = at(date(2024, 2, 5), OPENING), at(date(2024, 3, 5), OPENING)


@asynccontextmanager
async def a_live_server(folder: Path, stub: YahooStub) -> AsyncIterator[LiveServer]:
    clock = ManualClock(NOW_MS)
    provider = YahooProvider(timeout_seconds=5, cache_dir=folder / "cache", clock=clock)
    async with live_server(folder / "data", provider, clock=clock) as server:
        yield server


@pytest.fixture
async def stub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[YahooStub]:
    async with running_yahoo_stub() as running:
        send_yahoo_to(running.url, monkeypatch)
        running.know("ACME")
        running.histories["ACME"] = charts_of_a_share(splits={SPLIT: (1, 20)}, dividends={DIVIDEND: 2.0})
        yield running


def days_of(bars: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {f"{datetime.fromtimestamp(bar['time'] / 1000, UTC):%Y-%m-%d}": bar for bar in bars}


async def test_a_split_and_a_dividend_are_applied_as_adjust_says(tmp_path: Path, stub: YahooStub) -> None:
    async with a_live_server(tmp_path, stub) as server:
        client = await server.log_in()
        question = {"symbol": "ACME", "start": "2024-01-02", "end": "2024-04-05", "interval": "1d"}
        told = {
            adjust: days_of(await bars_of(client, **question, adjust=adjust)) for adjust in ("none", "splits", "all")
        }
        await client.close()

    before, between, after = "2024-02-02", "2024-02-05", "2024-03-05"
    plain = told["splits"]
    # One share of today was twenty of those before the split, each at a twentieth of the price.
    assert told["none"][before]["close"] == pytest.approx(plain[before]["close"] / 20)
    assert told["none"][before]["volume"] == plain[before]["volume"] * 20
    assert told["none"][between] == plain[between]
    assert told["all"][before]["close"] == pytest.approx(plain[before]["close"] * 0.98, rel=1e-6)
    assert told["all"][between]["high"] == pytest.approx(plain[between]["high"] * 0.98, rel=1e-6)
    assert told["all"][before]["volume"] == plain[before]["volume"]
    assert told["all"][after] == plain[after] == told["none"][after]
    # The bars once, and once the list of all splits.
    assert [asked["interval"] for asked in stub.history_requests] == ["1d", "3mo"]


async def test_minutes_are_corrected_for_dividends_by_the_factors_of_their_days(
    tmp_path: Path, stub: YahooStub
) -> None:
    dividend = at(date(2024, 4, 4), OPENING)
    stub.histories["ACME"] = charts_of_a_share(dividends={dividend: 2.0})
    async with a_live_server(tmp_path, stub) as server:
        client = await server.log_in()
        question = {"symbol": "ACME", "start": "2024-04-03", "end": "2024-04-04", "interval": "30m"}
        plain = await bars_of(client, **question)
        corrected = await bars_of(client, **question, adjust="all")
        await client.close()

    factors = [round(one["close"] / other["close"], 4) for one, other in zip(corrected, plain, strict=True)]
    assert factors == [0.98] * 13 + [1.0] * 13


async def test_a_month_of_minutes_is_asked_for_in_weeks_and_only_once(tmp_path: Path, stub: YahooStub) -> None:
    async with a_live_server(tmp_path, stub) as server:
        client, other = await server.log_in(), await server.log_in()
        question = {"symbol": "ACME", "start": NOW_MS - 21 * 86_400_000, "interval": "1m", "prepost": True}
        both = await asyncio.gather(bars_of(client, **question), bars_of(other, **question))
        again = await bars_of(client, **question)
        await client.close()
        await other.close()

    assert both[0] == both[1] == again
    assert len(again) == 10 * 16 * 60
    assert {asked["includePrePost"] for asked in stub.history_requests} == {"true"}
    spans = sorted((int(asked["period1"]), int(asked["period2"])) for asked in stub.history_requests)
    assert len(spans) == 4
    assert all(end - start <= 7 * 86_400 + 1 for start, end in spans)


async def test_a_yahoo_that_hangs_is_a_500_and_then_all_is_well(tmp_path: Path, stub: YahooStub) -> None:
    stub.hang("chart", times=1)
    clock = ManualClock(NOW_MS)
    provider = YahooProvider(timeout_seconds=0.5, cache_dir=tmp_path / "cache", clock=clock)
    async with live_server(tmp_path / "data", provider, clock=clock) as server:
        client = await server.log_in()
        question = {"type": "HISTORY", "symbol": "ACME", "range": "1mo"}
        hung = await client.ask(question)
        await clock.advance(60)
        well = await client.ask(question)
        await client.close()

    assert (hung["code"], hung["reason"]) == (500, "provider_timeout")
    assert (well["code"], len(well["bars"])) == (200, 23)


async def test_a_weekend_a_holiday_and_a_day_to_come_have_no_bar(tmp_path: Path, stub: YahooStub) -> None:
    async with a_live_server(tmp_path, stub) as server:
        client = await server.log_in()
        weekend = await client.ask(
            {"type": "HISTORY", "symbol": "ACME", "start": "2024-03-30", "end": "2024-03-31", "interval": "5m"}
        )
        future = await client.ask({"type": "HISTORY", "symbol": "ACME", "start": "2024-05-01"})
        today = await client.ask({"type": "HISTORY", "symbol": "ACME", "range": "1d", "interval": "5m"})
        await client.close()

    assert (weekend["code"], weekend["reason"]) == (404, "no_history")
    assert "2024-03-29" in weekend["message"], "the last day before that has some"
    assert (future["code"], future["reason"]) == (400, "invalid_command")
    assert (today["code"], len(today["bars"])) == (200, 78)


async def test_every_range_is_one_request_and_none_a_moment_later(tmp_path: Path, stub: YahooStub) -> None:
    clock = RealClock()
    today = trading_days(datetime.now(ZONE).date(), 1)[0]
    stub.histories["ACME"] = charts_of_a_share(today)
    provider = YahooProvider(timeout_seconds=5, cache_dir=tmp_path / "cache", clock=clock)
    asked: dict[str, int] = {}
    async with live_server(tmp_path / "data", provider, clock=clock) as server:
        client = await server.log_in()
        # The longer ones first: the shorter ones of the same interval are parts of them.
        for question in ("1d", "5d", "5y", "max", "1y", "6mo", "ytd", "1mo", "max 1h"):
            within, _, interval = question.partition(" ")
            for again in ("", " again"):
                before = len(stub.history_requests)
                reply = await client.ask(
                    {
                        "type": "HISTORY",
                        "symbol": "ACME",
                        "range": within,
                        **({"interval": interval} if interval else {}),
                    }
                )
                assert (reply["code"], bool(reply["bars"])) == (200, True), (question, reply)
                asked[question + again] = len(stub.history_requests) - before
        await client.close()

    assert {question for question, requests in asked.items() if requests == 1} == {
        *("1d", "5d", "5y", "max", "1y", "max 1h")
    }
    assert sum(asked.values()) == 6


async def test_a_fund_a_pair_of_currencies_and_a_share_of_last_week_have_what_there_is(
    tmp_path: Path, stub: YahooStub
) -> None:
    week = trading_days(date(2024, 4, 5), 5)
    rows = [flat(at(day, OPENING), 10.0 + number, 0) for number, day in enumerate(week)]
    fund: Any = {"instrumentType": "MUTUALFUND", "validRanges": ["1mo", "1y", "max"], "dataGranularity": "1d"}
    stub.know("FUND", "EURUSD=X", "NEW")
    stub.histories["FUND"] = {"1d": past(rows, **fund)}
    stub.histories["EURUSD=X"] = {"1d": past(rows, instrumentType="CURRENCY")}
    stub.histories["NEW"] = {"1d": past([*rows, *rows][::-1])}
    async with a_live_server(tmp_path, stub) as server:
        client = await server.log_in()
        minutes = await client.ask({"type": "HISTORY", "symbol": "FUND", "range": "1d"})
        asked = len(stub.history_requests)
        days, pair, new = [await bars_of(client, symbol=symbol, range="1y") for symbol in ("FUND", "EURUSD=X", "NEW")]
        await client.close()

    assert (minutes["code"], minutes["reason"]) == (400, "range_limit")
    assert "FUND, which is priced once a day: ask for the interval 1d." in minutes["message"]
    assert asked == 1
    assert [bar["open"] for bar in days] == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert [bar["time"] for bar in pair] == [row[0] * 1000 for row in rows]
    assert not any("volume" in bar for bar in (*days, *pair))
    assert [(bar["time"], bar["volume"]) for bar in new] == [(row[0] * 1000, 0) for row in rows]
