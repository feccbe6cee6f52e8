"""`docs/asyncapi.json` is what the models say, and AsyncAPI's own parser finds nothing wrong with it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

import node_packages
from command_line import Run
from fakes import ScriptedStream
from live_server import live_server
from node_clients import node_modules
from patient_http import patient_http
from protocol_lines import COMMAND_LINES, SERVER_LINES
from requirements import require_program
from stocktrack.clock import ManualClock
from stocktrack.config import Settings
from stocktrack.messages import COMMANDS, PUSHES, Failure, Who
from stocktrack.web.event_streams import PARAMETERS, PATH
from stocktrack.wire.asyncapi import STREAM_PATH, asyncapi
from stocktrack.wire.lines import decode_line, decode_server_line

FILE = Path(__file__).parents[1] / "docs" / "asyncapi.json"
DOCUMENT: dict[str, Any] = asyncapi()
OPERATIONS: dict[str, Any] = DOCUMENT["operations"]
TALKS = {"tcp": "lines", "ws": "ws"}
# The parser's severities: 0 is an error, 1 a warning; 2 only says that there is a newer AsyncAPI.
PARSE = """
const { Parser } = require("@asyncapi/parser");
const source = require("fs").readFileSync(process.argv[1], "utf8");
new Parser().parse(source).then(({ document, diagnostics }) => console.log(JSON.stringify({
  wrong: diagnostics.filter(({ severity }) => severity < 2).map(({ code, message, path }) => [code, message, path]),
  operations: document ? document.operations().all().map((operation) => operation.id()) : [],
})));
"""


def schema_of(model: str) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/components/schemas/{model}", "components": DOCUMENT["components"]})


def parsed(file: Path) -> dict[str, Any]:
    """What AsyncAPI's parser says of a file."""
    done = subprocess.run(  # noqa: S603 - a script of this file
        [require_program("node"), "-e", PARSE, str(file)],
        env={"NODE_PATH": str(node_modules(node_packages.ASYNCAPI))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_committed_document_is_made_from_the_models() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == DOCUMENT, (
        "docs/asyncapi.json is not what the models say: run `stocktrack protocol --asyncapi > docs/asyncapi.json`."
    )


def test_the_parser_of_asyncapi_finds_nothing_wrong_and_every_operation() -> None:
    told = parsed(FILE)
    assert told["wrong"] == []
    assert sorted(told["operations"]) == sorted(OPERATIONS)


def test_the_parser_would_find_what_is_wrong(tmp_path: Path) -> None:
    wrong = json.loads(FILE.read_text(encoding="utf-8"))
    wrong["operations"]["tcp_get"]["action"] = "ask"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    assert parsed(tmp_path / "wrong.json")["wrong"]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_command_line_fits_its_schema(line: bytes) -> None:
    schema_of(type(decode_line(line)).__name__).validate(json.loads(line))


@pytest.mark.parametrize("line", SERVER_LINES)
def test_a_server_line_fits_its_schema(line: bytes) -> None:
    schema_of(type(decode_server_line(line)).__name__).validate(json.loads(line))


@pytest.mark.parametrize(
    ("model", "payload"),
    [
        ("Get", {"type": "GET"}),
        ("Subscribe", {"type": "SUBSCRIBE", "interval": 0.05}),
        ("Auth", {"type": "AUTH", "password": "no name"}),
        ("History", {"type": "HISTORY", "symbol": "AAPL", "end": "2024-02-09"}),
        ("Price", {"type": "PRICE", "code": 100}),
    ],
)
def test_what_is_wrong_does_not_fit(model: str, payload: dict[str, Any]) -> None:
    assert not schema_of(model).is_valid(payload)


def test_every_message_shows_its_first_real_line() -> None:
    first: dict[str, Any] = {}
    for line in COMMAND_LINES:
        first.setdefault(type(decode_line(line)).__name__, json.loads(line))
    for line in SERVER_LINES:
        first.setdefault(type(decode_server_line(line)).__name__, json.loads(line))
    messages = DOCUMENT["components"]["messages"]
    assert {name: message["examples"][0]["payload"] for name, message in messages.items()} == first


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("door", TALKS)
def test_a_command_is_received_at_both_doors_and_gets_its_reply_or_a_failure(kind: str, door: str) -> None:
    row, channel = COMMANDS[kind], f"#/channels/{TALKS[door]}"
    operation = OPERATIONS[f"{door}_{kind.lower()}"]
    assert (operation["action"], operation["channel"]) == ("receive", {"$ref": channel})
    assert operation["messages"] == [{"$ref": f"{channel}/messages/{row.command.__name__}"}]
    replies = [{"$ref": f"{channel}/messages/{model.__name__}"} for model in (row.reply, Failure)]
    assert operation["reply"] == {"channel": {"$ref": channel}, "messages": replies}
    assert ("administrators" in operation["description"]) is (row.who is Who.ADMINS)


def test_every_push_is_sent_at_both_doors() -> None:
    for door, channel in TALKS.items():
        sent = [message for name in ("hello", "push") for message in OPERATIONS[f"{door}_{name}"]["messages"]]
        assert sent == [{"$ref": f"#/channels/{channel}/messages/{model.__name__}"} for model in PUSHES.values()]


def test_the_stream_of_events_is_where_the_web_door_has_it() -> None:
    assert STREAM_PATH == PATH == DOCUMENT["channels"]["stream"]["address"]
    query = OPERATIONS["stream_events"]["bindings"]["http"]["query"]
    assert tuple(query["properties"]) == PARAMETERS


def test_the_servers_listen_where_the_settings_say() -> None:
    ports = {name: int(server["variables"]["port"]["default"]) for name, server in DOCUMENT["servers"].items()}
    assert ports.pop("tcp") == Settings.model_fields["port"].default
    assert set(ports.values()) == {Settings.model_fields["web_port"].default}


def test_the_command_prints_it(run: Run) -> None:
    finished = run("protocol", "--asyncapi")
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == FILE.read_text(encoding="utf-8")
    both = run("protocol", "--asyncapi", "--schema")
    assert (both.code, both.out) == (2, "")
    assert "one of them at a time" in both.err


async def test_it_is_served(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        answer = await http.get("/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT
