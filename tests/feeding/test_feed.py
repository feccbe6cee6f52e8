import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from feeds import Market, a_feed
from live_server import live_server, until
from patience import PATIENCE_SECONDS
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.engine.asking import Asker, NobodyAnswers
from stocktrack.engine.client import open_redis, place_of
from stocktrack.engine.names import FEED, INSTANCE, LEADER, SEQ
from stocktrack.engine.subscriber import Subscriber
from stocktrack.engine.words import read_word
from stocktrack.errors import CommandError, ConfigError, ProviderError, Reason
from stocktrack.feeding import answering
from stocktrack.feeding.feed import FeedProcess
from stocktrack.market.events import Event, FeedEvent
from stocktrack.providers.base import Provider, QuoteAnswer, StreamSink, Wanted
from stocktrack.providers.redis.provider import RedisProvider
from stocktrack.quotes import Quote


class Counting(Market):
    """A market that counts how often it was opened and closed, and what is streamed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False
        self.streamed: set[str] = set()

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        def noted() -> Any:
            self.streamed = set(wanted())
            return wanted()

        await super().stream(noted, sink)

    async def close(self) -> None:
        self.is_closed = True
        await super().close()


def a_process(redis: RedisServer, data_dir: Path, made: list[Counting]) -> FeedProcess:
    """A feed that does not run yet; what sources it makes stand in `made`."""

    def make() -> Sequence[Provider]:
        made.append(Counting())
        return [made[-1]]

    settings = Settings(data_dir=data_dir, redis_url=redis.url, providers=("simulated",))
    return FeedProcess(settings, RealClock(), make_providers=make)


class Listener:
    """Follows channels of a Redis."""

    def __init__(self, redis: RedisServer, *channels: str) -> None:
        self.messages: list[Any] = []
        self.client = open_redis(redis.url, timeout_seconds=PATIENCE_SECONDS)
        self.asker = Asker(self.client, "Redis", RealClock())
        self.channels = {*channels, self.asker.channel}
        self._subscriber = Subscriber(
            self.client,
            place_of(redis.url),
            RealClock(),
            wanted=lambda: self.channels,
            take=self._take,
        )
        self.task = asyncio.create_task(self._subscriber.run())

    def _take(self, channel: str, payload: bytes) -> None:
        if channel == self.asker.channel:
            self.asker.take(payload)
        else:
            self.messages.append(read_word(payload) if channel == FEED else json.loads(payload))

    async def ready(self) -> None:
        await until(lambda: self._subscriber.following >= self.channels)


@pytest.fixture
async def listen(redis: RedisServer) -> AsyncIterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def make(*channels: str) -> Listener:
        listeners.append(Listener(redis, *channels))
        return listeners[-1]

    yield make
    for each in listeners:
        each.task.cancel()
        await asyncio.gather(each.task, return_exceptions=True)
        await each.client.aclose()


# --- who leads ---------------------------------------------------------------------------------------------------


async def test_a_second_feed_waits_and_takes_over_at_once_from_one_that_is_closed(
    redis: RedisServer, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    made: list[Counting] = []
    first, second = (a_process(redis, tmp_path, made) for _ in range(2))
    listener = listen("stock:AAPL")
    await first.start()
    await until(lambda: first.is_leading)
    await second.start()
    await until(lambda: len(listener.messages) > 3)
    assert len(made) == 1  # who waits asks nobody
    assert second.lead is None

    began = RealClock.monotonic()
    await first.close()
    assert made[0].is_closed
    await until(lambda: second.is_leading)
    assert RealClock.monotonic() - began < 2.4  # sooner than the lease would have ended
    taken_over = len(listener.messages)
    await until(lambda: len(listener.messages) > taken_over + 3)
    await second.close()
    assert len({quote["instance"] for quote in listener.messages}) == 1
    seqs = [quote["seq"] for quote in listener.messages]
    assert seqs == sorted(seqs)
    assert len(set(seqs)) == len(seqs)


async def test_a_new_leader_whose_clock_is_behind_goes_on_above(redis: RedisServer, tmp_path: Path) -> None:
    highest = RealClock().now_ms() + 3_600_000
    redis.command("SET", SEQ, str(highest))
    async with a_feed(redis, tmp_path) as feed:
        assert feed.lead is not None
        feed.lead.hint(b'["AAPL"]')
        await until(lambda: feed.lead is not None and (quote := feed.lead.board.quote("AAPL")) and quote.seq > highest)


async def test_one_that_loses_its_lease_to_another_closes_its_sources_and_waits(
    redis: RedisServer, tmp_path: Path
) -> None:
    made: list[Counting] = []
    feed = a_process(redis, tmp_path, made)
    await feed.start()
    try:
        await until(lambda: feed.is_leading)
        redis.command("SET", LEADER, "another", "PX", "1500")
        await until(lambda: made[0].is_closed)
        await until(lambda: not feed.is_leading)
        await until(lambda: feed.is_leading)  # the other one is gone
        assert len(made) == 2
    finally:
        await feed.close()
    assert made[1].is_closed
    assert redis.command("GET", LEADER) == b"$-1\r\n"


def test_a_feed_does_not_feed_on_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a feed asks the market's sources and publishes to Redis"):
        FeedProcess(Settings(data_dir=tmp_path, providers=("redis",)), RealClock())


async def test_a_feed_that_may_not_lead_says_why_it_is_not_ready(redis: RedisServer, tmp_path: Path) -> None:
    redis.command("ACL", "SETUSER", "feed", "on", ">SeCrEt", "~*", "&*", "+@all", "-eval")
    settings = Settings(
        data_dir=tmp_path, redis_url=redis.url.replace("redis://", "redis://feed:SeCrEt@"), providers=("simulated",)
    )
    feed = FeedProcess(settings, RealClock())
    await feed.start()
    try:
        await until(lambda: feed._lease.failure)
        with pytest.raises(Exception, match="no permissions to run the 'eval' command"):
            await feed.check()
    finally:
        await feed.close()
        redis.command("ACL", "DELUSER", "feed")


# --- what it publishes -------------------------------------------------------------------------------------------


async def test_what_nobody_wants_any_more_is_no_longer_asked_for(
    redis: RedisServer, tmp_path: Path, listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktrack.market.demand.GRACE_SECONDS", 0.1)
    made: list[Counting] = []
    feed = a_process(redis, tmp_path, made)
    await feed.start()
    try:
        listener = listen("stock:AAPL", "stock:MSFT")
        await until(lambda: made and made[0].streamed == {"AAPL", "MSFT"})
        listener.channels.discard("stock:MSFT")
        listener._subscriber.look()
        await until(lambda: made[0].streamed == {"AAPL"})
    finally:
        await feed.close()


async def test_everything_that_is_watched_is_published_again_by_a_redis_that_forgot_it(
    redis: RedisServer, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    listener = listen("stock:AAPL", FEED)
    async with a_feed(redis, tmp_path, make_providers=lambda: [Still()]):
        await until(lambda: redis.command("GET", "stock:AAPL") != b"$-1\r\n")
        instance = redis.command("GET", INSTANCE)
        redis.command("FLUSHALL")
        await until(lambda: redis.command("GET", "stock:AAPL") != b"$-1\r\n")
        await until(lambda: redis.command("GET", INSTANCE) == instance)
    assert not listener.task.done()


class Still(Market):
    """A market whose prices stand still, so that nothing is published by itself."""

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        sink.opened()
        given: set[str] = set()
        while True:
            if new := set(wanted()) - given:
                given |= new
                sink.publish([Quote(symbol=each, price=1.0, received_at=1, provider="redis") for each in new])
            await sink.demand_change()


# --- what it answers ---------------------------------------------------------------------------------------------


async def test_a_thousand_questions_at_once_are_answered(
    redis: RedisServer, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    listener = listen()
    await listener.ready()
    async with a_feed(redis, tmp_path):
        asked = [listener.asker.ask("quotes", timeout_seconds=PATIENCE_SECONDS, symbols=["AAPL"]) for _ in range(1_000)]
        answers = await asyncio.gather(*asked)
    assert {quotes[0].symbol for quotes, _ in answers} == {"AAPL"}
    assert all(missing == {} for _, missing in answers)


async def test_what_has_no_answer_is_told_as_the_error_that_it_is(
    redis: RedisServer, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    listener = listen()
    await listener.ready()
    with pytest.raises(NobodyAnswers):
        await listener.asker.ask("search", timeout_seconds=5, query="a", limit=3)
    async with a_feed(redis, tmp_path):
        quotes, missing = await listener.asker.ask("quotes", timeout_seconds=5, symbols=["AAPL", "NOSUCHSYMBOL"])
        assert [quote.symbol for quote in quotes] == ["AAPL"]
        assert missing["NOSUCHSYMBOL"].reason is Reason.UNKNOWN_SYMBOL
        for fields in ({"symbols": "AAPL"}, {"symbols": ["A B"]}, {}):
            with pytest.raises(CommandError) as refused:
                await listener.asker.ask("quotes", timeout_seconds=5, **fields)
            assert refused.value.reason is Reason.INVALID_COMMAND
        with pytest.raises(CommandError):
            await listener.asker.ask("company", timeout_seconds=5, symbol="\x00")


@pytest.mark.parametrize(
    "question",
    [
        *(b"", b"\xff", b"[]", b"7", b"[" * 60_000, b'{"id":1e999,"reply_to":"stocktrack:answer:a","ask":"news"}'),
        *(b'{"id":1,"ask":"news"}', b'{"id":1,"reply_to":"stock:AAPL","ask":"news"}'),
        *(
            b'{"id":1,"reply_to":"stocktrack:answer:a","ask":"x"}',
            b'{"id":1,"reply_to":"stocktrack:answer:a","ask":[]}',
        ),
        b'{"id":1,"reply_to":["stocktrack:answer:a"],"ask":"news"}',
    ],
)
async def test_a_question_that_makes_no_sense_is_passed_over(
    redis: RedisServer, tmp_path: Path, question: bytes
) -> None:
    async with a_feed(redis, tmp_path) as feed:
        assert feed.lead is not None
        feed.lead.answers.take(question)
        assert feed.lead.answers._tasks == set()


async def test_questions_beyond_all_measure_are_passed_over(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MAX_AT_ONCE", 3)
    async with a_feed(redis, tmp_path) as feed:
        assert feed.lead is not None
        for number in range(10):
            feed.lead.answers.take(
                json.dumps({"id": number, "reply_to": "stocktrack:answer:a", "ask": "news"}).encode()
            )
        assert len(feed.lead.answers._tasks) == 3


# --- a server beside it ------------------------------------------------------------------------------------------


class Ignorant(Market):
    """A market that has no price of `COIN`."""

    async def quotes(self, symbols: Sequence[str], *_: Any) -> QuoteAnswer:
        answer = await super().quotes([symbol for symbol in symbols if symbol != "COIN"])
        return QuoteAnswer(answer.quotes, answer.unknown | {"COIN"} & set(symbols), answer.failed)

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        await super().stream(lambda: [symbol for symbol in wanted() if symbol != "COIN"], sink)


@contextlib.asynccontextmanager
async def a_server(redis: RedisServer, data_dir: Path) -> AsyncIterator[Any]:
    provider = RedisProvider(redis.url, timeout_seconds=5.0, clock=RealClock())
    async with live_server(data_dir, provider) as server:
        yield server


async def test_an_administrator_of_a_server_is_told_of_the_feed_that_leads_and_of_its_sources(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with a_server(redis, tmp_path) as server:
        await server.app.accounts.set_admin("ann", is_admin=True)
        client = await server.log_in()
        assert "feed" not in await client.ask({"type": "SOURCES", "detail": True})
        async with a_feed(redis, tmp_path) as feed:
            await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "TSLA"], "interval": 0})
            lead = feed.lead
            assert lead is not None
            await until(lambda: set(lead.board.watched()) == {"AAPL", "TSLA"})
            await client.receive_until("PRICE")
            told = (await client.ask({"type": "SOURCES", "detail": True}))["feed"]
            assert "feed" not in await client.ask({"type": "SOURCES"})
        # None leads any more, and none is waited for.
        assert "feed" not in await client.ask({"type": "SOURCES", "detail": True})
    assert (told["host"], told["pid"]) == (socket.gethostname(), os.getpid())
    [source] = told["sources"]
    assert (source["provider"], source["state"], source["leads"]) == ("redis", "ok", 2)
    assert sorted([*source["streamed"], *source["polled"]]) == ["AAPL", "TSLA"]


async def test_what_others_publish_is_not_dropped_because_the_feed_does_not_know_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    redis.command("SET", "stock:COIN", '{"symbol":"COIN","price":1.5}')
    async with (
        a_feed(redis, tmp_path, make_providers=lambda: [Ignorant()]) as feed,
        a_server(redis, tmp_path) as server,
    ):
        client = await server.log_in()
        client.send({"type": "SUBSCRIBE", "symbols": ["COIN", "AAPL"], "interval": 0})
        await client.receive_until("PRICE")
        assert feed.lead is not None
        await until(lambda: feed.lead is not None and "COIN" in feed.lead.board.watched())
        feed.lead._tell(FeedEvent(Event.UNKNOWN, frozenset({"COIN"})))
        assert feed.lead._words
        await until(lambda: feed.lead is not None and not feed.lead._words)
        redis.command("PUBLISH", "stock:COIN", '{"symbol":"COIN","price":1.6}')
        while (message := await client.receive())["type"] != "NOTICE" and message.get("price") != 1.6:
            pass
        assert message["type"] == "PRICE"
        stocks = await client.ask({"type": "MY_STOCKS"})
        assert "COIN" in stocks["symbols"]


async def test_an_outage_of_the_feeds_source_is_told_on_the_server(redis: RedisServer, tmp_path: Path) -> None:
    async with a_feed(redis, tmp_path) as feed, a_server(redis, tmp_path) as server:
        client = await server.log_in()
        client.send({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        await client.receive_until("PRICE")
        assert feed.lead is not None
        blocked = ProviderError(Reason.PROVIDER_BLOCKED, "yahoo refuses requests (429).", retry_after_ms=30_000)
        feed.lead._tell(FeedEvent(Event.OUTAGE, frozenset({"AAPL"}), blocked))
        notice = await client.receive_until("NOTICE")
        assert (notice["reason"], notice["symbols"], notice["retry_after_ms"]) == ("provider_blocked", ["AAPL"], 30_000)
        feed.lead._tell(FeedEvent(Event.RESTORED, frozenset({"AAPL"})))
        notice = await client.receive_until("NOTICE")
        assert (notice["reason"], notice["symbols"]) == ("provider_restored", ["AAPL"])


async def test_hello_names_the_feeds_instance_and_prices_carry_its_seq(redis: RedisServer, tmp_path: Path) -> None:
    async with a_feed(redis, tmp_path) as feed, a_server(redis, tmp_path) as server:
        assert feed.lead is not None
        client = await server.connect_unread()
        assert (await client.receive())["instance"] == feed.lead.instance
        client = await server.log_in()
        client.send({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        price = await client.receive_until("PRICE")
        assert price["seq"] > 1_700_000_000_000


async def test_a_redis_that_starts_again_empty_costs_the_clients_no_price(tmp_path: Path) -> None:
    with running_redis() as redis:
        async with a_feed(redis, tmp_path), a_server(redis, tmp_path) as server:
            client = await server.log_in()
            client.send({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
            before = await client.receive_until("PRICE")
            redis.kill()
            redis.start()
            after = before
            while after["seq"] <= before["seq"] + 20:
                after = await client.receive_until("PRICE", "NOTICE")
                assert after["type"] == "PRICE", after


async def test_what_nobody_had_published_is_there_as_soon_as_somebody_has(redis: RedisServer, tmp_path: Path) -> None:
    async with a_server(redis, tmp_path) as server:
        client = await server.log_in()
        assert (await client.ask({"type": "GET", "symbols": ["AAPL"]}))["reason"] == "provider_error"
        redis.command("SET", "stock:AAPL", '{"price":189.45}')
        reply = await client.ask({"type": "GET", "symbols": ["AAPL"]})
        assert reply["quotes"][0]["price"] == 189.45


async def test_a_feed_that_is_gone_is_what_is_told_and_not_that_nobody_has_published(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktrack.providers.redis.link.FEED_SILENT_SECONDS", 0.5)
    async with a_server(redis, tmp_path) as server:
        client = await server.log_in()
        async with a_feed(redis, tmp_path):
            assert (await client.ask({"type": "GET", "symbols": ["MSFT"]}))["code"] == 200
        reply = await client.ask({"type": "GET", "symbols": ["TSLA"]})
        assert (reply["code"], reply["reason"]) == (500, "provider_timeout")
        assert "has been silent" in reply["message"]
        sources = await client.ask({"type": "SOURCES"})
        assert sources["sources"][0]["state"] == "failing"


async def test_whether_redis_is_there_shows_also_while_nobody_asks_for_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktrack.providers.redis.provider.HEAL_SECONDS", 0.2)
    with running_redis() as redis:
        redis.kill()
        async with a_server(redis, tmp_path) as server:

            def source() -> Any:
                return server.app.feed.routes.sources()[0]

            await until(lambda: source().state == "failing")
            assert "cannot be reached: connection refused" in str(source().message)
            redis.start()
            await until(lambda: source().state == "unused")
            redis.command("SET", "stock:AAPL", '{"price":1}')
            client = await server.log_in()
            assert (await client.ask({"type": "GET", "symbols": ["AAPL"]}))["code"] == 200
            assert source().state == "ok"
            redis.kill()
            assert (await client.ask({"type": "GET", "symbols": ["MSFT"]}))["code"] == 500
            assert source().state == "failing"


async def test_who_leads_writes_to_the_ways_out_of_the_settings(redis: RedisServer, tmp_path: Path) -> None:
    rows = tmp_path / "ticks.jsonl"
    settings = Settings(
        data_dir=tmp_path, redis_url=redis.url, providers=("simulated",), publish_to=(f"file://{rows}",)
    )
    feed = FeedProcess(settings, RealClock(), make_providers=lambda: [Market()])
    await feed.start()
    try:
        await until(lambda: feed.is_leading)
        redis.command("PUBLISH", "stocktrack:wanted", '["AAPL"]')
        await until(lambda: feed.lead is not None and feed.lead.sinks.infos()[0].written > 2)
    finally:
        await feed.close()
    assert {json.loads(row)["symbol"] for row in rows.read_text().splitlines()} == {"AAPL"}
