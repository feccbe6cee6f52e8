"""TLS at the web port: a transport that encrypts by the TCP door's layer, for HTTP and for WebSocket.

So both doors have the same handshake, the same certificates, and the same honest count of what waits to be sent.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

from stocktrack.doors.tls import TlsLayer


class TlsTransport(asyncio.Transport):
    """What stands between a protocol and its plain transport, which goes on counting and pausing."""

    def __init__(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        super().__init__()
        self._transport = transport
        self._context = context
        self.layer = TlsLayer(transport, context)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        self.layer.write(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Encrypt and send in one piece."""
        self.layer.write(b"".join(list_of_data))

    def write_plain(self, data: bytes) -> None:
        """Send to a client that does not speak TLS."""
        self._transport.write(data)

    def can_write_eof(self) -> bool:
        """Whether the end can be told while the client may still send."""
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        """Say that nothing more is sent."""
        self.layer.end()
        self._transport.write_eof()

    def close(self) -> None:
        """Say so, and close when what was sent has left."""
        if not self._transport.is_closing():
            self.layer.end()
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait: the layer keeps none of its own."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the plain transport knows, and that this one is not plain."""
        return self._context if name == "sslcontext" else self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand what is decrypted to `protocol` from now on."""
        self.layer.hand_to(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The layer: what is above it is its own affair."""
        return self.layer
