"""The errors of the client library, and which of them a failure reply or a notice is.

ClientError                 has a sentence, and says when to try again where that is known
├── CommandFailed           the server refused: has the code, the reason, and the line that said so
│   ├── BadRequest          400, also where a command is found wrong before it is sent
│   ├── NotAuthorised       401
│   ├── NotFound            404: no news, no dividends, not subscribed, …
│   │   └── UnknownSymbol   404: `missing` names the symbols
│   ├── TooManyRequests     429
│   └── ServerError         500
├── Unavailable             no server, a wrong port, a connection lost, a reply that did not come in time
│   ├── NothingListens      no program is at that port
│   └── ServerShutdown      501: the server said that it stops
└── NotStockTrack           the other side is no StockTrack server, or speaks another version of the protocol
"""

# ruff: noqa: N818 - these are the names that the protocol page and the users' programs know them by

from stocktrack.errors import Code, Reason
from stocktrack.messages import Failure, Missing, Notice
from stocktrack.quotes import clean_text
from stocktrack.wire.lines import encode_line

_MAX_MESSAGE_CHARS = 500


class ClientError(Exception):
    """A call that failed. `message` is a sentence that is safe to print; `retry_after_ms` is None where unknown."""

    def __init__(self, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        return self.message


class CommandFailed(ClientError):
    """The server refused. `answer` is what it said and `line` that same answer as it stood on the wire."""

    def __init__(self, answer: Failure | Notice, line: bytes = b"") -> None:
        super().__init__(clean_text(answer.message, _MAX_MESSAGE_CHARS), retry_after_ms=answer.retry_after_ms)
        self.args = (answer, line)  # so that the error can be copied and pickled
        self.answer = answer
        self.line = line or encode_line(answer).rstrip(b"\n")

    @property
    def code(self) -> Code:
        """The status code of the answer."""
        return self.answer.code

    @property
    def reason(self) -> Reason:
        """Why, from the protocol's closed list."""
        return self.answer.reason

    @property
    def retryable(self) -> bool:
        """Whether the same command can succeed later without anything being changed."""
        return self.answer.retryable if isinstance(self.answer, Failure) else self.answer.reason.retryable

    @property
    def missing(self) -> tuple[Missing, ...]:
        """The symbols that could not be served, each with its own reason."""
        return (self.answer.missing or ()) if isinstance(self.answer, Failure) else ()


class BadRequest(CommandFailed):
    """The command is wrong as it is (400); the message names what is wrong with it."""


class NotAuthorised(CommandFailed):
    """The name or the password is wrong, or the command needs a login (401)."""


class NotFound(CommandFailed):
    """There is nothing to answer with (404)."""


class UnknownSymbol(NotFound):
    """No source knows any of the symbols (404); `missing` names them."""


class TooManyRequests(CommandFailed):
    """The server asks to slow down (429); `retry_after_ms` says for how long."""


class ServerError(CommandFailed):
    """The server or its market source failed (500); `retryable` says whether trying again helps."""


class Unavailable(ClientError):
    """There is no server there, the connection was lost, or an answer did not come in time."""


class NothingListens(Unavailable):
    """No program is at that port: the connection was refused."""


class ServerShutdown(Unavailable):
    """The server said that it stops (501)."""


class NotStockTrack(ClientError):
    """What answers there does not speak this version of the StockTrack protocol."""


_BY_CODE: dict[Code, type[CommandFailed]] = {
    Code.BAD_REQUEST: BadRequest,
    Code.UNAUTHORIZED: NotAuthorised,
    Code.NOT_FOUND: NotFound,
    Code.TOO_MANY_REQUESTS: TooManyRequests,
}


def error_of(answer: Failure | Notice, line: bytes = b"") -> ClientError:
    """The error that `answer` is; `line` is its wire text where it has been on the wire."""
    if answer.code is Code.SERVER_SHUTDOWN:
        return ServerShutdown(
            clean_text(answer.message, _MAX_MESSAGE_CHARS) or "The server is shutting down.",
            retry_after_ms=answer.retry_after_ms,
        )
    if answer.reason is Reason.UNKNOWN_SYMBOL:
        return UnknownSymbol(answer, line)
    return _BY_CODE.get(answer.code, ServerError)(answer, line)
