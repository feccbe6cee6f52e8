"""The connection of the source `redis`, which is kept up while the server runs, and what is known by it.

It follows the symbols that are wanted, whether a feed is there, and the answers to what the feed is asked. A Redis
is the operator's own: it is tried again soon, and not later and later as a vendor is.
"""

import asyncio
import contextlib
import json
import math
import random
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import structlog

from stocktrack.clock import Clock, backoff_seconds, end, within
from stocktrack.engine.asking import Asker
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import FEED, INSTANCE, PRICES, WANTED, price_name
from stocktrack.engine.subscriber import Subscriber
from stocktrack.engine.words import FeedWord, read_word
from stocktrack.providers.published import MAX_INSTANCE_CHARS

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

RETRY_FIRST_SECONDS, RETRY_LONGEST_SECONDS = 0.1, 1.0
# A leader says every half a second that it is there, and a second one takes over within five.
FEED_SILENT_SECONDS = 5.0
# How long something that was heard may be old for what was not heard meanwhile to be a silence.
_PROVEN_SECONDS = 2.5
_KEYS_A_COMMAND = 1_000
# What somebody asked for, and nobody has published, is followed for so long: a subscription to it may come.
LINGER_SECONDS = 10.0
_MAX_LINGERING = 5_000


class Link:
    """Keeps the connection. `run` for as long as the server does.

    `take(symbol, payload)` gets what is published of a symbol, and `hear(word)` what the feed has to say.
    """

    def __init__(
        self,
        redis: "Redis",
        place: str,
        clock: Clock,
        *,
        take: Callable[[str, bytes], None],
        hear: Callable[[FeedWord], None],
    ) -> None:
        self._redis = redis
        self._place = place
        self._clock = clock
        self._take_price = take
        self._hear = hear
        self.asker = Asker(redis, place, clock)
        self._wanted: Callable[[], Collection[str]] = lambda: ()
        self._subscriber = Subscriber(
            redis, place, clock, wanted=self._channels, take=self._take, confirmed=self._confirmed
        )
        self._rng = random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self._up = asyncio.Event()
        self._feed_came = asyncio.Event()
        self._feed_heard_at = -math.inf
        self._reads: set[asyncio.Task[None]] = set()
        # What is sent as it is published, from now on.
        self.following: set[str] = set()
        self._followed = asyncio.Event()
        # What nobody wants yet, and until when (monotonic) it is followed all the same.
        self._lingering: dict[str, float] = {}
        self.failure: EngineError | None = None
        self.breaks = 0

    @property
    def is_up(self) -> bool:
        """Whether it delivers."""
        return self._up.is_set()

    @property
    def has_feed(self) -> bool:
        """Whether a feed is there: it was heard a moment ago, or nothing at all can have been heard of it."""
        now = self._clock.monotonic()
        if now - self._feed_heard_at < FEED_SILENT_SECONDS:
            return True
        # A connection that has delivered nothing since says nothing of the feed either.
        is_unproven = self._subscriber.heard_at - self._feed_heard_at < _PROVEN_SECONDS
        return self._feed_heard_at > -math.inf and is_unproven and self.is_up

    @property
    def had_feed(self) -> bool:
        """Whether a feed was ever heard."""
        return self._feed_heard_at > -math.inf

    def want(self, wanted: Callable[[], Collection[str]]) -> None:
        """Follow the symbols that ``wanted()`` names, from now on."""
        self._wanted = wanted
        self.look()

    async def follow(self, symbols: Sequence[str], seconds: float) -> None:
        """Follow `symbols` for a while, and return when whatever is published of them comes, or after so long."""
        now = self._clock.monotonic()
        self._lingering = {symbol: until for symbol, until in self._lingering.items() if until > now}
        some = symbols[: _MAX_LINGERING - len(self._lingering)]
        self._lingering |= dict.fromkeys(some, now + LINGER_SECONDS)
        self.look()
        with contextlib.suppress(TimeoutError):
            await within(self._clock, seconds, self._until_following(set(some)))

    async def _until_following(self, symbols: set[str]) -> None:
        while not symbols <= self.following:
            self._followed.clear()
            await self._followed.wait()

    def look(self) -> None:
        """Note that other symbols are wanted now."""
        self._subscriber.look()

    async def until_up(self, seconds: float) -> None:
        """Return when it delivers; `EngineError` where it does not within so many seconds."""
        try:
            await within(self._clock, seconds, self._up.wait())
        except TimeoutError:
            raise self.failure or EngineError(f"{self._place} does not answer.", is_timeout=True) from None

    async def until_better(self) -> None:
        """Return when it delivers again, or where it does already, when a feed is heard."""
        if not self.is_up:
            await self._up.wait()
            return
        self._feed_came.clear()
        await self._feed_came.wait()

    async def run(self) -> None:
        """Keep it up."""
        failures = 0
        while True:
            try:
                await self._subscriber.run(self._opened)
            except EngineError as error:
                self.failure = error
            failures = 0 if self.is_up else failures + 1
            self._up.clear()
            self.following = set()
            self.breaks += 1
            if failures:
                await self._clock.sleep(
                    backoff_seconds(
                        failures, first=RETRY_FIRST_SECONDS, longest=RETRY_LONGEST_SECONDS, jitter=self._rng.random()
                    )
                )

    async def read(self, symbols: Sequence[str]) -> dict[str, bytes]:
        """What stands at Redis of `symbols`, without those of which nothing does; `EngineError`."""
        found: dict[str, bytes] = {}
        with translated(self._place):
            for start in range(0, len(symbols), _KEYS_A_COMMAND):
                some = symbols[start : start + _KEYS_A_COMMAND]
                values = await self._redis.mget([price_name(symbol) for symbol in some])
                found |= {symbol: value for symbol, value in zip(some, values, strict=True) if isinstance(value, bytes)}
        return found

    async def instance(self) -> str | None:
        """The instance in which the feed's `seq` counts, where there was a feed; `EngineError`."""
        with translated(self._place):
            value = await self._redis.get(INSTANCE)
        return value.decode(errors="replace")[:MAX_INSTANCE_CHARS] if isinstance(value, bytes) else None

    async def close(self) -> None:
        """End what is under way, and the connections."""
        await end(*self._reads)
        with contextlib.suppress(Exception):  # they are given up in any case
            await self._redis.aclose()

    def _opened(self) -> None:
        self.failure = None
        self._up.set()

    def _channels(self) -> Collection[str]:
        return {FEED, self.asker.channel, *map(price_name, self._symbols())}

    def _symbols(self) -> Collection[str]:
        if not self._lingering:
            return self._wanted()
        now = self._clock.monotonic()
        return {*self._wanted(), *(symbol for symbol, until in self._lingering.items() if until > now)}

    def _take(self, channel: str, payload: bytes) -> None:
        if channel.startswith(PRICES):
            self._take_price(channel.removeprefix(PRICES), payload)
        elif channel == FEED:
            self._hear_feed(payload)
        elif channel == self.asker.channel:
            self.asker.take(payload)

    def _hear_feed(self, payload: bytes) -> None:
        if (word := read_word(payload)) is not None:
            self._feed_heard_at = self._clock.monotonic()
            self._feed_came.set()
            self._hear(word)

    def _confirmed(self, channels: Sequence[str]) -> None:
        """From now on every price of these comes; what was published before is read once, which leaves no gap."""
        symbols = [channel.removeprefix(PRICES) for channel in channels if channel.startswith(PRICES)]
        if symbols:
            self.following.update(symbols)
            self.following.intersection_update(self._symbols())
            self._followed.set()
            task = asyncio.create_task(self._catch_up(symbols), name="redis catch up")
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def _catch_up(self, symbols: Sequence[str]) -> None:
        with contextlib.suppress(EngineError), translated(self._place):  # the connection breaks by itself then
            await self._redis.publish(WANTED, json.dumps(symbols))
            for symbol, payload in (await self.read(symbols)).items():
                self._take_price(symbol, payload)
