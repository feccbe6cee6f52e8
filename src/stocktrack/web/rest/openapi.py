"""The OpenAPI description of REST, as it is: made from the operations, the models of the protocol, and the examples.

What may be sent is described by the command that it becomes, so that a limit stands in one place; what is answered by
the reply as it is on the wire, where nothing is null. What FastAPI would say of either is replaced.
"""

import functools
import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from stocktrack import __version__
from stocktrack.messages import COMMANDS, StrictSymbol
from stocktrack.web.credentials import SCHEMES
from stocktrack.web.problems import PROBLEM_TYPE, Problem
from stocktrack.web.rest.catalogue import PARTS, Example, commands_of, examples, failures_of, part_of
from stocktrack.web.rest.parts import PREFIX, router
from stocktrack.wire.schema import WireSchema

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_RESPONSES: Final = "#/components/responses/"
_OPEN: Final = frozenset({"login"})  # for whoever has no token yet
_ABOUT: Final = """\
Real-time quotes, past prices, news and companies from many sources, and what each user has of their own.

Get a token from [login](#operation/login) and send it as `Authorization: Bearer TOKEN`. Every failure is a problem
(RFC 9457) with a `reason`. HEAD works wherever GET does, OPTIONS tells the methods of a path, and any other method is a
405 with `Allow`. Answers come compressed by gzip where the client takes that. `RateLimit` tells what is left of two
quotas: `commands`, which all requests of a user share, and `sources`, of what they make this server ask elsewhere.

The same server pushes prices: as events by [stream](#operation/stream), and at `/ws`, which speaks the whole protocol.
"""
_SECURITY: Final[Mapping[str, Json]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token: from login, or from `stocktrack users token NAME`.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "A user's name and password with each request, for programs that know no tokens.",
    },
}
_FAILED: Final[Mapping[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.BAD_REQUEST: ("BadRequest", "What was sent is not what this takes; `detail` says which part."),
    HTTPStatus.UNAUTHORIZED: ("Unauthorized", "The token or password is missing, wrong, or counts no more."),
    HTTPStatus.FORBIDDEN: ("Forbidden", "The user or token may not do this, or a page of another site asked for it."),
    HTTPStatus.NOT_FOUND: ("NotFound", "There is no such thing, or no source that offers it."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("TooLarge", "The body is longer than `max_line_bytes`."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("NotJson", "The body is not sent as `application/json`."),
    HTTPStatus.MISDIRECTED_REQUEST: ("Misdirected", "The server does not go by the name in Host."),
    HTTPStatus.TOO_MANY_REQUESTS: ("TooMany", "One of the quotas is used up; Retry-After says until when."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("HeadTooLarge", "The headers are too long or too many."),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("InternalError", "The server failed to do this; its log says why."),
    HTTPStatus.BAD_GATEWAY: ("SourceFailed", "The source that was asked failed, or refuses requests for a while."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Unavailable", "The server stops, is full, or its database did not answer."),
    HTTPStatus.GATEWAY_TIMEOUT: ("SourceTimeout", "The source that was asked did not answer in time."),
}
_RETRY: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
_HEADERS: Final[Mapping[str, Json]] = {
    "RateLimit": {
        "description": "What is left of each quota, `r`, and in how many seconds all of it is there again, `t`.",
        "schema": {"type": "string"},
        "example": '"commands";r=199;t=1, "sources";r=30;t=0',
    },
    "RateLimit-Policy": {
        "description": "Each quota, `q`, and in how many seconds it fills, `w`.",
        "schema": {"type": "string"},
        "example": '"commands";q=200;w=4, "sources";q=30;w=30',
    },
    "Retry-After": {
        "description": "In how many seconds another try is worth it.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 2,
    },
}


@functools.cache
def openapi() -> Json:
    """The description, as an object."""
    described = get_openapi(
        title="StockTrack",
        version=__version__,
        summary="A self-hosted, real-time stock quote server.",
        description=_ABOUT,
        routes=[*router.routes],
        tags=[{"name": name, "description": about} for name, about in PARTS.items()],
        servers=[{"url": "/", "description": "this server"}],
        contact={"name": "whoever runs this server"},
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    routes = [route for route in router.routes if isinstance(route, APIRoute) and route.include_in_schema]
    schemas = described["components"]["schemas"]
    schemas |= _replies(routes)
    names = _names(routes)
    for route in routes:
        for method in _methods_of(route):
            operation = described["paths"][route.path_format][method.lower()]
            _describe(operation, route, names[route.path_format, method], schemas)
    described["components"] |= {
        "responses": _failures(),
        "headers": dict(_HEADERS),
        "securitySchemes": {scheme: _SECURITY[scheme] for scheme in SCHEMES},
    }
    described["components"]["schemas"] = _used(described, schemas)
    described["security"] = _security()
    told: Json = _without_titles(described)
    return told


def openapi_bytes() -> bytes:
    """The description as JSON."""
    return json.dumps(openapi(), ensure_ascii=False, separators=(",", ":")).encode()


def _security() -> list[Json]:
    return [{scheme: []} for scheme in SCHEMES]


def _methods_of(route: APIRoute) -> list[str]:
    return sorted(route.methods or ())


def _names(routes: Iterable[APIRoute]) -> Mapping[tuple[str, str], str]:
    """What each operation is called: as its function, and where that has several, with the end of the path's name."""
    names: dict[tuple[str, str], str] = {}
    for route in routes:
        for method in _methods_of(route):
            name = route.name
            if name in names.values():
                name += "_" + (route.path_format.rpartition(".")[2] if "." in route.path_format else method.lower())
            names[route.path_format, method] = name
    return names


def _describe(operation: Json, route: APIRoute, name: str, schemas: Json) -> None:
    """Say of an operation what it takes, answers, and is called."""
    about = " ".join(operation.get("description", "").split())
    operation["operationId"] = name
    operation["summary"] = re.split(r"[;.](?:\s|$)", about)[0]
    operation["description"] = about
    operation["tags"] = [part_of(route.path_format.removeprefix(PREFIX), route.endpoint.__module__.rpartition(".")[2])]
    operation["security"] = [] if route.name in _OPEN else _security()
    fields = _fields_of(route.name, schemas)
    # The same function may have a path that only gives its answer another form.
    example = examples().get(name) or examples().get(route.name, Example())
    for parameter in operation.get("parameters", ()):
        _describe_parameter(parameter, fields, example)
    if "requestBody" in operation:
        _describe_body(operation["requestBody"], fields, example, schemas)
    _describe_answers(operation, route, example)


def _fields_of(name: str, schemas: Json) -> Json:
    """What the fields of the commands that an operation sends may be, by their names."""
    fields: Json = {}
    for command in commands_of(name):
        schema = COMMANDS[command].command.model_json_schema(schema_generator=WireSchema, ref_template=_REF)
        schemas |= schema.get("$defs", {})
        fields = {**schema["properties"], **fields}
    return fields


def _describe_parameter(parameter: Json, fields: Json, example: Example) -> None:
    own = parameter["schema"]
    name = parameter["name"]
    is_list = name == "symbols"
    if is_list:
        own = _symbols_in_a_row(own)
    elif (field := fields.get(name)) is not None:
        # A query has no null, and what is written there is text: the limits are those of the command.
        own = {**field, **{key: own[key] for key in ("default",) if own.get(key) is not None}}
    elif "anyOf" in own:
        choices = [one for one in own["anyOf"] if one != {"type": "null"}]
        rest = {key: value for key, value in own.items() if key != "anyOf"}
        own = {**rest, **choices[0]} if len(choices) == 1 else {**rest, "anyOf": choices}
    about = parameter.get("description") or own.get("description")
    parameter["schema"] = {key: value for key, value in own.items() if key != "description"}
    if about:
        parameter["description"] = about
    if name in example.parameters:
        one = example.parameters[name]
        parameter["example"] = one.split(",") if is_list and own["type"] == "array" else one


def _symbols_in_a_row(own: Json) -> Json:
    """Several symbols with commas between them, in one parameter or in several."""
    symbol = _symbol_pattern()
    row = {"type": "string", "pattern": rf"^[\s,]*{symbol}\s*(,[\s,]*{symbol}\s*)*[\s,]*$"}
    return {"type": "array", "items": row, "minItems": 1} if own.get("type") == "array" else row


@functools.cache
def _symbol_pattern() -> str:
    class Holder(BaseModel):
        symbol: StrictSymbol

    pattern: str = Holder.model_json_schema()["properties"]["symbol"]["pattern"]
    return pattern.strip("^$")


def _describe_body(body: Json, fields: Json, example: Example, schemas: Json) -> None:
    content = body["content"]["application/json"]
    schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
    for name, own in schema["properties"].items():
        if (field := fields.get(name)) is None:
            continue
        if "minItems" not in own:
            # A command without symbols means another thing than one with none; a body means what it says.
            field = {key: value for key, value in field.items() if key != "minItems"}
        # What the operation itself says of a field goes before what the command says of it.
        told = {key: own[key] for key in ("description", "default") if own.get(key) is not None}
        if {"type": "null"} in own.get("anyOf", ()):
            about = {key: field[key] for key in ("description",) if key in field}
            field = {key: value for key, value in field.items() if key not in {"default", "description"}}
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **about, **told}
        else:
            schema["properties"][name] = {**field, **told}
    if example.body is not None:
        content["example"] = example.body


def _describe_answers(operation: Json, route: APIRoute, example: Example) -> None:
    responses: Json = {}
    for status, response in operation["responses"].items():
        if status in {"422", "4XX", "5XX"}:
            continue  # of FastAPI: here it is a 400, and each of the others is named
        if status == "200":
            if response["description"] == "Successful Response":
                response["description"] = "What was asked for." if "GET" in _methods_of(route) else "Done."
            content = response.get("content", {})
            if len(content) > 1:
                content.pop("text/plain", None)  # FastAPI's word for an answer that is text of another type
            told = content.get("application/json")
            if told is not None and example.answer is not None:
                told["example"] = example.answer
            if route.name not in _OPEN:
                response["headers"] = {**response.get("headers", {}), **_refs("RateLimit", "RateLimit-Policy")}
        responses[status] = response
    for failed in failures_of(route.name, has_body="requestBody" in operation):
        responses[str(failed.value)] = {"$ref": _RESPONSES + _FAILED[failed][0]}
    operation["responses"] = dict(sorted(responses.items()))


def _refs(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _failures() -> Json:
    """The answers to requests that failed, by their names."""
    found = {}
    for status, (name, about) in _FAILED.items():
        headers = _refs("Retry-After") if status in _RETRY else {}
        if status is HTTPStatus.UNAUTHORIZED:
            headers = {"WWW-Authenticate": {"schema": {"const": "Bearer", "type": "string"}}}
        found[name] = {
            "description": about,
            **({"headers": headers} if headers else {}),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}},
        }
    return found


def _replies(routes: Iterable[APIRoute]) -> Json:
    """The models of all answers, as they are on the wire."""
    models = {Problem, *(route.response_model for route in routes if _is_model(route.response_model))}
    in_order = sorted(models, key=lambda model: model.__name__)
    _, told = models_json_schema(
        [(model, "serialization") for model in in_order], schema_generator=WireSchema, ref_template=_REF
    )
    found: Json = told["$defs"]
    return found


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)


def _used(described: Json, schemas: Json) -> Json:
    """Those of the schemas that something refers to."""
    found: set[str] = set()
    rest = [{key: value for key, value in described.items() if key != "components"}]
    rest.append(described["components"]["responses"])
    while rest:
        for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(rest.pop())):
            if name not in found:
                found.add(name)
                rest.append(schemas[name])
    return {name: schemas[name] for name in sorted(found)}


def _without_titles(told: Any) -> Any:
    """What is told without the titles that pydantic makes of the names of fields."""
    if isinstance(told, list):
        return [_without_titles(item) for item in told]
    if not isinstance(told, dict):
        return told
    kept = {}
    for key, value in told.items():
        if key in {"example", "examples", "const", "enum", "default"}:
            kept[key] = value
        elif key == "properties":
            kept[key] = {name: _without_titles(field) for name, field in value.items()}
        elif key == "title" and isinstance(value, str) and "version" not in told:
            continue
        else:
            kept[key] = _without_titles(value)
    return kept
