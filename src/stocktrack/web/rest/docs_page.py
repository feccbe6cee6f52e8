"""The page `/docs`: the operations of REST for people, made from their OpenAPI description, without a script.

Each operation has a curl that can be copied as it is into bash or zsh, to the address by which the page was asked for.
"""

import html
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from stocktrack.web.event_text import MEDIA_TYPE

Json = Mapping[str, Any]

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_HEAD: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>StockTrack REST</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/styles/base.css">
<link rel="stylesheet" href="/docs.css">
</head>
<body class="docs">
"""
_TOP: Final = (
    '<header class="docs-top"><a class="logo" href="/"><img src="/page/icon.svg" alt="" width="28" height="28">'
    "StockTrack</a><span>REST, version {version}</span>"
    '<a href="/openapi.json">openapi.json</a> <a href="/asyncapi.json">asyncapi.json</a></header>'
    '<div class="docs-columns">'
)
_FIRST_STEPS: Final = (
    "<h2>First steps</h2><p>The commands below take your token from the variable <code>TOKEN</code>. "
    "A click selects a command.</p>"
)
_DARK: Final = re.compile(r':root\[data-theme="dark"\] \{(?P<colours>[^}]*--page:[^}]*)\}')


def docs_page(openapi: Json, base: str) -> str:
    """The page for the server at `base`, such as http://localhost:8080."""
    parts = {part["name"]: _operations(openapi, part["name"]) for part in openapi["tags"]}
    info = openapi["info"]
    return "".join(
        (
            _HEAD,
            _TOP.format(version=_text(info["version"])),
            _contents(parts),
            '<main class="docs-main"><h1>REST</h1>',
            "".join(f"<p>{_prose(paragraph)}</p>" for paragraph in info["description"].strip().split("\n\n")),
            _FIRST_STEPS,
            _code(_first_steps(openapi, base)),
            *(_part(openapi, part, parts[part["name"]], base) for part in openapi["tags"]),
            "</main></div></body></html>\n",
        )
    )


def docs_style(base_css: str, docs_css: str) -> str:
    """The style of the page: the colours of the site's dark theme where the system is dark, and what only it needs."""
    dark = _DARK.search(base_css)
    colours = "" if dark is None else f"@media (prefers-color-scheme: dark) {{\n:root {{{dark['colours']}}}\n}}\n\n"
    return colours + docs_css


def curl(path: str, method: str, operation: Json, base: str) -> str:
    """The operation's example as a command, quoted for bash and zsh."""
    in_path, in_query = dict[str, str](), dict[str, str]()
    for parameter in operation.get("parameters", ()):
        if "example" in parameter:
            example = parameter["example"]
            value = ",".join(example) if isinstance(example, list) else example
            value = value if isinstance(value, str) else json.dumps(value)
            if parameter["in"] in {"path", "query"}:
                (in_path if parameter["in"] == "path" else in_query)[parameter["name"]] = value
    # What has no example stays as it is in the braces.
    url = base + re.sub(r"\{(\w+)\}", lambda name: quote(in_path.get(name[1], name[0]), safe="{}"), path)
    if in_query:
        url += "?" + urlencode(in_query, safe=",", quote_via=quote)
    # What never ends is printed as it comes.
    words = [
        "curl",
        "-sN" if _is_stream(operation) else "-s",
        *([] if method == "get" else ["-X", method.upper()]),
        f"'{url.replace(chr(39), '%27')}'",
    ]
    if operation.get("security"):
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    body = _body_of(operation)
    if body is not None:
        words += ["-H", "'Content-Type: application/json'", "-d", shlex.quote(json.dumps(body.get("example", {})))]
    return " ".join(words)


def _is_stream(operation: Json) -> bool:
    return MEDIA_TYPE in operation.get("responses", {}).get("200", {}).get("content", {})


def _body_of(operation: Json) -> Json | None:
    content: Json | None = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return content


def _operations(openapi: Json, part: str) -> list[tuple[str, str, Json]]:
    return [
        (path, method, operations[method])
        for path, operations in openapi["paths"].items()
        for method in _METHODS
        if part in operations.get(method, {}).get("tags", ())
    ]


def _first_steps(openapi: Json, base: str) -> str:
    for path, operations in openapi["paths"].items():
        if path.endswith("/login"):
            login = curl(path, "post", operations["post"], base)
            return f'export TOKEN=$({login} | sed \'s/.*"token":"\\([^"]*\\)".*/\\1/\')'
    return ""


def _contents(parts: Mapping[str, list[tuple[str, str, Json]]]) -> str:
    lists = "".join(
        f'<h3><a href="#{_text(name)}">{_text(name)}</a></h3><ul>'
        + "".join(
            f'<li><a href="#operation/{_text(operation["operationId"])}">{_badge(method)}'
            f"<span>{_text(path)}</span></a></li>"
            for path, method, operation in operations
        )
        + "</ul>"
        for name, operations in parts.items()
    )
    return f'<nav class="docs-contents" aria-label="operations">{lists}</nav>'


