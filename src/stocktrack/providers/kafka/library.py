"""aiokafka at the border: its errors as sentences, its own log silenced, its clients ended in time whatever they do."""

import asyncio
import logging
import socket
from collections.abc import Coroutine
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    ConsumerStoppedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    RecordTooLargeError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from stocktrack.providers.kafka.topic import Topic

# Whoever uses this is told of each failure by an exception. aiokafka would log it as well, several times a second for
# as long as a broker is down.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)

CLIENT_ID: Final = "stocktrack"
# A broker that has not answered a request by then is given up; aiokafka's own is 40 seconds.
REQUEST_SECONDS: Final = 8.0
METADATA_SECONDS: Final = 30.0  # new partitions are found within this time
_STOP_SECONDS: Final = 0.1
_MOST_REPLICAS: Final = 3
COMMON: Final = {
    "client_id": CLIENT_ID,
    "request_timeout_ms": int(REQUEST_SECONDS * 1000),
    "metadata_max_age_ms": int(METADATA_SECONDS * 1000),
}
# All that aiokafka raises in an outage, or where a broker says no.
ERRORS: Final = (KafkaError, ConsumerStoppedError, OSError, TimeoutError)

__all__ = ["COMMON", "ERRORS", "AIOKafkaConsumer", "AIOKafkaProducer", "KafkaConnectionError", "TopicPartition"]


def why(error: BaseException, topic: Topic) -> str:
    """What an error says to a person."""
    match error:
        case KafkaConnectionError() | NodeNotReadyError() | socket.gaierror():
            return f"No Kafka broker answers at {topic.broker}."
        case KafkaTimeoutError() | RequestTimedOutError() | TimeoutError():
            return f"The Kafka broker at {topic.broker} does not answer in time."
        case MessageSizeTooLargeError() | RecordTooLargeError():
            return f"{topic} takes no message as large as a quote: raise max.message.bytes of the topic."
        case TopicAuthorizationFailedError() | ClusterAuthorizationFailedError():
            return f"The Kafka broker at {topic.broker} does not let this server use the topic {topic.name}."
        case UnknownTopicOrPartitionError():
            return f"There is no topic {topic.name} at {topic.broker}."
        case _:
            return f"{topic}: {_told(error)}."


def _told(error: BaseException) -> str:
    if type(error) is KafkaError:
        return str(error).removeprefix("KafkaError: ")
    text = str(error).removeprefix(f"{type(error).__name__}: ").strip().rstrip(".")
    return f"{type(error).__name__} ({text})" if text and text != type(error).__name__ else type(error).__name__


async def make_topic(topic: Topic) -> None:
    """Make `topic` with one partition, compacted: the newest value of each key stays. That it is there is fine."""
    admin = AIOKafkaAdminClient(bootstrap_servers=topic.broker, **COMMON)
    try:
        await admin.start()
        brokers = len((await admin.describe_cluster())["brokers"])
        # A cluster of three may want two copies of everything that it acknowledges.
        wanted = NewTopic(
            topic.name, 1, max(1, min(brokers, _MOST_REPLICAS)), topic_configs={"cleanup.policy": "compact"}
        )
        answer = await admin.create_topics([wanted], timeout_ms=int(REQUEST_SECONDS * 1000))
    except AttributeError:
        # So aiokafka meets a cluster that has no controller, or has none yet.
        raise KafkaError("the cluster has no controller at the moment") from None
    else:
        for _, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error
    finally:
        await quietly(admin.close())


async def partitions_of(consumer: AIOKafkaConsumer, topic: Topic) -> frozenset[int]:
    """The numbers of the partitions of `topic`; none where there is no such topic.

    Asked for by its name, many brokers would make it, and not compacted: all are asked for.
    """
    cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - its public way tells no partitions
    return frozenset(cluster.partitions_for_topic(topic.name) or ())


async def end_producer(producer: AIOKafkaProducer) -> None:
    """End a producer; what it has not sent is dropped.

    Its own `stop` would send it, and go on trying for as long as the broker is down; its parts have no public way out.
    """
    producer._closed = True  # noqa: SLF001
    await quietly(producer.client.close())  # first: requests that are under way fail by it
    await quietly(producer._sender.close())  # noqa: SLF001


async def end_consumer(consumer: AIOKafkaConsumer) -> None:
    """End a consumer, also one whose broker is down."""
    if not await quietly(consumer.stop()):
        # Cancelling its own requests, it takes the cancellation for its own and leaves its client running.
        await quietly(consumer._client.close())  # noqa: SLF001


async def quietly(work: Coroutine[Any, Any, object]) -> bool:
    """Whether `work` was done within a moment, without an error."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=_STOP_SECONDS)
    finally:
        task.cancel()
    await asyncio.wait({task}, timeout=_STOP_SECONDS)
    return task.done() and not task.cancelled() and task.exception() is None
