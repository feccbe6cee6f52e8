"""What `decode_line` takes and refuses, what its sentences say, and that every message survives its line."""

import json
import re
import traceback
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import ValidationError

from protocol_lines import COMMAND_LINES, SERVER_LINES
from stocktrack import messages as m
from stocktrack.errors import Code, CommandError, Reason, StockTrackError
from stocktrack.quotes import CompanyInfo, Dividend, Headline, MarketState, Match
from stocktrack.wire.lines import BadLine, decode_line, decode_server_line, encode_line, failure, parse_object

# The machine that tests may be busy: an example that takes long is no failure.
careful = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])

# What would tell a script's author about our library instead of about the line.
JARGON = re.compile(r"pydantic|Input|Value error|[Tt]uple|valid (string|integer|number|boolean)|None|True|False|dict")


def refused(line: bytes) -> BadLine:
    """The error of a line that must be refused, after what holds for all of them was checked."""
    with pytest.raises(BadLine) as caught:
        decode_line(line)
    error = caught.value
    assert error.code is Code.BAD_REQUEST
    assert error.message.endswith(".")
    assert "\n" not in error.message
    assert error.message.isprintable()
    reply = encode_line(failure(error))
    assert decode_server_line(reply) == failure(error)
    assert reply.count(b"\n") == 1
    return error


def command_of(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


# --- lines that are no JSON object -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "The line is not JSON: Expecting value at character 1."),
        (b"hello", "The line is not JSON: Expecting value at character 1."),
        (b"\x00", "The line is not JSON: Expecting value at character 1."),
        (b'{"type":"PING"', "The line is not JSON: Expecting ',' delimiter at character 15."),
        (b'{"type":"PING"} {"type":"PING"}', "The line is not JSON: Extra data at character 17."),
        (b'{"type":"PING","id":"a\nb"}', "The line is not JSON: Invalid control character at character 23."),
        (b'{"type":"PING","id":"ab', "The line is not JSON: Unterminated string starting at character 21."),
        (b'{"type":"PING","id":"\xff"}', "The line is not UTF-8: byte 22 cannot be read."),
        (b'{"type":"PING","id":"\xed\xa0\x80"}', "The line is not UTF-8: byte 22 cannot be read."),
        ('\ufeff{"type":"PING"}'.encode(), "The line begins with a byte order mark; send UTF-8 without one."),
        (b'{"type":"PING","id":NaN}', "NaN is not JSON."),
        (b'{"type":"PING","id":Infinity}', "Infinity is not JSON."),
        (b'{"type":"SUBSCRIBE","interval":-Infinity}', "-Infinity is not JSON."),
        (b'{"type":"SUBSCRIBE","interval":1e999}', "A number is too large: at most 1.8e308 is taken."),
        (b'{"type":"SUBSCRIBE","interval":-1e999}', "A number is too large: at most 1.8e308 is taken."),
        (b'{"type":"PING","id":%s}' % (b"9" * 5_000), "A number is too long: at most 20 digits are taken."),
        (b'{"type":"PING","type":"PING"}', "The field 'type' stands twice in one object."),
        (b'{"type":"PING","id":{"a":1,"b":2,"a":1}}', "The field 'a' stands twice in one object."),
        (b'{"type":"PING","\\u001b[2J":1,"\\u001b[2J":2}', "The field '\\x1b[2J' stands twice in one object."),
    ],
)
def test_a_line_that_is_not_clean_json_is_malformed_and_the_sentence_says_where(line: bytes, message: str) -> None:
    error = refused(line)
    assert (error.reason, error.command_type, error.id) == (Reason.MALFORMED_JSON, "ERROR", None)
    assert error.message == message


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udfff"', '"\\ude00\\ud83d"', '["\\ud83d"]', '{"\\udc00":1}'])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(text: str) -> None:
    error = refused(f'{{"type":"PING","id":{text}}}'.encode())
    assert error.reason is Reason.MALFORMED_JSON
    assert "surrogate" in error.message
    assert refused(f'{{"type":"PING",{text.strip("[]{}").removesuffix(":1")}:1}}'.encode()).message == error.message


def test_a_whole_surrogate_pair_and_an_escaped_backslash_are_taken() -> None:
    assert decode_line(b'{"type":"PING","id":"\\ud83d\\ude00"}').id == "😀"
    assert decode_line(b'{"type":"PING","id":"\\\\ud800"}').id == r"\ud800"


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"type":"PING","id":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"type":"PING","id":"\\u0041","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    ],
)
def test_nesting_ten_thousand_deep_is_refused(line: bytes) -> None:
    # How deep Python's own parser goes differs from version to version, and so may the reason.
    assert refused(line).reason in {Reason.MALFORMED_JSON, Reason.INVALID_COMMAND}


