"""Fetching one document of the web politely and suspiciously, for `provider.py`.

The limits on size and redirects are here; the limit on time is the caller's, and covers everything. A redirect never
leads from the public net into this machine or its private networks (server-side request forgery): its host is
resolved, every address must be public, and the request goes to the very address that was checked, because a second
look-up could give another one. What the operator configured is not checked: a feed on the loopback may stay there.
"""

import email.utils
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx2

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.http import body_of, new_client, resolve_host
from stocktrack.quotes import clean_text

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_REDIRECTS = 5
# How gzip and zlib files begin; no text does.
_ZIPPED = (b"\x1f\x8b\x08", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_MAX_PARTS = 16
# IPv6 addresses that lead to an IPv4 one: where they begin, and how far its 32 bits are from the end. Translated (SIIT,
# NAT64 of RFC 6052) and tunnelled ones (6to4) alike; what begins like this is as private as what it leads to.
_LEADS_TO_IPV4 = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
# All of the public internet of IPv6 is here, and what leads to IPv4. Within it, Teredo goes through a tunnel to whoever
# opened it; an ISATAP host is within a site, whatever prefix it has.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_TEREDO = IPv6Network("2001::/32")
_DOCUMENTATION = IPv6Network("3fff::/20")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})

IPAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NotThere(ProviderError):  # noqa: N818 - named as what is found
    """There is no document at the address, and its host is well."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which version of a document is known: the headers to ask `url` whether it has changed."""

    url: str = field(repr=False)  # it may hold a secret
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it came, decompressed."""

    body: bytes = field(repr=False)
    content_type: str
    version: Version


def is_private(address: IPAddress) -> bool:
    """Whether `address` is no public host: private, loopback, link-local, multicast, or what leads to such a one."""
    if isinstance(address, IPv4Address):
        return not address.is_global or address.is_multicast
    for network, bits_behind in _LEADS_TO_IPV4:
        if address in network:
            return is_private(IPv4Address(int(address) >> bits_behind & 0xFFFFFFFF))
    return (
        not address.is_global
        or address not in _GLOBAL_UNICAST
        or address in _TEREDO
        or address in _DOCUMENTATION
        or int(address) >> 32 & 0xFFFFFFFF in _ISATAP
    )


def _unzipped(body: bytes, host: str) -> bytes:
    """What is in a gzip or zlib `body`, of which no more than `MAX_BODY_BYTES` are ever unpacked."""
    unpacked = bytearray()
    # A gzip file may be several in a row. Each costs a copy of the rest, so that a file of thousands is refused.
    for _ in range(_MAX_PARTS):
        part = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            unpacked += part.decompress(body, MAX_BODY_BYTES + 1 - len(unpacked))
        except zlib.error as error:
            raise ProviderError(Reason.PROVIDER_ERROR, f"{host} sent what cannot be decompressed.") from error
        if len(unpacked) > MAX_BODY_BYTES:
            raise _too_large(host)
        if not part.eof:
            raise ProviderError(Reason.PROVIDER_ERROR, f"{host} sent what cannot be decompressed.")
        body = part.unused_data
        if not body.startswith(_ZIPPED):
            return bytes(unpacked)
    raise ProviderError(Reason.PROVIDER_ERROR, f"{host} sent a document in more than {_MAX_PARTS} zipped parts.")


def _too_large(host: str) -> ProviderError:
    return ProviderError(Reason.PROVIDER_ERROR, f"{host} sent more than {MAX_BODY_BYTES // 1024 // 1024} MiB.")


class Fetcher:
    """An HTTP client for documents; `is_private` and `resolve` are arguments for the tests."""

    def __init__(
        self, *, clock: Clock, is_private: Callable[[IPAddress], bool] = is_private, resolve: Resolve = resolve_host
    ) -> None:
        self._clock = clock
        self._is_private = is_private
        self._resolve = resolve
        self._client = new_client(
            "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.8",
            # Half a minute lies between two fetches, and a connection belongs to the address that was checked for it.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._client.aclose()

    async def fetch(self, address: str, known: Version | None) -> Document | None:
        """The document at `address`, None where it still is the `known` one; else `ProviderError`."""
        host = "the feed"
        try:
            url = httpx2.URL(address)
            host = url.host
            return await self._follow(url, known)
        except httpx2.TimeoutException as error:
            raise ProviderError(Reason.PROVIDER_TIMEOUT, f"{host} did not answer in time.") from error
        except httpx2.TransportError as error:
            cause = clean_text(str(error), 120) or type(error).__name__
            raise ProviderError(Reason.PROVIDER_ERROR, f"{host} cannot be reached or broke off: {cause}.") from error
        except httpx2.DecodingError as error:
            raise ProviderError(Reason.PROVIDER_ERROR, f"{host} sent what cannot be decompressed.") from error
        except httpx2.InvalidURL as error:
            raise ProviderError(Reason.PROVIDER_ERROR, f"{host} has, or redirects to, no valid address.") from error

    async def _follow(self, url: httpx2.URL, known: Version | None) -> Document | None:
        host = url.host
        checked: str | None = None
        is_inside = self._is_inside(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._get(url, checked, known) as response:
                if not response.has_redirect_location:
                    return await self._read(response, host, url, known)
                target = url.join(response.headers["location"])
            if target.scheme not in {"http", "https"} or not target.host:
                raise ProviderError(Reason.PROVIDER_ERROR, f"{host} redirects to what is no address of the web.")
            checked = None if is_inside else await self._public_address(target, host)
            is_inside = is_inside and self._is_inside(target)
            url = target
        raise ProviderError(Reason.PROVIDER_ERROR, f"{host} redirects more than {MAX_REDIRECTS} times.")

    def _get(
        self, url: httpx2.URL, checked: str | None, known: Version | None
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        headers: dict[str, str] = {}
        extensions: dict[str, Any] = {}
        if known is not None and known.url == str(url):
            headers.update(known.headers)
        if checked is not None:
            headers["Host"] = url.netloc.decode("ascii")
            extensions["sni_hostname"] = url.raw_host.decode("ascii")
            url = url.copy_with(host=checked)
        return self._client.stream("GET", url, headers=headers, extensions=extensions)

    def _is_inside(self, url: httpx2.URL) -> bool:
        """Whether the address itself says that it is on this machine or a private network, whatever DNS may say."""
        name = url.host.rstrip(".")
        try:
            return self._is_private(ip_address(name))
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")

    async def _public_address(self, target: httpx2.URL, host: str) -> str:
        shown = clean_text(target.host, 100)
        port = target.port or (443 if target.scheme == "https" else 80)
        try:
            addresses = await self._resolve(target.raw_host.decode("ascii").strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise ProviderError(Reason.PROVIDER_ERROR, f"{host} redirects to {shown}, which has no address.") from error
        if not addresses or any(self._is_private(ip_address(address)) for address in addresses):
            raise ProviderError(
                Reason.PROVIDER_ERROR,
                f"{host} redirects to {shown}, which is no public address. If that is meant, configure it as the feed.",
            )
        return addresses[0]

    async def _read(
        self, response: httpx2.Response, host: str, url: httpx2.URL, known: Version | None
    ) -> Document | None:
        if response.status_code == httpx2.codes.NOT_MODIFIED and known is not None and known.url == str(url):
            return None
        if not response.is_success:
            is_refused = response.status_code == httpx2.codes.TOO_MANY_REQUESTS
            is_missing = response.status_code in {httpx2.codes.NOT_FOUND, httpx2.codes.GONE}
            raise (NotThere if is_missing else ProviderError)(
                Reason.PROVIDER_BLOCKED if is_refused else Reason.PROVIDER_ERROR,
                f"{host} answered with status {response.status_code}.",
                retry_after_ms=self._retry_after_ms(response.headers.get("retry-after", "")),
            )
        document = await body_of(response, host, MAX_BODY_BYTES)
        headers = {
            ask: response.headers[told]
            for ask, told in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
            if told in response.headers
        }
        content_type = response.headers.get("content-type", "")
        if document.startswith(_ZIPPED):
            # A file that was zipped beforehand, and a server that does not say so; its type is that of the file.
            document = _unzipped(document, host)
            content_type = "" if "zip" in content_type else content_type
        return Document(document, content_type, Version(str(url), headers))

    def _retry_after_ms(self, text: str) -> int | None:
        if text.isascii() and text.isdigit() and len(text) < 10:
            return int(text) * 1000
        try:
            moment = email.utils.parsedate_to_datetime(text)
            return max(0, round(moment.timestamp() * 1000) - self._clock.now_ms())
        except (ValueError, OverflowError):
            return None
