import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError

from kafka_broker import KafkaBroker, running_kafka
from sink_quotes import a_board_quote
from stocktrack.providers.kafka.library import why
from stocktrack.providers.kafka.topic import Topic
from stocktrack.providers.published import decode_published
from stocktrack.sinks.base import SinkError
from stocktrack.sinks.kafka import KafkaSink


@pytest.fixture
def own() -> Iterator[KafkaBroker]:
    """A broker that a test may kill."""
    with running_kafka() as broker:
        yield broker


async def opened(url: str) -> KafkaSink:
    sink = KafkaSink(url, "b7c1")
    await sink.open()
    return sink


async def read(url: str, count: int) -> list[tuple[bytes, bytes]]:
    """The first keys and values of a topic, as another program reads them."""
    topic = Topic.at(url)
    consumer = AIOKafkaConsumer(bootstrap_servers=topic.broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic.name, 0)])
        return [(record.key, record.value) for record in [await consumer.getone() for _ in range(count)]]
    finally:
        await consumer.stop()


async def refusal(url: str) -> str:
    sink = KafkaSink(url, "b7c1")
    with pytest.raises(SinkError) as caught:
        await sink.open()
    await sink.close()
    return str(caught.value)


async def test_every_change_stands_in_the_topic_under_its_symbol(kafka: KafkaBroker) -> None:
    url = kafka.new_url()
    sink = await opened(url)
    await sink.write([a_board_quote("AAPL", 1), a_board_quote("^GSPC", 1), a_board_quote("AAPL", 2)])
    await sink.write([a_board_quote("AAPL", 3)])
    await sink.close()
    records = await read(url, 4)

    assert [(key, json.loads(value)["seq"]) for key, value in records] == [
        (b"AAPL", 1),
        (b"^GSPC", 1),
        (b"AAPL", 2),
        (b"AAPL", 3),
    ]
    published = decode_published(records[0][1], symbol="AAPL", provider="kafka", now_ms=0)
    assert (published.quote, published.instance) == (a_board_quote("AAPL", 1), "b7c1")


async def test_a_topic_that_is_missing_is_made_once_with_one_partition(kafka: KafkaBroker) -> None:
    url = kafka.new_url()
    for _ in range(2):
        sink = await opened(url)
        await sink.write([a_board_quote("AAPL", 1)])
        await sink.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    [told] = await admin.describe_topics([Topic.at(url).name])
    await admin.close()

    assert len(told["partitions"]) == 1
    assert len(await read(url, 2)) == 2


async def test_nobody_at_the_address_is_told_by_it(unused_tcp_port: int) -> None:
    said = await refusal(f"kafka://127.0.0.1:{unused_tcp_port}/quotes")

    assert said == f"No Kafka broker answers at 127.0.0.1:{unused_tcp_port}."


async def test_an_unknown_host_is_told_by_its_name() -> None:
    assert await refusal("kafka://no.such.host.invalid/quotes") == (
        "No Kafka broker answers at no.such.host.invalid:9092."
    )


async def test_a_broker_that_was_killed_is_a_failure_and_works_when_it_is_back(own: KafkaBroker) -> None:
    url = own.new_url()
    sink = await opened(url)
    own.kill()
    writing = asyncio.ensure_future(sink.write([a_board_quote("AAPL", 1)]))
    await asyncio.wait({writing}, timeout=0.5)
    writing.cancel()
    with suppress(asyncio.CancelledError, SinkError):
        await writing
    said = await refusal(url)
    own.start()
    await sink.open()
    await sink.write([a_board_quote("AAPL", 2)])
    await sink.close()

    assert said == f"No Kafka broker answers at {own.address}."
    assert [key for key, _ in await read(url, 1)] == [b"AAPL"]


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "paused"])
async def test_closing_takes_less_than_a_second_while_it_tries(
    own: KafkaBroker, is_killed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sink = await opened(own.new_url())
    await sink.write([a_board_quote("AAPL", 1)])
    if is_killed:
        own.kill()
    else:
        own.pause()
    writing = asyncio.ensure_future(sink.write([a_board_quote("AAPL", 2)]))
    await asyncio.wait({writing}, timeout=0.5)
    began = time.monotonic()
    await sink.close()
    seconds = time.monotonic() - began
    writing.cancel()
    with suppress(asyncio.CancelledError, SinkError):
        await writing

    assert seconds < 1
    assert caplog.records == []
    assert [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MessageSizeTooLargeError(), "takes no message as large as a quote"),
        (TopicAuthorizationFailedError(), "does not let this server use the topic quotes"),
        (TimeoutError(), "does not answer in time"),
        (RuntimeError("odd"), "kafka://host:9092/quotes: RuntimeError (odd)."),
    ],
)
def test_what_a_broker_says_is_told_in_a_sentence(error: Exception, says: str) -> None:
    assert says in why(error, Topic("host", 9092, "quotes"))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("kafka://host:9093/quotes", "kafka://host:9093/quotes"),
        ("kafka://host/quotes", "kafka://host:9092/quotes"),
        ("kafka://[::1]:9092/quotes", "kafka://[::1]:9092/quotes"),
    ],
)
def test_an_address_names_a_broker_and_a_topic(url: str, address: str) -> None:
    assert str(Topic.at(url)) == address
