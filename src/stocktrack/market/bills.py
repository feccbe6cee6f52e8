"""Who pays for a request to a source: whoever wants what nobody else is asking for, out of a budget of their own.

What the board or a cache answers costs nothing, and what is asked for already costs nobody a second time. A batch of
quotes is one request, and each symbol that the source has to be asked for alone is one more.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from stocktrack.errors import CommandError, Reason, StockTrackError

# Of all who wait for one symbol so many are remembered, to pay where those before them cannot.
_MAX_PAYERS = 8


class Payer(Protocol):
    """Somebody with a budget of requests."""

    def pay(self, requests: int) -> float:
        """Take so many requests out of the budget and return 0; or take nothing and return the seconds to wait."""
        ...


class Bills:
    """The symbols that users ask for, and who pays for each; a symbol that the server asks for itself has no bill."""

    def __init__(self) -> None:
        self._payers: dict[str, dict[Payer, None]] = {}

    def __len__(self) -> int:
        return len(self._payers)

    def open(self, symbols: Iterable[str], payer: Payer) -> None:
        """Note that `payer` wants `symbols`."""
        for symbol in symbols:
            payers = self._payers.setdefault(symbol, {})
            if len(payers) < _MAX_PAYERS:
                payers[payer] = None

    def close(self, symbols: Iterable[str]) -> None:
        """Forget `symbols`: they were answered."""
        for symbol in symbols:
            self._payers.pop(symbol, None)

    def pay_batch(self, symbols: Sequence[str], symbols_a_request: int) -> Mapping[str, StockTrackError]:
        """Have the requests for `symbols` paid for; the errors of those that nobody could pay for."""
        by_payer: dict[Payer, list[str]] = {}
        for symbol in symbols:
            if payers := self._payers.get(symbol):
                by_payer.setdefault(next(iter(payers)), []).append(symbol)
        errors: dict[str, StockTrackError] = {}
        for payer, theirs in by_payer.items():
            waiting = iter(theirs)
            number = 0  # of requests that were refused
            while part := list(itertools.islice(waiting, symbols_a_request)):
                if not number and payer.pay(1) == 0:
                    continue
                number += 1
                error = refusal(payer.pay(number))
                errors |= {symbol: error for symbol in part if not self._is_paid_by_another(symbol, payer)}
        return errors

    def pay_look_up(self, symbol: str, refused: Counter[Payer]) -> StockTrackError | None:
        """Have a request for `symbol` alone paid for, or the error that says why it is not made.

        `refused` counts for each payer how often that was within one call, so that not all of its symbols come back at
        one moment.
        """
        payers = self._payers.get(symbol, {})
        if not payers or any(payer.pay(1) == 0 for payer in payers):
            return None
        first = next(iter(payers))
        refused[first] += 1
        return refusal(first.pay(refused[first]))

    def _is_paid_by_another(self, symbol: str, payer: Payer) -> bool:
        return any(other.pay(1) == 0 for other in self._payers[symbol] if other is not payer)


def charge(payer: Payer | None) -> None:
    """Have `payer` pay one request, where there is a payer; `CommandError` where it has none left."""
    if payer is not None and (seconds := payer.pay(1)) > 0:
        raise refusal(seconds)


def refusal(seconds: float) -> CommandError:
    """The error that tells somebody to wait for so long."""
    return CommandError(
        Reason.RATE_LIMITED,
        "You have used up your requests to the market's sources for the moment; this one was not made.",
        retry_after_ms=max(1, math.ceil(seconds * 1000)),
    )
