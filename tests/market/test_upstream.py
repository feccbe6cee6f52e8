import asyncio

import pytest
from structlog.testing import capture_logs

from fakes import ScriptedProvider, SteadyRandom, soon
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import ProviderError, Reason
from stocktrack.market.upstream import START_DELAY_SECONDS, Upstream
from stocktrack.providers.base import Capability, QuoteAnswer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def provider(clock: ManualClock) -> ScriptedProvider:
    return ScriptedProvider(clock, name="yahoo")


@pytest.fixture
def upstream(provider: ScriptedProvider, clock: ManualClock) -> Upstream:
    return Upstream(provider, clock, timeout_seconds=10.0, rng=SteadyRandom())


async def ask(upstream: Upstream, provider: ScriptedProvider) -> QuoteAnswer:
    return await upstream.call(Capability.QUOTES, lambda: provider.quotes(["AAPL"]))


async def fail(upstream: Upstream, provider: ScriptedProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(upstream, provider)
    return caught.value


# --- the back-off ---


async def test_an_answer_is_passed_on(upstream: Upstream, provider: ScriptedProvider) -> None:
    assert (await ask(upstream, provider)).quotes["AAPL"].price == 100.0
    assert (upstream.name, provider.requests.total()) == ("yahoo", 1)


async def test_failures_say_when_to_come_back_from_2_seconds_doubling_to_60(
    upstream: Upstream, provider: ScriptedProvider
) -> None:
    provider.script = "fail"
    waits = [(await fail(upstream, provider)).retry_after_ms for _ in range(8)]
    assert waits == [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]


async def test_a_success_starts_the_back_off_anew(upstream: Upstream, provider: ScriptedProvider) -> None:
    provider.script = "fail"
    await fail(upstream, provider)
    await fail(upstream, provider)
    provider.script = "good"
    await ask(upstream, provider)
    provider.script = "fail"
    assert (await fail(upstream, provider)).retry_after_ms == 2_000


async def test_a_failure_of_one_capability_does_not_count_for_another(
    upstream: Upstream, provider: ScriptedProvider
) -> None:
    provider.script = "fail"
    await fail(upstream, provider)
    await fail(upstream, provider)
    with pytest.raises(ProviderError) as caught:
        await upstream.call(Capability.NEWS, provider.news)
    assert caught.value.retry_after_ms == 2_000


async def test_a_provider_rests_after_a_failure_until_its_back_off_ends_or_it_answers(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    assert not upstream.is_backing_off(Capability.QUOTES)
    provider.script = "fail"
    await fail(upstream, provider)
    assert upstream.is_backing_off(Capability.QUOTES)
    assert not upstream.is_backing_off(Capability.NEWS)
    await clock.advance(2)
    assert not upstream.is_backing_off(Capability.QUOTES)
    await fail(upstream, provider)
    provider.script = "good"
    await ask(upstream, provider)
    assert not upstream.is_backing_off(Capability.QUOTES)


# --- blocked ---


async def test_after_a_429_nothing_at_all_is_asked_until_the_back_off_ends(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script = "blocked"
    error = await fail(upstream, provider)
    assert (error.reason, error.retry_after_ms) == (Reason.PROVIDER_BLOCKED, 30_000)
    provider.script = "good"
    await clock.advance(29.9)
    for capability, make in (
        (Capability.QUOTES, lambda: provider.quotes(["AAPL"])),
        (Capability.NEWS, provider.news),
        (Capability.COMPANY, lambda: provider.company("AAPL")),
        (Capability.DIVIDENDS, lambda: provider.dividends("AAPL")),
        (Capability.SEARCH, lambda: provider.search("apple", 10)),
    ):
        with pytest.raises(ProviderError) as caught:
            await upstream.call(capability, make)
        assert caught.value.reason is Reason.PROVIDER_BLOCKED
        assert caught.value.retry_after_ms == pytest.approx(100, abs=1)
    with pytest.raises(ProviderError):
        await upstream.stream(asyncio.Event().wait)  # type: ignore[arg-type] # what it would wait for is never run
    assert provider.requests.total() == 1
    await clock.advance(0.1)
    assert (await ask(upstream, provider)).quotes


async def test_who_comes_back_when_it_was_told_is_not_early(
    provider: ScriptedProvider, clock: ManualClock, upstream: Upstream
) -> None:
    provider.script = "blocked"
    await clock.advance(0.123_456_7)
    error = await fail(upstream, provider)
    assert error.retry_after_ms is not None
    await clock.advance(1 / 3)
    with pytest.raises(ProviderError) as caught:
        upstream.check_blocked()
    assert caught.value.retry_after_ms is not None
    await clock.advance(caught.value.retry_after_ms / 1000)
    upstream.check_blocked()


async def test_blocks_double_from_30_seconds_to_ten_minutes(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script = "blocked"
    waits = []
    for _ in range(7):
        waits.append((await fail(upstream, provider)).retry_after_ms)
        await clock.advance(600)
    assert waits == [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]


async def test_a_source_that_says_when_to_come_back_is_believed_where_that_is_later(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script, provider.retry_after_ms = "blocked", 120_000
    assert (await fail(upstream, provider)).retry_after_ms == 120_000
    await clock.advance(119)
    with pytest.raises(ProviderError):
        upstream.check_blocked()
    await clock.advance(1)
    provider.retry_after_ms = 1_000
    assert (await fail(upstream, provider)).retry_after_ms == 60_000


async def test_calls_that_are_refused_together_are_one_block(upstream: Upstream, clock: ManualClock) -> None:
    async def refused() -> QuoteAnswer:
        await clock.sleep(3)
        raise ProviderError(Reason.PROVIDER_BLOCKED, "429")

    tasks = [await soon(upstream.call(Capability.QUOTES, refused)) for _ in range(3)]
    await clock.advance(3)
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error.retry_after_ms for error in errors if isinstance(error, ProviderError)] == [30_000] * 3


async def test_an_answer_that_was_under_way_when_the_429_came_does_not_end_the_block_or_shorten_the_next(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script = "slow"
    under_way = await soon(upstream.call(Capability.NEWS, provider.news))
    provider.script = "blocked"
    await fail(upstream, provider)
    await clock.advance(3)
    assert await under_way
    with pytest.raises(ProviderError):
        upstream.check_blocked()
    await clock.advance(27)
    assert (await fail(upstream, provider)).retry_after_ms == 60_000


async def test_a_stream_that_is_refused_keeps_nobody_from_asking(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    async def refused() -> None:
        raise ProviderError(Reason.PROVIDER_BLOCKED, "The stream is refused (429).", retry_after_ms=90_000)

    with pytest.raises(ProviderError) as caught, capture_logs() as logs:
        await upstream.stream(refused)
    assert caught.value.retry_after_ms == 90_000
    assert (await ask(upstream, provider)).quotes
    assert [entry["event"] for entry in logs] == ["stream went away"]
    await clock.advance(90)


async def test_a_source_that_failed_to_start_is_started_before_it_is_asked_again(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken, capture_logs():

        async def fails() -> None:
            raise OSError("no route")

        broken.setattr(provider, "start", fails)
        await upstream.start()
    assert not upstream.is_usable
    await clock.advance(600)
    before = provider.is_started
    assert (await ask(upstream, provider)).quotes
    assert (before, provider.is_started, upstream.unusable) == (False, True, None)


async def test_a_source_that_nobody_waits_for_is_started_by_whoever_asks_it_first(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    upstream.start_later()
    assert (upstream.has_to_start, upstream.is_usable) == (True, True)
    asking = [asyncio.ensure_future(ask(upstream, provider)) for _ in range(2)]
    await settle()
    assert not provider.is_started  # others go first
    await clock.advance(START_DELAY_SECONDS)
    assert all(answer.quotes for answer in await asyncio.gather(*asking))
    assert (provider.is_started, upstream.has_to_start) == (True, False)


# --- the deadline ---


async def test_a_call_that_hangs_is_given_up_by_the_clock(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script = "hang"
    call = await soon(fail(upstream, provider))
    # One second later than what the provider was told: its own deadline comes first.
    await clock.advance(10.9)
    assert not call.done()
    await clock.advance(0.1)
    assert (await call).reason is Reason.PROVIDER_TIMEOUT
    assert (await call).retry_after_ms == 2_000
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_slow_call_within_the_deadline_is_waited_for(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script, provider.slow_seconds = "slow", 9.0
    call = await soon(ask(upstream, provider))
    await clock.advance(9)
    assert (await call).quotes


async def test_whoever_stops_waiting_takes_the_call_along(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script = "hang"
    call = await soon(ask(upstream, provider))
    call.cancel()
    await settle()
    assert call.cancelled()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_call_that_its_provider_cancels_is_a_failure_and_not_the_end_of_who_waits(
    upstream: Upstream, provider: ScriptedProvider
) -> None:
    provider.script = "gives up"
    assert (await fail(upstream, provider)).reason is Reason.PROVIDER_ERROR


async def test_a_time_out_that_the_provider_lets_out_is_a_mistake_of_its_own_and_not_our_deadline(
    upstream: Upstream, provider: ScriptedProvider
) -> None:
    async def lets_a_time_out_out() -> QuoteAnswer:
        raise TimeoutError

    with pytest.raises(ProviderError) as caught, capture_logs() as logs:
        await upstream.call(Capability.QUOTES, lets_a_time_out_out)
    assert (caught.value.reason, caught.value.message) == (
        Reason.PROVIDER_ERROR,
        "yahoo failed in an unexpected way.",
    )
    assert logs[0]["exc_info"] is True


# --- what is logged ---


async def test_a_source_is_logged_once_when_it_goes_and_once_when_it_is_back(
    upstream: Upstream, provider: ScriptedProvider
) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            provider.script = "fail"
            for _ in range(5):
                await fail(upstream, provider)
            provider.script = "good"
            for _ in range(5):
                await ask(upstream, provider)
    assert [entry["event"] for entry in logs] == ["source went away", "source is back"] * 2
    assert logs[0]["log_level"] == "warning"
    assert (logs[0]["provider"], logs[0]["reason"], logs[0]["why"]) == (
        *("yahoo", Reason.PROVIDER_ERROR),
        "yahoo is out of order.",
    )


async def test_a_block_is_logged_once_however_many_calls_it_stops(
    upstream: Upstream, provider: ScriptedProvider, clock: ManualClock
) -> None:
    provider.script = "blocked"
    with capture_logs() as logs:
        for _ in range(4):
            await fail(upstream, provider)
        await clock.advance(30)
        await fail(upstream, provider)
        provider.script = "good"
        await clock.advance(60)
        await ask(upstream, provider)
    assert [entry["event"] for entry in logs] == ["source went away", "source is back"]


async def test_an_unexpected_exception_is_a_provider_error_outside_and_a_trace_in_the_log(
    upstream: Upstream, provider: ScriptedProvider
) -> None:
    provider.script = "crash"
    with capture_logs() as logs:
        error = await fail(upstream, provider)
    assert (error.reason, error.message) == (Reason.PROVIDER_ERROR, "yahoo failed in an unexpected way.")
    assert error.retry_after_ms == 2_000
    assert [(entry["log_level"], entry.get("exc_info")) for entry in logs] == [("error", True), ("warning", None)]


async def test_a_stream_that_breaks_says_when_it_is_opened_again(upstream: Upstream) -> None:
    async def broken() -> None:
        raise ProviderError(Reason.PROVIDER_ERROR, "The line is dead.")

    waits = []
    for _ in range(3):
        with pytest.raises(ProviderError) as caught:
            await upstream.stream(broken)
        waits.append(caught.value.retry_after_ms)
    assert waits == [2_000, 4_000, 8_000]
    upstream.succeeded(Capability.STREAM)
    with pytest.raises(ProviderError) as caught:
        await upstream.stream(broken)
    assert caught.value.retry_after_ms == 2_000
