"""What a server says to the person who started it at a terminal: where it is, what it asks, and what to do next."""

from collections.abc import Sequence

from stocktrack.system.addresses import DEFAULT_PORT, address_text


def banner(
    version: str, sources: Sequence[str], host: str, port: int, page: str | None = None, *, has_users: bool
) -> str:
    """The lines of a server that is ready, each with its end; `page` is the address of the page where it is served."""
    at = "" if port == DEFAULT_PORT else f" --port {port}"
    lines = [f"StockTrack {version} is ready. Ctrl-C stops it.", f"  clients  {address_text(host, port)}"]
    if page is not None:
        lines.append(f"  page     {page}")
    lines.append(f"  sources  {', '.join(sources)}")
    if has_users:
        lines.append(f"Watch from another terminal: stocktrack watch AAPL TSLA{at}")
    else:
        lines.append("There are no users yet. Add one from another terminal: stocktrack users add NAME")
    return "".join(f"{line}\n" for line in lines)
