"""Alerts over a real server: each condition, each frequency and each rule of the truth, as a client is told of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fakes import NOW_MS, ScriptedProvider
from live_server import Line, LiveServer, RawClient, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.bars import Split
from stocktrack.clock import ManualClock
from stocktrack.quotes import MarketState
from stocktrack.target_settings import WebhookSettings
from webhook_stub import WebhookStub, webhook_stub

SECRET = "the secret of a test"


class House:
    """A server on a manual clock whose source a test scripts, and a client of the user ann."""

    def __init__(self, server: LiveServer, market: ScriptedProvider, clock: ManualClock, client: RawClient) -> None:
        self.server = server
        self.market = market
        self.clock = clock
        self.client = client

    async def alert(self, when: str, value: float, **fields: Any) -> str:
        """Make an alert on AAPL; its name, once it is judged."""
        before = len(self.judge)
        reply = await self.client.ask({"type": "ALERT", "symbol": "AAPL", "when": when, "value": value, **fields})
        assert reply["code"] == 200, reply
        assert reply["alert"]["state"] == "armed"
        await until(lambda: len(self.judge) > before or bool(self.judge.fired) or self.has_fired(reply))
        return str(reply["alert"]["alert"])

    def has_fired(self, reply: Line) -> bool:
        """Whether an alert was judged and is over already."""
        alerts = self.server.app.alerts
        assert alerts is not None
        return alerts._seen is not None and alerts._seen >= int(reply["alert"]["alert"][1:])

    @property
    def judge(self) -> Any:
        assert self.server.app.alerts is not None
        return self.server.app.alerts.judge

    async def trade(self, *prices: float, **quoted: Any) -> None:
        """Have each price found by a poll of its own, traded just then."""
        for price in prices:
            self.market.prices["AAPL"] = price
            self.market.market_time = self.clock.now_ms()
            self.market.quoted = {"market_state": MarketState.OPEN, **quoted}
            await self.clock.advance(5)
            await until(lambda price=price: self._has(price))  # type: ignore[misc]

    async def pass_until(self, condition: Callable[[], object]) -> None:
        """Let the clock run until it is so, and the database do what it is told meanwhile."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await self.clock.advance(1)
                await asyncio.sleep(0)

    def _has(self, price: float) -> bool:
        quote = self.server.app.board.quote("AAPL")
        return quote is not None and quote.price == price and not quote.stale

    async def told(self) -> Line:
        """The next NOTICE of an alert."""
        while (notice := await self.client.receive_until("NOTICE"))["reason"] != "alert":
            pass
        return notice

    async def told_in_time(self) -> Line:
        """The next NOTICE of an alert, while the clock runs."""
        notice = asyncio.create_task(self.told())
        await self.pass_until(notice.done)
        return notice.result()

    async def state(self, alert: str) -> Line:
        """An alert as MY_ALERTS lists it."""
        reply = await self.client.ask({"type": "MY_ALERTS"})
        return next(each for each in reply["alerts"] if each["alert"] == alert)

    async def nothing_told(self) -> None:
        """Nothing was told so far: the line that comes next is the answer to what is asked now."""
        self.client.send({"type": "PING", "id": "now"})
        while (line := await self.client.receive())["type"] != "PING":
            assert line.get("reason") != "alert", line


@contextlib.asynccontextmanager
async def running(folder: Path, clock: ManualClock, *, price: float = 190.0, **settings: Any) -> AsyncIterator[House]:
    market = ScriptedProvider(clock)
    market.prices["AAPL"] = price
    users = () if (folder / "stocktrack.db").exists() else ("ann", "bob")
    async with live_server(folder, market, users=users, clock=clock, **settings) as server:
        yield House(server, market, clock, await server.log_in())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(tmp_path, ManualClock(NOW_MS)) as house:
        yield house


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "value", "prices", "message"),
    [
        ("crosses_above", 200, (199.0, 200.5), "AAPL 200.50 USD rose above 200."),
        ("crosses_below", 180, (181.0, 179.5), "AAPL 179.50 USD fell below 180."),
        ("above", 200, (200.0, 200.5), "AAPL 200.50 USD is above 200."),
        ("below", 180, (180.0, 179.5), "AAPL 179.50 USD is below 180."),
    ],
)
async def test_a_condition_on_the_price_is_told(
    house: House, when: str, value: float, prices: tuple[float, float], message: str
) -> None:
    alert = await house.alert(when, value)
    await house.trade(prices[0])
    await house.nothing_told()
    await house.trade(prices[1])
    notice = await house.told()
    assert (notice["code"], notice["alert"], notice["symbols"], notice["message"]) == (100, alert, ["AAPL"], message)
    assert notice["delivery"]
    listed = await house.state(alert)
    assert (listed["state"], listed["fired_count"], listed["message"]) == ("fired", 1, message)


