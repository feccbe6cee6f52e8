"""What bad input gets, over a real socket: an answer that says why, and the other sessions notice nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from bystander import Bystander
from fakes import ScriptedProvider, ScriptedStream
from live_server import PASSWORD, LiveServer, RawClient, live_server
from stocktrack.clock import ManualClock

MAX_LINE_BYTES = 32_768
PING = {"type": "PING", "id": "still here"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A server with a bystander and a client of the user bob, who misbehaves; `logs` has what the server logged."""

    server: LiveServer
    bystander: Bystander
    bob: RawClient
    logs: list[EventDict]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedStream(clock)
    with capture_logs() as logs:
        async with live_server(
            tmp_path, market, ScriptedProvider(clock), users=("ann", "bob"), clock=clock, max_line_bytes=MAX_LINE_BYTES
        ) as server:
            bystander = await Bystander.join(server, market, name="ann")
            yield Scene(server, bystander, await server.log_in("bob"), logs)
            await bystander.sees_the_next_price()
    worries = [entry for entry in logs if entry["log_level"] in {"warning", "error", "critical"}]
    assert [entry for entry in worries if entry["event"] != "login_failed"] == []


def case(name: str, line: bytes, reason: str, says: str, *, kind: str = "ERROR", id: Any = None) -> Any:  # noqa: A002 - the wire's word
    return pytest.param(line, {"type": kind, "reason": reason, "id": id}, says, id=name)


