"""A connection of the source `redis`, which is kept up while the server runs, and what is known by it.

It follows the symbols that are wanted, whether a feed is there, and the answers to what the feed is asked. A Redis
is the operator's own: it is tried again soon, and not later and later as a vendor is.

Where the prices lie at several Redis there is a connection to each. That of the home is as above, the others follow
prices alone, each the symbols that its Redis holds.
"""

import asyncio
import contextlib
import json
import math
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import TYPE_CHECKING

import structlog

from stocktrack.clock import Clock, backoff_seconds, end, within
from stocktrack.engine.asking import Asker
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import FEED, INSTANCE, MAX_INSTANCE_CHARS, PRICES, SHARD, WANTED, price_name
from stocktrack.engine.shards import Shard
from stocktrack.engine.subscriber import Subscriber
from stocktrack.engine.words import FeedWord, read_word

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

RETRY_FIRST_SECONDS, RETRY_LONGEST_SECONDS = 0.1, 1.0
# A leader says every half a second that it is there, and a second one takes over within five.
FEED_SILENT_SECONDS = 5.0
# A connection that was up for so long is tried again at once when it breaks.
STEADY_SECONDS = 5.0
_KEYS_A_COMMAND = 1_000
# What somebody asked for, and nobody has published, is followed for so long: a subscription to it may come.
LINGER_SECONDS = 10.0
_MAX_LINGERING = 5_000
# What was published before it was followed is tried to be read so often; the polls find it later in any case.
_READ_TRIES = 3
# What stands at Redis may be anybody's: so much of it is told, and so often.
_MAX_SHARD_CHARS, _MAX_TOLD = 20, 10


