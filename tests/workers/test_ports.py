"""Ports that the parent takes for its children."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from stocktrack.errors import ConfigError
from stocktrack.workers.ports import ReservedPorts


@pytest.fixture
def ports() -> Iterator[ReservedPorts]:
    reserved = ReservedPorts()
    yield reserved
    reserved.close()


def sharing(port: int) -> socket.socket:
    """A socket that listens as a worker's does."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen()
    return sock


def test_several_listen_at_a_reserved_port_and_get_all_clients(ports: ReservedPorts) -> None:
    port = ports.reserve("127.0.0.1", 0, setting="port", flag="--port")
    with contextlib.closing(sharing(port)) as one, contextlib.closing(sharing(port)) as two:
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        taken = 0
        for listening in (one, two):
            listening.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    listening.accept()[0].close()
                    taken += 1
        for client in clients:
            client.close()
    assert taken == len(clients)


def test_a_port_that_somebody_listens_at_is_taken_even_where_that_one_would_share_it(ports: ReservedPorts) -> None:
    free = ReservedPorts()
    port = free.reserve("127.0.0.1", 0, setting="port", flag="--port")
    with contextlib.closing(sharing(port)):
        free.close()
        with pytest.raises(ConfigError, match=rf"Port {port} on 127.0.0.1 is taken .* --port or STOCKTRACK_PORT"):
            ports.reserve("127.0.0.1", port, setting="port", flag="--port")


def test_a_host_that_is_not_here_is_named(ports: ReservedPorts) -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on host = '203\.0\.113\.9', web_port = 0: "):
        ports.reserve("203.0.113.9", 0, setting="web_port", flag="--web-port")
