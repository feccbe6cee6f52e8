"""Finnhub's REST: one request, the JSON of its answer, and what each status means.

The key travels in a header, so that it stands in no address. Requests start a little apart, since Finnhub takes thirty
a second whatever a minute allows.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.providers.finnhub.answers import KEY
from stocktrack.providers.http import JsonAnswer, JsonHttp, Pace, retry_after_ms

REQUESTS_PER_MINUTE, REQUESTS_PER_SECOND = 60, 30
# Less than the most that a second allows: what leaves evenly may arrive in a heap.
_APART_SECONDS = 1 / (REQUESTS_PER_SECOND - 5)


class NoSuchPath(ProviderError):  # noqa: N818 - named as what happened
    """There is nothing at the address, and so nothing to be had by asking again soon."""


class FinnhubRest:
    """An HTTP client for one key; `close` breaks off what is under way."""

    def __init__(self, base_url: str, key: SecretStr, *, timeout_seconds: float, clock: Clock) -> None:
        self._clock = clock
        self._pace = Pace(_APART_SECONDS, clock)
        self._http = JsonHttp(
            "Finnhub",
            base_url,
            timeout_seconds=timeout_seconds,
            pace=self._pace,
            headers={"X-Finnhub-Token": key.get_secret_value()},
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.close()

    def asked_lately(self) -> int:
        """How many requests were made within the last minute, all of them."""
        return self._pace.lately()

    async def get(self, path: str, **params: str) -> Any:
        """The JSON that Finnhub answers with.

        `SourceUnusable` where the key is refused, `CommandError` (`not_offered`) where the plan does not have what was
        asked for, `ProviderError` for anything else that is no answer, `NoSuchPath` among them.
        """
        async with self._http.asked("GET", path, params=params) as answer:
            self._check_status(answer)
            return await answer.json()

    def _check_status(self, answer: JsonAnswer) -> None:
        match answer.status:
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
                    retry_after_ms=self._retry_after_ms(answer.headers),
                )
            case status:
                raise ProviderError(Reason.PROVIDER_ERROR, f"Finnhub answered with status {status}.")

    def _retry_after_ms(self, headers: Mapping[str, str]) -> int | None:
        """How long Finnhub asks to be left alone, where it says so and it can be meant."""
        now_ms = self._clock.now_ms()
        wait_ms = retry_after_ms(headers.get("retry-after"), now_ms)
        reset = headers.get("x-ratelimit-reset", "")
        if wait_ms is None and reset.isascii() and reset.isdecimal() and len(reset) < 12:
            wait_ms = retry_after_ms(int(reset) - now_ms / 1000, now_ms)
        return wait_ms
