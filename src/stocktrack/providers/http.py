"""HTTP for sources: an answer within limits of size and time, from a client that keeps no cookie and follows nobody.

No redirect is followed, since the key of a vendor would travel on with it. What is raised is a `ProviderError` with a
sentence that holds no address and no header, and has no other exception behind it that might.
"""

import asyncio
import json
import math
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx2

from stocktrack import __version__
from stocktrack.clock import Clock, RealClock
from stocktrack.errors import ProviderError, Reason
from stocktrack.quotes import clean_text
from stocktrack.system.addresses import is_this_machine
from stocktrack.system.blocking import in_a_thread

MAX_JSON_BYTES: Final = 4 * 2**20
# A request is counted when it leaves, and by the vendor when it arrives: the window is that much longer here.
WINDOW_SECONDS: Final = 61.0
_LONGEST_RETRY_MS: Final = 3_600_000


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of `host`, the best first; `OSError` where it has none."""
    found = await in_a_thread(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    return [str(socket_address[0]) for *_, socket_address in found]


async def _wait_for_name_server(request: httpx2.Request) -> None:
    """Return once the name server has answered for the host of `request`; `httpx2.ConnectError` where there is none.

    The client's own look-up, in a thread of the event loop's that the exit would wait for, is a short one then.
    """
    if getproxies().keys() - {"no"}:
        return  # the proxy looks names up
    url = request.url
    try:
        await resolve_host(url.raw_host.decode("ascii").strip("[]"), url.port or 80)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(str(error)) from error


def new_client(accept: str, headers: Mapping[str, str] | None = None, **options: Any) -> httpx2.AsyncClient:
    """A client without a limit on time, which is the caller's, for the whole of a request, drips included."""
    return httpx2.AsyncClient(
        headers={
            "User-Agent": f"StockTrack/{__version__}",
            "Accept": accept,
            "Accept-Encoding": "gzip, deflate",
            **(headers or {}),
        },
        follow_redirects=False,
        timeout=None,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        event_hooks={"request": [_wait_for_name_server]},
        **options,
    )


async def body_of(response: httpx2.Response, sender: str, max_bytes: int) -> bytes:
    """The body of an answer, unpacked; `ProviderError` where it is more than `max_bytes`, however small it came."""
    if "," in response.headers.get("content-encoding", ""):
        # One coding swells a read of 64 KiB to 64 MiB, in pieces that are counted. Each further one multiplies that by
        # a thousand, and may be made so that nothing comes out which could be counted.
        raise ProviderError(Reason.PROVIDER_ERROR, f"{sender} sent an answer that is compressed more than once.")
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > max_bytes:
                raise ProviderError(Reason.PROVIDER_ERROR, f"{sender} sent more than {max_bytes // 2**20} MiB.")
    return bytes(body)


def retry_after_ms(told: object, now_ms: int) -> int | None:
    """The wait in a Retry-After, a number of seconds or a date; None where it is none that can be meant."""
    wait_ms = told_wait_ms(told, now_ms)
    return wait_ms if wait_ms is not None and 0 < wait_ms <= _LONGEST_RETRY_MS else None


def told_wait_ms(told: object, now_ms: int) -> int | None:
    """What a Retry-After says, however long it is and also where it is past; None where it says nothing."""
    wait_ms: float | None = None
    if isinstance(told, str):
        if told.isascii() and told.isdecimal() and len(told) < 8:
            wait_ms = int(told) * 1000
        elif (moment_ms := _date_ms(told)) is not None:
            wait_ms = moment_ms - now_ms
    elif isinstance(told, int | float) and not isinstance(told, bool):
        wait_ms = told * 1000
    return round(wait_ms) if wait_ms is not None and math.isfinite(wait_ms) else None


class NoJson(ProviderError):  # noqa: N818 - named as what came
    """There was an answer, and it is no JSON: a page for people, mostly, the vendor's or that of a proxy on the way."""


