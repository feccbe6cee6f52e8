"""Lines of the protocol as server-sent events, without a socket."""

import json

import pytest

from stocktrack.errors import Code, Reason
from stocktrack.messages import Heartbeat, Notice
from stocktrack.web.event_text import HEARTBEAT_EVENT, OVER, events_of, first_events
from stocktrack.wire.lines import encode_line


def price(symbol: str, seq: int) -> bytes:
    return json.dumps({"type": "PRICE", "symbol": symbol, "seq": seq}, separators=(",", ":")).encode() + b"\n"


def notice(reason: Reason, retry_after_ms: int | None = None) -> bytes:
    return encode_line(
        Notice(code=reason.code, reason=reason, message="It is so.\nReally.", retry_after_ms=retry_after_ms)
    )


def test_a_push_is_one_unnamed_event_a_price_with_its_line_as_data() -> None:
    lines = price("AAPL", 41) + price("NSE:INFY", 7)
    assert events_of(lines, "b7c1") == (
        b'id: b7c1:41:AAPL\ndata: {"type":"PRICE","symbol":"AAPL","seq":41}\n\n'
        b'id: b7c1:7:NSE:INFY\ndata: {"type":"PRICE","symbol":"NSE:INFY","seq":7}\n\n'
    )


def test_a_push_is_made_once_for_all_clients_of_an_instance_and_a_long_one_reads_the_same() -> None:
    lines = b"".join(price(f"S{number}", 1) for number in range(100))
    assert events_of(lines, "b7c1") is events_of(bytes(bytearray(lines)), "b7c1")
    assert events_of(lines, "0000").startswith(b"id: 0000:1:S0\n")
    many = lines * 100
    assert events_of(many, "b7c1") == events_of(lines, "b7c1") * 100


def test_a_heartbeat_is_a_comment_and_what_others_say_is_nothing() -> None:
    assert events_of(encode_line(Heartbeat(timestamp=1)), "b7c1") == HEARTBEAT_EVENT
    assert events_of(b'{"type":"SAID","text":"What a day!"}\n', "b7c1") == b""
    assert events_of(b"", "b7c1") == b""


def test_a_notice_is_a_named_event_on_one_line_and_keeps_the_last_id() -> None:
    told = events_of(notice(Reason.PROVIDER_BLOCKED, 30_000), "b7c1", spread_ms=5)
    assert told.startswith(b'event: notice\ndata: {"type":"NOTICE","code":500,')
    assert told.endswith(b"\n\n")
    assert told.count(b"\n") == 3


def test_a_shutdown_says_when_to_come_back_and_each_stream_a_little_later_than_the_other() -> None:
    assert events_of(notice(Reason.SHUTDOWN, 1_000), "b7c1", spread_ms=250).startswith(b"retry: 1250\nevent: notice\n")


@pytest.mark.parametrize("reason", [Reason.NOT_PERMITTED, Reason.NOT_AUTHENTICATED])
def test_an_end_for_good_is_marked_by_the_id_that_the_browser_comes_back_with(reason: Reason) -> None:
    assert reason.code is Code.UNAUTHORIZED
    assert events_of(notice(reason), "b7c1").startswith(f"id: {OVER}\nevent: notice\n".encode())


def test_a_first_price_that_the_client_had_last_is_left_out_and_no_other() -> None:
    lines = price("AAPL", 41) + price("TSLA", 41)
    for last_id in ("", "b7c1:40:AAPL", "0000:41:AAPL", "b7c1:41:AAP", "nonsense", "é\udcff"):
        assert first_events(lines, "b7c1", last_id) == events_of(lines, "b7c1")
    assert first_events(lines, "b7c1", "b7c1:41:AAPL") == events_of(price("TSLA", 41), "b7c1")
