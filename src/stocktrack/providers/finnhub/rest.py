"""Finnhub's REST: one request, the JSON of its answer, and what each status means.

The key travels in a header, so that it stands in no address, and no redirect is followed with it. Limits on size and
time hold for every answer. Requests start a little apart, since Finnhub takes thirty a second whatever a minute allows.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr

from stocktrack import __version__
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.providers.finnhub.answers import KEY
from stocktrack.quotes import clean_text

MAX_BODY_BYTES = 4 * 1024 * 1024
REQUESTS_PER_MINUTE, REQUESTS_PER_SECOND = 60, 30

# A request is counted when it leaves, and by Finnhub when it arrives: the window is that much longer here.
_WINDOW_SECONDS = 61.0
# Less than the most that a second allows: what leaves evenly may arrive in a heap.
_APART_SECONDS = 1 / (REQUESTS_PER_SECOND - 5)
_LONGEST_RETRY_MS = 3_600_000
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class NoSuchPath(ProviderError):  # noqa: N818 - named as what happened
    """There is nothing at the address, and so nothing to be had by asking again soon."""


class FinnhubRest:
    """An HTTP client for one key; `close` breaks off what is under way."""

    def __init__(self, base_url: str, key: SecretStr, *, timeout_seconds: float, clock: Clock) -> None:
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._asked_at: deque[float] = deque()
        self._next_at = 0.0
        self._client = httpx2.AsyncClient(
            headers={
                "X-Finnhub-Token": key.get_secret_value(),
                "User-Agent": f"StockTrack/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
            },
            follow_redirects=False,
            # What stands in on this machine is not meant for the proxy that the environment names.
            trust_env=urlsplit(base_url).hostname not in _THIS_MACHINE,
            timeout=None,  # one limit covers the whole of a request, drips included
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._client.aclose()

    def asked_lately(self) -> int:
        """How many requests were made within the last minute, all of them."""
        now = self._clock.monotonic()
        while self._asked_at and self._asked_at[0] <= now - _WINDOW_SECONDS:
            self._asked_at.popleft()
        return len(self._asked_at)

    async def get(self, path: str, **params: str) -> Any:
        """The JSON that Finnhub answers with.

        `SourceUnusable` where the key is refused, `CommandError` (`not_offered`) where the plan does not have what was
        asked for, `ProviderError` for anything else that is no answer, `NoSuchPath` among them.
        """
        try:
            # Sockets live in real time, so this is no business of the `Clock`.
            async with asyncio.timeout(self._timeout_seconds):
                await self._wait_for_turn()
                async with self._client.stream("GET", self._base_url + path, params=params) as response:
                    return _json(await self._read(response))
        except (TimeoutError, httpx2.TimeoutException):
            message = f"Finnhub did not answer within {self._timeout_seconds:g} seconds."
            raise ProviderError(Reason.PROVIDER_TIMEOUT, message) from None
        except httpx2.TransportError as error:
            cause = clean_text(str(error), 120) or type(error).__name__
            message = f"Finnhub cannot be reached or broke off: {cause}."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None
        except httpx2.HTTPError as error:
            message = f"Finnhub's answer cannot be read ({type(error).__name__})."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None
        except RuntimeError:
            if not self._client.is_closed:
                raise
            raise ProviderError(Reason.PROVIDER_ERROR, "finnhub is closing.") from None

    async def _wait_for_turn(self) -> None:
        now = self._clock.monotonic()
        turn = max(now, self._next_at)
        self._next_at = turn + _APART_SECONDS
        self._asked_at.append(turn)
        if turn > now:
            await self._clock.sleep(turn - now)

    async def _read(self, response: httpx2.Response) -> bytes:
        self._check_status(response)
        if "," in response.headers.get("content-encoding", ""):
            # One coding is unpacked in pieces that are counted; each further one multiplies what a piece may hold.
            raise ProviderError(Reason.PROVIDER_ERROR, "Finnhub sent an answer that is compressed more than once.")
        body = bytearray()
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    message = f"Finnhub sent more than {MAX_BODY_BYTES // 2**20} MiB."
                    raise ProviderError(Reason.PROVIDER_ERROR, message)
        return bytes(body)

    def _check_status(self, response: httpx2.Response) -> None:
        match response.status_code:
            case 200:
                return
            case 401:
                raise KEY.refused()
            case 403:
                raise CommandError(Reason.NOT_OFFERED, "This is not on the plan of this server's Finnhub key.")
            case 404:
                raise NoSuchPath(Reason.PROVIDER_ERROR, "Finnhub answered with status 404.")
            case 429:
                raise ProviderError(
                    Reason.PROVIDER_BLOCKED,
                    "Finnhub refuses requests from here for a while (429 Too Many Requests).",
                    retry_after_ms=self._retry_after_ms(response.headers),
                )
            case status:
                raise ProviderError(Reason.PROVIDER_ERROR, f"Finnhub answered with status {status}.")

    def _retry_after_ms(self, headers: Mapping[str, str]) -> int | None:
        """How long Finnhub asks to be left alone, where it says so and it can be meant."""
        now_ms = self._clock.now_ms()
        waits = (_seconds(headers.get("retry-after", "")), _moment_ms(headers.get("retry-after", "")))
        reset = _seconds(headers.get("x-ratelimit-reset", ""))
        for wait_ms in (
            None if waits[0] is None else waits[0] * 1000,
            None if waits[1] is None else waits[1] - now_ms,
            None if reset is None else reset * 1000 - now_ms,
        ):
            if wait_ms is not None and 0 < wait_ms <= _LONGEST_RETRY_MS:
                return wait_ms
        return None


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _moment_ms(text: str) -> int | None:
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # A page for people, mostly: Finnhub's own, or that of a proxy on the way.
        raise ProviderError(Reason.PROVIDER_ERROR, "Finnhub's answer is no JSON.") from None
