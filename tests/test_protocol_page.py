"""`docs/protocol.md`, the schema beside it, the real lines and the models say the same thing."""

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from protocol_lines import COMMAND_LINES, SERVER_LINES
from stocktrack import messages as m
from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.bars import Adjust, Bar, HistoryRange
from stocktrack.config import Settings
from stocktrack.errors import Code, Reason
from stocktrack.quotes import CompanyInfo, Dividend, Headline, MarketState, Match
from stocktrack.scopes import Scope
from stocktrack.segments import SEGMENT_WORDS
from stocktrack.wire.lines import BadLine, decode_line, decode_server_line, encode_line, parse_object
from stocktrack.wire.schema import protocol_schema

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "protocol.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PAGE_LINES = [f"{line}\n".encode() for block in FENCED for line in block.splitlines()]
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
TABLE_ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PROSE.splitlines() if line.startswith("|")
]

COMMAND_MODELS = tuple(row.command for row in m.COMMANDS.values())
SERVER_MODELS: tuple[type[m.ServerMessage], ...] = (
    *(row.reply for row in m.COMMANDS.values()),
    *m.PUSHES.values(),
    m.Failure,
)
PARTS: tuple[type[BaseModel], ...] = (
    *(m.Limits, m.Missing, m.BoardQuote, m.SessionInfo, m.UserInfo, m.TokenInfo),
    *(m.SourceInfo, m.SourceBudget, m.SourceStream, m.SinkInfo, m.FeedInfo),
    m.ListInfo,
    *(m.AlertInfo, m.Amounts, m.HoldingInfo, m.HoldingTotals, m.LotInfo),
    *(Headline, CompanyInfo, Dividend, Match),
)
FIELDS = {
    *(name for model in (*COMMAND_MODELS, *SERVER_MODELS, *PARTS) for name in model.model_fields),
    *(field.name for field in dataclasses.fields(Bar)),
    "symbol",
}

SCHEMA = protocol_schema()
LINE_VALIDATOR = Draft202012Validator(SCHEMA)


def validator_of(definition: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]})


# --- the lines ---------------------------------------------------------------------------------------------------


def test_the_page_shows_the_real_lines_each_of_them_once_and_no_others() -> None:
    commands = [line for line in PAGE_LINES if b'"code"' not in line]
    assert sorted(commands) == sorted(COMMAND_LINES)
    assert sorted(line for line in PAGE_LINES if line not in commands) == sorted(SERVER_LINES)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_command_line_is_parsed_and_means_the_same_when_written_again(line: bytes) -> None:
    command = decode_line(line)
    again = json.loads(encode_line(command))
    sent = parse_object(line)
    if "symbol" in sent and "symbols" in again:
        sent["symbols"] = [sent.pop("symbol")]
    defaults: dict[str, Any] = {
        "save": True,
        "adjust": "splits",
        "minutes": 60,
        "prepost": False,
        "repeat": "once",
        "targets": [],
        "fixed_cost": 0.0,
        "change": "replace",
        "limit": type(command).model_fields["limit"].default if "limit" in again else None,
    }
    assert again == {**{name: value for name, value in defaults.items() if name in again}, **sent}


@pytest.mark.parametrize("line", SERVER_LINES)
def test_a_server_line_is_exactly_what_the_server_writes(line: bytes) -> None:
    message = decode_server_line(line)
    assert message is not None
    assert encode_line(message) == line


def test_every_command_and_every_server_message_has_a_line() -> None:
    assert {type(decode_line(line)) for line in COMMAND_LINES} == set(COMMAND_MODELS)
    assert {type(decode_server_line(line)) for line in SERVER_LINES} == set(SERVER_MODELS)
    assert {model.model_fields["type"].default for model in COMMAND_MODELS} == set(m.COMMAND_TYPES)


