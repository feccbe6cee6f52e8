"""Answers what servers ask the feed: quotes that nobody watches, and whatever the sources have beside prices."""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import structlog
from pydantic import TypeAdapter

from stocktrack.bars import BarInterval
from stocktrack.clock import end
from stocktrack.engine.asking import QUESTIONS, fields_of
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import ANSWERS, read_json
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.feed import Feed
from stocktrack.market.shelves import Key, Span
from stocktrack.messages import LEAST_EPOCH_MS, MAX_LIST_LIMIT, MOST_EPOCH_MS, FeedInfo
from stocktrack.providers.base import HoursSource, SourceBars
from stocktrack.quotes import normalise_symbol

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

MAX_AT_ONCE: Final = 2_000
_BARS: Final = TypeAdapter(SourceBars)
_KINDS: Final = tuple(QUESTIONS)
_MAX_SYMBOLS: Final = 1_000
_MAX_QUERY_CHARS: Final = 100
_MAX_NAME_CHARS: Final = 100


class Answers:
    """Answers questions by `feed`, each in a task of its own; ``may_answer()`` says whether it is this feed's turn."""

    def __init__(self, redis: "Redis", place: str, feed: Feed, *, may_answer: Callable[[], bool]) -> None:
        self._redis = redis
        self._place = place
        self._feed = feed
        self._may_answer = may_answer
        self._tasks: set[asyncio.Task[None]] = set()
        self.answered = 0

    def take(self, payload: bytes) -> None:
        """A question that came. One that is none is passed over, and so are those beyond `MAX_AT_ONCE`."""
        question = read_json(payload)
        if not isinstance(question, dict) or not self._may_answer() or len(self._tasks) >= MAX_AT_ONCE:
            return
        number, reply_to, kind = (question.get(name) for name in ("id", "reply_to", "ask"))
        if type(number) is not int or not _is_answer_name(reply_to) or kind not in _KINDS:
            return
        task = asyncio.create_task(self._answer(number, reply_to, kind, question), name=f"answer {kind}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Leave what is under way unanswered."""
        await end(*self._tasks)

    async def _answer(self, number: int, reply_to: str, kind: str, question: Mapping[str, Any]) -> None:
        failure: StockTrackError
        try:
            if kind == "bars":
                answer = b'{"id":%d,"answer":%b}' % (number, await self._bars(question))
            else:
                answer = json.dumps({"id": number, **await self._found(kind, question)}).encode()
        except Exception as error:
            if isinstance(error, StockTrackError):
                failure = error
            else:
                log.exception("a question could not be answered", ask=kind)
                failure = ProviderError(Reason.PROVIDER_ERROR, "The feed failed; its log says why.")
            answer = json.dumps({"id": number, "error": fields_of(failure)}).encode()
        try:
            with translated(self._place):
                await self._redis.publish(reply_to, answer)
            self.answered += 1
        except EngineError as error:
            log.debug("an answer could not be sent", why=error.message)

    async def _found(self, kind: str, question: Mapping[str, Any]) -> dict[str, Any]:
        if kind == "quotes":
            return await self._quotes(question)
        questions, limit = self._feed.questions, MAX_LIST_LIMIT
        found: Any
        match kind:
            case "news":
                found = await questions.news(limit)
            case "symbol_news":
                found = await questions.symbol_news(_symbol(question), limit)
            case "company":
                found = await questions.company(_symbol(question))
            case "dividends":
                found = await questions.dividends(_symbol(question), limit)
            case "search":
                most = question.get("limit")
                limit = min(limit, max(1, most)) if isinstance(most, int) else limit
                found = await questions.search(str(question.get("query", ""))[:_MAX_QUERY_CHARS], limit)
            case "bars":
                found = _BARS.dump_python(
                    await questions.history.told(*_stretch(question)), mode="json", exclude_none=True
                )
            case "splits":
                found = await questions.history.splits(_symbol(question))
            case "sources":
                sources = tuple(self._feed.routes.sources(is_detailed=True))
                found = FeedInfo(host=socket.gethostname(), pid=os.getpid(), sources=sources)
            case _:
                found = await self._feed.routes.first_answer_of(
                    HoursSource, _symbol(question), lambda source, name: source.trading_day(name)
                )
        return {"answer": _as_json(kind, found)}

    async def _bars(self, question: Mapping[str, Any]) -> bytes:
        """The bars as JSON. Ten thousand of them would hold up the prices if they were made objects of Python first."""
        return _BARS.dump_json(await self._feed.questions.history.told(*_stretch(question)), exclude_none=True)

    async def _quotes(self, question: Mapping[str, Any]) -> dict[str, Any]:
        named = question.get("symbols")
        if not isinstance(named, list) or len(named) > _MAX_SYMBOLS:
            raise CommandError(Reason.INVALID_COMMAND, "A question for quotes names its symbols in a list.")
        symbols = [_normalised(symbol) for symbol in named]
        found = await self._feed.quotes(symbols)
        return {
            "answer": _as_json("quotes", list(found.quotes.values())),
            "missing": {symbol: fields_of(error) for symbol, error in found.missing.items()},
        }


def _is_answer_name(name: object) -> TypeGuard[str]:
    """Whether answers may be sent there: anybody may ask, and nothing but answers is to come of it."""
    return isinstance(name, str) and name.startswith(ANSWERS) and len(name) <= _MAX_NAME_CHARS


def _symbol(question: Mapping[str, Any]) -> str:
    return _normalised(question.get("symbol"))


def _stretch(question: Mapping[str, Any]) -> tuple[Key, Span]:
    """Which bars are asked for, from when to when."""
    start, end = question.get("start"), question.get("end")
    if type(start) is not int or type(end) is not int or not LEAST_EPOCH_MS <= start < end <= MOST_EPOCH_MS:
        raise CommandError(Reason.INVALID_COMMAND, "A question for bars has a start before its end.")
    try:
        interval = BarInterval(str(question.get("interval")))
    except ValueError:
        raise CommandError(Reason.INVALID_COMMAND, "A question for bars names one of our intervals.") from None
    return Key(_symbol(question), interval, question.get("prepost") is True), (start, end)


def _normalised(name: object) -> str:
    try:
        return normalise_symbol(str(name))
    except ValueError as error:
        raise CommandError(Reason.INVALID_COMMAND, f"{error}.") from None


def _as_json(kind: str, found: Sequence[Any] | Any) -> Any:
    if isinstance(found, Sequence):
        found = list(found)
    return QUESTIONS[kind].dump_python(found, mode="json", exclude_none=True)
