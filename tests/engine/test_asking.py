import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktrack.clock import ManualClock, settle
from stocktrack.engine import asking
from stocktrack.engine.asking import Asker, NobodyAnswers, error_of, fields_of
from stocktrack.engine.client import EngineError
from stocktrack.engine.words import FeedWord, read_word, write_word
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError


class Bus:
    """A Redis that only publishes, to so many listeners; satisfies what `Asker` asks of it."""

    def __init__(self, listening: int = 1) -> None:
        self.listening = listening
        self.questions: list[dict[str, Any]] = []

    async def publish(self, _channel: str, payload: str) -> int:
        self.questions.append(json.loads(payload))
        return self.listening


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def asker(bus: Bus, clock: ManualClock) -> Asker:
    return Asker(bus, "Redis", clock)  # type: ignore[arg-type] # it asks no more of it


async def asked(asker: Asker, kind: str = "search", **fields: Any) -> asyncio.Task[Any]:
    task = asyncio.create_task(asker.ask(kind, timeout_seconds=9.5, **fields))
    await settle()
    return task


def answer(asker: Asker, bus: Bus, **fields: Any) -> None:
    asker.take(json.dumps({"id": bus.questions[-1]["id"], **fields}).encode())


async def test_an_answer_comes_to_who_asked(asker: Asker, bus: Bus) -> None:
    first, second = await asked(asker, query="a"), await asked(asker, query="b")
    answer(asker, bus, answer=[{"symbol": "B", "name": "Bee", "exchange": "NYQ"}])
    asker.take(json.dumps({"id": bus.questions[0]["id"], "answer": []}).encode())
    assert (await first)[0] == []
    assert [match.symbol for match in (await second)[0]] == ["B"]
    assert {question["reply_to"] for question in bus.questions} == {asker.channel}


async def test_an_error_is_raised_as_what_it_was(asker: Asker, bus: Bus) -> None:
    task = await asked(asker, "company", symbol="AAPL")
    answer(asker, bus, error=fields_of(CommandError(Reason.NO_COMPANY_INFO, "There is none.")))
    with pytest.raises(CommandError, match="There is none") as told:
        await task
    assert told.value.reason is Reason.NO_COMPANY_INFO


async def test_nobody_who_listens_is_known_at_once_unless_a_leader_is_expected(
    bus: Bus, clock: ManualClock, asker: Asker
) -> None:
    bus.listening = 0
    with pytest.raises(NobodyAnswers, match="No feed answers at Redis; start one with: stocktrack feed"):
        await asker.ask("search", timeout_seconds=9.5)
    task = await asked(asker, expects_feed=lambda: True)
    await clock.advance(2)
    assert not task.done()
    bus.listening = 1
    await clock.advance(0.5)
    answer(asker, bus, answer=[])
    assert await task == ([], {})


async def test_a_leader_that_ends_with_a_question_unanswered_is_asked_again_by_the_same_number(
    bus: Bus, clock: ManualClock, asker: Asker
) -> None:
    task = await asked(asker)
    await clock.advance(asking.ASK_AGAIN_SECONDS)
    assert len(bus.questions) == 2
    assert bus.questions[0] == bus.questions[1]
    answer(asker, bus, answer=[])
    assert await task == ([], {})


async def test_an_answer_that_comes_too_late_is_a_time_out_and_passed_over(
    bus: Bus, clock: ManualClock, asker: Asker
) -> None:
    task = await asked(asker)
    await clock.advance(10)
    with pytest.raises(EngineError, match=r"did not answer within 9\.5 s") as late:
        await task
    assert late.value.is_timeout
    answer(asker, bus, answer=[])
    assert asker._waiting == {}


@pytest.mark.parametrize("told", [{}, {"answer": 7}, {"answer": [{"symbol": []}]}, {"answer": {"a": 1}}])
async def test_an_answer_that_makes_no_sense_is_an_error(asker: Asker, bus: Bus, told: dict[str, Any]) -> None:
    task = await asked(asker)
    answer(asker, bus, **told)
    with pytest.raises(EngineError, match="answered what makes no sense"):
        await task


async def test_missing_that_makes_no_sense_is_none(asker: Asker, bus: Bus) -> None:
    task = await asked(asker)
    answer(asker, bus, answer=[], missing=[1, 2])
    assert await task == ([], {})


GARBAGE = [b"", b"\xff", b"[", b"[" * 60_000, b"7", b"null", b"[]", b'{"id":[]}', b'{"id":1e999}', b'{"id":NaN}', b"{}"]


@pytest.mark.parametrize("payload", GARBAGE)
async def test_garbage_answers_nobody(asker: Asker, payload: bytes) -> None:
    task = await asked(asker)
    asker.take(payload)
    await settle()
    assert not task.done()
    task.cancel()


@pytest.mark.parametrize("payload", [*GARBAGE, b'{"instance":7}', b'{"instance":""}', b'{"instance":"b","symbols":7}'])
def test_garbage_is_no_word(payload: bytes) -> None:
    assert read_word(payload) is None


def test_a_word_comes_back_as_it_was() -> None:
    error = ProviderError(Reason.PROVIDER_BLOCKED, "It refuses.", retry_after_ms=30_000)
    word = read_word(write_word(FeedWord("b7c1", "outage", ["AAPL"], error)))
    assert word is not None
    assert (word.instance, word.event, word.symbols) == ("b7c1", "outage", ["AAPL"])
    assert isinstance(word.error, ProviderError)
    assert fields_of(word.error) == fields_of(error)
    assert read_word(write_word(FeedWord("b7c1"))) == FeedWord("b7c1", None, [])


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.floats(),
        lambda each: st.lists(each) | st.dictionaries(st.sampled_from(["reason", "message", "retry_after_ms"]), each),
    )
)
def test_whatever_is_told_as_an_error_is_one(fields: Any) -> None:
    error = error_of(fields)
    assert isinstance(error, StockTrackError)
    assert error.retry_after_ms is None or error.retry_after_ms >= 0


def test_what_would_obey_a_terminal_is_taken_out_of_an_error() -> None:
    error = error_of({"reason": "provider_error", "message": "\x1b[2Jgone", "retry_after_ms": -5})
    assert error.message == "[2Jgone"
    assert error.retry_after_ms is None