async def test_percent_from_the_previous_close_is_told(house: House) -> None:
    await house.alert("percent_from_close", 5)
    await house.trade(208, previous_close=200.0)
    await house.nothing_told()
    await house.trade(210, previous_close=200.0)
    assert (await house.told())["message"] == "AAPL 210.00 USD has risen 5.00% since the previous close of 200.00."


async def test_percent_within_minutes_is_told(house: House) -> None:
    await house.alert("percent_within", -5, minutes=10)
    await house.trade(200, 196)
    await house.nothing_told()
    await house.trade(189)
    assert (await house.told())["message"] == "AAPL 189.00 USD has fallen 5.50% within 10 minutes, from 200.00."


async def test_a_volume_is_told(house: House) -> None:
    await house.alert("volume_above", 1_000)
    await house.trade(191, volume=1_000)
    await house.nothing_told()
    await house.trade(192, volume=1_001)
    assert (await house.told())["message"] == "AAPL 192.00 USD: 1,001 were traded today, more than 1,000."


async def test_what_holds_already_is_told_at_once(house: House) -> None:
    await house.client.ask({"type": "GET", "symbol": "AAPL"})
    await house.alert("above", 100)
    assert (await house.told())["message"] == "AAPL 190.00 USD is above 100."


# --- how often -------------------------------------------------------------------------------------------------------


async def test_every_is_told_again_after_the_cool_down_and_once_it_was_over(house: House) -> None:
    alert = await house.alert("crosses_above", 200, repeat="every", cooldown_seconds=60)
    await house.trade(199, 201)
    assert (await house.told())["message"].startswith("AAPL 201.00")
    assert (await house.state(alert))["state"] == "holding"
    await house.trade(199, 202)
    await house.nothing_told()
    await house.clock.advance(60)
    await house.trade(199, 203)
    assert (await house.told())["message"].startswith("AAPL 203.00")
    assert (await house.state(alert))["fired_count"] == 2


async def test_daily_is_told_again_the_next_day(house: House) -> None:
    # It is 23:45 there.
    await house.alert("crosses_above", 200, repeat="daily", timezone="Asia/Shanghai")
    await house.trade(199, 201)
    assert (await house.told())["message"].startswith("AAPL 201.00")
    await house.trade(199, 202)
    await house.nothing_told()
    await house.clock.advance(15 * 60)
    await house.trade(199, 203)
    assert (await house.told())["message"].startswith("AAPL 203.00")


async def test_once_is_told_once_and_is_demand_no_more(house: House) -> None:
    await house.alert("crosses_above", 200)
    await house.trade(199, 201)
    await house.told()
    await until(lambda: not house.server.app.board.is_watched("AAPL"))


# --- what is true ----------------------------------------------------------------------------------------------------


async def test_a_stale_price_tells_nothing(house: House) -> None:
    await house.alert("crosses_above", 200)
    await house.trade(199)
    house.market.script = "fail"
    house.market.prices["AAPL"] = 201.0
    await house.clock.advance(10)
    await until(lambda: (quote := house.server.app.board.quote("AAPL")) is not None and quote.stale)
    await house.nothing_told()


async def test_the_first_price_is_no_crossing(tmp_path: Path) -> None:
    async with running(tmp_path, ManualClock(NOW_MS), price=205.0) as house:
        # Nothing is known of it yet: the source is away.
        house.market.script = "fail"
        await house.alert("crosses_above", 200)
        house.market.script = "good"
        await house.clock.advance(60)
        await house.trade(206, 207)
        await house.nothing_told()
        await house.trade(199, 207)
        assert (await house.told())["message"].startswith("AAPL 207.00")


