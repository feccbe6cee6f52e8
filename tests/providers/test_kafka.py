import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from structlog.testing import capture_logs

from kafka_broker import KafkaBroker, running_kafka
from live_server import until
from patience import PATIENCE_SECONDS
from sink_quotes import a_board_quote
from stocktrack.clock import ManualClock, RealClock, end
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.messages import BoardQuote
from stocktrack.providers.kafka import reader
from stocktrack.providers.kafka.provider import KafkaProvider
from stocktrack.providers.kafka.table import Table
from stocktrack.providers.kafka.topic import Topic
from stocktrack.providers.published import encode_published
from stocktrack.quotes import MarketState, Quote
from stocktrack.testing import (
    BrokenStreamContract,
    Collected,
    HangingContract,
    OutageContract,
    ProviderContract,
    QuoteContract,
    StreamContract,
    Subject,
    UnusableContract,
)

KNOWN = ("AAPL", "MSFT", "^GSPC", "BRK-B", "NSE:M&M")
Make = Callable[..., KafkaProvider]


class Publisher:
    """Another program that writes to a topic."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.url = broker.new_url()
        self.topic = Topic.at(self.url)
        self._producer = AIOKafkaProducer(bootstrap_servers=broker.address)

    async def __aenter__(self) -> "Publisher":
        await self._producer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._producer.stop()

    async def make_topic(self, *, partitions: int = 1) -> None:
        """Make it without a record in it."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.topic.broker)
        await admin.start()
        await admin.create_topics([NewTopic(self.topic.name, partitions, 1)])
        await admin.close()

    async def write(self, key: str | None, value: bytes | None, *, partition: int | None = None) -> None:
        """Write a record, and return when the broker has it."""
        encoded = key.encode() if key is not None else None
        await self._producer.send_and_wait(self.topic.name, value, key=encoded, partition=partition)

    async def price(self, symbol: str, price: float, **fields: Any) -> None:
        """Write what others publish."""
        await self.write(symbol, json.dumps({"symbol": symbol, "price": price, **fields}).encode())

    async def ours(self, symbol: str, seq: int, *, partition: int | None = None) -> None:
        """Write what a StockTrack publishes."""
        await self.write(symbol, encode_published(a_board_quote(symbol, seq), "b7c1"), partition=partition)


@pytest.fixture
def own() -> Iterator[KafkaBroker]:
    """A broker that a test may kill."""
    with running_kafka() as broker:
        yield broker


@pytest.fixture
async def publisher(kafka: KafkaBroker) -> AsyncIterator[Publisher]:
    async with Publisher(kafka) as publisher:
        yield publisher


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[KafkaProvider] = []

    def make_one(url: str | None) -> KafkaProvider:
        made.append(KafkaProvider(url=url, clock=RealClock()))
        return made[-1]

    yield make_one
    for provider in made:
        await provider.close()


@pytest.fixture
async def provider(make: Make, publisher: Publisher) -> KafkaProvider:
    return make(publisher.url)


async def streaming(provider: KafkaProvider, *symbols: str) -> tuple[Collected, asyncio.Task[None]]:
    sink = Collected(lambda _: None)
    task = asyncio.create_task(provider.stream(lambda: symbols, sink))
    await until(lambda: sink.times_opened or task.done())
    return sink, task


