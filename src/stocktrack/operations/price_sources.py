"""What a recorder needs of where its prices come from, whether that is a server or the sources themselves."""

from collections.abc import Sequence
from typing import Protocol

from stocktrack.client import ClientError
from stocktrack.messages import Missing


class PriceSource(Protocol):
    """Hands every change of the symbols that were added to a `Recorder`. None of its methods runs beside another."""

    @property
    def name(self) -> str:
        """Where the prices come from, for a sentence."""
        ...

    @property
    def why_over(self) -> ClientError | None:
        """Why nothing can come any more; None as long as something may."""
        ...

    async def open(self) -> None:
        """Connect; `ClientError` or `ConfigError` where that fails."""
        ...

    async def add(self, symbols: Sequence[str]) -> tuple[Missing, ...]:
        """Begin with `symbols`, and return those that there are no prices of; the others may come later."""
        ...

    async def remove(self, symbols: Sequence[str]) -> None:
        """End with `symbols`."""
        ...

    async def look(self) -> tuple[Missing, ...]:
        """Called each second: ask again for what could not be asked for yet; returns what there is not."""
        ...

    def finish(self) -> None:
        """Nothing more is recorded: say in the recording what is missing at its end."""
        ...

    async def close(self) -> None:
        """End."""
        ...
