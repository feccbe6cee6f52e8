"""Where a server listens and where the clients call, unless it is said otherwise; and how an address is written."""

import ipaddress

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 65_432
MAX_PORT = 65_535


def address_text(host: str, port: int) -> str:
    """`host:port` as people and programs write it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def network_of(address: str) -> str:
    """Whom an address stands for where something is counted: itself, or of an IPv6 address its /64.

    A home or a rented machine has all of a /64 to itself. An IPv4 address written as IPv6 counts as what it is, and
    what is no address stays as it is.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, 64), strict=False))
