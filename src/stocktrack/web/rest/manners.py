"""What holds for every operation of REST: the methods of a path, HEAD and OPTIONS, and headers that tell what is left.

Each path knows the methods of all operations at it. HEAD is a GET whose body stays here, OPTIONS tells the methods, and
any other one is a 405 with them. What answers a user tells by `RateLimit` what is left of each quota, as the draft
draft-ietf-httpapi-ratelimit-headers has it.
"""

from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import Final

from starlette.routing import BaseRoute, Route

from stocktrack.errors import Reason
from stocktrack.sessions.bucket import Quota
from stocktrack.web.asgi import AsgiApp, Headers, Message, Receive, Scope, Send, is_under, respond
from stocktrack.web.problems import respond_problem
from stocktrack.web.rest.parts import PREFIX, whose_request

# What they answer is for nobody else: no proxy on the way may keep it, nor compress it, by whose length it could be
# guessed (BREACH).
_SECRETS: Final = tuple(f"{PREFIX}/{name}" for name in ("login", "tokens", "password"))
_SECRET: Final = b"no-store, no-transform"
_IN_ORDER: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_WHERE: Final = "/docs lists the operations there are."


class Manners:
    """The ASGI application `app` of these routes, with what holds for all of them."""

    def __init__(self, app: AsgiApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._routes = [route for route in routes if isinstance(route, Route)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called for each request."""
        path, method = str(scope["path"]), str(scope["method"])
        methods = self.methods_of(path)
        allowed = ", ".join((*methods, "OPTIONS"))
        if not methods or self._has_slash_too_many(path, method, methods):
            await respond_problem(send, HTTPStatus.NOT_FOUND, Reason.UNKNOWN_COMMAND, self._nowhere(path))
        elif method == "OPTIONS":
            await respond(send, HTTPStatus.NO_CONTENT, b"", [(b"allow", allowed.encode())], content_type=None)
        elif method not in methods:
            why = f"{method} does not work at {path}; what does: {allowed}. {_WHERE}"
            headers = [(b"allow", allowed.encode())]
            await respond_problem(send, HTTPStatus.METHOD_NOT_ALLOWED, Reason.UNKNOWN_COMMAND, why, headers)
        else:
            await self._answer({**scope}, receive, send)

    def methods_of(self, path: str) -> tuple[str, ...]:
        """What can be done with a path; nothing where there is no such path."""
        found = self._declared_at(path)
        if "GET" in found:
            found.add("HEAD")
        return (*(method for method in _IN_ORDER if method in found), *sorted(found.difference(_IN_ORDER)))

    def _declared_at(self, path: str) -> set[str]:
        """The methods that the operations at a path are declared with."""
        routes = (route for route in self._routes if route.path_regex.match(path) is not None)
        return {method for route in routes for method in route.methods or ()}

    def _has_slash_too_many(self, path: str, method: str, methods: Collection[str]) -> bool:
        """Whether `/stocks/` is asked for what `/stocks` can do: it is no symbol of a list, without any characters."""
        return path.endswith("/") and method not in methods and method in self.methods_of(path.rstrip("/"))

    def _nowhere(self, path: str) -> str:
        if self.methods_of(without := path.rstrip("/")):
            return f"There is no {path}: it is {without}, without a slash at its end."
        return f"There is no {path}: {_WHERE}"

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asking = whose_request(scope)
        is_secret = any(is_under(str(scope["path"]), secret) for secret in _SECRETS)
        is_head = scope["method"] == "HEAD"
        is_over = False
        if is_head and "HEAD" not in self._declared_at(str(scope["path"])):
            scope["method"] = "GET"

        async def send_with(message: Message) -> None:
            nonlocal is_over
            if is_over:
                return
            if message["type"] == "http.response.start":
                headers: Headers = list(message.get("headers", ()))
                if is_secret:
                    headers = [
                        *(header for header in headers if header[0] != b"cache-control"),
                        (b"cache-control", _SECRET),
                    ]
                if asking:
                    headers += quota_headers(asking[0].session.quotas())
                is_over = is_head and dict(headers).get(b"content-type", b"").startswith(b"text/event-stream")
                if is_over:
                    headers = [header for header in headers if header[0] != b"content-length"]
                await send({**message, "headers": headers})
                if is_over:
                    # It would go on and on, and nothing of it would be sent.
                    await send({"type": "http.response.body", "body": b""})
            else:
                await send(message)

        await self._app(scope, receive, send_with)


def quota_headers(quotas: Iterable[Quota]) -> Headers:
    """What somebody may use, and what is left of it, as headers."""
    quotas = tuple(quotas)
    policies = ", ".join(f'"{each.name}";q={each.most};w={each.window_seconds}' for each in quotas)
    left = ", ".join(f'"{each.name}";r={each.left};t={each.full_after_seconds}' for each in quotas)
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]
