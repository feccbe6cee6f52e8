"""What is served over HTTP: which application answers which path, and the headers that every answer carries."""

from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus

from stocktrack.web.asgi import AsgiApp, Headers, Message, Receive, Scope, Send, is_under, respond
from stocktrack.web.assets import Assets
from stocktrack.web.origins import is_of_another_site

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
SECURITY_HEADERS: Headers = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WHOSE = frozenset({b"host", b"origin"})


class Site:
    """The ASGI application of the web port: the page's files itself, the rest by `mounts` (path prefix → app)."""

    def __init__(
        self,
        assets: Assets,
        mounts: Mapping[str, AsgiApp],
        allowed_origins: Collection[str] = (),
        public_names: Collection[str] = (),
    ) -> None:
        self._assets = assets
        self._allowed_origins = allowed_origins
        self._public_names = public_names
        self._mounts = dict(mounts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called for each request."""
        path = str(scope["path"])
        app = next((app for prefix, app in self._mounts.items() if is_under(path, prefix)), None)
        guarded = with_headers(send, SECURITY_HEADERS)
        if scope["method"] not in _SAFE_METHODS and (origin := self._foreign_origin(scope)) is not None:
            # A browser sends it off without asking, and only keeps the answer from the page: a login would be tried.
            why = f"Pages of {origin!r} may change nothing here; the setting allowed_origins says which may.\n"
            await respond(guarded, HTTPStatus.FORBIDDEN, why.encode())
            return
        if app is not None:
            await app(scope, receive, guarded)
        else:
            await self._page(scope, guarded)

    def _foreign_origin(self, scope: Scope) -> str | None:
        """The origin of a page of another site that has sent the request; None where no such page has."""
        headers: list[tuple[bytes, str]] = [
            (name, value.decode("latin-1")) for name, value in scope["headers"] if name in _WHOSE
        ]
        host = next((value for name, value in headers if name == b"host"), "")
        for name, origin in headers:
            if name == b"origin" and is_of_another_site(origin, host, self._allowed_origins, self._public_names):
                return origin
        return None

    async def _page(self, scope: Scope, send: Send) -> None:
        path = str(scope["path"])
        if scope["method"] not in {"GET", "HEAD"}:
            await respond(send, HTTPStatus.METHOD_NOT_ALLOWED, b"Only GET and HEAD.\n", [(b"allow", b"GET, HEAD")])
            return
        if path == "/" and (missing := self._assets.missing()) is not None:
            await respond(send, HTTPStatus.SERVICE_UNAVAILABLE, f"StockTrack\n\n{missing}\n".encode())
            return
        name = "index.html" if path == "/" else path.removeprefix("/page/") if path.startswith("/page/") else None
        asset = self._assets.get(name) if name is not None else None
        if asset is None:
            await respond(send, HTTPStatus.NOT_FOUND, b"There is no such page.\n")
            return
        # Asked for again each time, and answered with a 304 while it is the same: a new server's page shows at once.
        headers = [(b"etag", asset.etag.encode()), (b"cache-control", b"no-cache")]
        wanted = next((value for key, value in scope["headers"] if key == b"if-none-match"), b"")
        if asset.etag.encode() in wanted:
            await respond(send, HTTPStatus.NOT_MODIFIED, b"", headers, content_type=None)
            return
        await respond(send, HTTPStatus.OK, asset.content, headers, content_type=asset.content_type)


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
