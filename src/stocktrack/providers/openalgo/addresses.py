"""Where OpenAlgo is: the addresses of its stream and of its REST, of which people usually know one."""

from typing import Final
from urllib.parse import urlsplit

# Where OpenAlgo listens by itself. Behind a reverse proxy, as its guide has it, it has one address, and its stream is
# at /ws.
STREAM_PORT: Final = 8765
REST_PORT: Final = 5000
_STREAM_PATH: Final = "/ws"


def stream_address(url: str) -> str:
    """The stream of the OpenAlgo whose stream or web page is at `url`."""
    parts = urlsplit(url)
    if parts.scheme in {"ws", "wss"}:
        return url
    if parts.scheme == "http" and parts.port not in {None, 80}:
        return f"ws://{_host(url)}:{STREAM_PORT}"
    return f"ws{parts.scheme.removeprefix('http')}://{parts.netloc}{parts.path.rstrip('/')}{_STREAM_PATH}"


def rest_address(url: str) -> str:
    """The web page of the OpenAlgo whose stream or web page is at `url`; REST is below it."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.netloc}{path}"
    scheme = f"http{parts.scheme.removeprefix('ws')}"
    if parts.port == STREAM_PORT:
        return f"{scheme}://{_host(url)}:{REST_PORT}"
    return f"{scheme}://{parts.netloc}{path.removesuffix(_STREAM_PATH)}"


def _host(url: str) -> str:
    """The host as an address has it: an IPv6 one in brackets."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host
