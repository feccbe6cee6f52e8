"""A server that publishes: what the other side gets, and what a sink that is down costs and shows."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kafka_broker import KafkaBroker, running_kafka
from live_server import LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from patient_http import patient_http
from redis_server import RedisServer, running_redis
from stocktrack.app import App
from stocktrack.clock import RealClock
from stocktrack.config import Settings, load_settings
from stocktrack.errors import ConfigError
from stocktrack.messages import SinkState
from stocktrack.providers.kafka.provider import KafkaProvider
from stocktrack.providers.simulated.provider import SimulatedProvider

PASSWORD = "SeCrEt-of-redis"


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that a test may kill."""
    with running_redis(password=PASSWORD) as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaBroker]:
    """A broker that a test may kill."""
    with running_kafka() as broker:
        yield broker


def market() -> SimulatedProvider:
    return SimulatedProvider(interval_seconds=0.02, seed=1, clock=RealClock())


def state(server: LiveServer, at: int = 0) -> SinkState:
    return server.app.publisher.infos()[at].state


async def test_what_a_session_watches_reaches_redis_under_the_same_instance_and_seq(
    tmp_path: Path, redis: RedisServer, reader: Any
) -> None:
    async with live_server(tmp_path, market(), publish_to=redis.url) as server, reader.pubsub() as channel:
        await channel.subscribe("stock:AAPL")
        await channel.get_message(timeout=PATIENCE_SECONDS)
        client = await server.connect_unread()
        hello = await client.receive()
        await client.ask({"type": "AUTH", "username": "ann", "password": "correct horse battery"})
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        pushed: dict[int, float] = {}
        while len(pushed) < 20:
            price = await client.receive()
            pushed[price["seq"]] = price["price"]
        heard = [json.loads((await channel.get_message(timeout=PATIENCE_SECONDS))["data"]) for _ in range(15)]

    assert {each["instance"] for each in heard} == {hello["instance"]}
    seqs = [each["seq"] for each in heard]
    assert seqs == list(range(seqs[0], seqs[0] + 15)), "every change comes, once and in order"
    assert {each["seq"]: each["price"] for each in heard}.items() <= pushed.items()


async def test_another_server_takes_from_kafka_what_this_one_publishes(tmp_path: Path, kafka: KafkaBroker) -> None:
    url = kafka.new_url()
    async with live_server(tmp_path / "one", market(), publish_to=url) as one:
        ann = await one.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        await until(lambda: one.app.publisher.infos()[0].written >= 5)
        source = KafkaProvider(url=url, clock=RealClock())
        async with live_server(tmp_path / "two", source) as two:
            bob = await two.log_in()
            await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
            there = [await bob.receive_until("PRICE") for _ in range(10)]
            known: dict[int, Any] = {}
            while max(known, default=0) < there[-1]["seq"]:
                price = await ann.receive_until("PRICE")
                known[price["seq"]] = price

    assert [price["seq"] for price in there] == sorted({price["seq"] for price in there})
    for price in there:
        assert known.get(price["seq"], price) == price
    assert {price["provider"] for price in there} == {"simulated"}