@pytest.mark.parametrize("line", [b"[]", b"5", b"null", b'"PING"', b'[{"type":"PING"}]'])
def test_json_that_is_no_object_is_no_command(line: bytes) -> None:
    error = refused(line)
    assert error.reason is Reason.INVALID_COMMAND
    assert error.message == 'A command is a JSON object, such as {"type":"PING"}.'


def test_a_hundred_thousand_fields_with_one_twice_are_answered_without_comparing_all_with_all() -> None:
    fields = b",".join(b'"%d":1' % number for number in range(100_000))
    assert refused(b"{" + fields + b',"99999":1}').message == "The field '99999' stands twice in one object."


# --- type and id -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"{}", b'{"id":1}', b'{"type":5}', b'{"type":null}', b'{"type":["PING"]}'])
def test_a_command_without_a_readable_type_is_told_so(line: bytes) -> None:
    error = refused(line)
    assert (error.reason, error.command_type) == (Reason.INVALID_COMMAND, "ERROR")
    assert '"type"' in error.message


@pytest.mark.parametrize("kind", ["NOPE", "ping", "HELLO", "PRICE", "ERROR", "", "x" * 5_000, "\x1b[2J\n"])
def test_an_unknown_type_is_answered_with_those_there_are(kind: str) -> None:
    error = refused(command_of(kind, id=4))
    assert (error.reason, error.command_type, error.id) == (Reason.UNKNOWN_COMMAND, "ERROR", 4)
    assert error.message.endswith(f"there are {', '.join(m.COMMAND_TYPES)}.")
    assert len(error.message) < 400


@pytest.mark.parametrize("id_", ["a", "", "x" * 128, 0, -1, 2**53 - 1, -(2**53) + 1])
def test_an_id_that_is_a_string_or_a_whole_number_is_kept_and_echoed(id_: str | int) -> None:
    assert decode_line(command_of("PING", id=id_)).id == id_
    error = refused(command_of("PING", id=id_, foo=1))
    assert error.id == id_
    assert failure(error).id == id_


@pytest.mark.parametrize("id_", ["x" * 129, 2**53, -(2**53), 1.5, 1.0, True, [1], {"a": 1}])
def test_any_other_id_is_refused_and_not_echoed(id_: Any) -> None:
    error = refused(command_of("PING", id=id_))
    assert (error.command_type, error.id) == ("PING", None)
    assert "'id' must be a string of at most 128 characters or a whole number" in error.message


def test_a_null_id_counts_as_none() -> None:
    assert decode_line(b'{"type":"PING","id":null}') == m.Ping()


# --- fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (command_of("PING", foo=1), "PING: there is no field 'foo'; there are type, id."),
        (command_of("PING", a=1, b=2), "PING: there is no field 'a', 'b'; there are type, id."),
        (command_of("PING", **{"\x1b[2J": 1}), "PING: there is no field '\\x1b[2J'; there are type, id."),
        (
            command_of("AUTH", username="a", passwort="b"),
            "AUTH: there is no field 'passwort'; there are type, id, username, password, token.",
        ),
        (
            command_of("GET", symbols=["AAPL"], interval=5),
            "GET: there is no field 'interval'; there are type, id, symbols, symbol, after.",
        ),
        (command_of("INFO", symbols=["AAPL"]), "INFO: there is no field 'symbols'; there are type, id, symbol."),
        (command_of("GET"), "GET: the field 'symbols' is missing."),
        (command_of("AUTH"), "AUTH: the field 'username' is missing."),
        (command_of("AUTH", password="a"), "AUTH: the field 'username' is missing."),
        (command_of("INFO"), "INFO: the field 'symbol' is missing."),
        (command_of("SEARCH"), "SEARCH: the field 'query' is missing."),
    ],
)
def test_an_unknown_or_missing_field_is_named(line: bytes, message: str) -> None:
    error = refused(line)
    assert error.reason is Reason.INVALID_COMMAND
    assert error.message == message


def test_of_very_many_unknown_fields_only_a_few_are_named() -> None:
    message = refused(command_of("PING", **{f"field{number}": 1 for number in range(2_000)})).message
    assert message == (
        "PING: there is no field 'field0', 'field1', 'field2', 'field3', 'field4', …; there are type, id."
    )


A_STRING = "must be a string."
A_LIST = "must be a list with at least one entry."
A_MOMENT = "must be epoch milliseconds or a date such as 2024-02-09, of the years 1800 to 2139."
NO_MOMENTS: list[Any] = [
    *("yesterday", "", "2024-02-30", "20240209", "2024-02-09T10:00:00Z", "0001-01-01", "9999-12-31"),
    *(True, 1.5, 10**17, -(10**17), [1], {}),
]


