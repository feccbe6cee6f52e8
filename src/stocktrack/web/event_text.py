"""Prices and notices as server-sent events, which a browser's EventSource understands: text made of lines; no I/O.

    id: b7c1:41:AAPL                                       the instance, the `seq` in it, and of which symbol
    data: {"type":"PRICE","code":100,…,"seq":41}           the line as TCP carries it; without a name: `onmessage`

    event: notice
    data: {"type":"NOTICE","code":500,…}

    : heartbeat

The format is WHATWG's (html.spec.whatwg.org, "Server-sent events"). An event is made once, however many clients it
goes to, and so is a push of many. What others say is left out, as is HELLO.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from stocktrack.errors import Reason

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_EVENT: Final = b": heartbeat\n\n"
# What a browser tells as its last event when it comes back from a stream that is over for good.
OVER: Final = "over"
# Who comes back after these is refused, or would have to be refused again: an administrator's KICK, a login's end.
_FOR_GOOD: Final = frozenset({Reason.NOT_PERMITTED, Reason.NOT_AUTHENTICATED})
_PRICE: Final = b'{"type":"PRICE"'
_NOTICE: Final = b'{"type":"NOTICE"'
_HEARTBEAT: Final = b'{"type":"HEARTBEAT"'
# Pushes that many clients get, for as long as it takes to hand them over. Longer ones are put together for each.
_KEPT_PUSHES: Final = 32
_MAX_KEPT_BYTES: Final = 131_072


def events_of(lines: bytes, instance: str, *, spread_ms: int = 0) -> bytes:
    """The events of lines that a session says; empty where they tell a stream nothing.

    `spread_ms` is by how much later than the others the client comes back when the server goes.
    """
    if not lines.startswith(_PRICE):
        return b"".join(_event(line, instance, spread_ms) for line in lines.splitlines())
    if len(lines) <= _MAX_KEPT_BYTES:
        return _events_of_push(lines, instance)
    return _events_of_push.__wrapped__(lines, instance)


def first_events(lines: bytes, instance: str, last_event_id: str) -> bytes:
    """The events that a stream begins with: of each price, but for the one that the client had last."""
    had = f"id: {last_event_id}\n".encode(errors="replace")
    events = (_event(line, instance, 0) for line in lines.splitlines())
    return b"".join(event for event in events if not event.startswith(had))


def retry_event(milliseconds: int) -> bytes:
    """Has a browser come back so long after it lost the connection; it shows as no event."""
    return b"retry: %d\n\n" % milliseconds


def notices(lines: Iterable[bytes], *, spread_ms: int = 0) -> bytes:
    """NOTICE lines as events; `spread_ms` as in `events_of`."""
    return b"".join(_notice_event(line, spread_ms) for line in lines)


def _event(line: bytes, instance: str, spread_ms: int) -> bytes:
    if line.startswith(_PRICE):
        return _price_event(line, instance)
    if line.startswith(_NOTICE):
        return _notice_event(line, spread_ms)
    return HEARTBEAT_EVENT if line.startswith(_HEARTBEAT) else b""


@lru_cache(maxsize=_KEPT_PUSHES)
def _events_of_push(lines: bytes, instance: str) -> bytes:
    return b"".join([_price_event(line, instance) for line in lines.splitlines()])


@lru_cache(maxsize=8_192)
def _price_event(line: bytes, instance: str) -> bytes:
    price = json.loads(line)
    event_id = f"{instance}:{price['seq']}:{price['symbol']}"
    return b"id: %b\ndata: %b\n\n" % (event_id.encode(), line)


def _notice_event(line: bytes, spread_ms: int) -> bytes:
    notice = json.loads(line)
    begin = b""
    if notice["reason"] in _FOR_GOOD:
        begin = f"id: {OVER}\n".encode()
    elif notice["reason"] == Reason.SHUTDOWN:
        begin = b"retry: %d\n" % (notice.get("retry_after_ms", 0) + spread_ms)
    return b"%bevent: notice\ndata: %b\n\n" % (begin, line.rstrip(b"\n"))
