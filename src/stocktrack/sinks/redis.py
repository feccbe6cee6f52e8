"""Publishes to Redis or Valkey: each quote to the channel `stock:SYMBOL`, and the newest under the key of that name.

A batch is one transaction, so that whoever gets a message and then reads the key finds that quote there or a newer one.
It is written down here and sent in one piece: redis-py's own pipeline takes twice the time for the same bytes.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stocktrack.engine.names import PRICE_EXPIRY_SECONDS, price_name
from stocktrack.errors import ConfigError
from stocktrack.messages import BoardQuote
from stocktrack.providers.published import encode_published
from stocktrack.sinks.base import SinkError, shown_address
from stocktrack.system.blocking import name_answered

_CONNECT_SECONDS: Final = 5.0
_REPLY_SECONDS: Final = 5.0
_PORT: Final = 6_379
_MULTI, _EXEC = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"
_EXPIRY = str(PRICE_EXPIRY_SECONDS).encode()


class RedisSink:
    """One Redis, over one connection. `instance` is whose quotes these are, which goes along with their `seq`."""

    def __init__(self, url: str, instance: str) -> None:
        self.name = shown_address(url)
        self._instance = instance
        self._host: str | None = None  # that a name server has to be asked for
        options: dict[str, Any] = {
            "socket_connect_timeout": _CONNECT_SECONDS,
            "socket_timeout": _REPLY_SECONDS,
            "retry": Retry(NoBackoff(), 0),  # trying again is the outlet's
        }
        if not url.startswith("unix:"):
            options["socket_keepalive"] = True
            parts = urlsplit(url)
            self._host, self._port = parts.hostname, parts.port or _PORT
        try:
            self._pool = ConnectionPool.from_url(url, **options)
            self._new_connection()  # a wrong option shows only here
        except (ValueError, TypeError, RedisError) as error:
            raise ConfigError(f"{self.name} is no address of a Redis: {error}.") from None
        self._connection: AbstractConnection | None = None

    async def open(self) -> None:
        """Connect and log in."""
        await self.close()
        connection = self._connection = self._new_connection()
        try:
            if self._host is not None:
                await name_answered(self._host, self._port)
            await connection.connect()  # type: ignore[no-untyped-call] # redis-py's
        except (RedisError, OSError, TimeoutError) as error:
            raise SinkError(self._why(error)) from None

    async def write(self, quotes: Sequence[BoardQuote]) -> None:
        """Set and publish `quotes` in one transaction."""
        connection = self._connection
        if connection is None:
            raise SinkError(f"{self.name} is not connected.")
        try:
            await connection.send_packed_command([_transaction(quotes, self._instance)], check_health=False)
            for _ in range(_replies(quotes)):
                await connection.read_response(disable_decoding=True)
            done: Any = await connection.read_response(disable_decoding=True)
            for each in done:
                if isinstance(each, Exception):
                    raise each
        except (RedisError, OSError, TimeoutError) as error:
            raise SinkError(self._why(error)) from None

    async def close(self) -> None:
        """Close the connection without a word: what was not answered is not waited for."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _new_connection(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's
        return connection

    def _why(self, error: Exception) -> str:
        told = str(error).strip().rstrip(".") or type(error).__name__
        if isinstance(error, AuthenticationError):
            return f"{self.name} refuses the name or the password: {told}."
        if isinstance(error, TimeoutError | RedisTimeoutError):
            return f"{self.name} does not answer within {_REPLY_SECONDS:g} s."
        return f"{self.name}: {told}."


def _transaction(quotes: Sequence[BoardQuote], instance: str) -> bytes:
    """The commands: each quote is published, and of each symbol the last one is set."""
    last = {quote.symbol: quote for quote in quotes}
    parts = [_MULTI]
    for quote in quotes:
        key = price_name(quote.symbol).encode()
        body = encode_published(quote, instance)
        if last[quote.symbol] is quote:
            parts.append(
                b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nEX\r\n$%d\r\n%b\r\n"
                % (len(key), key, len(body), body, len(_EXPIRY), _EXPIRY)
            )
        parts.append(b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(body), body))
    parts.append(_EXEC)
    return b"".join(parts)


def _replies(quotes: Sequence[BoardQuote]) -> int:
    """How many replies come before that of the EXEC: one to the MULTI, and one to each command in it."""
    return 1 + len({quote.symbol for quote in quotes}) + len(quotes)
