"""Status codes, reasons, and the tree of errors that the protocol speaks of.

StockTrackError             has a code, a reason, a sentence, and says whether trying again helps
├── CommandError            answers one command; the session lives on
│   └── LoginError          a login that was refused, with whose it was
├── SessionEnd              ends the session, after a NOTICE that says why
├── ProviderError           a market source failed; a provider translates its library's errors into it
├── SourceUnusable          a market source cannot be used as it is set up
└── StorageError            the database did not do what it was asked
ConfigError                 a setting is wrong; the program does not start
"""

from enum import IntEnum, StrEnum


class Code(IntEnum):
    """The status code of a server message. 2000 is a LOGOUT that succeeded."""

    CONTINUE = 100
    OK = 200
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    NOT_FOUND = 404
    TOO_MANY_REQUESTS = 429
    SERVER_ERROR = 500
    SERVER_SHUTDOWN = 501
    LOGGED_OUT = 2000

    @property
    def status(self) -> str:
        """The code's name on the wire: a LOGOUT is an ``OK`` too."""
        return "OK" if self is Code.LOGGED_OUT else self.name


class Reason(StrEnum):
    """Why: the closed list of reasons, each belonging to exactly one code (`REASON_CODES`)."""

    PROVIDER_RESTORED = "provider_restored"
    ANNOUNCEMENT = "announcement"
    ALERT = "alert"
    LISTS_CHANGED = "lists_changed"
    MALFORMED_JSON = "malformed_json"
    INVALID_COMMAND = "invalid_command"
    UNKNOWN_COMMAND = "unknown_command"
    LINE_TOO_LONG = "line_too_long"
    ALREADY_AUTHENTICATED = "already_authenticated"
    SYMBOL_LIMIT = "symbol_limit"
    TOO_MANY_ERRORS = "too_many_errors"
    RANGE_LIMIT = "range_limit"
    NOT_AUTHENTICATED = "not_authenticated"
    BAD_CREDENTIALS = "bad_credentials"
    AUTH_TIMEOUT = "auth_timeout"
    NOT_PERMITTED = "not_permitted"
    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_SUBSCRIBED = "not_subscribed"
    NO_NEWS = "no_news"
    NO_DIVIDENDS = "no_dividends"
    NO_COMPANY_INFO = "no_company_info"
    NO_HISTORY = "no_history"
    NOT_OFFERED = "not_offered"
    UNKNOWN_ALERT = "unknown_alert"
    UNKNOWN_LOT = "unknown_lot"
    UNKNOWN_LIST = "unknown_list"
    RATE_LIMITED = "rate_limited"
    SESSION_LIMIT = "session_limit"
    LOGIN_THROTTLED = "login_throttled"
    PROVIDER_ERROR = "provider_error"
    PROVIDER_TIMEOUT = "provider_timeout"
    PROVIDER_BLOCKED = "provider_blocked"
    STORAGE_ERROR = "storage_error"
    SERVER_UNREACHABLE = "server_unreachable"
    SLOW_CLIENT = "slow_client"
    INTERNAL_ERROR = "internal_error"
    SHUTDOWN = "shutdown"

    @property
    def code(self) -> Code:
        """The status code that this reason belongs to."""
        return REASON_CODES[self]

    @property
    def retryable(self) -> bool:
        """Whether the same command can succeed later without anything being changed."""
        return self in _RETRYABLE


