"""HTTP for targets: one POST within a limit of time, to the address of the settings and nowhere else.

No redirect is followed: what is behind one is no address of the operator's, and a signed message would travel on.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from stocktrack.alert_targets.base import LONGEST_RETRY_SECONDS, TargetError, unreachable
from stocktrack.alert_targets.under_way import UnderWay
from stocktrack.clock import Clock
from stocktrack.errors import ConfigError
from stocktrack.providers.http import new_client, told_wait_ms
from stocktrack.system.addresses import is_this_machine

AT_ONCE: Final = 8
# The status says everything. What follows it is only read so that the connection can be used again.
MAX_ANSWER_BYTES, ANSWER_SECONDS = 65_536, 0.5
# Shorter than servers wait (five seconds with Node's, so that theirs rarely ends while ours begins anew).
KEEP_ALIVE_SECONDS: Final = 4.0


class Post:
    """Posts to the one address of the target `name`; `ConfigError` where no client can be made."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        timeout_seconds: float,
        clock: Clock,
        ca_file: Path | None = None,
        auth: tuple[str, str] | None = None,
    ) -> None:
        self._name = name
        self._url = url
        self._clock = clock
        self._under_way = UnderWay(name, timeout_seconds)
        own_trust: dict[str, Any] = {} if ca_file is None else {"verify": trusted(name, ca_file)}
        try:
            self._client = new_client(
                "*/*",
                # What is on this machine is not meant for the proxy that the environment names.
                trust_env=not is_this_machine(urlsplit(url).hostname or ""),
                limits=httpx2.Limits(
                    max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=KEEP_ALIVE_SECONDS
                ),
                auth=auth,
                **own_trust,
            )
        except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
            # A proxy of the environment that httpx2 cannot use, or an address that it reads otherwise.
            raise ConfigError(
                f"alert_targets.{name}.url: no client for it can be made ({type(error).__name__}); "
                "look at HTTP_PROXY and SSL_CERT_FILE, too."
            ) from None

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Post `body`, which is JSON; `TargetError` where the answer is no success."""
        await self._under_way.run(lambda: self._send(body, headers))

    async def close(self) -> None:
        """Break off what is under way."""
        await self._under_way.close()
        await self._client.aclose()

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> None:
        name = self._name
        try:
            async with self._client.stream(
                "POST", self._url, content=body, headers={"Content-Type": "application/json", **headers}
            ) as response:
                if not response.is_success:
                    raise self._refusal(response)
                await _read_away(response)
        except httpx2.TransportError as error:
            raise unreachable(name, error) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError):
            raise TargetError(f"The target {name} answered what is no HTTP.") from None

    def _refusal(self, response: httpx2.Response) -> TargetError:
        status = response.status_code
        elsewhere = ", which leads elsewhere and is not followed" if response.has_redirect_location else ""
        wait_ms = told_wait_ms(response.headers.get("retry-after"), self._clock.now_ms())
        wait = min(wait_ms / 1_000, LONGEST_RETRY_SECONDS) if wait_ms is not None and wait_ms > 0 else None
        return TargetError(f"The target {self._name} answered {status}{elsewhere}.", retry_after_seconds=wait)


def trusted(name: str, ca_file: Path) -> ssl.SSLContext:
    """A context that trusts what this machine does, and the certificates of a file besides."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        why = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"alert_targets.{name}.ca_file = {str(ca_file)!r}: {why}.") from None
    return context


async def _read_away(response: httpx2.Response) -> None:
    """Read a little of what the target has to say; one that says much, or slowly, has taken the message as well."""
    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(ANSWER_SECONDS), contextlib.aclosing(response.aiter_raw()) as chunks:
            count = 0
            async for chunk in chunks:
                count += len(chunk)
                if count > MAX_ANSWER_BYTES:
                    return
