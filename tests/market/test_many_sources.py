"""Several sources at once: who serves a symbol, who leads it, who fills in, and when nobody knows it."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence

import pytest
from structlog.testing import capture_logs

from fakes import (
    NOW_MS,
    POLL_SECONDS,
    House,
    ScriptedProvider,
    ScriptedQuotes,
    ScriptedStream,
    SteadyRandom,
    a_house,
    a_quote,
    a_watcher,
    soon,
)
from market_house import on_board, quote, told, watch, why_missing
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.market.events import Event
from stocktrack.market.routes import SYMBOLS_TOLD
from stocktrack.market.upstream import Upstream
from stocktrack.messages import SourceInfo, SourceState
from stocktrack.providers.base import (
    QUESTION,
    Budget,
    Errand,
    Provider,
    QuoteAnswer,
    Source,
    StreamSink,
    Wanted,
)
from stocktrack.quotes import Dividend

STREAM_PLACES = 50


def exits() -> None:
    sys.exit(2)


def gives_up() -> None:
    raise asyncio.CancelledError


class Vendor(ScriptedStream):
    """As a vendor of live American prices is: one symbol a request, few requests, few places in its stream."""

    symbols_a_request = 1
    budget = Budget(requests_per_minute=60)

    def __init__(self, clock: ManualClock, *, name: str = "vendor", places: int | None = STREAM_PLACES) -> None:
        super().__init__(clock, name=name)
        self.stream_places = places
        self.why_not: SourceUnusable | None = None
        self.not_on_plan: set[str] = set()
        self.puts_off: set[str] = set()
        self.has_put_off = False
        self.asked_at: list[float] = []

    def serves(self, symbol: str) -> bool:
        return "." not in symbol

    async def quotes(self, symbols: Iterable[str], errand: Errand = QUESTION) -> QuoteAnswer:
        symbols = list(symbols)
        if self.why_not is not None:
            raise self.why_not
        self.asked_at += [self._clock.monotonic()] * len(symbols)
        answer = await super().quotes([symbol for symbol in symbols if symbol not in self.not_on_plan], errand)
        refused: dict[str, StockTrackError] = {
            symbol: CommandError(Reason.NOT_OFFERED, f"{symbol} is not on this plan.")
            for symbol in symbols
            if symbol in self.not_on_plan
        }
        put_off: dict[str, StockTrackError] = {
            symbol: ProviderError(Reason.PROVIDER_BLOCKED, "vendor was asked as often as it may be.")
            for symbol in symbols
            if symbol in self.puts_off
        }
        self.has_put_off |= bool(put_off)
        quotes = {symbol: each for symbol, each in answer.quotes.items() if symbol not in put_off}
        return QuoteAnswer(quotes, answer.unknown, answer.failed, put_off, refused)

    def tick(self, *symbols: str, time_ms: int | None = None) -> None:
        """Stream another price of each of `symbols`, made now."""
        assert self._publish is not None
        for symbol in symbols:
            self.prices[symbol] += 1
        made = self._clock.now_ms() if time_ms is None else time_ms
        self._publish([self.quote(symbol).model_copy(update={"timestamp": made}) for symbol in symbols])


class Pair:
    """A vendor that leads, and a source behind it that serves everything in batches."""

    def __init__(self) -> None:
        self.house: House | None = None

    def __call__(self, clock: ManualClock) -> tuple[Vendor, ScriptedQuotes]:
        self.vendor, self.second = Vendor(clock), ScriptedQuotes(clock, name="second")
        names = [f"W{number}" for number in range(600)]
        self.vendor.prices |= dict.fromkeys(names, 10.0)
        self.second.prices |= dict.fromkeys(names, 10.0) | {"RELIANCE.NS": 2_900.0}
        return self.vendor, self.second


@pytest.fixture
def pair() -> Pair:
    return Pair()


def source(house: House, name: str) -> SourceInfo:
    return next(each for each in house.feed.routes.sources() if each.provider == name)


def providers(house: House, symbols: Iterable[str]) -> set[str]:
    return {on_board(house, symbol).provider for symbol in symbols}


# --- a source that is written badly ---


async def test_a_rule_that_fails_is_a_no_and_is_told_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def rule(_symbol: str) -> bool:
        raise RuntimeError("no rule")

    async with a_house(pair) as house:
        monkeypatch.setattr(pair.vendor, "serves", rule)
        with capture_logs() as logs:
            found = await house.feed.quotes(["AAPL", "MSFT", "RELIANCE.NS"])
        assert {each.provider for each in found.quotes.values()} == {"second"}
        assert [each["provider"] for each in logs if each["log_level"] == "error"] == ["vendor"]


@pytest.mark.parametrize("fails", [exits, gives_up])
async def test_a_source_that_would_end_the_process_or_the_task_only_fails(
    pair: Pair, fails: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def quotes(_symbols: Iterable[str], _errand: Errand = QUESTION) -> QuoteAnswer:
        fails()
        return QuoteAnswer()

    async with a_house(pair) as house:
        monkeypatch.setattr(pair.vendor, "quotes", quotes)
        assert (await quote(house)).provider == "second"
        assert source(house, "vendor").state is SourceState.FAILING


@pytest.mark.parametrize("fails", [exits, gives_up])
async def test_a_source_that_fails_as_it_starts_or_closes_keeps_no_other_from_it(
    pair: Pair, fails: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing() -> None:
        fails()

    def broken(clock: ManualClock) -> tuple[Vendor, ScriptedQuotes]:
        vendor, second = pair(clock)
        monkeypatch.setattr(vendor, "start", failing)
        monkeypatch.setattr(vendor, "close", failing)
        return vendor, second

    async with a_house(broken) as house:
        assert source(house, "vendor").state is SourceState.NOT_OFFERED
        assert (await quote(house)).provider == "second"
        await house.feed.close()
        assert pair.second.is_closed


async def test_a_source_that_is_not_ready_after_half_a_minute_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    vendor = Vendor(clock)
    upstream = Upstream(vendor, clock, timeout_seconds=10.0, rng=SteadyRandom())

    async def start() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(vendor, "start", start)
    starting = asyncio.ensure_future(upstream.start())
    await clock.advance(31.0)
    await starting
    assert upstream.unusable is not None
    assert upstream.unusable.message == "vendor failed to start: vendor did not answer within 30 s."


# --- who serves ---


async def test_each_symbol_goes_to_the_first_source_that_serves_it(pair: Pair) -> None:
    async with a_house(pair) as house:
        found = await house.feed.quotes(["AAPL", "RELIANCE.NS"])
        assert {symbol: each.provider for symbol, each in found.quotes.items()} == {
            "AAPL": "vendor",
            "RELIANCE.NS": "second",
        }
        assert pair.vendor.batches == [("AAPL",)]


async def test_a_symbol_is_unknown_only_after_every_source_that_serves_it_said_so(pair: Pair) -> None:
    async with a_house(pair) as house:
        pair.second.prices["NEW"] = 5.0
        assert (await quote(house, "NEW")).provider == "second"
        assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
        assert (pair.vendor.look_ups, pair.second.look_ups) == (["NEW", "NOPE"], ["NOPE"])


async def test_a_source_that_cannot_answer_has_not_said_no(pair: Pair) -> None:
    async with a_house(pair) as house:
        pair.vendor.script = "fail"
        assert await why_missing(house, "NOPE") is Reason.PROVIDER_ERROR
        pair.vendor.script = "good"
        pair.vendor.prices["NOPE"] = 1.0
        await house.clock.advance(60)
        assert (await quote(house, "NOPE")).provider == "vendor"


async def test_what_is_not_on_a_plan_is_not_unknown_and_goes_to_the_next(pair: Pair) -> None:
    async with a_house(pair) as house:
        pair.vendor.not_on_plan = {"AAPL", "NOPE"}
        assert (await quote(house)).provider == "second"
        assert await why_missing(house, "NOPE") is Reason.NOT_OFFERED
        asked = len(pair.vendor.asked_at)
        await house.clock.advance(POLL_SECONDS)
        await quote(house)
        assert len(pair.vendor.asked_at) == asked


async def test_a_subscription_to_many_symbols_costs_each_source_one_call(pair: Pair) -> None:
    third = ScriptedQuotes(ManualClock(), name="third")
    third.serves = lambda symbol: symbol.endswith(".X")  # type: ignore[method-assign] # a rule of writing
    third.prices = {f"W{number}.X": 1.0 for number in range(100)}

    def three(clock: ManualClock) -> tuple[ScriptedQuotes, ...]:
        third._clock = clock
        vendor, second = pair(clock)
        return vendor, third, second

    async with a_house(three) as house:
        symbols = [*(f"W{number}" for number in range(400)), *third.prices]
        assert await house.feed.known(symbols) == {}
        assert [len(each.batches) for each in (pair.vendor, third, pair.second)] == [1, 1, 1]
        assert len(pair.vendor.batches[0]) <= 10


# --- who leads, and who fills in ---


async def test_as_many_as_there_are_places_stream_and_the_rest_is_polled_elsewhere(pair: Pair) -> None:
    async with a_house(pair) as house:
        symbols = [f"W{number}" for number in range(500)]
        await watch(house, *symbols)
        await house.clock.advance(POLL_SECONDS)
        pair.vendor.tick(*pair.vendor.wanted())
        assert pair.vendor.wanted() == sorted(symbols[:STREAM_PLACES])
        assert providers(house, symbols[:STREAM_PLACES]) == {"vendor"}
        await house.clock.advance(POLL_SECONDS * 3)
        assert providers(house, symbols[STREAM_PLACES:]) == {"second"}
        assert (source(house, "vendor").leads, source(house, "second").leads) == (50, 450)
        assert not any(on_board(house, symbol).stale for symbol in symbols)


async def test_a_place_that_gets_free_goes_to_who_waited_longest(pair: Pair) -> None:
    async with a_house(pair) as house:
        goes = a_watcher(house.board, "W0")
        await watch(house, *(f"W{number}" for number in range(1, 60)))
        assert "W50" not in pair.vendor.wanted()
        goes()
        await house.clock.advance(30)
        assert {"W0", "W50", "W51"} & set(pair.vendor.wanted()) == {"W50"}


async def test_no_minute_sees_more_requests_than_the_source_allows_and_everything_has_its_turn() -> None:
    vendors: list[Vendor] = []

    def alone(clock: ManualClock) -> list[Vendor]:
        vendors.append(Vendor(clock))
        vendors[0].prices |= {f"W{number}": 10.0 for number in range(300)}
        return vendors

    async with a_house(alone) as house:
        [vendor] = vendors
        symbols = [f"W{number}" for number in range(300)]
        await house.feed.known(symbols)
        a_watcher(house.board, *symbols)
        for _ in range(900):
            await house.clock.advance(1)
        times = vendor.asked_at
        assert max(sum(1 for at in times if start <= at < start + 60) for start in times) <= 60
        assert all(house.board.quote(symbol) is not None for symbol in symbols)
        ages = [house.clock.monotonic() - house.board.entry(symbol).refreshed_at for symbol in symbols]  # type: ignore[union-attr] # they are there
        assert max(ages) < 800
        # What is asked for as often as it may be is not old for that.
        assert not any(on_board(house, symbol).stale for symbol in symbols)


async def test_when_the_stream_and_its_source_go_the_next_fills_in_and_hands_back(pair: Pair) -> None:
    async with a_house(pair) as house:
        await watch(house, "AAPL", "MSFT")
        pair.vendor.tick("AAPL", "MSFT")
        await house.clock.advance(1)
        assert providers(house, ["AAPL", "MSFT"]) == {"vendor"}
        pair.vendor.script = "fail"
        pair.vendor.break_off()
        pair.second.prices["AAPL"] = 111.0
        pair.second.market_time = house.clock.now_ms() + 1_000
        await house.clock.advance(POLL_SECONDS * 3)
        held = on_board(house)
        assert (held.provider, held.price, held.stale) == ("second", 111.0, False)
        assert told(house) == []
        pair.vendor.script = "good"
        await house.clock.advance(120)
        assert pair.vendor.is_streaming()
        pair.vendor.tick("AAPL", "MSFT")
        assert providers(house, ["AAPL", "MSFT"]) == {"vendor"}


async def test_no_price_goes_back_in_time_when_another_source_fills_in(pair: Pair) -> None:
    async with a_house(pair) as house:
        await watch(house, "AAPL")
        pair.vendor.tick("AAPL")
        newest = on_board(house)
        pair.vendor.script = "fail"
        pair.vendor.break_off()
        pair.second.market_time = NOW_MS - 900_000
        await house.clock.advance(POLL_SECONDS * 4)
        held = on_board(house)
        assert (held.provider, held.price, held.timestamp) == ("vendor", newest.price, newest.timestamp)
        assert held.stale
        pair.second.market_time = house.clock.now_ms()
        await house.clock.advance(POLL_SECONDS)
        assert (on_board(house).provider, on_board(house).stale) == ("second", False)


async def test_an_answer_that_is_older_than_the_tick_of_the_same_source_takes_nothing_back(pair: Pair) -> None:
    async with a_house(pair) as house:
        await watch(house, "AAPL")
        await house.clock.advance(1)
        pair.vendor.tick("AAPL")
        price = on_board(house).price
        pair.vendor.prices["AAPL"], pair.vendor.market_time = 90.0, NOW_MS
        await house.clock.advance(30)
        assert (on_board(house).price, on_board(house).stale) == (price, False)


async def test_a_symbol_that_the_stream_leaves_mute_is_filled_in_for_by_the_next_where_the_budget_is_used_up(
    pair: Pair,
) -> None:
    async with a_house(pair) as house:
        symbols = [f"W{number}" for number in range(STREAM_PLACES)]
        await watch(house, *symbols)
        for _ in range(24):
            await house.clock.advance(5)
            ages = [house.clock.monotonic() - house.board.entry(symbol).refreshed_at for symbol in symbols]  # type: ignore[union-attr] # they are there
            assert max(ages) <= 30


async def test_what_ticks_is_not_old_because_it_fails_when_it_is_asked_for(pair: Pair) -> None:
    async with a_house(pair) as house:
        await watch(house, "AAPL", "MSFT")
        pair.vendor.odd = pair.second.odd = {"AAPL"}
        for _ in range(330):
            await house.clock.advance(1)
            pair.vendor.tick("AAPL", "MSFT")
            assert not on_board(house).stale
        assert pair.vendor.batches[-1] != ()
        assert len([batch for batch in pair.vendor.batches if "AAPL" in batch]) >= 2


async def test_what_a_source_puts_off_for_want_of_requests_is_not_stale_for_it_and_is_asked_for_soon() -> None:
    async with a_house(lambda clock: (Vendor(clock, places=0),)) as house:
        vendor = house.provider
        assert isinstance(vendor, Vendor)
        await watch(house, *(f"W{number}" for number in range(30)))
        vendor.prices |= {f"W{number}": 10.0 for number in range(30)}
        await house.clock.advance(120)
        vendor.puts_off = {"W7"}
        while not vendor.has_put_off:
            await house.clock.advance(1)
        vendor.puts_off = set()
        assert not on_board(house, "W7").stale
        asked = sum("W7" in batch for batch in vendor.batches)
        await house.clock.advance(POLL_SECONDS)
        assert sum("W7" in batch for batch in vendor.batches) == asked + 1


# --- outages ---


async def test_the_outage_of_one_source_is_told_to_those_who_watch_what_it_leads(pair: Pair) -> None:
    async with a_house(pair) as house:
        await watch(house, "AAPL", "RELIANCE.NS")
        pair.second.script = "fail"
        await house.clock.advance(POLL_SECONDS * 2)
        assert told(house) == [(Event.OUTAGE, {"RELIANCE.NS"})]
        assert (on_board(house, "RELIANCE.NS").stale, on_board(house).stale) == (True, False)
        pair.second.script = "good"
        await house.clock.advance(60)
        assert told(house)[1:] == [(Event.RESTORED, {"RELIANCE.NS"})]


async def test_an_outage_is_told_to_nobody_whose_prices_the_stream_goes_on_to_carry() -> None:
    async with a_house(lambda clock: (Vendor(clock),)) as house:
        vendor = house.provider
        assert isinstance(vendor, Vendor)
        await watch(house, "AAPL", "MSFT")
        vendor.script = "blocked"
        # Somebody asks for another one, and finds out; MSFT is not traded any more.
        assert await why_missing(house, "W1") is Reason.PROVIDER_BLOCKED
        assert told(house) == []
        for _ in range(20):
            vendor.tick("AAPL")
            await house.clock.advance(POLL_SECONDS)
            assert not on_board(house).stale
        assert told(house) == [(Event.OUTAGE, {"MSFT"})]
        assert (on_board(house, "MSFT").stale, on_board(house).stale) == (True, False)


async def test_a_question_is_answered_by_the_next_source_while_the_first_takes_its_time(pair: Pair) -> None:
    async with a_house(pair) as house:
        pair.vendor.script = "hang"
        get = await soon(quote(house))
        await house.clock.advance(3.9)
        assert not get.done()
        await house.clock.advance(0.2)
        assert (await get).provider == "second"
        # It is asked on, and what comes of it in the end is noted: after its time-out it has failed.
        assert source(house, "vendor").state is SourceState.UNUSED
        await house.clock.advance(10)
        assert source(house, "vendor").state is SourceState.FAILING


async def test_closing_waits_for_no_call_that_nobody_waits_for(pair: Pair) -> None:
    async with a_house(pair) as house:
        pair.vendor.script = "hang"
        get = await soon(quote(house))
        await house.clock.advance(5)
        assert (await get).provider == "second"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_source_that_hangs_does_not_hold_up_the_prices_of_another(pair: Pair) -> None:
    async with a_house(pair) as house:
        await watch(house, "AAPL", "RELIANCE.NS")
        pair.vendor.script = "hang"
        pair.vendor.break_off()
        await house.clock.advance(POLL_SECONDS)
        pair.second.prices["RELIANCE.NS"] = 3_000.0
        await house.clock.advance(POLL_SECONDS)
        assert on_board(house, "RELIANCE.NS").price == 3_000.0


# --- a source that cannot be used ---


async def test_without_its_key_a_source_is_left_out_and_the_others_serve(pair: Pair) -> None:
    async with a_house(pair) as house:
        pair.vendor.why_not = SourceUnusable("vendor needs a key: set vendor_api_key.")
        assert (await quote(house)).provider == "second"
        # A key that is missing is no reason to think that a symbol might exist.
        assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
        told_of = source(house, "vendor")
        assert (told_of.state, told_of.message) == (SourceState.NOT_OFFERED, "vendor needs a key: set vendor_api_key.")
        assert told_of.retry_at == NOW_MS + 600_000


@pytest.mark.parametrize(("is_waiting", "reason"), [(False, Reason.NOT_OFFERED), (True, Reason.PROVIDER_BLOCKED)])
async def test_where_no_other_source_serves_the_symbol_the_reason_is_told(is_waiting: bool, reason: Reason) -> None:
    def alone(clock: ManualClock) -> tuple[Vendor]:
        vendor = Vendor(clock)
        vendor.why_not = SourceUnusable("Another server uses the key.", is_waiting=is_waiting, retry_after_ms=5_000)
        return (vendor,)

    async with a_house(alone) as house:
        for _ in range(2):
            found = await house.feed.quotes(["AAPL"])
            assert (found.missing["AAPL"].reason, found.missing["AAPL"].message) == (
                reason,
                "Another server uses the key.",
            )
        vendor = house.provider
        assert isinstance(vendor, Vendor)
        vendor.why_not = None
        await house.clock.advance(5)
        assert (await quote(house)).provider == "vendor"


async def test_a_source_alone_that_has_waited_for_its_key_serves_what_is_watched_without_being_asked() -> None:
    def alone(clock: ManualClock) -> tuple[Vendor]:
        vendor = Vendor(clock)
        vendor.why_not = SourceUnusable("Another server uses the key.", is_waiting=True, retry_after_ms=5_000)
        return (vendor,)

    async with a_house(alone) as house:
        await watch(house, "AAPL")
        vendor = house.provider
        assert isinstance(vendor, Vendor)
        vendor.why_not = None
        await house.clock.advance(5 + POLL_SECONDS)
        assert on_board(house).provider == "vendor"


async def test_what_nobody_serves_says_so() -> None:
    def alone(clock: ManualClock) -> tuple[Vendor]:
        return (Vendor(clock),)

    async with a_house(alone) as house:
        found = await house.feed.quotes(["RELIANCE.NS"])
        error = found.missing["RELIANCE.NS"]
        assert error.reason is Reason.NOT_OFFERED
        assert "vendor" in error.message
        assert "RELIANCE.NS" in error.message


class OnlyAStream(Source):
    """A source that cannot be asked for anything."""

    name = "ticker"
    stream_places = None

    def __init__(self) -> None:
        self.sink: StreamSink | None = None

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        self.sink = sink
        sink.opened()
        await asyncio.get_running_loop().create_future()


async def test_what_only_streams_is_pending_until_its_first_tick(pair: Pair) -> None:
    ticker = OnlyAStream()

    def both(clock: ManualClock) -> tuple[Provider, ...]:
        vendor, _ = pair(clock)
        return vendor, ticker

    async with a_house(both) as house:
        user = await house.user()
        reply = await user.command("SUBSCRIBE", symbols=["X.TICK"], interval=0)
        assert (reply["code"], reply["pending"]) == (200, ["X.TICK"])
        await settle()
        assert ticker.sink is not None
        ticker.sink.publish([a_quote("X.TICK", 5.0, provider="ticker")])
        await settle()
        assert [price["price"] for price in user.connection.of_type("PRICE")] == [5.0]
        # It cannot be asked: what it does not say for long is called old, and nobody waits for it.
        await house.clock.advance(90)
        assert on_board(house, "X.TICK").stale


async def test_what_only_a_source_without_its_key_could_answer_says_what_that_needs() -> None:
    class Broker(ScriptedProvider):
        def serves(self, symbol: str) -> bool:
            return symbol.startswith("NFO:")

        async def dividends(self, symbol: str) -> Sequence[Dividend]:
            raise SourceUnusable("broker needs a key: set broker_api_key.")

    def two(clock: ManualClock) -> tuple[Provider, ...]:
        shares = ScriptedProvider(clock, name="shares")
        shares.serves = lambda symbol: ":" not in symbol  # type: ignore[method-assign] # a rule of writing
        return shares, Broker(clock, name="broker")

    async with a_house(two) as house:
        for _ in range(2):  # the second time it is known not to be usable
            with pytest.raises(CommandError, match="broker needs a key"):
                await house.feed.questions.dividends("NFO:GOLD", 5)


# --- for the operator ---


async def test_the_sources_tell_how_they_are(pair: Pair) -> None:
    async with a_house(pair, requests_per_minute=300) as house:
        assert {each.state for each in house.feed.routes.sources()} == {SourceState.UNUSED}
        await watch(house, "AAPL", "RELIANCE.NS")
        first, second = house.feed.routes.sources()
        assert (first.state, second.state) == (SourceState.OK, SourceState.OK)
        assert (first.leads, second.leads) == (1, 1)
        assert first.budget is not None
        assert (first.budget.used, first.budget.limit, first.budget.seconds) == (1, 60, 60)
        assert second.budget is not None
        assert second.budget.limit == 300
        assert first.stream is not None
        assert (first.stream.is_up, first.stream.symbols, first.stream.places) == (True, 1, STREAM_PLACES)
        assert second.stream is None
        assert first.last_success_at == NOW_MS
        pair.second.script = "blocked"
        await house.clock.advance(POLL_SECONDS)
        blocked = source(house, "second")
        assert (blocked.state, blocked.reason) == (SourceState.BLOCKED, Reason.PROVIDER_BLOCKED)
        assert blocked.retry_at == NOW_MS + 35_000


async def test_in_detail_a_source_names_the_first_of_the_symbols_that_it_leads(pair: Pair) -> None:
    async with a_house(pair) as house:
        await watch(house, "RELIANCE.NS", *(f"W{number}" for number in range(500)))
        first, second = house.feed.routes.sources(is_detailed=True)
        assert first.streamed == tuple(f"W{number}" for number in range(STREAM_PLACES))
        assert first.stream is not None
        assert first.leads >= first.stream.symbols == STREAM_PLACES
        assert second.streamed == ()
        assert second.polled is not None
        assert second.polled[0] == "RELIANCE.NS"
        assert second.leads > len(second.polled) == SYMBOLS_TOLD
        assert first.polled is not None
        assert not {*first.streamed, *first.polled} & {*second.polled}
        assert {each.streamed for each in house.feed.routes.sources()} == {None}


def test_the_example_of_a_vendor_is_one() -> None:
    check: Callable[[str], bool] = Vendor(ManualClock()).serves
    assert [check("AAPL"), check("RELIANCE.NS")] == [True, False]