BAD_LINES = [
    case("bad UTF-8", b'{"type":"PING","id":"\xff"}', "malformed_json", "not UTF-8"),
    case("UTF-8 cut in a character", b'{"type":"PING","id":"\xe2\x82"}', "malformed_json", "not UTF-8"),
    case("UTF-16", '{"type":"PING"}'.encode("utf-16"), "malformed_json", "not UTF-8"),
    case("a byte order mark", b'\xef\xbb\xbf{"type":"PING"}', "malformed_json", "byte order mark"),
    case("no JSON", b"GET AAPL", "malformed_json", "not JSON"),
    case("HTTP", b"GET / HTTP/1.1", "malformed_json", "not JSON"),
    case("half an object", b'{"type":"PING"', "malformed_json", "not JSON"),
    case("two objects", b'{"type":"PING"}{"type":"PING"}', "malformed_json", "not JSON"),
    case("a comment", b'{"type":"PING"} // hello', "malformed_json", "not JSON"),
    case("zero bytes", b"\x00\x00\x00", "malformed_json", "not JSON"),
    case("a list", b'[{"type":"PING"}]', "invalid_command", "JSON object"),
    case("a text", b'"PING"', "invalid_command", "JSON object"),
    case("a number", b"42", "invalid_command", "JSON object"),
    case("null", b"null", "invalid_command", "JSON object"),
    case("no type", b'{"id":3}', "invalid_command", '"type"', id=3),
    case("a type that is no text", b'{"type":["PING"],"id":3}', "invalid_command", '"type"', id=3),
    case("an unknown type", b'{"type":"BUY","id":"b1"}', "unknown_command", "'BUY'", id="b1"),
    case("a type in lower case", b'{"type":"ping","id":4}', "unknown_command", "'ping'", id=4),
    case("a server's type", b'{"type":"PRICE","id":4}', "unknown_command", "'PRICE'", id=4),
    case(
        "an unknown field", b'{"type":"GET","symbol":"AAPL","colour":1,"id":5}', "invalid_command", "colour",
        kind="GET", id=5,
    ),
    case("a missing field", b'{"type":"GET","id":5}', "invalid_command", "symbols", kind="GET", id=5),
    case(
        "symbols that are a number", b'{"type":"GET","symbols":7}', "invalid_command", "symbols", kind="GET"
    ),
    case("a symbol that is a number", b'{"type":"GET","symbols":[7]}', "invalid_command", "symbols", kind="GET"),
    case("symbols that are null", b'{"type":"GET","symbols":null}', "invalid_command", "null", kind="GET"),
    case(
        "an interval that is a text", b'{"type":"SUBSCRIBE","symbol":"AAPL","interval":"5"}', "invalid_command",
        "interval", kind="SUBSCRIBE",
    ),
    case(
        "an interval that is too short", b'{"type":"SUBSCRIBE","symbol":"AAPL","interval":0.01}', "invalid_command",
        "interval", kind="SUBSCRIBE",
    ),
    case(
        "a negative interval", b'{"type":"SUBSCRIBE","symbol":"AAPL","interval":-1}', "invalid_command", "interval",
        kind="SUBSCRIBE",
    ),
    case(
        "a flag that is a number", b'{"type":"SUBSCRIBE","symbol":"AAPL","save":0}', "invalid_command", "save",
        kind="SUBSCRIBE",
    ),
    case("a limit of a million", b'{"type":"NEWS","limit":1000000}', "invalid_command", "limit", kind="NEWS"),
    case("a fraction as a limit", b'{"type":"NEWS","limit":2.5}', "invalid_command", "limit", kind="NEWS"),
    case("an id that is a list", b'{"type":"PING","id":[1]}', "invalid_command", "id", kind="PING"),
    case("an id that is a fraction", b'{"type":"PING","id":1.5}', "invalid_command", "id", kind="PING"),
    case("an id that is true", b'{"type":"PING","id":true}', "invalid_command", "id", kind="PING"),
    case("NaN", b'{"type":"SUBSCRIBE","symbol":"AAPL","interval":NaN}', "malformed_json", "NaN"),
    case("Infinity", b'{"type":"SUBSCRIBE","symbol":"AAPL","interval":Infinity}', "malformed_json", "Infinity"),
    case("-Infinity", b'{"type":"SUBSCRIBE","symbol":"AAPL","interval":-Infinity}', "malformed_json", "Infinity"),
    case("1e999", b'{"type":"SUBSCRIBE","symbol":"AAPL","interval":1e999}', "malformed_json", "too large"),
    case("nesting 10,000 deep", b'{"type":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "malformed_json", "too deeply"),
    case("10,000 open brackets", b"[" * 10_000, "malformed_json", "too deeply"),
    case("objects 5,000 deep", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "malformed_json", "too deeply"),
    case("5,000 digits", b'{"type":"PING","id":' + b"9" * 5_000 + b"}", "malformed_json", "too long"),
    case("half a surrogate pair", rb'{"type":"PING","id":"\ud800"}', "malformed_json", "surrogate"),
    case("half a pair as a key", rb'{"type":"PING","\udfff":1}', "malformed_json", "surrogate"),
    case("half a pair as UTF-8", b'{"type":"PING","id":"\xed\xa0\x80"}', "malformed_json", "not UTF-8"),
    case("a key that stands twice", b'{"type":"PING","id":1,"id":2}', "malformed_json", "'id' stands twice"),
    case(
        "a type that stands twice", b'{"type":"PING","type":"LOGOUT"}', "malformed_json", "'type' stands twice"
    ),
    case("an empty symbol", b'{"type":"GET","symbols":["AAPL",""]}', "invalid_command", "''", kind="GET"),
    case("no symbols", b'{"type":"GET","symbols":[]}', "invalid_command", "symbols", kind="GET"),
    case("a symbol with a space", b'{"type":"GET","symbol":"AA PL"}', "invalid_command", "'AA PL'", kind="GET"),
    case("a space as a symbol", b'{"type":"INFO","symbol":" "}', "invalid_command", "' '", kind="INFO"),
    case(
        "a symbol with a line break", rb'{"type":"GET","symbol":"AAPL\n"}', "invalid_command", r"'AAPL\n'", kind="GET"
    ),
    case(
        "a symbol with an escape sequence", rb'{"type":"GET","symbol":"\u001b[2J"}', "invalid_command", r"'\x1b[2J'",
        kind="GET",
    ),
    case(
        "a symbol with a right-to-left override", rb'{"type":"GET","symbol":"A\u202eB"}', "invalid_command",
        r"'A\u202eB'", kind="GET",
    ),
    case(
        "a symbol of 49 characters", b'{"type":"GET","symbol":"%s"}' % (b"A" * 49), "invalid_command", "1 to 48",
        kind="GET",
    ),
    case(
        "a symbol in other letters", '{"type":"GET","symbol":"ÄÖ"}'.encode(), "invalid_command", "not a symbol",
        kind="GET",
    ),
    case(
        "symbol and symbols together", b'{"type":"GET","symbol":"AAPL","symbols":["MSFT"]}', "invalid_command",
        "both 'symbol' and 'symbols'", kind="GET",
    ),
    case(
        "an empty password", b'{"type":"AUTH","username":"bob","password":""}', "invalid_command", "password",
        kind="AUTH",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected", "says"), BAD_LINES)
async def test_a_bad_line_gets_a_400_that_says_why_and_the_session_goes_on(
    scene: Scene, line: bytes, expected: dict[str, Any], says: str
) -> None:
    assert len(line) <= MAX_LINE_BYTES
    scene.bob.send(line + b"\n", PING)
    answer, pong = await scene.bob.receive(), await scene.bob.receive()
    assert {key: answer.get(key) for key in expected} == expected
    assert (answer["code"], answer["status"], answer["retryable"]) == (400, "BAD_REQUEST", False)
    assert says in answer["message"]
    assert answer["message"].isprintable()
    assert len(answer["message"]) < 400
    assert (pong["type"], pong["id"], pong["code"]) == ("PING", PING["id"], 200)
    await scene.bystander.sees_the_next_price()


async def test_501_symbols_get_a_400_and_500_are_taken(scene: Scene) -> None:
    symbols = [f"S{number}" for number in range(501)]
    refused = await scene.bob.ask({"type": "GET", "symbols": symbols})
    assert (refused["type"], refused["code"], refused["reason"]) == ("GET", 400, "symbol_limit")
    assert "501" in refused["message"]
    assert "500" in refused["message"]
    refused = await scene.bob.ask({"type": "SUBSCRIBE", "symbols": symbols})
    assert (refused["type"], refused["code"], refused["reason"]) == ("SUBSCRIBE", 400, "symbol_limit")
    taken = await scene.bob.ask({"type": "GET", "symbols": symbols[:500]})
    assert (taken["code"], len(taken["quotes"]), len(taken["missing"])) == (200, 20, 480)


async def test_the_limit_of_symbols_holds_for_what_a_session_is_pushed_and_nothing_of_the_command_is_done(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, max_symbols=3) as server:
        ann = await server.log_in("ann")
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT"]})
        refused = await ann.ask({"type": "SUBSCRIBE", "symbols": ["TSLA", "S1"]})
        assert (refused["code"], refused["reason"]) == (400, "symbol_limit")
        assert (await ann.ask({"type": "MY_STOCKS"}))["symbols"] == ["AAPL", "MSFT"]


async def test_a_line_over_the_limit_gets_a_400_and_the_end_and_its_tail_is_never_run(scene: Scene) -> None:
    tail = b'{"type":"SUBSCRIBE","symbol":"TSLA"}\n'
    scene.bob.send(b"x" * (MAX_LINE_BYTES + 1) + b"\n" + tail)
    (answer,) = await scene.bob.rest()
    assert (answer["type"], answer["code"], answer["reason"]) == ("ERROR", 400, "line_too_long")
    assert str(MAX_LINE_BYTES) in answer["message"]
    again = await scene.server.log_in("bob")
    assert (await again.ask({"type": "MY_STOCKS"}))["symbols"] == []


async def test_a_line_that_never_ends_gets_its_400_while_it_still_comes(scene: Scene) -> None:
    # What lies unread when a socket is closed makes the kernel send a reset, which would overtake the answer.
    scene.bob.send(b"x" * (40 * MAX_LINE_BYTES))
    (answer,) = await scene.bob.rest()
    assert (answer["code"], answer["reason"]) == (400, "line_too_long")


async def test_a_line_of_exactly_the_limit_is_taken(scene: Scene) -> None:
    ping = b'{"type":"PING"}'
    scene.bob.send(ping + b" " * (MAX_LINE_BYTES - len(ping)) + b"\n")
    assert (await scene.bob.receive())["code"] == 200


async def test_the_twentieth_bad_line_in_a_row_ends_the_session_after_a_notice(scene: Scene) -> None:
    scene.bob.send(b"nonsense\n" * 25)
    *answers, notice = await scene.bob.rest()
    assert [answer["reason"] for answer in answers] == ["malformed_json"] * 20
    assert (notice["type"], notice["code"], notice["reason"]) == ("NOTICE", 400, "too_many_errors")


async def test_nineteen_bad_lines_with_a_good_one_after_them_are_forgiven(scene: Scene) -> None:
    for _ in range(2):
        scene.bob.send(b"nonsense\n" * 19, PING)
        answers = [await scene.bob.receive() for _ in range(20)]
        assert [answer["code"] for answer in answers] == [400] * 19 + [200]


async def test_a_command_that_fails_is_no_bad_line(scene: Scene) -> None:
    for _ in range(25):
        assert (await scene.bob.ask({"type": "GET", "symbol": "NOPE"}))["code"] == 404
    assert (await scene.bob.ask(PING))["code"] == 200


# --- logging in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        {"type": "GET", "symbol": "AAPL"},
        {"type": "SUBSCRIBE", "symbol": "AAPL"},
        {"type": "SUBSCRIBE"},
        {"type": "UNSUBSCRIBE"},
        {"type": "MY_STOCKS"},
        {"type": "NEWS"},
        {"type": "INFO", "symbol": "AAPL"},
        {"type": "DIVIDENDS", "symbol": "AAPL"},
        {"type": "SEARCH", "query": "apple"},
    ],
    ids=lambda command: command["type"],
)
async def test_a_command_before_auth_gets_a_401_and_the_session_goes_on(scene: Scene, command: dict[str, Any]) -> None:
    stranger = await scene.server.connect()
    # More often than a session may send bad lines, for it is none.
    for number in range(25):
        answer = await stranger.ask({**command, "id": number})
        assert (answer["type"], answer["id"]) == (command["type"], number)
        assert (answer["code"], answer["reason"]) == (401, "not_authenticated")
    assert (await stranger.ask(PING))["code"] == 200
    assert (await stranger.ask({"type": "AUTH", "username": "bob", "password": PASSWORD}))["code"] == 200


async def test_a_bad_line_before_auth_is_a_400_first(scene: Scene) -> None:
    stranger = await scene.server.connect()
    assert (await stranger.ask({"type": "GET", "symbol": "no symbol"}))["code"] == 400


async def test_a_stranger_may_log_out(scene: Scene) -> None:
    stranger = await scene.server.connect()
    stranger.send({"type": "LOGOUT", "id": 1})
    (goodbye,) = await stranger.rest()
    assert (goodbye["type"], goodbye["code"], goodbye["id"]) == ("LOGOUT", 2000, 1)


@pytest.mark.parametrize("name", ["ann", "bob"])
async def test_a_second_auth_gets_a_400_and_the_session_stays_whose_it_was(scene: Scene, name: str) -> None:
    answer = await scene.bob.ask({"type": "AUTH", "username": name, "password": PASSWORD, "id": 2})
    assert (answer["type"], answer["id"]) == ("AUTH", 2)
    assert (answer["code"], answer["reason"]) == (400, "already_authenticated")
    assert "bob" in answer["message"]
    assert (await scene.bob.ask({"type": "LOGOUT"}))["message"] == "Goodbye bob!"


@pytest.mark.parametrize("name", ["bob", "nobody"])
async def test_the_third_wrong_password_ends_the_session(scene: Scene, name: str) -> None:
    stranger = await scene.server.connect()
    wrong = {"type": "AUTH", "username": name, "password": "a guess that no log may hold"}
    for number in range(2):
        answer = await stranger.ask({**wrong, "id": number})
        assert (answer["code"], answer["reason"], answer["id"]) == (401, "bad_credentials", number)
    stranger.send(wrong, {"type": "AUTH", "username": "bob", "password": PASSWORD})
    (answer,) = await stranger.rest()
    assert (answer["code"], answer["reason"]) == (401, "bad_credentials")
    assert "third" in answer["message"]
    assert "a guess" not in repr(scene.logs)


async def test_a_right_password_after_two_wrong_ones_logs_in(scene: Scene) -> None:
    stranger = await scene.server.connect()
    for _ in range(2):
        await stranger.ask({"type": "AUTH", "username": "bob", "password": "wrong"})
    assert (await stranger.ask({"type": "AUTH", "username": "bob", "password": PASSWORD}))["code"] == 200


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"AUTH","username":"bob","password":"SeCrEt-1","colour":1}',
        b'{"type":"AUTH","username":5,"password":"SeCrEt-1"}',
        b'{"type":"AUTH","username":"bob","password":["SeCrEt-1"]}',
        b'{"type":"AUTH","username":"bob","password":{"SeCrEt-1":"SeCrEt-1"}}',
        b'{"type":"AUTH","username":"bob","password":"SeCrEt-1","password":"SeCrEt-1"}',
        b'{"type":"AUTH","username":"bob","password":"SeCrEt-1"',
        b'{"type":"AUTH","username":"bob","password":SeCrEt-1}',
        b'{"type":"GET","symbol":"AAPL","password":"SeCrEt-1"}',
    ],
)
async def test_a_password_in_a_bad_line_is_repeated_neither_to_the_client_nor_in_the_log(
    scene: Scene, line: bytes
) -> None:
    stranger = await scene.server.connect()
    answer = await stranger.ask(line + b"\n")
    assert answer["code"] == 400
    assert "SeCrEt" not in repr(answer)
    assert "SeCrEt" not in repr(scene.logs)


# --- clients that go away -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "end of input"])
async def test_a_client_that_vanishes_in_the_middle_of_a_line_costs_nobody_anything(scene: Scene, how: str) -> None:
    scene.bob.send(b'{"type":"SUBSCRIBE","symb')
    if how == "reset":
        scene.bob.vanish()
    else:
        await scene.bob.close()
    await scene.server.until_clients(1)
    assert len(scene.server.app.sessions) == 1
    await scene.bystander.sees_the_next_price()
