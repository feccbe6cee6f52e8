"""Opens Redis by its address, and says in a sentence what is wrong where it fails.

The library is imported only by who asks for it. None of its exceptions leaves `engine/`: they hold addresses, and
their texts are for programmers.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stocktrack.errors import ConfigError, extra_hint
from stocktrack.system.addresses import without_password

if TYPE_CHECKING:
    from redis.asyncio import Redis

TIMEOUT_SECONDS = 5.0


class EngineError(Exception):
    """Redis did not do what it was asked; the sentence says why, and holds no password.

    `is_timeout` where it said nothing, `is_refused` where it does not let this program in or do this.
    """

    def __init__(self, message: str, *, is_timeout: bool = False, is_refused: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_timeout = is_timeout
        self.is_refused = is_refused


def open_redis(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> "Redis":
    """A client of the Redis at `url`; it connects when it is asked for something. `ConfigError` where that cannot be.

    It tries nothing twice: who asks knows whether that is right.
    """
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - an extra, and slow to import
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
    except ImportError:
        raise ConfigError(f"Redis needs a library that is not installed. {extra_hint('redis')}.") from None
    try:
        return Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            client_name="stocktrack",
            # RESP3 has nothing that is used here, and the library looks at each of its messages for its own log.
            protocol=2,
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(f"redis_url = {without_password(url)!r}: {error}.") from None


def place_of(url: str) -> str:
    """How sentences name the Redis at `url`: by its host and port, or its socket."""
    parts = urlsplit(url)
    return f"Redis at {parts.path if parts.scheme == 'unix' else parts.netloc.rpartition('@')[2]}"


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Have what Redis or the way to it raises come out as `EngineError`; `place` is how sentences name it."""
    from redis import exceptions  # noqa: PLC0415 - whoever has a client has it

    try:
        yield
    except (exceptions.TimeoutError, TimeoutError):
        raise EngineError(f"{place} does not answer in time.", is_timeout=True) from None
    except exceptions.AuthenticationError:
        raise EngineError(f"{place} refuses the name or the password of its address.", is_refused=True) from None
    except exceptions.NoPermissionError as error:
        raise EngineError(f"{place} does not permit this to its user: {_said(error)}.", is_refused=True) from None
    except exceptions.ConnectionError as error:
        raise EngineError(f"{place} cannot be reached: {_said(error)}.") from None
    except exceptions.RedisError as error:
        raise EngineError(f"{place} refuses: {_said(error)}.") from None
    except OSError as error:
        raise EngineError(f"{place} cannot be reached: {error.strerror or _said(error)}.") from None


def _said(error: Exception) -> str:
    """What the library says, as the end of a sentence: some of its texts are whole paragraphs, or hold addresses."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError) and cause.errno is not None:
        return os.strerror(cause.errno).lower() if cause.errno > 0 else str(cause.strerror).lower()
    return str(error).partition("\n")[0].strip().rstrip(".")[:200] or type(error).__name__
