"""Past prices of servers that have them by a feed, over a real Redis."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feeds import Market, a_feed
from live_server import LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from redis_server import RedisServer
from stocktrack.bars import DAY_MS, MINUTE_MS, Bar, BarInterval, Split
from stocktrack.clock import RealClock
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.feeding.feed import FeedProcess
from stocktrack.providers.base import SourceBars
from stocktrack.providers.redis.provider import RedisProvider

HOUR_MS = 3_600_000


class Told(Market):
    """A market that counts what it is asked, and has nothing between two moments."""

    name = "simulated"

    def __init__(self) -> None:
        super().__init__(interval_seconds=3600)
        self.asked: list[tuple[BarInterval, int, int]] = []
        self.gap = (0, 0)
        self.is_out = False
        self.known_splits: Sequence[Split] = ()

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        self.asked.append((interval, start, end))
        if self.is_out:
            raise ProviderError(Reason.PROVIDER_TIMEOUT, "simulated is out.")
        told = await super().bars(symbol, interval, start, end, prepost=prepost)
        if told is None:
            return None
        return replace(told, bars=[bar for bar in told.bars if not self.gap[0] <= bar.time < self.gap[1]])

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        return self.known_splits


class Seen:
    """What a feed saw itself."""

    def __init__(self, *bars: Bar) -> None:
        self.bars = bars

    async def minutes(self, symbol: str, start: int, end: int) -> Sequence[Bar]:
        return [bar for bar in self.bars if start <= bar.time < end] if symbol == "AAPL" else ()


@contextlib.asynccontextmanager
async def a_server(redis: RedisServer, folder: Path) -> AsyncIterator[LiveServer]:
    provider = RedisProvider(redis.url, timeout_seconds=PATIENCE_SECONDS, clock=RealClock())
    async with live_server(folder, provider, clock=RealClock()) as server:
        yield server


@pytest.fixture
def market() -> Told:
    return Told()


@pytest.fixture
async def feed(redis: RedisServer, tmp_path: Path, market: Told) -> AsyncIterator[FeedProcess]:
    async with a_feed(redis, tmp_path / "feed", make_providers=lambda: [market]) as running:
        await until(lambda: running.lead is not None)
        yield running


async def asked(server: LiveServer, **question: Any) -> dict[str, Any]:
    client = await server.log_in()
    reply = await client.ask({"type": "HISTORY", "symbol": "AAPL", **question})
    await client.close()
    return reply


def yesterday() -> int:
    """The midnight before yesterday."""
    return (time.time_ns() // 1_000_000 // DAY_MS - 2) * DAY_MS


async def test_a_past_day_is_asked_for_once_for_all_servers_and_is_that_of_the_source(
    redis: RedisServer, tmp_path: Path, feed: FeedProcess, market: Told
) -> None:
    assert feed.is_leading
    start = yesterday()
    question = {"interval": "5m", "start": start, "end": start + DAY_MS - 1}
    async with a_server(redis, tmp_path / "one") as one, a_server(redis, tmp_path / "two") as two:
        replies = [await asked(server, **question) for server in (one, two, one)]

    assert len(market.asked) == 1
    told = await market.bars("AAPL", BarInterval("5m"), start, start + DAY_MS, prepost=False)
    assert told is not None
    assert {reply["provider"] for reply in replies} == {"simulated"}
    for reply in replies:
        assert [(bar["time"], bar["open"], bar["close"], bar["volume"]) for bar in reply["bars"]] == [
            (bar.time, bar.open, bar.close, bar.volume) for bar in told.bars
        ]
    assert len(told.bars) == 288


async def test_what_the_sources_of_a_feed_do_not_have_it_says_in_its_own_words(
    redis: RedisServer, tmp_path: Path, feed: FeedProcess, market: Told
) -> None:
    assert feed.is_leading
    async with a_server(redis, tmp_path / "one") as server:
        too_old = await asked(server, interval="1m", start="2024-01-02", end="2024-01-03")
        unknown = await asked(server, symbol="NOSUCH", range="1mo")
        everything = await asked(server, interval="1h", range="max")

    assert (too_old["code"], too_old["reason"]) == (400, "range_limit")
    assert too_old["message"].startswith("Simulated has no 1-minute bars older than 30 days: ask for ")
    assert (unknown["code"], unknown["reason"]) == (404, "unknown_symbol")
    assert everything["code"] == 200, everything
    assert (everything["code"], len(everything["bars"]) > 1_000) == (200, True)


async def test_a_feed_whose_source_is_out_is_a_500_and_then_all_is_well(
    redis: RedisServer, tmp_path: Path, feed: FeedProcess, market: Told
) -> None:
    assert feed.is_leading
    market.is_out = True
    async with a_server(redis, tmp_path / "one") as server:
        out = await asked(server, range="1mo")

    assert (out["code"], out["reason"]) == (500, "provider_timeout")


async def test_what_the_feed_saw_fills_what_its_sources_do_not_have(
    redis: RedisServer, tmp_path: Path, feed: FeedProcess, market: Told
) -> None:
    start = yesterday()
    market.gap = (start + HOUR_MS, start + 2 * HOUR_MS)
    seen = Bar(start + HOUR_MS + 5 * MINUTE_MS, 10.0, 12.0, 9.0, 11.0, 40)
    assert feed.lead is not None
    feed.lead.feed.questions.history.own = Seen(seen)
    async with a_server(redis, tmp_path / "one") as server:
        reply = await asked(server, interval="1m", start=start, end=start + 3 * HOUR_MS - 1)

    bars = reply["bars"]
    assert len(bars) == 121
    assert reply["provider"] == "simulated"
    assert [bar for bar in bars if "provider" in bar] == [
        {"time": seen.time, "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 40, "provider": "recorded"}
    ]


async def test_what_the_feed_saw_before_a_split_is_corrected_for_it_and_back(
    redis: RedisServer, tmp_path: Path, feed: FeedProcess, market: Told
) -> None:
    start = yesterday()
    market.gap = (start + HOUR_MS, start + 2 * HOUR_MS)
    market.known_splits = [Split(start + DAY_MS + HOUR_MS, 4.0)]
    assert feed.lead is not None
    feed.lead.feed.questions.history.own = Seen(Bar(start + HOUR_MS, 40.0, 48.0, 36.0, 44.0, 10))
    question = {"interval": "1m", "start": start, "end": start + 3 * HOUR_MS - 1}
    async with a_server(redis, tmp_path / "one") as server:
        corrected, traded = [
            [bar for bar in (await asked(server, **question, adjust=adjust))["bars"] if "provider" in bar]
            for adjust in ("splits", "none")
        ]

    assert [(bar["open"], bar["close"], bar["volume"]) for bar in corrected] == [(10.0, 11.0, 40)]
    assert [(bar["open"], bar["close"], bar["volume"]) for bar in traded] == [(40.0, 44.0, 10)]


@pytest.mark.parametrize(
    "change",
    [
        {"start": "soon"},
        {"start": 10, "end": 10},
        {"start": 10**18},
        {"end": True},
        {"end": None},
        {"interval": "2h"},
        {"interval": ["1d"]},
        {"symbol": "not one"},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    redis: RedisServer, feed: FeedProcess, market: Told, change: Any
) -> None:
    assert feed.is_leading
    provider = RedisProvider(redis.url, timeout_seconds=PATIENCE_SECONDS, clock=RealClock())
    await provider.start()
    question = {"symbol": "AAPL", "interval": "1d", "start": 0, "end": DAY_MS, "prepost": False, **change}
    try:
        with pytest.raises(CommandError) as caught:
            await provider.link.asker.ask("bars", timeout_seconds=5.0, **question)
    finally:
        await provider.close()

    assert caught.value.reason is Reason.INVALID_COMMAND
    assert market.asked == []


async def test_what_another_feed_answers_is_no_bar_only_because_it_says_so(
    redis: RedisServer, feed: FeedProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = RedisProvider(redis.url, timeout_seconds=PATIENCE_SECONDS, clock=RealClock())
    await provider.start()
    assert feed.lead is not None

    async def garbled(*_: object) -> bytes:
        await asyncio.sleep(0)
        return b'{"provider":"x","bars":[{"time":"now"}]}'

    monkeypatch.setattr(feed.lead.answers, "_bars", garbled)
    try:
        with pytest.raises(ProviderError, match="answered what are no bars"):
            await provider.bars("AAPL", BarInterval.DAY, 0, DAY_MS, prepost=False)
    finally:
        await provider.close()
