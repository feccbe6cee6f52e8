"""Answers compressed by gzip where the client wants that: piece by piece, so that nobody waits for a long one.

What is not compressed: what is short, pictures and the like, a stream of events, and what says `no-transform`, as
answers with secrets do. A compressed answer has an entity tag of its own, `"tag-gzip"` for `"tag"`, since the bytes are
others; the application never sees it.
"""

import re
import zlib
from typing import Final

from stocktrack.doors.turns import turns
from stocktrack.web.accept import accepts_gzip
from stocktrack.web.asgi import AsgiApp, Headers, Message, Receive, Scope, Send, values_of, with_vary

# Below it an answer goes out in one packet as it is.
MIN_BYTES: Final = 1_024
# To compress so much takes a third of a millisecond to one.
_PIECE_BYTES: Final = 16_384
# Levels above 6 take twice the time for one or two percent of JSON.
_LEVEL: Final = 5
_BEST: Final = 9
_GZIP: Final = 16 + zlib.MAX_WBITS
_TYPES: Final = re.compile(
    rb"(?:text/(?!event-stream)|application/(?:(?:[a-z.]+\+)?json|javascript|manifest\+json)|image/svg\+xml)"
)
_SUFFIX: Final = b'-gzip"'
_WITHOUT_BODY: Final = frozenset({204, 304})


def is_compressible(content_type: bytes, size: int) -> bool:
    """Whether compressing so many bytes of this media type saves any."""
    return size >= MIN_BYTES and _TYPES.match(content_type.lower()) is not None


def compressed_tag(tag: bytes) -> bytes:
    """The entity tag of the compressed form of what `tag` stands for; a weak one stands for both."""
    return tag if tag.startswith(b"W/") or not tag.endswith(b'"') else tag[:-1] + _SUFFIX


async def gzip_in_turns(content: bytes, *, level: int = _BEST) -> bytes:
    """The content compressed, while others have their turn."""
    packer = zlib.compressobj(level, wbits=_GZIP)
    packed = []
    for start in range(0, len(content), _PIECE_BYTES):
        await turns().turn(is_more=True)
        packed.append(packer.compress(content[start : start + _PIECE_BYTES]))
    return b"".join((*packed, packer.flush()))


async def compressing(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have `app` answer a request, and compress what it answers."""
    if scope["method"] not in {"GET", "HEAD"}:
        # They are short, and one of them is a login.
        await app(scope, receive, send)
        return
    is_wanted = accepts_gzip(values_of(scope, b"accept-encoding"))
    known = b", ".join(value for name, value in scope["headers"] if name == b"if-none-match")
    has_compressed = is_wanted and _SUFFIX in known
    if has_compressed:
        headers = [
            (name, value.replace(_SUFFIX, b'"') if name == b"if-none-match" else value)
            for name, value in scope["headers"]
        ]
        scope = {**scope, "headers": headers}
    answer = _Answer(send, is_wanted=is_wanted, is_head=scope["method"] == "HEAD", known=known)
    await app(scope, receive, answer.send)


class _Answer:
    """One answer on its way out."""

    def __init__(self, send: Send, *, is_wanted: bool, is_head: bool, known: bytes) -> None:
        self._send = send
        self._is_wanted = is_wanted
        self._is_head = is_head
        self._known = known
        self._start: Message | None = None  # kept until the first piece of the body says how it goes out
        self._packer: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        """What the application sends."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._start is not None:
            start, self._start = self._start, None
            await self._first(start, message.get("body", b""), is_last=not message.get("more_body", False))
        elif self._packer is not None:
            await self._next(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            await self._send(message)

    async def _begin(self, start: Message) -> None:
        headers: Headers = list(start.get("headers", ()))
        told = dict(headers)
        if start["status"] in _WITHOUT_BODY:
            tag = told.get(b"etag")
            if tag is not None and start["status"] == 304:
                headers = with_vary(headers, b"accept-encoding")
                if self._is_wanted and compressed_tag(tag) in self._known:
                    headers = _with(headers, etag=compressed_tag(tag))
            await self._send({**start, "headers": headers})
        elif (
            b"content-encoding" in told
            or b"no-transform" in told.get(b"cache-control", b"")
            or not _TYPES.match(told.get(b"content-type", b"").lower())
        ):
            await self._send(start)
        else:
            start = {**start, "headers": with_vary(headers, b"accept-encoding")}
            if self._is_wanted:
                self._start = start
            else:
                await self._send(start)

    async def _first(self, start: Message, body: bytes, *, is_last: bool) -> None:
        headers: Headers = start["headers"]
        told = int(dict(headers).get(b"content-length", -1))
        # The answer to a HEAD may come without its body: then its length is that of what would come.
        size = told if self._is_head and not body else len(body)
        if is_last and 0 <= size < MIN_BYTES:
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body})
            return
        tag = dict(headers).get(b"etag")
        headers = _with(headers, content_encoding=b"gzip", **({} if tag is None else {"etag": compressed_tag(tag)}))
        if is_last and body:
            body = await gzip_in_turns(body, level=_LEVEL)
            headers = _with(headers, content_length=str(len(body)).encode())
            await self._send({**start, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})
            return
        # How long it becomes is not known before it is.
        headers = [header for header in headers if header[0] != b"content-length"]
        await self._send({**start, "headers": headers})
        self._packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        await self._next(body, is_last=is_last)

    async def _next(self, body: bytes, *, is_last: bool) -> None:
        assert self._packer is not None  # noqa: S101 - it was made before
        if not self._is_head:
            for start in range(0, len(body), _PIECE_BYTES):
                if start:
                    await turns().turn(is_more=True)
                if packed := self._packer.compress(body[start : start + _PIECE_BYTES]):
                    await self._send({"type": "http.response.body", "body": packed, "more_body": True})
        if is_last:
            rest = b"" if self._is_head else self._packer.flush()
            await self._send({"type": "http.response.body", "body": rest})


def _with(headers: Headers, **changed: bytes) -> Headers:
    """Headers with these instead of their own of the same names."""
    new = {name.replace("_", "-").encode(): value for name, value in changed.items()}
    return [*(header for header in headers if header[0].lower() not in new), *new.items()]
