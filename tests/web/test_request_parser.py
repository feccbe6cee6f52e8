"""Requests out of bytes, however those are cut, and what is too much of anything."""

from http import HTTPStatus

import pytest

from stocktrack.web.request_parser import (
    MAX_CHUNK_OVERHEAD_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    BadRequest,
    End,
    Head,
    RequestParser,
)

MAX_BODY = 32_768
GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

Item = Head | bytes | End


def items_of(parser: RequestParser) -> list[Item]:
    items: list[Item] = []
    while (item := parser.next()) is not None:
        items.append(item)
    return items


def parsed(data: bytes, *, step: int = 16_384) -> list[Item]:
    """What `data` is, where it comes in pieces of `step` bytes."""
    parser = RequestParser(max_body_bytes=MAX_BODY)
    items: list[Item] = []
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
        items += items_of(parser)
    return items


def summary(items: list[Item]) -> list[tuple[str, bytes, bytes]]:
    """Each request's method, target and body."""
    requests: list[tuple[str, bytes, bytes]] = []
    head: Head | None = None
    body = b""
    for item in items:
        if isinstance(item, Head):
            head, body = item, b""
        elif isinstance(item, bytes):
            body += item
        else:
            assert head is not None
            requests.append((head.method, head.target, body))
    return requests


def refused(data: bytes, *, step: int = 16_384) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parsed(data, step=step)
    return caught.value


def test_a_head_is_given_with_its_headers_in_lower_case() -> None:
    [head, end] = parsed(GET)
    assert isinstance(head, Head)
    assert (head.method, head.target, head.version, head.is_kept_alive) == ("GET", b"/a?b=c", "1.1", True)
    assert (head.headers, head.upgrade, head.raw) == ([(b"host", b"x")], None, GET)
    assert end is End.END


@pytest.mark.parametrize(
    ("head", "is_kept_alive"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", True),
    ],
)
def test_whether_the_connection_stays_is_as_the_client_says(head: bytes, is_kept_alive: bool) -> None:
    item = parsed(head)[0]
    assert isinstance(item, Head)
    assert item.is_kept_alive is is_kept_alive


REQUESTS = (
    GET
    + b"\r\n\r\nPOST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    + CHUNKED
    + b"3;ext=1\r\nabc\r\n8\r\n\r\n\r\n\r\n\r\n\r\n0\r\nTrailer: t\r\n\r\n"
    + b"HEAD /2 HTTP/1.1\r\n\r\n"
)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 16_384])
def test_requests_are_the_same_however_their_bytes_are_cut(step: int) -> None:
    assert summary(parsed(REQUESTS, step=step)) == [
        ("GET", b"/a?b=c", b""),
        ("POST", b"/1", b"abc"),
        ("POST", b"/", b"abc\r\n\r\n\r\n\r\n"),
        ("HEAD", b"/2", b""),
    ]


def test_of_what_is_pipelined_only_one_request_is_parsed_at_a_time() -> None:
    parser = RequestParser(max_body_bytes=MAX_BODY)
    parser.feed(GET * 3)
    assert isinstance(parser.next(), Head)
    assert parser.next() is End.END
    assert parser.rest() == GET * 2
    assert parser.is_empty


def test_chunks_of_one_piece_come_as_one() -> None:
    items = parsed(CHUNKED + b"1\r\nx\r\n" * 1_000 + b"0\r\n\r\n")
    assert [item if isinstance(item, bytes) else type(item) for item in items] == [Head, b"x" * 1_000, End]


def test_trailers_are_read_over_as_many_as_a_head_may_have() -> None:
    trailers = b"a: b\r\n" * MAX_HEADERS
    assert summary(parsed(CHUNKED + b"1\r\nx\r\n0\r\n" + trailers + b"\r\n" + GET)) == [
        ("POST", b"/", b"x"),
        ("GET", b"/a?b=c", b""),
    ]


@pytest.mark.parametrize("step", [7, 16_384])
def test_too_many_trailers_are_refused_before_they_end(step: int) -> None:
    bad = refused(CHUNKED + b"0\r\n" + b"a: b\r\n" * (MAX_HEADERS + 2), step=step)
    assert bad.status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    assert "trailers" in bad.why


