"""Which names this server answers to, and which pages may use it: what a browser tells, and a page can't change.

A page of `evil.example` whose name is made to point at this machine (DNS rebinding) is of the same origin as what it
asks here, and only the name in the Host header gives it away. Browsers also let any page open a WebSocket to any host,
and send that host's cookies along (RFC 6455, section 10.2): there the Origin header tells whose page it is.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from http import HTTPStatus

from websockets.datastructures import Headers, MultipleValuesError

from stocktrack.system.addresses import Host, host_of

_DEFAULT_PORTS = {"http": 80, "https": 443}


def misdirected(
    headers: Iterable[tuple[bytes, bytes]], target: bytes, public_names: Collection[str]
) -> tuple[HTTPStatus, str] | None:
    """Why a request is not for this server, as a status and a sentence; None where it is. Header names in lower case.

    Addresses pass, and `localhost`: nobody can make them point elsewhere.
    """
    told = [value for name, value in headers if name == b"host"]
    if len(told) != 1:
        return HTTPStatus.BAD_REQUEST, f"A request has one Host header, and this one has {len(told) or 'none'}."
    written = [told[0]]
    if b"://" in (absolute := target.partition(b"?")[0]):
        # It goes before the header (RFC 9112, section 3.2.2).
        written.append(absolute.partition(b"://")[2].partition(b"/")[0])
    for text in written:
        host = host_of(text.decode("latin-1"))
        if host is None:
            return HTTPStatus.BAD_REQUEST, "The Host of the request is no host's name."
        if not _is_ours(host, public_names):
            why = (
                f"This server does not go by the name {host.name!r}. If it should, add it to the setting public_names."
            )
            return HTTPStatus.MISDIRECTED_REQUEST, why
    return None


def _is_ours(host: Host, public_names: Collection[str]) -> bool:
    return host.is_address or host.name == "localhost" or host.name in public_names


def refusal(headers: Headers, allowed_origins: Collection[str], public_names: Collection[str] = ()) -> str | None:
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
    if is_of_another_site(origin, host, allowed_origins, public_names):
        return f"Pages of {origin!r} may not connect here; the setting allowed_origins says which may."
    return None


# What a browser says of a request of this server's own pages, or of one that a person typed in (W3C, Fetch Metadata).
_OWN_FETCHES = frozenset({"same-origin", "none"})


def is_sent_by_another_site(
    header: Callable[[str], Sequence[str]], allowed_origins: Collection[str], public_names: Collection[str] = ()
) -> bool:
    """Whether a browser sent a request for a page of another site, as far as its headers tell; programs send none.

    ``header(name)`` is what the request has of a header. A page's own request tells its Origin where it changes
    something, or asks for what is elsewhere; an image, a form or a link tells only how far it came from
    (Sec-Fetch-Site), and in an old browser only from where (Referer).
    """
    origins, host = header("origin"), ",".join(header("host"))
    if origins:
        return len(origins) > 1 or is_of_another_site(origins[0], host, allowed_origins, public_names)
    if not _OWN_FETCHES.issuperset(value.strip().lower() for value in header("sec-fetch-site")):
        return True
    return any(
        is_of_another_site("/".join(referer.split("/")[:3]), host, allowed_origins, public_names)
        for referer in header("referer")
    )


def is_of_another_site(
    origin: str, host: str, allowed_origins: Collection[str], public_names: Collection[str] = ()
) -> bool:
    """Whether a page of `origin` is none of `host`, of a site that is allowed, or of one of our `public_names`.

    Pages under a public name come through a proxy, whose port is not ours, and which may have changed the Host.
    """
    if "*" in allowed_origins or origin.lower().rstrip("/") in allowed_origins:
        return False
    scheme, _, own = origin.lower().partition("://")
    page, here = host_of(own), host_of(host)
    if scheme not in _DEFAULT_PORTS or page is None:
        return True
    if page.name in public_names:
        return False
    default = _DEFAULT_PORTS[scheme]
    return here is None or (page.name, page.port or default) != (here.name, here.port or default)
