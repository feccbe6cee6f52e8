"""What both doors ask of the kernel for a client: bounded buffers, vanished peers found, bytes not acknowledged yet."""

import array
import asyncio
import contextlib
import fcntl
import socket
import sys
import termios
from collections.abc import Iterator

# What the kernel holds for one client (it doubles the number): prices in there can be merged no more.
SEND_BUFFER_BYTES = 131_072
# A vanished peer is found within 15 + 4 * 5 seconds of silence, or 30 seconds after data it did not acknowledge.
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 15, 5, 4
USER_TIMEOUT_MS = 30_000


def set_options(transport: asyncio.BaseTransport) -> None:
    """Bound what the kernel holds for this client, and have it find a vanished one."""
    with contextlib.suppress(OSError), real_socket(transport.get_extra_info("socket").fileno()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


@contextlib.contextmanager
def real_socket(descriptor: int) -> Iterator[socket.socket]:
    """The socket itself, since uvloop's stand-in has neither `setsockopt` nor `listen`; its owner keeps it."""
    sock = socket.socket(fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()


def unsent_bytes(transport: asyncio.WriteTransport, sent_bytes: int) -> int:
    """How many of the `sent_bytes` handed to `transport` wait here and, where the system tells, in the kernel.

    0 while the client keeps up, so that the kernel is asked only about the others.
    """
    waiting = transport.get_write_buffer_size()
    if waiting == 0 or transport.is_closing():
        return 0
    # More waits there than was handed over: records of TLS and what it began with, a handshake, pongs.
    return min(waiting + bytes_in_kernel(transport), sent_bytes)


def bytes_in_kernel(transport: asyncio.BaseTransport) -> int:
    """Bytes sent that the peer has not acknowledged (Linux's SIOCOUTQ, the same number as TIOCOUTQ); else 0."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, count)
    except (OSError, ValueError):
        return 0
    return count[0]
