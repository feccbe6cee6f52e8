"""The kind `ntfy`, held against what https://docs.ntfy.sh/publish/#publish-as-json describes."""

import base64
from typing import Any

import pytest

from alert_messages import NASTY, NOW_MS, message, nasty_messages
from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.alert_targets.ntfy import NtfyTarget, server_and_topic
from stocktrack.clock import ManualClock
from stocktrack.target_settings import NtfySettings
from webhook_stub import webhook_stub


def target(url: str, **settings: Any) -> NtfyTarget:
    values = {"kind": "ntfy", "url": url, **settings}
    return NtfyTarget("phone", NtfySettings.model_validate(values), ManualClock(NOW_MS))


async def test_a_note_is_published_as_json_to_the_root_of_the_server() -> None:
    async with webhook_stub() as ntfy:
        phone = target(f"{ntfy.url}/my-topic", priority=4)
        await phone.send(message())
        await phone.close()
    [told] = ntfy.taken
    assert (told.method, told.path) == ("POST", "/")
    assert told.json == {
        "topic": "my-topic",
        "title": "StockTrack: AAPL",
        "message": "AAPL 200.12 USD rose above 200.",
        "tags": ["chart_with_upwards_trend"],
        "priority": 4,
        "sequence_id": "d-7f3a",
    }
    assert "authorization" not in told.headers
    assert (phone.name, phone.kind, phone.at_once) == ("phone", "ntfy", 8)


@pytest.mark.parametrize(
    ("settings", "authorization"),
    [
        ({"token": "tk_123"}, "Bearer tk_123"),
        (
            {"username": "ann", "password": "pä:ss"},
            "Basic " + base64.b64encode("ann:pä:ss".encode()).decode(),
        ),
    ],
)
async def test_a_login_stands_in_its_header(settings: dict[str, str], authorization: str) -> None:
    async with webhook_stub() as ntfy:
        phone = target(f"{ntfy.url}/t", **settings)
        await phone.send(message())
        await phone.close()
    assert ntfy.taken[0].headers["authorization"] == authorization
    assert "priority" not in ntfy.taken[0].json


@pytest.mark.parametrize(
    ("url", "root", "topic"),
    [
        ("https://ntfy.sh/topic", "https://ntfy.sh/", "topic"),
        ("https://ntfy.sh/topic/", "https://ntfy.sh/", "topic"),
        ("http://home.example:8080/ntfy/a_b-C", "http://home.example:8080/ntfy/", "a_b-C"),
        ("http://[::1]:8080/%74opic", "http://[::1]:8080/", "topic"),
    ],
)
def test_the_topic_is_the_last_part_of_the_path(url: str, root: str, topic: str) -> None:
    assert server_and_topic(url) == (root, topic)


async def test_a_limit_of_the_server_is_passed_on() -> None:
    async with webhook_stub() as ntfy:
        ntfy.answer(429, {"Retry-After": "30"}, b'{"code":42901,"error":"limit reached: s3cr3t"}')
        phone = target(f"{ntfy.url}/t")
        with pytest.raises(TargetError, match=r"^The target phone answered 429\.$") as caught:
            await phone.send(message())
        await phone.close()
    assert caught.value.retry_after_seconds == 30


@pytest.mark.parametrize("nasty", nasty_messages(), ids=range(len(NASTY)))
async def test_no_text_of_a_user_names_another_topic_or_asks_for_more(nasty: AlertMessage) -> None:
    async with webhook_stub() as ntfy:
        phone = target(f"{ntfy.url}/t")
        await phone.send(nasty)
        await phone.close()
    [told] = ntfy.taken
    assert told.path == "/"
    assert told.json["topic"] == "t"
    assert set(told.json) == {"topic", "title", "message", "tags", "sequence_id"}
    assert set(told.headers) == {
        *("host", "user-agent", "accept", "accept-encoding", "connection", "content-type", "content-length")
    }
