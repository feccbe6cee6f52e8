"""What ASGI says between a connection and an application, and answers in one piece."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# In a scope of ours: whether a proxy stands between the client and this server.
IS_FORWARDED = "stocktrack.is_forwarded"


async def respond(
    send: Send,
    status: HTTPStatus,
    content: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    content_type: str | None = "text/plain; charset=utf-8",
) -> None:
    """Answer a request in one piece."""
    own: Headers = list(headers)
    if content_type is not None:
        own += [(b"content-type", content_type.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status.value, "headers": own})
    await send({"type": "http.response.body", "body": content})


async def answers_method(scope: Scope, send: Send, *methods: str) -> bool:
    """Whether a request is answered by its method alone: OPTIONS, which asks for the `methods`, and any other one."""
    if scope["method"] in methods:
        return False
    allowed = ", ".join((*methods, "OPTIONS"))
    if scope["method"] == "OPTIONS":
        await respond(send, HTTPStatus.NO_CONTENT, b"", [(b"allow", allowed.encode())], content_type=None)
    else:
        why = f"{scope['method']} does not work here; what does: {allowed}.\n"
        await respond(send, HTTPStatus.METHOD_NOT_ALLOWED, why.encode(), [(b"allow", allowed.encode())])
    return True


def values_of(scope: Scope, name: bytes) -> list[str]:
    """What a request says in its headers of this name (in lower case)."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def with_vary(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> Headers:
    """Headers of an answer that say that it would be another one for another value of the request's header `name`."""
    kept, names = Headers(), list[bytes]()
    for key, value in headers:
        if key.lower() == b"vary":
            names += [part.strip().lower() for part in value.split(b",")]
        else:
            kept.append((key, value))
    return [*kept, (b"vary", b", ".join(dict.fromkeys((*names, name))))]


def is_under(path: str, prefix: str) -> bool:
    """Whether `path` is `prefix` or something under it."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
