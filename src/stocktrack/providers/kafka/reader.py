"""Reads one topic from its beginning, and on as it grows, with one consumer and without a group, until that breaks."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.kafka.library import (
    COMMON,
    ERRORS,
    REQUEST_SECONDS,
    AIOKafkaConsumer,
    TopicPartition,
    end_consumer,
    partitions_of,
    why,
)
from stocktrack.providers.kafka.table import Record, Table
from stocktrack.providers.kafka.topic import Topic
from stocktrack.quotes import Quote
from stocktrack.system.blocking import name_answered

Result = TypeVar("Result")

# While nothing comes, the broker is asked so often how long the topic is: a connection that is up says nothing of
# whether it delivers.
PROBE_SECONDS: Final = 3.0
PROBE_PATIENCE_SECONDS: Final = 5.0
_OLD_RECORDS_AT_ONCE, _RECORDS_AT_ONCE = 4_000, 500
# An alpha broker was seen to tell an end that is before the last records: the end is where nothing more comes.
_END_MS: Final = 150
_PAST_END_SECONDS: Final = 1.0
_WAIT_MS: Final = 1_000


class Reader:
    """One run through a topic into `table`. `publish` is given what comes after its end was reached once."""

    def __init__(self, topic: Topic, table: Table, clock: Clock, publish: Callable[[Sequence[Quote]], None]) -> None:
        self.has_read_all = asyncio.Event()
        self._topic = topic
        self._table = table
        self._clock = clock
        self._publish = publish
        self._consumer: AIOKafkaConsumer = None
        self._partitions: list[Any] = []

    async def run(self) -> None:
        """Read until that breaks: a `ProviderError`."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._topic.broker, enable_auto_commit=False, auto_offset_reset="earliest", **COMMON
        )
        try:
            await _in_time(name_answered(self._topic.host, self._topic.port), REQUEST_SECONDS)
            await self._consumer.start()
            numbers = await _in_time(partitions_of(self._consumer, self._topic), REQUEST_SECONDS)
            if not numbers:
                raise ProviderError(
                    Reason.PROVIDER_ERROR,
                    f"There is no topic {self._topic.name} at {self._topic.broker} yet; who publishes to it makes it.",
                )
            await self._assign(numbers)
            await self._read_what_is_there()
            self.has_read_all.set()
            await self._read_on()
        except TimeoutError:
            raise ProviderError(Reason.PROVIDER_TIMEOUT, why(TimeoutError(), self._topic)) from None
        except ERRORS as error:
            raise ProviderError(Reason.PROVIDER_ERROR, why(error, self._topic)) from None
        finally:
            await end_consumer(self._consumer)

    async def _assign(self, numbers: Collection[int]) -> None:
        """Read these partitions: those that are new from their beginning, the others on from where it is."""
        before = {each: await self._consumer.position(each) for each in self._partitions}
        self._partitions = [TopicPartition(self._topic.name, number) for number in sorted(numbers)]
        self._consumer.assign(self._partitions)
        for each in self._partitions:
            if each in before:
                self._consumer.seek(each, before[each])
        if new := [each for each in self._partitions if each not in before]:
            await _in_time(self._consumer.seek_to_beginning(*new), REQUEST_SECONDS)

    async def _read_what_is_there(self) -> None:
        ends = await _in_time(self._consumer.end_offsets(self._partitions), REQUEST_SECONDS)
        reached_at: float | None = None
        left, heard_at = True, self._clock.monotonic()
        while left:
            records = await self._next(_OLD_RECORDS_AT_ONCE, _END_MS)
            if records:
                self._table.take_newest(records, self._clock.now_ms())
                heard_at = self._clock.monotonic()
                await asyncio.sleep(0)  # others have their turn: there may be a million of them
            elif self._clock.monotonic() - heard_at > REQUEST_SECONDS:
                raise TimeoutError
            if reached_at is None and not any([await self._position(each) < ends[each] for each in self._partitions]):
                reached_at = self._clock.monotonic()
            # To a topic that is busy somebody publishes without a pause, and nobody may wait for one.
            left = reached_at is None or (bool(records) and self._clock.monotonic() - reached_at < _PAST_END_SECONDS)

    async def _read_on(self) -> None:
        looked_at, looked_from = self._clock.monotonic(), await self._positions()
        while True:
            records = await self._next(_RECORDS_AT_ONCE, _WAIT_MS)
            if records:
                quotes = self._table.take(records, self._clock.now_ms())
                if quotes:
                    self._publish(quotes)
                await asyncio.sleep(0)
            if self._clock.monotonic() - looked_at < PROBE_SECONDS:
                continue
            ends = await _in_time(self._consumer.end_offsets(self._partitions), PROBE_PATIENCE_SECONDS)
            positions = await self._positions()
            if positions == looked_from and any(positions[each] < ends[each] for each in self._partitions):
                raise ProviderError(
                    Reason.PROVIDER_TIMEOUT, f"{self._topic} has more records and does not deliver them."
                )
            numbers = self._consumer.partitions_for_topic(self._topic.name) or ()
            if len(numbers) > len(self._partitions):
                await self._assign(numbers)
                positions = await self._positions()
            looked_at, looked_from = self._clock.monotonic(), positions

    async def _next(self, most: int, wait_ms: int) -> Sequence[Record]:
        by_partition = await self._consumer.getmany(timeout_ms=wait_ms, max_records=most)
        return [record for records in by_partition.values() for record in records]

    async def _positions(self) -> dict[Any, int]:
        return {each: await self._position(each) for each in self._partitions}

    async def _position(self, partition: Any) -> int:
        position: int = await _in_time(self._consumer.position(partition), REQUEST_SECONDS)
        return position


async def _in_time(work: Awaitable[Result], seconds: float) -> Result:
    async with asyncio.timeout(seconds):
        return await work
