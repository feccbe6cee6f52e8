"""Answers by gzip: who gets them, with which headers, and that nobody waits for a long one."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2
import pytest

from fakes import ScriptedProvider
from live_server import PASSWORD, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.doors.turns import TURNS_AT_ONCE, turns
from stocktrack.web.accept import accepts_gzip
from stocktrack.web.asgi import Headers, Message, Receive, Scope, Send
from stocktrack.web.compression import MIN_BYTES, compressing, gzip_in_turns

API = "/api/v1"
LONG = b'{"quotes":[' + b",".join(b'{"symbol":"S%d","price":%d.5}' % (number, number) for number in range(500)) + b"]}"
JSON_TYPE = (b"content-type", b"application/json")
TAG = (b"etag", b'"abc"')


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([], False),
        ([""], False),
        (["gzip"], True),
        (["GZIP, deflate, br"], True),
        (["x-gzip"], True),
        (["deflate", "gzip;q=0.5"], True),
        (["*"], True),
        (["*;q=0"], False),
        (["gzip;q=0"], False),
        (["gzip; q=0.0, *"], False),
        (["gzip;q=0.000"], False),
        (["gzip;q=0.001"], True),
        (["br"], False),
        (["identity"], False),
        (["gzip;q=0.5, identity"], False),
        (["gzip, identity;q=0.5"], True),
        (["gzipped"], False),
    ],
)
def test_who_wants_gzip(headers: Sequence[str], wanted: bool) -> None:
    assert accepts_gzip(headers) is wanted


async def answered(
    body: bytes | Sequence[bytes] = LONG,
    *,
    status: int = 200,
    headers: Headers | None = None,
    method: str = "GET",
    encoding: bytes = b"gzip",
    known: bytes | None = None,
) -> tuple[dict[bytes, bytes], bytes, bytes | None]:
    """The headers and the body of an answer, and the If-None-Match that the application saw."""
    seen: list[bytes | None] = []
    sent: list[Message] = []
    own = list(headers if headers is not None else [JSON_TYPE, TAG])
    pieces = [body] if isinstance(body, bytes) else list(body)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"]).get(b"if-none-match"))
        length = [(b"content-length", str(len(body)).encode())] if isinstance(body, bytes) and status == 200 else []
        await send({"type": "http.response.start", "status": status, "headers": [*own, *length]})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    request: Headers = [(b"accept-encoding", encoding), *([] if known is None else [(b"if-none-match", known)])]
    await compressing(app, {"type": "http", "method": method, "headers": request}, receive, send)
    start, *rest = sent
    assert [piece.get("more_body", False) for piece in rest] == [True] * (len(rest) - 1) + [False]
    return dict(start["headers"]), b"".join(piece["body"] for piece in rest), seen[0]


async def test_a_long_answer_is_compressed_and_says_so() -> None:
    headers, body, _ = await answered()
    assert gzip.decompress(body) == LONG
    assert headers[b"content-encoding"] == b"gzip"
    assert int(headers[b"content-length"]) == len(body) < len(LONG) / 4
    assert headers[b"etag"] == b'"abc-gzip"'
    assert headers[b"vary"] == b"accept-encoding"


async def test_an_answer_in_pieces_is_compressed_as_it_comes() -> None:
    headers, body, _ = await answered([LONG, LONG, b"", LONG])
    assert gzip.decompress(body) == LONG * 3
    assert b"content-length" not in headers


@pytest.mark.parametrize(
    ("headers", "method", "encoding", "body"),
    [
        ([JSON_TYPE], "GET", b"gzip;q=0", LONG),
        ([JSON_TYPE], "POST", b"gzip", LONG),
        ([JSON_TYPE], "GET", b"gzip", LONG[: MIN_BYTES - 1]),
        ([(b"content-type", b"image/png")], "GET", b"gzip", LONG),
        ([(b"content-type", b"text/event-stream; charset=utf-8")], "GET", b"gzip", LONG),
        ([JSON_TYPE, (b"content-encoding", b"br")], "GET", b"gzip", LONG),
        ([JSON_TYPE, (b"cache-control", b"no-store, no-transform")], "GET", b"gzip", LONG),
    ],
)
async def test_what_is_left_as_it_is(headers: Headers, method: str, encoding: bytes, body: bytes) -> None:
    told, sent, _ = await answered(body, headers=[*headers, TAG], method=method, encoding=encoding)
    assert (sent, told[b"etag"]) == (body, b'"abc"')
    assert told.get(b"content-encoding") in {None, b"br"}


async def test_the_answer_to_a_head_has_the_same_headers_with_and_without_its_body() -> None:
    whole, _, _ = await answered()
    assert (await answered(method="HEAD"))[0] == whole
    told, body, _ = await answered([b"", b""], method="HEAD")
    assert (body, told[b"content-encoding"], told[b"etag"]) == (b"", b"gzip", b'"abc-gzip"')
    assert b"content-length" not in told


async def test_who_has_the_compressed_form_is_told_that_it_is_still_right() -> None:
    headers, _, seen = await answered(b"", status=304, headers=[TAG], known=b'"abc-gzip"')
    assert (seen, headers[b"etag"]) == (b'"abc"', b'"abc-gzip"')
    assert headers[b"vary"] == b"accept-encoding"
    headers, _, seen = await answered(b"", status=304, headers=[TAG], known=b'"abc"')
    assert (seen, headers[b"etag"]) == (b'"abc"', b'"abc"')
    _, _, seen = await answered(known=b'"abc-gzip"', encoding=b"identity")
    assert seen == b'"abc-gzip"'  # what it has is not what it asks for


async def test_others_have_their_turn_while_something_long_is_compressed() -> None:
    rounds = 0
    content = bytes(range(256)) * 4_000  # a megabyte

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    try:
        await turns().turn()
        packed = await gzip_in_turns(content)
        before_streaming = rounds
        _, body, _ = await answered(content, headers=[JSON_TYPE])
    finally:
        running.cancel()
    assert zlib.decompress(packed, 31) == content
    assert gzip.decompress(body) == content
    assert before_streaming >= len(content) / 16_384 / TURNS_AT_ONCE
    assert rounds - before_streaming >= len(content) / 16_384 / TURNS_AT_ONCE


# --- over a real connection -----------------------------------------------------------------------------------------


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    market.prices.update({f"S{number}": 1.0 + number for number in range(60)})
    async with (
        live_server(tmp_path, market, clock=clock, web=True, user_upstream_burst=1_000) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        login = await http.post(f"{API}/login", json={"username": "ann", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {login.json()['token']}"
        yield http


async def raw(http: httpx2.AsyncClient, path: str, encoding: str) -> tuple[httpx2.Response, bytes]:
    """An answer, and its bytes as they came."""
    async with http.stream("GET", path, headers={"Accept-Encoding": encoding}) as answer:
        return answer, b"".join([piece async for piece in answer.aiter_raw()])


@pytest.mark.parametrize(
    "path",
    [
        f"{API}/quotes?symbols=" + ",".join(f"S{number}" for number in range(60)),
        *("/page/main.js", "/page/styles/base.css", "/openapi.json", "/docs", "/docs.css", "/metrics"),
    ],
)
async def test_both_forms_are_the_same_and_each_has_its_own_tag(http: httpx2.AsyncClient, path: str) -> None:
    plain, as_it_is = await raw(http, path, "identity")
    packed, compressed = await raw(http, path, "gzip")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    if path != "/metrics":
        assert gzip.decompress(compressed) == as_it_is
    assert len(compressed) < len(as_it_is) / 2
    assert int(packed.headers["content-length"]) == len(compressed)
    for answer in (plain, packed):
        assert "accept-encoding" in answer.headers["vary"].split(", ")
    if "etag" in plain.headers:
        tags = {"identity": plain.headers["etag"], "gzip": packed.headers["etag"]}
        assert len(set(tags.values())) == 2
        for encoding, tag in tags.items():
            again = await http.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": tag})
            assert (again.status_code, again.headers["etag"], again.content) == (304, tag, b"")
        other = await http.get(path, headers={"Accept-Encoding": "identity", "If-None-Match": tags["gzip"]})
        assert other.status_code == 200


async def test_a_picture_and_what_is_short_stay_as_they_are(http: httpx2.AsyncClient) -> None:
    for path in (f"{API}/quotes?symbols=S1", f"{API}/nothing", "/healthz"):
        answer, body = await raw(http, path, "gzip")
        assert "content-encoding" not in answer.headers
        assert json.loads(body)