@pytest.mark.parametrize(
    ("kind", "good", "field", "wrong", "complaint"),
    [
        ("AUTH", {"password": "b"}, "username", [5, None, [], {}], A_STRING),
        ("AUTH", {"password": "b"}, "username", [""], "must not be empty."),
        ("AUTH", {"password": "b"}, "username", ["x" * 65], "must have at most 64 characters."),
        ("AUTH", {"password": "b"}, "username", [" a", "a ", "a\x00", "a\nb", "\u202ea"], "must be printable, "),
        ("AUTH", {"username": "a"}, "password", [5, 1.5, True, None, [], {}], A_STRING),
        ("AUTH", {"username": "a"}, "password", [""], "must not be empty."),
        ("AUTH", {"username": "a"}, "password", ["x" * 1025], "must have at most 1024 characters."),
        ("GET", {}, "symbols", ["AAPL", 5, True, [], {}, {"a": 1}], A_LIST),
        ("GET", {}, "symbol", [5, None, True, ["AAPL"], {}], A_STRING),
        ("INFO", {}, "symbol", [5, None, True, ["AAPL"], {}], A_STRING),
        ("SUBSCRIBE", {}, "interval", ["5", True, [], {}], "must be a number."),
        ("SUBSCRIBE", {}, "interval", [-1, 0.05, 0.099, 3600.5, 3601, 10**19], "must be 0 (as prices change) or 0.1 "),
        ("SUBSCRIBE", {}, "save", [0, 1, "false", None, []], "must be true or false."),
        ("UNSUBSCRIBE", {}, "save", [0, 1, "false", None, []], "must be true or false."),
        *(
            (
                kind,
                good,
                "limit",
                [0, -1, 101, 2.0, True, "5", None, [], 10**19],
                "must be a whole number from 1 to 100.",
            )
            for kind, good in (("NEWS", {}), ("DIVIDENDS", {"symbol": "AAPL"}), ("SEARCH", {"query": "a"}))
        ),
        ("HISTORY", {"symbol": "AAPL"}, "range", ["7d", "1D", 1, [], {}, ""], "must be one of 1d, 5d, 1mo, 6mo, ytd, "),
        ("HISTORY", {"symbol": "AAPL"}, "interval", ["7m", 60, "1M", []], "must be one of 1m, 2m, 5m, 15m, 30m, 1h, "),
        ("HISTORY", {"symbol": "AAPL"}, "adjust", [None, "dividends", True], "must be one of none, splits, all."),
        ("HISTORY", {"symbol": "AAPL"}, "prepost", [0, "no", None], "must be true or false."),
        ("HISTORY", {"symbol": "AAPL"}, "start", NO_MOMENTS, A_MOMENT),
        ("HISTORY", {"symbol": "AAPL", "start": 0}, "end", NO_MOMENTS, A_MOMENT),
        ("TOKEN", {}, "scope", ["all", 1, None], "must be one of read, full."),
        ("SEARCH", {}, "query", [5, None, []], A_STRING),
        ("SEARCH", {}, "query", [""], "must not be empty."),
        ("SEARCH", {}, "query", ["q" * 101], "must have at most 100 characters."),
        ("SEARCH", {}, "query", [" apple", "ap\x1bple"], "must be printable, "),
    ],
)
def test_a_field_of_the_wrong_kind_or_size_is_named_with_what_it_must_be(
    kind: str, good: dict[str, Any], field: str, wrong: list[Any], complaint: str
) -> None:
    for value in wrong:
        error = refused(command_of(kind, id=7, **good, **{field: value}))
        assert (error.reason, error.command_type, error.id) == (Reason.INVALID_COMMAND, kind, 7)
        assert error.message.startswith(f"{kind}: the field {field!r} {complaint}"), value
        assert not JARGON.search(error.message)


@pytest.mark.parametrize("interval", [0, 0.0, 0.1, 5, 3600])
def test_an_interval_of_0_or_within_its_bounds_is_taken(interval: float) -> None:
    command = decode_line(command_of("SUBSCRIBE", interval=interval))
    assert isinstance(command, m.Subscribe)
    assert command.interval == interval


@pytest.mark.parametrize("limit", [1, 100])
def test_a_limit_within_its_bounds_is_taken(limit: int) -> None:
    assert decode_line(command_of("NEWS", limit=limit)) == m.News(limit=limit)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"range": "1d", "start": 0}, "there are both 'range' and 'start': send one of them."),
        ({"end": 0}, "there is an 'end' without a 'start': send both, or a 'range'."),
        ({"range": "1d", "end": 0}, "there is an 'end' without a 'start': send both, or a 'range'."),
    ],
)
def test_a_history_is_of_a_range_or_from_a_start(fields: dict[str, Any], complaint: str) -> None:
    assert refused(command_of("HISTORY", symbol="AAPL", **fields)).message == f"HISTORY: {complaint}"


