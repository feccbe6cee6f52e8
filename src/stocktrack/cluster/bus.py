"""What the servers at one Redis tell each other: words to all, and questions with the answers of all who are there.

A server that does not answer in time is named, and not waited for. Where Redis is away nothing is told, and whoever
asks learns why: what is done then is done at this server alone.
"""

import asyncio
import contextlib
import itertools
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from stocktrack.clock import Clock, backoff_seconds, end, within
from stocktrack.cluster.envelopes import Envelope, read, write
from stocktrack.cluster.presence import BEAT_SECONDS, Presence, Present
from stocktrack.engine.asking import error_of, fields_of
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import BUS, bus_name
from stocktrack.engine.subscriber import Subscriber
from stocktrack.errors import CommandError, Reason, StockTrackError

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

Fields = TypeVar("Fields", bound=BaseModel)
Answer = Mapping[str, Any]

ANSWER_SECONDS: Final = 1.0
_RETRY_FIRST_SECONDS, _RETRY_LONGEST_SECONDS = 0.1, 1.0
# What waits to be told; a crowd's words beyond that are left out, which others then do not count.
_MAX_UNTOLD: Final = 10_000
_WORDS_AT_ONCE: Final = 500
# Questions of others that are answered at once; who asks beyond that gets no answer.
_MAX_ANSWERING: Final = 64


