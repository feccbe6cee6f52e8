"""What a target is: it takes one message, or says in a sentence why it does not.

Whoever calls it keeps the message until then, tries again, and may send it twice: the message's `id` stays the same.
"""

import json
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Final, Protocol

from stocktrack.quotes import clean_text

MAX_TEXT_CHARS: Final = 1_000
LONGEST_RETRY_SECONDS: Final = 3_600.0
# It travels in a header, in a Message-ID and as ntfy's sequence id, so that it is what all of them take.
_ID = re.compile(r"[-_A-Za-z0-9]{1,64}")


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """What a target is told: `id` is the delivery's, by which a target drops doubles.

    `alert` is None for a test of the target. `timestamp` is in epoch milliseconds: the market's time of the price where
    that is known, else ours. Whatever the texts hold, what leaves has no line breaks and nothing that cannot be seen.
    """

    id: str
    alert: str | None
    symbol: str | None
    when: str | None
    value: float | None
    price: float | None
    currency: str | None
    timestamp: int
    message: str
    username: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError("the id of a delivery is 1 to 64 letters, digits, - and _")

    @property
    def text(self) -> str:
        """The sentence, cleaned; never empty, because some services refuse what is."""
        return clean_text(self.message, MAX_TEXT_CHARS) or self.title

    @property
    def title(self) -> str:
        """A few words for where a sentence is too long."""
        about = clean_text(self.symbol or "", 64)
        return f"StockTrack: {about}" if about else "StockTrack"

    def values(self) -> dict[str, str | int | float]:
        """What is known, under the names of the JSON body and in its order."""
        known = {
            "id": self.id,
            "alert": self.alert,
            "symbol": self.symbol,
            "when": self.when,
            "value": self.value,
            "price": self.price,
            "currency": self.currency,
            "timestamp": self.timestamp,
            "message": self.text,
            "username": self.username,
        }
        return {
            name: clean_text(value, MAX_TEXT_CHARS) if isinstance(value, str) else value
            for name, value in known.items()
            if value is not None
        }

    def body(self) -> bytes:
        """The JSON body."""
        return as_json(self.values())


def as_json(value: Any) -> bytes:
    """`value` as compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


class TargetError(Exception):
    """A target did not take a message; the sentence holds the target's name and nothing else of its settings.

    `retry_after_seconds` is what the target asked for, at most an hour; None where it did not.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class Target(Protocol):
    """One way to somebody: `at_once` is how many messages may be under way at once."""

    @property
    def name(self) -> str:
        """The name of its table in the settings, which is all that users know of it."""
        ...

    @property
    def kind(self) -> str:
        """What its table says: webhook, ntfy, email, command or apprise."""
        ...

    @property
    def at_once(self) -> int:
        """How many messages may be under way at once."""
        ...

    async def send(self, message: AlertMessage) -> None:
        """Return once the target took it; `TargetError` where it did not, which includes its time limit."""
        ...

    async def close(self) -> None:
        """Break off what is under way, which is a `TargetError` there, and free everything within a second."""
        ...


def too_late(name: str, timeout_seconds: float) -> TargetError:
    """The error of a target that takes too long."""
    return TargetError(f"The target {name} did not answer within {timeout_seconds:g} s.")


def unreachable(name: str, error: BaseException) -> TargetError:
    """The error of a target that cannot be reached, with why, as far as that says nothing of where it is."""
    return TargetError(f"The target {name} {_why(error)}.")


def _why(error: BaseException) -> str:
    """What is wrong with a connection; libraries put the error that says it behind others."""
    behind: BaseException | None = error
    seen: set[int] = set()
    while behind is not None and id(behind) not in seen:
        seen.add(id(behind))
        match behind:
            case ssl.SSLCertVerificationError():
                # OpenSSL names the host where the certificate is another one's.
                said = "it is another host's" if "match" in behind.verify_message else behind.verify_message
                return f"shows a certificate that is not valid here: {said}"
            case ssl.SSLError():
                return "does not speak TLS as it should"
            case socket.gaierror():
                return "has a host that no name server knows"
            case ConnectionRefusedError():
                return "cannot be reached: its port refuses connections"
            case ConnectionResetError() | BrokenPipeError():
                return "broke the connection off"
        behind = behind.__cause__ or behind.__context__
    return "cannot be reached, or broke the connection off"
