"""Ports that several processes listen at: taken by the parent, so that no other program can have them."""

import errno
import socket

from stocktrack.errors import ConfigError


class ReservedPorts:
    """Sockets that are bound and never listen: the kernel deals clients out to those that do. `close` gives them up."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def reserve(self, host: str, port: int, *, setting: str, flag: str) -> int:
        """Take a port at all addresses of a host; port 0 becomes a real one. `ConfigError` where that cannot be."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in dict.fromkeys((each[0], each[4]) for each in found):
                port = self._bind(family, address, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"Port {port} on {host} is taken by another program. Stop that one, or choose another port with "
                    f"{flag} or STOCKTRACK_{setting.upper()}."
                ) from None
            why = error.strerror or str(error)
            raise ConfigError(f"Cannot listen on host = {host!r}, {setting} = {port}: {why}.") from None
        return port

    def close(self) -> None:
        """Give all of them up."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    def _bind(self, family: int, address: tuple[object, ...], port: int) -> int:
        bound = socket.socket(family, socket.SOCK_STREAM)
        self._sockets.append(bound)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Shared only afterwards: like this it fails where anybody listens there, who might share it too.
        bound.bind((address[0], port, *address[2:]))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return int(bound.getsockname()[1])