@pytest.mark.parametrize("model", COMMAND_MODELS)
def test_the_first_line_of_a_command_stands_in_the_docstring_of_its_model(model: type[m.Command]) -> None:
    first = next(line for line in COMMAND_LINES if type(decode_line(line)) is model)
    assert (model.__doc__ or "").startswith(f"`{first.decode().strip()}`")


@pytest.mark.parametrize("model", SERVER_MODELS)
def test_the_first_line_of_a_server_message_stands_above_its_model(model: type[m.ServerMessage]) -> None:
    first = next(line for line in SERVER_LINES if type(decode_server_line(line)) is model)
    comment = inspect.getcomments(model) or ""
    assert "".join(line.removeprefix("# ") for line in comment.splitlines()) == first.decode().strip()


# --- the page ----------------------------------------------------------------------------------------------------


def test_every_command_and_every_push_has_its_heading_in_the_order_of_the_models() -> None:
    pushes = ["PRICE", "HEARTBEAT", "NOTICE", "SAID"]
    assert re.findall(r"^### (\w+)$", PROSE, re.MULTILINE) == [*m.COMMAND_TYPES, *pushes]
    server_types = {model.model_fields["type"].default for model in SERVER_MODELS if model is not m.Failure}
    assert server_types == {*m.COMMAND_TYPES, *pushes, "HELLO"}
    assert "\n## HELLO\n" in PROSE


def test_every_code_has_its_row_with_its_status_and_no_other_code_has_one() -> None:
    rows = [(row[0], row[1]) for row in TABLE_ROWS if row[0].isdigit() and "`" not in row[1]]
    assert sorted(rows) == sorted((str(int(code)), code.status) for code in Code)


def test_every_reason_has_its_row_with_its_code_and_whether_to_try_again() -> None:
    rows = {row[1].strip("`"): (row[0], row[2], row[3]) for row in TABLE_ROWS if row[0].isdigit() and "`" in row[1]}
    assert list(rows) == [reason.value for reason in Reason]
    for reason in Reason:
        code, retryable, what_to_do = rows[reason.value]
        assert code == str(int(reason.code))
        assert retryable == ("" if reason.code is Code.CONTINUE else "yes" if reason.retryable else "no"), reason
        assert what_to_do.endswith("."), reason


def test_every_setting_in_the_table_of_limits_is_one_with_its_default() -> None:
    rows = {row[0].strip("`"): row[1] for row in TABLE_ROWS if len(row) == 3 and row[1].isdigit()}
    assert rows == {name: f"{Settings.model_fields[name].default:g}" for name in rows}
    limits = [
        name
        for name in Settings.model_fields
        if name.startswith(("max_", "command", "bytes_", "login_", "upstream_", "user_upstream_", "chat_"))
    ]
    assert set(rows) == {*limits, "auth_timeout_seconds", "heartbeat_seconds", "slow_client_timeout_seconds"}


def test_the_page_names_the_fixed_limits_and_the_intervals() -> None:
    for sentence in (
        f"at most {m.MAX_REPLY_BYTES} bytes (`max_reply_bytes`)",
        f"other than 0 is {m.MIN_INTERVAL_SECONDS} to {m.MAX_INTERVAL_SECONDS:.0f} seconds",
        f"a `limit` is 1 to {m.MAX_LIST_LIMIT}",
        f"`push_interval_seconds` is {Settings.model_fields['push_interval_seconds'].default:g}",
        f"`poll_interval_seconds` is {Settings.model_fields['poll_interval_seconds'].default:g}",
        "a string of at most 128 characters, or a whole number below 2^53",
    ):
        assert sentence in " ".join(PROSE.split())


def test_every_field_of_every_message_is_on_the_page() -> None:
    assert {name for name in FIELDS if not re.search(rf"[`\"]{name}[`\"]", PAGE)} == set()


def test_every_field_of_a_quote_has_a_row_marked_where_it_is_never_left_out() -> None:
    rows = [row[0] for row in TABLE_ROWS if len(row) == 2]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == sorted(m.BoardQuote.model_fields)
    marked = {name for row in rows if "•" in row for name in re.findall(r"`(\w+)`", row)}
    assert marked == set(SCHEMA["$defs"]["BoardQuote"]["required"])


