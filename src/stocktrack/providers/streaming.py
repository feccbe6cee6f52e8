"""One connection to a vendor's WebSocket, from its opening until it breaks: what all sources that stream share.

A vendor is a `StreamProtocol`: what it writes and reads, without any I/O. `run_stream` opens the socket, keeps the
subscriptions at what is wanted, hands on what comes, and raises when the connection is over, however that came about.
It never tries again by itself: the market decides when, so whatever a vendor does, nothing spins here.

What is raised is one `StockTrackError` with a sentence. It holds neither the address nor a header, where keys stand,
and has no other exception behind it that might: those of `websockets` print the address, and so does its log, which is
off.
"""

import asyncio
import contextlib
import json
import logging
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NoReturn, TypeVar

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from stocktrack.clock import Clock, RealClock, ended
from stocktrack.errors import ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.providers.base import StreamSink, Wanted
from stocktrack.quotes import Quote
from stocktrack.system.addresses import is_this_machine
from stocktrack.system.blocking import in_a_thread

log = structlog.get_logger()

Frame = str | bytes
Result = TypeVar("Result")

# The largest that a vendor sends is some kilobytes. What is larger is refused by its head, before it is read.
MAX_FRAME_BYTES = 2**20
MAX_BAD_FRAMES = 100
LOOK_SECONDS = 0.5
# What came within this time is one batch, with the newest quote of each symbol: 5,000 ticks a second are 20 batches.
# A tick that comes alone does not wait for it.
MERGE_SECONDS = 0.05
# Of a burst so many frames are read in a row before everything else has its turn: a millisecond or two.
FRAMES_A_TURN = 50
_CLOSE_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 86_400
# The logger of `websockets` prints addresses. This one is no part of logging's tree: nothing can turn it on.
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001 - that is the point


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a vendor may take, in seconds: real time, since sockets live in it."""

    connect_seconds: float = 10.0  # for each address of a name: one that is dead leaves time for the next
    handshake_seconds: float = 90.0  # with that; Finnhub has answered after 65
    ready_seconds: float = 20.0
    send_seconds: float = 10.0


class StreamProtocol(ABC):
    """What one connection to a vendor writes and reads; a new one is made for each connection.

    It does no I/O, and it keeps no timers. Its attributes may change while the connection lives.
    """

    vendor: str
    """As it is called in sentences: "Finnhub"."""
    address: str
    """`ws://` or `wss://`, with a key where the vendor wants it there."""
    headers: Mapping[str, str] = {}
    """Headers of the handshake, beside those of any WebSocket."""
    places: int | None = None
    """How many symbols may be subscribed to at one time; lowered where the vendor says that it takes fewer."""
    is_ready: bool = True
    """Whether it takes subscriptions; one that has to log in first begins with False."""
    silence_seconds: float = 150.0
    """A connection with subscriptions that says nothing for so long, while a market is open, is broken."""
    closed_silence_seconds: float = 1500.0
    """The same while every market is closed."""
    repeat_seconds: float | None = None
    """The subscription to everything is sent again every so often, where the vendor forgets it otherwise."""
    ping_seconds: float | None = 20.0
    """Pings of the WebSocket are sent every so often, and must be answered as soon; None where a vendor does not."""

    def greeting(self) -> Sequence[Frame]:
        """What is sent first, as to log in."""
        return ()

    @abstractmethod
    def subscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """What is sent to get the prices of `symbols` too, in as few frames as the vendor allows."""

    @abstractmethod
    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """What is sent to get the prices of `symbols` no longer."""

    @abstractmethod
    def receive(self, frame: Frame) -> Sequence[Quote]:
        """The quotes in a frame, in their order; none where it holds something else, as a ping.

        `ValueError` where it makes no sense: it is skipped, and only many in a row break the connection.
        `ProviderError` or `SourceUnusable` where the vendor refuses to go on.
        """

    def answers(self) -> Sequence[Frame]:
        """What is to be sent because of the frame that `receive` was given just now."""
        return ()

    def refused(self, status: int) -> SourceUnusable | None:
        """What it means that the handshake was answered by 401 or 403: the sentence names the setting of the key."""
        del status
        return None


def json_frame(message: object) -> str:
    """A message as the text of a frame."""
    return json.dumps(message, separators=(",", ":"))


def json_object(frame: Frame) -> dict[str, Any]:
    """The JSON object in a text frame; `ValueError` where it holds anything else."""
    if not isinstance(frame, str):
        raise ValueError("binary, and no text")  # noqa: TRY004 - what was received is wrong, not the call
    try:
        message = json.loads(frame)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(message, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as above
    return message


async def run_stream(
    protocol: StreamProtocol,
    wanted: Wanted,
    sink: StreamSink,
    *,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> NoReturn:
    """One connection's life: open it, follow `wanted()`, publish what comes, until it breaks.

    It connects also while nothing is wanted: the market opens a stream when it has use for it, and lets one that broke
    lead again, and so names what is wanted, only once it is up.
    `sink.opened()` is called once, when the first subscriptions are sent. `ProviderError` says how it broke, also where
    the vendor closed it in good order; `SourceUnusable` that the vendor refuses this server. Cancelled, it is closed
    within a second.
    """
    clock = clock or RealClock()
    patience = patience or Patience()
    connection = await _opened(protocol, patience)
    stream = _Stream(connection, protocol, wanted, sink, clock=clock, patience=patience)
    try:
        failure = await stream.broken()
    finally:
        await _close(connection)
    stream.publish()
    raise failure


class _Stream:
    """An open connection: three tasks read it, follow what is wanted, and publish what was read."""

    def __init__(
        self,
        connection: ClientConnection,
        protocol: StreamProtocol,
        wanted: Wanted,
        sink: StreamSink,
        *,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._protocol = protocol
        self._wanted = wanted
        self._sink = sink
        self._clock = clock
        self._patience = patience
        self._ready = asyncio.Event()
        self._is_open = asyncio.Event()
        self._subscribed: dict[str, None] = {}  # in the order of the subscriptions
        self._received: dict[str, Quote] = {}
        self._has_news = asyncio.Event()
        self._bad_frames = 0  # in a row
        self._has_told_of_bad_frames = False
        self._was_trading = False
        self._quiet_since = clock.monotonic()
        self._repeated_at = 0.0

    async def broken(self) -> Exception:
        """Serve the connection until it is over, and say why."""
        work = {"reads": self._read(), "follows what is wanted": self._follow(), "publishes": self._publish()}
        tasks = [asyncio.create_task(run, name=f"{self._protocol.vendor} stream {name}") for name, run in work.items()]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await ended(*tasks)
        failures = [failure for task in tasks if not task.cancelled() and (failure := task.exception()) is not None]
        failure = failures[0]
        if isinstance(failure, ConnectionClosed):
            return _end(self._protocol.vendor, failure)
        if not isinstance(failure, Exception):
            raise failure
        return failure

    def publish(self) -> None:
        """Hand over what was received and not published yet."""
        self._has_news.clear()
        received, self._received = self._received, {}
        if received and self._is_open.is_set():
            self._sink.publish(list(received.values()))

    async def _read(self) -> None:
        count = 0
        while True:
            # With frames at hand it returns at once, without giving way.
            frame = await self._connection.recv()
            self._quiet_since = self._clock.monotonic()
            self._take(frame)
            with contextlib.suppress(ConnectionClosed):  # what came before the end is still to be read
                await self._send(self._protocol.answers())
            if self._protocol.is_ready:
                self._ready.set()
            count += 1
            if count % FRAMES_A_TURN == 0:
                await asyncio.sleep(0)

    def _take(self, frame: Frame) -> None:
        try:
            quotes = self._protocol.receive(frame)
        except ValueError:
            self._bad_frames += 1
            if not self._has_told_of_bad_frames:
                self._has_told_of_bad_frames = True
                log.info("a stream sent what makes no sense; it is skipped", vendor=self._protocol.vendor)
            if self._bad_frames >= MAX_BAD_FRAMES:
                message = f"{self._protocol.vendor} sent {MAX_BAD_FRAMES} messages in a row that make no sense."
                raise ProviderError(Reason.PROVIDER_ERROR, message) from None
            return
        self._bad_frames = 0
        for quote in quotes:
            # One that is no longer wanted may still be on its way, and a vendor may send what nobody asked for.
            if quote.symbol in self._subscribed:
                self._received[quote.symbol] = quote
                self._has_news.set()

    async def _publish(self) -> None:
        await self._is_open.wait()
        while True:
            await self._has_news.wait()
            self.publish()
            await self._clock.sleep(MERGE_SECONDS)

    async def _follow(self) -> None:
        # Of a connection that is closed whoever reads tells how it ended: the vendor may have said why before.
        with contextlib.suppress(ConnectionClosed):
            await self._send(self._protocol.greeting())
            if not self._protocol.is_ready:
                await self._until_ready()
            await self._meet_demand()
            self._sink.opened()
            self._is_open.set()
            while True:
                # At once as well: much may only be wanted of a stream that is up.
                await self._meet_demand()
                await self._repeat()
                self._watch_silence()
                await self._clock.sleep(LOOK_SECONDS)

    async def _until_ready(self) -> None:
        seconds = self._patience.ready_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            message = f"{self._protocol.vendor} did not say within {seconds:g} seconds whether it takes the key."
            raise ProviderError(Reason.PROVIDER_TIMEOUT, message) from None

    async def _meet_demand(self) -> None:
        """Send the difference between what is wanted and what is subscribed to, those who leave first."""
        wanted, places = dict.fromkeys(self._wanted()), self._protocol.places
        # Those that have a place keep it; where there are fewer places now, the last ones lose theirs.
        kept = dict.fromkeys([symbol for symbol in self._subscribed if symbol in wanted][:places])
        gone = [symbol for symbol in self._subscribed if symbol not in kept]
        new = [symbol for symbol in wanted if symbol not in self._subscribed]
        if places is not None:
            new = new[: places - len(kept)]
        if not self._subscribed:
            self._quiet_since = self._repeated_at = self._clock.monotonic()  # nothing was to be heard
        # What comes while this is sent is judged by the new state.
        self._subscribed = {**kept, **dict.fromkeys(new)}
        if gone:
            await self._send(self._protocol.unsubscribe(gone))
        if new:
            await self._send(self._protocol.subscribe(new))

    async def _repeat(self) -> None:
        every, now = self._protocol.repeat_seconds, self._clock.monotonic()
        if every is not None and self._subscribed and now - self._repeated_at >= every:
            self._repeated_at = now
            await self._send(self._protocol.subscribe(list(self._subscribed)))

    def _watch_silence(self) -> None:
        now, is_trading = self._clock.monotonic(), self._sink.is_trading()
        if is_trading and not self._was_trading:
            self._quiet_since = now  # the silence of the night does not count
        self._was_trading = is_trading
        limit = self._protocol.silence_seconds if is_trading else self._protocol.closed_silence_seconds
        if self._subscribed and now - self._quiet_since >= limit:
            message = f"The stream of {self._protocol.vendor} has said nothing for {limit:g} seconds."
            raise ProviderError(Reason.PROVIDER_TIMEOUT, message)

    async def _send(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            try:
                async with asyncio.timeout(self._patience.send_seconds):
                    await self._connection.send(frame)
            except TimeoutError:
                message = f"The stream of {self._protocol.vendor} takes nothing that it is sent."
                raise ProviderError(Reason.PROVIDER_TIMEOUT, message) from None


class _Connect(connect):
    """Opens a connection; a redirect is an answer like any other, since a key in the address must not travel on."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def _opened(protocol: StreamProtocol, patience: Patience) -> ClientConnection:
    ping_seconds = protocol.ping_seconds
    try:
        async with asyncio.timeout(patience.handshake_seconds):
            uri = parse_uri(protocol.address)
            proxy = None if is_this_machine(uri.host) else get_proxy(uri)
            context = await in_a_thread(_tls_context) if uri.secure else None
            dialled = None if proxy is not None else await _dialled(uri.host, uri.port, patience.connect_seconds)
            return await _Connect(
                protocol.address,
                sock=dialled,
                ssl=context,
                additional_headers=dict(protocol.headers),
                compression=None,  # the frames are small, and packing them costs more than it saves
                proxy=proxy,
                open_timeout=None,
                ping_interval=ping_seconds,
                ping_timeout=ping_seconds,
                close_timeout=_CLOSE_SECONDS,
                max_size=MAX_FRAME_BYTES,
                logger=_SILENT,
            )
    except Exception as error:  # whatever it is, it may hold the address and the key in it
        failure = _no_connection(protocol, error)
    raise failure


