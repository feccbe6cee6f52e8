"""The feed as a process: of several at one Redis one leads, and the others wait to take over.

The leader asks the sources for what anybody at Redis wants, publishes it, and answers questions. Its `seq` go on above
all that any leader before it has published, in the one instance that outlives them all: whoever listens sees no price
go back.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING

import structlog

from stocktrack.clock import Clock, backoff_seconds, end, within
from stocktrack.config import Settings
from stocktrack.engine.client import EngineError, open_redis, place_of, translated
from stocktrack.engine.lease import LEASE_SECONDS, Lease
from stocktrack.engine.names import ASK, FEED, INSTANCE, LEADER, SEQ, WANTED
from stocktrack.engine.subscriber import PROBE_PATIENCE_SECONDS, Subscriber
from stocktrack.engine.words import HEARTBEAT_SECONDS, FeedWord, write_word
from stocktrack.errors import ConfigError
from stocktrack.feeding.answering import Answers
from stocktrack.feeding.demand import WantedSymbols
from stocktrack.feeding.publisher import Publisher
from stocktrack.market.board import Board
from stocktrack.market.events import FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.providers.base import Provider
from stocktrack.providers.instruments import Instruments
from stocktrack.providers.registry import build_providers
from stocktrack.sinks.publisher import Publisher as Sinks
from stocktrack.sinks.registry import build_outlets

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

# Whoever asks Redis for longer than its lease has lost it.
_TIMEOUT_SECONDS = LEASE_SECONDS / 2
_RETRY_FIRST_SECONDS, _RETRY_LONGEST_SECONDS = 0.1, 1.0
_MAX_EVENT_SYMBOLS = 10_000
_MAX_WORDS = 100


class FeedProcess:
    """Waits for the lead, and leads until it is lost, again and again. `start`, then `close`.

    `make_providers` replaces the sources of the settings in tests: each lead has new ones.
    """

    def __init__(
        self, settings: Settings, clock: Clock, *, make_providers: Callable[[], Sequence[Provider]] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._make_providers = make_providers or (lambda: build_providers(settings, clock, log.warning))
        if "redis" in settings.providers:
            raise ConfigError(
                "providers = 'redis': a feed asks the market's sources and publishes to Redis. "
                "Name those of the market, such as --provider yahoo,rss."
            )
        url = settings.redis_url
        self.place = place_of(url)
        self._redis = open_redis(url, timeout_seconds=_TIMEOUT_SECONDS)
        # Of its own: no crowd of answers may come before it.
        self._lease_redis = open_redis(url, timeout_seconds=_TIMEOUT_SECONDS, max_connections=2)
        self._lease = Lease(self._lease_redis, self.place, LEADER, secrets.token_hex(8), clock)
        self._instruments = Instruments(clock)
        self._task: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._begun: Lead | None = None
        self.lead: Lead | None = None
        # Why it can neither lead nor wait; empty where it can.
        self.failure = ""

    @property
    def is_leading(self) -> bool:
        """Whether it publishes at this moment."""
        return self.lead is not None and self._lease.is_held

    async def start(self) -> None:
        """Begin to wait for the lead."""
        await self._instruments.load(self._settings.symbols_file)
        self._task = asyncio.create_task(self._run(), name="feed")

    async def check(self) -> None:
        """`EngineError` where Redis does not answer, or does not let this feed lead."""
        with translated(self.place):
            await self._redis.ping()
        if why := self._lease.failure or self.failure:
            raise EngineError(why)

    async def close(self) -> None:
        """End the sources and give up the lead, so that another one has it at once."""
        if self._task is not None:
            await end(self._task)
        # Not in that task: whoever ends it says so again and again until it is over.
        await self._give_up()
        await self._instruments.close()
        for redis in (self._redis, self._lease_redis):
            with contextlib.suppress(Exception):  # it is given up in any case
                await redis.aclose()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._lease.take()
                await self._lead_once()
                failures, self.failure = 0, ""
            except EngineError as error:
                failures += 1
                if error.message != self.failure:
                    log.warning("the lead failed to begin", why=error.message)
                self.failure = error.message
            except Exception:
                failures += 1
                log.exception("the lead failed unexpectedly")
                self.failure = "The feed fails to lead; its log says why."
            await self._give_up()
            await self._clock.sleep(
                backoff_seconds(failures, first=_RETRY_FIRST_SECONDS, longest=_RETRY_LONGEST_SECONDS, jitter=0.5)
                if failures
                else 0.0
            )

    async def _lead_once(self) -> None:
        """Lead until the lease is lost; `_give_up` ends what this began."""
        self._keeping = asyncio.create_task(self._lease.keep(), name="feed lease")
        instance, seq = await self._lineage()
        lead = self._begun = Lead(
            self._settings,
            self._clock,
            self._redis,
            self.place,
            self._lease,
            providers=self._make_providers(),
            instruments=self._instruments,
            instance=instance,
            first_seq=seq,
        )
        await lead.start()
        self.lead, self.failure = lead, ""
        log.info("leading", instance=instance, seq=seq, providers=",".join(self._settings.providers))
        await self._keeping
        log.warning("another feed leads now", instance=instance)

    async def _give_up(self) -> None:
        """End the sources first: the next leader may need their connections, and asks them as soon as it leads."""
        self.lead = None
        if self._begun is not None:
            await self._begun.close()
            self._begun = None
        if self._keeping is not None:
            await end(self._keeping)
            self._keeping = None
        await self._lease.release()

    async def _lineage(self) -> tuple[str, int]:
        """The instance in which all leaders count, and the number to go on above."""
        with translated(self.place):
            await self._redis.set(INSTANCE, secrets.token_hex(4), nx=True)
            instance = await self._redis.get(INSTANCE)
            seq = await self._redis.get(SEQ)
        if not isinstance(instance, bytes):
            raise EngineError(f"{self.place} does not keep what it is given.")
        try:
            return instance.decode(), int(seq or 0)
        except ValueError:
            raise EngineError(f"{self.place} holds under {SEQ} what is no number: delete it.") from None


class Lead:
    """One lead, from the moment that it is taken until it is lost: sources, a board, and the ways to Redis."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        redis: "Redis",
        place: str,
        lease: Lease,
        *,
        providers: Sequence[Provider],
        instruments: Instruments,
        instance: str,
        first_seq: int,
    ) -> None:
        self._clock = clock
        self._redis = redis
        self._place = place
        self._lease = lease
        self.instance = instance
        # The time in milliseconds is above whatever was counted from an earlier one, also where Redis has forgotten.
        self.board = Board(first_seq=lambda: max(first_seq, clock.now_ms()))
        self.feed = Feed(
            providers,
            self.board,
            clock,
            poll_interval_seconds=settings.poll_interval_seconds,
            timeout_seconds=settings.provider_timeout_seconds,
            requests_per_minute=settings.upstream_requests_per_minute,
            instruments=instruments,
        )
        self.board.on_demand = self.feed.demand_changed
        self.publisher = Publisher(redis, place, instance, clock, lease)
        self.board.taps.append(self.publisher)
        # What goes out beside Redis goes out once: of several feeds the one that leads writes it.
        self.sinks = Sinks(build_outlets(settings.publish_to, instance, clock), clock)
        if settings.publish_to:
            self.board.taps.append(self.sinks)
        self.wanted = WantedSymbols(redis, place, self.board, clock)
        self.answers = Answers(redis, place, self.feed, may_answer=lambda: lease.is_held)
        self._words: list[FeedWord] = []
        self.feed.on_event = self._tell
        self._hears = asyncio.Event()
        self._subscriber = Subscriber(
            redis,
            place,
            clock,
            wanted=lambda: (ASK, WANTED),
            take=self._take,
            confirmed=lambda _channels: self._hears.set(),
        )

    async def start(self) -> None:
        """Say that a feed is there, warm up the sources, see what is wanted, and begin; `EngineError`."""
        self.feed.supervisor.run("feed heartbeat", self._beat)
        self.sinks.start()
        await self.feed.start()
        await self.wanted.look_if_allowed()
        work: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "feed publishing": self.publisher.run,
            "feed demand": self.wanted.run,
            "feed questions": self._follow,
        }
        for name, run in work.items():
            self.feed.supervisor.run(name, run)
        try:
            await within(self._clock, PROBE_PATIENCE_SECONDS, self._hears.wait())
        except TimeoutError:
            raise EngineError(f"{self._place} delivers nothing.", is_timeout=True) from None

    async def close(self) -> None:
        """End it all."""
        self.board.taps.clear()
        await self.feed.supervisor.close()
        await self.answers.close()
        await self.feed.close()
        await self.sinks.close()

    def _tell(self, event: FeedEvent) -> None:
        symbols = sorted(event.symbols)
        self._words += [
            FeedWord(self.instance, event.event.value, symbols[start : start + _MAX_EVENT_SYMBOLS], event.error)
            for start in range(0, len(symbols), _MAX_EVENT_SYMBOLS)
        ]

    def _take(self, channel: str, payload: bytes) -> None:
        if channel == WANTED:
            self.wanted.hint(payload)
        else:
            self.answers.take(payload)

    async def _follow(self) -> None:
        failures = 0
        while True:
            self._hears.clear()
            try:
                await self._subscriber.run()
            except EngineError as error:
                failures = 1 if self._hears.is_set() else failures + 1
                if failures == 1:
                    log.info("questions cannot be heard", why=error.message)
            await self._clock.sleep(
                backoff_seconds(failures, first=_RETRY_FIRST_SECONDS, longest=_RETRY_LONGEST_SECONDS, jitter=0.5)
            )

    async def _beat(self) -> None:
        """Say twice a second that a feed is there, and what happened since."""
        while True:
            if self._lease.is_held:
                words, self._words = self._words, []
                try:
                    await self._say(words or [FeedWord(self.instance)])
                except EngineError:
                    # Whoever holds the lease tells the log.
                    self._words = (words + self._words)[-_MAX_WORDS:]
            await self._clock.sleep(HEARTBEAT_SECONDS)

    async def _say(self, words: Sequence[FeedWord]) -> None:
        with translated(self._place):
            async with self._redis.pipeline(transaction=False) as pipe:
                for word in words:
                    pipe.publish(FEED, write_word(word))
                pipe.set(INSTANCE, self.instance, get=True)
                *said, before = await pipe.execute(raise_on_error=False)
            for result in said:
                if isinstance(result, Exception):
                    raise result
        # A Redis that is full keeps nothing new, and has forgotten nothing.
        if not isinstance(before, Exception) and before != self.instance.encode():
            self.publisher.publish_all(self.board)
