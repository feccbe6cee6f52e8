"""What dialects share."""

import importlib.util
from pathlib import Path

import pytest
import structlog

from dialect_scene import dialect_scene
from requirements import require
from stocktrack.errors import Code, Reason
from stocktrack.messages import Missing
from stocktrack.web.dialects.speaking import sentence_of
from web_clients import BareSocket, socket_client

# So many fields that an address is not read, and more than a token has.
ODD_QUERIES = ("token=x" + "&" * 40, "token=" + "x" * 5_000)


def test_each_way_of_missing_a_symbol_has_a_sentence_of_its_own() -> None:
    told = {
        reason: sentence_of(Missing(symbol="NOPE", code=code, reason=reason))
        for code, reason in (
            (Code.NOT_FOUND, Reason.UNKNOWN_SYMBOL),
            (Code.NOT_FOUND, Reason.NOT_SUBSCRIBED),
            (Code.TOO_MANY_REQUESTS, Reason.RATE_LIMITED),
            (Code.SERVER_ERROR, Reason.PROVIDER_TIMEOUT),
        )
    }
    assert len(set(told.values())) == 4
    assert all("NOPE" in sentence for sentence in told.values())


@pytest.mark.parametrize("query", ODD_QUERIES)
async def test_an_address_that_no_token_can_be_read_from_is_refused_like_a_wrong_one_and_is_no_failure_of_the_server(
    tmp_path: Path, query: str
) -> None:
    with structlog.testing.capture_logs() as entries:
        async with dialect_scene(tmp_path) as scene:
            for path in ("/finnhub", "/yahoo"):
                bare = await BareSocket.connect(scene.server)
                assert (await bare.handshake(f"{path}?{query}")).startswith(b"HTTP/1.1 40")
                bare.close()
            async with socket_client(scene.server, f"/ws?{query}") as client:
                assert [(await client.line())["code"] for _ in range(2)] == [Code.CONTINUE, Code.BAD_REQUEST]
            async with socket_client(scene.server, f"/live-price?{query}") as client:
                assert (await client.object())["reason"] == Reason.INVALID_COMMAND
    assert [entry for entry in entries if entry["log_level"] == "error"] == []


async def test_an_address_of_socket_io_with_too_many_fields_is_refused(tmp_path: Path) -> None:
    require(importlib.util.find_spec("socketio") is not None, "the extra 'socketio'")
    with structlog.testing.capture_logs() as entries:
        async with dialect_scene(tmp_path) as scene:
            bare = await BareSocket.connect(scene.server)
            assert (await bare.handshake("/socket.io/?EIO=4" + "&" * 40)).startswith(b"HTTP/1.1 4")
            bare.close()
    assert [entry for entry in entries if entry["log_level"] == "error"] == []
