"""A certificate authority for tests, the files that a server needs of it, and a TLS client that can misbehave."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import trustme

from patience import PATIENCE_SECONDS

# Deriving keys takes a while, so that the tests of a run share one authority.
AUTHORITY = trustme.CA()


def write_certificate(folder: Path, *, name: str = "server", authority: trustme.CA = AUTHORITY) -> dict[str, Any]:
    """A certificate for the loopback addresses and its key, as the settings that name them."""
    leaf = authority.issue_cert("127.0.0.1", "::1", "localhost")
    cert, key = folder / f"{name}-cert.pem", folder / f"{name}-key.pem"
    leaf.private_key_pem.write_to_path(str(key))
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key.chmod(0o600)
    return {"tls_cert": cert, "tls_key": key}


def write_authority(folder: Path, authority: trustme.CA = AUTHORITY) -> Path:
    """The file that a client trusts."""
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def serving(folder: Path) -> ssl.SSLContext:
    """A server's context, whose certificate and key are written into `folder`."""
    files = write_certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["tls_cert"], files["tls_key"])
    return context


def trusting(authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class BareTlsClient:
    """TLS by hand over a plain connection: it can stop anywhere in a handshake, and end its output and read on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        self._reader = reader
        self.writer = writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext | None = None) -> "BareTlsClient":
        """Connect without saying anything."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), context or trusting())

    def first_flight(self) -> bytes:
        """What a handshake begins with."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return self._outgoing.read()
        raise AssertionError("a handshake without a server")

    async def handshake(self) -> None:
        """All of it."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange()
            else:
                self.flush()
                return

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self.tls.write(data)
        self.flush()

    def end_output(self) -> None:
        """Say goodbye as TLS does it, while the other side may go on."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            self.flush()

    def flush(self) -> None:
        """Send what was encrypted."""
        self.writer.write(self._outgoing.read())

    async def read_to_goodbye(self) -> bytes:
        """What the server sends until it says goodbye; `EOFError` where it closes without."""
        plain = bytearray()
        while True:
            try:
                data = self.tls.read(65_536)
            except ssl.SSLWantReadError:
                await self._exchange()
            except ssl.SSLZeroReturnError:
                return bytes(plain)
            else:
                if not data:
                    return bytes(plain)
                plain += data

    async def read_encrypted(self) -> bytes:
        """The bytes as they are, until the server closes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()

    async def _exchange(self) -> None:
        self.flush()
        async with asyncio.timeout(PATIENCE_SECONDS):
            data = await self._reader.read(65_536)
        if not data:
            raise EOFError("the server closed without a goodbye")
        self._incoming.write(data)