async def test_the_price_before_survives_a_restart_and_the_gap_is_told(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    async with running(tmp_path, clock) as house:
        await house.alert("crosses_above", 200)
        await house.trade(198)
    later = ManualClock(clock.now_ms() + 3_600_000)
    async with running(tmp_path, later, price=205.0) as house:
        await house.trade(205)
        message = (await house.told())["message"]
    assert message.startswith(
        "AAPL 205.00 USD rose above 200. No price was seen in between; the last one before was 198.00"
    )


async def test_a_crossing_over_a_reopening_counts_and_says_so(house: House) -> None:
    await house.alert("crosses_above", 200)
    await house.trade(198)
    await house.trade(198, market_state=MarketState.CLOSED, volume=1)
    await until(lambda: house.server.app.board.quote("AAPL").market_state is MarketState.CLOSED)  # type: ignore[union-attr]
    await house.clock.advance(60)
    await house.trade(205)
    assert "It is the first price since the market reopened" in (await house.told())["message"]


async def test_an_alert_is_armed_again_only_when_its_condition_has_stopped_holding(house: House) -> None:
    alert = await house.alert("above", 200, repeat="every")
    await house.trade(201)
    await house.told()
    await house.clock.advance(120)
    await house.trade(202, 203)
    await house.nothing_told()
    await house.trade(200)
    await until(lambda: not house.judge.armed)
    assert (await house.state(alert))["state"] == "armed"
    await house.trade(201)
    await house.told()


async def test_a_split_disarms_and_says_so(house: House) -> None:
    alert = await house.alert("crosses_below", 150)
    await house.trade(400, previous_close=398.0)
    house.market.past.all_splits["AAPL"] = [Split(house.clock.now_ms(), 4.0)]
    await house.clock.advance(60)
    await house.trade(101, previous_close=100.0)
    notice = await house.told()
    assert notice["message"].startswith("AAPL was split, 4 for 1: the alert crosses below 150")
    listed = await house.state(alert)
    assert (listed["state"], listed["why"], listed["fired_count"]) == ("disarmed", notice["message"], 0)


async def test_quiet_hours_delay_what_is_told(house: House) -> None:
    # It is 15:45 by UTC.
    await house.alert("above", 200, quiet_hours="15:00-16:00")
    await house.trade(201)
    await house.nothing_told()
    await house.clock.advance(15 * 60)
    assert (await house.told_in_time())["message"] == (
        "AAPL 201.00 USD is above 200. That was in the quiet hours, at 2024-04-05 15:45 UTC."
    )


# --- who is told -----------------------------------------------------------------------------------------------------


async def test_all_sessions_of_the_user_are_told_and_nobody_else(house: House) -> None:
    second, bob = await house.server.log_in(), await house.server.log_in("bob")
    await house.alert("above", 200)
    await house.trade(201)
    first = await house.told()
    assert await second.receive_until("NOTICE") == first
    bob.send({"type": "PING"})
    assert (await bob.receive())["type"] == "PING"


async def test_what_fired_while_the_user_was_away_is_told_to_a_session_that_stays(house: House) -> None:
    await house.alert("above", 200)
    await house.client.close()
    await house.server.until_clients(0)
    await house.trade(201)
    await until(lambda: not house.judge.fired)
    # One that is over in a moment, as a command of the shell, does not take it away.
    short = await house.server.log_in()
    await short.ask({"type": "LOGOUT"})
    house.client = await house.server.log_in()
    await house.nothing_told()
    await house.clock.advance(2)
    assert (await house.told_in_time())["message"] == "AAPL 201.00 USD is above 200."


async def test_an_alert_of_another_user_cannot_be_seen_or_taken_out(house: House) -> None:
    alert = await house.alert("above", 200)
    bob = await house.server.log_in("bob")
    assert (await bob.ask({"type": "MY_ALERTS"}))["alerts"] == []
    reply = await bob.ask({"type": "UNALERT", "alert": alert})
    assert (reply["code"], reply["reason"]) == (404, "unknown_alert")
    assert (await house.state(alert))["state"] == "armed"
    assert (await house.client.ask({"type": "UNALERT", "alert": alert}))["symbol"] == "AAPL"
    await until(lambda: len(house.judge) == 0)


# --- targets ---------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def with_a_hook(folder: Path, clock: ManualClock) -> AsyncIterator[tuple[House, WebhookStub]]:
    async with webhook_stub(SECRET) as stub:
        hook = WebhookSettings(kind="webhook", url=SecretStr(f"{stub.url}/in"), secret=SecretStr(SECRET))
        mine = WebhookSettings(kind="webhook", url=SecretStr(f"{stub.url}/bob"), users=("bob",))
        async with running(folder, clock, alert_targets={"phone": hook, "bobs": mine}) as house:
            yield house, stub


async def test_a_target_is_told_by_a_signed_request(tmp_path: Path) -> None:
    async with with_a_hook(tmp_path, ManualClock(NOW_MS)) as (house, stub):
        assert (await house.client.ask({"type": "MY_ALERTS"}))["targets"] == ["phone"]
        alert = await house.alert("above", 200, targets=["phone"])
        await house.trade(201)
        notice = await house.told()
        await until(lambda: len(stub.taken) == 1)
        (told,) = stub.taken
        assert told.is_signed
        assert told.path == "/in"
        assert told.json == {
            "id": told.json["id"],
            "alert": alert,
            "symbol": "AAPL",
            "when": "above",
            "value": 200.0,
            "price": 201.0,
            "currency": "USD",
            "timestamp": notice["timestamp"],
            "message": "AAPL 201.00 USD is above 200.",
            "username": "ann",
        }
        courier = house.server.app.alerts.courier  # type: ignore[union-attr]
        await until(lambda: courier.delivered == 1 and not courier._unwritten)
        assert "undelivered" not in await house.state(alert)


async def test_what_a_target_refuses_is_told_again_under_the_same_id(tmp_path: Path) -> None:
    async with with_a_hook(tmp_path, ManualClock(NOW_MS)) as (house, stub):
        stub.answer(503)
        alert = await house.alert("above", 200, targets=["phone"])
        await house.trade(201)
        courier = house.server.app.alerts.courier  # type: ignore[union-attr]
        await until(lambda: courier.failures == 1 and not courier._unwritten)
        listed = await house.state(alert)
        assert (listed["undelivered"], listed["error"]) == (1, "The target phone answered 503.")
        await house.pass_until(lambda: len(stub.taken) == 1)
        refused, taken = stub.asked
        assert taken.json == refused.json


@pytest.mark.parametrize(
    "target", ["pager", "bobs", "http://127.0.0.1:1/x", "phone\n", " phone", "", "../phone", "phone?x=1"]
)
async def test_a_user_can_name_no_address_and_no_target_of_others(tmp_path: Path, target: str) -> None:
    async with with_a_hook(tmp_path, ManualClock(NOW_MS)) as (house, stub):
        command = {"type": "ALERT", "symbol": "AAPL", "when": "above", "value": 1, "targets": [target]}
        reply = await house.client.ask(command)
        assert (reply["code"], reply["reason"]) == (400, "invalid_command"), reply
        reply = await house.client.ask({"type": "TEST_ALERT", "target": target})
        assert (reply["code"], reply["reason"]) == (400, "invalid_command"), reply
        assert (await house.client.ask({"type": "MY_ALERTS"}))["alerts"] == []
        assert stub.asked == []


async def test_a_target_is_tried(tmp_path: Path) -> None:
    async with with_a_hook(tmp_path, ManualClock(NOW_MS)) as (house, stub):
        reply = await house.client.ask({"type": "TEST_ALERT", "target": "phone"})
        assert (reply["delivered"], reply["message"]) == (True, "phone took a test message.")
        assert stub.taken[0].json["message"] == "This is a test of StockTrack's alerts, which ann asked for."
        stub.answer(404)
        reply = await house.client.ask({"type": "TEST_ALERT", "target": "phone"})
        assert (reply["delivered"], reply["message"]) == (False, "The target phone answered 404.")


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"value": -1},
        {"value": 0},
        {"when": "sideways"},
        {"when": "percent_within", "value": 3},
        {"when": "percent_from_close", "value": 0},
        {"when": "percent_from_close", "value": -100},
        {"minutes": 5},
        {"cooldown_seconds": 60},
        {"repeat": "every", "cooldown_seconds": 5},
        {"quiet_hours": "25:00-07:00"},
        {"quiet_hours": "07:00-07:00"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"value": "200"},
        {"value": 1e300},
        {"targets": ["x"] * 11},
        {"url": "http://127.0.0.1/"},
    ],
)
async def test_a_wrong_alert_is_refused_with_a_sentence(house: House, fields: dict[str, Any]) -> None:
    reply = await house.client.ask({"type": "ALERT", "symbol": "AAPL", "when": "above", "value": 200, **fields})
    assert (reply["code"], reply["reason"]) == (400, "invalid_command"), reply
    assert reply["message"].startswith("ALERT: ")
    assert (await house.client.ask({"type": "MY_ALERTS"}))["alerts"] == []


async def test_an_alert_on_a_symbol_that_nobody_knows_is_refused(house: House) -> None:
    reply = await house.client.ask({"type": "ALERT", "symbol": "NOPE", "when": "above", "value": 200})
    assert (reply["code"], reply["reason"]) == (404, "unknown_symbol")