def _part(openapi: Json, part: Json, operations: Iterable[tuple[str, str, Json]], base: str) -> str:
    articles = "".join(_operation(openapi, path, method, operation, base) for path, method, operation in operations)
    name = _text(part["name"])
    return f'<section id="{name}"><h2>{name}</h2><p>{_prose(part["description"])}</p>{articles}</section>'


def _operation(openapi: Json, path: str, method: str, operation: Json, base: str) -> str:
    name = _text(operation["operationId"])
    heading = f'<a href="#operation/{name}">{_badge(method)}<code>{_text(path)}</code></a>'
    pieces = [f'<article id="operation/{name}"><h3>{heading}</h3><p>{_prose(operation["description"])}</p>']
    if not operation.get("security"):
        pieces.append('<p class="quiet-note">Needs no token.</p>')
    if parameters := operation.get("parameters"):
        rows = [
            (
                each["name"],
                f"in the {each['in']}{', needed' if each.get('required') else ''}",
                _kind(openapi, each["schema"]),
                each.get("description", ""),
            )
            for each in parameters
        ]
        pieces.append(_table("Parameters", rows))
    if (body := _body_of(operation)) is not None:
        schema = _resolved(openapi, body["schema"])
        needed = schema.get("required", ())
        rows = [
            (name, "needed" if name in needed else "", _kind(openapi, field), field.get("description", ""))
            for name, field in schema["properties"].items()
        ]
        pieces.append(_table("Body, as JSON", rows))
    pieces.append(_code(curl(path, method, operation, base)))
    pieces.append(_answers(openapi, operation))
    return "".join((*pieces, "</article>"))


def _answers(openapi: Json, operation: Json) -> str:
    rows, examples = [], []
    for status, response in operation["responses"].items():
        told = (
            openapi["components"]["responses"][response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        )
        phrase = HTTPStatus(int(status)).phrase
        types = ", ".join(told.get("content", ()))
        rows.append(
            f"<dt><b>{_text(status)}</b> {_text(phrase)}</dt><dd>{_prose(told['description'])}"
            f"{f' <span>{_text(types)}</span>' if types else ''}</dd>"
        )
        for media_type, content in told.get("content", {}).items():
            if (example := content.get("example")) is not None:
                text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
                examples.append(f"<p>{_text(status)}, {_text(media_type)}:</p><pre><code>{_text(text)}</code></pre>")
    shown = f"<details><summary>Example</summary>{''.join(examples)}</details>" if examples else ""
    return f"<details><summary>Answers</summary><dl>{''.join(rows)}</dl></details>{shown}"


def _table(title: str, rows: Iterable[tuple[str, str, str, str]]) -> str:
    lines = "".join(
        f"<tr><th scope=row><code>{_text(name)}</code>{f'<small>{_text(where)}</small>' if where else ''}</th>"
        f"<td>{kind}</td><td>{_prose(about)}</td></tr>"
        for name, where, kind, about in rows
    )
    return f"<table><caption>{_text(title)}</caption><tbody>{lines}</tbody></table>"


def _resolved(openapi: Json, schema: Json) -> Json:
    if "$ref" in schema:
        found: Json = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _kind(openapi: Json, schema: Json) -> str:
    """What a value may be, and what it is where it is left out, in words; HTML."""
    kind = _kind_alone(openapi, schema)
    if (default := schema.get("default")) is None:
        return kind
    return f"{kind}; <code>{_text(default if isinstance(default, str) else json.dumps(default))}</code> unless given"


def _kind_alone(openapi: Json, schema: Json) -> str:
    told = _resolved(openapi, schema)
    if "enum" in told:
        return "one of " + ", ".join(f"<code>{_text(value)}</code>" for value in told["enum"])
    if (choices := told.get("anyOf")) and "type" not in told:
        return " or ".join(_kind(openapi, each) for each in choices if each != {"type": "null"})
    match told.get("type"):
        case "array":
            most = f", at most {told['maxItems']}" if "maxItems" in told else ""
            return f"list of {_kind(openapi, told['items'])}{most}"
        case "string" if "pattern" in told:
            return f"text like <code>{_text(told['pattern'])}</code>"
        case "string" if "format" in told:
            return _text(told["format"])
        case "string":
            return "text" + (f" of up to {told['maxLength']} characters" if "maxLength" in told else "")
        case "integer" | "number" as number:
            ends = (("from", told.get("minimum")), ("to", told.get("maximum")))
            limits = "".join(f" {word} {_number(end)}" for word, end in ends if end is not None)
            return ("whole number" if number == "integer" else "number") + limits
        case "boolean":
            return "<code>true</code> or <code>false</code>"
    return ""


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _badge(method: str) -> str:
    return f'<b class="method {method}">{method.upper()}</b>'


def _code(text: str) -> str:
    return f'<pre class="command"><code>{_text(text)}</code></pre>'


def _text(text: object) -> str:
    return html.escape(str(text))


def _prose(text: str) -> str:
    """A text with the little Markdown that descriptions have: code, and links within the page."""
    told = re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))
    return re.sub(r"\[([^\]]+)\]\((#[\w/]+)\)", r'<a href="\2">\1</a>', told)
