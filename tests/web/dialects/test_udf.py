"""/udf: what TradingView's Charting Library asks for, from a source whose past is known by rule."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from bar_source import BarProvider, closes_at, opens_at, utc_midnight
from fakes import NOW_MS
from live_server import LiveServer, live_server, until
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.errors import Reason
from stocktrack.sessions.life import SessionState
from udf_client import UdfClient, UdfError

NOW = NOW_MS // 1000  # Friday, 5 April 2024, 11:45 in New York
TODAY = date(2024, 4, 5)
DAY = 86_400


@dataclass
class Scene:
    server: LiveServer
    market: BarProvider
    clock: ManualClock
    http: httpx2.AsyncClient
    client: UdfClient

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        return await self.http.get(f"/udf{path}", **options)

    async def told(self, path: str) -> Any:
        return json.loads((await self.get(path)).text)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock(NOW_MS)
    market = BarProvider(clock)
    market.prices |= {"BTC/USD": 60_000.0, "^GSPC": 5_000.0}
    settings: dict[str, Any] = {"allowed_origins": ("https://charts.example",), "user_upstream_burst": 1_000}
    async with (
        live_server(tmp_path, market, clock=clock, web=True, **settings) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        yield Scene(server, market, clock, http, UdfClient(http, f"{server.web_url}/udf"))


async def test_the_library_asks_its_way_from_the_configuration_to_the_first_bar(scene: Scene) -> None:
    client = scene.client
    configuration = await client.ask("config")
    assert (configuration["supports_search"], configuration["supports_group_request"]) == (True, False)
    assert await client.ask("time") == NOW
    [match] = await client.ask("search", limit=30, query="APPLE", type="", exchange="")
    symbol = await client.resolve(match["ticker"])
    assert set(symbol["supported_resolutions"]) == set(configuration["supported_resolutions"])
    times, _ = await client.all_bars(symbol, "1D", NOW, 300 * DAY, 300)
    assert times == [utc_midnight(day) for day in scene.market.days(0, NOW_MS)]
    await scene.client.ask("quotes", symbols="AAPL,MSFT")


@pytest.mark.parametrize(("resolution", "step"), [("60", 5 * DAY), ("5", 2 * DAY), ("1", 2 * DAY)])
@pytest.mark.parametrize("has_count", [True, False])
async def test_steps_back_find_every_bar_that_the_source_has_and_then_end(
    scene: Scene, resolution: str, step: int, has_count: bool
) -> None:
    symbol = await scene.client.resolve("AAPL")
    times, _ = await scene.client.all_bars(symbol, resolution, NOW + 1, step, 100 if has_count else None)
    days = [datetime.fromtimestamp(time, UTC).date() for time in times]
    assert times == sorted(set(times))
    assert days[-1] == TODAY
    back = 30 if resolution == "1" else 60
    first = TODAY - timedelta(days=back)
    expected = [day for day in scene.market.days(0, NOW_MS) if day > first]
    assert sorted(set(days))[-len(expected) :] == expected


async def test_a_symbol_is_described_as_the_library_needs_it(scene: Scene) -> None:
    symbol = await scene.client.resolve("AAPL")
    assert symbol == {
        "name": "AAPL",
        "ticker": "AAPL",
        "full_name": "NasdaqGS:AAPL",
        "description": "Apple Inc.",
        "type": "stock",
        "exchange": "NasdaqGS",
        "listed_exchange": "NasdaqGS",
        "session": "0930-1600",
        "timezone": "America/New_York",
        "currency_code": "USD",
        "format": "price",
        "minmov": 1,
        "minmove2": 0,
        "pricescale": 100,
        "has_intraday": True,
        "intraday_multipliers": ["1", "2", "5", "15", "30", "60"],
        "has_daily": True,
        "has_weekly_and_monthly": True,
        "supported_resolutions": ["1", "2", "5", "15", "30", "60", "1D", "1W", "1M"],
        "volume_precision": 0,
        "data_status": "streaming",
    }
    assert (await scene.client.resolve("nasdaq:aapl"))["ticker"] == "AAPL"
    for unknown in ("NOPE", "LSE:AAPL", "A B", ":AAPL"):
        with pytest.raises(UdfError):
            await scene.client.resolve(unknown)


async def test_daily_bars_have_the_midnight_of_their_day_and_to_is_exclusive(scene: Scene) -> None:
    monday, friday = date(2024, 3, 18), date(2024, 3, 22)
    first, last = utc_midnight(monday), utc_midnight(friday)
    told = await scene.told(f"/history?symbol=AAPL&resolution=D&from={first}&to={last}")
    assert told["t"] == [first + number * DAY for number in range(4)]
    assert told["o"][0] == scene.market.price_of(monday)
    assert (told["h"][0], told["l"][0], told["c"][0], told["v"][0]) == (
        told["o"][0] + 2,
        told["o"][0] - 2,
        told["o"][0] + 1,
        1_000,
    )
    told = await scene.told(f"/history?symbol=AAPL&resolution=D&from={first + 1}&to={last + 1}")
    assert told["t"] == [first + number * DAY for number in range(1, 5)]


async def test_intraday_bars_have_their_own_time_and_the_live_one_comes_too(scene: Scene) -> None:
    told = await scene.told(f"/history?symbol=AAPL&resolution=5&from={opens_at(TODAY) // 1000}&to={NOW}")
    assert (told["t"][0], told["t"][-1]) == (opens_at(TODAY) // 1000, NOW // 300 * 300)
    earlier = opens_at(TODAY) // 1000 + 600
    told = await scene.told(f"/history?symbol=AAPL&resolution=5&from={earlier - 600}&to={earlier}")
    assert told["t"] == [earlier - 600, earlier - 300]


async def test_weeks_and_months_begin_with_their_first_day(scene: Scene) -> None:
    told = await scene.told(f"/history?symbol=AAPL&resolution=1W&to={NOW}&countback=2")
    assert told["t"] == [utc_midnight(date(2024, 3, 25)), utc_midnight(date(2024, 4, 1))]
    told = await scene.told(f"/history?symbol=AAPL&resolution=M&to={NOW}&countback=2")
    assert told["t"] == [utc_midnight(date(2024, 3, 1)), utc_midnight(date(2024, 4, 1))]


async def test_countback_goes_before_from_over_weekends_and_holidays(scene: Scene) -> None:
    tuesday = opens_at(date(2024, 4, 2)) // 1000
    told = await scene.told(f"/history?symbol=AAPL&resolution=60&from={tuesday - 3600}&to={tuesday}&countback=10")
    assert len(told["t"]) == 10
    assert datetime.fromtimestamp(told["t"][0], UTC).date() == date(2024, 3, 28)  # before Good Friday and a weekend
    told = await scene.told(f"/history?symbol=AAPL&resolution=1D&from=0&to={NOW}&countback=3")
    assert len(told["t"]) == 3


async def test_no_data_names_the_bar_before_where_there_is_one(scene: Scene) -> None:
    saturday = utc_midnight(date(2024, 3, 30))
    told = await scene.told(f"/history?symbol=AAPL&resolution=1D&from={saturday}&to={saturday + 2 * DAY}")
    assert told == {"s": "no_data", "nextTime": utc_midnight(date(2024, 3, 28))}
    told = await scene.told(f"/history?symbol=AAPL&resolution=5&from={saturday}&to={saturday + 2 * DAY}")
    assert told == {"s": "no_data", "nextTime": closes_at(date(2024, 3, 28)) // 1000 - 300}
    tomorrow = NOW + DAY
    told = await scene.told(f"/history?symbol=AAPL&resolution=1D&from={tomorrow}&to={tomorrow + DAY}")
    assert told == {"s": "no_data", "nextTime": utc_midnight(TODAY)}
    listed = utc_midnight(scene.market.listed_on)
    told = await scene.told(f"/history?symbol=AAPL&resolution=1D&from={listed - 9 * DAY}&to={listed}")
    assert told == {"s": "no_data"}


async def test_one_listed_last_week_has_its_bars_and_no_more(scene: Scene) -> None:
    scene.market.listed_on = date(2024, 3, 28)
    told = await scene.told(f"/history?symbol=AAPL&resolution=1D&from=0&to={NOW}&countback=300")
    assert [datetime.fromtimestamp(time, UTC).day for time in told["t"]] == [28, 1, 2, 3, 4, 5]


async def test_volumes_that_nobody_counts_are_left_out(scene: Scene) -> None:
    scene.market.has_volume = False
    told = await scene.told(f"/history?symbol=AAPL&resolution=1D&to={NOW}&countback=3")
    assert set(told) == {"s", "t", "o", "h", "l", "c"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/history", "'symbol' is missing"),
        ("/history?symbol=AAPL", "'resolution' is missing"),
        ("/history?symbol=AAPL&resolution=7&from=0&to=1", "no resolution '7'"),
        ("/history?symbol=AAPL&resolution=1m&from=0&to=1", "no resolution '1m'"),
        ("/history?symbol=AAPL&resolution=%3Cb%3E&from=0&to=1", "no resolution"),
        ("/history?symbol=AAPL&resolution=1D", "'from' is missing"),
        ("/history?symbol=AAPL&resolution=1D&from=9&to=5", "lies after"),
        ("/history?symbol=AAPL&resolution=1D&from=x&to=5", "no number"),
        ("/history?symbol=AAPL&resolution=1D&from=0&to=inf", "no number"),
        ("/history?symbol=AAPL&resolution=1D&to=5&countback=-1", "'countback'"),
        ("/history?symbol=A%20B&resolution=1D&from=0&to=5", "not a symbol"),
        ("/symbols", "'symbol' is missing"),
        ("/search?query=a&limit=0", "'limit'"),
        ("/search?query=a&limit=x", "no number"),
        ("/quotes", "'symbols' is missing"),
        ("/quotes?symbols=" + ",".join(f"N{number}" for number in range(1_000)), "at most 500"),
        ("/quotes?" + "&".join(f"a{number}=1" for number in range(100)), "parameters"),
    ],
)
async def test_what_cannot_be_asked_is_a_400_that_says_why_as_json(scene: Scene, path: str, words: str) -> None:
    answer = await scene.get(path)
    told = answer.json()
    assert (answer.status_code, told["s"]) == (400, "error")
    assert words in told["errmsg"]
    assert answer.headers["content-type"] == "application/json"


async def test_what_is_odd_and_can_be_asked_is_answered(scene: Scene) -> None:
    assert (await scene.told("/history?symbol=NOPE&resolution=1D&from=0&to=5"))["reason"] == "unknown_symbol"
    for odd in ("countback=0", "countback=1e9", "countback=1e99", "countback=5.9", "token=&firstDataRequest=true"):
        told = await scene.told(f"/history?symbol=AAPL&resolution=1D&from={NOW - 9 * DAY}&to={NOW}&{odd}")
        assert told["s"] == "ok", odd
    assert (await scene.told(f"/history?symbol=AAPL&resolution=1D&from=-1e12&to={NOW}"))["s"] == "ok"
    assert (await scene.told("/history?symbol=AAPL&resolution=1D&from=0&to=1e12"))["t"][-1] == utc_midnight(TODAY)
    assert (await scene.told("/history?symbol=AAPL&resolution=1&from=-9&to=-5")) == {"s": "no_data"}
    assert (await scene.told(f"/history?symbol=BTC%2FUSD&resolution=1D&to={NOW}&countback=1"))["s"] == "ok"
    assert (await scene.told("/symbols?symbol=%5EGSPC"))["type"] == "index"
    assert await scene.told("/search?query=") == []
    assert await scene.told("/search?query=apple&type=crypto") == []


async def test_quotes_come_in_the_order_asked_by_the_names_asked_for(scene: Scene) -> None:
    told = await scene.told("/quotes?symbols=NASDAQ%3AAAPL%2Cnope%2Cmsft%2CA%20B")
    assert told["s"] == "ok"
    assert [(each["s"], each["n"]) for each in told["d"]] == [
        ("ok", "NASDAQ:AAPL"),
        ("error", "nope"),
        ("ok", "msft"),
        ("error", "A B"),
    ]
    assert told["d"][1] == {"s": "error", "n": "nope", "v": {}}
    assert told["d"][0]["v"] == {
        "lp": 100.0,
        "short_name": "AAPL",
        "exchange": "NasdaqGS",
        "description": "Apple Inc.",
        "original_name": "NasdaqGS:AAPL",
        "prev_close_price": 99.0,
    }


async def test_symbols_of_several_parameters_are_as_those_of_one_and_another_that_stands_twice_is_refused(
    scene: Scene,
) -> None:
    told = await scene.told("/quotes?symbols=AAPL&symbols=msft,AAPL")
    assert [each["n"] for each in told["d"]] == ["AAPL", "msft"]
    answer = await scene.get("/history?symbol=AAPL&resolution=1D&from=0&to=5&resolution=5")
    assert (answer.status_code, answer.json()["errmsg"]) == (
        400,
        "The parameter 'resolution' stands twice in the address.",
    )


async def test_a_source_that_fails_is_an_error_that_says_when_to_try_again(scene: Scene) -> None:
    scene.market.script = "blocked"
    for path in (f"/history?symbol=AAPL&resolution=1D&to={NOW}&countback=3", "/quotes?symbols=AAPL"):
        answer = await scene.get(path)
        assert (answer.status_code, answer.json()["s"]) == (502, "error")
        assert int(answer.headers["retry-after"]) >= 1


async def test_other_paths_and_methods_are_refused_in_json(scene: Scene) -> None:
    for path in ("", "/", "/marks", "/history/AAPL", "/symbol_info?group=NYSE"):
        answer = await scene.get(path)
        assert (answer.status_code, answer.json()["s"]) == (404, "error")
    for method in ("POST", "PUT", "DELETE"):
        answer = await scene.http.request(method, "/udf/time")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert answer.json()["s"] == "error"
    head = await scene.http.head(f"/udf/history?symbol=AAPL&resolution=5&from=0&to={NOW}")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_page_of_an_allowed_site_reads_it_and_another_does_not(scene: Scene) -> None:
    allowed = await scene.get("/time", headers={"Origin": "https://charts.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://charts.example"
    assert allowed.headers["vary"] == "accept-encoding, origin"
    asking = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    asked_first = await scene.http.options("/udf/history", headers={"Origin": "https://charts.example", **asking})
    assert asked_first.status_code == 204
    assert "authorization" in asked_first.headers["access-control-allow-headers"].split(", ")
    assert "GET" in asked_first.headers["access-control-allow-methods"]
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        for method in ("GET", "OPTIONS"):
            refused = await scene.http.request(method, "/udf/quotes?symbols=AAPL", headers=headers)
            assert (refused.status_code, refused.json()["s"]) == (403, "error")
            assert "access-control-allow-origin" not in refused.headers
    assert scene.market.quote_requests == 0
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await scene.get("/time", headers=link)).status_code == 200


# --- who may ------------------------------------------------------------------------------------------------------


async def test_a_thousand_requests_of_a_guest_are_one_session_which_goes_when_none_comes(scene: Scene) -> None:
    for _ in range(4):
        await asyncio.gather(*(scene.get("/time") for _ in range(50)))
    [session] = scene.server.app.sessions
    assert (session.state, session.door, session.username) == (SessionState.GUEST, "rest", None)
    answer = await scene.get("/time")
    assert (answer.status_code, answer.json()["reason"]) == (429, "rate_limited")
    idle_seconds = 60.0
    await scene.clock.advance(idle_seconds - 1)
    assert (await scene.get("/time")).status_code == 200
    await scene.clock.advance(idle_seconds - 1)
    assert list(scene.server.app.sessions) == [session]
    await scene.clock.advance(2)
    await until(lambda: len(scene.server.app.sessions) == 0)
    assert (await scene.get("/time")).status_code == 200


async def test_a_guest_whose_source_takes_its_time_is_not_idle(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    market = BarProvider(clock)
    market.script, market.slow_seconds = "slow", 4.0
    async with (
        live_server(tmp_path, market, clock=clock, web=True, guest_idle_seconds=2.0) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        asked = asyncio.create_task(http.get("/udf/quotes?symbols=AAPL"))
        await until(lambda: market.quote_requests)
        for _ in range(8):
            await clock.advance(0.5)
        answer = await asked
        assert (answer.status_code, answer.json()["d"][0]["s"]) == (200, "ok")


async def test_guests_have_a_budget_of_requests_and_a_user_another_one(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    market = BarProvider(clock)
    settings: dict[str, Any] = {"user_upstream_burst": 3, "user_upstream_requests_per_minute": 1.0}
    async with (
        live_server(tmp_path, market, clock=clock, web=True, **settings) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        paths = [f"/udf/history?symbol={symbol}&resolution=1D&to={NOW}&countback=2" for symbol in market.prices]
        asked = [await http.get(path) for path in paths]
        codes = [answer.status_code for answer in asked]
        assert codes[:3] == [200, 200, 200]
        assert codes[-1] == 429
        assert asked[-1].json()["reason"] == "rate_limited"
        token = (await server.app.accounts.make_token("ann", 1)).text
        assert (await http.get(f"{paths[-1]}&token={token}")).status_code == 200


async def test_guests_over_the_limit_are_refused_and_users_are_not(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    settings: dict[str, Any] = {"max_guests": 2, "trusted_proxies": ("127.0.0.1",), "live_price_needs_token": "never"}
    async with (
        live_server(tmp_path, BarProvider(clock), clock=clock, web=True, **settings) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        answers = [
            await http.get("/udf/time", headers={"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(1, 4)
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 503]
        assert answers[-1].json()["reason"] == "session_limit"
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {token}"}
        assert (await http.get("/udf/time", headers=headers)).status_code == 200


@pytest.mark.parametrize("needs", ["always", "auto"])
async def test_where_a_token_is_needed_every_path_needs_one(tmp_path: Path, needs: str) -> None:
    clock = ManualClock(NOW_MS)
    settings: dict[str, Any] = {"live_price_needs_token": needs, "trusted_proxies": ("127.0.0.1",)}
    forwarded = {"X-Forwarded-For": "203.0.113.1"}
    async with (
        live_server(tmp_path, BarProvider(clock), clock=clock, web=True, **settings) as server,
        patient_http(base_url=server.web_url, headers=forwarded) as http,
    ):
        for path in ("config", "time", "symbols?symbol=AAPL", "search?query=a", "history", "quotes?symbols=AAPL"):
            answer = await http.get(f"/udf/{path}")
            assert (answer.status_code, answer.json()["reason"]) == (401, "not_authenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
        token = (await server.app.accounts.make_token("ann", 1)).text
        for url, headers in ((f"/udf/time?token={token}", {}), ("/udf/time", {"Authorization": f"Bearer {token}"})):
            assert (await http.get(url, headers=headers)).status_code == 200
        wrong = await http.get("/udf/time?token=wrong")
        assert (wrong.status_code, wrong.json()["reason"]) == (401, "bad_credentials")
        assert {session.username for session in server.app.sessions} == {"ann"}


async def test_a_mistake_of_ours_is_a_plain_500_and_no_log_line_has_the_token(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_token: str, _address: str) -> str:
        raise RuntimeError("out of order")

    monkeypatch.setattr(scene.server.app.accounts, "verify_token", fail)
    with capture_logs() as logs:
        answer = await scene.get("/time?token=a-SeCrEt-one")
    assert (answer.status_code, answer.json()["reason"]) == (500, Reason.INTERNAL_ERROR)
    [logged] = logs
    assert (logged["log_level"], logged["path"]) == ("error", "/udf/time")
    assert "SeCrEt" not in answer.text + repr(logs)
