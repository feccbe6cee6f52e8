"""TLS at the client: whom to trust."""

import ssl
from pathlib import Path

from stocktrack.errors import ConfigError
from stocktrack.system.files import check_readable


def client_context(tls: bool | ssl.SSLContext, ca: str | Path | None) -> ssl.SSLContext | None:
    """What a client connects with; None for plain text.

    `ca` is a file of certificates that are trusted instead of the system's, and switches TLS on. `ConfigError` where
    it can't be used.
    """
    if isinstance(tls, ssl.SSLContext):
        if ca is not None:
            raise ConfigError(
                "Both an SSLContext and a file of certificates were given: load the file into the context."
            )
        return tls
    if ca is None:
        return _modern(ssl.create_default_context()) if tls else None
    check_readable("The certificates to trust", Path(ca))
    try:
        return _modern(ssl.create_default_context(cafile=ca))
    except ssl.SSLError:
        raise ConfigError(f"The certificates to trust: {str(ca)!r} holds none in PEM format.") from None


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
