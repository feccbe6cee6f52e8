"""What contrib/compose.yaml describes, started from this machine's own programs: no container has to run.

The services' commands and environments are those of the file; only names of hosts become addresses of this machine, and
the market is the simulated one.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from live_server import RawClient
from patience import PATIENCE_SECONDS
from postgres_server import PostgresServer
from redis_server import RedisServer
from requirements import require_program
from reverse_proxies import free_port, replaced
from server_process import STOCKTRACK, ServerProcess, run_stocktrack, server_process

CONTRIB = Path(__file__).parents[2] / "contrib"


@dataclass(slots=True)
class Machines:
    """All that runs; `feeds` and `servers` in the order of the file."""

    home: Path
    environment: Mapping[str, str]
    lines_port: int
    web_port: int
    feeds: list[ServerProcess] = field(default_factory=list)
    servers: list[ServerProcess] = field(default_factory=list)

    async def stocktrack(self, *arguments: str, stdin: bytes = b"") -> str:
        """What a command prints in the environment of a server."""
        done = await run_stocktrack(self.home, *arguments, stdin=stdin, **self.environment)
        assert done.code == 0, done.err
        return done.out

    async def connect(self) -> tuple[RawClient, str]:
        """A client by way of HAProxy, and the instance that it was greeted with."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                client = await RawClient.connect("127.0.0.1", self.lines_port)
                with contextlib.suppress(EOFError, OSError):
                    hello = await client.receive()
                    assert hello["type"] == "HELLO", hello
                    return client, hello["instance"]
                await client.close()  # HAProxy has not seen yet who is ready

    @property
    def leader(self) -> ServerProcess:
        """The feed that leads, or led last."""
        leading = [feed for feed in self.feeds if any(entry["event"] == "leading" for entry in feed.log)]
        return leading[-1]


def services() -> dict[str, Any]:
    """The services of the file, each with its anchors put in."""
    loaded = yaml.safe_load((CONTRIB / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = loaded["services"]
    return found


def _variables(service: Mapping[str, Any], hosts: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service, with the addresses of this machine for the names of hosts."""
    variables = {}
    for name, value in service.get("environment", {}).items():
        text = re.sub(r"\$\{\w+:\?[^}]*\}", "PASSWORD", value)
        for host, here in hosts.items():
            text = text.replace(host, here)
        variables[name] = text
    return variables


@contextlib.asynccontextmanager
async def several_machines(home: Path, redis: RedisServer, postgres: PostgresServer) -> AsyncIterator[Machines]:
    """Everything of the file, ready; all of it is ended afterwards."""
    found = services()
    database = postgres.url(await postgres.new_database())
    hosts = {"redis://redis:6379": redis.url, "/var/lib/shared": str(home), "10.77.0.0/24": "127.0.0.1"}
    one, two = (_variables(found[name], hosts) for name in ("one", "two"))
    for variables in (one, two):
        assert variables["STOCKTRACK_DATABASE_URL"] == "postgresql://stocktrack:PASSWORD@postgres:5432/stocktrack"
        assert (variables.pop("STOCKTRACK_PORT"), variables.pop("STOCKTRACK_WEB_PORT")) == ("65432", "8080")
        variables |= {"STOCKTRACK_DATABASE_URL": database, "STOCKTRACK_HOST": "127.0.0.1", "STOCKTRACK_WEB_PORT": "0"}
    feed = _variables(found["feed"], hosts)
    assert feed.pop("STOCKTRACK_PROVIDERS") == "yahoo,rss"
    feed |= {"STOCKTRACK_PROVIDERS": "simulated", "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.2"}
    feed |= {"STOCKTRACK_METRICS_HOST": "127.0.0.1", "STOCKTRACK_METRICS_PORT": "0"}
    assert found["tables"]["command"] == "stocktrack db upgrade"
    async with contextlib.AsyncExitStack() as stack:
        machines = Machines(home, one, free_port(), free_port())
        await machines.stocktrack("db", "upgrade")
        for number in range(found["feed"]["deploy"]["replicas"]):
            machines.feeds.append(await stack.enter_async_context(_process(home, f"feed{number}", found["feed"], feed)))
        await machines.feeds[0].logged("leading")
        for name, variables in (("one", one), ("two", two)):
            machines.servers.append(await stack.enter_async_context(_process(home, name, found[name], variables)))
        await stack.enter_async_context(_haproxy(home, machines))
        yield machines


def _process(
    home: Path, name: str, service: Mapping[str, Any], variables: Mapping[str, str]
) -> contextlib.AbstractAsyncContextManager[ServerProcess]:
    folder = home / name
    folder.mkdir()
    program, *arguments = service["command"].split()
    assert program == "stocktrack"
    return server_process(folder, program=(*STOCKTRACK, *arguments), **variables)


def _web_port(server: ServerProcess) -> str:
    [ready] = [entry for entry in server.log if entry["event"] == "ready"]
    return str(urlsplit(ready["page"]).port)


@contextlib.asynccontextmanager
async def _haproxy(home: Path, machines: Machines) -> AsyncIterator[None]:
    require_program("haproxy")
    one, two = machines.servers
    web_ports = [_web_port(server) for server in (one, two)]
    rules = replaced(
        (CONTRIB / "haproxy.cfg").read_text(encoding="utf-8"),
        ("bind :65432", f"bind 127.0.0.1:{machines.lines_port}"),
        ("bind :8080", f"bind 127.0.0.1:{machines.web_port}"),
        ("check port 8080 inter", "check inter"),
        ("server one one:65432", f"server one 127.0.0.1:{one.port} port {web_ports[0]}"),
        ("server two two:65432", f"server two 127.0.0.1:{two.port} port {web_ports[1]}"),
        ("server one one:8080", f"server one 127.0.0.1:{web_ports[0]}"),
        ("server two two:8080", f"server two 127.0.0.1:{web_ports[1]}"),
    )
    config, pid_file = home / "haproxy.cfg", home / "haproxy.pid"
    config.write_text(rules, encoding="utf-8")
    starting = await asyncio.create_subprocess_exec(
        *("haproxy", "-f", str(config), "-D", "-p", str(pid_file)), stdin=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await starting.wait() == 0
    pid = int(pid_file.read_text())
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)  # it would wait for its clients
