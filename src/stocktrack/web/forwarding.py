"""Who sent a request: the client behind the proxies that the settings trust, or the peer itself.

A proxy adds the address of whoever came to it at the end of `X-Forwarded-For`, or of `Forwarded` (RFC 7239). Everything
before that is hearsay: from the end on, each address is believed as long as it was a trusted proxy that told it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stocktrack.doors.proxies import TrustedProxies
from stocktrack.system.addresses import host_of, plain_address

# Longer ones are no work of proxies, and reading them is work.
MAX_HEADER_BYTES = 4_096
_FORWARDED_FOR, _FORWARDED = b"x-forwarded-for", b"forwarded"
# By any of them a request shows that it came through a proxy: no browser and no program sends them by itself.
_SIGNS = frozenset(
    {
        _FORWARDED_FOR,
        _FORWARDED,
        *(b"via", b"x-forwarded-by", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"),
        *(b"x-forwarded-server", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"),
    }
)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - it is RFC 9110's word
# A pair of RFC 7239, section 4, and what separates it from the next one: `;` within a proxy's element, `,` after it.
_PAIR = re.compile(rf'[ \t]*(?:({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*"))?[ \t]*([;,]|$)')


@dataclass(frozen=True, slots=True)
class Sender:
    """A client's address, and whether a proxy stands between: then it is nobody on this machine."""

    address: str
    is_forwarded: bool = False


def sender_of(peer: str, headers: Iterable[tuple[bytes, bytes]], proxies: TrustedProxies) -> Sender:
    """Who sent a request with these headers (names in lower case) that came from `peer`.

    What can't be read is not believed. Nor are two headers that name different clients: a proxy writes one of them and
    passes on the other, as the client wrote it.
    """
    told: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _SIGNS:
            told.setdefault(name, []).append(value)
    if not proxies.trust(peer):
        return Sender(peer, is_forwarded=bool(told))
    clients = {
        _client(peer, hops(b",".join(told[name])), proxies)
        for name, hops in ((_FORWARDED_FOR, _hops_of_list), (_FORWARDED, _hops_of_elements))
        if name in told
    }
    return Sender(clients.pop() if len(clients) == 1 else peer, is_forwarded=True)


def _client(peer: str, hops: Iterator[str | None], proxies: TrustedProxies) -> str:
    """The last address that a trusted proxy told; `hops` are those told, the last one first."""
    client = peer
    while proxies.trust(client) and (hop := next(hops, None)) is not None:
        client = hop
    return client


def _hops_of_list(value: bytes) -> Iterator[str | None]:
    if len(value) > MAX_HEADER_BYTES:
        return
    for text in reversed(value.decode("latin-1").split(",")):
        yield _address(text.strip())


def _hops_of_elements(value: bytes) -> Iterator[str | None]:
    for element in reversed(_elements(value)):
        yield _address(element.get("for", ""))


def _elements(value: bytes) -> list[dict[str, str]]:
    """What each proxy told, by parameter; none of it where one of them wrote what is no such header."""
    text, place = value.decode("latin-1"), 0
    elements: list[dict[str, str]] = [{}]
    while len(text) <= MAX_HEADER_BYTES and (pair := _PAIR.match(text, place)) is not None:
        name, quoted, end = pair.groups()
        if name is not None:
            if name.lower() in elements[-1]:
                break
            elements[-1][name.lower()] = _unquoted(quoted)
        if not end:
            return elements
        if end == ",":
            elements.append({})
        place = pair.end()
    return []


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _address(text: str) -> str | None:
    """The address of a hop, with or without a port; None for `unknown`, a made-up name, and what is no address."""
    if (plain := plain_address(text)) is not None:
        return plain
    host = host_of(text)
    return plain_address(host.name) if host is not None else None
