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


def is_under(path: str, prefix: str) -> bool:
    """Whether `path` is `prefix` or something under it."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
