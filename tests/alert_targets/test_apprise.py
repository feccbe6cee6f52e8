"""The kind `apprise` with the real library, whose `json://` posts to a stand-in on this machine."""

import asyncio
import logging
import threading
from typing import Any

import pytest

from alert_messages import NASTY, message, nasty_messages, no_threads_left
from patience import PATIENCE_SECONDS
from stocktrack.alert_targets.apprise import AppriseTarget
from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.errors import ConfigError
from stocktrack.system.logs import set_log_level
from stocktrack.target_settings import AppriseSettings
from webhook_stub import WebhookStub, webhook_stub

THREADS = "Apprise to many"
# A target closes within a second; a busy machine may take a little longer.
CLOSE_SECONDS = 5.0


def target(*urls: str, **settings: Any) -> AppriseTarget:
    return AppriseTarget("many", AppriseSettings.model_validate({"kind": "apprise", "urls": urls, **settings}))


def json_url(hook: WebhookStub, path: str = "") -> str:
    return f"json://127.0.0.1:{hook.port}/{path}"


async def closed(many: AppriseTarget) -> None:
    async with asyncio.timeout(CLOSE_SECONDS):
        await many.close()
    await no_threads_left(THREADS)


async def refusal(many: AppriseTarget) -> str:
    with pytest.raises(TargetError) as caught:
        await many.send(message())
    return caught.value.message


async def test_each_of_the_addresses_is_told() -> None:
    async with webhook_stub() as hook:
        many = target(json_url(hook, "one"), json_url(hook, "two?+X-Key=k"))
        await many.send(message())
        await closed(many)
    assert [told.path for told in hook.taken] == ["/one", "/two"]
    assert {(told.json["title"], told.json["message"]) for told in hook.taken} == {
        ("StockTrack: AAPL", "AAPL 200.12 USD rose above 200.")
    }
    assert hook.taken[1].headers["x-key"] == "k"
    assert (many.name, many.kind, many.at_once) == ("many", "apprise", 2)
    # Threads of Apprise's own would be waited for at exit.
    assert not [thread for thread in threading.enumerate() if "apprise" in thread.name and not thread.daemon]


async def test_a_second_try_tells_only_those_that_missed_the_first() -> None:
    async with webhook_stub() as hook:
        hook.answer(500)
        many = target(json_url(hook, "one"), json_url(hook, "two"))
        assert await refusal(many) == "The target many was not told: 1 of its 2 addresses did not take it."
        await many.send(message())
        await many.send(message(id="d-next"))
        await closed(many)
    assert [told.path for told in hook.taken] == ["/two", "/one", "/one", "/two"]


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_a_refusal_is_an_error_and_no_redirect_is_followed(status: int) -> None:
    async with webhook_stub() as hook, webhook_stub() as elsewhere:
        hook.answer(status, {"Location": elsewhere.url})
        many = target(json_url(hook))
        assert await refusal(many) == "The target many was not told: its address did not take it."
        await closed(many)
    assert elsewhere.asked == []


async def test_the_time_limit_frees_the_caller_and_soon_the_thread() -> None:
    async with webhook_stub() as hook:
        hook.hang(times=3)
        many = target(json_url(hook), timeout_seconds=0.5)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await refusal(many) == "The target many did not answer within 0.5 s."
        await closed(many)


@pytest.mark.parametrize("said", [b"", b"nonsense", b"HTTP/1.1 abc\r\n\r\n"])
async def test_garbage_and_silence_are_errors(said: bytes) -> None:
    async with webhook_stub() as hook:
        for _ in range(3):
            hook.garbage(said)
        many = target(json_url(hook))
        assert await refusal(many) == "The target many was not told: its address did not take it."
        await closed(many)
        nobody = json_url(hook)
    many = target(nobody)
    assert await refusal(many) == "The target many was not told: its address did not take it."
    await closed(many)


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_whatever_breaks_it_off_leaves_nothing_for_long(how: str) -> None:
    async with webhook_stub() as hook:
        hook.hang(times=3)
        many = target(json_url(hook), timeout_seconds=2)
        sending = asyncio.create_task(many.send(message()))
        await hook.until(lambda: len(hook.asked) == 1)
        if how == "cancelled":
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        await closed(many)
        if how == "closed":
            with pytest.raises(TargetError, match="closing"):
                await sending
        await hook.until(lambda: hook.open == 0)


@pytest.mark.parametrize("nasty", nasty_messages(), ids=range(len(NASTY)))
async def test_no_text_of_a_user_reaches_an_address_or_a_header(nasty: AlertMessage) -> None:
    async with webhook_stub() as hook:
        many = target(json_url(hook, "one"))
        await many.send(message())
        await many.send(nasty)
        await closed(many)
    plain, told = hook.taken
    assert told.path == plain.path
    changing = {"content-length"}
    assert {n: v for n, v in told.headers.items() if n not in changing} == {
        n: v for n, v in plain.headers.items() if n not in changing
    }
    assert told.json["message"] == nasty.text
    assert told.json["attachments"] == []


@pytest.mark.parametrize("url", ["nonsense://s3cr3t", "tgram://s3cr3t", "json://:::"])
def test_an_address_that_apprise_cannot_use_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^alert_targets\.many\.urls: Apprise cannot use number 2 of them") as caught:
        target("json://127.0.0.1", url)
    assert "s3cr3t" not in str(caught.value)


async def test_the_libraries_do_not_write_addresses_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    levels = {name: logging.getLogger(name).level for name in ("", "apprise", "urllib3", "yfinance")}
    try:
        set_log_level("debug")
        async with webhook_stub() as hook:
            hook.answer(500, {}, b"s3cr3t")
            many = target(json_url(hook, "s3cr3t"))
            await refusal(many)
            await closed(many)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert "s3cr3t" not in caplog.text