REASON_CODES: dict[Reason, Code] = {
    reason: code
    for code, reasons in {
        Code.CONTINUE: (Reason.PROVIDER_RESTORED, Reason.ANNOUNCEMENT, Reason.ALERT, Reason.LISTS_CHANGED),
        Code.BAD_REQUEST: (
            Reason.MALFORMED_JSON,
            Reason.INVALID_COMMAND,
            Reason.UNKNOWN_COMMAND,
            Reason.LINE_TOO_LONG,
            Reason.ALREADY_AUTHENTICATED,
            Reason.SYMBOL_LIMIT,
            Reason.TOO_MANY_ERRORS,
            Reason.RANGE_LIMIT,
        ),
        Code.UNAUTHORIZED: (
            Reason.NOT_AUTHENTICATED,
            Reason.BAD_CREDENTIALS,
            Reason.AUTH_TIMEOUT,
            Reason.NOT_PERMITTED,
        ),
        Code.NOT_FOUND: (
            Reason.UNKNOWN_SYMBOL,
            Reason.NOT_SUBSCRIBED,
            Reason.NO_NEWS,
            Reason.NO_DIVIDENDS,
            Reason.NO_COMPANY_INFO,
            Reason.NO_HISTORY,
            Reason.NOT_OFFERED,
            Reason.UNKNOWN_ALERT,
            Reason.UNKNOWN_LOT,
            Reason.UNKNOWN_LIST,
        ),
        Code.TOO_MANY_REQUESTS: (Reason.RATE_LIMITED, Reason.SESSION_LIMIT, Reason.LOGIN_THROTTLED),
        Code.SERVER_ERROR: (
            Reason.PROVIDER_ERROR,
            Reason.PROVIDER_TIMEOUT,
            Reason.PROVIDER_BLOCKED,
            Reason.STORAGE_ERROR,
            Reason.SERVER_UNREACHABLE,
            Reason.SLOW_CLIENT,
            Reason.INTERNAL_ERROR,
        ),
        Code.SERVER_SHUTDOWN: (Reason.SHUTDOWN,),
    }.items()
    for reason in reasons
}

_RETRYABLE = frozenset(
    {
        Reason.AUTH_TIMEOUT,
        Reason.RATE_LIMITED,
        Reason.SESSION_LIMIT,
        Reason.LOGIN_THROTTLED,
        Reason.PROVIDER_ERROR,
        Reason.PROVIDER_TIMEOUT,
        Reason.PROVIDER_BLOCKED,
        Reason.STORAGE_ERROR,
        Reason.SERVER_UNREACHABLE,
        Reason.SLOW_CLIENT,
        Reason.SHUTDOWN,
        Reason.NO_NEWS,
    }
)


class StockTrackError(Exception):
    """A failure that can be told to a client: `reason`, a sentence, and when to try again (milliseconds)."""

    def __init__(self, reason: Reason, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after_ms = retry_after_ms

    @property
    def code(self) -> Code:
        """The status code of the reason."""
        return self.reason.code


class CommandError(StockTrackError):
    """Answers one command; the session lives on."""


class LoginError(CommandError):
    """A login that was refused; `username` is whose it was where there is such a user, for the log and nobody else."""

    def __init__(self, why: CommandError, username: str | None) -> None:
        super().__init__(why.reason, why.message, retry_after_ms=why.retry_after_ms)
        self.username = username


class SessionEnd(StockTrackError):  # noqa: N818 - an end is not always an error: a shutdown is one
    """Ends the session, after a NOTICE that says why."""


class StorageError(StockTrackError):
    """The database did not do what it was asked; nothing was changed.

    It says two things. `str(error)` is the operator's: it may name a file, a machine, and what a driver said. `message`
    is what clients are told: `told`, which names nothing of the kind, or else only that it failed.
    """

    def __init__(self, detail: str, *, told: str | None = None) -> None:
        super().__init__(
            Reason.STORAGE_ERROR,
            told or "The database did not do this, and nothing was changed. Try again; the server's log says why.",
        )
        self.args = (detail,)


class ProviderError(StockTrackError):
    """A market source failed. `reason` is one of the provider reasons; `message` names the source.

    `retry_after_ms` is only set where the source itself said when to come back.
    """


class NotYetGiven(ProviderError):  # noqa: N818 - named as what is found
    """A source has no price of a symbol and may have one the next moment: it is asked again whenever somebody asks."""


class SourceUnusable(StockTrackError):  # noqa: N818 - named as what is found
    """A market source cannot be used as it is set up: the sentence says which setting, and what would be right.

    A server goes on with its other sources. `is_waiting` where nothing is wrong with the settings and it only has to
    wait, as for another server that uses the same key.
    """

    def __init__(self, message: str, *, is_waiting: bool = False, retry_after_ms: int | None = None) -> None:
        super().__init__(Reason.NOT_OFFERED, message, retry_after_ms=retry_after_ms)
        self.is_waiting = is_waiting


class ConfigError(Exception):
    """A setting is wrong: the sentence names the setting, the value, and what would be right."""


def extra_hint(extra: str) -> str:
    """How to get what an optional part of StockTrack needs: the one sentence that names pip and `extra`.

    It names the source's folder because StockTrack is on no package index, where `stocktrack` is another project.
    """
    return f"Install the extra: pip install '.[{extra}]' in the folder of StockTrack's source"