def test_nothing_on_the_page_is_unknown_to_the_models() -> None:
    known = {
        *FIELDS,
        *Settings.model_fields,
        *Reason,
        *MarketState,
        *Scope,
        *HistoryRange,
        *Adjust,
        *m.ListChange,
        "recorded",
    }
    known |= {*AlertWhen, *Repeat, *AlertState}
    words = {word for word in re.findall(r"`([a-z]\w+)`", PROSE) if word not in {"nc", "jq"}}
    assert words - known == set()
    types = {*m.COMMAND_TYPES, "ERROR", *m.PUSHES}
    other = {"JSON", "TCP", "UTC", "UTF", "AAPL", "BRK", "GSPC", "EURUSD", "RELIANCE", "BINANCE", "BTCUSDT", "IANA"}
    other |= {*SEGMENT_WORDS, "FUT", "IDX"}
    capitals = set(re.findall(r"\b[A-Z][A-Z_]{2,}\b", PROSE))
    assert capitals - types - {code.status for code in Code} - other == set()


def test_every_link_on_the_page_leads_somewhere() -> None:
    anchors = {"#" + heading.lower().replace(" ", "-") for heading in re.findall(r"^##+ (.+)$", PROSE, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", PROSE):
        assert target in anchors or (DOCS / target).is_file(), target


# --- the schema --------------------------------------------------------------------------------------------------


def test_the_committed_schema_is_made_from_the_models() -> None:
    committed = json.loads((DOCS / "protocol.schema.json").read_text(encoding="utf-8"))
    assert committed == SCHEMA, (
        "docs/protocol.schema.json is not what the models say: run `stocktrack protocol --schema > "
        "docs/protocol.schema.json`."
    )


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("line", [*COMMAND_LINES, *SERVER_LINES])
def test_a_real_line_fits_the_schema_of_its_direction_and_not_the_other(line: bytes) -> None:
    value = json.loads(line)
    LINE_VALIDATOR.validate(value)
    right, wrong = ("command", "server_message") if line in COMMAND_LINES else ("server_message", "command")
    validator_of(right).validate(value)
    assert not validator_of(wrong).is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"id": 1},
        {"type": "NOPE"},
        {"type": "PING", "foo": 1},
        {"type": "PING", "id": 1.5},
        {"type": "PING", "id": 2**53},
        {"type": "PING", "id": "x" * 129},
        {"query": "apple"},
        {"type": "AUTH"},
        {"type": "AUTH", "password": "b"},
        {"type": "AUTH", "token": ""},
        {"type": "AUTH", "token": "t", "username": "a"},
        {"type": "AUTH", "token": "t", "password": "b"},
        {"type": "AUTH", "token": "t", "username": "a", "password": "b"},
        {"type": "AUTH", "username": "a", "password": None},
        {"type": "TOKEN", "days": 0},
        {"type": "TOKEN", "days": 366},
        {"type": "TOKEN", "days": "7"},
        {"type": "KICK"},
        {"type": "KICK", "session": 7},
        {"type": "ANNOUNCE"},
        {"type": "ANNOUNCE", "text": ""},
        {"type": "ANNOUNCE", "text": "x" * 501},
        {"type": "SAY"},
        {"type": "SAY", "text": ""},
        {"type": "SAY", "text": "x" * 501},
        {"type": "SAY", "text": 5},
        {"type": "SAY", "text": "x", "symbol": "A A"},
        {"type": "MUTE"},
        {"type": "MUTE", "username": ""},
        {"type": "MUTE", "username": "a", "minutes": -1},
        {"type": "MUTE", "username": "a", "minutes": 525_601},
        {"type": "MUTE", "username": "a", "minutes": "60"},
        {"type": "AUTH", "username": "", "password": "b"},
        {"type": "AUTH", "username": "a", "password": 5},
        {"type": "GET"},
        {"type": "GET", "symbols": []},
        {"type": "GET", "symbols": "AAPL"},
        {"type": "GET", "symbols": None},
        {"type": "GET", "symbols": ["AA PL"]},
        {"type": "GET", "symbol": ""},
        {"type": "GET", "symbol": "A" * 49},
        {"type": "GET", "symbol": "AAPL", "symbols": ["AAPL"]},
        {"type": "SUBSCRIBE", "symbols": None},
        {"type": "SUBSCRIBE", "symbol": "AAPL", "symbols": ["AAPL"]},
        {"type": "UNSUBSCRIBE", "symbol": "AAPL", "symbols": ["AAPL"]},
        {"type": "SUBSCRIBE", "interval": 0.05},
        {"type": "SUBSCRIBE", "interval": 3601},
        {"type": "SUBSCRIBE", "interval": "5"},
        {"type": "SUBSCRIBE", "save": 1},
        {"type": "NEWS", "limit": 0},
        {"type": "NEWS", "limit": 101},
        {"type": "INFO"},
        {"type": "INFO", "symbols": ["AAPL"]},
        {"type": "SEARCH", "query": ""},
    ],
)
def test_a_bad_command_fits_neither_the_schema_nor_the_parser(value: dict[str, Any]) -> None:
    assert not LINE_VALIDATOR.is_valid(value)
    with pytest.raises(BadLine):
        decode_line(json.dumps(value).encode())


