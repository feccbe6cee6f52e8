"""Which peers are reverse proxies of ours, and how one says at the TCP port who its client is: the PROXY protocol.

Versions 1 and 2 as HAProxy specifies them (https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt). A header is
believed only from an address in the setting `trusted_proxies`, and comes before everything else, a TLS hello too.
"""

import asyncio
import functools
import ipaddress
import socket
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass

from stocktrack.doors.first_bytes import PROXY_V1, PROXY_V2
from stocktrack.system.addresses import plain_address

# The longest line of version 1 (section 2.1); and of version 2 what the extensions that are in use can need.
MAX_V1_BYTES = 107
MAX_V2_BYTES = 4_096
# A header is sent with the connection. From loopback there may be none: the server's own commands connect from there.
HEADER_SECONDS = 5.0
LOOPBACK_SILENCE_SECONDS = 0.2

_V2_FIXED_BYTES = 16
_V2_LOCAL, _V2_PROXY = 0x20, 0x21
_V2_FAMILIES = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}


class TrustedProxies:
    """The networks of the setting `trusted_proxies`."""

    def __init__(self, networks: Collection[str] = ()) -> None:
        self._networks = tuple(map(ipaddress.ip_network, networks))
        # A proxy is asked about again and again.
        self._trusts = functools.lru_cache(maxsize=1_024)(self._is_within)

    def trust(self, address: str) -> bool:
        """Whether what this address says of its clients is believed."""
        return bool(self._networks) and self._trusts(address)

    def _is_within(self, address: str) -> bool:
        plain = plain_address(address)
        return plain is not None and any(ipaddress.ip_address(plain) in network for network in self._networks)


class BadHeaderError(Exception):
    """What a proxy sent is no PROXY header."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Who the client is, None where the proxy does not say or is one itself; and how long the header was."""

    client: str | None
    length: int


def header_of(heard: bytes) -> ProxyHeader | None:
    """The header that the bytes begin with; None where more have to come first, `BadHeaderError` where it is none."""
    if heard.startswith(PROXY_V2):
        return _header_v2(heard)
    if heard.startswith(PROXY_V1):
        return _header_v1(heard)
    if may_be_header(heard):
        return None
    raise BadHeaderError("it does not begin with a PROXY header")


def may_be_header(heard: bytes) -> bool:
    """Whether a header can still come of it."""
    return any(heard.startswith(start) or start.startswith(heard) for start in (PROXY_V1, PROXY_V2))


def _header_v1(heard: bytes) -> ProxyHeader | None:
    line, end, _ = heard[:MAX_V1_BYTES].partition(b"\r\n")
    if not end:
        if len(heard) >= MAX_V1_BYTES:
            raise BadHeaderError(f"its line is longer than {MAX_V1_BYTES} bytes")
        return None
    length = len(line) + len(end)
    match line.decode("latin-1").split(" "):
        case ["PROXY", "UNKNOWN", *_]:
            return ProxyHeader(None, length)
        case ["PROXY", "TCP4" | "TCP6" as family, source, destination, source_port, destination_port]:
            addresses = [_address(text, 4 if family == "TCP4" else 6) for text in (source, destination)]
            for port in (source_port, destination_port):
                if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
                    raise BadHeaderError("a port in it is none")
            return ProxyHeader(addresses[0], length)
    raise BadHeaderError("its line is none of version 1")


def _address(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise BadHeaderError("an address in it is none") from None
    plain = plain_address(text)
    if address.version != version or plain is None:
        raise BadHeaderError("an address in it is of another family")
    return plain


def _header_v2(heard: bytes) -> ProxyHeader | None:
    if len(heard) < _V2_FIXED_BYTES:
        return None
    command, family, length = struct.unpack("!BBH", heard[len(PROXY_V2) : _V2_FIXED_BYTES])
    total = _V2_FIXED_BYTES + length
    if command not in {_V2_LOCAL, _V2_PROXY}:
        raise BadHeaderError("its version or its command is unknown")
    if total > MAX_V2_BYTES:
        raise BadHeaderError(f"it is longer than {MAX_V2_BYTES} bytes")
    if len(heard) < total:
        return None
    if command == _V2_LOCAL or family not in _V2_FAMILIES:
        # A health check of the proxy's own; or a client that came to it by something else than TCP.
        return ProxyHeader(None, total)
    kind, size = _V2_FAMILIES[family]
    if length < 2 * size + 4:
        raise BadHeaderError("it is too short for its addresses")
    source = socket.inet_ntop(kind, heard[_V2_FIXED_BYTES : _V2_FIXED_BYTES + size])
    # What follows the addresses are extensions (type, length, value), of which nothing is needed here.
    return ProxyHeader(plain_address(source), total)


class ProxiedConnection(asyncio.Protocol):
    """Stands in the place of a transport's protocol until the proxy has said who its client is.

    Then `take(client)` is called, with None where that is not known, and what came behind the header goes to the
    protocol that the transport has by then. `refuse(why)` is called where there is no header that can be believed; with
    `is_optional` a client that sends none, or nothing, is taken as well. `gone` is called where it goes before that.
    """

    __slots__ = ("_above", "_gone", "_heard", "_is_optional", "_refuse", "_take", "_timer", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        above: asyncio.Protocol,
        *,
        is_optional: bool,
        take: Callable[[str | None], object],
        refuse: Callable[[str], object],
        gone: Callable[[], object],
    ) -> None:
        self._transport = transport
        self._above = above
        self._is_optional = is_optional
        self._take, self._refuse, self._gone = take, refuse, gone
        self._heard = b""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOPBACK_SILENCE_SECONDS if is_optional else HEADER_SECONDS, self._late)
        transport.set_protocol(self)

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._heard += data
        try:
            header = header_of(self._heard)
        except BadHeaderError as error:
            if self._is_optional and not may_be_header(self._heard):
                self._hand_over(None, 0)
            else:
                self._give_up(str(error))
            return
        if header is not None:
            self._hand_over(header.client, header.length)

    def eof_received(self) -> bool | None:
        """Called by the loop: who goes without a word was a health check."""
        self._give_up("the input ended in it" if self._heard else "")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._timer.cancel()
        self._gone()
        self._above.connection_lost(exc)

    def _late(self) -> None:
        if self._is_optional and not self._heard:
            self._hand_over(None, 0)
        else:
            self._give_up("it did not come in time")

    def _give_up(self, why: str) -> None:
        self._timer.cancel()
        if why:
            self._refuse(why)
        self._transport.abort()

    def _hand_over(self, client: str | None, length: int) -> None:
        self._timer.cancel()
        self._gone()
        self._transport.set_protocol(self._above)
        self._take(client)
        if rest := self._heard[length:]:
            self._transport.get_protocol().data_received(rest)  # type: ignore[attr-defined] # all of ours are Protocols
