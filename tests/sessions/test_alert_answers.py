"""What the commands of alerts answer, above a real database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alert_outbox import FaultyAlerts, ScriptedTarget, refuses
from fakes import NOW_MS, PASSWORD, RULES, USER, Client, House, ScriptedProvider, a_house, code_and_reason, soon
from stocktrack.clock import settle
from stocktrack.errors import Reason
from stocktrack.scopes import Scope
from stocktrack.sessions.contracts import SessionRules
from stocktrack.storage.alerts import StoredAlert
from stores import add, opened

OTHER = "ann"
ABOVE: dict[str, Any] = {"symbol": "AAPL", "when": "above", "value": 200}


class Scene:
    def __init__(self, house: House, stored: FaultyAlerts, phone: ScriptedTarget, client: Client) -> None:
        self.house, self.stored, self.phone, self.client = house, stored, phone, client

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        return await self.client.command(kind, **fields)

    async def kept(self, username: str = USER) -> list[StoredAlert]:
        return [*await self.stored.of_user(username)]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    phone, anns = ScriptedTarget(), ScriptedTarget("anns")
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, USER, OTHER)
        stored = FaultyAlerts(store)
        async with a_house(
            lambda clock: (ScriptedProvider(clock),),
            rules=replace(RULES, max_line_bytes=4_096),
            alerts_in=stored,
            targets=(phone, anns),
            users_of={"anns": (OTHER,)},
            max_alerts=40,
        ) as house:
            house.accounts.passwords[OTHER] = PASSWORD
            yield Scene(house, stored, phone, await house.user())


# --- ALERT -----------------------------------------------------------------------------------------------------------


async def test_an_alert_is_on_the_disk_before_it_is_answered_and_answered_as_it_is(scene: Scene) -> None:
    reply = await scene.ask(
        "ALERT",
        id=21,
        symbol="aapl",
        when="percent_within",
        value=-5,
        minutes=15,
        repeat="every",
        cooldown_seconds=60,
        quiet_hours="22:00-07:00",
        timezone="Europe/Berlin",
        targets=["phone", "phone"],
    )
    assert (reply["type"], reply["id"], reply["code"]) == ("ALERT", 21, 200)
    [kept] = await scene.kept()
    assert reply["alert"] == {
        "alert": f"a{kept.id}",
        "symbol": "AAPL",
        "when": "percent_within",
        "value": -5.0,
        "minutes": 15,
        "repeat": "every",
        "cooldown_seconds": 60,
        "quiet_hours": "22:00-07:00",
        "timezone": "Europe/Berlin",
        "targets": ["phone"],
        "state": "armed",
        "created_at": NOW_MS,
        "fired_count": 0,
    }
    assert kept.wanted.targets == ("phone",)


async def test_an_unknown_symbol_is_refused_and_nothing_is_kept(scene: Scene) -> None:
    reply = await scene.ask("ALERT", **ABOVE | {"symbol": "NOPE"})
    assert code_and_reason(reply) == (404, "unknown_symbol")
    assert await scene.kept() == []


@pytest.mark.parametrize("script", ["fail", "blocked", "hang"])
async def test_while_the_source_is_away_an_alert_is_taken_without_a_price_before(scene: Scene, script: Any) -> None:
    scene.house.provider.script = script
    asking = await soon(scene.ask("ALERT", **ABOVE))
    await scene.house.clock.advance(60)
    assert (await asking)["code"] == 200
    [kept] = await scene.kept()
    assert kept.wanted.price_before is None


async def test_the_price_before_is_the_one_on_the_board_and_never_a_stale_one(scene: Scene) -> None:
    await scene.ask("ALERT", **ABOVE)
    scene.house.board.mark_stale(["AAPL"], Reason.PROVIDER_TIMEOUT)
    await scene.ask("ALERT", **ABOVE)
    assert [alert.wanted.price_before for alert in await scene.kept()] == [100.0, None]


async def test_a_target_is_a_name_that_the_operator_defined_for_this_user(scene: Scene) -> None:
    for target in ("nope", "anns"):
        reply = await scene.ask("ALERT", **ABOVE, targets=["phone", target])
        assert code_and_reason(reply) == (400, "invalid_command")
        assert reply["message"].startswith(f"There is no target '{target}'; there are: phone")
    assert scene.house.provider.batches == []
    assert await scene.kept() == []
    other = await scene.house.user(OTHER)
    assert (await other.command("ALERT", **ABOVE, targets=["anns"]))["code"] == 200


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1/", "https://evil.example/", "../phone", "phone ", "mailto:a@b.c", "@phone", ""]
)
async def test_nobody_names_an_address(scene: Scene, address: str) -> None:
    for reply in (
        await scene.ask("ALERT", **ABOVE, targets=[address]),
        await scene.ask("TEST_ALERT", target=address),
    ):
        assert code_and_reason(reply) == (400, "invalid_command")
    assert (scene.phone.tried, await scene.kept()) == ([], [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": "sideways"},
        {"value": 0},
        {"value": -1},
        {"value": "200"},
        {"value": True},
        {"value": 1e16},
        {"minutes": 5},
        {"when": "percent_within"},
        {"when": "percent_within", "minutes": 0},
        {"when": "percent_from_close", "value": 0},
        {"when": "percent_from_close", "value": -100},
        {"repeat": "often"},
        {"cooldown_seconds": 60},
        {"repeat": "every", "cooldown_seconds": 0},
        {"quiet_hours": "22-7"},
        {"quiet_hours": "24:00-07:00"},
        {"quiet_hours": "07:00-07:00"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"targets": "phone"},
        {"targets": ["phone"] * 100},
        {"symbol": "A B"},
        {"webhook": "http://127.0.0.1/"},
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_kept(scene: Scene, wrong: dict[str, Any]) -> None:
    assert code_and_reason(await scene.ask("ALERT", **ABOVE | wrong)) == (400, "invalid_command")
    assert await scene.kept() == []


async def test_nobody_has_more_alerts_than_the_setting_allows(scene: Scene) -> None:
    for _ in range(40):
        assert (await scene.ask("ALERT", **ABOVE))["code"] == 200
    reply = await scene.ask("ALERT", **ABOVE)
    assert code_and_reason(reply) == (400, "invalid_command")
    assert "40 alerts, the most allowed" in reply["message"]


async def test_an_alert_at_the_limit_is_replaced_by_another_and_one_that_is_refused_replaces_none(scene: Scene) -> None:
    for _ in range(40):
        await scene.ask("ALERT", **ABOVE)
    reply = await scene.ask("ALERT", **ABOVE | {"value": 210, "replaces": "a7"})
    assert (reply["code"], reply["alert"]["alert"]) == (200, "a41")
    kept = await scene.kept()
    assert len(kept) == 40
    assert 7 not in [each.id for each in kept]
    assert code_and_reason(await scene.ask("ALERT", **ABOVE | {"replaces": "a7"})) == (404, "unknown_alert")
    assert code_and_reason(await scene.ask("ALERT", **ABOVE | {"replaces": 8})) == (400, "invalid_command")
    assert code_and_reason(await scene.ask("ALERT", **ABOVE | {"symbol": "NOPE", "replaces": "a8"})) == (
        404,
        "unknown_symbol",
    )
    assert await scene.kept() == kept


async def test_a_login_that_ends_while_the_source_is_asked_makes_no_alert(scene: Scene) -> None:
    scene.house.provider.script = "slow"
    asking = await soon(scene.ask("ALERT", **ABOVE))
    scene.house.accounts.password_epochs[USER] += 1
    await scene.house.clock.advance(30)
    assert await asking == {}
    assert not scene.client.is_open()
    assert await scene.kept() == []


async def test_a_database_that_fails_is_a_500_and_makes_no_alert(scene: Scene) -> None:
    scene.stored.faults.is_failing = True
    for kind, fields in (("ALERT", ABOVE), ("MY_ALERTS", {}), ("UNALERT", {"alert": "a1"})):
        assert code_and_reason(await scene.ask(kind, **fields)) == (500, "storage_error")
    scene.stored.faults.is_failing = False
    assert await scene.kept() == []


# --- MY_ALERTS -------------------------------------------------------------------------------------------------------


async def test_alerts_are_listed_in_pages_that_fit_a_line_in_the_order_in_which_they_were_made(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionRules, "max_reply_bytes", property(lambda _: 4_096))
    for number in range(30):
        await scene.ask("ALERT", **ABOVE | {"symbol": f"S{number % 15}", "quiet_hours": "22:00-07:00"})
    seen: list[str] = []
    pages = 0
    fields: dict[str, Any] = {}
    while True:
        reply = await scene.ask("MY_ALERTS", **fields)
        seen += [each["alert"] for each in reply["alerts"]]
        pages += 1
        if not reply.get("more"):
            break
        fields = {"after": seen[-1]}
    assert seen == [f"a{alert.id}" for alert in await scene.kept()]
    assert pages > 1
    of_one = await scene.ask("MY_ALERTS", symbol="s3")
    assert [each["symbol"] for each in of_one["alerts"]] == ["S3", "S3"]
    assert "more" not in of_one


async def test_a_list_names_the_targets_of_this_user_and_no_alert_of_another(scene: Scene) -> None:
    await scene.ask("ALERT", **ABOVE)
    other = await scene.house.user(OTHER)
    reply = await other.command("MY_ALERTS", id=1)
    assert (reply["alerts"], reply["targets"], reply["id"]) == ([], ["phone", "anns"], 1)
    assert (await scene.ask("MY_ALERTS"))["targets"] == ["phone"]


@pytest.mark.parametrize("after", ["a2147483648", "a999999999999999999"])
async def test_after_a_number_that_no_alert_has_there_is_nothing(scene: Scene, after: str) -> None:
    await scene.ask("ALERT", **ABOVE)
    reply = await scene.ask("MY_ALERTS", after=after)
    assert (reply["code"], reply["alerts"]) == (200, [])


# --- UNALERT ---------------------------------------------------------------------------------------------------------


async def test_an_alert_is_taken_out_once_and_by_its_owner(scene: Scene) -> None:
    name = (await scene.ask("ALERT", **ABOVE))["alert"]["alert"]
    other = await scene.house.user(OTHER)
    assert code_and_reason(await other.command("UNALERT", alert=name)) == (404, "unknown_alert")
    reply = await scene.ask("UNALERT", id=7, alert=name)
    assert (reply["code"], reply["id"], reply["alert"], reply["symbol"]) == (200, 7, name, "AAPL")
    again = await scene.ask("UNALERT", alert=name)
    assert code_and_reason(again) == (404, "unknown_alert")
    assert again["message"] == f"You have no alert {name}."


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a2147483648", (404, "unknown_alert")),
        ("a999999999999999999", (404, "unknown_alert")),
        ("a99999999999999999999", (400, "invalid_command")),
        ("a" + "9" * 3_000, (400, "invalid_command")),
        ("a0", (400, "invalid_command")),
        ("a01", (400, "invalid_command")),
        ("a-1", (400, "invalid_command")),
        ("a1\n", (400, "invalid_command")),
        ("a\u0661", (400, "invalid_command")),
        ("7", (400, "invalid_command")),
        (7, (400, "invalid_command")),
    ],
)
async def test_what_names_no_alert_is_refused(scene: Scene, name: Any, expected: tuple[int, str]) -> None:
    assert code_and_reason(await scene.ask("UNALERT", alert=name)) == expected


# --- TEST_ALERT ------------------------------------------------------------------------------------------------------


async def test_a_target_is_tried_and_the_answer_says_whether_it_took_the_message(scene: Scene) -> None:
    reply = await scene.ask("TEST_ALERT", id=3, target="phone")
    assert (reply["code"], reply["id"], reply["target"], reply["delivered"]) == (200, 3, "phone", True)
    assert [message.username for message in scene.phone.taken] == [USER]
    scene.phone.error = refuses()
    reply = await scene.ask("TEST_ALERT", target="phone")
    assert (reply["code"], reply["delivered"], reply["message"]) == (200, False, "The target phone refuses.")
    assert code_and_reason(await scene.ask("TEST_ALERT", target="anns")) == (400, "invalid_command")


async def test_a_target_is_tried_so_often_a_minute(scene: Scene) -> None:
    replies = [await scene.ask("TEST_ALERT", target="phone") for _ in range(7)]
    assert [reply["code"] for reply in replies] == [200] * 6 + [429]
    assert (replies[-1]["reason"], replies[-1]["retry_after_ms"]) == ("rate_limited", 60_000)


async def test_a_target_that_hangs_keeps_no_other_session_waiting(scene: Scene) -> None:
    answers = asyncio.Event()
    scene.phone.script = [answers]
    asking = await soon(scene.ask("TEST_ALERT", target="phone"))
    other = await scene.house.user(OTHER)
    assert (await other.command("MY_ALERTS"))["code"] == 200
    assert not asking.done()
    answers.set()
    assert (await asking)["delivered"] is True


# --- who may ---------------------------------------------------------------------------------------------------------


async def test_a_token_that_only_reads_lists_alerts_and_changes_none(scene: Scene) -> None:
    await scene.ask("ALERT", **ABOVE)
    token = await scene.house.accounts.make_token(USER, 1, scope=Scope.READ)
    reader = scene.house.client()
    assert (await reader.command("AUTH", token=token.text))["code"] == 200
    assert len((await reader.command("MY_ALERTS"))["alerts"]) == 1
    for kind, fields in (("ALERT", ABOVE), ("UNALERT", {"alert": "a1"}), ("TEST_ALERT", {"target": "phone"})):
        assert code_and_reason(await reader.command(kind, **fields)) == (401, "not_permitted")
    assert len(await scene.kept()) == 1
    assert scene.phone.tried == []


@pytest.mark.parametrize("is_guest", [False, True])
async def test_without_a_login_there_are_no_alerts(scene: Scene, is_guest: bool) -> None:
    client = scene.house.client()
    if is_guest:
        assert client.session.welcome_guest() is None
    await settle()
    for kind, fields in (
        ("ALERT", ABOVE),
        ("MY_ALERTS", {}),
        ("UNALERT", {"alert": "a1"}),
        ("TEST_ALERT", {"target": "phone"}),
    ):
        assert code_and_reason(await client.command(kind, **fields)) == (401, "not_authenticated")
    assert scene.phone.tried == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"minutes": 0}, "the field 'minutes' must be a whole number from 1 to 1440."),
        ({"minutes": 1.5}, "the field 'minutes' must be a whole number from 1 to 1440."),
        ({"value": 1e16}, "the field 'value' must be a number from -1000000000000000 to 1000000000000000."),
        ({"value": "5"}, "the field 'value' must be a number."),
    ],
)
async def test_a_number_that_is_out_of_its_range_is_told_the_range(
    scene: Scene, wrong: dict[str, Any], sentence: str
) -> None:
    reply = await scene.ask("ALERT", **ABOVE | {"when": "percent_within", "minutes": 5} | wrong)
    assert code_and_reason(reply) == (400, "invalid_command")
    assert reply["message"].endswith(sentence)
