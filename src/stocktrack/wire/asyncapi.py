"""The AsyncAPI document (3.0) of TCP, WebSocket and server-sent events, made from the protocol's models.

It describes the server: a command is an operation that receives, with the one reply that comes of it or a failure; what
is pushed is one that sends. The examples are the lines that stand with the models. AsyncAPI's schemas are those of JSON
Schema's draft 7, so what newer drafts say is said in its words.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from stocktrack import messages
from stocktrack.messages import (
    COMMANDS,
    MAX_INTERVAL_SECONDS,
    MIN_INTERVAL_SECONDS,
    PROTOCOL_VERSION,
    PUSHES,
    CommandRow,
    Failure,
    Hello,
    Notice,
    Price,
    Who,
)
from stocktrack.scopes import Scope
from stocktrack.system.addresses import DEFAULT_PORT
from stocktrack.wire.schema import WireSchema

WS_PATH: Final = "/ws"
STREAM_PATH: Final = "/api/v1/stream"
# As the settings have it; a test holds it to them.
DEFAULT_WEB_PORT: Final = 8_080

_ABOUT: Final = (
    "StockTrack's protocol: one JSON object a line over TCP, the same lines as messages of WebSocket, and prices as "
    "server-sent events. A session begins with HELLO, and AUTH is the first command. Commands may be pipelined; each "
    "gets exactly one reply, in their order and with their id. Clients ignore fields and types they do not know."
)
_WHO: Final[Mapping[Who, str]] = {
    Who.ANYBODY: "Taken from anybody.",
    Who.STRANGERS: "Taken before the login.",
    Who.GUESTS: "Taken after the login, and from guests.",
    Who.USERS: "Taken after the login.",
    Who.ADMINS: "Taken from administrators.",
}
_IS_READ: Final = " A token with the scope `read` is enough."
# The channels with commands, and what the names of their operations begin with.
_TALKS: Final = {"lines": "tcp", "ws": "ws"}
_LINE_ABOVE: Final = re.compile(r"((?:^# .*\n)+)class (\w+)\(", re.MULTILINE)
_DOC_LINE: Final = re.compile(r"`(\{.*?\})`")

Document = dict[str, Any]


def asyncapi() -> Document:
    """The whole document; it takes a few tenths of a second."""
    commands: list[type[BaseModel]] = [row.command for row in COMMANDS.values()]
    told: list[type[BaseModel]] = [*(row.reply for row in COMMANDS.values()), Failure, *PUSHES.values()]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "StockTrack", "version": f"{PROTOCOL_VERSION}.0.0", "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": _channels([model.__name__ for model in (*commands, *told)]),
        "operations": _operations(),
        "components": {
            "messages": {
                **{row.command.__name__: _message(row.command, kind) for kind, row in COMMANDS.items()},
                **{row.reply.__name__: _message(row.reply, kind) for kind, row in COMMANDS.items()},
                Failure.__name__: {**_message(Failure, "Failure"), "title": "a command that failed"},
                **{model.__name__: _message(model, kind) for kind, model in PUSHES.items()},
            },
            "schemas": {**_schemas(commands, "validation"), **_schemas(told, "serialization")},
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "AUTH with a username and a password"},
                "token": {"type": "apiKey", "in": "password", "description": "AUTH with a token"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer TOKEN"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "a username and a password, or a token of that user in its place",
                },
                "address": {
                    "type": "httpApiKey",
                    "name": "token",
                    "in": "query",
                    "description": "for clients that can send no header; never logged by the server",
                },
            },
        },
    }


@functools.cache
def asyncapi_json() -> str:
    """The document as it is served, printed and kept in docs/."""
    return json.dumps(asyncapi(), indent=2)


# --- where ---------------------------------------------------------------------------------------------------------


def _servers() -> Document:
    talk = [_security("password"), _security("token")]
    return {
        "tcp": _server("tcp", DEFAULT_PORT, "Lines over TCP; with a certificate the same port speaks TLS.", talk),
        "ws": _server("ws", DEFAULT_WEB_PORT, "WebSocket, on the web port.", talk),
        "wss": _server("wss", DEFAULT_WEB_PORT, "The same with a certificate, or behind a proxy that has one.", talk),
        "http": _server("http", DEFAULT_WEB_PORT, "Server-sent events, on the web port."),
        "https": _server("https", DEFAULT_WEB_PORT, "The same with a certificate, or behind a proxy that has one."),
    }


def _server(protocol: str, port: int, description: str, security: Sequence[Document] = ()) -> Document:
    made: Document = {
        "host": "{host}:{port}",
        "protocol": protocol,
        "description": description,
        "variables": {
            "host": {"default": "localhost", "description": "where the server listens"},
            "port": {"default": str(port), "description": "as the server's settings say"},
        },
    }
    return {**made, "security": list(security)} if security else made


def _security(name: str) -> Document:
    return {"$ref": f"#/components/securitySchemes/{name}"}


def _channels(names: Sequence[str]) -> Document:
    everything = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    events = {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"} for model in (Price, Notice)}
    return {
        "lines": {
            "address": "/",
            "title": "TCP",
            "description": "A TCP connection has no address beyond its port: one JSON object a line, UTF-8, both ways.",
            "servers": [{"$ref": "#/servers/tcp"}],
            "messages": everything,
        },
        "ws": {
            "address": WS_PATH,
            "title": "WebSocket",
            "description": "A message to the server is one command; one from it holds one or more lines, each with its "
            "line feed.",
            "servers": [{"$ref": "#/servers/ws"}, {"$ref": "#/servers/wss"}],
            "messages": everything,
            "bindings": {
                "ws": {
                    "method": "GET",
                    "query": {
                        "type": "object",
                        "properties": {
                            "token": {
                                "type": "string",
                                "description": "instead of AUTH, which is answered all the same",
                            }
                        },
                    },
                    "bindingVersion": "0.1.0",
                }
            },
        },
        "stream": {
            "address": STREAM_PATH,
            "title": "Server-sent events",
            "description": "A PRICE is the `data` of an event without a name, whose `id` is INSTANCE:SEQ:SYMBOL; a "
            "NOTICE that of an event `notice`. Comments are heartbeats.",
            "servers": [{"$ref": "#/servers/http"}, {"$ref": "#/servers/https"}],
            "messages": events,
        },
    }


# --- what ----------------------------------------------------------------------------------------------------------


def _operations() -> Document:
    found: Document = {}
    for channel, prefix in _TALKS.items():
        found[f"{prefix}_hello"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": "The first message of a session.",
            "messages": [_of(channel, Hello)],
        }
        for kind, row in COMMANDS.items():
            found[f"{prefix}_{kind.lower()}"] = _command(channel, kind, row)
        found[f"{prefix}_push"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": "What comes without being asked for: prices that SUBSCRIBE began, heartbeats, notices, words.",
            "messages": [_of(channel, model) for model in PUSHES.values() if model is not Hello],
        }
        found[f"{prefix}_error"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": "The answer to a line that is no command: a failure with the type ERROR.",
            "messages": [_of(channel, Failure)],
        }
    found["stream_events"] = {
        "action": "send",
        "channel": {"$ref": "#/channels/stream"},
        "summary": "Prices as they change, or every so many seconds, until either side closes.",
        "security": [_security("bearer"), _security("basic"), _security("address")],
        "messages": [_of("stream", Price), _of("stream", Notice)],
        "bindings": {"http": {"method": "GET", "query": _stream_query(), "bindingVersion": "0.3.0"}},
    }
    return found


def _command(channel: str, kind: str, row: CommandRow) -> Document:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": kind,
        "summary": _sentence_of(row.reply),
        "description": _WHO[row.who] + (_IS_READ if row.scope is Scope.READ else ""),
        "messages": [_of(channel, row.command)],
        "reply": {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [_of(channel, row.reply), _of(channel, Failure)],
        },
    }


def _of(channel: str, model: type[BaseModel]) -> Document:
    return {"$ref": f"#/channels/{channel}/messages/{model.__name__}"}


def _stream_query() -> Document:
    return {
        "type": "object",
        "required": ["symbols"],
        "additionalProperties": False,
        "properties": {
            "symbols": {
                "type": "string",
                "description": "AAPL,TSLA; may stand several times",
                "examples": ["AAPL,TSLA"],
            },
            "interval": {
                "type": "number",
                "anyOf": [{"const": 0}, {"minimum": MIN_INTERVAL_SECONDS, "maximum": MAX_INTERVAL_SECONDS}],
                "default": 0,
                "description": "seconds between pushes of all symbols; 0 as prices change",
            },
            "token": {"type": "string", "description": "instead of the Authorization header"},
            "lastEventId": {"type": "string", "description": "instead of the Last-Event-ID header"},
        },
    }


def _message(model: type[BaseModel], name: str) -> Document:
    made: Document = {
        "name": name,
        "title": name,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }
    if sentence := _sentence_of(model):
        made["summary"] = sentence
    if "id" in model.model_fields:
        made["correlationId"] = {"location": "$message.payload#/id", "description": "of the command, where it had one"}
    if (example := _example_of(model)) is not None:
        made["examples"] = [{"name": "line", "payload": example}]
    return made


def _sentence_of(model: type[BaseModel]) -> str:
    """The first sentence of what a model says of itself; empty for a command, which shows its line there."""
    first = (model.__doc__ or "").partition("\n")[0]
    return "" if first.startswith("`") else first


def _example_of(model: type[BaseModel]) -> Any:
    """The real line that stands with a model; None where its source is not at hand."""
    if (line := _DOC_LINE.match(model.__doc__ or "")) is not None:
        return json.loads(line[1])
    line_above = _lines_above().get(model.__name__)
    return json.loads(line_above) if line_above is not None else None


def _lines_above() -> Mapping[str, str]:
    """What stands as a comment above each class of the messages, joined to the line that it is."""
    try:
        source = Path(messages.__file__).read_text(encoding="utf-8")
    except OSError:
        return {}
    joined = {
        name: "".join(line.removeprefix("# ") for line in comment.splitlines())
        for comment, name in _LINE_ABOVE.findall(source)
    }
    return {name: line for name, line in joined.items() if line.startswith("{")}


# --- schemas in the words of draft 7 -------------------------------------------------------------------------------


def _schemas(models: Sequence[type[BaseModel]], mode: JsonSchemaMode) -> Document:
    _, made = models_json_schema(
        [(model, mode) for model in models],
        schema_generator=WireSchema,
        ref_template="#/components/schemas/{model}",
    )
    schemas = _in_draft_7(made["$defs"])
    assert isinstance(schemas, dict)  # noqa: S101 - as what it was made of
    return schemas


def _in_draft_7(part: Any) -> Any:
    if isinstance(part, list):
        return [_in_draft_7(each) for each in part]
    if not isinstance(part, dict):
        return part
    made = {name: _in_draft_7(value) for name, value in part.items()}
    if "prefixItems" in made:
        made["items"] = made.pop("prefixItems")
    if isinstance(needs := made.get("dependentRequired"), dict):
        made["dependencies"] = needs
        del made["dependentRequired"]
    return made
