"""What contrib/compose.yaml describes, as a user meets it: by HAProxy, with one part after the other killed."""

import asyncio
import signal
from pathlib import Path

from live_server import PASSWORD, RawClient
from patient_http import patient_http
from postgres_server import PostgresServer
from redis_server import RedisServer
from several_machines import Machines, services, several_machines


class Reader:
    """A client that notes the prices of one symbol and never sees one go back."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.prices: dict[int, float] = {}
        self._last = 0

    async def read(self, count: int = 1) -> None:
        """Read so many new prices."""
        wanted = len(self.prices) + count
        while len(self.prices) < wanted:
            price = await self.client.receive_until("PRICE")
            assert price["seq"] >= self._last, f"{price['seq']} after {self._last}"
            self._last = price["seq"]
            self.prices[price["seq"]] = price["price"]


async def subscribed(machines: Machines) -> tuple[Reader, str]:
    client, instance = await machines.connect()
    reply = await client.ask({"type": "AUTH", "username": "ann", "password": PASSWORD})
    assert reply["code"] == 200, reply
    reply = await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
    assert (reply["code"], reply["subscribed"] or reply["already"]) == (200, ["AAPL"])
    return Reader(client), instance


async def sessions_of(machines: Machines) -> list[int]:
    """How many sessions over TCP each server has, by its own figures."""
    counts = []
    for server in machines.servers:
        [ready] = [entry for entry in server.log if entry["event"] == "ready"]
        async with patient_http(base_url=ready["page"]) as http:
            page = (await http.get("metrics")).text
        [line] = [line for line in page.splitlines() if line.startswith('stocktrack_sessions{door="tcp"}')]
        counts.append(round(float(line.rpartition(" ")[2])))
    return counts


async def test_what_the_file_of_containers_describes_serves_and_outlives_its_parts(
    tmp_path: Path, redis: RedisServer, postgres: PostgresServer
) -> None:
    async with several_machines(tmp_path, redis, postgres) as machines:
        await machines.stocktrack("users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode())

        # Both servers serve, and show the same prices under the same numbers in the same instance.
        readers, instances = [], set()
        for _ in range(4):
            reader, instance = await subscribed(machines)
            readers.append(reader)
            instances.add(instance)
        assert len(instances) == 1
        assert sorted(await sessions_of(machines)) == [2, 2]
        for reader in readers:
            await reader.read(3)
        told: dict[int, float] = {}
        for reader in readers:
            assert {seq: told.get(seq, price) for seq, price in reader.prices.items()} == reader.prices
            told |= reader.prices

        # What the feed has beside prices comes by both, and a token of one server is one at the other.
        token = (await readers[0].client.ask({"type": "TOKEN"}))["token"]
        for server in machines.servers:
            client = await server.connect()
            assert (await client.ask({"type": "AUTH", "token": token}))["code"] == 200
            assert (await client.ask({"type": "INFO", "symbol": "AAPL"}))["company"]["name"] == "Apple Inc."
            await client.close()

        # By HAProxy's other port there is the page's REST.
        async with patient_http(base_url=f"http://127.0.0.1:{machines.web_port}") as http:
            answer = await http.get("/api/v1/quotes?symbols=AAPL", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text

        # The feed that leads is killed: the other one leads, and no price goes back.
        leader = machines.leader
        [other] = [feed for feed in machines.feeds if feed is not leader]
        leader.signal(signal.SIGKILL)
        await other.logged("leading")
        for reader in readers:
            await reader.read(3)

        # A server is killed: its clients come to the other one by the same address, and go on above what they saw.
        machines.servers[0].signal(signal.SIGKILL)
        highest = max(max(reader.prices) for reader in readers)
        again, instance = await subscribed(machines)
        await again.read(3)
        assert instance in instances
        assert min(again.prices) >= highest - 100  # what the other ones have read is not what they were sent

        # Redis is killed and comes back with nothing: the feed says again what it knows.
        redis.kill()
        redis.start()
        await again.read(3)
        await asyncio.gather(*(client.client.close() for client in (*readers, again)))


def test_the_file_of_containers_names_what_the_settings_know_and_nothing_else() -> None:
    found = services()
    assert set(found) == {"redis", "postgres", "tables", "feed", "one", "two", "haproxy"}
    assert found["one"] == found["two"]
    assert found["one"]["environment"]["STOCKTRACK_HOST"] == found["feed"]["environment"]["STOCKTRACK_METRICS_HOST"]
