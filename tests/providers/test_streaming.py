"""One connection to a vendor: what is sent, what is published, and the one sentence of each way in which it breaks."""

import asyncio
import contextlib
import logging
import socket
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from certificates import serving, trusting
from patience import PATIENCE_SECONDS
from stocktrack.clock import Clock, ManualClock, settle
from stocktrack.errors import ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.providers import streaming
from stocktrack.providers.streaming import (
    FRAMES_A_TURN,
    LOOK_SECONDS,
    MAX_BAD_FRAMES,
    MAX_FRAME_BYTES,
    MERGE_SECONDS,
    Frame,
    Patience,
    StreamProtocol,
    json_frame,
    json_object,
    run_stream,
)
from stocktrack.quotes import Quote
from stocktrack.testing import Collected
from stream_server import StreamServer, VendorConnection, raw_server, running, stream_server

KEY = "k3y-that-must-not-be-told"
Stream = Callable[..., asyncio.Task[Any]]


class Vendor(StreamProtocol):
    """A vendor that takes many symbols in one message, and sends `{"AAPL": 1.5}`."""

    vendor = "Acme"
    headers: Mapping[str, str] = {"X-Acme-Token": KEY}

    def __init__(self, address: str, **changes: Any) -> None:
        self.address = f"{address}?token={KEY}"
        for name, value in changes.items():
            setattr(self, name, value)

    def subscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        return [json_frame({"want": list(symbols)})]

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        return [json_frame({"drop": list(symbols)})]

    def receive(self, frame: Frame) -> Sequence[Quote]:
        message = json_object(frame)
        return [
            Quote(symbol=symbol, price=price, received_at=0, provider="acme")
            for symbol, price in message.items()
            if isinstance(price, float)
        ]

    def refused(self, status: int) -> SourceUnusable | None:
        return SourceUnusable(f"Acme refuses the key ({status}): look at the setting acme_api_key.")


class Talkative(Vendor):
    """One that wants a login first, takes one symbol a message and fewer than it says, and answers what it is asked."""

    is_ready = False
    places = 3

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._answers: list[Frame] = []

    def greeting(self) -> Sequence[Frame]:
        return [json_frame({"login": KEY})]

    def subscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        return [json_frame({"want": symbol}) for symbol in symbols]

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        return [json_frame({"drop": symbol}) for symbol in symbols]

    def receive(self, frame: Frame) -> Sequence[Quote]:
        match json_object(frame):
            case {"login": "good"}:
                self.is_ready = True
            case {"login": _}:
                raise SourceUnusable("Acme refuses the key: look at the setting acme_api_key.")
            case {"most": int(most)}:
                self.places = most
            case {"question": question}:
                self._answers.append(json_frame({"answer": question}))
        return super().receive(frame)

    def answers(self) -> Sequence[Frame]:
        answers, self._answers = self._answers, []
        return answers


class Sink(Collected):
    """What was published, and a wait for more of it."""

    def __init__(self) -> None:
        super().__init__(self._grow)
        self.batches: list[list[Quote]] = []
        self._grown = asyncio.Event()

    def _grow(self, quotes: Sequence[Quote]) -> None:
        self.batches.append(list(quotes))
        self._grown.set()

    def opened(self) -> None:
        super().opened()
        self._grown.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until `is_so`, which is looked at whenever something came."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so():
                self._grown.clear()
                await self._grown.wait()


