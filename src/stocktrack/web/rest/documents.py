"""What the web port says of itself: `/openapi.json`, `/asyncapi.json`, and the page `/docs` for people."""

import functools
import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from stocktrack.web.asgi import IS_FORWARDED, Scope, values_of
from stocktrack.web.assets import PAGE_FOLDER, Asset, asset_of
from stocktrack.web.rest.docs_page import docs_page, docs_style
from stocktrack.web.rest.openapi import openapi, openapi_bytes
from stocktrack.wire.asyncapi import asyncapi_json

# A server goes by few names.
_PAGES_KEPT: Final = 8
# Stands in the page until the address is known by which it was asked for.
_SOMEWHERE: Final = "http://address.invalid"
_STYLES: Final = PAGE_FOLDER / "styles"


@functools.cache
def documents() -> Mapping[str, Callable[[Scope], Asset]]:
    """The documents by their paths, each made for a request."""
    described = asset_of(openapi_bytes(), "application/json")
    protocol = asset_of(asyncapi_json().encode(), "application/json")
    style = asset_of(docs_style(_read("base.css"), _read("docs.css")).encode(), "text/css; charset=utf-8")
    _page()  # it takes its time, in which nobody may wait for a price
    return {
        "/openapi.json": lambda _: described,
        "/asyncapi.json": lambda _: protocol,
        "/docs": lambda scope: _page_at(_address_of(scope)),
        "/docs.css": lambda _: style,
    }


def _read(name: str) -> str:
    file: Path = _STYLES / name
    return file.read_text() if file.is_file() else ""


@functools.cache
def _page() -> bytes:
    return docs_page(openapi(), _SOMEWHERE).encode()


@functools.lru_cache(maxsize=_PAGES_KEPT)
def _page_at(base: str) -> Asset:
    # Whoever asks says by which address, a new one each time if they like: the page is not made anew for that.
    address = html.escape(base.replace("'", "%27")).encode()
    return asset_of(_page().replace(_SOMEWHERE.encode(), address), "text/html; charset=utf-8")


def _address_of(scope: Scope) -> str:
    """By which address the server was asked; behind a proxy that speaks TLS, that proxy's."""
    scheme = str(scope["scheme"])
    if scope[IS_FORWARDED] and values_of(scope, b"x-forwarded-proto") == ["https"]:
        scheme = "https"
    return f"{scheme}://{next(iter(values_of(scope, b'host')), 'localhost')}"
