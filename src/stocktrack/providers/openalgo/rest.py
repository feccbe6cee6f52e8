"""OpenAlgo's REST: one question, the JSON of its answer, and what each status means.

The key travels in the body, as OpenAlgo wants it, and no redirect is followed with it. Limits on size and time hold for
every answer. Questions start a little apart: OpenAlgo takes ten a second where its own settings do not say more.
"""

import asyncio
import json
from contextlib import aclosing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx2
from pydantic import SecretStr

from stocktrack import __version__
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.openalgo.answers import complaint_of, refused_key
from stocktrack.quotes import clean_text

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
REQUESTS_PER_SECOND: Final = 10
_APART_SECONDS: Final = 1 / (REQUESTS_PER_SECOND - 1)
_LONGEST_RETRY_SECONDS: Final = 3_600


class NoSuchQuestion(ProviderError):  # noqa: N818 - named as what was found
    """This OpenAlgo, perhaps an older one, does not answer questions of this kind."""


class OpenAlgoRest:
    """An HTTP client for one OpenAlgo; `close` breaks off what is under way."""

    def __init__(self, base_url: str, key: SecretStr, *, timeout_seconds: float) -> None:
        self._base_url = base_url
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._next_at = 0.0
        self._client = httpx2.AsyncClient(
            headers={
                "User-Agent": f"StockTrack/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
            },
            follow_redirects=False,
            timeout=None,  # one limit covers the whole of a question, drips included
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._client.aclose()

    async def ask(self, question: str, **params: Any) -> Any:
        """The JSON that OpenAlgo answers with, also where that says that something is wrong with what was asked for.

        `SourceUnusable` where the key is refused, `NoSuchQuestion`, another `ProviderError` for all that is no answer.
        """
        try:
            # Sockets live in real time, so this is no business of the `Clock`.
            async with asyncio.timeout(self._timeout_seconds):
                await self._wait_for_turn()
                return await self._post(question, {"apikey": self._key.get_secret_value(), **params})
        except (TimeoutError, httpx2.TimeoutException):
            message = f"OpenAlgo did not answer within {self._timeout_seconds:g} seconds."
            raise ProviderError(Reason.PROVIDER_TIMEOUT, message) from None
        except httpx2.TransportError as error:
            cause = clean_text(str(error), 120) or type(error).__name__
            message = f"OpenAlgo cannot be reached or broke off: {cause}."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None
        except httpx2.HTTPError as error:
            message = f"OpenAlgo's answer cannot be read ({type(error).__name__})."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None
        except RuntimeError:
            if not self._client.is_closed:
                raise
            raise ProviderError(Reason.PROVIDER_ERROR, "openalgo is closing.") from None

    async def _post(self, question: str, body: dict[str, Any]) -> Any:
        async with self._client.stream("POST", f"{self._base_url}/api/v1/{question}", json=body) as response:
            status, content = response.status_code, await self._read(response)
            wait = response.headers.get("retry-after", "")
        payload = _json(content)
        complaint = complaint_of(payload) if isinstance(payload, dict) else ""
        match status:
            case 200:
                return payload
            case 400 if complaint:
                return payload
            case 404 | 405 if question == "quotes" and isinstance(payload, dict) and "path" not in payload:
                return payload  # some versions answer so of a symbol
            case 404 | 405:
                raise NoSuchQuestion(Reason.PROVIDER_ERROR, f"OpenAlgo does not answer {question!r} (status {status}).")
            case 401 | 403:
                raise refused_key()
            case 429:
                raise ProviderError(
                    Reason.PROVIDER_BLOCKED,
                    "OpenAlgo takes no more requests from here for a while (429).",
                    retry_after_ms=_retry_after_ms(wait or (payload.get("retry_after") if complaint else None)),
                )
            case _:
                # The broker's own words help whoever runs OpenAlgo, and may repeat what was sent.
                said = f": {self.without_key(complaint)}" if complaint else ""
                raise ProviderError(Reason.PROVIDER_ERROR, f"OpenAlgo answered with status {status}{said}.")

    def without_key(self, text: str) -> str:
        """`text` with the key blotted out."""
        return text.replace(self._key.get_secret_value(), "…")

    async def _wait_for_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_at)
        self._next_at = turn + _APART_SECONDS
        if turn > now:
            await asyncio.sleep(turn - now)

    async def _read(self, response: httpx2.Response) -> bytes:
        if "," in response.headers.get("content-encoding", ""):
            # One coding is unpacked in pieces that are counted; each further one multiplies what a piece may hold.
            raise ProviderError(Reason.PROVIDER_ERROR, "OpenAlgo sent an answer that is compressed more than once.")
        body = bytearray()
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    message = f"OpenAlgo sent more than {MAX_BODY_BYTES // 2**20} MiB."
                    raise ProviderError(Reason.PROVIDER_ERROR, message)
        return bytes(body)


def _json(body: bytes) -> Any:
    """The JSON in an answer; None where it is a page for people."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _retry_after_ms(value: Any) -> int | None:
    """The wait in seconds that OpenAlgo asks for, where it is one that can be meant."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdecimal() and len(value) < 8 else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_RETRY_SECONDS:
        return None
    return round(value * 1000)
