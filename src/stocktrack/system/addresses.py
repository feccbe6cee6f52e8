"""Where a server listens and where the clients call, unless it is said otherwise; and how an address is written."""

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 65_432
MAX_PORT = 65_535


def address_text(host: str, port: int) -> str:
    """`host:port` as people and programs write it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
