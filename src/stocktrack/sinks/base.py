"""What a way out has to do: take quotes, all of a batch or none, and say in a sentence why where it cannot."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from stocktrack.messages import BoardQuote


class SinkError(Exception):
    """The other side did not take what it was given; the sentence says why, and holds no password."""


class Sink(Protocol):
    """One address that quotes go to. None of its methods is called while another one runs, but for `close`."""

    @property
    def name(self) -> str:
        """The address as it may be shown: without a password."""
        ...

    async def open(self) -> None:
        """Connect; `SinkError` where that fails. It is called again after each failure of `write`."""
        ...

    async def write(self, quotes: Sequence[BoardQuote]) -> None:
        """Hand over `quotes` in their order, and return when the other side has them; `SinkError` where it does not."""
        ...

    async def close(self) -> None:
        """Free everything within a second, also while `write` hangs or nothing was opened."""
        ...


def shown_address(url: str) -> str:
    """`url` as it may be shown: without a name, a password, or anything after `?`, where one may stand as well."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