class Link:
    """Keeps the connection. `run` for as long as the server does.

    `take(symbol, payload)` gets what is published of a symbol, `take_kept(symbol, payload)` what stood at Redis when it
    began to be followed, and `hear(word)` what the feed has to say. `shard` is which Redis it is, and `home` the
    link of the first one, where it is not that itself.
    """

    def __init__(
        self,
        redis: "Redis",
        place: str,
        clock: Clock,
        *,
        take: Callable[[str, bytes], None],
        take_kept: Callable[[str, bytes], None],
        hear: Callable[[FeedWord], None],
        shard: Shard = Shard(),  # noqa: B008 - it is frozen
        home: "Link | None" = None,
    ) -> None:
        self.shard = shard
        self._is_home = home is None
        self._told_shards: set[str] = set()
        self._redis = redis
        self._place = place
        self._clock = clock
        self._take_price = take
        self._take_kept = take_kept
        self._hear = hear
        self.asker: Asker = Asker(redis, place, clock) if home is None else home.asker
        # What is subscribed to first, by which it is seen that it is up. At the others nobody says anything by it.
        self._first_channel = FEED if home is None else self.asker.channel
        self.hint: Callable[[Sequence[str]], Awaitable[None]] = self._publish_hint if home is None else home.hint
        self._wanted: Callable[[], Collection[str]] = lambda: ()
        self._subscriber = Subscriber(
            redis, place, clock, wanted=self._channels, take=self._take, confirmed=self._confirmed
        )
        self._rng = random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self._up = asyncio.Event()
        self._feed_came = asyncio.Event()
        # Whether one was ever heard, and when last (monotonic), or when it could be heard again.
        self.had_feed = False
        self._feed_silent_since = -math.inf
        self._reads: set[asyncio.Task[None]] = set()
        self._followed = asyncio.Event()
        # What nobody wants yet, and until when (monotonic) it is followed all the same.
        self._lingering: dict[str, float] = {}
        self.failure: EngineError | None = None
        self._down_since = clock.monotonic()

    @property
    def place(self) -> str:
        """How sentences name its Redis."""
        return self._place

    @property
    def is_up(self) -> bool:
        """Whether it delivers."""
        return self._up.is_set()

    def lasting_failure(self, seconds: float) -> EngineError | None:
        """Why it does not deliver, where that is so for longer than so many seconds."""
        return self.failure if not self.is_up and self._clock.monotonic() - self._down_since > seconds else None

    @property
    def has_feed(self) -> bool:
        """Whether a feed is there, as far as is known: what came by the connection since does not prove its silence.

        It is counted by what was delivered, not by the clock: while Redis is away, or this process stands still,
        nothing can be heard of a feed.
        """
        return self._subscriber.delivered_at - self._feed_silent_since < FEED_SILENT_SECONDS

    def is_following(self, symbol: str) -> bool:
        """Whether Redis sends what is published of `symbol`, so that nothing can have been missed."""
        return price_name(symbol) in self._subscriber.following

    def want(self, wanted: Callable[[], Collection[str]]) -> None:
        """Follow the symbols that ``wanted()`` names, from now on."""
        self._wanted = wanted
        self.look()

    async def follow(self, symbols: Sequence[str], seconds: float) -> None:
        """Follow `symbols` for a while, and return when whatever is published of them comes, or after so long."""
        now = self._clock.monotonic()
        self._lingering = {symbol: until for symbol, until in self._lingering.items() if until > now}
        held = [symbol for symbol in symbols if self.shard.holds(symbol)]
        some = held[: _MAX_LINGERING - len(self._lingering)]
        self._lingering |= dict.fromkeys(some, now + LINGER_SECONDS)
        self.look()
        with contextlib.suppress(TimeoutError):
            await within(self._clock, seconds, self._until_following(set(some)))

    async def _until_following(self, symbols: set[str]) -> None:
        while not all(map(self.is_following, symbols)):
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

    async def until_delivering(self) -> None:
        """Return when it delivers, however long that takes."""
        await self._up.wait()

    async def until_feed(self) -> None:
        """Return when a feed is heard."""
        self._feed_came.clear()
        await self._feed_came.wait()

    async def run(self) -> None:
        """Keep it up."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._subscriber.run()
            except EngineError as error:
                self.failure = error
            except Exception:
                # Were it to end this task, the server would hear nothing ever again.
                log.exception("the connection to Redis failed in an unexpected way")
                self.failure = EngineError(f"The connection to {self._place} failed; the log says why.")
            is_first = self.is_up and self._clock.monotonic() - began >= STEADY_SECONDS
            failures = 1 if is_first else failures + 1
            if is_first and self._is_home:  # of the others whoever sees what is missing then tells
                log.info("the connection to Redis broke", place=self._place, why=self.failure.message)
            if self.is_up:
                self._down_since = self._clock.monotonic()
            self._up.clear()
            with contextlib.suppress(Exception):  # they may lead to where nobody is any more; new ones are opened
                await self._redis.connection_pool.disconnect(inuse_connections=False)
            await self._clock.sleep(
                backoff_seconds(
                    failures, first=RETRY_FIRST_SECONDS, longest=RETRY_LONGEST_SECONDS, jitter=self._rng.random()
                )
            )

    async def read(self, symbols: Sequence[str]) -> dict[str, bytes]:
        """What stands at Redis of `symbols`, without those of which nothing does; `EngineError`."""
        found: dict[str, bytes] = {}
        # By the way, where there are several Redis, it is seen that each is the one that it is taken for.
        more = [SHARD] if self.shard.count > 1 else []
        with translated(self._place):
            for start in range(0, len(symbols), _KEYS_A_COMMAND):
                some = symbols[start : start + _KEYS_A_COMMAND]
                values = await self._redis.mget([*(price_name(symbol) for symbol in some), *more])
                if more:
                    self._compare(values.pop())
                found |= {symbol: value for symbol, value in zip(some, values, strict=True) if isinstance(value, bytes)}
        return found

    def _compare(self, said: object) -> None:
        """Tell the log, once, where the feed takes this Redis for another one of the list than this server."""
        told = said.decode(errors="replace")[:_MAX_SHARD_CHARS] if isinstance(said, bytes) else str(self.shard)
        if told not in {str(self.shard), *self._told_shards} and len(self._told_shards) < _MAX_TOLD:
            self._told_shards.add(told)
            log.error(
                "the feed and this server disagree on which prices are here: "
                "give redis_url alike and in one order everywhere",
                place=self._place,
                feed=told,
                here=str(self.shard),
            )

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
        self._feed_silent_since = self._clock.monotonic()
        self._up.set()

    def _channels(self) -> Collection[str]:
        return {self._first_channel, self.asker.channel, *map(price_name, self._symbols())}

    def _symbols(self) -> Collection[str]:
        wanted = self._wanted()
        if self.shard.count > 1:
            wanted = [symbol for symbol in wanted if self.shard.holds(symbol)]
        if not self._lingering:
            return wanted
        now = self._clock.monotonic()
        return {*wanted, *(symbol for symbol, until in self._lingering.items() if until > now)}

    def _take(self, channel: str, payload: bytes) -> None:
        if channel.startswith(PRICES):
            self._take_price(channel.removeprefix(PRICES), payload)
        elif not self._is_home:
            return
        elif channel == FEED:
            self._hear_feed(payload)
        elif channel == self.asker.channel:
            self.asker.take(payload)

    def _hear_feed(self, payload: bytes) -> None:
        if (word := read_word(payload)) is not None:
            self.had_feed = True
            self._feed_silent_since = self._clock.monotonic()
            self._feed_came.set()
            if word.shards != self.shard.count:
                self._compare(f"1/{word.shards}".encode())
            self._hear(word)

    def _confirmed(self, channels: Sequence[str]) -> None:
        """From now on every price of these comes; what was published before is read once, which leaves no gap."""
        if self._first_channel in channels:
            self._opened()
            if self.shard.count > 1:
                self._spawn(self._check_shard(), "redis check of the shard")
        symbols = [channel.removeprefix(PRICES) for channel in channels if channel.startswith(PRICES)]
        if symbols:
            self._followed.set()
            self._spawn(self._catch_up(symbols), "redis catch up")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _check_shard(self) -> None:
        with contextlib.suppress(EngineError), translated(self._place):
            self._compare(await self._redis.get(SHARD))

    async def _publish_hint(self, symbols: Sequence[str]) -> None:
        with contextlib.suppress(EngineError), translated(self._place):
            # Only a hint: the feed sees within a second who follows what. One that may only read cannot give it.
            await self._redis.publish(WANTED, json.dumps(symbols))

    async def _catch_up(self, symbols: Sequence[str]) -> None:
        await self.hint(symbols)
        for _ in range(_READ_TRIES):
            try:
                found = await self.read(symbols)
            except EngineError:
                await self._clock.sleep(RETRY_LONGEST_SECONDS)
                continue
            for symbol, payload in found.items():
                self._take_kept(symbol, payload)
            return
