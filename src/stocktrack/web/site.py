"""What is served over HTTP: which application answers which path, and the headers that every answer carries."""

from collections.abc import Callable, Collection, Iterable, Mapping
from http import HTTPStatus

from stocktrack.errors import Reason
from stocktrack.quotes import shown
from stocktrack.web.accept import accepts_gzip, has_already, preferred
from stocktrack.web.asgi import (
    AsgiApp,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    answers_method,
    is_under,
    respond,
    values_of,
)
from stocktrack.web.assets import Asset, Assets
from stocktrack.web.compression import compressing
from stocktrack.web.cors import Cors
from stocktrack.web.problems import PROBLEM_TYPE, respond_problem

# `connect-src 'self'` covers ws and wss of the same host as well (CSP, level 3).
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)
_OF_ALL: Headers = [(b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin")]
SECURITY_HEADERS: Headers = [
    *_OF_ALL,
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
# What is no document needs no rules for one: they would be a third of what a first visit transfers for a small module.
_PARTS_OF_DOCUMENTS = ("text/javascript", "text/css")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WHAT_THERE_IS = "There is the page at /, and /docs, which lists what programs can ask for."

# What makes the document for one request: it may say by which address the server was asked.
Document = Callable[[Scope], Asset]


class Site:
    """The ASGI application of the web port: the page's files and `documents` itself, the rest by `mounts`.

    Mounts and `websockets` are path prefixes, documents are paths. Of the mounts those under `shared` are for pages of
    other sites too, as `cors` says, and so are documents, and the word that a WebSocket is at a path, or nothing. Under
    `problems` whatever goes wrong is told as a problem.
    """

    def __init__(
        self,
        assets: Assets,
        mounts: Mapping[str, AsgiApp],
        cors: Cors,
        *,
        documents: Mapping[str, Document] | None = None,
        websockets: Collection[str] = (),
        shared: Collection[str] = (),
        problems: Collection[str] = (),
    ) -> None:
        self._assets = assets
        self._mounts = dict(mounts)
        self._cors = cors
        self._documents = dict(documents or {})
        self._websockets = tuple(websockets)
        self._shared = tuple(shared)
        self._problems = tuple(problems)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called for each request."""
        path = str(scope["path"])
        send = _secured(send)
        if self._is_shared(path):
            if (told := self._cors.of_preflight(scope)) is not None:
                await respond(send, HTTPStatus.NO_CONTENT, b"", told, content_type=None)
                return
            send = self._cors.telling(scope, send)
        if scope["method"] not in _SAFE_METHODS and (origin := self._cors.foreign_origin(scope)) is not None:
            # A browser sends it off without asking, and only keeps the answer from the page: a login would be tried.
            why = f"Pages of {shown(origin)} may change nothing here; the setting allowed_origins says which may."
            await self._refuse(scope, send, HTTPStatus.FORBIDDEN, Reason.NOT_PERMITTED, why)
        elif (app := next((app for prefix, app in self._mounts.items() if is_under(path, prefix)), None)) is not None:
            await compressing(app, scope, receive, send)
        elif _is_under_any(path, self._websockets):
            await _no_websocket(scope, send)
        elif (document := self._documents.get(path)) is not None:
            if not await answers_method(scope, send, "GET", "HEAD"):
                await _send_asset(scope, send, document(scope))
        elif path.rstrip("/") in self._documents:
            at = path.rstrip("/")
            await respond(
                send, HTTPStatus.PERMANENT_REDIRECT, f"It is at {at}.\n".encode(), [(b"location", at.encode())]
            )
        else:
            await self._page(scope, send)

    def of_refusal(self, path: str, headers: Headers) -> Headers:
        """What lets an allowed page read that its request, which had these headers, was refused before it came here."""
        return [(b"vary", b"origin"), *self._cors.of_answer({"headers": headers})] if self._is_shared(path) else []

    def _is_shared(self, path: str) -> bool:
        if any(is_under(path, prefix) for prefix in self._mounts):
            return _is_under_any(path, self._shared)
        return path != "/" and not is_under(path, "/page")

    async def _page(self, scope: Scope, send: Send) -> None:
        path = str(scope["path"])
        name = "index.html" if path == "/" else path.removeprefix("/page/") if path.startswith("/page/") else None
        asset = self._assets.get(name) if name is not None else None
        if asset is None and path != "/":
            why = f"There is no such page. {_WHAT_THERE_IS}"
            await self._refuse(scope, send, HTTPStatus.NOT_FOUND, Reason.UNKNOWN_COMMAND, why)
        elif await answers_method(scope, send, "GET", "HEAD"):
            pass
        elif path == "/" and (missing := self._assets.missing()) is not None:
            await respond(send, HTTPStatus.SERVICE_UNAVAILABLE, f"StockTrack\n\n{missing}\n".encode())
        elif asset is not None:
            await _send_asset(scope, send, asset)

    async def _refuse(self, scope: Scope, send: Send, status: HTTPStatus, reason: Reason, why: str) -> None:
        """Say in a sentence why not, or in a problem where a program asks."""
        wanted = preferred(values_of(scope, b"accept"), ("text/plain", PROBLEM_TYPE, "application/json"))
        if wanted != "text/plain" or _is_under_any(str(scope["path"]), self._problems):
            await respond_problem(send, status, reason, why)
        else:
            await respond(send, status, f"{why}\n".encode())


def _is_under_any(path: str, prefixes: Iterable[str]) -> bool:
    return any(is_under(path, prefix) for prefix in prefixes)


async def _no_websocket(scope: Scope, send: Send) -> None:
    """Say to a plain request that only WebSockets are here (RFC 9110, section 15.5.22)."""
    if not await answers_method(scope, send, "GET", "HEAD"):
        why = f"{scope['path']} is a WebSocket: ask for it with ws:// or wss://, as docs/web.md of StockTrack shows.\n"
        headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
        await respond(send, HTTPStatus.UPGRADE_REQUIRED, why.encode(), headers)


async def _send_asset(scope: Scope, send: Send, asset: Asset) -> None:
    # Asked for again each time, and answered with a 304 while it is the same: a new server's page shows at once.
    is_kept = asset.is_immutable
    headers: Headers = [(b"cache-control", b"public, max-age=31536000, immutable" if is_kept else b"no-cache")]
    known = values_of(scope, b"if-none-match")
    is_compressed, tag = False, asset.etag
    if asset.is_compressible:
        headers.append((b"vary", b"accept-encoding"))
        if accepts_gzip(values_of(scope, b"accept-encoding")):
            # Who has it as it was needs no other one.
            is_compressed = not has_already(known, tag)
            tag = asset.compressed_etag if is_compressed else tag
    headers.append((b"etag", tag.encode()))
    if has_already(known, tag):
        await respond(send, HTTPStatus.NOT_MODIFIED, b"", headers, content_type=None)
    elif is_compressed:
        headers.append((b"content-encoding", b"gzip"))
        await respond(send, HTTPStatus.OK, await asset.compressed(), headers, content_type=asset.content_type)
    else:
        await respond(send, HTTPStatus.OK, asset.content, headers, content_type=asset.content_type)


def _secured(send: Send) -> Send:
    """`send` that tells browsers what nothing from here may do."""
    as_document, as_part = with_headers(send, SECURITY_HEADERS), with_headers(send, _OF_ALL)

    async def send_with(message: Message) -> None:
        is_part = message["type"] == "http.response.start" and any(
            name == b"content-type" and value.decode("latin-1").startswith(_PARTS_OF_DOCUMENTS)
            for name, value in message.get("headers", ())
        )
        await (as_part if is_part else as_document)(message)

    return send_with


def with_headers(send: Send, headers: Iterable[tuple[bytes, bytes]]) -> Send:
    """`send` that adds `headers` to each answer that does not carry them itself."""
    added = list(headers)

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            names = {name.lower() for name, _ in own}
            message = {**message, "headers": own + [header for header in added if header[0] not in names]}
        await send(message)

    return send_with
