"""One connection of the client library to a server: sends commands, and matches the replies to them."""

import asyncio
import contextlib
import copy
import itertools
import ssl
from collections.abc import Callable
from typing import Any, cast

from stocktrack.client.errors import BadRequest, ClientError, NothingListens, NotStockTrack, Unavailable, error_of
from stocktrack.client.wire import Answer, Incoming, ServerLines, UnreadableReply
from stocktrack.clock import Clock, finished, within
from stocktrack.errors import Reason
from stocktrack.messages import Command, Failure, Hello, LogoutReply, Notice, Price
from stocktrack.quotes import clean_text
from stocktrack.system.addresses import DEFAULT_PORT
from stocktrack.wire.lines import BadLine, encode_line, failure

# A server that promises fewer heartbeats than one a day is not believed.
_MAX_HEARTBEAT_SECONDS = 86_400.0
# After one of these notices the server closes the session.
_FINAL_REASONS = frozenset(
    {
        Reason.SHUTDOWN,
        Reason.AUTH_TIMEOUT,
        Reason.NOT_PERMITTED,
        Reason.SESSION_LIMIT,
        Reason.SLOW_CLIENT,
        Reason.TOO_MANY_ERRORS,
        Reason.INTERNAL_ERROR,
    }
)


class ServerConnection(asyncio.Protocol):
    """A connection that is used once. Prices go to `put`, all other messages to `take`."""

    def __init__(
        self, address: str, clock: Clock, put: Callable[[Price], None], take: Callable[[Incoming], None]
    ) -> None:
        self._address = address
        self._clock = clock
        self._put = put
        self._take = take
        self._lines = ServerLines(address)
        self._transport: asyncio.Transport | None = None
        self._ids = itertools.count(1)
        self._open: dict[object, asyncio.Future[Answer]] = {}
        self._heard_at = clock.monotonic()
        self._is_secure = False
        self._port = 0
        self._writable = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[Hello] = loop.create_future()
        self._lost: asyncio.Future[ClientError] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._hello.add_done_callback(_retrieve)
        self.is_established = False
        self.is_logged_out = False

    async def open(self, host: str, port: int, seconds: float, tls: ssl.SSLContext | None = None) -> None:
        """Connect; `Unavailable` where no server answers, or one whose certificate is not trusted."""
        loop = asyncio.get_running_loop()
        self._is_secure = tls is not None
        self._port = port
        try:
            await within(self._clock, seconds, loop.create_connection(lambda: self, host, port, ssl=tls))
        except TimeoutError:
            raise Unavailable(f"{self._address} does not answer within {seconds:.3g} s.") from None
        except ConnectionRefusedError:
            raise NothingListens(
                f"Nothing listens at {self._address}. Is the server running, is the port right?"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise Unavailable(
                f"{self._address} showed a certificate that is not trusted: {error.verify_message.rstrip('.')}. "
                "Name the file of its authority with --ca."
            ) from None
        except ssl.SSLError as error:
            raise NotStockTrack(
                f"{self._address} does not speak TLS as it should ({error.reason or error}). "
                "Is it a port for plain text, without --tls?"
            ) from None
        except (OSError, UnicodeError, OverflowError) as error:
            # UnicodeError: the host is not a possible name. OverflowError: the port is out of range.
            raise Unavailable(f"{self._address} cannot be reached: {error}.") from None

    async def greeting(self, seconds: float) -> Hello:
        """The HELLO; `NotStockTrack` where something else comes, or nothing."""
        try:
            return await within(self._clock, seconds, self._hello)
        except TimeoutError:
            raise NotStockTrack(f"{self._address} accepts connections but says nothing.{self._other_doors()}") from None

    async def ask(self, command: Command, seconds: float) -> Answer:
        """The answer to `command`; a failure is raised as its error."""
        try:
            return await within(self._clock, seconds, self._exchange(command))
        except TimeoutError:
            raise Unavailable(f"{self._address} did not answer {command.type} within {seconds:.3g} s.") from None

    async def _exchange(self, command: Command) -> Answer:
        while not (self._writable.is_set() or self._lost.done()):
            await self._writable.wait()
        if self._transport is None or self._lost.done():
            raise copy.copy(self._lost.result())
        id_ = next(self._ids)
        numbered = command.model_copy(update={"id": id_})
        line = encode_line(numbered)
        if len(line) > (limit := self._hello.result().limits.max_line_bytes):
            # The server would end the session, and every other call with it.
            error = BadLine(
                Reason.LINE_TOO_LONG,
                f"The command is longer than the {limit} bytes that the server takes.",
                command_type=command.type,
                id=id_,
            )
            raise BadRequest(failure(error))
        reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[id_] = reply
        try:
            self._transport.write(line)
            return await reply
        finally:
            del self._open[id_]

    async def wait_lost(self, patience_seconds: float) -> ClientError:
        """Wait until the connection is lost, and return why; a server that is silent for too long counts as lost."""
        heartbeat = min(max(0.0, self._hello.result().heartbeat_seconds), _MAX_HEARTBEAT_SECONDS)
        silence = 2 * heartbeat + patience_seconds
        while not self._lost.done():
            left = self._heard_at + silence - self._clock.monotonic()
            if left <= 0:
                self._lose(Unavailable(f"{self._address} has been silent for {silence:g} s."))
                break
            with contextlib.suppress(TimeoutError):
                await within(self._clock, left, asyncio.shield(self._lost))
        return self._lost.result()

    async def close(self, why: ClientError) -> None:
        """Close the socket at once, without reading or sending the rest."""
        self._lose(why)
        if self._transport is not None:
            await finished(self._closed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio; if the caller has given up by now, the connection is closed again."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no class of asyncio's
        if self._lost.done():
            self._transport.abort()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what has arrived, cut anywhere."""
        self._heard_at = self._clock.monotonic()
        try:
            for message in self._lines.receive(data):
                if type(message) is Price:
                    self._put(message)
                else:
                    self._hear(message)
        except NotStockTrack as error:
            self._lose(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio when the socket is closed, from either side."""
        how = f": {exc}" if exc is not None else " by the server"
        hint = "" if self._hello.done() else f" It said nothing before.{self._other_doors()}"
        self._lose(Unavailable(f"The connection to {self._address} was closed{how}.{hint}"))
        self._closed.set_result(None)

    def _other_doors(self) -> str:
        """What a port that does not greet may be, and what to do then."""
        web = "" if self._port == DEFAULT_PORT else f" This may be the web port; clients use {DEFAULT_PORT}."
        return web if self._is_secure else f"{web} If it wants TLS, say --tls."

    def pause_writing(self) -> None:
        """Called by asyncio when the server takes no more: commands wait from now on."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by asyncio when the server has taken enough."""
        self._writable.set()

    def _hear(self, message: Incoming) -> None:
        self._take(message)
        match message:
            case Hello():
                if not self._hello.done():
                    self._hello.set_result(message)
            case Answer(reply=reply):
                self.is_logged_out |= isinstance(reply, LogoutReply)
                self._settle(reply.id, message)
            case UnreadableReply():
                self._settle(message.id, NotStockTrack(f"{self._address} gave a reply that this version cannot read."))
            case Notice() if message.reason in _FINAL_REASONS:
                # Inside a session the code belongs to no command of the caller; before the session, it is the refusal.
                # A shutdown and a kick have errors of their own in both cases.
                if self.is_established and message.reason not in {Reason.SHUTDOWN, Reason.NOT_PERMITTED}:
                    self._lose(Unavailable(f"The server ended the session. {clean_text(message.message, 500)}"))
                else:
                    self._lose(error_of(message))
            case _:
                pass

    def _settle(self, id_: object, result: Answer | ClientError) -> None:
        reply = self._open.get(id_)
        if reply is None or reply.done():
            return  # the caller has stopped waiting
        if isinstance(result, ClientError):
            reply.set_exception(result)
        elif isinstance(result.reply, Failure):
            reply.set_exception(error_of(result.reply, result.line))
        else:
            reply.set_result(result)

    def _lose(self, why: ClientError) -> None:
        if self._lost.done():
            return
        self._lost.set_result(why)
        waiting: list[asyncio.Future[Any]] = [self._hello, *self._open.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(copy.copy(why))
        self._writable.set()
        if self._transport is not None:
            self._transport.abort()


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Retrieve the error: there may be no caller left to do so, and asyncio would log that."""
    if not future.cancelled():
        future.exception()
