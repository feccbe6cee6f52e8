"""Which pages may open a WebSocket here: a browser tells the page's origin, and a page of another site is refused.

Browsers let any page open a WebSocket to any host and send that host's cookies along (RFC 6455, section 10.2).
"""

from collections.abc import Collection

from websockets.datastructures import Headers, MultipleValuesError

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def refusal(headers: Headers, allowed_origins: Collection[str]) -> str | None:
    """Why a handshake with these headers is refused, as a sentence; None where it may go on."""
    try:
        origin, host = headers.get("Origin"), headers.get("Host", "")
    except MultipleValuesError:
        return "The handshake has more than one Origin or Host."
    if origin is None:
        if "Cookie" in headers:
            # No program of ours sets a cookie: it is a browser, and browsers tell the origin.
            return "The handshake has cookies and no Origin."
        return None
    if "*" in allowed_origins or origin.lower().rstrip("/") in allowed_origins:
        return None
    scheme, _, own_host = origin.lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme, "")
    if scheme in _DEFAULT_PORTS and host and _with_port(own_host, port) == _with_port(host.lower(), port):
        return None
    return f"Pages of {origin!r} may not connect here; the setting allowed_origins says which may."


def _with_port(host: str, port: str) -> str:
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port else host + port
