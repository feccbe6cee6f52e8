"""`docs/publishing.md`: its programs run against a real Redis and a real broker, and its tables leave nothing out."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from kafka_broker import KafkaBroker
from live_server import live_server
from patience import PATIENCE_SECONDS
from redis_server import RedisServer
from stocktrack.clock import RealClock
from stocktrack.providers.simulated.provider import SimulatedProvider
from stocktrack.sinks.registry import SINKS

PAGE = (Path(__file__).parents[1] / "docs" / "publishing.md").read_text(encoding="utf-8")
REDIS_PROGRAM, KAFKA_PROGRAM = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def market() -> SimulatedProvider:
    return SimulatedProvider(interval_seconds=0.05, seed=1, clock=RealClock())


async def lines_of(program: str, count: int) -> list[list[str]]:
    """The first lines that a program prints, in words; then it is ended."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [(await process.stdout.readline()).decode().split() for _ in range(count)]
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("which", ["redis", "kafka"])
async def test_the_programs_print_the_prices_that_a_server_publishes(
    tmp_path: Path, redis: RedisServer, kafka: KafkaBroker, which: str
) -> None:
    url = redis.url if which == "redis" else kafka.new_url()
    program = (
        REDIS_PROGRAM.replace("redis://127.0.0.1:6379", url)
        if which == "redis"
        else KAFKA_PROGRAM.replace("127.0.0.1:9092", kafka.address).replace('"quotes"', f'"{url.rpartition("/")[2]}"')
    )
    async with live_server(tmp_path, market(), publish_to=url) as server:
        client = await server.connect_unread()
        hello = await client.receive()
        await client.ask({"type": "AUTH", "username": "ann", "password": "correct horse battery"})
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        await client.receive_until("PRICE")
        lines = await lines_of(program, 5)

    assert {(symbol, instance) for symbol, _, instance, _ in lines} == {("AAPL", hello["instance"])}
    seqs = [int(seq) for *_, seq in lines]
    # What is read under the key may come as a message, too.
    assert seqs == sorted(seqs)
    assert len(set(seqs)) >= len(seqs) - 1


def test_every_way_out_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)://[^`]*` \|", PAGE, re.MULTILINE)

    assert sorted(rows) == sorted(SINKS)


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    docs = Path(__file__).parents[1] / "docs"

    assert links
    assert [link for link in links if not (docs / link).is_file()] == []
