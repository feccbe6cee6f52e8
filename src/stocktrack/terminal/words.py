"""Why a price is stale, or is not there at all, in two or three words."""

from stocktrack.errors import Reason
from stocktrack.quotes import clean_text

_MOST_CHARS = 500
# The page has the same words (figures/format.js), and one table of cases holds the two together.
_STALE_WORDS: dict[str, str] = {
    Reason.PROVIDER_ERROR: "{source} fails",
    Reason.PROVIDER_TIMEOUT: "{source} is silent",
    Reason.PROVIDER_BLOCKED: "{source} refuses us",
    Reason.RATE_LIMITED: "asked too often",
    Reason.STORAGE_ERROR: "database fails",
    Reason.INTERNAL_ERROR: "server error",
}
_LACK_WORDS: dict[str, str] = {
    "pending": "waiting for source",
    Reason.UNKNOWN_SYMBOL: "unknown symbol",
    Reason.NOT_OFFERED: "no source for it",
}


def stale_words(reason: str, provider: str | None) -> str:
    """`Yahoo refuses us`: who is to blame, which the reason does not name, and for what."""
    source = clean_text(provider, 20) if provider else ""
    source = f"{source[:1].upper()}{source[1:]}" or "source"
    return _STALE_WORDS.get(reason, "no fresh price").format(source=source)


def lack_words(reason: str, message: str | None = None) -> str:
    """Why a symbol has no price at all: what the server says of it, else its reason; `pending` was not asked yet."""
    return (clean_text(message, _MOST_CHARS) if message else "") or _LACK_WORDS.get(reason) or stale_words(reason, None)
