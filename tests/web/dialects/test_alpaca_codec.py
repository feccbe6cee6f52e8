import json
import struct
from typing import Any

import msgpack
import pytest

from stocktrack.errors import Reason
from stocktrack.web.dialects.alpaca_codec import JSON, Both, Codec, msgpack_codec
from stocktrack.wire.lines import BadLine

CODECS = [pytest.param(lambda: JSON, id="json"), pytest.param(msgpack_codec, id="msgpack")]
NOW_MS = 1_712_331_900_250


def read(codec: Codec, frame: bytes) -> Any:
    return msgpack.unpackb(frame) if codec.is_binary else json.loads(frame)


@pytest.mark.parametrize("made", CODECS)
@pytest.mark.parametrize("count", [1, 15, 16, 70_000])
def test_a_frame_is_an_array_of_all_messages_of_its_pieces(made: Any, count: int) -> None:
    codec: Codec = made()
    one, both = codec.encode({"T": "t"}), codec.encode({"T": "t"}, {"T": "q"})
    assert (type(one), type(both)) == (bytes, Both)
    told = read(codec, codec.frame([one, both, *[one] * (count - 1)]))
    assert [each["T"] for each in told] == ["t", "t", "q", *["t"] * (count - 1)]


def test_a_time_is_rfc_3339_in_json_and_the_extension_in_msgpack() -> None:
    assert JSON.moment(NOW_MS) == "2024-04-05T15:45:00.250Z"
    assert JSON.moment(NOW_MS - 250) == "2024-04-05T15:45:00.000Z"
    codec = msgpack_codec()
    [told] = msgpack.unpackb(codec.frame([codec.encode({"t": codec.moment(NOW_MS)})]))
    assert told["t"] == msgpack.Timestamp(1_712_331_900, 250_000_000)
    assert told["t"].to_datetime().isoformat() == "2024-04-05T15:45:00.250000+00:00"


@pytest.mark.parametrize("made", CODECS)
def test_an_object_is_read_as_it_was_sent(made: Any) -> None:
    codec: Codec = made()
    sent = {"action": "subscribe", "trades": ["AAPL", "Ä"]}
    message = msgpack.packb(sent) if codec.is_binary else json.dumps(sent).encode()
    assert codec.decode(message) == sent


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\xc1", id="no such type"),
        pytest.param(b"\x82\xa1a\xa1b", id="cut off"),
        pytest.param(msgpack.packb({}) + msgpack.packb({}), id="two values"),
        pytest.param(b"\x82\xa1a\xa1b\xa1a\xa1c", id="a name twice"),
        pytest.param(msgpack.packb({1: "a"}), id="a number as name"),
        pytest.param(msgpack.packb({b"a": "a"}), id="bytes as name"),
        pytest.param(b"\x81\x90\xa1a", id="an array as name"),
        pytest.param(b"\x81\xc0\xa1a", id="nothing as name"),
        pytest.param(msgpack.packb({"a": msgpack.Timestamp(1)}), id="a time"),
        pytest.param(msgpack.packb({"a": msgpack.ExtType(5, b"x")}), id="an extension"),
        pytest.param(msgpack.packb({"a": msgpack.ExtType(5, b"")}), id="an empty extension"),
        pytest.param(b"\x81\xa1a" + nested(3_000), id="deep"),
        pytest.param(nested(30_000), id="very deep"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="an array of four thousand million"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="an object of four thousand million"),
        pytest.param(b"\xdb\xff\xff\xff\xff", id="a text of four gigabytes"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="bytes of four gigabytes"),
        pytest.param(b"\xc9\xff\xff\xff\xff\x05", id="an extension of four gigabytes"),
        pytest.param(b"\x81\xa1a\xa2\xed\xa0", id="no utf-8"),
        pytest.param(b"\x81\xa1a\xa3\xed\xa0\x80", id="half of a surrogate pair"),
        pytest.param(b'{"action":"auth"}', id="json"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_msgpack_of_ours_is_refused(message: bytes) -> None:
    with pytest.raises(BadLine) as refused:
        msgpack_codec().decode(message)
    assert refused.value.reason is Reason.MALFORMED_JSON


@pytest.mark.parametrize("value", [[], "auth", 1, 1.5, float("nan"), None, True, b"auth"])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(BadLine, match="is an object, such as"):
        msgpack_codec().decode(msgpack.packb(value))


@pytest.mark.parametrize(
    "message", [b"[]", b"1", b'"auth"', b"{", b'{"a":NaN}', b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b"\xff", b"[" * 9_999]
)
def test_json_is_read_by_the_strict_rules_of_the_protocol(message: bytes) -> None:
    with pytest.raises(BadLine):
        JSON.decode(message)


def test_a_float_that_is_none_passes_as_a_value_and_is_no_list_of_symbols_later() -> None:
    message = b"\x81\xa6trades\xcb" + struct.pack("!d", float("nan"))
    assert list(msgpack_codec().decode(message)) == ["trades"]
