"""Opens Redis by its address, and says in a sentence what is wrong where it fails.

The library is imported only by who asks for it. None of its exceptions leaves `engine/`: they hold addresses, and
their texts are for programmers.
"""

import contextlib
import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stocktrack.errors import ConfigError, extra_hint
from stocktrack.system.addresses import without_password

if TYPE_CHECKING:
    from redis.asyncio import Redis

TIMEOUT_SECONDS = 5.0
# A thousand questions at once take turns: each is a fraction of a millisecond, and Redis counts its connections.
MAX_CONNECTIONS = 16
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class EngineError(Exception):
    """Redis did not do what it was asked; the sentence says why, and holds no password.

    `is_timeout` where it said nothing, `is_refused` where it does not let this program in or do this.
    """

    def __init__(self, message: str, *, is_timeout: bool = False, is_refused: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_timeout = is_timeout
        self.is_refused = is_refused


def open_redis(
    url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, max_connections: int = MAX_CONNECTIONS
) -> "Redis":
    """A client of the Redis at `url`; it connects when it is asked for something. `ConfigError` where that cannot be.

    It tries nothing twice: who asks knows whether that is right. More calls than it may have connections take turns.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 - an extra, and slow to import
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.exceptions import RedisError  # noqa: PLC0415
    except ImportError:
        raise ConfigError(f"Redis needs a library that is not installed. {extra_hint('redis')}.") from None
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # RESP3 has nothing that is used here, and the library looks at each of its messages for its own log.
            protocol=2,
        )
        # Whatever the address says: all here is read as bytes, and nothing is tried twice.
        pool.connection_kwargs |= {"decode_responses": False, "retry": Retry(NoBackoff(), 0)}
        pool.make_connection()  # type: ignore[no-untyped-call] # it opens nothing, and an unknown option shows in it
        _check_files(pool.connection_kwargs)
    except (ValueError, TypeError, RedisError) as error:
        raise ConfigError(f"redis_url = {without_password(url)!r}: {_wrong_option(error)}.") from None
    return Redis.from_pool(pool)


def _check_files(options: Mapping[str, Any]) -> None:
    """`ValueError` where an option of the address names a file that is not there: TLS does not say which one."""
    for option in _FILES:
        if (name := options.get(option)) and not Path(name).is_file():
            raise ValueError(f"{option} names {name}, and there is no such file")


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
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted, {cause.verify_message.rstrip('.')}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed, {cause.reason or cause}".lower().replace("_", " ")
    if isinstance(cause, OSError) and cause.errno is not None:
        return os.strerror(cause.errno).lower() if cause.errno > 0 else str(cause.strerror).lower()
    return str(error).partition("\n")[0].strip().rstrip(".")[:200] or type(error).__name__


def _wrong_option(error: Exception) -> str:
    """What is wrong with the address, without the names of the library's own functions."""
    said = str(error).rstrip(".")
    if "unexpected keyword argument" in said:
        return f"there is no option {said.rpartition(' ')[2]}"
    return said
