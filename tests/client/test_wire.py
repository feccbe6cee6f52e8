import json
import logging

import pytest

from scripted_server import NOW_MS, a_hello, a_price
from stocktrack.client.errors import BadRequest, NotStockTrack
from stocktrack.client.wire import (
    MAX_LINE_BYTES_BEFORE_HELLO,
    Answer,
    Incoming,
    ServerLines,
    UnreadableReply,
    command_of,
)
from stocktrack.errors import Reason
from stocktrack.messages import Hello, News, Notice, PingReply, Price, Subscribe
from stocktrack.wire.lines import encode_line

HELLO = encode_line(a_hello())
PING = PingReply(id=1, timestamp=NOW_MS)


def greeted(hello: bytes = HELLO) -> ServerLines:
    lines = ServerLines("the server")
    assert [type(message) for message in lines.receive(hello)] == [Hello]
    return lines


def test_messages_come_out_the_same_however_the_bytes_are_cut() -> None:
    notice = Notice(code=Reason.ANNOUNCEMENT.code, reason=Reason.ANNOUNCEMENT, message="Ünïcode — 株")
    wire = HELLO + encode_line(a_price()) + encode_line(PING).replace(b"\n", b"\r\n") + b"\r\n\n" + encode_line(notice)
    expected: list[Incoming] = [a_hello(), a_price(), Answer(PING, encode_line(PING).rstrip()), notice]
    for step in (1, 2, 7, 100, len(wire)):
        lines = ServerLines("the server")
        heard = [message for at in range(0, len(wire), step) for message in lines.receive(wire[at : at + step])]
        assert heard == expected, step


def test_a_message_is_only_read_when_its_line_is_complete() -> None:
    lines = greeted()
    line = encode_line(a_price())
    assert list(lines.receive(line[:-1])) == []
    assert list(lines.receive(line[-1:])) == [a_price()]


def test_a_price_with_its_fields_in_another_order_is_the_same_price() -> None:
    fields = json.loads(encode_line(a_price()))
    line = json.dumps(dict(reversed(fields.items())), indent=None).encode() + b"\n"
    assert not line.startswith(b'{"type"')
    assert list(greeted().receive(line)) == [a_price()]


def test_fields_and_types_that_a_later_server_adds_are_passed_over() -> None:
    price = {**json.loads(encode_line(a_price())), "mood": "hopeful"}
    lines = json.dumps({"type": "WEATHER", "code": 100}).encode() + b"\n" + json.dumps(price).encode() + b"\n"
    assert list(greeted().receive(lines)) == [a_price()]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"189"', "null"])
def test_a_price_that_is_no_number_is_never_handed_out(value: str, caplog: pytest.LogCaptureFixture) -> None:
    line = encode_line(a_price()).replace(b'"price":189.45', f'"price":{value}'.encode())
    messages = list(greeted().receive(line + encode_line(PING)))
    assert [message for message in messages if isinstance(message, Price) and not message.price > 0] == []
    assert messages[-1] == Answer(PING, encode_line(PING).rstrip())
    assert caplog.records or value == '"189"'


def test_a_message_in_an_unknown_shape_is_told_once_and_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    odd = b'{"type":"NOTICE","code":100,"reason":"solar_eclipse","message":"\\u001b[31m\xe2\x80\xaedark"}\n'
    with caplog.at_level(logging.WARNING):
        assert list(greeted().receive(odd + odd + encode_line(a_price()))) == [a_price()]
    assert len(caplog.records) == 1
    assert "\x1b" not in caplog.text
    assert "\u202e" not in caplog.text


def test_a_reply_in_an_unknown_shape_keeps_its_id_for_the_caller_who_waits() -> None:
    assert list(greeted().receive(b'{"type":"GET","id":7,"code":200}\n')) == [UnreadableReply(7)]


@pytest.mark.parametrize(
    "line", [b"garbage", b"\xff\xfe\x00", b"[1,2]", b'"PRICE"', b"{}", b'{"type":7}', b"[" * 10_000, b"9" * 5_000]
)
def test_a_line_that_is_no_message_ends_it(line: bytes) -> None:
    with pytest.raises(NotStockTrack, match="not of the protocol"):
        list(greeted().receive(line + b"\n"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"HTTP/1.1 400 Bad Request\r", "web server"),
        (b"SSH-2.0-OpenSSH_9.2\r", "'SSH-2.0-OpenSSH_9.2' instead of a HELLO"),
        (b"220 mail.example.com \x1b[31mESMTP", "instead of a HELLO"),
        (b"\x16\x03\x01\x00\xee\x01", "instead of a HELLO"),
        (b"[" * 10_000, "instead of a HELLO"),
        (b'{"type":"WELCOME"}', "instead of a HELLO"),
        (b"[]", "instead of a HELLO"),
        (encode_line(PING).rstrip(), "instead of a HELLO"),
        (HELLO.replace(b'"protocol":1', b'"protocol":2').rstrip(), "speaks version 2 of the protocol, this client"),
        (b'{"type":"HELLO"}', "speaks version None"),
        (b'{"type":"HELLO","protocol":1}', "not a StockTrack server of this version"),
    ],
)
def test_a_first_line_that_is_no_hello_is_not_stocktrack(line: bytes, complaint: str) -> None:
    with pytest.raises(NotStockTrack, match="the server .*" + complaint) as caught:
        list(ServerLines("the server").receive(line + b"\n"))
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 300


def test_a_notice_may_stand_in_the_place_of_the_hello_to_refuse_a_session() -> None:
    notice = Notice(code=Reason.SESSION_LIMIT.code, reason=Reason.SESSION_LIMIT, message="The server is full.")
    assert list(ServerLines("the server").receive(encode_line(notice))) == [notice]


@pytest.mark.parametrize("chunk_bytes", [1_000, 65_536, 10_000_000])
def test_a_line_without_end_is_not_kept_whole(chunk_bytes: int) -> None:
    lines = ServerLines("the server")
    for _ in range(MAX_LINE_BYTES_BEFORE_HELLO // chunk_bytes):
        assert list(lines.receive(b"x" * chunk_bytes)) == []
    with pytest.raises(NotStockTrack, match="line of more than 1048576 bytes"):
        list(lines.receive(b"x" * chunk_bytes))


def test_after_the_hello_its_own_limit_holds_and_a_line_of_just_that_length_passes() -> None:
    line = encode_line(PING).rstrip()
    hello = encode_line(a_hello(max_reply_bytes=200))
    fitting = line + b" " * (200 - len(line)) + b"\n"
    assert list(greeted(hello).receive(fitting)) == [Answer(PING, line)]
    for cut in (10, len(fitting) + 1):
        lines = greeted(hello)
        longer = b" " + fitting
        with pytest.raises(NotStockTrack, match="line of more than 200 bytes"):
            list(lines.receive(longer[:cut])) + list(lines.receive(longer[cut:]))


def test_a_server_that_promises_endless_lines_is_not_believed() -> None:
    lines = greeted(encode_line(a_hello(max_reply_bytes=10**15)))
    for _ in range(16):
        assert list(lines.receive(b"x" * 1_000_000)) == []
    with pytest.raises(NotStockTrack, match="line of more than 16777216 bytes"):
        list(lines.receive(b"x" * 1_000_000))


def test_a_command_is_checked_before_it_is_sent() -> None:
    assert command_of("NEWS", limit=3) == News(limit=3)
    assert command_of("SUBSCRIBE", symbols=None, interval=0.0) == Subscribe(interval=0.0)
    with pytest.raises(BadRequest, match="not a symbol"):
        command_of("GET", symbols=["A$B"])
