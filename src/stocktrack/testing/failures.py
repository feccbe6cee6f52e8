"""The contracts for bad days: the source is down, hangs, breaks its stream, or cannot be used as it is set up."""

import asyncio
import traceback

import pytest

from stocktrack.clock import settle
from stocktrack.errors import Code, ProviderError, SourceUnusable
from stocktrack.providers.base import Capability, HistorySource, QuoteAnswer, QuoteSource, StreamSource, capabilities_of
from stocktrack.testing.subject import Collected, Contract, Subject, calls_of, in_time, stream_of


class OutageContract(Contract):
    """What holds while every call to the source fails: an outage is no answer, least of all "unknown"."""

    async def test_an_outage_makes_no_symbol_unknown(self, subject: Subject) -> None:
        if not isinstance(subject.provider, QuoteSource):
            assert Capability.QUOTES not in capabilities_of(subject.provider)
            return
        try:
            answer = await in_time(subject.provider.quotes(subject.known))
        except ProviderError as error:
            answer = QuoteAnswer(failed=dict.fromkeys(subject.known, error))

        assert answer.unknown == frozenset()
        assert answer.not_offered == {}
        assert set(answer.failed) == set(subject.known)
        assert {error.code for error in answer.failed.values()} == {Code.SERVER_ERROR}

    async def test_an_outage_is_told_as_a_provider_error_that_names_the_source(self, subject: Subject) -> None:
        calls = {kind: make for kind, make in calls_of(subject).items() if kind is not Capability.QUOTES}

        for make in calls.values():
            with pytest.raises(ProviderError) as caught:
                await in_time(make())
            assert caught.value.code is Code.SERVER_ERROR
            assert subject.provider.name in caught.value.message.lower(), f"{caught.value.message!r} names no source"

    async def test_an_outage_has_no_splits_either(self, subject: Subject) -> None:
        if not isinstance(subject.provider, HistorySource):
            assert Capability.HISTORY not in capabilities_of(subject.provider)
            return
        with pytest.raises(ProviderError) as caught:
            await in_time(subject.provider.splits(subject.known[0]))
        assert subject.provider.name in caught.value.message.lower(), f"{caught.value.message!r} names no source"


class HangingContract(Contract):
    """What holds while the source takes calls and never answers."""

    async def test_closing_takes_less_than_a_second_while_calls_hang(self, subject: Subject) -> None:
        calls = [asyncio.ensure_future(make()) for make in calls_of(subject).values()]
        await settle()
        hung = [not call.done() for call in calls]

        async with asyncio.timeout(1):
            await subject.provider.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

        assert hung
        assert all(hung)

    async def test_a_cancelled_call_ends_at_once(self, subject: Subject) -> None:
        calls = [asyncio.ensure_future(make()) for make in calls_of(subject).values()]
        await settle()

        for call in calls:
            call.cancel()
        async with asyncio.timeout(1):
            await asyncio.wait(calls)

        assert all(call.cancelled() for call in calls)


class BrokenStreamContract(Contract):
    """What holds where the stream cannot be opened, or breaks: it ends, and the market opens it again."""

    async def test_a_stream_that_breaks_is_a_provider_error_that_names_the_source(self, subject: Subject) -> None:
        with pytest.raises(ProviderError) as caught:
            await in_time(stream_of(subject, Collected())())

        assert caught.value.code is Code.SERVER_ERROR
        assert subject.provider.name in caught.value.message.lower(), f"{caught.value.message!r} names no source"

    async def test_the_error_of_a_stream_tells_no_secret(self, subject: Subject) -> None:
        with pytest.raises(ProviderError) as caught:
            await in_time(stream_of(subject, Collected())())

        assert not subject.secret or subject.secret not in _all_of(caught.value)


class UnusableContract(Contract):
    """What holds where a key is missing or wrong: it says so, what to do about it, and nothing of the key itself.

    `subject.provider` is not started; `remedy` is what its sentences must name, and `secret` what they must not.
    """

    async def test_every_call_says_that_it_cannot_be_used_and_what_to_do(self, subject: Subject) -> None:
        assert subject.remedy, "say which setting its sentence has to name"

        errors = await _refusals(subject)

        assert errors
        for error in errors:
            assert subject.remedy in error.message, f"{error.message!r} does not say what to do"
            assert subject.provider.name in error.message.lower(), f"{error.message!r} names no source"

    async def test_the_key_stands_in_no_error(self, subject: Subject) -> None:
        for error in await _refusals(subject):
            assert not subject.secret or subject.secret not in _all_of(error)

    async def test_it_says_what_it_serves_all_the_same_and_can_be_closed(self, subject: Subject) -> None:
        await _refusals(subject)

        assert [subject.provider.serves(symbol) for symbol in subject.known] == [True] * len(subject.known)
        async with asyncio.timeout(1):
            await subject.provider.close()


async def _refusals(subject: Subject) -> list[SourceUnusable]:
    """Why it does not start, if it does not, and why it answers nothing: each call has to say so."""
    errors = []
    try:
        await in_time(subject.provider.start())
    except SourceUnusable as error:
        errors.append(error)
    calls = [*calls_of(subject).values()]
    if isinstance(subject.provider, StreamSource):
        calls.append(stream_of(subject, Collected()))
    for make in calls:
        with pytest.raises(SourceUnusable) as caught:
            await in_time(make())
        errors.append(caught.value)
    return errors


def _all_of(error: Exception) -> str:
    """Everything that a log could show of an error: its causes too."""
    return "".join(traceback.format_exception(error)) + repr(error)