@pytest.mark.parametrize(
    ("fields", "asked_range", "asked_interval"),
    [
        ({}, "1mo", "1d"),
        ({"range": "1d"}, "1d", "1m"),
        ({"range": "5d"}, "5d", "15m"),
        ({"range": "5y"}, "5y", "1wk"),
        ({"range": "max"}, "max", "1mo"),
        ({"range": "1d", "interval": "1wk"}, "1d", "1wk"),
        ({"start": "1962-01-02"}, None, "1d"),
        ({"start": -252_000_000_000, "interval": "1mo"}, None, "1mo"),
    ],
)
def test_what_a_history_leaves_out_follows_from_its_range(
    fields: dict[str, Any], asked_range: str | None, asked_interval: str
) -> None:
    command = decode_line(command_of("HISTORY", symbol="aapl", **fields))
    assert isinstance(command, m.History)
    assert (command.asked_range, command.asked_interval) == (asked_range, asked_interval)


# --- symbols -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        " ",
        "AA PL",
        "AAPL ",
        "AAPL\n",
        "A\x00",
        "\x1b[2J",
        "Ä",
        "\N{LATIN SMALL LETTER LONG S}",  # its upper case is an S
        "\N{FULLWIDTH LATIN CAPITAL LETTER A}APL",
        "A,B",
        "A" * 49,
        "A" * 5_000,
        "\u202eA",
    ],
)
def test_one_bad_symbol_refuses_the_whole_command_and_is_shown_with_what_is_allowed(symbol: str) -> None:
    shown = repr(symbol if len(symbol) <= 40 else symbol[:39] + "…")
    ending = f"{shown} is not a symbol: 1 to 48 characters of A-Z 0-9 . ^ = - _ : / &."
    error = refused(command_of("GET", symbols=["AAPL", symbol, "MSFT"]))
    assert error.message == f"GET: an entry of the field 'symbols': {ending}"
    assert refused(command_of("GET", symbol=symbol)).message == f"GET: the field 'symbol': {ending}"
    assert refused(command_of("INFO", symbol=symbol)).message == f"INFO: the field 'symbol': {ending}"


@pytest.mark.parametrize("entry", [5, None, True, ["AAPL"], {}])
def test_an_entry_of_symbols_that_is_no_string_is_told_apart_from_the_list(entry: Any) -> None:
    message = refused(command_of("GET", symbols=["AAPL", entry])).message
    assert message == "GET: an entry of the field 'symbols' must be a string."


@pytest.mark.parametrize("kind", ["GET", "SUBSCRIBE", "UNSUBSCRIBE"])
def test_symbol_and_symbols_together_and_null_symbols_are_refused(kind: str) -> None:
    both = refused(command_of(kind, symbol="AAPL", symbols=["MSFT"])).message
    assert both == f"{kind}: there are both 'symbol' and 'symbols': send one of them."
    null = refused(command_of(kind, symbols=None)).message
    assert null == f"{kind}: the field 'symbols' is null: send a list of symbols, or leave the field out."


def test_one_symbol_is_the_same_as_a_list_of_one() -> None:
    assert decode_line(command_of("GET", symbol="aapl")) == m.Get(symbols=("AAPL",))
    assert decode_line(command_of("UNSUBSCRIBE", symbol="AAPL")) == m.Unsubscribe(symbols=("AAPL",))


def test_symbols_are_raised_and_doubles_folded_in_the_order_asked() -> None:
    command = decode_line(command_of("GET", symbols=["msft", "^gspc", "MSFT", "eurusd=x", "Msft", "AAPL"]))
    assert command == m.Get(symbols=("MSFT", "^GSPC", "EURUSD=X", "AAPL"))


@pytest.mark.parametrize(
    "symbol", ["AAPL", "BRK-B", "^GSPC", "EURUSD=X", "RELIANCE.NS", "BINANCE:BTCUSDT", "M&M.NS", "A_B/C", "7" * 48]
)
def test_the_symbols_of_all_markets_are_taken(symbol: str) -> None:
    assert decode_line(command_of("INFO", symbol=symbol)) == m.Info(symbol=symbol)


def test_no_symbols_means_all_for_the_two_commands_that_can_mean_it() -> None:
    assert decode_line(b'{"type":"SUBSCRIBE"}') == m.Subscribe(symbols=None, interval=None, save=True)
    assert decode_line(b'{"type":"UNSUBSCRIBE","save":false}') == m.Unsubscribe(symbols=None, save=False)


