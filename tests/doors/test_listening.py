import asyncio
import socket

import pytest

from stocktrack.doors.listening import ACCEPTS_IN_A_ROW, BACKLOG, Listener
from stocktrack.errors import ConfigError


class Opened:
    """A listener, and what it asked of asyncio; each connection is closed at once."""

    def __init__(self) -> None:
        self.listener = Listener(setting="port", flag="--port")
        self.asked: dict[str, object] = {}

    async def listen(
        self, host: str, port: int, *, backlog: int, reuse_address: bool, reuse_port: bool | None
    ) -> asyncio.Server:
        self.asked = {"backlog": backlog, "reuse_address": reuse_address, "reuse_port": reuse_port}
        return await asyncio.get_running_loop().create_server(
            asyncio.Protocol, host, port, backlog=backlog, reuse_address=reuse_address, reuse_port=reuse_port
        )


async def test_a_free_port_becomes_a_real_one_and_few_are_accepted_in_a_row() -> None:
    opened = Opened()
    assert opened.listener.addresses == []
    await opened.listener.start(opened.listen, "127.0.0.1", 0)
    [(host, port)] = opened.listener.addresses
    assert (host, port > 0) == ("127.0.0.1", True)
    assert opened.asked == {"backlog": ACCEPTS_IN_A_ROW, "reuse_address": True, "reuse_port": None}
    _, writer = await asyncio.open_connection(host, port)
    writer.transport.abort()
    opened.listener.stop()


async def test_more_clients_than_are_accepted_in_a_row_wait_in_the_kernel() -> None:
    opened = Opened()
    await opened.listener.start(opened.listen, "127.0.0.1", 0)
    [address] = opened.listener.addresses
    # Nobody accepts while this test doesn't give way: all of them are in the kernel's queue.
    clients = [socket.create_connection(address, timeout=5) for _ in range(min(200, BACKLOG))]
    assert len(clients) > 10 * ACCEPTS_IN_A_ROW
    for client in clients:
        client.close()
    opened.listener.stop()


async def test_a_port_that_is_taken_names_the_port_and_what_chooses_another() -> None:
    first, second = Opened(), Opened()
    await first.listener.start(first.listen, "127.0.0.1", 0)
    [(_, port)] = first.listener.addresses
    with pytest.raises(ConfigError, match=rf"Port {port} on 127\.0\.0\.1 is taken .*--port or STOCKTRACK_PORT"):
        await second.listener.start(second.listen, "127.0.0.1", port)
    first.listener.stop()


async def test_an_address_that_is_not_this_machines_names_the_settings() -> None:
    opened = Opened()
    with pytest.raises(ConfigError, match=r"Cannot listen on host = '192\.0\.2\.1', port = 0"):
        await opened.listener.start(opened.listen, "192.0.2.1", 0)


async def test_a_listener_that_never_started_can_be_stopped() -> None:
    Opened().listener.stop()
    assert Opened().listener.addresses == []