async def ended(task: asyncio.Task[None]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await asyncio.wait_for(task, PATIENCE_SECONDS)
    return caught.value


# --- the contract ---


class TestKafkaKeepsTheContract(ProviderContract, QuoteContract, StreamContract):
    @pytest.fixture
    async def subject(self, provider: KafkaProvider, publisher: Publisher) -> Subject:
        price = 100.0

        async def next_prices() -> None:
            nonlocal price
            price += 1
            for symbol in KNOWN:
                await publisher.price(symbol, price, currency="USD", previous_close=90.0)

        await next_prices()
        await provider.start()
        return Subject(provider, known=KNOWN, unknown="NOSUCH", next_prices=next_prices)

    # Whatever nobody has published yet may be published next: a topic never says that there is no such symbol.

    async def test_known_symbols_have_quotes_and_unknown_ones_are_called_unknown(self, subject: Subject) -> None:
        assert isinstance(subject.provider, KafkaProvider)
        answer = await subject.provider.quotes([*subject.known, subject.unknown])

        assert set(answer.quotes) == set(subject.known)
        assert set(answer.failed) == {subject.unknown}
        assert answer.unknown == frozenset()

    async def test_an_unknown_symbol_alone_is_an_answer_and_no_failure(self, subject: Subject) -> None:
        assert isinstance(subject.provider, KafkaProvider)
        answer = await subject.provider.quotes([subject.unknown])

        assert answer.failed[subject.unknown].message.startswith("Nobody has published NOSUCH at kafka://127.0.0.1:")


class TestKafkaWithoutABroker(OutageContract):
    @pytest.fixture
    async def subject(self, make: Make, unused_tcp_port: int) -> Subject:
        return Subject(make(f"kafka://127.0.0.1:{unused_tcp_port}/quotes"), known=KNOWN)


class TestAStreamWithoutABroker(BrokenStreamContract):
    @pytest.fixture
    async def subject(self, make: Make, unused_tcp_port: int) -> Subject:
        return Subject(make(f"kafka://127.0.0.1:{unused_tcp_port}/quotes"), known=KNOWN)


class TestKafkaThatHangs(HangingContract):
    @pytest.fixture
    async def subject(self, own: KafkaBroker, make: Make) -> AsyncIterator[Subject]:
        own.pause()
        yield Subject(make(own.new_url()), known=KNOWN)
        own.resume()


class TestKafkaWithoutAnAddress(UnusableContract):
    @pytest.fixture
    async def subject(self, make: Make) -> Subject:
        return Subject(make(None), known=KNOWN, remedy="kafka_url")


# --- what was published before ---


async def test_ours_come_with_their_seq_and_the_newest_of_each_symbol_counts(
    provider: KafkaProvider, publisher: Publisher
) -> None:
    for seq in range(1, 51):
        await publisher.ours("AAPL", seq)
    await publisher.price("MSFT", 400.0)
    answer = await provider.quotes(["AAPL", "MSFT"])

    aapl = answer.quotes["AAPL"]
    assert isinstance(aapl, BoardQuote)
    assert (aapl.seq, aapl.price, aapl.provider) == (50, 50.0, "scripted")
    assert not isinstance(answer.quotes["MSFT"], BoardQuote)


async def test_poison_and_deleted_keys_spoil_nothing_and_are_told_once(
    provider: KafkaProvider, publisher: Publisher
) -> None:
    await publisher.ours("AAPL", 1)
    for value in (b"no JSON", b'{"symbol":"MSFT","price":1}', b'{"symbol":"AAPL","price":NaN}', b"x" * 100_000):
        await publisher.write("AAPL", value)
    await publisher.ours("TSLA", 1)
    await publisher.write("TSLA", None)
    with capture_logs() as log:
        answer = await provider.quotes(["AAPL", "TSLA"])
        await provider.quotes(["AAPL"])

    assert (set(answer.quotes), set(answer.failed)) == ({"AAPL"}, {"TSLA"})
    assert provider.dropped == {"json": 1, "symbol": 1, "price": 1, "size": 1}
    told = [each for each in log if each["event"] == "records that are no quotes were dropped"]
    assert [(each["json"], each["symbol"], each["price"], each["size"]) for each in told] == [(1, 1, 1, 1)]


async def test_a_topic_that_nobody_has_made_is_told_and_found_once_it_is_there(
    provider: KafkaProvider, publisher: Publisher
) -> None:
    with pytest.raises(ProviderError, match="There is no topic quotes-") as caught:
        await provider.quotes(["AAPL"])
    await publisher.ours("AAPL", 1)

    assert "who publishes to it makes it" in caught.value.message
    assert set((await provider.quotes(["AAPL"])).quotes) == {"AAPL"}


async def test_asking_for_a_topic_does_not_make_it(make: Make, kafka: KafkaBroker) -> None:
    url = kafka.new_url()
    with pytest.raises(ProviderError):
        await make(url).quotes(["AAPL"])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    topics = await admin.list_topics()
    await admin.close()

    assert Topic.at(url).name not in topics


async def test_an_empty_topic_has_no_quotes_and_is_no_outage(provider: KafkaProvider, publisher: Publisher) -> None:
    await publisher.make_topic()

    assert set((await provider.quotes(["AAPL"])).failed) == {"AAPL"}


async def test_what_nobody_has_renewed_for_a_minute_is_old_in_an_open_market(
    provider: KafkaProvider, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = a_board_quote("MSFT", 1).model_copy(update={"market_state": MarketState.CLOSED})
    await publisher.ours("AAPL", 1)
    await publisher.write("MSFT", encode_published(closed, "b7c1"))
    fresh = await provider.quotes(["AAPL", "MSFT"])
    monkeypatch.setattr(provider._clock, "now_ms", lambda: time.time_ns() // 1_000_000 + 61_000)
    old = await provider.quotes(["AAPL", "MSFT"])

    assert [quote.stale for quote in fresh.quotes.values() if isinstance(quote, BoardQuote)] == [False, False]
    assert [quote.stale_reason for quote in old.quotes.values() if isinstance(quote, BoardQuote)] == [
        Reason.PROVIDER_TIMEOUT,
        None,
    ]


# --- what is published while it streams ---


async def test_a_stream_begins_with_what_is_known_and_goes_on_with_every_change(
    provider: KafkaProvider, publisher: Publisher
) -> None:
    await publisher.ours("AAPL", 1)
    sink, task = await streaming(provider, "AAPL")
    await publisher.ours("MSFT", 1)
    for seq in range(2, 12):
        await publisher.ours("AAPL", seq)
    await until(lambda: len(sink.quotes) >= 11)
    task.cancel()
    await asyncio.wait({task})

    assert [(quote.symbol, quote.price) for quote in sink.quotes] == [("AAPL", float(seq)) for seq in range(1, 12)]


async def test_a_partition_that_is_added_is_read_from_its_beginning_and_the_others_go_on(
    kafka: KafkaBroker, make: Make, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PROBE_SECONDS", 0.1)
    # Tansu adds no partition to a topic: one of the two is kept from the consumer for a while.
    numbers = {0}

    async def those(*_: object) -> frozenset[int]:
        return frozenset(numbers)

    monkeypatch.setattr(reader, "partitions_of", those)
    monkeypatch.setattr(AIOKafkaConsumer, "partitions_for_topic", lambda _consumer, _topic: set(numbers))
    await publisher.make_topic(partitions=2)
    await publisher.ours("AAPL", 1, partition=0)
    await publisher.ours("MSFT", 1, partition=1)
    provider = make(publisher.url)
    sink, task = await streaming(provider, "AAPL", "MSFT")
    await publisher.ours("AAPL", 2, partition=0)
    await until(lambda: len(sink.quotes) >= 2)
    before = [quote.symbol for quote in sink.quotes]
    numbers.add(1)
    await until(lambda: len(sink.quotes) >= 3)
    await publisher.ours("MSFT", 2, partition=1)
    await publisher.ours("AAPL", 3, partition=0)
    await until(lambda: len(sink.quotes) >= 5)
    task.cancel()
    await asyncio.wait({task})

    assert before == ["AAPL", "AAPL"]
    assert [quote.price for quote in sink.quotes if quote.symbol == "AAPL"] == [1.0, 2.0, 3.0]
    assert [quote.price for quote in sink.quotes if quote.symbol == "MSFT"] == [1.0, 2.0]


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "paused"])
async def test_a_broker_that_goes_breaks_the_stream_and_a_new_one_goes_on(
    own: KafkaBroker, make: Make, is_killed: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(reader, "PROBE_PATIENCE_SECONDS", 0.5)
    url = own.new_url()
    publisher = Publisher(own)
    publisher.url, publisher.topic = url, Topic.at(url)
    async with publisher:
        await publisher.ours("AAPL", 7)
        provider = make(url)
        _, task = await streaming(provider, "AAPL")
        if is_killed:
            own.kill()
        else:
            own.pause()
        error = await ended(task)
        if is_killed:
            own.start()
        else:
            own.resume()
    publisher = Publisher(own)
    publisher.url, publisher.topic = url, Topic.at(url)
    async with publisher:
        await publisher.ours("AAPL", 8)
        again, task = await streaming(provider, "AAPL")
        await until(lambda: [quote for quote in again.quotes if quote.price == 8.0])
        task.cancel()
        await asyncio.wait({task})

    assert str(own.port) in error.message
    assert caplog.records == []


async def test_closing_takes_less_than_a_second_while_the_broker_is_paused(own: KafkaBroker, make: Make) -> None:
    async with Publisher(own) as publisher:
        await publisher.ours("AAPL", 7)
        provider = make(publisher.url)
        _, task = await streaming(provider, "AAPL")
        own.pause()
        began = time.monotonic()
        task.cancel()
        await provider.close()
        seconds = time.monotonic() - began
        own.resume()
        await asyncio.wait({task})

    assert seconds < 1


class BusyConsumer:
    """A topic that has another record whenever it is asked, some hundredths of a second later."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._at = 0

    async def start(self) -> None:
        """It is there."""

    def assign(self, partitions: object) -> None:
        """There is but one."""

    async def seek_to_beginning(self, *partitions: object) -> None:
        """It stands there."""

    async def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(partitions, self._at + 3)

    def partitions_for_topic(self, name: str) -> set[int]:
        return {0}

    async def position(self, partition: object) -> int:
        return self._at

    async def getmany(self, **_: int) -> dict[int, list[Any]]:
        await self._clock.advance(0.02)
        self._at += 1
        value = json.dumps({"symbol": "AAPL", "price": self._at}).encode()
        return {0: [SimpleNamespace(key=b"AAPL", value=value, timestamp=self._clock.now_ms())]}

    async def stop(self) -> None:
        """It ends."""


async def test_a_topic_that_is_never_quiet_is_read_to_its_end_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, heard = ManualClock(), list[Quote]()

    async def numbers(*_: object) -> frozenset[int]:
        return frozenset({0})

    monkeypatch.setattr(reader, "AIOKafkaConsumer", lambda **_: BusyConsumer(clock))
    monkeypatch.setattr(reader, "partitions_of", numbers)
    reading = reader.Reader(Topic.at("kafka://127.0.0.1:9092/quotes"), Table("kafka"), clock, heard.extend)
    task = asyncio.create_task(reading.run())
    try:
        await asyncio.wait_for(reading.has_read_all.wait(), 10)
        await until(lambda: heard)
    finally:
        await end(task)

    assert heard[0].price < 100


async def test_without_an_address_it_cannot_be_used(make: Make) -> None:
    with pytest.raises(SourceUnusable, match="set kafka_url"):
        await make(None).start()
