"""The kind `webhook` over real sockets."""

import asyncio
import hashlib
import hmac
import inspect
import json
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alert_messages import NASTY, NOW_MS, message, nasty_messages
from certificates import serving, write_authority
from patience import PATIENCE_SECONDS
from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.alert_targets.webhook import WebhookTarget
from stocktrack.clock import ManualClock
from stocktrack.errors import ConfigError
from stocktrack.target_settings import WebhookSettings
from webhook_stub import WebhookStub, webhook_stub

SECRET = "s3cr3t-of-both"
# A target closes within a second; a busy machine may take a little longer.
CLOSE_SECONDS = 5.0


def target(url: str, **settings: Any) -> WebhookTarget:
    values = {"kind": "webhook", "url": url, "secret": SECRET, **settings}
    return WebhookTarget("phone", WebhookSettings.model_validate(values), ManualClock(NOW_MS))


@pytest.fixture
async def hook() -> AsyncIterator[WebhookStub]:
    async with webhook_stub(SECRET) as stub:
        yield stub


async def refusal(phone: WebhookTarget) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await phone.send(message())
    return caught.value


async def test_the_message_arrives_as_json_with_its_id_and_a_signature_of_the_bytes(hook: WebhookStub) -> None:
    phone = target(f"{hook.url}/hooks/one?key=k")
    await phone.send(message())
    await phone.close()
    [told] = hook.taken
    assert (told.method, told.path) == ("POST", "/hooks/one?key=k")
    assert told.body == message().body()
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-stocktrack-delivery"] == "d-7f3a"
    digest = hmac.new(SECRET.encode(), told.body, hashlib.sha256).hexdigest()
    assert told.headers["x-stocktrack-signature"] == f"sha256={digest}"
    assert told.is_signed
    assert (phone.name, phone.kind, phone.at_once) == ("phone", "webhook", 8)


async def test_without_a_secret_nothing_is_signed(hook: WebhookStub) -> None:
    phone = target(hook.url, secret=None)
    await phone.send(message())
    await phone.close()
    assert "x-stocktrack-signature" not in hook.taken[0].headers


async def test_a_double_is_the_same_to_the_byte(hook: WebhookStub) -> None:
    phone = target(hook.url)
    hook.cut()
    await refusal(phone)
    await phone.send(message())
    await phone.close()
    first, second = hook.asked
    assert (first.body, first.headers) == (second.body, second.headers)


async def test_connections_are_used_again(hook: WebhookStub) -> None:
    phone = target(hook.url)
    for _ in range(5):
        await phone.send(message())
    assert hook.connections == 1
    await phone.close()
    await hook.until(lambda: hook.open == 0)


async def test_eight_are_sent_at_once(hook: WebhookStub) -> None:
    release = asyncio.Event()
    for _ in range(8):
        hook.wait_for(release)
    phone = target(hook.url)
    tasks = [asyncio.create_task(phone.send(message(id=f"d-{number}"))) for number in range(8)]
    await hook.until(lambda: len(hook.asked) == 8)
    release.set()
    await asyncio.gather(*tasks)
    await phone.close()


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (500, "The target phone answered 500."),
        (503, "The target phone answered 503."),
        (404, "The target phone answered 404."),
        (302, "The target phone answered 302, which leads elsewhere and is not followed."),
        (307, "The target phone answered 307, which leads elsewhere and is not followed."),
        (304, "The target phone answered 304."),
    ],
)
async def test_what_is_no_success_is_an_error_and_no_redirect_is_followed(
    hook: WebhookStub, status: int, says: str
) -> None:
    async with webhook_stub() as elsewhere:
        hook.answer(status, {"Location": elsewhere.url, "Set-Cookie": "a=b"}, b"s3cr3t words")
        phone = target(hook.url)
        error = await refusal(phone)
        await phone.send(message())
        await phone.close()
    assert (error.message, error.retry_after_seconds) == (says, None)
    assert elsewhere.asked == []
    assert "cookie" not in hook.asked[-1].headers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_status_of_success_is_one(hook: WebhookStub, status: int) -> None:
    hook.answer(status)
    phone = target(hook.url)
    await phone.send(message())
    await phone.close()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0),
        ("Fri, 05 Apr 2024 15:46:00 GMT", 60.0),
        ("99999", 3_600.0),
        ("Sat, 06 Apr 2030 15:46:00 GMT", 3_600.0),
        ("0", None),
        ("-5", None),
        ("Fri, 05 Apr 2024 15:44:00 GMT", None),
        ("soon", None),
        ("1" * 400, None),
        ("", None),
    ],
)
async def test_when_to_try_again_is_passed_on_up_to_an_hour(
    hook: WebhookStub, told: str, seconds: float | None
) -> None:
    hook.answer(429, {"Retry-After": told})
    phone = target(hook.url)
    error = await refusal(phone)
    await phone.close()
    assert (error.message, error.retry_after_seconds) == ("The target phone answered 429.", seconds)