def test_too_many_headers_are_refused() -> None:
    bad = refused(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n")
    assert (bad.status, "headers" in bad.why) == (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, True)
    assert summary(parsed(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * MAX_HEADERS + b"\r\n")) == [("GET", b"/", b"")]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nX: " + b"y" * MAX_HEAD_BYTES,
        b"GET /" + b"y" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_a_head_that_is_too_long_is_refused(data: bytes) -> None:
    assert refused(data).status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.parametrize(
    "data",
    [
        CHUNKED + b"1;" + b"e" * (2 * MAX_CHUNK_OVERHEAD_BYTES),
        CHUNKED + b"1;a=b\r\nx\r\n" * MAX_CHUNK_OVERHEAD_BYTES,
        CHUNKED + b"0\r\nt: " + b"y" * (2 * MAX_CHUNK_OVERHEAD_BYTES),
        CHUNKED + b"8010\r\n" + b"x" * 0x8010,
        b"POST / HTTP/1.1\r\nContent-Length: 32769\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
    ],
    ids=["an extension", "extensions", "a trailer", "chunks", "a length", "a huge length"],
)
def test_a_body_that_is_too_large_or_has_too_much_around_it_is_refused(data: bytes) -> None:
    assert refused(data).status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE}


def test_the_longest_body_is_taken_in_chunks_and_in_one() -> None:
    body = b"x" * MAX_BODY
    in_one = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (MAX_BODY, body)
    assert summary(parsed(in_one)) == [("POST", b"/", body)]
    assert summary(parsed(CHUNKED + b"8000\r\n" + body + b"\r\n0\r\n\r\n")) == [("POST", b"/", body)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b'{"type":"PING"}\n\r\n\r\n',
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        CHUNKED + b"x\r\n\r\n",
    ],
)
def test_what_is_no_request_is_a_400(data: bytes) -> None:
    assert refused(data).status is HTTPStatus.BAD_REQUEST


def test_empty_lines_before_a_request_are_read_over_and_kept_nowhere() -> None:
    parser = RequestParser(max_body_bytes=MAX_BODY)
    parser.feed(b"\r\n" * 8_000)
    assert parser.next() is None
    assert parser.is_empty
    parser.feed(b"\r")
    assert parser.next() is None
    parser.feed(b"\n" + GET)
    assert isinstance(parser.next(), Head)


def test_an_upgrade_leaves_what_follows_to_the_other_protocol() -> None:
    parser = RequestParser(max_body_bytes=MAX_BODY)
    parser.feed(b"GET /ws HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n\x81\x80")
    head = parser.next()
    assert isinstance(head, Head)
    assert (head.upgrade, parser.rest()) == (b"websocket", b"\x81\x80")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /api HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\nX: " + b"x" * 70_000, id="too long"),
        pytest.param(
            b"GET /api HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"Host: a\r\norigin:https://b \r\n\r\n", id="too many"
        ),
        pytest.param(b"GET /api HTTP/1.1\r\nBad Name: x\r\nHost: a\r\nOrigin: https://b\r\n\r\n", id="no header"),
        pytest.param(b"FETCH /api HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n\r\n", id="no method"),
        pytest.param(
            b"POST /api HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\nContent-Length: 99999\r\n\r\n", id="a long body"
        ),
    ],
)
def test_of_what_cannot_be_taken_it_is_known_whose_page_asked_for_which_path(head: bytes) -> None:
    parser = RequestParser(max_body_bytes=1_000)
    parser.feed(head)
    with pytest.raises(BadRequest):
        items_of(parser)
    assert parser.target == b"/api"
    assert {(b"host", b"a"), (b"origin", b"https://b")} <= set(parser.headers)


def test_what_was_asked_before_says_nothing_of_the_next_request() -> None:
    parser = RequestParser(max_body_bytes=1_000)
    parser.feed(b"GET /api HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n\r\n")
    head = parser.next()
    assert parser.next() is End.END
    assert isinstance(head, Head)
    assert (len(head.headers), parser.headers) == (2, [])