@dataclass(frozen=True, slots=True)
class Gathered:
    """The answers by server, who did not answer in time, and why nobody could be asked, as a sentence."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    silent: tuple[Present, ...] = ()
    why_alone: str | None = None

    @property
    def partial(self) -> str | None:
        """Which servers are missing, and why; None where all answered."""
        if self.why_alone is not None:
            return f"{self.why_alone} This is of this server alone."
        if not self.silent:
            return None
        who = "; ".join(map(str, self.silent))
        servers = "A server" if len(self.silent) == 1 else f"{len(self.silent)} servers"
        return f"{servers} did not answer within {ANSWER_SECONDS:g} s ({who}), and may still do so later."


class Bus:
    """One server's place among the others. `run` for as long as the server does, then `close`.

    ``joined()`` is called where Redis did not know this server: whatever it told there is to be told again.
    """

    def __init__(self, redis: "Redis", place: str, clock: Clock, name: str) -> None:
        self.name = name
        self.place = place
        self.dropped: Counter[str] = Counter()
        self.joined: Callable[[], None] = lambda: None
        self.presence = Presence(redis, place, name)
        self._redis = redis
        self._clock = clock
        self._subscriber = Subscriber(
            redis,
            place,
            clock,
            wanted=lambda: (BUS, bus_name(name)),
            take=self._take,
            confirmed=lambda _channels: self._hears(),
        )
        self._has_heard = False  # by the connection that is open now, or was last
        self._handlers: dict[str, tuple[type[BaseModel], Callable[[Any, str], Awaitable[Answer | None]]]] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[dict[str, Answer], asyncio.Event, set[str]]] = {}
        self._untold: deque[bytes] = deque()
        self._has_untold = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rng = random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        # Why it is alone, by what found it: the connection that listens, and the beat.
        self._failures: dict[str, str] = dict.fromkeys(("listening", "being there"), "It was not connected yet.")
        self._is_up = asyncio.Event()
        self._is_logged = False

    @property
    def why_alone(self) -> str | None:
        """Why nobody else can be reached, as a sentence; None where others can be."""
        return next(iter(self._failures.values()), None)

    def on(self, kind: str, model: type[Fields], handle: Callable[[Fields, str], Awaitable[Answer | None]]) -> None:
        """Have ``handle(fields, sender)`` take the words or answer the questions of a kind; others are dropped."""
        self._handlers[kind] = (model, handle)

    async def until_up(self, seconds: float) -> None:
        """Return when others can be reached, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            await within(self._clock, seconds, self._is_up.wait())

    # --- telling and asking --------------------------------------------------------------------------------------

    def tell(self, kind: str, fields: BaseModel) -> None:
        """Tell all others soon; where they cannot be reached it is left out."""
        if self.why_alone is not None or len(self._untold) >= _MAX_UNTOLD:
            self.dropped["untold"] += 1
            return
        self._untold.append(write(Envelope("word", self.name, kind, fields.model_dump(mode="json"))))
        self._has_untold.set()

    async def ask_all(self, kind: str, fields: BaseModel) -> Gathered:
        """The answers of all others who are there."""
        if (why := self.why_alone) is not None:
            return Gathered(why_alone=why)
        try:
            others = await within(self._clock, ANSWER_SECONDS, self.presence.others())
            if not others:
                return Gathered()
            answers = await self._ask(BUS, kind, fields, set(others))
        except EngineError as error:
            return Gathered(why_alone=error.message)
        except TimeoutError:
            return Gathered(why_alone=f"{self.place} does not answer in time.")
        return Gathered(answers, tuple(other for name, other in others.items() if name not in answers))

    async def ask_one(self, server: str, kind: str, fields: BaseModel) -> Answer | None:
        """The answer of one other, and None where there is no such server; `CommandError` where it does not answer."""
        unreachable = f"The server {server!r} cannot be asked."
        if (why := self.why_alone) is not None:
            raise CommandError(Reason.SERVER_UNREACHABLE, f"{why} {unreachable}")
        try:
            if server not in await within(self._clock, ANSWER_SECONDS, self.presence.others()):
                return None
            answers = await self._ask(bus_name(server), kind, fields, {server})
        except EngineError as error:
            raise CommandError(Reason.SERVER_UNREACHABLE, f"{error.message} {unreachable}") from None
        except TimeoutError:
            raise CommandError(Reason.SERVER_UNREACHABLE, f"{self.place} is silent. {unreachable}") from None
        if server not in answers:
            late = f"The server {server!r} did not answer within {ANSWER_SECONDS:g} s, and may still do so later."
            raise CommandError(Reason.SERVER_UNREACHABLE, late)
        return answers[server]

    async def _ask(self, channel: str, kind: str, fields: BaseModel, expected: set[str]) -> Mapping[str, Answer]:
        number = next(self._numbers)
        answers: dict[str, Answer] = {}
        is_whole = asyncio.Event()
        self._waiting[number] = (answers, is_whole, expected)
        question = Envelope("question", self.name, kind, fields.model_dump(mode="json"), number)
        try:
            with contextlib.suppress(TimeoutError):
                await within(self._clock, ANSWER_SECONDS, self._asked(channel, write(question), is_whole))
        finally:
            del self._waiting[number]
        return answers

    async def _asked(self, channel: str, question: bytes, is_whole: asyncio.Event) -> None:
        with translated(self.place):
            await self._redis.publish(channel, question)
        await is_whole.wait()

    # --- what comes ----------------------------------------------------------------------------------------------

    def _take(self, channel: str, payload: bytes) -> None:
        envelope = read(payload)
        if envelope is None:
            self.dropped["malformed"] += 1
        elif envelope.sender == self.name:
            return  # its own, at the channel of all
        elif envelope.form == "answer":
            self._take_answer(envelope)
        elif len(self._tasks) >= _MAX_ANSWERING and envelope.form == "question":
            self.dropped["too_many"] += 1
        else:
            self._handle(envelope)

    def _take_answer(self, envelope: Envelope) -> None:
        waiting = self._waiting.get(envelope.id)
        if waiting is None or envelope.sender not in waiting[2]:
            return  # too late, or nothing that was asked
        answers, is_whole, expected = waiting
        answers[envelope.sender] = envelope.fields
        if len(answers) == len(expected):
            is_whole.set()

    def _handle(self, envelope: Envelope) -> None:
        if (found := self._handlers.get(envelope.kind)) is None:
            self.dropped["unknown"] += 1  # of a later version, perhaps
            return
        model, handle = found
        try:
            fields = model.model_validate(envelope.fields)
        except ValidationError:
            self.dropped["malformed"] += 1
            return
        task = asyncio.create_task(self._answer(envelope, handle(fields, envelope.sender)), name=f"bus {envelope.kind}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, envelope: Envelope, work: Awaitable[Answer | None]) -> None:
        try:
            answer = await work
        except StockTrackError as error:
            answer = {"error": fields_of(error)}
        except Exception:
            log.exception("a message of another server failed unexpectedly", kind=envelope.kind, server=envelope.sender)
            return
        if envelope.form == "question":
            told = write(Envelope("answer", self.name, envelope.kind, answer or {}, envelope.id))
            with contextlib.suppress(EngineError), translated(self.place):  # the beat tells the log
                await self._redis.publish(bus_name(envelope.sender), told)

    # --- its tasks -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Listen, and be there, until it is cancelled."""
        tasks = [
            asyncio.create_task(work(), name=f"bus {work.__name__}") for work in (self._listen, self._beat, self._talk)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await end(*tasks)

    async def close(self) -> None:
        """Say goodbye; what is under way ends."""
        await end(*self._tasks)
        with contextlib.suppress(EngineError, TimeoutError):
            await within(self._clock, _RETRY_FIRST_SECONDS, self.presence.leave())

    async def _listen(self) -> None:
        failures = 0
        while True:
            self._has_heard = False
            try:
                await self._subscriber.run()
            except EngineError as error:
                self._failed("listening", error)
            failures = 1 if self._has_heard else failures + 1
            await self._clock.sleep(
                backoff_seconds(
                    failures, first=_RETRY_FIRST_SECONDS, longest=_RETRY_LONGEST_SECONDS, jitter=self._rng.random()
                )
            )

    def _hears(self) -> None:
        self._has_heard = True
        self._is_well("listening")

    async def _beat(self) -> None:
        while True:
            try:
                was_there = await self.presence.beat()
            except EngineError as error:
                self._failed("being there", error)
            else:
                was_away = "being there" in self._failures
                self._is_well("being there")
                if was_away or not was_there:
                    self.joined()
            await self._clock.sleep(BEAT_SECONDS)

    async def _talk(self) -> None:
        while True:
            await self._has_untold.wait()
            self._has_untold.clear()
            while self._untold:
                words = [self._untold.popleft() for _ in range(min(len(self._untold), _WORDS_AT_ONCE))]
                try:
                    with translated(self.place):
                        async with self._redis.pipeline(transaction=False) as pipe:
                            for word in words:
                                pipe.publish(BUS, word)
                            await pipe.execute()
                except EngineError:
                    self.dropped["untold"] += len(words)

    def _failed(self, what: str, error: EngineError) -> None:
        self._failures[what] = error.message
        self._is_up.clear()
        if not self._is_logged:
            self._is_logged = True
            log.warning("other servers cannot be reached; limits and commands are of this one alone", why=error.message)

    def _is_well(self, what: str) -> None:
        self._failures.pop(what, None)
        if self._failures:
            return
        self._is_up.set()
        if self._is_logged:
            self._is_logged = False
            log.info("other servers can be reached again", server=self.name)


def checked(answer: Answer) -> Answer:
    """The answer; what it says failed is raised."""
    if "error" in answer:
        raise error_of(answer["error"])
    return answer
