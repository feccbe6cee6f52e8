"""Where a server listens and where the clients call, unless it is said otherwise; and how an address is written."""

import functools
import ipaddress

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 65_432
MAX_PORT = 65_535


def address_text(host: str, port: int) -> str:
    """`host:port` as people and programs write it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@functools.lru_cache(maxsize=4_096)
def address_group(address: str) -> str:
    """Whom limits by address take for one: an IPv4 address, also mapped into IPv6, and the /64 of an IPv6 address.

    A home or a rented server has a whole /64 of addresses (RFC 6177), so that a limit for one of them would be none.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"
