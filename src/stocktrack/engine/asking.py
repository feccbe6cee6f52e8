"""Questions to the process that leads, and its answers: one JSON object each way, by channels.

Whoever asks names a channel of its own for the answer. A question that nobody hears is known at once: Redis says how
many listen. What is not answered in time is a time-out, and an answer that comes later is passed over.
"""

import asyncio
import contextlib
import itertools
import json
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from stocktrack.bars import Split
from stocktrack.clock import Clock, within
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import ASK, answer_name, read_json
from stocktrack.errors import Code, CommandError, ProviderError, Reason, StockTrackError
from stocktrack.messages import BoardQuote, FeedInfo
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, TradingDay, clean_text

if TYPE_CHECKING:
    from redis.asyncio import Redis

# What can be asked, and what the answer is.
QUESTIONS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "quotes": TypeAdapter(list[BoardQuote]),
    "news": TypeAdapter(list[Headline]),
    "symbol_news": TypeAdapter(list[Headline]),
    "company": TypeAdapter(CompanyInfo | None),
    "dividends": TypeAdapter(list[Dividend] | None),
    "search": TypeAdapter(list[Match]),
    "day": TypeAdapter(TradingDay | None),
    # What the fields are is for those to say who know of sources: they stand above this.
    "bars": TypeAdapter(dict[str, Any]),
    "splits": TypeAdapter(list[Split] | None),
    "sources": TypeAdapter(FeedInfo),
}


ASK_AGAIN_SECONDS: Final = 3.0
_NEXT_LEADER_SECONDS: Final = 0.25
_MAX_MESSAGE_CHARS: Final = 500
_LONGEST_WAIT_MS: Final = 86_400_000


class NobodyAnswers(EngineError):  # noqa: N818 - named as what is found
    """No process leads at this Redis."""

    def __init__(self, place: str) -> None:
        super().__init__(f"No feed answers at {place}; start one with: stocktrack feed.")


class Asker:
    """Asks whoever leads. Its answers come at `channel`: whoever follows that hands them to `take`."""

    def __init__(self, redis: "Redis", place: str, clock: Clock) -> None:
        self._redis = redis
        self._place = place
        self._clock = clock
        self.channel = answer_name(secrets.token_hex(6))
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def ask(
        self, kind: str, *, timeout_seconds: float, expects_feed: Callable[[], bool] = lambda: False, **fields: Any
    ) -> tuple[Any, dict[str, StockTrackError]]:
        """The answer to a question of `QUESTIONS`, and the errors of those of several symbols that have none.

        While ``expects_feed()`` the next leader is waited for where there is none. `NobodyAnswers` where nobody leads,
        another `EngineError` where Redis fails or the answer does not come; and whatever `StockTrackError` it is.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        question = json.dumps({"id": number, "reply_to": self.channel, "ask": kind, **fields})
        until = self._clock.monotonic() + timeout_seconds
        try:
            while not answer.done():
                with translated(self._place):
                    listening = await self._redis.publish(ASK, question)
                left = until - self._clock.monotonic()
                if not listening and not (expects_feed() and left > 0):
                    raise NobodyAnswers(self._place)
                if left <= 0:
                    message = f"The feed at {self._place} did not answer within {timeout_seconds:g} s."
                    raise EngineError(message, is_timeout=True)
                # Asked again, since a leader may end with a question unanswered.
                patience = min(left, ASK_AGAIN_SECONDS if listening else _NEXT_LEADER_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await within(self._clock, patience, asyncio.wait((answer,)))
            told = answer.result()
        finally:
            del self._waiting[number]
        if "error" in told:
            raise error_of(told["error"])
        try:
            result = QUESTIONS[kind].validate_python(told.get("answer"))
        except ValidationError:
            raise EngineError(f"The feed at {self._place} answered what makes no sense.") from None
        missing = told.get("missing")
        return result, {symbol: error_of(why) for symbol, why in missing.items()} if isinstance(missing, dict) else {}

    def take(self, payload: bytes) -> None:
        """An answer that came; one that nobody waits for, or any more, is passed over."""
        told = read_json(payload)
        number = told.get("id") if isinstance(told, dict) else None
        waiting = self._waiting.get(number) if isinstance(number, int) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(told)


def fields_of(error: StockTrackError) -> dict[str, Any]:
    """An error as `error_of` reads it back."""
    return {"reason": error.reason, "message": error.message, "retry_after_ms": error.retry_after_ms}


def error_of(fields: Any) -> StockTrackError:
    """The error that was told; where it makes no sense, that something went wrong."""
    try:
        reason, retry_after_ms = Reason(fields["reason"]), fields.get("retry_after_ms")
        message = clean_text(str(fields["message"]), _MAX_MESSAGE_CHARS)
    except (AttributeError, KeyError, TypeError, ValueError):
        return ProviderError(Reason.PROVIDER_ERROR, "The feed failed and did not say why.")
    kind = ProviderError if reason.code is Code.SERVER_ERROR else CommandError
    return kind(reason, message, retry_after_ms=retry_after_ms if _is_wait(retry_after_ms) else None)


def _is_wait(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LONGEST_WAIT_MS