async def test_a_sink_that_is_down_is_shown_without_its_password_and_the_server_is_ready(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    began = time.time()
    async with live_server(tmp_path, market(), web=True, publish_to=f"{own_redis.url}/2?protocol=2") as server:
        await until(lambda: state(server) is SinkState.OK)
        own_redis.kill()
        ann = await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        await until(lambda: state(server) is SinkState.FAILING)
        await ann.receive_until("PRICE")
        reply = await ann.ask({"type": "SOURCES"})
        async with patient_http(base_url=server.web_url) as http:
            ready, metrics = await http.get("/readyz"), (await http.get("/metrics")).text
        own_redis.start()
        await until(lambda: state(server) is SinkState.OK)
        again = await ann.ask({"type": "SOURCES"})

    name = f"redis://127.0.0.1:{own_redis.port}/2"
    [sink] = reply["sinks"]
    assert (sink["sink"], sink["state"]) == (name, "failing")
    assert sink["reason"].startswith(name)
    assert sink["waiting"] > 0
    assert sink["retry_at"] > began * 1000
    assert ready.status_code == 200
    assert [(each["sink"], each["state"]) for each in ready.json()["sinks"]] == [(name, "failing")]
    assert "reason" not in ready.json()["sinks"][0]
    assert f'stocktrack_sink_up{{sink="{name}"}} 0.0' in metrics
    assert f'stocktrack_sink_failures_total{{sink="{name}"}}' in metrics
    assert f'stocktrack_task_failures_total{{task="sink {name}"}} 0.0' in metrics
    assert PASSWORD not in json.dumps([reply, again]) + ready.text + metrics
    assert (again["sinks"][0]["state"], "reason" in again["sinks"][0]) == ("ok", False)
    assert again["sinks"][0]["written"] > 0


async def test_a_server_that_publishes_nowhere_says_nothing_of_sinks(tmp_path: Path) -> None:
    async with live_server(tmp_path, market(), web=True) as server:
        ann = await server.log_in()
        reply = await ann.ask({"type": "SOURCES"})
        async with patient_http(base_url=server.web_url) as http:
            ready, metrics = (await http.get("/readyz")).json(), (await http.get("/metrics")).text

    assert "sinks" not in reply
    assert "sinks" not in ready
    assert "stocktrack_sink" not in metrics


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "paused"])
async def test_sinks_that_do_not_answer_hold_up_neither_prices_nor_the_closing(
    tmp_path: Path, own_redis: RedisServer, own_kafka: KafkaBroker, is_killed: bool
) -> None:
    publish_to = (own_redis.url, own_kafka.new_url())
    async with live_server(tmp_path, market(), publish_to=publish_to) as server:
        ann = await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        await until(lambda: state(server, 0) is SinkState.OK and state(server, 1) is SinkState.OK)
        for each in (own_redis, own_kafka):
            each.kill() if is_killed else each.pause()
        gaps = []
        for _ in range(50):
            began = time.monotonic()
            await ann.receive_until("PRICE")
            gaps.append(time.monotonic() - began)
        await ann.close()
        began = time.monotonic()
        await server.app.close()
        seconds = time.monotonic() - began
        if not is_killed:
            own_redis.resume()
            own_kafka.resume()

    assert sorted(gaps)[25] < 0.1
    assert seconds < 3


async def test_at_the_end_what_was_put_on_the_board_is_written(tmp_path: Path, redis: RedisServer, reader: Any) -> None:
    async with live_server(tmp_path, market(), publish_to=redis.url) as server:
        ann = await server.log_in()
        await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        await ann.receive_until("PRICE")
        board = server.app.board
    held = board.quote("AAPL")

    assert held is not None
    assert json.loads(await reader.get("stock:AAPL"))["seq"] == held.seq


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [("redis://:SeCrEt@127.0.0.1", "redis", "redis"), ("kafka://127.0.0.1/quotes", "aiokafka", "kafka")],
)
def test_a_library_that_is_missing_stops_the_start_with_what_to_install(
    tmp_path: Path, url: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"stocktrack.sinks.{extra}", raising=False)
    monkeypatch.delitem(sys.modules, "stocktrack.providers.kafka.library", raising=False)

    with pytest.raises(ConfigError, match="Install the extra") as caught:
        App(Settings(data_dir=tmp_path, publish_to=url), providers=())
    assert f"needs the library {library}" in str(caught.value)
    assert f"'.[{extra}]'" in str(caught.value)
    assert "SeCrEt" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"providers": "kafka", "kafka_url": "kafka://h/t", "publish_to": "kafka://h/t"},
        {"providers": "redis", "redis_url": "redis://h", "publish_to": ["redis://x", "redis://h"]},
    ],
)
def test_publishing_to_where_the_prices_come_from_stops_the_start(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="would come back for ever"):
        load_settings(settings, user_file=tmp_path / "none.toml")