def test_a_huge_line_of_good_symbols_is_taken() -> None:
    symbols = [f"S{number}" for number in range(100_000)]
    assert decode_line(command_of("GET", symbols=symbols)) == m.Get(symbols=tuple(symbols))


def test_ten_thousand_bad_symbols_are_not_complained_of_one_by_one() -> None:
    with pytest.raises(ValidationError) as caught:
        m.Get.model_validate({"type": "GET", "symbols": [""] * 10_000})
    assert caught.value.error_count() <= 2


# --- secrets -----------------------------------------------------------------------------------------------------

SECRET = "8675309"  # readable as a string, as a number, and as a word without quotes


@pytest.mark.parametrize(
    "password",
    [
        "8675309",
        '["8675309"]',
        '{"8":"8675309"}',
        '"8675309' + "x" * 1_100 + '"',
        "8675309867530986753098675309",
        "8675309e999",
        '"8675309',
        "x8675309",
        '"8675309\\ud800"',
        '"8675309\\q"',
        '"8675309\x01"',
        '"8675309","password":"8675309"',
        '"8675309","foo":1',
        '"8675309","id":1.5',
    ],
)
def test_a_password_never_stands_in_the_error_of_its_line(password: str) -> None:
    error = refused(f'{{"type":"AUTH","username":"a","password":{password}}}'.encode())
    told = [error.message, repr(error), *traceback.format_exception(error), str(encode_line(failure(error)))]
    assert not [text for text in told if SECRET in text]


def test_a_password_never_stands_in_the_repr_of_its_command_nor_in_pydantics_own_error() -> None:
    command = m.Auth(username="a", password=SECRET)
    assert SECRET not in f"{command!r} {command}"
    with pytest.raises(ValidationError) as caught:
        m.Auth.model_validate({"username": "a", "password": int(SECRET)})
    assert SECRET not in f"{caught.value!r} {caught.value}"


# --- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", Reason)
def test_a_failure_carries_what_its_reason_says(reason: Reason) -> None:
    error = CommandError(reason, "A sentence.", retry_after_ms=5)
    message = failure(
        error, m.News(id="n"), (m.Missing(symbol="A", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL),)
    )
    assert json.loads(encode_line(message)) == {
        "type": "NEWS",
        "id": "n",
        "code": reason.code,
        "status": reason.code.status,
        "reason": reason.value,
        "message": "A sentence.",
        "retryable": reason.retryable,
        "retry_after_ms": 5,
        "missing": [{"symbol": "A", "code": 404, "reason": "unknown_symbol"}],
    }


def test_a_failure_of_no_command_is_an_error_and_leaves_out_what_it_does_not_know() -> None:
    line = encode_line(failure(StockTrackError(Reason.LINE_TOO_LONG, "The line is too long.")))
    assert line == (
        b'{"type":"ERROR","code":400,"status":"BAD_REQUEST","reason":"line_too_long",'
        b'"message":"The line is too long.","retryable":false}\n'
    )


# --- what a client reads -----------------------------------------------------------------------------------------

PRICE_LINE = next(line for line in SERVER_LINES if line.startswith(b'{"type":"PRICE"') and b":189.45," in line)


def test_a_type_of_a_later_version_is_no_error() -> None:
    assert decode_server_line(b'{"type":"CHAT","code":100}') is None


@pytest.mark.parametrize("line", SERVER_LINES)
def test_fields_of_a_later_version_are_ignored_also_inside_of_quotes(line: bytes) -> None:
    def widened(value: Any) -> Any:
        if isinstance(value, dict):
            return {**{key: widened(entry) for key, entry in value.items()}, "later": {"a": 1}}
        return [widened(entry) for entry in value] if isinstance(value, list) else value

    assert decode_server_line(json.dumps(widened(json.loads(line))).encode()) == decode_server_line(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"type":5}',
        b'{"type":"PRICE"}',
        b'{"type":"ERROR","code":400}',
        b'{"type":"PING","code":999,"timestamp":1}',
        b"[" * 100_000,
        PRICE_LINE.replace(b"189.45", b"NaN"),
        PRICE_LINE.replace(b"189.45", b"1e999"),
    ],
)
def test_anything_else_from_a_server_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        decode_server_line(line)


# --- whatever comes ----------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters())  # lone surrogates included, which `st.text()` leaves out
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELD_NAMES = st.sampled_from(
    ["id", "username", "password", "symbol", "symbols", "interval", "save", "limit", "query", "status", "code"]
)
ANY_OBJECT = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(m.COMMAND_TYPES) | ANY_JSON,
    st.dictionaries(FIELD_NAMES | ANY_TEXT, ANY_JSON, max_size=6),
)


