"""Being polite to one provider: a deadline, a ceiling, a back-off that stops all calls after a 429, few log lines.

Everything that asks a source goes through `Upstream.call` or `Upstream.stream`, and how the source is stands here.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

from stocktrack.clock import Clock, backoff_seconds, within
from stocktrack.errors import CommandError, ConfigError, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.market.ceiling import Ceiling
from stocktrack.market.refusals import Refusals
from stocktrack.messages import SourceState
from stocktrack.providers.base import (
    Capability,
    DroppingSource,
    Provider,
    QuoteSource,
    RecoveringSource,
    StreamSource,
    WatchedSource,
)

log = structlog.get_logger()

Result = TypeVar("Result")

# A source that fails: 2 s doubling to 60 s. One that says 429 is asked for nothing at all: 30 s doubling to 10 min.
FAILURE_FIRST_SECONDS, FAILURE_LONGEST_SECONDS = 2.0, 60.0
BLOCKED_FIRST_SECONDS, BLOCKED_LONGEST_SECONDS = 30.0, 600.0
# A stream that was up for so long is well again: its next failure is a first one.
STEADY_STREAM_SECONDS = 60.0
# A source that cannot be used as it is set up is tried again after so long, where it does not say when.
UNUSABLE_SECONDS = 600.0
# How long a source may take to get ready: the server does not listen before.
START_SECONDS = 30.0
# How long one that nobody waits for lets others go first: while a thread imports yfinance nothing else gets far, and in
# the process of a client there is a screen to be drawn.
START_DELAY_SECONDS = 0.02
# How long a question waits for its turn where this server asks a source as often as it may; a poll waits for ever.
CEILING_PATIENCE_SECONDS = 2.0


class CeilingReached(ProviderError):  # noqa: N818 - named as what happened
    """This server asks the source as often as it may: the source itself is well."""

    def __init__(self, name: str, per_minute: int, seconds: float) -> None:
        super().__init__(
            Reason.PROVIDER_BLOCKED,
            f"This server asks {name} at most {per_minute} times a minute, and has done so.",
            retry_after_ms=math.ceil(max(1.0, seconds) * 1000),
        )


@dataclass(frozen=True, slots=True)
class Status:
    """How a source is; where it is not well, why, and in how many seconds it is asked again."""

    state: SourceState
    error: StockTrackError | None = None
    retry_seconds: float = 0.0


class Upstream:
    """One provider and what is known of its health."""

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        *,
        timeout_seconds: float,
        rng: random.Random,
        requests_per_minute: int | None = None,
    ) -> None:
        self.provider = provider
        # What it is, once: asking a protocol whether an object satisfies it takes microseconds, for every symbol.
        self.quote_source = provider if isinstance(provider, QuoteSource) else None
        self.stream_source = provider if isinstance(provider, StreamSource) else None
        # How often it may be asked; None for as often as anybody likes.
        self.ceiling = _ceiling(provider, clock, requests_per_minute)
        # What it was asked for and does not give: unknown to it, not on its plan, or failing alone.
        self.refusals = Refusals(clock)
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._rng = rng
        self._blocked_until = 0.0
        self._blocks = 0
        self._failing: dict[Capability, int] = {}
        self._backs_off_until: dict[Capability, float] = {}
        # How many failures were counted, ever: a call that was under way when one was belongs to that same failure.
        self._counted: Counter[Capability] = Counter()
        self._has_failed_rule = False
        # It failed to start, or was not started yet: what is asked of it later has to start it before.
        self._has_to_start = False
        self._start_delay_seconds = 0.0
        self._starting = asyncio.Lock()
        self._has_streamed = False  # since it was opened last
        self._stream_opened_at: float | None = None  # monotonic; None while it is not up
        # Until when it is not asked for prices, since it failed at them; `outage.py` sets it.
        self.rests_until = 0.0
        self._last_error: ProviderError | None = None
        self._unusable: SourceUnusable | None = None
        self._unusable_until = 0.0
        self.last_success_at: int | None = None  # epoch milliseconds
        # How the requests ended, by what was asked and "ok" or the reason of the failure.
        self.results: Counter[tuple[Capability, str]] = Counter()

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many messages of the provider were no quotes, by why, where it counts them."""
        return self.provider.dropped if isinstance(self.provider, DroppingSource) else {}

    def check_blocked(self) -> None:
        """`ProviderError` while the provider refuses requests (429)."""
        left = self._blocked_until - self._clock.monotonic()
        if left > 0:
            raise ProviderError(
                Reason.PROVIDER_BLOCKED,
                f"{self.name} refuses requests (429); it is asked again in {left:.0f} s.",
                # Rounded up: who comes back after it must not be a fraction of a millisecond early.
                retry_after_ms=math.ceil(left * 1000),
            )

    @property
    def failing(self) -> tuple[Capability, ...]:
        """What the provider failed at when it was last asked; a stream that is down is none of it where it is asked."""
        return tuple(each for each in self._failing if each is not Capability.STREAM or self.quote_source is None)

    @property
    def is_streaming(self) -> bool:
        """Whether its stream is up."""
        return self._stream_opened_at is not None

    @property
    def has_failed_to_stream(self) -> bool:
        """Whether its stream broke, and was not up for a minute since then."""
        return Capability.STREAM in self._failing

    @property
    def is_well(self) -> bool:
        """Whether it may be asked for prices now: nothing is known that would keep it from answering."""
        now = self._clock.monotonic()
        return self._blocked_until <= now and self.rests_until <= now and (self._unusable is None or self.is_usable)

    @property
    def unusable(self) -> SourceUnusable | None:
        """Why it cannot be used as it is set up; None where it can, as far as is known."""
        return self._unusable

    @property
    def is_usable(self) -> bool:
        """Whether it may be asked: its settings do, or it is time to see whether they do by now."""
        return self._unusable is None or self._unusable_until <= self._clock.monotonic()

    @property
    def is_blocked(self) -> bool:
        """Whether the provider refuses requests (429)."""
        return self._blocked_until > self._clock.monotonic()

    def status(self) -> "Status":
        """How it is, and when it is asked again."""
        if self._unusable is not None:
            state = SourceState.WAITING if self._unusable.is_waiting else SourceState.NOT_OFFERED
            return Status(state, self._unusable, self.unusable_seconds())
        failing = self._failing_at()
        if isinstance(self.provider, WatchedSource) and not self.is_blocked:
            if (trouble := self.provider.trouble) is not None:
                return Status(SourceState.FAILING, trouble, self.back_off_seconds(failing or Capability.QUOTES))
            if failing is not None and not self.is_backing_off(failing):
                failing = None  # nobody has asked since, and would find it well
        if self.is_blocked:
            return Status(SourceState.BLOCKED, self._last_error, self.back_off_seconds(Capability.QUOTES))
        if failing is not None:
            return Status(SourceState.FAILING, self._last_error, self.back_off_seconds(failing))
        return Status(SourceState.OK if self.last_success_at is not None else SourceState.UNUSED)

    def _failing_at(self) -> Capability | None:
        """What it fails at, of what it is there for: quotes where it has them, and else anything it offers.

        A stream that is down is no failure of a source that answers when it is asked.
        """
        if self.quote_source is not None:
            return Capability.QUOTES if Capability.QUOTES in self._failing else None
        return next(iter(self._failing), None)

    def is_backing_off(self, capability: Capability) -> bool:
        """Whether the provider failed at this a moment ago, so that one that does not should be asked instead."""
        return self.back_off_seconds(capability) > 0

    def back_off_seconds(self, capability: Capability) -> float:
        """How long it is not asked for this any more, after it failed at it or refused all requests; at least 0."""
        until = max(self._backs_off_until.get(capability, 0.0), self._blocked_until)
        return max(0.0, until - self._clock.monotonic())

    def unusable_seconds(self) -> float:
        """How long it is not tried whether it can be used by now; at least 0."""
        return max(0.0, self._unusable_until - self._clock.monotonic()) if self._unusable is not None else 0.0

    async def start(self) -> None:
        """Warm the provider up; one that cannot be used as it is set up is noted and told to the log.

        `ConfigError` is the one thing that it may stop the server with.
        """
        self._has_to_start = True
        try:
            await self._start_once()
        except SourceUnusable as error:
            self._cannot_be_used(error)
        except ConfigError:
            raise
        except ProviderError as error:
            self._cannot_be_used(SourceUnusable(f"{self.name} failed to start: {error.message}"))
        except Exception:
            log.exception("a source failed to start in an unexpected way", provider=self.name)
            self._cannot_be_used(SourceUnusable(f"{self.name} failed to start; the server's log says why."))

    def start_later(self) -> None:
        """Have the provider warmed up by whoever asks it first, a moment later."""
        self._has_to_start = True
        self._start_delay_seconds = START_DELAY_SECONDS

    @property
    def has_to_start(self) -> bool:
        """Whether whoever asks it next has to wait until it is ready."""
        return self._has_to_start

    async def _start_once(self) -> None:
        async with self._starting:
            if self._has_to_start:
                await self._clock.sleep(self._start_delay_seconds)
                await self._within(START_SECONDS, self.provider.start)
                self._has_to_start = False

    async def call(
        self,
        capability: Capability,
        make: Callable[[], Awaitable[Result]],
        *,
        requests: int = 1,
        is_poll: bool = False,
    ) -> Result:
        """The provider's answer, within the deadline; what goes wrong says when the provider is asked again.

        It takes so many `requests`, for which it waits its turn: a poll as long as that takes, anything else for a
        short moment, then it is `CeilingReached`.
        """
        await self._wait_for_turn(requests, is_poll=is_poll)
        result = await self._translated(capability, lambda: self._within(self._timeout_seconds, make))
        self.results[capability, "ok"] += 1
        self.succeeded(capability)
        return result

    async def close(self) -> None:
        """End the provider; one that fails at it is told to the log and keeps nobody from going on."""
        try:
            await _without_exit(self.provider.close)
        except Exception:
            log.exception("a source failed to close", provider=self.name)

    def serves(self, name: str) -> bool:
        """Whether the provider may have what it calls `name`; not where its rule fails, which the log tells once."""
        try:
            return self.provider.serves(name)
        except Exception:
            if not self._has_failed_rule:
                self._has_failed_rule = True
                log.exception("a source failed to say whether it serves a symbol", provider=self.name, symbol=name)
            return False

    def room_for_symbols(self, *, is_poll: bool) -> float:
        """Of how many symbols the prices may be asked now, as far as the ceiling goes; 0 where it has no prices."""
        if self.quote_source is None:
            return 0
        if self.ceiling is None:
            return math.inf
        return self.ceiling.room(is_poll=is_poll) * self.quote_source.symbols_a_request

    async def turn(self, *, is_poll: bool) -> None:
        """Wait for room for a request: a poll as long as that takes, anything else for a short moment.

        `ProviderError` where it refuses all requests, `CeilingReached` where there is no room in time.
        """
        self.check_blocked()
        if self.ceiling is not None:
            await self._wait_for_room(1, is_poll=is_poll)

    def ceiling_reached(self) -> "CeilingReached":
        """The error for what there is no room for now."""
        assert self.ceiling is not None  # noqa: S101 - without one there is always room
        seconds = self.ceiling.wait_seconds(1, is_poll=False)
        return CeilingReached(self.name, self.ceiling.per_minute, seconds)

    def look_up_refusal(self, unpaid: Callable[[], StockTrackError | None]) -> StockTrackError | None:
        """Count one more request of a call that is under way; or say why it may not be made, or is ``unpaid()``."""
        if self.provider.is_free:
            return None
        if self.ceiling is None:
            return unpaid()
        # A poll's, too: room is kept for the polls' batches, and these are few or something is wrong with them.
        if (seconds := self.ceiling.wait_seconds(1, is_poll=False)) > 0:
            return CeilingReached(self.name, self.ceiling.per_minute, seconds)
        if (why_not := unpaid()) is None:
            self.ceiling.take(1, is_poll=False)
        return why_not

    async def stream(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run a stream until it breaks: a `ProviderError` that says when it is opened again."""
        self._has_streamed = False
        try:
            await self._translated(Capability.STREAM, lambda: _without_exit(run))
        finally:
            self._stream_opened_at = None

    async def recovered(self) -> None:
        """Return when the provider knows by itself that its stream is worth opening again; never where it does not."""
        try:
            if isinstance(self.provider, RecoveringSource):
                await self.provider.recovered()
                return
        except Exception:
            log.exception("a source failed to say when it is well again", provider=self.name)
        await asyncio.Event().wait()

    def opened(self) -> None:
        """Note that the stream is up."""
        self._stream_opened_at = self._clock.monotonic()
        self._now_usable()

    def streamed(self) -> None:
        """Note that the stream delivers: one request for a whole stream, whatever comes by it."""
        self.last_success_at = self._clock.now_ms()
        if not self._has_streamed:
            self._has_streamed = True
            self.results[Capability.STREAM, "ok"] += 1

    def look_at_stream(self) -> None:
        """Take a stream that was up for a minute for well again."""
        opened_at = self._stream_opened_at
        if opened_at is not None and self._clock.monotonic() - opened_at >= STEADY_STREAM_SECONDS:
            self.succeeded(Capability.STREAM)

    def succeeded(self, capability: Capability) -> None:
        """Note that the provider answered."""
        if capability is not Capability.STREAM:
            self.last_success_at = self._clock.now_ms()
        self._now_usable()
        if self._blocked_until <= self._clock.monotonic():
            # The answer to a call that was under way when the 429 came says nothing of it.
            self._blocks = 0
        self._backs_off_until.pop(capability, None)
        if self._failing.pop(capability, 0):
            if capability is Capability.STREAM:
                log.info("stream is back", provider=self.name)
            else:
                log.info("source is back", provider=self.name, asked=capability)

    async def _wait_for_turn(self, requests: int, *, is_poll: bool) -> None:
        self.check_blocked()
        if self.ceiling is None:
            return
        await self._wait_for_room(requests, is_poll=is_poll)
        self.ceiling.take(requests, is_poll=is_poll)

    async def _wait_for_room(self, requests: int, *, is_poll: bool) -> None:
        assert self.ceiling is not None  # noqa: S101 - who calls this has looked
        patience = math.inf if is_poll else CEILING_PATIENCE_SECONDS
        until = self._clock.monotonic() + patience
        while (seconds := self.ceiling.wait_seconds(requests, is_poll=is_poll)) > 0:
            if self._clock.monotonic() + seconds > until:
                raise CeilingReached(self.name, self.ceiling.per_minute, seconds)
            await self._clock.sleep(seconds)

    async def _translated(self, capability: Capability, make: Callable[[], Awaitable[Result]]) -> Result:
        self.check_blocked()
        counted = self._counted[capability]
        try:
            if self._has_to_start:
                await self._start_once()
            return await make()
        except ProviderError as error:
            raise self._failed(capability, error, counted) from error
        except SourceUnusable as error:
            self._cannot_be_used(error)
            raise
        except CommandError as error:
            # It does not offer this one thing, which is no failure of it.
            self.results[capability, error.reason] += 1
            raise
        except Exception as error:
            # A provider translates its library's errors; one that comes through is our bug, and is shown as such.
            log.exception("a provider raised what it should have translated", provider=self.name, asked=capability)
            plain = ProviderError(Reason.PROVIDER_ERROR, f"{self.name} failed in an unexpected way.")
            raise self._failed(capability, plain, counted) from error

    async def _within(self, seconds: float, make: Callable[[], Awaitable[Result]]) -> Result:
        # The provider keeps its own time-outs; this is for the one that hangs all the same.
        call = asyncio.ensure_future(_without_exit(make))
        try:
            # What the call raises stays in the call: a `TimeoutError` of its own is no sign that our time is over.
            await within(self._clock, seconds + 1, asyncio.wait((call,)))
        except TimeoutError:
            raise ProviderError(Reason.PROVIDER_TIMEOUT, f"{self.name} did not answer within {seconds:g} s.") from None
        finally:
            call.cancel()
        if call.cancelled():
            # Not by us: were it passed on, whoever waits here would take it for the end of its own task.
            raise ProviderError(Reason.PROVIDER_ERROR, f"{self.name} gave up the call.")
        return call.result()

    def _failed(self, capability: Capability, error: ProviderError, counted: int) -> ProviderError:
        """Note a failure of a call that began when `counted` failures were; the error with the time of the next try."""
        self.look_at_stream()
        if capability is not Capability.STREAM or not self._has_streamed:
            self.results[capability, error.reason] += 1
        now = self._clock.monotonic()
        failures = self._failing.get(capability, 0)
        # Calls that were under way together fail together: that is one failure, and not several in a row.
        is_counted = failures > 0 and counted < self._counted[capability] and self.is_backing_off(capability)
        if not is_counted:
            failures = self._failing[capability] = failures + 1
            self._counted[capability] += 1
        is_blocked = error.reason is Reason.PROVIDER_BLOCKED
        if is_blocked and capability is Capability.STREAM:
            # A stream that is refused is no reason to ask for nothing: the polls fill in for it.
            wait = backoff_seconds(
                failures, first=BLOCKED_FIRST_SECONDS, longest=BLOCKED_LONGEST_SECONDS, jitter=self._rng.random()
            )
            wait = max(wait, (error.retry_after_ms or 0) / 1000)
        elif is_blocked:
            if self._blocked_until <= now:
                # Calls that were under way together are refused together: that is one block, not several in a row.
                self._blocks += 1
            wait = backoff_seconds(
                self._blocks, first=BLOCKED_FIRST_SECONDS, longest=BLOCKED_LONGEST_SECONDS, jitter=self._rng.random()
            )
            wait = max(wait, (error.retry_after_ms or 0) / 1000)
            self._blocked_until = max(self._blocked_until, now + wait)
        elif is_counted:
            wait = self._backs_off_until[capability] - now
        else:
            wait = backoff_seconds(
                failures, first=FAILURE_FIRST_SECONDS, longest=FAILURE_LONGEST_SECONDS, jitter=self._rng.random()
            )
        self._backs_off_until[capability] = now + wait
        if failures == 1 and not is_counted:
            facts = {"provider": self.name, "reason": error.reason, "why": error.message}
            if capability is Capability.STREAM:
                # Not the source itself: what it streamed is asked for meanwhile, or of others.
                log.warning("stream went away", **facts)
            else:
                log.warning("source went away", asked=capability, **facts)
        told = ProviderError(error.reason, error.message, retry_after_ms=math.ceil(wait * 1000))
        if capability is not Capability.STREAM:
            # A bare copy: the traceback of the one raised would keep everything alive that stood in its frames.
            self._last_error = ProviderError(error.reason, error.message)
        return told

    def _cannot_be_used(self, error: SourceUnusable) -> None:
        seconds = UNUSABLE_SECONDS if error.retry_after_ms is None else error.retry_after_ms / 1000
        is_news = self._unusable is None or self._unusable.message != error.message
        # A bare copy: the traceback of the one raised would keep everything alive that stood in its frames.
        self._unusable = SourceUnusable(error.message, is_waiting=error.is_waiting, retry_after_ms=error.retry_after_ms)
        self._unusable_until = self._clock.monotonic() + seconds
        if is_news:
            log.warning("source cannot be used", provider=self.name, why=error.message, is_waiting=error.is_waiting)

    def _now_usable(self) -> None:
        if self._unusable is not None:
            self._unusable = None
            log.info("source can be used now", provider=self.name)


async def _without_exit(make: Callable[[], Awaitable[Result]]) -> Result:
    """What `make` returns; a source that would end the whole process only fails."""
    try:
        return await make()
    except SystemExit as error:
        raise RuntimeError(f"the source called sys.exit({error.code!r})") from error


def _ceiling(provider: Provider, clock: Clock, requests_per_minute: int | None) -> Ceiling | None:
    """How often a provider may be asked: as often as its own budget and the server's setting both allow."""
    budget = provider.budget
    theirs = budget.requests_per_minute
    if provider.is_free or budget.is_unlimited or (theirs is None and requests_per_minute is None):
        return None
    is_theirs = theirs is not None and (requests_per_minute is None or theirs <= requests_per_minute)
    per_minute = theirs if is_theirs else requests_per_minute
    return Ceiling(clock, per_minute or 0, is_theirs=is_theirs, per_second=budget.requests_per_second)
