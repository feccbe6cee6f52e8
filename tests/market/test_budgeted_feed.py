"""Who pays for which request, what the poll waits for, and what the whole server asks of one source."""

import dataclasses
from collections.abc import AsyncIterator

import pytest

from fakes import (
    POLL_SECONDS,
    RULES,
    USER,
    Client,
    House,
    ScriptedProvider,
    SteadyRandom,
    a_house,
    a_watcher,
    code_and_reason,
    missing,
    soon,
)
from market_house import on_board, quote, told, watch
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import ProviderError, Reason
from stocktrack.market.upstream import CEILING_PATIENCE_SECONDS, Upstream
from stocktrack.providers.base import Capability

BURST = 3
TIGHT = dataclasses.replace(RULES, user_upstream_burst=BURST, user_upstream_requests_per_minute=60.0, max_symbols=100)
LIMITED = (429, "rate_limited")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house(rules=TIGHT) as built:
        yield built


@pytest.fixture
async def user(house: House) -> Client:
    return await house.user()


async def spend_all(client: Client, requests: int = BURST) -> None:
    """Use up the budget of a client's user by searches."""
    for number in range(requests):
        assert (await client.command("SEARCH", query=f"apple {number}"))["code"] == 200


# --- a user's budget ---


async def test_a_batch_is_one_request_and_each_unknown_symbol_one_more(house: House, user: Client) -> None:
    reply = await user.command("GET", symbols=["AAPL", "MSFT", "NO1", "NO2", "NO3"])
    assert [each["symbol"] for each in reply["quotes"]] == ["AAPL", "MSFT"]
    assert missing(reply) == {"NO1": (404, "unknown_symbol"), "NO2": (404, "unknown_symbol"), "NO3": LIMITED}
    assert (house.provider.quote_requests, house.provider.look_ups) == (1, ["NO1", "NO2"])
    assert reply["missing"][2]["retry_after_ms"] == 1_000
    assert "retry_after_ms" not in reply["missing"][0]


async def test_it_is_one_budget_over_all_sessions_of_a_user_and_another_has_another(house: House, user: Client) -> None:
    await spend_all(user)
    second, other = await house.user(), await house.user("somebody")
    reply = await second.command("GET", symbols=["AAPL"])
    assert code_and_reason(reply) == LIMITED
    assert (reply["retryable"], reply["retry_after_ms"], missing(reply)) == (True, 1_000, {"AAPL": LIMITED})
    assert (await other.command("GET", symbols=["AAPL"]))["code"] == 200


async def test_who_waits_as_long_as_told_is_answered(house: House, user: Client) -> None:
    await spend_all(user)
    reply = await user.command("GET", symbols=["AAPL"])
    await house.clock.advance(reply["retry_after_ms"] / 1000)
    assert (await user.command("GET", symbols=["AAPL"]))["code"] == 200


async def test_what_is_known_costs_nothing(house: House, user: Client) -> None:
    await watch(house, "AAPL", "MSFT")
    await user.command("INFO", symbol="AAPL")
    await user.command("GET", symbols=["NO1"])
    for _ in range(20):
        assert (await user.command("GET", symbols=["AAPL", "MSFT"]))["code"] == 200
        assert (await user.command("INFO", symbol="AAPL"))["code"] == 200
        assert code_and_reason(await user.command("GET", symbols=["NO1"])) == (404, "unknown_symbol")


@pytest.mark.parametrize("kind", ["INFO", "DIVIDENDS", "SEARCH", "NEWS"])
async def test_every_other_question_is_one_request_where_it_is_made(house: House, user: Client, kind: str) -> None:
    fields = {"INFO": {"symbol": "AAPL"}, "DIVIDENDS": {"symbol": "TSLA"}, "SEARCH": {"query": "apple"}, "NEWS": {}}
    await spend_all(user)
    assert isinstance(house.provider, ScriptedProvider)
    asked = house.provider.requests.total()
    reply = await user.command(kind, **fields[kind])
    assert (code_and_reason(reply), reply["retry_after_ms"]) == (LIMITED, 1_000)
    assert house.provider.requests.total() == asked


async def test_a_company_that_there_is_not_is_no_404_while_nobody_can_look_whether_its_symbol_is_known(
    house: House, user: Client
) -> None:
    await spend_all(user, BURST - 1)
    assert code_and_reason(await user.command("INFO", symbol="NOPE")) == LIMITED
    await house.clock.advance(2)
    assert code_and_reason(await user.command("INFO", symbol="NOPE")) == (404, "unknown_symbol")


async def test_who_joins_a_call_pays_nothing_and_is_answered_by_what_another_paid(house: House, user: Client) -> None:
    other = await house.user("somebody")
    await spend_all(user)
    house.provider.script = "slow"
    first = await soon(other.command("GET", symbols=["AAPL"]))
    second = await soon(user.command("GET", symbols=["AAPL"]))
    await house.clock.advance(3)
    assert [(await first)["code"], (await second)["code"]] == [200, 200]
    assert house.provider.quote_requests == 1


