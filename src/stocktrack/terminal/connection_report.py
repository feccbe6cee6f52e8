"""What a client tells a person about its connection: lost, tried again, back with its subscriptions, over."""

from collections.abc import Callable, Iterable

from stocktrack.client import ClientError, ServerShutdown, State, StateChange
from stocktrack.errors import Code, Reason
from stocktrack.messages import Missing, Notice
from stocktrack.quotes import clean_text
from stocktrack.terminal.exit_codes import missing_sentence, sentence_of
from stocktrack.terminal.words import lack_words

_MAX_SYMBOLS_NAMED = 6
_MAX_TROUBLE_CHARS = 200


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
                self._tell(f"{_lost(change.cause)} Reconnecting…")
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


def _lost(cause: ClientError | None) -> str:
    """Why there is no connection: what a server says as it stops is said in fewer words."""
    if isinstance(cause, ServerShutdown):
        return "Server stopped."
    return "The connection was lost." if cause is None else sentence_of(cause)


def not_connected_sentence(address: str) -> str:
    """What a command is answered while the connection is being restored."""
    return f"Not connected: the server at {address} is down. Retrying."


def troubles_of(missing: Iterable[Missing]) -> dict[str, str]:
    """By symbol in a few words why no price of it comes."""
    return {each.symbol: clean_text(lack_words(each.reason, each.message), _MAX_TROUBLE_CHARS) for each in missing}


def _welcome_back(subscribed: tuple[str, ...]) -> str:
    return f"Connected again; restored: {symbols_named(subscribed)}." if subscribed else "Connected again."


def symbols_named(symbols: tuple[str, ...]) -> str:
    """`AAPL, MSFT and 3 more`."""
    if len(symbols) <= _MAX_SYMBOLS_NAMED:
        return ", ".join(symbols)
    rest = len(symbols) - _MAX_SYMBOLS_NAMED
    return f"{', '.join(symbols[:_MAX_SYMBOLS_NAMED])} and {rest} more"