async def _close(connection: ClientConnection) -> None:
    """Say goodbye where the vendor listens, which frees the key there at once, and close the socket in any case."""
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.close()
    finally:
        connection.transport.abort()


async def _dialled(host: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection to the first address of `host` that takes one within `seconds`."""
    failure: OSError = ConnectionError()
    find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    for family, kind, number, _, address in await in_a_thread(find):
        dialled = socket.socket(family, kind, number)
        dialled.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(dialled, address)
        except OSError as error:  # a time-out is one
            failure = error
            dialled.close()
        except BaseException:
            dialled.close()
            raise
        else:
            return dialled
    raise failure


@cache
def _tls_context() -> ssl.SSLContext:
    """What trusts the authorities of this machine: reading them takes tens of milliseconds, so it is done once."""
    return ssl.create_default_context()


def _no_connection(protocol: StreamProtocol, error: Exception) -> StockTrackError:
    """Why there is no connection, in a sentence."""
    vendor = protocol.vendor
    match error:
        case InvalidStatus():
            return _bad_answer(protocol, error)
        case TimeoutError():
            return ProviderError(Reason.PROVIDER_TIMEOUT, f"The stream of {vendor} did not open in time.")
        case InvalidProxyStatus():
            what = f"The proxy on the way to {vendor} answered with HTTP status {error.response.status_code}."
        case ProxyError() | InvalidProxy():
            what = f"The proxy on the way to {vendor} cannot be used: look at the variables HTTPS_PROXY and ALL_PROXY."
        case ImportError():
            what = f"The proxy on the way to {vendor} is a SOCKS proxy: install python-socks, or set NO_PROXY."
        case InvalidMessage() if isinstance(error.__cause__, EOFError):
            what = f"{vendor} closed the connection before its stream was open."
        case InvalidHandshake():
            what = f"{vendor} does not answer as a WebSocket does."
        case InvalidURI():
            what = f"The address of the stream of {vendor} is no address of a WebSocket."
        case ssl.SSLCertVerificationError():
            what = f"The certificate of {vendor}'s stream is not valid: {error.verify_message.partition(',')[0]}."
        case ssl.SSLError():
            what = f"The stream of {vendor} could not be opened: TLS failed ({error.reason or 'without a reason'})."
        case socket.gaierror():
            what = f"The name of {vendor}'s server could not be found (DNS)."
        case ConnectionRefusedError():
            what = f"{vendor}'s server refused the connection."
        case _:
            what = f"The connection to {vendor} failed ({type(error).__name__})."
    return ProviderError(Reason.PROVIDER_ERROR, what)


def _bad_answer(protocol: StreamProtocol, error: InvalidStatus) -> StockTrackError:
    """What it means that the handshake was answered by another status than 101."""
    status = error.response.status_code
    if status in {401, 403} and (refusal := protocol.refused(status)) is not None:
        return refusal
    if status == 429:
        return ProviderError(
            Reason.PROVIDER_BLOCKED,
            f"{protocol.vendor} refuses connections from here for a while (429 Too Many Requests).",
            retry_after_ms=_retry_after_ms(error.response.headers.get_all("Retry-After")),
        )
    message = f"{protocol.vendor} answered with HTTP status {status}, and opened no stream."
    return ProviderError(Reason.PROVIDER_ERROR, message)


def _retry_after_ms(values: Sequence[str]) -> int | None:
    """The wait that a vendor asks for in seconds, where it is one that a person would wait."""
    if len(values) != 1 or not (values[0].isascii() and values[0].isdecimal() and len(values[0]) < 7):
        return None
    seconds = int(values[0])
    return seconds * 1000 if seconds <= _LONGEST_RETRY_SECONDS else None


def _end(vendor: str, closed: ConnectionClosed) -> ProviderError:
    """How a connection ended; what the vendor gives as its reason is left out, since it may repeat the key."""
    received, sent = closed.rcvd, closed.sent
    if received is not None and (sent is None or closed.rcvd_then_sent):
        return ProviderError(Reason.PROVIDER_ERROR, f"{vendor} closed its stream (code {received.code}).")
    match sent.code if sent is not None else None:
        case 1009:
            size = f"{MAX_FRAME_BYTES // 2**20} MiB"
            return ProviderError(Reason.PROVIDER_ERROR, f"{vendor} sent a message of more than {size}, the most taken.")
        case 1011:
            return ProviderError(Reason.PROVIDER_TIMEOUT, f"The stream of {vendor} no longer answers pings.")
        case 1002 | 1007:
            return ProviderError(Reason.PROVIDER_ERROR, f"The stream of {vendor} broke the rules of WebSocket.")
        case _:
            return ProviderError(Reason.PROVIDER_ERROR, f"The connection to the stream of {vendor} was cut.")