def check_that_it_is_a_command_or_a_bad_line(line: bytes) -> None:
    try:
        command = decode_line(line)
    except BadLine:
        error = refused(line)
        # Words that we take over from the line may be anything; they stand in quotes.
        assert not JARGON.search(re.sub(r"'.*'|\".*\"", "", error.message))
    else:
        assert decode_line(encode_line(command)) == command


@careful
@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_are_a_command_or_a_bad_line(line: bytes) -> None:
    check_that_it_is_a_command_or_a_bad_line(line)


@careful
@given(ANY_OBJECT, st.booleans())
def test_any_json_object_is_a_command_or_a_bad_line(fields: dict[str, Any], escaped: bool) -> None:
    text = json.dumps(fields, ensure_ascii=escaped)
    check_that_it_is_a_command_or_a_bad_line(text.encode("utf-8", errors="surrogatepass"))


@careful
@given(st.sampled_from(COMMAND_LINES), st.integers(0, 120), st.integers(0, 8), st.binary(max_size=8))
def test_a_command_with_some_bytes_cut_out_or_put_in_is_a_command_or_a_bad_line(
    line: bytes, start: int, cut: int, put: bytes
) -> None:
    check_that_it_is_a_command_or_a_bad_line(line[:start] + put + line[start + cut :])


@careful
@given(st.binary(max_size=200) | ANY_OBJECT.map(lambda fields: json.dumps(fields).encode()))
def test_any_line_of_a_server_is_a_message_or_unknown_or_a_value_error(line: bytes) -> None:
    try:
        message = decode_server_line(line)
    except ValueError:
        return
    assert message is None or encode_line(message).endswith(b"}\n")


# --- there and back ----------------------------------------------------------------------------------------------

TEXT = st.text(max_size=40)  # line separators, quotes and control characters included
SYMBOL = st.from_regex(r"[A-Z0-9.^=\-_:/&]{1,48}", fullmatch=True)
SYMBOLS = st.lists(SYMBOL, max_size=4, unique=True).map(tuple)
SOME_SYMBOLS = st.lists(SYMBOL, min_size=1, max_size=4, unique=True).map(tuple)
VISIBLE = TEXT.filter(lambda text: bool(text) and text.isprintable() and text == text.strip())
ID = st.none() | st.text(max_size=128) | st.integers(-(2**53) + 1, 2**53 - 1)
LIMIT = st.integers(1, m.MAX_LIST_LIMIT)
INTERVAL = st.just(0.0) | st.floats(m.MIN_INTERVAL_SECONDS, m.MAX_INTERVAL_SECONDS)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(-(2**63), 2**63)
CODE = st.sampled_from(Code)
REASON = st.sampled_from(Reason)
STATE = st.sampled_from(MarketState)


