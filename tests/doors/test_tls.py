import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs
from structlog.typing import EventDict

from certificates import BareTlsClient, trusting, write_authority, write_certificate
from fakes import ScriptedStream
from live_server import PASSWORD, LiveServer, RawClient, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.client import NotStockTrack, StockTrackClient, Unavailable
from stocktrack.clock import ManualClock
from stocktrack.doors.tls import server_context
from stocktrack.errors import ConfigError
from stocktrack.server import TcpConnection


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[list[EventDict]]:
    """No test leaves a task or a complaint of the event loop, or an error in the log."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    with capture_logs() as logs:
        yield logs
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - {asyncio.current_task()} == set()
    assert complaints == []
    assert [entry for entry in logs if entry["log_level"] in {"warning", "error", "critical"}] == []


@dataclass(frozen=True, slots=True)
class Scene:
    """A server that speaks TLS, on a scripted market."""

    server: LiveServer
    clock: ManualClock
    market: ScriptedStream
    ca: Path

    def client(self, **options: Any) -> StockTrackClient:
        """The client library, as ann."""
        server = self.server
        return StockTrackClient(server.host, server.port, "ann", PASSWORD, **{"ca": self.ca, **options})

    async def raw(self, context: ssl.SSLContext | None = None) -> RawClient:
        """A client that was greeted."""
        server = self.server
        raw = RawClient(
            *await asyncio.open_connection(server.host, server.port, ssl=context or trusting(), limit=1 << 20)
        )
        assert (await raw.receive())["type"] == "HELLO"
        return raw


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedStream(clock)
    certificate = write_certificate(tmp_path)
    async with live_server(
        tmp_path, market, clock=clock, tls_handshake_timeout_seconds=60, slow_client_timeout_seconds=10, **certificate
    ) as server:
        yield Scene(server, clock, market, write_authority(tmp_path))


def line(**command: Any) -> bytes:
    return json.dumps(command).encode() + b"\n"


def messages(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(each) for each in data.splitlines()]


# --- sessions over TLS --------------------------------------------------------------------------------------------


async def test_a_client_that_trusts_the_authority_logs_in_and_is_pushed_prices(scene: Scene) -> None:
    async with scene.client() as client:
        await client.subscribe("AAPL", interval=0, save=False)
        prices = client.prices()
        first = await anext(prices)
        scene.market.deliver()
        second = await anext(prices)
    assert (first.symbol, second.seq) == ("AAPL", first.seq + 1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_of_tls_are_spoken(scene: Scene, version: ssl.TLSVersion) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = version
    raw = await scene.raw(context)
    assert (await raw.ask({"type": "PING", "id": 1}))["id"] == 1
    await raw.close()


async def test_a_reply_larger_than_a_tls_record_arrives_whole(scene: Scene) -> None:
    symbols = [f"S{number:03}" for number in range(400)]
    scene.market.prices.update(dict.fromkeys(symbols, 10.0))
    async with scene.client() as client:
        reply = await client.get(symbols)
    assert [quote.symbol for quote in reply.quotes] == symbols


async def test_commands_that_come_with_the_last_of_the_handshake_are_answered(scene: Scene) -> None:
    bare = await BareTlsClient.connect(scene.server.port)
    flights = iter((bare.first_flight(),))
    bare.writer.write(next(flights))
    while True:
        try:
            bare.tls.do_handshake()
        except ssl.SSLWantReadError:
            await bare._exchange()
        else:
            break
    # Nothing of the second flight was sent yet: it goes out together with the commands and the goodbye.
    bare.tls.write(line(type="PING", id=1) + line(type="LOGOUT", id=2))
    bare.end_output()
    types = [message["type"] for message in messages(await bare.read_to_goodbye())]
    assert types == ["HELLO", "PING", "LOGOUT"]
    bare.writer.close()


async def test_a_client_that_ends_its_output_still_gets_its_answers(scene: Scene) -> None:
    bare = await BareTlsClient.connect(scene.server.port)
    await bare.handshake()
    bare.send(b"".join(line(type="PING", id=number) for number in range(20)))
    bare.end_output()
    replies = messages(await bare.read_to_goodbye())
    assert [reply.get("id") for reply in replies] == [None, *range(20)]
    bare.writer.close()


async def test_the_last_line_reaches_a_client_that_goes_on_sending(scene: Scene) -> None:
    bare = await BareTlsClient.connect(scene.server.port)
    await bare.handshake()
    bare.send(b"x" * 40_000)
    for _ in range(50):
        bare.send(b"y" * 4_000)
    hello, refusal = messages(await bare.read_to_goodbye())
    assert (hello["type"], refusal["reason"]) == ("HELLO", "line_too_long")
    bare.writer.close()


async def test_at_the_close_every_session_gets_its_501_and_a_goodbye(scene: Scene) -> None:
    bare = await BareTlsClient.connect(scene.server.port)
    await bare.handshake()
    await until(lambda: any(session.connection.sent_bytes for session in scene.server.app.sessions))
    closing = asyncio.create_task(scene.server.app.close())
    assert [message["code"] for message in messages(await bare.read_to_goodbye())] == [100, 501]
    bare.writer.close()
    await closing


async def test_a_client_that_never_reads_is_bounded_judged_slow_and_closed(scene: Scene) -> None:
    server, market = scene.server, scene.market
    symbols = [f"S{number:03}" for number in range(500)]
    market.prices.update(dict.fromkeys(symbols, 10.0))
    slow = await scene.raw()
    await slow.ask({"type": "AUTH", "username": "ann", "password": PASSWORD})
    slow.stop_reading()
    slow.send({"type": "SUBSCRIBE", "symbols": symbols, "interval": 0, "save": False})
    connection = server.session_of(slow).connection
    assert isinstance(connection, TcpConnection)
    await until(lambda: len(server.app.board.watched()) == 500)
    while not connection.unsent_bytes():
        market.deliver()
        await scene.clock.advance(0)
    pinned = connection._transport.get_write_buffer_size()
    for _ in range(50):
        market.deliver()
        await scene.clock.advance(0)
    assert connection._transport.get_write_buffer_size() <= pinned + 200_000
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(server.app.sessions):
            market.deliver()
            await scene.clock.advance(1)
    await server.until_clients(0)
    await slow.close()


async def test_a_record_that_is_no_tls_ends_the_session_and_no_other(scene: Scene) -> None:
    other = await scene.raw()
    bare = await BareTlsClient.connect(scene.server.port)
    await bare.handshake()
    bare.writer.write(b"this is no record")
    await bare.read_encrypted()
    bare.writer.close()
    await scene.server.until_clients(1)
    assert (await other.ask({"type": "PING"}))["code"] == 200
    await other.close()


# --- handshakes that go wrong -------------------------------------------------------------------------------------


async def test_a_line_in_plain_text_is_told_that_this_is_tls(scene: Scene) -> None:
    client = await scene.server.connect_unread()
    client.send({"type": "PING"})
    (told,) = await client.rest()
    assert (told["type"], told["code"], told["reason"]) == ("ERROR", 400, "malformed_json")
    assert "TLS" in told["message"]
    await client.close()
    await scene.server.until_clients(0)


async def test_handshakes_that_never_finish_are_sessions_that_have_not_logged_in(scene: Scene) -> None:
    bare = await BareTlsClient.connect(scene.server.port)
    bare.writer.write(bare.first_flight()[:20])
    await until(lambda: len(scene.server.app.sessions) == 1)
    await scene.clock.advance(29)
    assert len(scene.server.app.sessions) == 1
    await scene.clock.advance(2)
    # It does not understand plain text, and encrypted text needs a handshake.
    assert await bare.read_encrypted() == b""
    bare.writer.close()
    await scene.server.until_clients(0)
    assert len(scene.server.app.sessions) == 0


async def test_a_handshake_has_its_own_deadline(tmp_path: Path) -> None:
    async with live_server(
        tmp_path, ScriptedStream(ManualClock()), tls_handshake_timeout_seconds=0.05, **write_certificate(tmp_path)
    ) as server:
        stuck = await BareTlsClient.connect(server.port)
        stuck.writer.write(stuck.first_flight()[:20])
        assert await stuck.read_encrypted() == b""
        stuck.writer.close()
        # Whoever says nothing at all most likely waits for a HELLO in plain text.
        silent = await server.connect_unread()
        (told,) = await silent.rest()
        assert "TLS" in told["message"]


async def test_one_session_too_many_is_told_so_over_tls(tmp_path: Path) -> None:
    async with live_server(
        tmp_path, ScriptedStream(ManualClock()), max_sessions=1, **write_certificate(tmp_path)
    ) as server:
        first = await BareTlsClient.connect(server.port)
        await first.handshake()
        await until(lambda: len(server.app.sessions) == 1)
        second = await BareTlsClient.connect(server.port)
        await second.handshake()
        (notice,) = messages(await second.read_to_goodbye())
        assert (notice["code"], notice["reason"]) == (429, "session_limit")
        for client in (first, second):
            client.writer.close()


async def test_a_client_that_goes_in_the_middle_of_its_handshake_leaves_nothing(scene: Scene) -> None:
    bare = await BareTlsClient.connect(scene.server.port)
    bare.writer.write(bare.first_flight()[:20])
    await until(lambda: len(scene.server.app.sessions) == 1)
    bare.writer.close()
    await scene.server.until_clients(0)
    assert len(scene.server.app.sessions) == 0


# --- the client library -------------------------------------------------------------------------------------------


async def test_a_certificate_of_a_stranger_is_refused_with_a_sentence_that_names_ca(scene: Scene) -> None:
    with pytest.raises(Unavailable, match=r"not trusted: .* --ca"):
        async with scene.client(ca=None, tls=True):
            pass


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    leaf = trustme.CA()
    names = leaf.issue_cert("elsewhere.example")
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.write_bytes(names.cert_chain_pems[0].bytes())
    key.touch(mode=0o600)
    key.write_bytes(names.private_key_pem.bytes())
    async with live_server(tmp_path, ScriptedStream(ManualClock()), tls_cert=cert, tls_key=key) as server:
        client = StockTrackClient(server.host, server.port, "ann", PASSWORD, ca=write_authority(tmp_path, leaf))
        with pytest.raises(Unavailable, match=r"not valid for '127\.0\.0\.1'"):
            async with client:
                pass


async def test_a_plain_client_of_a_tls_port_is_told_to_use_tls(tmp_path: Path) -> None:
    async with live_server(
        tmp_path, ScriptedStream(ManualClock()), tls_handshake_timeout_seconds=0.05, **write_certificate(tmp_path)
    ) as server:
        with pytest.raises(NotStockTrack, match="--tls"):
            async with StockTrackClient(server.host, server.port, "ann", PASSWORD):
                pass


async def test_a_tls_client_of_a_plain_port_is_told_to_leave_tls(tmp_path: Path) -> None:
    async with live_server(tmp_path, ScriptedStream(ManualClock())) as server:
        with pytest.raises(NotStockTrack, match=r"does not speak TLS.*without --tls"):
            async with StockTrackClient(server.host, server.port, "ann", PASSWORD, tls=True):
                pass
        honest = await server.log_in()
        assert (await honest.ask({"type": "PING"}))["code"] == 200


async def test_a_context_of_the_callers_own_is_used_as_it_is(scene: Scene) -> None:
    async with scene.client(ca=None, tls=trusting()) as client:
        assert (await client.ping()).code == 200


# --- the server's settings ----------------------------------------------------------------------------------------


def test_without_certificate_and_key_there_is_no_tls() -> None:
    assert server_context(None, None) is None


def test_the_server_speaks_no_tls_older_than_1_2(tmp_path: Path) -> None:
    context = server_context(*write_certificate(tmp_path).values())
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def _no_key(files: dict[str, Path]) -> None:
    del files["tls_key"]


def _no_cert(files: dict[str, Path]) -> None:
    del files["tls_cert"]


def _missing_key(files: dict[str, Path]) -> None:
    files["tls_key"].unlink()


def _missing_cert(files: dict[str, Path]) -> None:
    files["tls_cert"].unlink()


def _folder_as_key(files: dict[str, Path]) -> None:
    files["tls_key"] = files["tls_key"].parent


def _other_key(files: dict[str, Path]) -> None:
    files["tls_key"] = write_certificate(files["tls_key"].parent, name="other")["tls_key"]


def _encrypted_key(files: dict[str, Path]) -> None:
    locked = files["tls_key"].with_name("locked.pem")
    key = serialization.load_pem_private_key(files["tls_key"].read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"x")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(key.private_bytes(pem, pkcs8, encryption))
    files["tls_key"] = locked


def _no_pem(files: dict[str, Path]) -> None:
    files["tls_cert"].write_bytes(b"\x30\x82 no PEM")


def _empty(files: dict[str, Path]) -> None:
    files["tls_key"].write_bytes(b"")


def _swapped(files: dict[str, Path]) -> None:
    files["tls_cert"], files["tls_key"] = files["tls_key"], files["tls_cert"]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_no_key, "tls_cert is set and tls_key is not"),
        (_no_cert, "tls_key is set and tls_cert is not"),
        (_missing_key, r"tls_key = '.*server-key\.pem' cannot be read: No such file"),
        (_missing_cert, r"tls_cert = '.*server-cert\.pem' cannot be read: No such file"),
        (_folder_as_key, "tls_key = '.*' cannot be read: Is a directory"),
        (_other_key, "the key belongs to another certificate"),
        (_encrypted_key, r"tls_key = '.*locked\.pem' is encrypted"),
        (_no_pem, "no certificate and key in PEM format"),
        (_empty, "no certificate and key in PEM format"),
        (_swapped, "no certificate and key in PEM format"),
    ],
)
def test_files_that_do_not_serve_are_an_error_that_names_them(
    tmp_path: Path, spoil: Callable[[dict[str, Path]], None], sentence: str
) -> None:
    files = write_certificate(tmp_path)
    spoil(files)
    with pytest.raises(ConfigError, match=sentence):
        server_context(files.get("tls_cert"), files.get("tls_key"))
