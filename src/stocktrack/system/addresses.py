"""Where a server listens and where the clients call, unless it is said otherwise; and how an address is written."""

import functools
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 65_432
MAX_PORT = 65_535


def address_text(host: str, port: int) -> str:
    """`host:port` as people and programs write it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Host:
    """A host as HTTP writes it: its name or address in lower case, without brackets and dot at its end, and a port."""

    name: str
    port: int | None

    @property
    def is_address(self) -> bool:
        """Whether it is an address and no name."""
        return plain_address(self.name) is not None


# Names with an underscore are none for the DNS, but containers have them.
_HOST = re.compile(
    r"(?:\[(?P<address>[0-9a-f:.]{2,45})\]|(?P<name>[0-9a-z_](?:[0-9a-z_.-]{0,253})))(?::(?P<port>\d{0,5}))?"
)


def host_of(text: str) -> Host | None:
    """The host of a Host header, of an origin or of a setting (RFC 9112, section 3.2); None where it is none."""
    found = _HOST.fullmatch(text.lower())
    if found is None:
        return None
    name = found["name"].removesuffix(".") if found["name"] else found["address"]
    port = int(found["port"]) if found["port"] else None
    if (port or 0) > MAX_PORT or ".." in name or (found["address"] and plain_address(name) is None):
        return None
    return Host(name, port)


def plain_address(text: str) -> str | None:
    """An IP address in its one spelling, that of IPv4 where IPv6 only carries it; None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_this_machine(name: str) -> bool:
    """Whether a host is this machine by its very name, as `localhost` and 127.0.0.1 are: no proxy is meant for it."""
    name = name.lower().removesuffix(".")
    return is_loopback(name) or name == "localhost" or name.endswith(".localhost")


def is_loopback(address: str) -> bool:
    """Whether it is an address that only this machine can use."""
    plain = plain_address(address)
    return plain is not None and ipaddress.ip_address(plain).is_loopback


@functools.lru_cache(maxsize=4_096)
def address_group(address: str) -> str:
    """Whom an address stands for where something is counted: itself, or of an IPv6 address its /64.

    A home or a rented server has a whole /64 of addresses (RFC 6177), so that a limit for one of them would be none. An
    IPv4 address mapped into IPv6 counts as what it is, and what is no address stays as it is.
    """
    plain = plain_address(address.partition("%")[0])
    if plain is None or ":" not in plain:
        return plain or address
    return f"{ipaddress.IPv6Address(int(ipaddress.IPv6Address(plain)) >> 64 << 64)}/64"


def without_password(url: str) -> str:
    """The address as it may be shown: with `***` for its password and for what stands after a question mark."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"  # not an address, and so no telling which part of it is a password
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{':***' if colon else ''}@{host}" if at else host
    return urlunsplit((parts.scheme, netloc, parts.path, "***" if parts.query else "", ""))