@pytest.mark.parametrize("joins_late", [False, True])
async def test_who_joins_a_call_of_one_who_cannot_pay_is_not_refused_for_it(
    house: House, user: Client, joins_late: bool
) -> None:
    await spend_all(user, BURST - 1)
    other = await house.user("somebody")
    house.provider.script = "slow"
    poor = await soon(user.command("GET", symbols=["NO1"]))
    if joins_late:
        await house.clock.advance(2)
    rich = await soon(other.command("GET", symbols=["NO1"]))
    await house.clock.advance(6)
    assert code_and_reason(await rich) == (404, "unknown_symbol")
    assert house.provider.look_ups == ["NO1"]
    await poor


async def test_in_an_outage_nothing_is_asked_and_nothing_is_paid(house: House, user: Client) -> None:
    await watch(house, "AAPL")
    house.provider.script = "fail"
    await house.clock.advance(POLL_SECONDS)
    assert told(house)
    for _ in range(2 * BURST):
        assert code_and_reason(await user.command("GET", symbols=["MSFT"])) == (500, "provider_error")


async def test_a_free_source_is_asked_as_often_as_anybody_likes(
    house: House, user: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.provider, "is_free", True)
    await spend_all(user, 5 * BURST)
    reply = await user.command("GET", symbols=["AAPL", *(f"NO{number}" for number in range(20))])
    assert {code for code, _ in missing(reply).values()} == {404}


async def test_a_saved_list_is_answered_as_far_as_the_budget_goes(house: House, user: Client) -> None:
    house.accounts.lists[USER] = ["AAPL", "MSFT"]
    await watch(house, "AAPL")
    await spend_all(user)
    reply = await user.command("MY_STOCKS")
    assert (reply["code"], [each["symbol"] for each in reply["quotes"]]) == (200, ["AAPL"])
    assert missing(reply) == {"MSFT": LIMITED}


async def test_a_new_symbol_that_cannot_be_checked_now_is_neither_pushed_nor_saved(house: House, user: Client) -> None:
    await watch(house, "AAPL")
    await spend_all(user)
    reply = await user.command("SUBSCRIBE", symbols=["AAPL", "MSFT", "NO1"])
    assert (reply["code"], reply["subscribed"], reply["pending"]) == (200, ["AAPL"], [])
    assert missing(reply) == {"MSFT": LIMITED, "NO1": LIMITED}
    assert (user.pushed(), house.accounts.lists[USER]) == ({"AAPL"}, ["AAPL"])
    assert code_and_reason(await user.command("SUBSCRIBE", symbols=["MSFT"])) == LIMITED
    await house.clock.advance(1)
    assert (await user.command("SUBSCRIBE", symbols=["MSFT"]))["subscribed"] == ["MSFT"]


async def test_a_saved_symbol_that_cannot_be_checked_now_is_pending_and_comes_with_the_poll(
    house: House, user: Client
) -> None:
    house.accounts.lists[USER] = ["MSFT", "NO1"]
    await spend_all(user)
    reply = await user.command("SUBSCRIBE")
    assert (reply["code"], reply["pending"], reply["missing"]) == (200, ["MSFT", "NO1"], [])
    await house.clock.advance(POLL_SECONDS)
    assert on_board(house, "MSFT").price == 200.0
    assert (user.pushed(), house.accounts.lists[USER]) == ({"MSFT"}, ["MSFT"])


async def test_a_guest_pays_by_address(house: House) -> None:
    first, second, elsewhere = house.client(), house.client(), house.client(address="192.0.2.2")
    for guest in (first, second, elsewhere):
        guest.session.welcome_guest()
    for number in range(BURST):
        assert (await first.command("GET", symbols=[f"S{number}"]))["code"] == 200
    assert code_and_reason(await second.command("SUBSCRIBE", symbols=["AAPL"], save=False)) == LIMITED
    assert (await elsewhere.command("GET", symbols=["AAPL"]))["code"] == 200


async def test_an_old_price_that_cannot_be_renewed_now_is_served_and_says_that_it_is_old(
    house: House, user: Client
) -> None:
    await quote(house)
    await house.clock.advance(POLL_SECONDS * 4)
    await spend_all(user)
    [served] = (await user.command("GET", symbols=["AAPL"]))["quotes"]
    assert (served["price"], served["stale"], served["stale_reason"]) == (100.0, True, "provider_blocked")


async def test_nothing_is_left_of_a_bill(house: House, user: Client) -> None:
    await user.command("GET", symbols=["AAPL", "NO1", "NO2", "NO3", "NO4"])
    assert len(house.feed._bills) == 0


# --- the poll waits for nobody ---


