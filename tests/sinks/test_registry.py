import asyncio
import socket
import threading

import pytest

from live_server import until
from patience import PATIENCE_SECONDS
from stocktrack.clock import RealClock, end
from stocktrack.sinks.base import SinkError
from stocktrack.sinks.registry import build_outlets, build_sink


def test_each_sink_has_a_name_of_its_own_without_a_password() -> None:
    urls = [
        "redis://:SeCrEt@h?db=1",
        "redis://:SeCrEt@h?db=2",
        "kafka://h/quotes",
        "redis://ann:SeCrEt@h",
        "unix:///run/redis.sock?password=SeCrEt",
    ]
    names = [outlet.name for outlet in build_outlets(urls, "b7c1", RealClock())]

    assert names == ["redis://h", "redis://h (2)", "kafka://h:9092/quotes", "redis://h (3)", "unix:///run/redis.sock"]


@pytest.mark.parametrize(
    ("url", "keeps"), [("redis://h", True), ("rediss://h", True), ("unix:///s", True), ("kafka://h/t", False)]
)
def test_only_where_prices_expire_confirmations_are_written(url: str, keeps: bool) -> None:
    [outlet] = build_outlets([url], "b7c1", RealClock())

    assert outlet.backlog._keeps_renewals is keeps


@pytest.mark.parametrize("url", ["redis://no.such.example", "kafka://no.such.example:9092/quotes"])
async def test_a_name_server_that_hangs_takes_no_thread_of_the_event_loop(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        asked.set()
        answers.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    loop, sink = asyncio.get_running_loop(), build_sink(url, "b7c1")
    opening = asyncio.create_task(sink.open())
    await until(asked.is_set)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await end(opening)
            await sink.close()
            await loop.shutdown_default_executor()
    finally:
        answers.set()


@pytest.mark.parametrize("url", ["redis://no.such.example", "kafka://no.such.example:9092/quotes"])
async def test_a_name_that_no_server_knows_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    sink = build_sink(url, "b7c1")
    with pytest.raises(SinkError, match=r"no\.such\.example"):
        await sink.open()
    await sink.close()
