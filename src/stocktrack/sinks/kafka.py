"""Publishes to a topic of Kafka: the key is the symbol, and the value the quote as JSON."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from stocktrack.messages import BoardQuote
from stocktrack.providers.kafka.library import (
    COMMON,
    ERRORS,
    AIOKafkaProducer,
    KafkaConnectionError,
    end_producer,
    make_topic,
    why,
)
from stocktrack.providers.kafka.topic import Topic
from stocktrack.providers.published import encode_published
from stocktrack.sinks.base import SinkError
from stocktrack.system.blocking import name_answered

# All of a write in one request: with aiokafka's own 16 KB, one of 500 prices waits for 20 answers one after the other.
# Brokers take a megabyte unless they are told otherwise.
_MOST_BYTES: Final = 786_432


class KafkaSink:
    """One topic. `instance` is whose quotes these are, which goes along with their `seq`.

    A batch is written when all copies of the topic that the broker asks for have it. Where the broker knows idempotent
    producers, none of it stands there twice because a request was repeated.
    """

    def __init__(self, url: str, instance: str) -> None:
        self._topic = Topic.at(url)
        self.name = str(self._topic)
        self._instance = instance
        self._is_idempotent = True
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Connect, and make the topic where there is none."""
        await self.close()
        try:
            await name_answered(self._topic.host, self._topic.port)
            try:
                await self._start()
            except KafkaConnectionError:
                raise
            except ERRORS:
                if not self._is_idempotent:
                    raise
                # An older broker, one that does not let us, or another one than Kafka's own.
                self._is_idempotent = False
                await self._start()
            await self._have_topic()
        except ERRORS as error:
            raise SinkError(why(error, self._topic)) from None

    async def write(self, quotes: Sequence[BoardQuote]) -> None:
        """Send `quotes` and wait until the broker has them."""
        if self._producer is None:
            raise SinkError(f"{self.name} is not connected.")
        sent: list[asyncio.Future[Any]] = []
        try:
            for quote in quotes:
                body = encode_published(quote, self._instance)
                sent.append(await self._producer.send(self._topic.name, body, key=quote.symbol.encode()))
            for outcome in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
        except ERRORS as error:
            raise SinkError(why(error, self._topic)) from None
        finally:
            for each in sent:
                each.add_done_callback(_seen)

    async def close(self) -> None:
        """End the producer; what it has not sent is dropped, and whoever gave it is told of none of it."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await end_producer(producer)

    async def _start(self) -> None:
        await self.close()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._topic.broker,
            acks="all",
            enable_idempotence=self._is_idempotent,
            max_batch_size=_MOST_BYTES,
            **COMMON,
        )
        await self._producer.start()

    async def _have_topic(self) -> None:
        """Make the topic where it is missing; `SinkError` where that may not be."""
        assert self._producer is not None  # noqa: S101 - `open` has started it
        # Asking for one topic would make it on many brokers, without compaction: all are asked for.
        if self._topic.name in (await self._producer.client.fetch_all_metadata()).topics():
            return
        try:
            await make_topic(self._topic)
        except KafkaConnectionError:
            raise
        except ERRORS as error:
            raise SinkError(
                f"{self.name} does not exist and cannot be made: {why(error, self._topic)} "
                "Make it yourself, with cleanup.policy=compact."
            ) from None


def _seen(sent: "asyncio.Future[Any]") -> None:
    if not sent.cancelled():
        sent.exception()
