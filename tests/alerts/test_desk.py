"""Who may name which target, and how often one is tried."""

import pytest

from alert_market import NOW_MS
from alert_outbox import ScriptedTarget, refuses
from fakes import MemoryAlerts
from stocktrack.alert_targets.base import TargetError
from stocktrack.alerting import AlertWhen
from stocktrack.alerts.desk import TESTS_A_MINUTE, AlertDesk
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, Reason
from stocktrack.storage.alerts import NewAlert


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.targets = {name: ScriptedTarget(name) for name in ("phone", "anns", "mail")}
        self.changes = 0
        self.desk = AlertDesk(
            MemoryAlerts(),
            self.clock,
            targets=self.targets,
            may_name=lambda username, name: name != "anns" or username == "ann",
            max_alerts=5,
            on_change=self._note,
        )

    def _note(self) -> None:
        self.changes += 1


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_user_sees_and_names_only_the_targets_that_are_for_everybody_or_for_this_one(scene: Scene) -> None:
    assert scene.desk.targets_of("ann") == ["phone", "anns", "mail"]
    assert scene.desk.targets_of("bob") == ["phone", "mail"]
    scene.desk.check_targets("ann", ("mail", "anns"))
    with pytest.raises(CommandError, match=r"There is no target 'anns'; there are: phone, mail\.") as refused:
        scene.desk.check_targets("bob", ("phone", "anns"))
    assert refused.value.reason is Reason.INVALID_COMMAND
    with pytest.raises(CommandError, match=r"no target 'https://evil\.example/'"):
        scene.desk.check_targets("ann", ("https://evil.example/",))


def test_without_targets_the_answer_says_so(scene: Scene) -> None:
    scene.targets.clear()
    scene.desk.check_targets("ann", ())
    with pytest.raises(CommandError, match="the operator has defined none for you"):
        scene.desk.check_targets("ann", ("phone",))


async def test_a_change_is_told_to_who_judges_and_one_that_failed_is_not(scene: Scene) -> None:
    made = await scene.desk.add("ann", NewAlert("AAPL", AlertWhen.ABOVE, 200.0))
    assert scene.changes == 1
    with pytest.raises(CommandError, match=r"You have no alert a7\.") as refused:
        await scene.desk.remove("ann", 7)
    assert (refused.value.reason, scene.changes) == (Reason.UNKNOWN_ALERT, 1)
    await scene.desk.remove("ann", made.id)
    assert scene.changes == 2


async def test_a_test_says_what_it_is_and_names_no_alert(scene: Scene) -> None:
    await scene.desk.test("ann", "anns")
    [message] = scene.targets["anns"].taken
    assert (message.alert, message.symbol, message.price, message.timestamp) == (None, None, None, NOW_MS)
    assert message.message == "This is a test of StockTrack's alerts, which ann asked for."
    await scene.desk.test("ann", "anns")
    assert len({each.id for each in scene.targets["anns"].taken}) == 2


async def test_a_target_that_may_not_be_named_is_not_tried(scene: Scene) -> None:
    with pytest.raises(CommandError):
        await scene.desk.test("bob", "anns")
    assert scene.targets["anns"].tried == []


async def test_targets_are_tried_so_often_a_minute_by_each_user_also_those_that_refuse(scene: Scene) -> None:
    scene.targets["phone"].error = refuses()
    for _ in range(TESTS_A_MINUTE):
        with pytest.raises(TargetError, match="refuses"):
            await scene.desk.test("ann", "phone")
        scene.clock.stand_still(5)
    with pytest.raises(CommandError) as refused:
        await scene.desk.test("ann", "mail")
    assert (refused.value.reason, refused.value.retry_after_ms) == (Reason.RATE_LIMITED, 30_000)
    await scene.desk.test("bob", "mail")
    scene.clock.stand_still(29.9)
    with pytest.raises(CommandError):
        await scene.desk.test("ann", "mail")
    scene.clock.stand_still(0.2)
    await scene.desk.test("ann", "mail")
    with pytest.raises(CommandError):
        await scene.desk.test("ann", "mail")


async def test_who_tried_a_target_long_ago_is_not_remembered(scene: Scene) -> None:
    for number in range(300):
        await scene.desk.test(f"user{number}", "phone")
        scene.clock.stand_still(1)
    assert len(scene.desk._tested_at) <= 61