def maybe(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | strategy


def some(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.lists(strategy, max_size=3).map(tuple)


COMMANDS: SearchStrategy[m.Command] = st.one_of(
    st.builds(m.Auth, id=ID, username=VISIBLE, password=st.text(min_size=1, max_size=80)),
    st.builds(m.Get, id=ID, symbols=SOME_SYMBOLS),
    st.builds(m.Subscribe, id=ID, symbols=maybe(SOME_SYMBOLS), interval=maybe(INTERVAL), save=st.booleans()),
    st.builds(m.Unsubscribe, id=ID, symbols=maybe(SOME_SYMBOLS), save=st.booleans()),
    st.builds(m.News, id=ID, limit=LIMIT),
    st.builds(m.Info, id=ID, symbol=SYMBOL),
    st.builds(m.Dividends, id=ID, symbol=SYMBOL, limit=LIMIT),
    st.builds(m.Search, id=ID, query=VISIBLE, limit=LIMIT),
    st.builds(m.MyStocks, id=ID),
    st.builds(m.Sources, id=ID),
    st.builds(m.Ping, id=ID),
    st.builds(m.Logout, id=ID),
)

QUOTE = st.builds(
    m.BoardQuote,
    symbol=SYMBOL,
    price=NUMBER,
    **dict.fromkeys(("change", "change_percent", "previous_close", "open", "high", "low", "bid", "ask"), maybe(NUMBER)),
    **dict.fromkeys(("currency", "name", "exchange"), maybe(TEXT)),
    **dict.fromkeys(("volume", "timestamp", "delay_seconds", "retry_at", "extended_time"), maybe(COUNT)),
    **dict.fromkeys(("extended_price", "extended_change", "extended_change_percent"), maybe(NUMBER)),
    **dict.fromkeys(("fifty_two_week_low", "fifty_two_week_high", "market_cap", "trailing_pe"), maybe(NUMBER)),
    price_hint=maybe(st.integers(0, 10)),
    market_state=STATE,
    received_at=COUNT,
    provider=TEXT,
    stale=st.booleans(),
    stale_reason=maybe(REASON),
    seq=COUNT,
)
MISSING = st.builds(m.Missing, symbol=SYMBOL, code=CODE, reason=REASON)
HEADLINE = st.builds(Headline, title=TEXT, source=TEXT, link=maybe(TEXT), published=maybe(COUNT))
COMPANY = st.builds(CompanyInfo, symbol=SYMBOL, name=maybe(TEXT), employees=maybe(COUNT), market_cap=maybe(NUMBER))
DIVIDEND = st.builds(Dividend, date=st.dates(date(1900, 1, 1)), amount=NUMBER)
MATCH = st.builds(Match, symbol=SYMBOL, name=maybe(TEXT), exchange=maybe(TEXT))
SOURCE = st.builds(
    m.SourceInfo,
    provider=TEXT,
    capabilities=some(TEXT),
    state=st.sampled_from(m.SourceState),
    **dict.fromkeys(("last_success_at", "retry_at"), maybe(COUNT)),
    reason=maybe(REASON),
    message=maybe(TEXT),
    budget=maybe(st.builds(m.SourceBudget, used=COUNT, limit=COUNT, seconds=COUNT)),
    stream=maybe(st.builds(m.SourceStream, is_up=st.booleans(), symbols=COUNT, places=maybe(COUNT))),
    leads=COUNT,
)
LIMITS = st.builds(m.Limits, max_line_bytes=COUNT, max_reply_bytes=COUNT, max_symbols=COUNT, min_interval=NUMBER)

SERVER_MESSAGES: SearchStrategy[m.ServerMessage] = st.one_of(
    st.builds(m.Hello, server=TEXT, instance=TEXT, auth=some(TEXT), limits=LIMITS, heartbeat_seconds=NUMBER),
    st.builds(m.AuthReply, id=ID, message=TEXT, username=VISIBLE, symbols=SYMBOLS),
    st.builds(m.GetReply, id=ID, quotes=some(QUOTE), missing=some(MISSING)),
    st.builds(
        m.SubscribeReply,
        id=ID,
        **dict.fromkeys(("subscribed", "already", "pending", "symbols"), SYMBOLS),
        missing=some(MISSING),
        interval=INTERVAL,
    ),
    st.builds(m.UnsubscribeReply, id=ID, removed=SYMBOLS, missing=some(MISSING), symbols=SYMBOLS),
    st.builds(m.MyStocksReply, id=ID, symbols=SYMBOLS, quotes=some(QUOTE), missing=some(MISSING)),
    st.builds(m.NewsReply, id=ID, articles=some(HEADLINE)),
    st.builds(m.InfoReply, id=ID, company=COMPANY),
    st.builds(m.DividendsReply, id=ID, symbol=SYMBOL, currency=maybe(TEXT), dividends=some(DIVIDEND)),
    st.builds(m.SearchReply, id=ID, matches=some(MATCH)),
    st.builds(m.SourcesReply, id=ID, sources=some(SOURCE)),
    st.builds(m.PingReply, id=ID, timestamp=COUNT),
    st.builds(m.LogoutReply, id=ID, message=TEXT),
    st.builds(
        m.Failure,
        type=st.sampled_from((*m.COMMAND_TYPES, "ERROR")),
        id=ID,
        code=CODE,
        reason=REASON,
        message=TEXT,
        retryable=st.booleans(),
        retry_after_ms=maybe(COUNT),
        missing=maybe(some(MISSING)),
    ),
    QUOTE.map(m.Price.of),
    st.builds(m.Heartbeat, timestamp=COUNT),
    st.builds(m.Notice, code=CODE, reason=REASON, symbols=maybe(SYMBOLS), message=TEXT, retry_after_ms=maybe(COUNT)),
)


@careful
@given(COMMANDS)
def test_a_command_survives_its_line(command: m.Command) -> None:
    line = encode_line(command)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert decode_line(line) == command


@careful
@given(SERVER_MESSAGES)
def test_a_server_message_survives_its_line(message: m.ServerMessage) -> None:
    line = encode_line(message)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert b"null" not in re.sub(rb'"(\\.|[^"\\])*"', b"", line)
    assert next(iter(json.loads(line))) == "type"
    assert json.loads(line)["status"] == message.code.status
    assert decode_server_line(line) == message


def not_told_of(quote: m.BoardQuote) -> set[str]:
    """The fields of a PRICE that go without saying of `quote`, whatever it has in them."""
    is_extended = quote.extended_price is not None and quote.market_state in {MarketState.PRE, MarketState.POST}
    extended = {"extended_price", "extended_change", "extended_change_percent", "extended_time"}
    return (set() if is_extended else extended) | ({"price_hint"} if quote.price_hint == 2 else set())


@pytest.mark.parametrize("state", MarketState)
def test_a_price_tells_the_one_outside_the_hours_while_it_moves(state: MarketState) -> None:
    evening = {"extended_price": 270.75, "extended_change": 1.05, "extended_change_percent": 0.389, "extended_time": 9}
    quote = m.BoardQuote(
        symbol="ACME", price=269.7, market_state=state, received_at=1, provider="yahoo", seq=1, **evening
    )

    told = json.loads(encode_line(m.Price.of(quote)))

    expected = evening if state in {"pre", "post"} else {}
    assert {name: value for name, value in told.items() if name.startswith("extended")} == expected


@pytest.mark.parametrize(("hint", "told"), [(None, None), (2, None), (0, 0), (4, 4)])
def test_a_price_tells_its_decimals_where_they_are_not_two(hint: int | None, told: int | None) -> None:
    quote = m.BoardQuote(symbol="ACME", price=1.5, received_at=1, provider="yahoo", seq=1, price_hint=hint)

    assert json.loads(encode_line(m.Price.of(quote))).get("price_hint") == told


@pytest.mark.parametrize(
    ("price", "bid", "told"), [(1.5, None, None), (1.08153, None, 5), (1.08, 1.0815, 4), (1e6, 1.5, None)]
)
def test_a_price_without_a_hint_of_its_source_tells_the_decimals_that_a_whole_quote_is_shown_with(
    price: float, bid: float | None, told: int | None
) -> None:
    quote = m.BoardQuote(symbol="ACME", price=price, bid=bid, received_at=1, provider="finnhub", seq=1)
    push = m.Price.of(quote)

    assert push.price_hint == told
    assert m.shown_digits(push) == m.shown_digits(quote)


@careful
@given(QUOTE)
def test_a_push_is_shown_with_the_decimals_of_its_quote(quote: m.BoardQuote) -> None:
    assert m.shown_digits(m.Price.of(quote)) == m.shown_digits(quote)


@careful
@given(QUOTE)
def test_a_price_is_flat_and_tells_what_its_quote_tells(quote: m.BoardQuote) -> None:
    line = encode_line(m.Price.of(quote))
    told = json.loads(line)
    assert not [value for value in told.values() if isinstance(value, dict | list)]
    assert re.sub(rb'"(\\.|[^"\\])*"', b"", line).count(b"}") == 1
    whole = json.loads(quote.model_dump_json(exclude_none=True))
    only_in_quotes = {"previous_close", "open", "high", "low", "name", "exchange", "delay_seconds", "retry_at"}
    only_in_quotes |= {"fifty_two_week_low", "fifty_two_week_high", "market_cap", "market_cap_currency", "trailing_pe"}
    only_in_quotes |= not_told_of(quote)
    if quote.price_hint is None and (digits := m.shown_digits(quote)) != 2:
        whole["price_hint"] = digits
    assert {key: value for key, value in told.items() if key not in {"type", "code", "status"}} == {
        key: value for key, value in whole.items() if key not in only_in_quotes
    }


@careful
@given(QUOTE, maybe(REASON), maybe(COUNT), COUNT)
def test_what_is_made_of_a_valid_quote_without_validation_is_what_validation_makes(
    quote: m.BoardQuote, reason: Reason | None, retry_at: int | None, seq: int
) -> None:
    held = m.BoardQuote.of(quote, seq=seq, stale_reason=reason, retry_at=retry_at)
    fields = {**quote.model_dump(), "stale": reason is not None, "stale_reason": reason}
    assert held == m.BoardQuote.model_validate({**fields, "retry_at": retry_at, "seq": seq}, strict=True)
    assert list(held.__dict__) == list(m.BoardQuote.model_fields)
    price = m.Price.of(held)
    left_out = m.ServerMessage.model_fields.keys() | not_told_of(held)
    told = {name: getattr(held, name) for name in m.Price.model_fields if name not in left_out}
    if held.price_hint is None:
        told["price_hint"] = None if (digits := m.shown_digits(held)) == 2 else digits
    validated = m.Price.model_validate(told, strict=True)
    assert price == validated
    assert encode_line(price) == encode_line(validated)


def test_a_line_separator_in_a_text_stays_on_one_line() -> None:
    line = encode_line(m.Ping(id="a\u2028b\u0085c\r\nd"))
    assert line == '{"type":"PING","id":"a\u2028b\u0085c\\r\\nd"}\n'.encode()
    assert parse_object(line) == {"type": "PING", "id": "a\u2028b\u0085c\r\nd"}


def test_white_space_and_a_carriage_return_around_a_command_are_taken() -> None:
    assert decode_line(b' \t{"type": "PING"} \r\n') == m.Ping()
