"""What a client tells a person about its connection: lost, tried again, back with its subscriptions, over."""

from collections.abc import Callable

from stocktrack.client import ServerShutdown, State, StateChange
from stocktrack.errors import Code, Reason
from stocktrack.messages import Missing, Notice
from stocktrack.quotes import clean_text
from stocktrack.terminal.exit_codes import missing_sentence, sentence_of

_MAX_SYMBOLS_NAMED = 6


class ConnectionNews:
    """Turns the callbacks of a `StockTrackClient` into sentences for `tell`; each failed try is not a sentence.

    `subscribed` says what the client is pushed now; `on_drop` is called when a symbol turned out to be unknown.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self._is_lost = False
        self._was_there = False
        self.dropped: list[Missing] = []
        self.subscribed: Callable[[], tuple[str, ...]] = tuple
        self.on_drop: Callable[[], None] = lambda: None

    def notice(self, notice: Notice) -> None:
        """For `on_notice`."""
        if notice.code is Code.SERVER_SHUTDOWN or notice.reason is Reason.NOT_PERMITTED:
            return  # told with the loss of the connection that follows
        if notice.code is Code.NOT_FOUND:
            self.dropped += [
                Missing(symbol=symbol, code=notice.code, reason=notice.reason) for symbol in notice.symbols or ()
            ]
        self.tell(clean_text(notice.message, 500))
        if notice.code is Code.NOT_FOUND:
            self.on_drop()

    def state(self, change: StateChange) -> None:
        """For `on_state`."""
        match change.state:
            case State.RECONNECTING if change.attempt == 1:
                self._is_lost = True
                cause = sentence_of(change.cause) if change.cause is not None else "The connection was lost."
                code = " (501)" if isinstance(change.cause, ServerShutdown) else ""
                self.tell(f"{cause}{code} Trying to connect again.")
            case State.CONNECTED if self._is_lost:
                self._is_lost = False
                self.tell(self._welcome_back())
                for each in change.missing:
                    self.tell(missing_sentence(each))
            case State.CONNECTED:
                self._was_there = True
            case State.CLOSED if change.cause is not None and self._was_there:
                self.tell(f"{sentence_of(change.cause)} The connection is closed for good.")
            case _:
                pass

    def _welcome_back(self) -> str:
        symbols = self.subscribed()
        if not symbols:
            return "Connected again."
        return f"Connected again; restored: {symbols_named(symbols)}."


def symbols_named(symbols: tuple[str, ...]) -> str:
    """`AAPL, MSFT and 3 more`."""
    if len(symbols) <= _MAX_SYMBOLS_NAMED:
        return ", ".join(symbols)
    rest = len(symbols) - _MAX_SYMBOLS_NAMED
    return f"{', '.join(symbols[:_MAX_SYMBOLS_NAMED])} and {rest} more"
