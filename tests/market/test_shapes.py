"""What a source of others may return where an answer is asked for; what is none is its own trouble."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fakes import ScriptedProvider, a_house, a_quote
from stocktrack.clock import ManualClock
from stocktrack.errors import ProviderError, Reason, StockTrackError
from stocktrack.market.questions import Questions
from stocktrack.market.shapes import check_answer, check_quotes
from stocktrack.messages import BoardQuote, SourceState
from stocktrack.providers.base import Capability, QuoteAnswer

QUOTE = a_quote("AAPL", 100.0)
FAILED = ProviderError(Reason.PROVIDER_ERROR, "acme is out of order.")
ANYTHING: Any = object()

NO_ANSWERS: list[Any] = [
    None,
    [QUOTE],
    {"AAPL": QUOTE},
    QuoteAnswer([QUOTE]),  # type: ignore[arg-type]
    QuoteAnswer({"AAPL": "12"}),  # type: ignore[dict-item]
    QuoteAnswer({"AAPL": None}),  # type: ignore[dict-item]
    QuoteAnswer({"MSFT": QUOTE}),
    QuoteAnswer({"AAPL": QUOTE.model_copy(update={"price": float("nan")})}),
    QuoteAnswer({"AAPL": QUOTE.model_copy(update={"price": "100"})}),
    QuoteAnswer({"AAPL": QUOTE.model_copy(update={"change": float("inf")})}),
    QuoteAnswer({"AAPL": QUOTE.model_copy(update={"timestamp": 1.5})}),
    QuoteAnswer(unknown="AAPL"),  # type: ignore[arg-type]
    QuoteAnswer(failed={"AAPL": "bad"}),  # type: ignore[dict-item]
    QuoteAnswer(failed={"AAPL": RuntimeError("bad")}),  # type: ignore[dict-item]
    QuoteAnswer(put_off=[FAILED]),  # type: ignore[arg-type]
    QuoteAnswer(not_offered={"AAPL": False}),  # type: ignore[dict-item]
]


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_what_is_no_answer_on_quotes_is_refused(answer: object) -> None:
    with pytest.raises(TypeError, match=r"^quotes\(\) "):
        check_quotes(answer)


def test_a_quote_of_another_board_is_an_answer_and_looked_at_as_closely() -> None:
    relayed = BoardQuote.of(QUOTE, seq=7, stale_reason=Reason.PROVIDER_TIMEOUT, retry_at=None)

    assert check_quotes(QuoteAnswer({"AAPL": relayed})).quotes["AAPL"] is relayed
    with pytest.raises(TypeError, match="whose seq cannot be"):
        check_quotes(QuoteAnswer({"AAPL": relayed.model_copy(update={"seq": "7"})}))


def test_an_answer_is_passed_on_as_it_is() -> None:
    for answer in (QuoteAnswer(), QuoteAnswer({"AAPL": QUOTE}, frozenset({"X"}), {"Y": FAILED})):
        assert check_quotes(answer) is answer


@pytest.mark.parametrize("capability", [each for each in Capability if each not in {"quotes", "stream"}])
def test_what_is_no_answer_on_anything_else_is_refused(capability: Capability) -> None:
    for answer in ("text", b"bytes", 5, [1, None], {"symbol": "AAPL"}, ANYTHING):
        with pytest.raises(
            TypeError, match=rf"asked for {capability}, the source answered with {type(answer).__name__}"
        ):
            check_answer(capability, answer)


def test_nothing_is_an_answer_where_a_source_may_have_nothing() -> None:
    for capability in (Capability.SYMBOL_NEWS, Capability.COMPANY, Capability.DIVIDENDS, Capability.HOURS):
        check_answer(capability, None)
    for capability in (Capability.NEWS, Capability.SEARCH):
        check_answer(capability, [])
        with pytest.raises(TypeError, match="NoneType"):
            check_answer(capability, None)


@pytest.mark.parametrize("answer", NO_ANSWERS)
async def test_the_next_source_serves_where_the_first_answers_with_anything_else(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def quotes(*_: object) -> Any:
        return answer

    def two(clock: ManualClock) -> tuple[ScriptedProvider, ScriptedProvider]:
        first, second = ScriptedProvider(clock, name="first"), ScriptedProvider(clock, name="second")
        monkeypatch.setattr(first, "quotes", quotes)
        return first, second

    async with a_house(two) as house:
        found = await house.feed.quotes(["AAPL"])
        assert found.quotes["AAPL"].provider == "second"
        assert house.feed.routes.sources()[0].state is SourceState.FAILING


@pytest.mark.parametrize(
    ("method", "ask"),
    [
        ("news", lambda questions: questions.news(5)),
        ("company", lambda questions: questions.company("AAPL")),
        ("dividends", lambda questions: questions.dividends("AAPL", 5)),
        ("search", lambda questions: questions.search("apple", 5)),
    ],
)
async def test_rubbish_on_other_questions_is_a_failure_of_the_source(
    method: str, ask: Callable[[Questions], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rubbish(*_: object) -> Any:
        return [5]

    def one(clock: ManualClock) -> tuple[ScriptedProvider]:
        source = ScriptedProvider(clock, name="acme")
        monkeypatch.setattr(source, method, rubbish)
        return (source,)

    async with a_house(one) as house:
        with pytest.raises(StockTrackError) as caught:
            await ask(house.feed.questions)
        assert (caught.value.reason, caught.value.message) == (
            Reason.PROVIDER_ERROR,
            "acme failed in an unexpected way.",
        )
