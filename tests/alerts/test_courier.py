"""Targets are told what the database has for them, again until they take it, each at its own pace."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alert_market import NOW_MS
from alert_outbox import FaultyAlerts, ScriptedTarget, refuses
from live_server import until
from stocktrack.alerting import AlertState, AlertWhen
from stocktrack.alerts.courier import GIVE_UP_SECONDS, RETRY_LONGEST_SECONDS, TOLD_AGAIN_SECONDS, Courier
from stocktrack.clock import ManualClock, end
from stocktrack.errors import StorageError
from stocktrack.storage.alerts import Fired, NewAlert, Outcome, StoredAlert, Word
from stores import add, opened


@dataclass
class Scene:
    stored: FaultyAlerts
    clock: ManualClock

    async def tell(self, *names: str, target: str = "phone", due_at_ms: int | None = None) -> None:
        """Have an alert fire with a word of each of these ids to a target."""
        now_ms = self.clock.now_ms()
        wanted = NewAlert("AAPL", AlertWhen.ABOVE, 200.0, targets=(target,))
        made = await self.stored.add("ann", wanted, limit=1_000, now_ms=now_ms)
        words = [Word(name, target, body(name), now_ms if due_at_ms is None else due_at_ms) for name in names]
        fired = Fired(made.id, 0, 1, AlertState.FIRED, now_ms, "AAPL is above 200.", words)
        assert await self.stored.write(Outcome([fired]), now_ms) == []

    @asynccontextmanager
    async def courier(
        self, *targets: ScriptedTarget, is_our_turn: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[Courier]:
        """A courier that runs."""
        courier = Courier({target.name: target for target in targets}, self.clock, self.stored.opened)
        running = asyncio.create_task(courier.run(is_our_turn))
        try:
            await self.stored.calm()
            yield courier
        finally:
            await end(running)
        assert all(target.under_way == 0 for target in targets)

    async def pass_time(self, seconds: float, step: float = 0.5) -> None:
        await self.stored.pass_time(self.clock, seconds, step=step)

    async def alert(self) -> StoredAlert:
        return (await self.stored.of_user("ann"))[0]


def body(delivery_id: str) -> str:
    return json.dumps(
        {
            "id": delivery_id,
            "alert": "a1",
            "symbol": "AAPL",
            "when": "above",
            "value": 200.0,
            "price": 201.0,
            "currency": "USD",
            "timestamp": NOW_MS,
            "message": "AAPL 201.00 USD is above 200.",
            "username": "ann",
        }
    )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, "ann")
        yield Scene(FaultyAlerts(store), ManualClock(NOW_MS))


async def test_a_target_is_told_what_the_alert_said_and_only_once(scene: Scene) -> None:
    phone = ScriptedTarget()
    await scene.tell("d1")
    async with scene.courier(phone) as courier:
        await scene.pass_time(5)
    [message] = phone.tried
    assert json.loads(message.body()) == json.loads(body("d1"))
    assert (courier.delivered, courier.failures) == (1, 0)
    assert (await scene.alert()).undelivered == 0


async def test_a_hint_has_it_told_without_waiting(scene: Scene) -> None:
    phone = ScriptedTarget()
    async with scene.courier(phone) as courier:
        await scene.tell("d1")
        courier.hint()
        await until(lambda: phone.told() == ["d1"])


async def test_words_of_quiet_hours_wait_for_their_time(scene: Scene) -> None:
    phone = ScriptedTarget()
    await scene.tell("quiet", due_at_ms=NOW_MS + 10_000)
    async with scene.courier(phone):
        await scene.pass_time(9.5)
        assert phone.tried == []
        await scene.pass_time(2)
        assert phone.told() == ["quiet"]


async def test_what_is_refused_is_tried_again_at_growing_distances_with_the_same_id_and_told_of_once(
    scene: Scene,
) -> None:
    phone = ScriptedTarget("phone", *(refuses() for _ in range(5)))
    await scene.tell("d1")
    at: list[float] = []
    with capture_logs() as logs:
        async with scene.courier(phone) as courier:
            for _ in range(120):
                if len(phone.tried) > len(at):
                    at.append(scene.clock.monotonic())
                await scene.pass_time(0.5)
            assert (courier.delivered, courier.failures) == (1, 5)
    assert {message.id for message in phone.tried} == {"d1"}
    waits = [later - earlier for earlier, later in itertools.pairwise(at)]
    # Doubling from a second, ± 20 %, and up to a second until the next look.
    assert len(waits) == 5
    for wait, plain in zip(waits, (1, 2, 4, 8, 16), strict=True):
        assert 0.8 * plain <= wait <= 1.2 * plain + 1.5, waits
    assert [entry["event"] for entry in logs] == [
        "a target does not take alerts; they wait and are tried again",
        "the target takes alerts again",
    ]
    assert logs[0]["why"] == "The target phone refuses."


async def test_a_target_that_says_when_is_asked_then(scene: Scene) -> None:
    phone = ScriptedTarget("phone", refuses(retry_after_seconds=40.0))
    await scene.tell("d1")
    async with scene.courier(phone):
        await scene.pass_time(39)
        assert len(phone.tried) == 1
        alert = await scene.alert()
        assert (alert.undelivered, alert.error) == (1, "The target phone refuses.")
        await scene.pass_time(3)
        assert phone.told() == ["d1"]


async def test_what_nobody_took_for_three_days_is_given_up(scene: Scene) -> None:
    phone = ScriptedTarget()
    phone.error = refuses(retry_after_seconds=3_600.0)
    await scene.tell("d1")
    with capture_logs() as logs:
        async with scene.courier(phone):
            for _ in range(round(GIVE_UP_SECONDS) // 3_600 + 2):
                await scene.pass_time(3_600, step=3_600)
                await scene.pass_time(1)
            tries = len(phone.tried)
            assert tries >= 60
            await scene.pass_time(7_200, step=3_600)
            assert len(phone.tried) == tries
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["an alert was given up"]
    assert (await scene.alert()).undelivered == 0


async def test_no_more_than_so_many_are_under_way_at_once_and_one_that_hangs_keeps_no_other_waiting(
    scene: Scene,
) -> None:
    hangs = asyncio.Event()
    phone = ScriptedTarget("phone", hangs, at_once=3)
    await scene.tell("d1")
    async with scene.courier(phone):
        await until(lambda: phone.under_way == 1)
        await scene.tell(*(f"e{number}" for number in range(10)))
        await scene.pass_time(3)
        assert phone.told() == [f"e{number}" for number in range(10)]
        assert phone.most_under_way <= 3
        hangs.set()
        await until(lambda: phone.told()[-1] == "d1")


async def test_a_target_that_hangs_and_one_that_is_dead_delay_nobody_else(scene: Scene) -> None:
    hangs = asyncio.Event()
    slow, dead, phone = ScriptedTarget("slow", hangs, hangs), ScriptedTarget("dead"), ScriptedTarget("phone")
    dead.error = refuses("dead")
    for name in ("slow", "dead"):
        await scene.tell(*(f"{name}{number}" for number in range(30)), target=name)
    async with scene.courier(slow, dead, phone) as courier:
        for number in range(5):
            await scene.tell(f"d{number}")
            courier.hint()
            await until(lambda number=number: f"d{number}" in phone.told())  # type: ignore[misc]
        assert (slow.under_way, slow.taken, dead.taken) == (2, [], [])
        hangs.set()
        await until(lambda: len(slow.taken) == 30)


async def test_what_waits_for_a_target_that_is_defined_no_more_is_told_of_once_and_kept(scene: Scene) -> None:
    await scene.tell("d1", "d2", target="gone")
    with capture_logs() as logs:
        async with scene.courier(ScriptedTarget()):
            await scene.pass_time(10)
    assert [(entry["log_level"], entry["target"]) for entry in logs] == [("warning", "gone")]
    alert = await scene.alert()
    assert (alert.undelivered, alert.error) == (2, "The settings do not define the target gone.")
    gone = ScriptedTarget("gone")
    async with scene.courier(gone):  # it is defined again, and the server was started again
        await until(lambda: sorted(gone.told()) == ["d1", "d2"])


async def test_who_is_ended_in_the_middle_is_followed_by_one_who_tells_with_the_same_id(scene: Scene) -> None:
    hangs = asyncio.Event()
    phone = ScriptedTarget("phone", hangs)
    await scene.tell("d1")
    async with scene.courier(phone):
        await until(lambda: phone.under_way == 1)
    assert phone.taken == []
    async with scene.courier(phone):
        await until(lambda: phone.told() == ["d1"])
        await scene.pass_time(300, step=10)
    assert [message.id for message in phone.tried] == ["d1", "d1"]


async def test_without_the_turn_nothing_is_told_any_more(scene: Scene) -> None:
    phone, turns = ScriptedTarget(), [True]
    async with scene.courier(phone, is_our_turn=lambda: turns[0]):
        turns[0] = False
        await scene.pass_time(1)
        await scene.tell("d1")
        await scene.pass_time(5)
        assert phone.tried == []


async def test_a_database_that_fails_while_a_word_is_told_has_it_told_no_second_time(scene: Scene) -> None:
    may_take = asyncio.Event()
    phone = ScriptedTarget("phone", may_take)
    await scene.tell("d1", "d2")
    with capture_logs() as logs:
        async with scene.courier(phone):
            await until(lambda: phone.told() == ["d2"])
            await scene.stored.calm()
            scene.stored.faults.is_failing = True
            may_take.set()
            await until(lambda: phone.told() == ["d2", "d1"])
            await scene.pass_time(20)
            scene.stored.faults.is_failing = False
            await scene.pass_time(300, step=2)
    assert [message.id for message in phone.tried] == ["d1", "d2"]
    assert [entry["event"] for entry in logs] == ["alerts cannot be read to be told; it is tried again"]


async def test_a_database_that_is_away_at_first_is_waited_for(scene: Scene) -> None:
    phone = ScriptedTarget()
    await scene.tell("d1")
    scene.stored.faults.is_failing = True
    with pytest.raises(StorageError):
        await scene.stored.revision()
    async with scene.courier(phone):
        await scene.pass_time(5)
        assert phone.tried == []
        scene.stored.faults.is_failing = False
        await scene.pass_time(3)
        assert phone.told() == ["d1"]


async def test_a_target_that_fails_unexpectedly_is_an_error_in_the_log_and_disturbs_no_other_message(
    scene: Scene,
) -> None:
    may_take = asyncio.Event()
    phone = ScriptedTarget("phone", may_take, RuntimeError("a bug"))
    await scene.tell("d1", "d2")
    with capture_logs() as logs:
        async with scene.courier(phone):
            await until(lambda: len(phone.tried) == 2)
            await scene.stored.calm()
            assert phone.under_way == 1
            may_take.set()
            await scene.pass_time(4)
            assert phone.told() == ["d1", "d2"]
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "telling a target failed unexpectedly"
    ]


async def test_a_word_that_cannot_be_read_is_given_up_and_the_others_are_told(scene: Scene) -> None:
    phone = ScriptedTarget()
    now_ms = scene.clock.now_ms()
    made = await scene.stored.add("ann", NewAlert("AAPL", AlertWhen.ABOVE, 2.0), limit=9, now_ms=now_ms)
    spoilt = ["", "{}", "[]", "null", '{"id":"x"}', body("d1").replace('"d1"', '"a b\\n"'), body("d")[:-1] + ',"x":1}']
    words = [Word(f"bad{number}", "phone", each, now_ms) for number, each in enumerate(spoilt)]
    await scene.stored.write(Outcome([Fired(made.id, 0, 1, AlertState.FIRED, now_ms, "m", words)]), now_ms)
    await scene.tell("good")
    async with scene.courier(phone):
        await scene.pass_time(5)
    assert phone.told() == ["good"]
    assert await scene.stored.due_targets(now_ms + 10**12) == frozenset()


async def test_many_words_to_a_target_that_was_away_are_all_told_once_it_is_back(scene: Scene) -> None:
    phone = ScriptedTarget("phone", at_once=4)
    phone.error = refuses()
    names = [f"d{number:03}" for number in range(100)]
    await scene.tell(*names)
    async with scene.courier(phone) as courier:
        await scene.pass_time(20)
        assert phone.taken == []
        phone.error = None
        await scene.pass_time(RETRY_LONGEST_SECONDS * 1.3, step=5)
        assert sorted(phone.told()) == names
        assert courier.delivered == 100


async def test_a_target_that_takes_every_other_word_does_not_fill_the_log(scene: Scene) -> None:
    phone = ScriptedTarget("phone", *([refuses(), None] * 30), at_once=1)
    await scene.tell(*(f"d{number}" for number in range(40)))
    with capture_logs() as logs:
        async with scene.courier(phone):
            await scene.pass_time(30)
    assert len(phone.taken) == 40
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]


async def test_a_target_that_fails_again_later_is_told_of_again(scene: Scene) -> None:
    phone = ScriptedTarget("phone", refuses(), None, refuses(), None)
    with capture_logs() as logs:
        async with scene.courier(phone):
            await scene.tell("d1")
            await scene.pass_time(TOLD_AGAIN_SECONDS)
            await scene.tell("d2")
            await scene.pass_time(5)
    assert phone.told() == ["d1", "d2"]
    assert [entry["log_level"] for entry in logs] == ["warning", "info"] * 2


async def test_a_target_that_is_for_its_user_no_more_is_not_told_of_alerts_made_before(scene: Scene) -> None:
    phone = ScriptedTarget("phone")
    await scene.tell("d1", "d2")
    courier = Courier(
        {"phone": phone}, scene.clock, scene.stored.opened, may_name=lambda username, _: username != "ann"
    )
    running = asyncio.create_task(courier.run(lambda: True))
    try:
        with capture_logs() as logs:
            await scene.pass_time(5)
    finally:
        await end(running)
    assert phone.tried == []
    assert [(entry["log_level"], entry["target"]) for entry in logs] == [("warning", "phone")]
    assert (await scene.alert()).undelivered == 0