@pytest.fixture
async def vendor() -> AsyncIterator[StreamServer]:
    async with stream_server() as server:
        yield server


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
async def stream(sink: Sink) -> AsyncIterator[Stream]:
    """Starts a stream that the test ends, or that is cancelled after it."""
    tasks: list[asyncio.Task[Any]] = []

    def start(
        protocol: StreamProtocol,
        wanted: Sequence[str] | set[str] | dict[str, None] = ("AAPL",),
        *,
        clock: Clock | None = None,
        patience: Patience | None = None,
    ) -> asyncio.Task[Any]:
        task = asyncio.create_task(run_stream(protocol, lambda: wanted, sink, clock=clock, patience=patience))
        tasks.append(task)
        return task

    yield start
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def failure(task: asyncio.Task[Any]) -> StockTrackError:
    """How the stream ended: one error, which tells no address and no key, whoever prints what of it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait({task})
    error = task.exception()
    assert isinstance(error, StockTrackError)
    printed = "".join(traceback.format_exception(error))
    assert error.__cause__ is None
    for secret in (KEY, "127.0.0.1", "ws://"):
        assert secret not in printed
    assert "Acme" in error.message
    return error


async def test_it_asks_for_what_is_wanted_and_publishes_what_comes(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    stream(Vendor(vendor.url), ["AAPL", "MSFT"])
    connection = await vendor.connected()

    assert await connection.heard() == {"want": ["AAPL", "MSFT"]}
    await connection.send({"AAPL": 1.5})
    await sink.until(lambda: bool(sink.quotes))

    assert connection.headers["X-Acme-Token"] == KEY
    assert connection.path == f"/?token={KEY}"
    assert [(quote.symbol, quote.price) for quote in sink.quotes] == [("AAPL", 1.5)]
    assert sink.times_opened == 1


async def test_what_is_wanted_only_of_a_stream_that_is_up_is_asked_for_at_once(
    vendor: StreamServer, stream: Stream, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = set[str]()
    monkeypatch.setattr(sink, "opened", lambda: wanted.add("AAPL"))
    stream(Vendor(vendor.url), wanted, clock=ManualClock())
    connection = await vendor.connected()

    assert await connection.heard() == {"want": ["AAPL"]}


async def test_what_changes_is_sent_as_a_difference_and_those_who_leave_go_first(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock, wanted = ManualClock(), {"AAPL": None, "MSFT": None}
    stream(Vendor(vendor.url), wanted, clock=clock)
    connection = await vendor.connected()
    await connection.heard()
    await sink.until(lambda: sink.times_opened == 1)

    del wanted["AAPL"]
    wanted.update({"TSLA": None, "GOOG": None})
    await clock.advance(3 * LOOK_SECONDS)
    await connection.heard()
    await connection.heard()
    await connection.send({"AAPL": 1.0, "TSLA": 2.0})
    await sink.until(lambda: bool(sink.quotes))

    assert connection.messages == [{"want": ["AAPL", "MSFT"]}, {"drop": ["AAPL"]}, {"want": ["TSLA", "GOOG"]}]
    assert [quote.symbol for quote in sink.quotes] == ["TSLA"], "what is wanted no longer is not published"


async def test_a_stream_takes_no_more_symbols_than_it_has_places_and_gives_freed_ones_away(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock, wanted = ManualClock(), {"A": None, "B": None, "C": None}
    stream(Vendor(vendor.url, places=2), wanted, clock=clock)
    connection = await vendor.connected()
    first = await connection.heard()
    await sink.until(lambda: sink.times_opened == 1)

    await clock.advance(3 * LOOK_SECONDS)
    del wanted["A"]
    await clock.advance(LOOK_SECONDS)

    assert first == {"want": ["A", "B"]}
    assert [await connection.heard(), await connection.heard()] == [{"drop": ["A"]}, {"want": ["C"]}]


async def test_a_vendor_that_logs_in_is_asked_for_nothing_before(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    stream(Talkative(vendor.url), ["A", "B"])
    connection = await vendor.connected()
    first = await connection.heard()
    opened_before = sink.times_opened

    await connection.send({"login": "good"})

    assert (first, opened_before) == ({"login": KEY}, 0)
    assert [await connection.heard(), await connection.heard()] == [{"want": "A"}, {"want": "B"}]
    await sink.until(lambda: sink.times_opened == 1)


async def test_a_vendor_that_takes_fewer_symbols_than_it_said_is_left_with_those(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock = ManualClock()
    stream(Talkative(vendor.url), ["A", "B", "C"], clock=clock)
    connection = await vendor.connected()
    await connection.send({"login": "good"})
    await sink.until(lambda: sink.times_opened == 1)
    await connection.send({"question": 1}, {"most": 2}, {"A": 1.0})
    await sink.until(lambda: bool(sink.quotes))

    await clock.advance(3 * LOOK_SECONDS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.heard() != {"drop": "C"}:
            pass

    assert connection.messages.count({"drop": "C"}) == 1
    assert {"answer": 1} in connection.messages
    assert not [message for message in connection.messages if message in ({"drop": "A"}, {"drop": "B"})]


async def test_a_login_that_is_refused_says_which_setting(vendor: StreamServer, stream: Stream, sink: Sink) -> None:
    task = stream(Talkative(vendor.url))
    connection = await vendor.connected()
    await connection.send({"login": "bad"})
    await connection.close(1008)

    error = await failure(task)

    assert isinstance(error, SourceUnusable)
    assert "acme_api_key" in error.message
    assert sink.times_opened == 0


async def test_a_login_that_is_never_answered_has_a_deadline(vendor: StreamServer, stream: Stream) -> None:
    error = await failure(stream(Talkative(vendor.url), patience=Patience(ready_seconds=0.05)))

    assert error.reason is Reason.PROVIDER_TIMEOUT


async def test_a_subscription_is_repeated_where_the_vendor_forgets_it(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock = ManualClock()
    stream(Vendor(vendor.url, repeat_seconds=15.0), ["AAPL", "MSFT"], clock=clock)
    connection = await vendor.connected()
    await sink.until(lambda: sink.times_opened == 1)

    await clock.advance(14)
    await settle()
    before = len(connection.messages)
    await clock.advance(2)

    assert await connection.heard() == await connection.heard() == {"want": ["AAPL", "MSFT"]}
    assert before == 1


async def test_a_burst_is_published_in_one_batch_with_the_newest_of_each_symbol(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock = ManualClock()
    stream(Vendor(vendor.url), ["A", "B"], clock=clock)
    connection = await vendor.connected()
    await connection.heard()
    await sink.until(lambda: sink.times_opened == 1)
    await connection.send({"A": 1.0})
    await sink.until(lambda: len(sink.batches) == 1)

    await connection.send(*({"A": float(price), "B": price / 2} for price in range(2, 501)), {"question": "done"})
    await connection.pong()
    published_meanwhile = len(sink.batches)
    await clock.advance(MERGE_SECONDS)
    await sink.until(lambda: len(sink.batches) == 2)

    assert published_meanwhile == 1
    assert [(quote.symbol, quote.price) for quote in sink.batches[1]] == [("A", 500.0), ("B", 250.0)]


async def test_a_burst_lets_everything_else_have_its_turn(vendor: StreamServer, stream: Stream, sink: Sink) -> None:
    in_a_row, most = 0, 0

    class Counting(Vendor):
        def receive(self, frame: Frame) -> Sequence[Quote]:
            nonlocal in_a_row, most
            in_a_row += 1
            most = max(most, in_a_row)
            return super().receive(frame)

    async def turn() -> None:
        nonlocal in_a_row
        while True:
            in_a_row = 0
            await asyncio.sleep(0)

    stream(Counting(vendor.url))
    connection = await vendor.connected()
    await connection.heard()
    turns = asyncio.create_task(turn())
    await connection.send(*[{"AAPL": 1.0}] * 5_000, {"AAPL": 2.0})
    await sink.until(lambda: bool(sink.quotes) and sink.quotes[-1].price == 2.0)
    turns.cancel()

    assert 1 <= most <= FRAMES_A_TURN


BROKEN: Sequence[tuple[str, Callable[[VendorConnection], Any], Reason, str]] = [
    ("a close in good order", lambda vendor: vendor.close(1000), Reason.PROVIDER_ERROR, "code 1000"),
    ("going away", lambda vendor: vendor.close(1001, KEY), Reason.PROVIDER_ERROR, "code 1001"),
    ("an internal error", lambda vendor: vendor.close(1011, KEY), Reason.PROVIDER_ERROR, "code 1011"),
    ("a cut", lambda vendor: vendor.cut(), Reason.PROVIDER_ERROR, "was cut"),
    ("a message of 2 MB", lambda vendor: vendor.send("x" * 2 * MAX_FRAME_BYTES), Reason.PROVIDER_ERROR, "1 MiB"),
    (
        "nothing but garbage",
        lambda vendor: vendor.send(*["no JSON", "[]", b"\x00", "9" * 5000, "[" * 100_000] * (MAX_BAD_FRAMES // 5)),
        Reason.PROVIDER_ERROR,
        "make no sense",
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case[0])
async def test_a_connection_that_breaks_is_one_error(
    case: tuple[str, Callable[[VendorConnection], Any], Reason, str], vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    _, breaks, reason, told = case
    task = stream(Vendor(vendor.url))
    connection = await vendor.connected()
    await connection.heard()
    await connection.send({"AAPL": 1.5})
    broken = breaks(connection)
    if broken is not None:
        with contextlib.suppress(Exception):  # it may be cut off while it still sends
            await broken

    error = await failure(task)
    await connection.ended()

    assert isinstance(error, ProviderError)
    assert (error.reason, told in error.message) == (reason, True), error.message
    assert [quote.price for quote in sink.quotes] == [1.5], "what came before the end is published"
    assert vendor.handshakes == 1


async def test_bad_messages_between_good_ones_are_skipped_and_told_to_the_log_once(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    with capture_logs() as logs:
        stream(Vendor(vendor.url))
        connection = await vendor.connected()
        await connection.heard()

        for price in range(3):
            await connection.send(*["{"] * (MAX_BAD_FRAMES - 1), {"AAPL": 1.0 + price})
        await sink.until(lambda: bool(sink.quotes) and sink.quotes[-1].price == 3.0)

    assert sink.times_opened == 1
    assert [entry["vendor"] for entry in logs] == ["Acme"]


async def test_silence_while_a_market_is_open_breaks_the_connection(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock = ManualClock()
    task = stream(Vendor(vendor.url, silence_seconds=150.0), clock=clock)
    connection = await vendor.connected()
    await connection.heard()
    await sink.until(lambda: sink.times_opened == 1)
    await clock.advance(140)
    await connection.send({"type": "ping"}, {"AAPL": 1.5})
    await sink.until(lambda: bool(sink.quotes))

    await clock.advance(149)
    was_done = task.done()
    await clock.advance(2)
    error = await failure(task)

    assert not was_done
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert "150 seconds" in error.message


async def test_the_silence_of_a_closed_market_is_borne_and_does_not_count_once_it_opens(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock = ManualClock()
    sink.trades = False
    task = stream(Vendor(vendor.url, silence_seconds=150.0, closed_silence_seconds=1500.0), clock=clock)
    await sink.until(lambda: sink.times_opened == 1)

    await clock.advance(1400)
    sink.trades = True
    await clock.advance(149)
    was_done = task.done()
    await clock.advance(2)

    assert not was_done
    assert (await failure(task)).reason is Reason.PROVIDER_TIMEOUT


async def test_a_connection_without_subscriptions_may_be_silent(
    vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    clock, wanted = ManualClock(), {"AAPL"}
    task = stream(Vendor(vendor.url, silence_seconds=150.0), wanted, clock=clock)
    await sink.until(lambda: sink.times_opened == 1)

    wanted.clear()
    await clock.advance(400)
    wanted.add("AAPL")
    await clock.advance(149)

    assert not task.done()


async def test_a_vendor_that_answers_no_pings_is_left(vendor: StreamServer, stream: Stream) -> None:
    task = stream(Vendor(vendor.url, ping_seconds=0.05))
    connection = await vendor.connected()
    connection.stop_reading()

    error = await failure(task)

    assert (error.reason, "pings" in error.message) == (Reason.PROVIDER_TIMEOUT, True)


async def test_a_vendor_that_takes_nothing_is_left(vendor: StreamServer, stream: Stream, sink: Sink) -> None:
    clock, wanted = ManualClock(), {"AAPL"}
    patience = Patience(send_seconds=0.05)
    task = stream(Vendor(vendor.url, ping_seconds=None), wanted, clock=clock, patience=patience)
    connection = await vendor.connected()
    await connection.heard()
    connection.stop_reading()
    await sink.until(lambda: sink.times_opened == 1)

    # More than the buffers of two sockets hold.
    wanted.update(f"S{number:015}" for number in range(1_000_000))
    await clock.advance(LOOK_SECONDS)
    error = await failure(task)

    assert (error.reason, "takes nothing" in error.message) == (Reason.PROVIDER_TIMEOUT, True)


HANDSHAKES: Sequence[tuple[int, Mapping[str, str], Reason, int | None, str]] = [
    (200, {}, Reason.PROVIDER_ERROR, None, "status 200"),
    (503, {}, Reason.PROVIDER_ERROR, None, "status 503"),
    (524, {}, Reason.PROVIDER_ERROR, None, "status 524"),
    (302, {"Location": "ws://127.0.0.1:1/elsewhere"}, Reason.PROVIDER_ERROR, None, "status 302"),
    (429, {"Retry-After": "7"}, Reason.PROVIDER_BLOCKED, 7000, "429"),
    (429, {}, Reason.PROVIDER_BLOCKED, None, "429"),
    (429, {"Retry-After": "-7"}, Reason.PROVIDER_BLOCKED, None, "429"),
    (429, {"Retry-After": "999999"}, Reason.PROVIDER_BLOCKED, None, "429"),
    (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, Reason.PROVIDER_BLOCKED, None, "429"),
    (401, {}, Reason.NOT_OFFERED, None, "acme_api_key"),
    (403, {}, Reason.NOT_OFFERED, None, "acme_api_key"),
]


@pytest.mark.parametrize("case", HANDSHAKES, ids=lambda case: f"{case[0]} {case[1]}")
async def test_a_handshake_that_opens_nothing_is_one_error(
    case: tuple[int, Mapping[str, str], Reason, int | None, str], vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    status, headers, reason, retry_after_ms, told = case
    vendor.answer(status, headers)

    error = await failure(stream(Vendor(vendor.url)))

    assert (error.reason, error.retry_after_ms) == (reason, retry_after_ms)
    assert told in error.message
    assert (vendor.handshakes, sink.times_opened) == (1, 0)


async def test_a_handshake_that_is_answered_late_is_taken(vendor: StreamServer, stream: Stream, sink: Sink) -> None:
    opens = vendor.hold()
    stream(Vendor(vendor.url))
    await vendor.asked(1)
    connected_before = len(vendor.connections)

    opens.set()
    await sink.until(lambda: sink.times_opened == 1)

    assert (connected_before, len(vendor.connections)) == (0, 1)


async def test_a_handshake_has_a_deadline(vendor: StreamServer, stream: Stream) -> None:
    vendor.hang()

    error = await failure(stream(Vendor(vendor.url), patience=Patience(handshake_seconds=0.1)))

    assert (error.reason, "in time" in error.message) == (Reason.PROVIDER_TIMEOUT, True)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "closed the connection before"),
        (b"", "closed the connection before"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "does not answer as a WebSocket"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "does not answer"),
        (b"\x15\x03\x01\x00\x02\x02\x50\r\n", "does not answer as a WebSocket"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer as a WebSocket"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n200", "status 200"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n", "does not answer as a WebSocket"),
    ],
)
async def test_what_is_no_websocket_is_one_error(answer: bytes | None, told: str, stream: Stream) -> None:
    async with raw_server(answer) as url:
        error = await failure(stream(Vendor(url)))

    assert (error.reason, told in error.message) == (Reason.PROVIDER_ERROR, True), error.message


async def test_a_port_where_nobody_listens_is_one_error(stream: Stream) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/"

    error = await failure(stream(Vendor(url)))

    assert (error.reason, "refused" in error.message) == (Reason.PROVIDER_ERROR, True)


async def test_a_name_that_does_not_exist_is_one_error(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {KEY}")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)

    error = await failure(stream(Vendor("wss://no-such-name.invalid/")))

    assert (error.reason, "DNS" in error.message) == (Reason.PROVIDER_ERROR, True)


async def test_a_name_server_that_never_answers_holds_up_neither_a_cancelled_stream_nor_the_exit(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ends = threading.Event(), threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        asked.set()
        ends.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    loop = asyncio.get_running_loop()
    task = stream(Vendor("wss://no-such-name.invalid/"))
    await settle()
    assert asked.wait(PATIENCE_SECONDS)

    task.cancel()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait({task})
            await loop.shutdown_default_executor()
    finally:
        ends.set()


async def test_where_one_address_of_a_name_is_dead_the_next_is_taken(
    vendor: StreamServer, stream: Stream, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()
    alive = ("127.0.0.1", int(vendor.url.rpartition(":")[2].rstrip("/")))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (dead, alive)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    stream(Vendor("ws://stream.localhost/"))

    assert await (await vendor.connected()).heard() == {"want": ["AAPL"]}


async def test_an_address_that_takes_no_connection_has_a_deadline(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)

    error = await failure(stream(Vendor("ws://127.0.0.1:1/"), patience=Patience(connect_seconds=0.05)))

    assert error.reason is Reason.PROVIDER_TIMEOUT


@pytest.mark.parametrize("address", ["http://acme.invalid/", "wss://", "wss://acme.invalid:99999999/", "acme"])
async def test_an_address_that_is_none_is_one_error(address: str, stream: Stream) -> None:
    assert (await failure(stream(Vendor(address)))).reason is Reason.PROVIDER_ERROR


async def test_it_speaks_tls(tmp_path: Path, stream: Stream, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_tls_context", trusting)
    async with running(StreamServer(), tls=serving(tmp_path)) as vendor:
        task = stream(Vendor(vendor.url))
        connection = await vendor.connected()
        assert await connection.heard() == {"want": ["AAPL"]}
        task.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait({task})
        await connection.ended()

    assert sink.times_opened == 1


async def test_a_certificate_that_nobody_trusts_is_one_error(tmp_path: Path, stream: Stream) -> None:
    async with await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=serving(tmp_path)
    ) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(stream(Vendor(f"wss://127.0.0.1:{port}/")))

    assert (error.reason, "certificate" in error.message) == (Reason.PROVIDER_ERROR, True), error.message


async def test_a_server_that_speaks_no_tls_is_one_error(stream: Stream) -> None:
    async with raw_server(None) as url:
        error = await failure(stream(Vendor(url.replace("ws:", "wss:"))))

    assert error.reason is Reason.PROVIDER_ERROR


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    vendor: StreamServer, stream: Stream, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    stream(Vendor(vendor.url))
    await sink.until(lambda: sink.times_opened == 1)

    task = stream(Vendor("wss://acme.invalid/"))
    assert (await failure(task)).reason is Reason.PROVIDER_ERROR


@asynccontextmanager
async def connect_proxy(url: str, asked: list[bytes]) -> AsyncIterator[str]:
    """A proxy that connects whoever asks to the server at `url`, whatever was asked for."""
    port = int(url.rpartition(":")[2].rstrip("/"))

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_proxy_of_the_environment_is_asked_for_what_is_elsewhere(
    vendor: StreamServer, stream: Stream, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    async with connect_proxy(vendor.url, asked) as proxy:
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        task = stream(Vendor("ws://acme.invalid/"))
        connection = await vendor.connected()
        assert await connection.heard() == {"want": ["AAPL"]}
        task.cancel()
        await asyncio.wait({task})
        await connection.ended()

    assert asked[0].startswith(b"CONNECT acme.invalid:80 ")
    assert KEY.encode() not in asked[0]


@pytest.mark.parametrize(
    ("proxy", "told"),
    [("socks5h://127.0.0.1:1", "SOCKS"), ("gopher://127.0.0.1:1", "HTTPS_PROXY"), ("http://127.0.0.1:1", "refused")],
)
async def test_a_proxy_that_does_not_do_is_one_error(
    proxy: str, told: str, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    error = await failure(stream(Vendor("wss://acme.invalid/")))

    assert told in error.message


async def test_cancelling_closes_the_socket_in_good_order(vendor: StreamServer, stream: Stream, sink: Sink) -> None:
    task = stream(Vendor(vendor.url))
    connection = await vendor.connected()
    await sink.until(lambda: sink.times_opened == 1)

    task.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait({task})
        await connection.ended()

    assert task.cancelled()
    assert connection.close_code == 1000


@pytest.mark.parametrize("vendor_is", ["deaf", "in its handshake"])
async def test_cancelling_takes_less_than_a_second_whatever_the_vendor_does(
    vendor_is: str, vendor: StreamServer, stream: Stream, sink: Sink
) -> None:
    if vendor_is == "deaf":
        task = stream(Vendor(vendor.url))
        connection = await vendor.connected()
        await sink.until(lambda: sink.times_opened == 1)
        connection.stop_reading()
    else:
        vendor.hang()
        task = stream(Vendor(vendor.url))
        await vendor.asked(1)

    task.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait({task})

    assert task.cancelled()


async def test_nothing_is_logged_of_an_address(
    vendor: StreamServer, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.answer(503)
    await failure(stream(Vendor(vendor.url)))
    task = stream(Vendor(vendor.url))
    await (await vendor.connected()).close(1011)
    await failure(task)

    assert KEY not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("websockets")]
