import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from fakes import soon
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.market.answer_cache import AnswerCache


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Asked:
    """A slow call: answers with `answer`, or raises it, once it may; counts how often it was made."""

    def __init__(self) -> None:
        self.count = 0
        self.answer: int | Exception | None = 7
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self) -> int | None:
        self.count += 1
        await self.may_answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def cache(clock: ManualClock) -> AsyncIterator[AnswerCache[str, int | None]]:
    made: AnswerCache[str, int | None] = AnswerCache(clock, seconds=60, most=3)
    yield made
    await made.close()


@pytest.fixture
async def asked() -> Asked:
    return Asked()


async def test_an_answer_is_remembered_for_its_time_and_no_longer(
    cache: AnswerCache[str, int | None], asked: Asked, clock: ManualClock
) -> None:
    assert await cache.get("AAPL", asked) == 7
    await clock.advance(59.9)
    assert await cache.get("AAPL", asked) == 7
    assert asked.count == 1
    await clock.advance(0.1)
    asked.answer = 8
    assert await cache.get("AAPL", asked) == 8
    assert asked.count == 2


async def test_that_there_is_none_is_remembered_too(cache: AnswerCache[str, int | None], asked: Asked) -> None:
    asked.answer = None
    assert await cache.get("AAPL", asked) is None
    assert await cache.get("AAPL", asked) is None
    assert asked.count == 1


async def test_a_hundred_who_ask_at_once_share_one_call(cache: AnswerCache[str, int | None], asked: Asked) -> None:
    asked.may_answer.clear()
    waiting = [await soon(cache.get("AAPL", asked)) for _ in range(100)]
    asked.may_answer.set()
    assert await asyncio.gather(*waiting) == [7] * 100
    assert asked.count == 1


async def test_keys_are_asked_for_apart(cache: AnswerCache[str, int | None], asked: Asked) -> None:
    await cache.get("AAPL", asked)
    await cache.get("MSFT", asked)
    assert asked.count == 2


async def test_one_who_goes_away_does_not_take_the_call_along(
    cache: AnswerCache[str, int | None], asked: Asked
) -> None:
    asked.may_answer.clear()
    first = await soon(cache.get("AAPL", asked))
    second = await soon(cache.get("AAPL", asked))
    first.cancel()
    await settle()
    assert first.cancelled()
    asked.may_answer.set()
    assert await second == 7
    assert asked.count == 1


async def test_an_answer_that_nobody_waits_for_any_more_is_remembered(
    cache: AnswerCache[str, int | None], asked: Asked
) -> None:
    asked.may_answer.clear()
    only = await soon(cache.get("AAPL", asked))
    only.cancel()
    asked.may_answer.set()
    await settle()
    assert await cache.get("AAPL", asked) == 7
    assert asked.count == 1


async def test_a_failure_is_remembered_until_it_may_be_tried_again(
    cache: AnswerCache[str, int | None], asked: Asked, clock: ManualClock
) -> None:
    asked.answer = ProviderError(Reason.PROVIDER_TIMEOUT, "Too late.", retry_after_ms=4_000)
    with pytest.raises(ProviderError):
        await cache.get("AAPL", asked)
    await clock.advance(3)
    with pytest.raises(ProviderError) as caught:
        await cache.get("AAPL", asked)
    assert (caught.value.reason, caught.value.message) == (Reason.PROVIDER_TIMEOUT, "Too late.")
    assert caught.value.retry_after_ms == 1_000
    assert asked.count == 1
    await clock.advance(1)
    asked.answer = 7
    assert await cache.get("AAPL", asked) == 7


async def test_a_remembered_failure_keeps_nothing_alive_of_what_failed(
    cache: AnswerCache[str, int | None], clock: ManualClock
) -> None:
    class Document:
        """What a source sent, megabytes perhaps."""

    documents: list[weakref.ref[Document]] = []

    async def fails() -> int | None:
        document = Document()
        documents.append(weakref.ref(document))
        raise ProviderError(Reason.PROVIDER_ERROR, "No.", retry_after_ms=60_000)

    with pytest.raises(ProviderError) as caught:
        await cache.get("AAPL", fails)
    del caught
    await settle()
    gc.collect()
    assert documents[0]() is None
    with pytest.raises(ProviderError):
        await cache.get("AAPL", fails)
    assert len(documents) == 1


async def test_what_no_source_offers_is_not_remembered(cache: AnswerCache[str, int | None], asked: Asked) -> None:
    asked.answer = CommandError(Reason.NOT_OFFERED, "Nobody does that.")
    for _ in range(2):
        with pytest.raises(CommandError):
            await cache.get("AAPL", asked)
    assert asked.count == 2


async def test_only_so_many_answers_are_kept_and_the_oldest_goes_first(
    cache: AnswerCache[str, int | None], asked: Asked
) -> None:
    for key in "ABCD":
        await cache.get(key, asked)
    await cache.get("D", asked)
    await cache.get("B", asked)
    assert asked.count == 4
    await cache.get("A", asked)
    assert asked.count == 5


async def test_close_ends_what_is_in_flight(cache: AnswerCache[str, int | None], asked: Asked) -> None:
    asked.may_answer.clear()
    waiting = await soon(cache.get("AAPL", asked))
    await cache.close()
    await settle()
    assert waiting.cancelled()
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("look up")] == []
