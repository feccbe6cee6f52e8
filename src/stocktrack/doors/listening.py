"""Listening at one address: few accepts in a row before a long queue in the kernel, and errors that name the setting.

Both doors listen in this way; why these two numbers are two is told in docs/decisions/0010.
"""

import asyncio
import errno
from collections.abc import Awaitable
from typing import Protocol

from stocktrack.doors.socket_options import real_socket
from stocktrack.errors import ConfigError

# Connections that the kernel keeps until they are accepted: of clients that reconnect all at once the rest would wait
# seconds for a lost SYN, or for ever.
BACKLOG = 4096
# How many asyncio accepts in a row, before any of them is counted or refused: each takes a descriptor.
ACCEPTS_IN_A_ROW = 8


class Listen(Protocol):
    """What opens the sockets: a loop's `create_server`, without its first argument."""

    def __call__(
        self, host: str, port: int, *, backlog: int, reuse_address: bool, reuse_port: bool | None
    ) -> Awaitable[asyncio.Server]:
        """The server that accepts there; `OSError` where it can't."""
        ...


class Listener:
    """The listening sockets of one address. `setting` and `flag` are what a user changes to choose another port.

    With `shares_port` other processes of this user listen at it as well, and the kernel deals out the clients.
    """

    def __init__(self, *, setting: str, flag: str, shares_port: bool = False) -> None:
        self._setting, self._flag = setting, flag
        self._shares_port = shares_port or None
        self._server: asyncio.Server | None = None

    async def start(self, listen: Listen, host: str, port: int) -> None:
        """Accept clients from now on; `ConfigError` where that can't be. Port 0 is one that is free."""
        try:
            self._server = await listen(
                host, port, backlog=ACCEPTS_IN_A_ROW, reuse_address=True, reuse_port=self._shares_port
            )
            for listening in self._server.sockets:
                with real_socket(listening.fileno()) as sock:
                    sock.listen(BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"Port {port} on {host} is taken by another program. Stop that one, or choose another port with "
                    f"{self._flag} or STOCKTRACK_{self._setting.upper()}."
                ) from None
            raise ConfigError(
                f"Cannot listen on host = {host!r}, {self._setting} = {port}: {error.strerror or error}."
            ) from None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens; port 0 has become a real one."""
        if self._server is None:
            return []
        return [sock.getsockname()[:2] for sock in self._server.sockets]

    def stop(self) -> None:
        """Accept no more clients; those that are there stay."""
        if self._server is not None:
            # Not awaited: from Python 3.12 on `wait_closed` waits for the clients, who are told later.
            self._server.close()
