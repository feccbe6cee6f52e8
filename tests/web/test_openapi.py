"""The OpenAPI description of REST: that it is one, that it is complete, and that it says what the server does."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi.routing import APIRoute
from openapi_spec_validator import OpenAPIV31SpecValidator

import node_packages
from requirements import require, require_program
from stocktrack.messages import COMMANDS, MAX_LIST_LIMIT
from stocktrack.web.credentials import SCHEMES
from stocktrack.web.rest import application  # noqa: F401 - it puts the operations into the router
from stocktrack.web.rest.catalogue import PARTS, commands_of, examples
from stocktrack.web.rest.openapi import openapi, openapi_bytes
from stocktrack.web.rest.parts import router

REDOCLY = node_packages.OPENAPI_LINTER / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation with its path and method."""
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(json.loads(openapi_bytes())).iter_errors()] == []


async def test_redocly_finds_nothing_to_say_about_it(tmp_path: Path) -> None:
    node = require_program("node")
    require(node_packages.are_there(node_packages.OPENAPI_LINTER), "Redocly's linter (npm, then `make node-packages`)")
    (tmp_path / "openapi.json").write_bytes(openapi_bytes())
    process = await asyncio.create_subprocess_exec(
        *(str(node), str(REDOCLY), "lint", "--extends", "recommended-strict", "--format", "json", "openapi.json"),
        cwd=tmp_path,
        env={"PATH": str(node.parent), "HOME": str(tmp_path), "REDOCLY_TELEMETRY": "off"}
        | {"REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert json.loads(out)["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, (out, err)
    assert process.returncode == 0


def test_every_operation_has_a_name_of_its_own_a_part_and_an_example() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for path, method, operation in operations():
        name = operation["operationId"]
        assert re.fullmatch(r"[a-z_]+", name)
        assert set(operation["tags"]) <= set(PARTS), f"{method} {path}: its part is in catalogue.PARTS"
        of = name.removesuffix("_csv")  # the same operation, whose answer has another form
        assert commands_of(of), f"{of}: catalogue.py says which commands it sends"
        assert set(commands_of(of)) <= set(COMMANDS)
        example = examples().get(of)
        assert example is not None, f"{name}: examples.json has a real request and its answer"
        is_json = "application/json" in operation["responses"]["200"]["content"]
        assert (example.answer is not None) is (is_json or of != name)
        assert "requestBody" not in operation or example.body is not None
        assert set(example.parameters) <= {parameter["name"] for parameter in operation.get("parameters", ())}
        in_path = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert in_path <= set(example.parameters)
    assert set(examples()) <= set(names)


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method, _ in operations()])
def test_the_examples_are_what_the_schemas_say(path: str, method: str) -> None:
    described = openapi()
    operation = described["paths"][path][method]
    told = operation["responses"]["200"]["content"]
    content = [told["application/json"]] if "application/json" in told else []
    if "requestBody" in operation:
        content.append(operation["requestBody"]["content"]["application/json"])
    pairs = [(each["example"], each["schema"]) for each in content]
    pairs += [(each["example"], each["schema"]) for each in operation.get("parameters", ()) if "example" in each]
    for example, schema in pairs:
        jsonschema.validate(example, {**schema, "components": described["components"]})


def test_what_may_be_sent_is_what_the_command_takes() -> None:
    paths = openapi()["paths"]
    limit = next(each for each in paths["/api/v1/news"]["get"]["parameters"] if each["name"] == "limit")
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"]) == (1, MAX_LIST_LIMIT)
    symbol = paths["/api/v1/company/{symbol}"]["get"]["parameters"][0]["schema"]["pattern"]
    assert re.match(symbol, "BTC/USD")
    assert not re.match(symbol, "A B")
    row = next(each for each in paths["/api/v1/quotes"]["get"]["parameters"] if each["name"] == "symbols")
    pattern = row["schema"].get("pattern") or row["schema"]["items"]["pattern"]
    for text, fits in (("AAPL", True), ("AAPL, brk-b,,^GSPC", True), ("A B", False), (",", False), ("", False)):
        assert bool(re.match(pattern, text)) is fits, text


def test_only_a_login_needs_no_token_and_every_failure_is_a_problem() -> None:
    described = openapi()
    assert set(described["components"]["securitySchemes"]) == set(SCHEMES)
    open_to_all = [operation["operationId"] for _, _, operation in operations() if operation["security"] == []]
    assert open_to_all == ["login"]
    for response in described["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]
    for _, _, operation in operations():
        statuses = {status for status in operation["responses"] if status >= "400"}
        assert statuses >= {"400", "401", "403", "429", "500", "503"}
        assert "422" not in operation["responses"]


def test_it_says_nothing_of_what_is_not_there() -> None:
    routes = [route for route in router.routes if isinstance(route, APIRoute) and route.include_in_schema]
    assert {(route.path_format, method.lower()) for route in routes for method in route.methods or ()} == {
        (path, method) for path, method, _ in operations()
    }
    assert openapi()["servers"] == [{"url": "/", "description": "this server"}]
    assert '"null"' not in json.dumps(openapi()["components"]["schemas"]["BoardQuote"])
