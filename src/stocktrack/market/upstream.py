"""Being polite to one provider: a deadline, a ceiling, a back-off that stops all calls after a 429, few log lines.

Everything that asks a source goes through `Upstream.call` or `Upstream.stream`.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from stocktrack.clock import Clock, backoff_seconds, within
from stocktrack.errors import ProviderError, Reason, StockTrackError
from stocktrack.market.ceiling import Ceiling
from stocktrack.providers.base import Capability, Provider

log = structlog.get_logger()

Result = TypeVar("Result")

# A source that fails: 2 s doubling to 60 s. One that says 429 is asked for nothing at all: 30 s doubling to 10 min.
FAILURE_FIRST_SECONDS, FAILURE_LONGEST_SECONDS = 2.0, 60.0
BLOCKED_FIRST_SECONDS, BLOCKED_LONGEST_SECONDS = 30.0, 600.0
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
        # How often it may be asked; None for as often as anybody likes.
        is_free = provider.is_free or requests_per_minute is None
        self.ceiling = None if is_free else Ceiling(clock, requests_per_minute or 0)
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._rng = rng
        self._blocked_until = 0.0
        self._blocks = 0
        self._failing: dict[Capability, int] = {}
        self._backs_off_until: dict[Capability, float] = {}
        # How many failures were counted, ever: a call that was under way when one was belongs to that same failure.
        self._counted: Counter[Capability] = Counter()
        self._is_streaming = False
        # How the requests ended, by what was asked and "ok" or the reason of the failure.
        self.results: Counter[tuple[Capability, str]] = Counter()

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name

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
        """What the provider failed at when it was last asked."""
        return tuple(self._failing)

    @property
    def is_blocked(self) -> bool:
        """Whether the provider refuses requests (429)."""
        return self._blocked_until > self._clock.monotonic()

    def is_backing_off(self, capability: Capability) -> bool:
        """Whether the provider failed at this a moment ago, so that one that does not should be asked instead."""
        return self._backs_off_until.get(capability, 0.0) > self._clock.monotonic()

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
        result = await self._translated(capability, lambda: self._within_deadline(make))
        self.results[capability, "ok"] += 1
        self.succeeded(capability)
        return result

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
        self._is_streaming = False
        await self._translated(Capability.STREAM, run)

    def streamed(self) -> None:
        """Note that the stream delivers: one request for a whole stream, whatever comes by it."""
        if not self._is_streaming:
            self._is_streaming = True
            self.results[Capability.STREAM, "ok"] += 1
        self.succeeded(Capability.STREAM)

    def succeeded(self, capability: Capability) -> None:
        """Note that the provider answered."""
        if self._blocked_until <= self._clock.monotonic():
            # The answer to a call that was under way when the 429 came says nothing of it.
            self._blocks = 0
        self._backs_off_until.pop(capability, None)
        if self._failing.pop(capability, 0):
            log.info("source is back", provider=self.name, asked=capability)

    async def _wait_for_turn(self, requests: int, *, is_poll: bool) -> None:
        self.check_blocked()
        if self.ceiling is None:
            return
        patience = math.inf if is_poll else CEILING_PATIENCE_SECONDS
        until = self._clock.monotonic() + patience
        while (seconds := self.ceiling.wait_seconds(requests, is_poll=is_poll)) > 0:
            if self._clock.monotonic() + seconds > until:
                raise CeilingReached(self.name, self.ceiling.per_minute, seconds)
            await self._clock.sleep(seconds)
        self.ceiling.take(requests, is_poll=is_poll)

    async def _translated(self, capability: Capability, make: Callable[[], Awaitable[Result]]) -> Result:
        self.check_blocked()
        counted = self._counted[capability]
        try:
            return await make()
        except ProviderError as error:
            raise self._failed(capability, error, counted) from error
        except Exception as error:
            # A provider translates its library's errors; one that comes through is our bug, and is shown as such.
            log.exception("a provider raised what it should have translated", provider=self.name, asked=capability)
            plain = ProviderError(Reason.PROVIDER_ERROR, f"{self.name} failed in an unexpected way.")
            raise self._failed(capability, plain, counted) from error

    async def _within_deadline(self, make: Callable[[], Awaitable[Result]]) -> Result:
        # The provider keeps its own time-outs; this is for the one that hangs all the same.
        call = asyncio.ensure_future(make())
        try:
            # What the call raises stays in the call: a `TimeoutError` of its own is no sign that our time is over.
            await within(self._clock, self._timeout_seconds + 1, asyncio.wait((call,)))
        except TimeoutError:
            raise ProviderError(
                Reason.PROVIDER_TIMEOUT, f"{self.name} did not answer within {self._timeout_seconds:g} s."
            ) from None
        finally:
            call.cancel()
        if call.cancelled():
            # Not by us: were it passed on, whoever waits here would take it for the end of its own task.
            raise ProviderError(Reason.PROVIDER_ERROR, f"{self.name} gave up the call.")
        return call.result()

    def _failed(self, capability: Capability, error: ProviderError, counted: int) -> ProviderError:
        """Note a failure of a call that began when `counted` failures were; the error with the time of the next try."""
        if capability is not Capability.STREAM or not self._is_streaming:
            self.results[capability, error.reason] += 1
        now = self._clock.monotonic()
        failures = self._failing.get(capability, 0)
        # Calls that were under way together fail together: that is one failure, and not several in a row.
        is_counted = failures > 0 and counted < self._counted[capability] and self.is_backing_off(capability)
        if not is_counted:
            failures = self._failing[capability] = failures + 1
            self._counted[capability] += 1
        if error.reason is Reason.PROVIDER_BLOCKED:
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
            log.warning(
                "source went away", provider=self.name, asked=capability, reason=error.reason, why=error.message
            )
        return ProviderError(error.reason, error.message, retry_after_ms=math.ceil(wait * 1000))
