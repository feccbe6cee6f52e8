"""What fires is on the disk before it is told, whatever the database does, and no price before what it fired."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from alert_market import AlertMarket
from alert_outbox import FaultyAlerts
from live_server import until
from patience import PATIENCE_SECONDS
from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.alerts.writer import PRICES_SECONDS, Writer
from stocktrack.clock import end, settle
from stocktrack.storage.alerts import SESSIONS, NewAlert, Outcome, StoredAlert
from stores import add, opened


@dataclass
class Scene:
    stored: FaultyAlerts
    market: AlertMarket
    writer: Writer
    written: list[int]  # how much had fired by each time that words were written

    async def alert(self, when: str = "above", value: float = 200.0, **wanted: Any) -> StoredAlert:
        """An alert that is made and judged."""
        made = await self.stored.add(
            "ann",
            NewAlert(wanted.pop("symbol", "AAPL"), AlertWhen(when), value, **wanted),
            limit=10_000,
            now_ms=self.market.clock.now_ms(),
        )
        self.market.judge_also(made)
        return made

    async def state(self, alert: StoredAlert) -> StoredAlert:
        found = await self.stored.read(alert.id)
        assert found is not None
        return found

    async def words(self) -> list[str]:
        due = await self.stored.due_to_sessions(self.market.clock.now_ms())
        return [word.body for word in due]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, "ann")
        market, stored = AlertMarket(), FaultyAlerts(store)
        written: list[int] = []
        writer = Writer(market.judge, market.clock, stored.opened, lambda: written.append(stored.count_fired()))
        yield Scene(stored, market, writer, written)


async def test_what_fired_is_written_with_its_words_and_the_price(scene: Scene) -> None:
    alert = await scene.alert()
    scene.market.price(201)
    await scene.writer.write()
    now = await scene.state(alert)
    assert (now.state, now.fired_count, now.message) == (AlertState.FIRED, 1, "AAPL 201.00 USD is above 200.")
    assert len(await scene.words()) == 1
    assert scene.written == [1]
    assert (scene.market.judge.fired, scene.market.judge.armed) == ([], {})


async def test_without_anything_to_write_the_database_is_not_opened(scene: Scene) -> None:
    scene.stored.faults.is_failing = True
    await scene.writer.write()
    assert (scene.writer.failures, scene.written) == (0, [])


async def test_a_database_that_fails_loses_nothing_and_is_told_of_once(scene: Scene) -> None:
    alert = await scene.alert(repeat=Repeat.EVERY, cooldown_seconds=10)
    with capture_logs() as logs:
        scene.stored.faults.is_failing = True
        for price in (199, 201, 199, 202, 199, 203, 204):
            scene.market.price(price)
            scene.market.clock.stand_still(20)
            await scene.writer.write()
        assert scene.written == []
        assert len(scene.market.judge.fired) == 1, "what it would tell meanwhile is not kept, however often it fires"
        assert len(scene.market.judge.moved) == 1
        scene.stored.faults.is_failing = False
        await scene.writer.write()
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "alerts cannot be written; none is told until they can"),
        ("info", "alerts are written again"),
    ]
    assert scene.writer.failures == 7
    assert (await scene.state(alert)).fired_count == 1
    assert (await scene.stored.prices())["AAPL"].price == 204
    assert scene.market.prices(199, 205) == ["AAPL 205.00 USD is above 200."]
    await scene.writer.write()
    assert (await scene.state(alert)).fired_count == 2


async def test_more_than_a_batch_is_written_in_the_order_in_which_it_fired_and_the_prices_last(scene: Scene) -> None:
    alerts = [await scene.alert(value=200 + number / 1000) for number in range(30)]
    many = [replace(alerts[0], id=10_000 + number) for number in range(1_200)]
    scene.market.judge_also(*many)
    await scene.alert(value=1_000)
    scene.market.price(201)
    order = [each.alert_id for each in scene.market.judge.fired]
    assert len(order) == 1_230
    await scene.writer.write()
    outcomes = scene.stored.outcomes
    assert [len(each.fired) for each in outcomes] == [500, 500, 230]
    assert [each.alert_id for outcome in outcomes for each in outcome.fired] == order
    assert [len(each.prices) for each in outcomes] == [0, 0, 1]
    assert await scene.stored.count() == 1
    assert len(await scene.words()) == 30, "those that are in no database are refused"


async def test_no_price_is_written_before_what_it_fired_although_both_come_while_a_write_is_under_way(
    scene: Scene,
) -> None:
    await scene.alert("crosses_above", 200, price_before=199.0)
    await scene.alert("above", 1_000)
    scene.market.price(199.5)
    scene.stored.faults.may_go.clear()
    writing = asyncio.create_task(scene.writer.write())
    await until(lambda: scene.stored.faults.waiting)
    scene.market.price(201)
    scene.stored.faults.may_go.set()
    await writing
    fired_in = [number for number, outcome in enumerate(scene.stored.outcomes) if outcome.fired]
    price_in = [
        number for number, outcome in enumerate(scene.stored.outcomes) if any(p.price == 201 for p in outcome.prices)
    ]
    assert scene.stored.outcomes[0].prices[0].price == 199.5
    assert fired_in == [1]
    assert all(number >= 1 for number in price_in)
    await scene.writer.write()
    assert (await scene.stored.prices())["AAPL"].price == 201


async def test_a_write_ends_although_prices_go_on_coming(scene: Scene) -> None:
    await scene.alert(value=10_000)
    scene.stored.on_write = lambda: scene.market.price(100 + len(scene.stored.outcomes))
    scene.market.price(99)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await scene.writer.write()
    assert len(scene.stored.outcomes) == 1
    judge = scene.market.judge
    assert [before.price for before in judge.prices_of(judge.moved)] == [100]


async def test_two_who_write_at_once_write_everything_once(scene: Scene) -> None:
    for number in range(5):
        await scene.alert(value=200 + number)
    scene.market.price(202.5)
    scene.stored.faults.may_go.clear()
    writing = [asyncio.create_task(scene.writer.write()) for _ in range(2)]
    await until(lambda: scene.stored.faults.waiting)
    scene.market.price(300)
    scene.stored.faults.may_go.set()
    await asyncio.gather(*writing)
    assert sorted(each.alert_id for outcome in scene.stored.outcomes for each in outcome.fired) == [1, 2, 3, 4, 5]
    assert len(await scene.words()) == 5


async def test_a_writer_that_is_cancelled_in_a_write_leaves_everything_to_the_last_one(scene: Scene) -> None:
    alert = await scene.alert()
    scene.market.price(201)
    scene.stored.faults.may_go.clear()
    writing = asyncio.create_task(scene.writer.write())
    await until(lambda: scene.stored.faults.waiting)
    await end(writing)
    scene.stored.faults.may_go.set()
    await scene.writer.write()
    assert (await scene.state(alert)).fired_count == 1
    assert len(await scene.words()) == 1


async def test_what_another_one_fired_before_is_refused_and_goes_on_as_the_database_has_it(scene: Scene) -> None:
    once, every = await scene.alert(), await scene.alert(repeat=Repeat.EVERY)
    gone = await scene.alert(repeat=Repeat.EVERY)
    scene.market.price(201)
    other = Outcome([each for each in scene.market.judge.fired if each.alert_id != gone.id])
    await scene.stored.write(other, scene.market.clock.now_ms())
    await scene.stored.remove("ann", gone.id)
    words = await scene.words()
    await scene.writer.write()
    assert await scene.words() == words
    assert len(scene.market.judge) == 1
    assert (await scene.state(once)).state is AlertState.FIRED
    scene.market.clock.stand_still(100)
    assert scene.market.prices(199, 205) == ["AAPL 205.00 USD is above 200."]
    await scene.writer.write()
    assert (await scene.state(every)).fired_count == 2


async def test_what_is_armed_again_is_written_after_what_fired_also_where_it_fires_during_a_write(
    scene: Scene,
) -> None:
    alert = await scene.alert(repeat=Repeat.EVERY, cooldown_seconds=10)
    scene.market.price(201)
    await scene.writer.write()
    assert (await scene.state(alert)).state is AlertState.HOLDING
    scene.market.clock.stand_still(60)
    scene.market.price(199)
    scene.stored.faults.may_go.clear()
    writing = asyncio.create_task(scene.writer.write())
    await until(lambda: scene.stored.faults.waiting)
    scene.market.prices(202, 198)  # it fires, and is armed again, while the first arming is written
    scene.stored.faults.may_go.set()
    await writing
    now = await scene.state(alert)
    assert (now.state, now.fired_count) == (AlertState.ARMED, 2)


async def test_prices_are_written_every_few_seconds_and_what_fires_at_once(scene: Scene) -> None:
    await scene.alert()
    clock = scene.market.clock
    running = asyncio.create_task(scene.writer.run())
    try:
        await settle()
        scene.market.price(150)
        await scene.stored.pass_time(clock, PRICES_SECONDS - 0.5)
        assert scene.stored.outcomes == []
        await scene.stored.pass_time(clock, 0.5)
        assert [each.price for each in scene.stored.outcomes[0].prices] == [150]
        scene.market.price(201)
        scene.writer.hint()
        await until(lambda: scene.written)
        assert await scene.words()
    finally:
        await end(running)


async def test_a_database_that_is_back_gets_everything_within_a_second(scene: Scene) -> None:
    await scene.alert()
    clock = scene.market.clock
    scene.stored.faults.is_failing = True
    running = asyncio.create_task(scene.writer.run())
    try:
        await settle()
        scene.market.price(201)
        scene.writer.hint()
        await scene.stored.pass_time(clock, 10)
        assert 8 <= scene.writer.failures <= 12
        scene.stored.faults.is_failing = False
        await scene.stored.pass_time(clock, 1)
        assert len(await scene.words()) == 1
    finally:
        await end(running)


async def test_words_to_targets_and_sessions_each_have_an_id_of_their_own(scene: Scene) -> None:
    await scene.alert(targets=("phone", "mail"))
    scene.market.price(201)
    await scene.writer.write()
    [fired] = scene.stored.outcomes[0].fired
    assert [word.target for word in fired.words] == [SESSIONS, "phone", "mail"]
    assert len({word.delivery_id for word in fired.words}) == 3