class Pace:
    """When the requests to a vendor begin: `apart_seconds` from one to the next; those of a minute are counted."""

    def __init__(self, apart_seconds: float, clock: Clock | None = None) -> None:
        self._apart_seconds = apart_seconds
        self._clock = clock or RealClock()
        self._begun_at: deque[float] = deque()
        self._next_at = 0.0

    async def turn(self) -> None:
        """Return when the next request may begin."""
        now = self._clock.monotonic()
        turn = max(now, self._next_at)
        self._next_at = turn + self._apart_seconds
        self._begun_at.append(turn)
        self.lately()
        if turn > now:
            await self._clock.sleep(turn - now)

    def lately(self) -> int:
        """How many requests were begun within the last minute."""
        now = self._clock.monotonic()
        while self._begun_at and self._begun_at[0] <= now - WINDOW_SECONDS:
            self._begun_at.popleft()
        return len(self._begun_at)


class JsonAnswer:
    """An answer whose head has come: its status, its headers, and on demand its body."""

    def __init__(self, response: httpx2.Response, vendor: str, secret: bytes) -> None:
        self._response = response
        self._vendor = vendor
        self._secret = secret

    @property
    def status(self) -> int:
        """The HTTP status; redirects come as they are."""
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by their names in any case."""
        return self._response.headers

    async def json(self) -> Any:
        """What the body says; `NoJson` where it does not say it in JSON."""
        body = await body_of(self._response, self._vendor, MAX_JSON_BYTES)
        if self._secret:
            body = body.replace(self._secret, "…".encode())
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise NoJson(Reason.PROVIDER_ERROR, f"{self._vendor}'s answer is no JSON.") from None


class JsonHttp:
    """Asks one vendor, whose name is in the sentences of what goes wrong; `close` breaks off what is under way.

    A `secret` that travels in what is asked is blotted out of what is answered: a complaint may repeat it, and is told
    to logs and clients. `ProviderError` where no client can be made with what the environment says.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        timeout_seconds: float,
        pace: Pace,
        headers: Mapping[str, str] | None = None,
        secret: str = "",
    ) -> None:
        self._vendor = vendor
        self._secret = secret.encode()
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._pace = pace
        # What is on this machine is not meant for the proxy that the environment names.
        is_here = is_this_machine(urlsplit(base_url).hostname or "")
        try:
            self._client = new_client("application/json", headers, trust_env=not is_here)
        except (ImportError, OSError, ValueError) as error:
            # A proxy of the environment that httpx2 cannot use, or certificates that cannot be read.
            message = f"The HTTP client for {vendor} cannot be made ({type(error).__name__})."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None

    async def close(self) -> None:
        """Let go of every connection."""
        await self._client.aclose()

    @asynccontextmanager
    async def asked(self, method: str, path: str, **content: Any) -> AsyncIterator[JsonAnswer]:
        """The answer to one request, which has so much time for all of it, the wait for its turn included.

        `content` is httpx2's `params` or `json`. `ProviderError` says why there is no answer.
        """
        vendor = self._vendor
        try:
            # Sockets live in real time, so this is no business of the `Clock`.
            async with asyncio.timeout(self._timeout_seconds):
                await self._pace.turn()
                async with self._client.stream(method, self._base_url + path, **content) as response:
                    yield JsonAnswer(response, vendor, self._secret)
        except (TimeoutError, httpx2.TimeoutException):
            message = f"{vendor} did not answer within {self._timeout_seconds:g} seconds."
            raise ProviderError(Reason.PROVIDER_TIMEOUT, message) from None
        except httpx2.TransportError as error:
            cause = clean_text(str(error), 120) or type(error).__name__
            message = f"{vendor} cannot be reached or broke off: {cause}."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None
        except httpx2.HTTPError as error:
            message = f"{vendor}'s answer cannot be read ({type(error).__name__})."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None
        except RuntimeError:
            if not self._client.is_closed:
                raise
            raise ProviderError(Reason.PROVIDER_ERROR, f"The source of {vendor} is closing.") from None


def _date_ms(text: str) -> int | None:
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