async def test_the_poll_waits_behind_nobodys_questions(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "hang"
    waiting = [await soon(house.feed.quotes([f"S{number}"])) for number in range(10)]
    house.provider.script = "good"
    house.provider.prices["AAPL"] = 111.0
    await house.clock.advance(POLL_SECONDS)
    assert on_board(house).price == 111.0
    assert house.provider.polls[-1] == ("AAPL",)
    assert not any(task.done() for task in waiting)
    house.provider.release()
    await settle()


async def test_the_poll_does_not_wait_for_a_question_about_what_somebody_begins_to_watch(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "hang"
    question = await soon(house.feed.quotes(["MSFT"]))
    a_watcher(house.board, "MSFT")
    house.provider.script = "good"
    for _ in range(2):
        house.provider.prices["AAPL"] += 1
        await house.clock.advance(POLL_SECONDS)
    assert on_board(house).price == 102.0
    assert not question.done()
    house.provider.release()
    await settle()


async def test_who_asks_for_what_the_poll_is_asking_for_shares_its_answer(house: House, user: Client) -> None:
    await spend_all(user)
    a_watcher(house.board, "MSFT")
    house.provider.script = "slow"
    await settle()
    get = await soon(user.command("GET", symbols=["MSFT"]))
    await house.clock.advance(3)
    assert (await get)["code"] == 200
    assert house.provider.batches == [("MSFT",)]


# --- the ceiling of a source ---


async def test_what_is_over_the_ceiling_waits_a_moment_and_then_is_a_500_and_no_outage() -> None:
    async with a_house(rules=dataclasses.replace(TIGHT, user_upstream_burst=100), requests_per_minute=30) as house:
        user = await house.user()
        await spend_all(user, 5)
        late = await soon(user.command("GET", symbols=["AAPL"]))
        await house.clock.advance(CEILING_PATIENCE_SECONDS)
        assert code_and_reason(await late) == (500, "provider_blocked")
        assert (await late)["retry_after_ms"] >= 1_000
        assert told(house) == []
        await house.clock.advance(7)
        served = await soon(user.command("GET", symbols=["AAPL"]))
        await house.clock.advance(CEILING_PATIENCE_SECONDS)
        assert (await served)["code"] == 200
        assert house.feed.routes.upstreams[0].failing == ()


async def test_questions_never_take_the_room_of_the_poll() -> None:
    async with a_house(rules=dataclasses.replace(TIGHT, user_upstream_burst=1_000), requests_per_minute=60) as house:
        await watch(house, "AAPL")
        user = await house.user()
        for second in range(30):
            for number in range(5):
                task = await soon(user.command("SEARCH", query=f"apple {second} {number}"))
                task.cancel()
            await house.clock.advance(1)
            age = house.clock.monotonic() - _entry_age(house, "AAPL")
            assert age <= POLL_SECONDS
        assert house.provider.requests.total() <= 10 * 4


def _entry_age(house: House, symbol: str) -> float:
    entry = house.board.entry(symbol)
    assert entry is not None
    return entry.refreshed_at


async def test_with_more_watched_than_the_source_has_patience_for_polls_are_further_apart_and_nothing_is_stale() -> (
    None
):
    async with a_house(requests_per_minute=60) as house:
        symbols = [f"W{number}" for number in range(1_000)]  # 20 requests a poll, of 8 in ten seconds
        house.provider.prices |= dict.fromkeys(symbols, 10.0)
        a_watcher(house.board, *symbols)
        await house.clock.advance(200)
        before = len(house.provider.polls)
        await house.clock.advance(250)
        requests = [-(-len(batch) // house.provider.symbols_a_request) for batch in house.provider.polls[before:]]
        assert 8 <= sum(requests) / 20 <= 10
        assert not any(on_board(house, symbol).stale for symbol in symbols)


# --- the back-off and the figures ---


@pytest.fixture
def upstream() -> Upstream:
    clock = ManualClock()
    return Upstream(ScriptedProvider(clock), clock, timeout_seconds=10.0, rng=SteadyRandom())


async def test_calls_that_fail_together_are_one_failure(upstream: Upstream) -> None:
    clock = upstream._clock
    assert isinstance(clock, ManualClock)

    async def fails() -> None:
        await clock.sleep(1)
        raise ProviderError(Reason.PROVIDER_ERROR, "The source is out of order.")

    waits = []
    for _ in range(3):
        tasks = [await soon(upstream.call(Capability.QUOTES, fails)) for _ in range(10)]
        await clock.advance(1)
        errors = [task.exception() for task in tasks]
        waits.append({error.retry_after_ms for error in errors if isinstance(error, ProviderError)})
    assert waits == [{2_000}, {4_000}, {8_000}]


async def test_a_streams_batches_are_one_request(upstream: Upstream) -> None:
    async def delivers() -> None:
        for _ in range(100):
            upstream.streamed()
        raise ProviderError(Reason.PROVIDER_ERROR, "The line is dead.")

    for opened in (1, 2):
        with pytest.raises(ProviderError):
            await upstream.stream(delivers)
        assert upstream.results == {(Capability.STREAM, "ok"): opened}


async def test_a_stream_that_never_delivers_is_a_request_that_failed(upstream: Upstream) -> None:
    async def breaks() -> None:
        raise ProviderError(Reason.PROVIDER_ERROR, "The line is dead.")

    with pytest.raises(ProviderError):
        await upstream.stream(breaks)
    assert upstream.results == {(Capability.STREAM, Reason.PROVIDER_ERROR): 1}
