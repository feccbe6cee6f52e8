"""Asks Yahoo, through yfinance's session, cookie and crumb. Everything here blocks: it is for the threads of a pool.

yfinance has no public call for the prices of many symbols. Its `YfData` is used instead, which is private by half, so
`open_session` looks whether what is needed is there. `_guard` stands between `YfData` and its HTTP session, because
yfinance 1.7.0 by itself

- gives its cookie and crumb requests 30 seconds each, whatever time-out the call has, while the others wait behind
  its lock: here every request gets no more than what is left of its call's time;
- answers any status from 400 on by throwing the crumb away, fetching cookie and crumb anew and asking again, so that
  an unknown symbol costs all others their crumb, and a 429 is answered by three more requests: here the status is
  raised before yfinance sees it;
- keeps whatever came as the crumb, "Too Many Requests" and error pages included, and uses it from then on: here only
  what looks like a crumb passes.

Errors are never cached (`YfData.cache_get` is not used), and the cookie is kept in memory, not in yfinance's SQLite
file: that costs one request a start, but a full disk does not stop the prices and a bad cookie can be thrown away.
"""

import contextlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stocktrack.errors import ConfigError, ProviderError, Reason

TESTED_YFINANCE = "1.7.0"
_HANDSHAKE_SHARE = 0.25  # of a call's time for one cookie or crumb request: the chart, which needs none, gets the rest
_CRUMB_PATH = "/v1/test/getcrumb"
_DATA_PATHS = ("/v7/", "/v8/", "/v10/", "/v1/finance/", "/xhr/")
# Eleven characters of base64 as a rule. Pages and JSON, which come instead of it, have spaces, brackets or quotes.
_CRUMB = re.compile(r"[!#-;=?-z|~]{4,64}")
_TOO_MANY = b"Too Many Requests"
# Bad Request, Request Too Long, URI Too Long, Unprocessable: what Yahoo says of the request and not of itself.
_REFUSALS = frozenset({400, 413, 414, 422})
_MAX_REFUSAL_BYTES = 10_000


class CrumbRefused(ProviderError):  # noqa: N818 - named as what happened
    """Yahoo gave no crumb, or refused the one it gave: endpoints that need none may still answer."""

    def __init__(self, what: str) -> None:
        super().__init__(Reason.PROVIDER_ERROR, f"Yahoo {what}.")


class RequestRefused(ProviderError):  # noqa: N818 - named as what happened
    """Yahoo calls this very request a bad one: another request may well be answered.

    `payload` is the JSON that may say why; None where there is none.
    """

    def __init__(self, status: int, content: bytes = b"") -> None:
        super().__init__(Reason.PROVIDER_ERROR, f"Yahoo answered with HTTP status {status}.")
        self.payload: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            self.payload = json.loads(content[:_MAX_REFUSAL_BYTES])


class NotConnected(ProviderError):  # noqa: N818 - named as what happened
    """There was no answer of Yahoo's at all, because the connection failed."""

    def __init__(self, kind: str) -> None:
        super().__init__(Reason.PROVIDER_ERROR, f"The connection to Yahoo failed ({kind}).")


class _NotFound(Exception):  # noqa: N818 - it is an answer, raised past yfinance
    """HTTP 404, where Yahoo may say in JSON that it does not have a symbol."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content


class _CookiesInMemory:
    """Stands in for yfinance's cookie cache. There must be one: without it each call fetches a new cookie."""

    def __init__(self) -> None:
        self._cookies: dict[str, Any] = {}

    def lookup(self, strategy: str) -> dict[str, Any] | None:
        return {"cookie": self._cookies[strategy]} if strategy in self._cookies else None

    def store(self, strategy: str, cookie: Any) -> None:
        self._cookies[strategy] = cookie

    def clear(self) -> None:
        self._cookies.clear()