@pytest.mark.parametrize("how", ["hang", "trickle"])
async def test_the_time_limit_is_for_the_whole_exchange(hook: WebhookStub, how: str) -> None:
    (hook.hang if how == "hang" else hook.trickle)()
    phone = target(hook.url, timeout_seconds=0.2)
    assert (await refusal(phone)).message == "The target phone did not answer within 0.2 s."
    await hook.until(lambda: hook.open == 0)
    await phone.send(message())
    await phone.close()


@pytest.mark.parametrize("how", ["trickle_body", "flood"])
async def test_a_status_of_success_counts_however_the_body_goes_on(hook: WebhookStub, how: str) -> None:
    (hook.trickle_body if how == "trickle_body" else hook.flood)()
    phone = target(hook.url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await phone.send(message())
    await hook.until(lambda: hook.open == 0)
    await phone.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200",
        b"\x00\xff" * 1_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_garbage_is_an_error_in_words(hook: WebhookStub, said: bytes) -> None:
    hook.garbage(said)
    phone = target(hook.url)
    error = await refusal(phone)
    await phone.close()
    assert error.message in {
        "The target phone cannot be reached, or broke the connection off.",
        "The target phone answered what is no HTTP.",
        "The target phone broke the connection off.",
    }


async def test_a_port_where_nothing_listens_is_an_error_and_no_address_is_told() -> None:
    async with webhook_stub() as gone:
        url = gone.url
    phone = target(f"{url}/s3cr3t")
    assert (await refusal(phone)).message == "The target phone cannot be reached: its port refuses connections."
    await phone.close()


async def test_a_host_that_there_is_not_is_said() -> None:
    phone = target("http://nobody.invalid/s3cr3t")
    error = await refusal(phone)
    await phone.close()
    assert "no name server" in error.message
    assert "invalid" not in error.message


async def test_whoever_is_cancelled_in_the_middle_leaves_nothing_open(hook: WebhookStub) -> None:
    hook.hang()
    phone = target(hook.url)
    sending = asyncio.create_task(phone.send(message()))
    await hook.until(lambda: len(hook.asked) == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await hook.until(lambda: hook.open == 0)
    assert not [task for task in asyncio.all_tasks() if "target" in task.get_name()]
    await phone.send(message())
    await phone.close()


async def test_closing_breaks_off_what_is_under_way(hook: WebhookStub) -> None:
    hook.hang(times=3)
    phone = target(hook.url)
    sending = [asyncio.create_task(phone.send(message())) for _ in range(3)]
    await hook.until(lambda: len(hook.asked) == 3)
    async with asyncio.timeout(CLOSE_SECONDS):
        await phone.close()
    said = await asyncio.gather(*sending, return_exceptions=True)
    assert {str(error) for error in said} == {"The target phone was not told: the server is closing."}
    await hook.until(lambda: hook.open == 0)
    assert (await refusal(phone)).message.endswith("the server is closing.")


async def test_a_certificate_is_held_against_whom_this_machine_trusts(tmp_path: Path) -> None:
    async with webhook_stub(SECRET, tls=serving(tmp_path)) as hook:
        stranger = target(hook.url)
        assert (await refusal(stranger)).message.startswith("The target phone shows a certificate that is not valid")
        await stranger.close()
        friend = target(hook.url, ca_file=write_authority(tmp_path))
        await friend.send(message())
        await friend.close()
        assert [told.is_signed for told in hook.taken] == [True]


def test_certificates_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("hello", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"alert_targets\.phone\.ca_file = '.*none\.pem': holds no certificate"):
        target("https://127.0.0.1", ca_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match="No such file"):
        target("https://127.0.0.1", ca_file=tmp_path / "nowhere.pem")


async def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(
    hook: WebhookStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with webhook_stub() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        far = target("http://hooks.example.com/x")
        await far.send(message())
        await far.close()
        near = target(hook.url)
        await near.send(message())
        await near.close()
    assert [told.path for told in proxy.taken] == ["http://hooks.example.com/x"]
    assert len(hook.taken) == 1


def test_a_proxy_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "nonsense://s3cr3t")
    monkeypatch.setenv("http_proxy", "nonsense://s3cr3t")
    with pytest.raises(ConfigError, match=r"alert_targets\.phone\.url: no client for it can be made") as caught:
        target("http://hooks.example.com/x")
    assert "s3cr3t" not in str(caught.value)


# --- a user cannot make the server call an address --------------------------------------------------------------------


@pytest.mark.parametrize("nasty", nasty_messages(), ids=range(len(NASTY)))
async def test_no_text_of_a_user_gets_out_of_the_body(hook: WebhookStub, nasty: AlertMessage) -> None:
    phone = target(f"{hook.url}/{{symbol}}/%7Bmessage%7D")
    await phone.send(message())
    await phone.send(nasty)
    await phone.close()
    plain, told = hook.taken
    assert told.path == plain.path
    changing = {"x-stocktrack-signature", "content-length"}
    assert {n: v for n, v in told.headers.items() if n not in changing} == {
        n: v for n, v in plain.headers.items() if n not in changing
    }
    assert told.is_signed
    assert set(told.json) <= set(plain.json)


async def test_neither_the_log_nor_an_error_tells_an_address_or_a_secret(
    hook: WebhookStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    phone = target(f"{hook.url}/s3cr3t-path", timeout_seconds=0.2)
    hook.answer(500, {"X-Echo": "s3cr3t-path"}, b"s3cr3t-path")
    hook.hang()
    hook.cut()
    hook.garbage(b"s3cr3t-path")
    said = [str(await refusal(phone)) for _ in range(4)]
    await phone.close()
    assert "s3cr3t" not in "".join(said)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("stocktrack")]
    assert "s3cr3t" not in "".join(ours)


# --- the stand-in as a process of its own -----------------------------------------------------------------------------


async def test_the_stand_in_keeps_what_it_takes_in_a_file(tmp_path: Path) -> None:
    program = Path(inspect.getfile(WebhookStub))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), str(tmp_path / "taken"), "--secret", SECRET, "--fail-every", "3"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            port = int(await process.stdout.readline())
        phone = target(f"http://127.0.0.1:{port}")
        await phone.send(message(id="d-1"))
        await phone.send(message(id="d-2"))
        assert (await refusal(phone)).message == "The target phone answered 503."
        await phone.send(message(id="d-3"))
        await phone.close()
    finally:
        process.kill()
        await process.wait()
    lines = [json.loads(line) for line in (tmp_path / "taken").read_text(encoding="utf-8").splitlines()]
    assert [(line["id"], line["delivery"], line["signed"]) for line in lines] == [
        (each, each, True) for each in ("d-1", "d-2", "d-3")
    ]