@pytest.mark.parametrize("kind", ["GET", "SUBSCRIBE", "UNSUBSCRIBE"])
def test_the_schema_takes_one_symbol_wherever_it_takes_symbols(kind: str) -> None:
    for fields in ({"symbol": "aapl"}, {"symbols": ["AAPL", "EURUSD=X"]}):
        validator_of("command").validate({"type": kind, **fields})
    assert validator_of("command").is_valid({"type": kind}) is (kind != "GET")


@pytest.mark.parametrize("line", SERVER_LINES)
def test_a_server_line_without_a_field_that_is_always_there_does_not_fit_the_schema(line: bytes) -> None:
    value: dict[str, Any] = json.loads(line)
    for name in ("type", "code", "status"):
        assert not LINE_VALIDATOR.is_valid({key: entry for key, entry in value.items() if key != name})
    assert not LINE_VALIDATOR.is_valid({**value, "code": 418})
    LINE_VALIDATOR.validate({**value, "later": 1})


def test_the_schema_looks_into_quotes_and_takes_new_fields_there() -> None:
    reply: dict[str, Any] = json.loads(next(line for line in SERVER_LINES if b'"quotes"' in line))
    quote = reply["quotes"][0]
    LINE_VALIDATOR.validate({**reply, "quotes": [{**quote, "later": 1}]})
    for wrong in ({"price": "189.45"}, {"market_state": "lunch"}, {"volume": None}):
        assert not LINE_VALIDATOR.is_valid({**reply, "quotes": [{**quote, **wrong}]})


def test_every_model_of_a_message_has_its_place_in_the_tables() -> None:
    models = [value for value in vars(m).values() if inspect.isclass(value) and value.__module__ == m.__name__]
    bases = {m.Command, m.WithSymbols, m.ServerMessage, m.Reply, m.OverServers}
    assert {model for model in models if issubclass(model, m.Command)} - bases == set(COMMAND_MODELS)
    assert {model for model in models if issubclass(model, m.ServerMessage)} - bases == set(SERVER_MODELS)
    assert len(set(COMMAND_MODELS)) == len(COMMAND_MODELS)
    assert len(set(SERVER_MODELS)) == len(SERVER_MODELS)


@pytest.mark.parametrize("kind", m.COMMANDS)
def test_a_command_and_its_reply_have_the_same_type(kind: str) -> None:
    row = m.COMMANDS[kind]
    assert row.command.model_fields["type"].default == row.reply.model_fields["type"].default == kind
