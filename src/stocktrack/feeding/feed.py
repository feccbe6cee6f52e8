"""The feed as a process: of several at one Redis one leads, and the others wait to take over.

The leader asks the sources for what anybody at Redis wants, publishes it, and answers questions. Its `seq` go on above
all that any leader before it has published, in the one instance that outlives them all: whoever listens sees no price
go back.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from stocktrack.alert_targets.base import Target
from stocktrack.alert_targets.registry import build_targets
from stocktrack.alerts.alerts import JudgedAlerts
from stocktrack.alerts.turn import Turn
from stocktrack.clock import Clock, backoff_seconds, end, within
from stocktrack.config import Settings
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import ASK, FEED, INSTANCE, WANTED
from stocktrack.engine.shards import Shard
from stocktrack.engine.subscriber import PROBE_PATIENCE_SECONDS, Subscriber
from stocktrack.engine.words import HEARTBEAT_SECONDS, FeedWord, write_word
from stocktrack.errors import ConfigError
from stocktrack.feeding.answering import Answers
from stocktrack.feeding.demand import WantedSymbols
from stocktrack.feeding.part import Part
from stocktrack.feeding.publisher import Highest, Publisher
from stocktrack.market.board import Board
from stocktrack.market.events import FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.market.own_bars import RecordedBars, invented_by
from stocktrack.providers.base import Provider
from stocktrack.providers.instruments import Instruments
from stocktrack.providers.registry import build_providers
from stocktrack.sinks.publisher import Publisher as Sinks
from stocktrack.sinks.registry import build_outlets
from stocktrack.storage.alerts import Alerts
from stocktrack.storage.late_bars import LateBars
from stocktrack.storage.late_store import LateStore

log = structlog.get_logger()

_RETRY_FIRST_SECONDS, _RETRY_LONGEST_SECONDS = 0.1, 1.0
_MAX_EVENT_SYMBOLS = 10_000
_MAX_WORDS = 100
_KEPT_CLOSE_SECONDS = 0.6


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
        holder = secrets.token_hex(8)
        self._parts: list[Part] = []
        for number, url in enumerate(settings.redis_url):
            under = self._parts[0].lease if self._parts else None
            self._parts.append(Part(url, Shard(number, len(settings.redis_url)), holder, clock, under=under))
        self._home = self._parts[0]
        self._lease = self._home.lease
        self.place = ", ".join(part.place for part in self._parts)
        self._instruments = Instruments(clock)
        self._targets = build_targets(settings.alert_targets, clock)
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
        """`EngineError` where a Redis does not answer, or does not let this feed lead."""
        for part in self._parts:
            with translated(part.place):
                await part.redis.ping()
        if why := next((part.lease.failure for part in self._parts if part.lease.failure), self.failure):
            raise EngineError(why)

    async def close(self) -> None:
        """End the sources and give up the lead, so that another one has it at once."""
        if self._task is not None:
            await end(self._task)
        # Not in that task: whoever ends it says so again and again until it is over.
        await self._give_up()
        await self._instruments.close()
        for target in self._targets.values():
            await target.close()
        for part in self._parts:
            await part.close()

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
            self._parts,
            providers=self._make_providers(),
            instruments=self._instruments,
            instance=instance,
            first_seq=seq,
            targets=self._targets,
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
        await asyncio.gather(*(part.lease.release() for part in self._parts))

    async def _lineage(self) -> tuple[str, int]:
        """The instance in which all leaders count, and the number to go on above."""
        home = self._home
        with translated(home.place):
            await home.redis.set(INSTANCE, secrets.token_hex(4), nx=True)
            instance = await home.redis.get(INSTANCE)
        if not isinstance(instance, bytes):
            raise EngineError(f"{home.place} does not keep what it is given.")
        # Each has the highest of all that was to be published when it was written to: one that is away may be left out.
        seqs = await asyncio.gather(*(part.seq() for part in self._parts), return_exceptions=True)
        for part, seq in zip(self._parts, seqs, strict=True):
            if isinstance(seq, BaseException) and (part is home or not isinstance(seq, EngineError)):
                raise seq
        return instance.decode(), max(seq for seq in seqs if isinstance(seq, int))


class Lead:
    """One lead, from the moment that it is taken until it is lost: sources, a board, and the ways to Redis.

    Of its `parts` the first is the home, where all is but the prices that the others hold.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        parts: Sequence[Part],
        *,
        providers: Sequence[Provider],
        instruments: Instruments,
        instance: str,
        first_seq: int,
        targets: Mapping[str, Target],
    ) -> None:
        self._clock = clock
        self._parts = parts
        home = parts[0]
        self._redis, self._place, self._lease = home.redis, home.place, home.lease
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
        highest = Highest()
        self.publishers = [
            Publisher(part.redis, part.place, instance, clock, part.lease, shard=part.shard, highest=highest)
            for part in parts
        ]
        self.board.taps.extend(self.publishers)
        # What goes out beside Redis goes out once: of several feeds the one that leads writes it.
        self.sinks = Sinks(build_outlets(settings.publish_to, instance, clock), clock)
        if settings.publish_to:
            self.board.taps.append(self.sinks)
        # Of several feeds the one that leads records the bars, for which it needs a database; without it prices go on.
        self._late = LateStore(settings.database)
        self.bars: RecordedBars | None = None
        if settings.record_bars and (invented := invented_by(providers)) is not None:
            self.bars = RecordedBars(
                LateBars(self._late),
                clock,
                retention_days=settings.bars_retention_days,
                is_watched=self.board.is_watched,
                invented=invented,
            )
            self.board.taps.append(self.bars)
            self.feed.questions.history.own = self.bars
        # It judges the alerts, too: it has each price before all others, and its demand is theirs.
        self.alerts = JudgedAlerts(
            self.board,
            clock,
            self._alerts_opened,
            targets=targets,
            may_name=settings.may_name_target,
            ask_splits=self.feed.questions.history.splits,
            is_made=lambda: self._late.is_made,
            turn=Turn(clock, comes_first=lambda: home.lease.is_held),
        )
        self.wanted = [WantedSymbols(part.redis, part.place, self.board, clock, shard=part.shard) for part in parts]
        self.answers = Answers(home.redis, home.place, self.feed, may_answer=lambda: home.lease.is_held)
        self._words: list[FeedWord] = []
        self.feed.on_event = self._tell
        self._hears = asyncio.Event()
        self._subscriber = Subscriber(
            home.redis,
            home.place,
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
        if self.bars is not None:
            self.feed.supervisor.run("bars", self.bars.run)
        self.alerts.start(self.feed.supervisor)
        await self._parts[0].mark()
        await asyncio.gather(*(wanted.look_if_allowed() for wanted in self.wanted))
        for part, publisher, wanted in zip(self._parts, self.publishers, self.wanted, strict=True):
            of_part = f" {part.shard}" if part.shard.count > 1 else ""
            self.feed.supervisor.run(f"feed publishing{of_part}", publisher.run)
            self.feed.supervisor.run(f"feed demand{of_part}", wanted.run)
            if part.lease.under is not None:
                self.feed.supervisor.run(f"feed lease{of_part}", partial(self._lead_at, part, publisher))
        self.feed.supervisor.run("feed questions", self._follow)
        try:
            await within(self._clock, PROBE_PATIENCE_SECONDS, self._hears.wait())
        except TimeoutError:
            raise EngineError(f"{self._place} delivers nothing.", is_timeout=True) from None

    async def _lead_at(self, part: Part, publisher: Publisher) -> None:
        async def begin() -> None:
            await part.mark()
            publisher.publish_all(self.board)

        await part.lease.follow(begin)

    def hint(self, payload: bytes) -> None:
        """Take a word of what is wanted from now on."""
        for wanted in self.wanted:
            wanted.hint(payload)

    async def close(self) -> None:
        """End it all."""
        self.board.taps.clear()
        await self.feed.supervisor.close()
        await self.answers.close()
        await self.feed.close()
        await asyncio.gather(self.sinks.close(), self._close_kept())

    async def _close_kept(self) -> None:
        """Write what there is, as far as the database takes it so soon: another feed waits for the lead."""
        for step in (self.alerts.close, *(() if self.bars is None else (self.bars.close,)), self._late.close):
            try:
                async with asyncio.timeout(_KEPT_CLOSE_SECONDS):
                    await step()
            except TimeoutError:
                log.warning("closing the database of the bars and alerts took too long and was given up")

    async def _alerts_opened(self) -> Alerts:
        return (await self._late.opened()).alerts

    def _word(self) -> FeedWord:
        return FeedWord(self.instance, shards=len(self._parts))

    def _tell(self, event: FeedEvent) -> None:
        symbols = sorted(event.symbols)
        self._words += [
            replace(
                self._word(),
                event=event.event.value,
                symbols=symbols[start : start + _MAX_EVENT_SYMBOLS],
                error=event.error,
            )
            for start in range(0, len(symbols), _MAX_EVENT_SYMBOLS)
        ]

    def _take(self, channel: str, payload: bytes) -> None:
        if channel == WANTED:
            self.hint(payload)
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
                    await self._say(words or [self._word()])
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
            self.publishers[0].publish_all(self.board)
            await self._parts[0].mark()
