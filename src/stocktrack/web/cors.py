"""What pages of other sites may read: the headers of CORS, for REST, UDF and whatever else is shared with them.

The setting `allowed_origins` says which sites those are. A page of any other gets no such header, so that its browser
keeps the answer from it; the page of this server needs none. Nothing here goes by cookies, so that no answer ever says
`Access-Control-Allow-Credentials`: a token is sent by hand.
"""

from collections.abc import Collection
from typing import Final

from stocktrack.web.asgi import Headers, Message, Scope, Send, values_of, with_vary
from stocktrack.web.origins import is_of_another_site

# For so long a browser remembers what it may ask; a change of the setting counts after that.
PREFLIGHT_SECONDS: Final = 600
# Whatever a path knows: what it does not know it refuses by itself, in an answer that the page can read.
_MAY_BE_ASKED: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_MAY_BE_SENT: Final = b"accept, authorization, cache-control, content-type, if-none-match, last-event-id"
_MAY_BE_READ: Final = b"content-disposition, etag, link, ratelimit, ratelimit-policy, retry-after"


class Cors:
    """Which pages may read, and what their browsers are told."""

    def __init__(self, allowed_origins: Collection[str] = (), public_names: Collection[str] = ()) -> None:
        self._allowed_origins = allowed_origins
        self._public_names = public_names

    def foreign_origin(self, scope: Scope) -> str | None:
        """The origin of a page of another site that has sent the request; None where no such page has."""
        host = next(iter(values_of(scope, b"host")), "")
        for origin in values_of(scope, b"origin"):
            if is_of_another_site(origin, host, self._allowed_origins, self._public_names):
                return origin
        return None

    def of_answer(self, scope: Scope) -> Headers:
        """The headers by which the browser of an allowed page lets it read an answer; none for any other page."""
        origins = values_of(scope, b"origin")
        if len(origins) != 1 or self.foreign_origin(scope) is not None:
            return []
        return [
            (b"access-control-allow-origin", origins[0].encode("latin-1")),
            (b"access-control-expose-headers", _MAY_BE_READ),
        ]

    def of_preflight(self, scope: Scope) -> Headers | None:
        """What the browser of an allowed page is told when it asks beforehand; None where that is not what is asked."""
        told = self.of_answer(scope)
        if not told or scope["method"] != "OPTIONS" or not values_of(scope, b"access-control-request-method"):
            return None
        told = [
            told[0],
            (b"access-control-allow-methods", _MAY_BE_ASKED),
            (b"access-control-allow-headers", _MAY_BE_SENT),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
            (b"vary", b"origin"),
        ]
        if values_of(scope, b"access-control-request-private-network") == ["true"]:
            told.append((b"access-control-allow-private-network", b"true"))
        return told

    def telling(self, scope: Scope, send: Send) -> Send:
        """`send` that tells the browser of an allowed page what it may read."""
        told = self.of_answer(scope)

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": with_vary([*message.get("headers", ()), *told], b"origin")}
            await send(message)

        return send_with
