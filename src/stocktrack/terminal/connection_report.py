"""What a client tells a person about its connection: lost, tried again, back with its subscriptions, over."""

from collections.abc import Callable

from stocktrack.client import ServerShutdown, State, StateChange
from stocktrack.errors import Code, Reason
from stocktrack.messages import Missing, Notice
from stocktrack.quotes import clean_text
from stocktrack.terminal.exit_codes import missing_sentence, sentence_of

_MAX_SYMBOLS_NAMED = 6


class ConnectionReport:
    """Sentences for `tell` about what a `StockTrackClient` tells its callbacks; of many failed tries only the first.

    `dropped` are the symbols that turned out to be unknown after they were subscribed.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._is_lost = False
        self._was_connected = False
        self.dropped: list[Missing] = []

    def notice(self, notice: Notice) -> tuple[Missing, ...]:
        """Report what the server announces, and return the symbols that it drops."""
        if notice.code is Code.SERVER_SHUTDOWN or notice.reason is Reason.NOT_PERMITTED:
            return ()  # reported with the loss of the connection that follows
        self._tell(clean_text(notice.message, 500))
        if notice.code is not Code.NOT_FOUND:
            return ()
        dropped = tuple(
            Missing(symbol=symbol, code=notice.code, reason=notice.reason) for symbol in notice.symbols or ()
        )
        self.dropped += dropped
        return dropped

    def state(self, change: StateChange) -> None:
        """Report that the connection was lost, is back, or will not come back."""
        match change.state:
            case State.RECONNECTING if change.attempt == 1:
                self._is_lost = True
                cause = sentence_of(change.cause) if change.cause is not None else "The connection was lost."
                code = " (501)" if isinstance(change.cause, ServerShutdown) else ""
                self._tell(f"{cause}{code} Trying to connect again.")
            case State.CONNECTED if self._is_lost:
                self._is_lost = False
                self._tell(_welcome_back(change.subscribed))
                for each in change.missing:
                    self._tell(missing_sentence(each))
            case State.CONNECTED:
                self._was_connected = True
            case State.CLOSED if change.cause is not None and self._was_connected:
                self._tell(f"{sentence_of(change.cause)} The connection is closed for good.")
            case _:
                pass


def _welcome_back(subscribed: tuple[str, ...]) -> str:
    return f"Connected again; restored: {symbols_named(subscribed)}." if subscribed else "Connected again."


def symbols_named(symbols: tuple[str, ...]) -> str:
    """`AAPL, MSFT and 3 more`."""
    if len(symbols) <= _MAX_SYMBOLS_NAMED:
        return ", ".join(symbols)
    rest = len(symbols) - _MAX_SYMBOLS_NAMED
    return f"{', '.join(symbols[:_MAX_SYMBOLS_NAMED])} and {rest} more"
