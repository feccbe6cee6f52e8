"""HTTP for sources, over a real socket: limits, redirects, what an error says, and when requests begin."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from pacing import comes
from stocktrack.clock import ManualClock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.http import WINDOW_SECONDS, JsonHttp, NoJson, Pace, retry_after_ms
from stocktrack.system.addresses import is_this_machine

NOW_MS = 1_712_331_900_000  # Fri, 05 Apr 2024 15:45:00 GMT
SECRET = "s3cr3tk3y"


class Vendor:
    """A web server that answers by the path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.cookies: list[str] = []
        self.over = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What the path says."""
        self.asked.append(request.path)
        self.cookies.append(request.headers.get("Cookie", ""))
        match request.path:
            case "/json":
                return web.json_response({"fine": True}, headers={"Set-Cookie": "a=b"})
            case "/away":
                raise web.HTTPFound(f"{self.url}/json")
            case "/drips":
                response = web.StreamResponse()
                await response.prepare(request)
                with contextlib.suppress(ConnectionError):
                    while not await comes(self.over.wait(), 0.01):
                        await response.write(b" ")
                return response
            case _:
                return web.Response(text="<html>hello</html>", content_type="text/html")


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    application = web.Application()
    application.router.add_get("/{path:.*}", vendor.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield vendor
    vendor.over.set()
    await runner.cleanup()


@pytest.fixture
async def new(vendor: Vendor) -> AsyncIterator[Callable[[float], JsonHttp]]:
    made: list[JsonHttp] = []

    def new(timeout_seconds: float = 10.0) -> JsonHttp:
        pace, headers = Pace(0.0), {"X-Key": SECRET}
        made.append(JsonHttp("Acme", vendor.url, timeout_seconds=timeout_seconds, pace=pace, headers=headers))
        return made[-1]

    yield new
    for http in made:
        await http.close()


async def test_a_cookie_is_not_kept(vendor: Vendor, new: Callable[..., JsonHttp]) -> None:
    http = new()
    for _ in range(2):
        async with http.asked("GET", "/json") as answer:
            assert await answer.json() == {"fine": True}
    assert vendor.cookies == ["", ""]


async def test_a_redirect_is_an_answer_and_takes_the_key_nowhere(vendor: Vendor, new: Callable[..., JsonHttp]) -> None:
    async with new().asked("GET", "/away") as answer:
        assert answer.status == 302
    assert vendor.asked == ["/away"]


async def test_a_page_for_people_is_no_json(new: Callable[..., JsonHttp]) -> None:
    with pytest.raises(NoJson, match="Acme's answer is no JSON"):
        async with new().asked("GET", "/page") as answer:
            await answer.json()


async def test_a_body_that_drips_in_has_no_more_time_than_any_other(new: Callable[..., JsonHttp]) -> None:
    with pytest.raises(ProviderError, match=r"Acme did not answer within 0\.2 seconds") as caught:
        async with new(0.2).asked("GET", "/drips") as answer:
            await answer.json()
    assert caught.value.reason is Reason.PROVIDER_TIMEOUT


async def test_a_client_that_was_closed_says_so(new: Callable[..., JsonHttp]) -> None:
    http = new()
    await http.close()
    with pytest.raises(ProviderError, match="closing"):
        async with http.asked("GET", "/json"):
            pass


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "nonsense://x", "http://["])
async def test_what_is_on_this_machine_is_asked_past_the_proxy(
    vendor: Vendor, new: Callable[..., JsonHttp], monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, proxy)
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    async with new().asked("GET", "/json") as answer:
        assert answer.status == 200


def test_a_proxy_that_cannot_be_used_is_a_provider_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"nonsense://ann:{SECRET}@proxy")
    with pytest.raises(ProviderError, match="client for Acme cannot be made") as caught:
        JsonHttp("Acme", "https://acme.example", timeout_seconds=1, pace=Pace(0.0))
    assert SECRET not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("told", "wait_ms"),
    [
        ("7", 7_000),
        (7, 7_000),
        (0.5, 500),
        ("3600", 3_600_000),
        ("3601", None),
        ("0", None),
        ("-5", None),
        ("99999999999999999999", None),
        ("\u0667", None),
        (True, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        (None, None),
        ([7], None),
        ("soon", None),
        ("", None),
        ("Fri, 05 Apr 2024 15:45:30 GMT", 30_000),
        ("Fri, 05 Apr 2024 15:44:30 GMT", None),
        ("Sat, 05 Apr 9999 15:44:30 GMT", None),
        ("Fri, 99 Apr 2024 15:45:30 GMT", None),
    ],
)
def test_a_wait_is_taken_where_it_can_be_meant(told: object, wait_ms: int | None) -> None:
    assert retry_after_ms(told, NOW_MS) == wait_ms


async def test_requests_begin_a_little_apart_and_are_counted_for_a_minute() -> None:
    clock = ManualClock()
    pace = Pace(0.5, clock)
    turns = [asyncio.create_task(pace.turn()) for _ in range(3)]
    await clock.advance(0.0)
    assert [turn.done() for turn in turns] == [True, False, False]
    await clock.advance(0.5)
    assert [turn.done() for turn in turns] == [True, True, False]
    await clock.advance(0.5)
    assert turns[2].done()
    assert pace.lately() == 3
    await clock.advance(WINDOW_SECONDS - 1)
    assert pace.lately() == 2
    await clock.advance(2)
    assert pace.lately() == 0


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_names_of_this_machine(name: str) -> None:
    assert is_this_machine(name)


@pytest.mark.parametrize("name", ["", "localhost.example", "10.0.0.1", "example.com"])
def test_names_of_others(name: str) -> None:
    assert not is_this_machine(name)
