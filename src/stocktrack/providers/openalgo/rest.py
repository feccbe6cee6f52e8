"""OpenAlgo's REST: one question, the JSON of its answer, and what each status means.

The key travels in the body, as OpenAlgo wants it. Questions start a little apart: OpenAlgo takes ten a second where its
own settings do not say more.
"""

from typing import Any, Final

from pydantic import SecretStr

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.http import JsonAnswer, JsonHttp, NoJson, Pace, retry_after_ms
from stocktrack.providers.openalgo.answers import complaint_of, refused_key

REQUESTS_PER_SECOND: Final = 10
_APART_SECONDS: Final = 1 / (REQUESTS_PER_SECOND - 1)


class NoSuchQuestion(ProviderError):  # noqa: N818 - named as what was found
    """This OpenAlgo, perhaps an older one, does not answer questions of this kind."""


class OpenAlgoRest:
    """An HTTP client for one OpenAlgo; `close` breaks off what is under way."""

    def __init__(self, base_url: str, key: SecretStr, *, timeout_seconds: float, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._http = JsonHttp(
            "OpenAlgo",
            base_url,
            timeout_seconds=timeout_seconds,
            pace=Pace(_APART_SECONDS),
            secret=key.get_secret_value(),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.close()

    async def ask(self, question: str, **params: Any) -> Any:
        """The JSON that OpenAlgo answers with, also where that says that something is wrong with what was asked for.

        `SourceUnusable` where the key is refused, `NoSuchQuestion`, another `ProviderError` for all that is no answer.
        """
        body = {"apikey": self._key.get_secret_value(), **params}
        async with self._http.asked("POST", f"/api/v1/{question}", json=body) as answer:
            return self._judged(question, answer, await _payload(answer))

    def _judged(self, question: str, answer: JsonAnswer, payload: Any) -> Any:
        """The payload, where the status says that it is an answer."""
        complaint = complaint_of(payload) if isinstance(payload, dict) else ""
        match answer.status:
            case 200:
                return payload
            case 400 if complaint:
                return payload
            case 404 | 405 if question == "quotes" and isinstance(payload, dict) and "path" not in payload:
                return payload  # some versions answer so of a symbol
            case 404 | 405 as status:
                raise NoSuchQuestion(Reason.PROVIDER_ERROR, f"OpenAlgo does not answer {question!r} (status {status}).")
            case 401 | 403:
                raise refused_key()
            case 429:
                told = answer.headers.get("retry-after") or (payload.get("retry_after") if complaint else None)
                raise ProviderError(
                    Reason.PROVIDER_BLOCKED,
                    "OpenAlgo takes no more requests from here for a while (429).",
                    retry_after_ms=retry_after_ms(told, self._clock.now_ms()),
                )
            case status:
                # The broker's own words help whoever runs OpenAlgo.
                said = f": {complaint}" if complaint else ""
                raise ProviderError(Reason.PROVIDER_ERROR, f"OpenAlgo answered with status {status}{said}.")


async def _payload(answer: JsonAnswer) -> Any:
    """The JSON in an answer; None where it is a page for people."""
    try:
        return await answer.json()
    except NoJson:
        return None