class YahooSession:
    """One session with Yahoo, shared by all threads."""

    def __init__(self, data: Any, session: Any, cookies: _CookiesInMemory, call_seconds: float) -> None:
        self._data = data
        self._session = session
        self._cookies = cookies
        self._handshake_seconds = call_seconds * _HANDSHAKE_SHARE
        self._call = threading.local()
        session.get = self._guard(session.get)
        session.post = self._guard(session.post)

    def get_json(self, url: str, params: Mapping[str, str], deadline: float, *, crumbed: bool = False) -> Any:
        """The JSON at `url`, given up at `deadline` (`time.monotonic`): of a 200, or of a 404, which may tell why.

        `ProviderError` for everything else that can happen. `crumbed` sends cookie and crumb along.
        """

        def ask() -> Any:
            return self._data.get(url, dict(params)) if crumbed else self._session.get(url=url, params=dict(params))

        return self._json_of(ask, deadline, crumbed=crumbed)

    def post_json(self, url: str, params: Mapping[str, str], body: Mapping[str, Any], deadline: float) -> Any:
        """The JSON that is the answer to the JSON `body`, with cookie and crumb sent along; else as `get_json`."""

        def ask() -> Any:
            return self._data.post(url, body=dict(body), params=dict(params))

        return self._json_of(ask, deadline, crumbed=True)

    def _json_of(self, ask: Callable[[], Any], deadline: float, *, crumbed: bool) -> Any:
        self._call.deadline = deadline
        try:
            response = self._crumbed(ask) if crumbed else ask()
            return _json(response.content)
        except _NotFound as answer:
            return _json(answer.content)
        except ProviderError:
            raise
        except Exception as error:
            if crumbed and not isinstance(error, OSError):
                self._forget_crumb()  # it may be a cookie that yfinance cannot read
            raise _translated(error) from error

    def _crumbed(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except CrumbRefused:
            if not self._forget_crumb():
                raise
        # Crumbs grow old: what a new one makes of it is asked once.
        try:
            return ask()
        except CrumbRefused:
            self._forget_crumb()
            raise

    def _forget_crumb(self) -> bool:
        """Drop cookie and crumb and turn to yfinance's other way of getting them; whether there was a crumb at all."""
        data = self._data
        self._cookies.clear()
        had_crumb = data._crumb is not None  # noqa: SLF001 - there is no public way to ask
        other = "csrf" if data._cookie_strategy == "basic" else "basic"  # noqa: SLF001 - nor this
        data._set_cookie_strategy(other)  # noqa: SLF001 - what yfinance itself does after a 401
        return had_crumb

    def _guard(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """`send` of an HTTP session, held to the deadline of the running call, raising what Yahoo refuses."""

        def send_guarded(url: str, **options: Any) -> Any:
            path = urlsplit(url).path
            is_data = path.startswith(_DATA_PATHS)
            seconds = self._call.deadline - time.monotonic()
            if not is_data:
                seconds = min(seconds, self._handshake_seconds)
            # curl reads anything under a millisecond as "no limit".
            if seconds < 0.001:
                raise TimeoutError
            response = send(url=url, **{**options, "timeout": seconds})
            status = response.status_code
            if status == 429 or (path == _CRUMB_PATH and _TOO_MANY in response.content):
                raise _blocked(response.headers.get("Retry-After"))
            if status == 401 and is_data:
                raise CrumbRefused("refused the crumb")
            if path == _CRUMB_PATH and not (status == 200 and _CRUMB.fullmatch(response.text)):
                raise CrumbRefused("gave no crumb")
            if status == 404 and is_data:
                raise _NotFound(response.content)
            if is_data and status in _REFUSALS:
                raise RequestRefused(status, response.content)
            if is_data and status != 200:
                raise ProviderError(Reason.PROVIDER_ERROR, f"Yahoo answered with HTTP status {status}.")
            return response

        return send_guarded


def open_session(cache_dir: Path, call_seconds: float) -> YahooSession:
    """Import yfinance (half a second and more) and make a session, without any request.

    `ConfigError` where yfinance is not there, or not as this file knows it.
    """
    try:
        yfinance = import_module("yfinance")
        data_module, cache_module = import_module("yfinance.data"), import_module("yfinance.cache")
        requests = import_module("curl_cffi.requests")
    except ImportError as error:
        raise ConfigError(f"The provider 'yahoo' needs yfinance {TESTED_YFINANCE}: {error}.") from error
    # Its debug lines hold the crumb, and its warnings say at each poll again what our errors say.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    try:
        # Before anything else: nothing is to be written to the user's own cache folder.
        yfinance.set_tz_cache_location(str(cache_dir))
        cookies = _CookiesInMemory()
        cache_module._CookieCacheManager._Cookie_cache = cookies  # noqa: SLF001 - where yfinance keeps its own
        session = requests.Session(impersonate="chrome")
        data = data_module.YfData(session=session)
        for part in ("get", "post", "_cookie", "_crumb", "_cookie_strategy", "_set_cookie_strategy"):
            getattr(data, part)
        # `YfData` is one for the process: a second session must not use the first one's crumb.
        data._crumb = data._cookie = None  # noqa: SLF001 - there is no public way to set it
    except (AttributeError, TypeError) as error:
        version = getattr(yfinance, "__version__", "another version")
        message = (
            f"The provider 'yahoo' needs yfinance {TESTED_YFINANCE}; {version} is installed and not alike: {error}."
        )
        raise ConfigError(message) from error
    return YahooSession(data, session, cookies, call_seconds)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        if _TOO_MANY in content[:200]:
            raise _blocked(None) from None
        raise ProviderError(Reason.PROVIDER_ERROR, "Yahoo's answer is not JSON.") from None


def _blocked(retry_after: str | None) -> ProviderError:
    seconds = int(retry_after) if retry_after is not None and retry_after.isdecimal() and len(retry_after) < 7 else None
    return ProviderError(
        Reason.PROVIDER_BLOCKED,
        "Yahoo refuses requests from here for a while (429 Too Many Requests).",
        retry_after_ms=seconds * 1000 if seconds is not None else None,
    )


def _translated(error: Exception) -> ProviderError:
    """What curl, yfinance or we ourselves raised, as the one kind of error that leaves here.

    Only the error's kind is told: its text may hold an address with the crumb in it.
    """
    kind = type(error).__name__
    if kind == "YFRateLimitError":
        return _blocked(None)
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        return ProviderError(Reason.PROVIDER_TIMEOUT, "Yahoo did not answer in time.")
    if isinstance(error, OSError):  # curl_cffi's exceptions are OSErrors
        return NotConnected(kind)
    return ProviderError(Reason.PROVIDER_ERROR, f"Yahoo could not be asked: yfinance failed with {kind}.")
