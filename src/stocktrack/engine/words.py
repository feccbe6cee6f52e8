"""What a feed says of itself to whoever listens: that it is there, in which instance it counts, and what happened."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from stocktrack.engine.asking import error_of, fields_of
from stocktrack.engine.names import MAX_INSTANCE_CHARS, read_json
from stocktrack.errors import StockTrackError

HEARTBEAT_SECONDS: Final = 0.5
_MAX_SYMBOLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class FeedWord:
    """A word of the feed; `event` is "outage", "restored" or "unknown" where something happened to `symbols`.

    `shards` is at how many Redis it publishes.
    """

    instance: str
    event: str | None = None
    symbols: Sequence[str] = ()
    error: StockTrackError | None = None
    shards: int = 1


def write_word(word: FeedWord) -> bytes:
    """A word as `read_word` reads it back."""
    fields: dict[str, Any] = {"instance": word.instance}
    if word.event is not None:
        fields |= {"event": word.event, "symbols": list(word.symbols)}
    if word.shards != 1:
        fields["shards"] = word.shards
    if word.error is not None:
        fields["error"] = fields_of(word.error)
    return json.dumps(fields, separators=(",", ":")).encode()


def read_word(payload: bytes) -> FeedWord | None:
    """The word in a message; None where it is none."""
    fields = read_json(payload)
    if not isinstance(fields, dict):
        return None
    instance, event, symbols = fields.get("instance"), fields.get("event"), fields.get("symbols", [])
    if not isinstance(instance, str) or not 0 < len(instance) <= MAX_INSTANCE_CHARS or not isinstance(symbols, list):
        return None
    named = [symbol for symbol in symbols[:_MAX_SYMBOLS] if isinstance(symbol, str)]
    error = error_of(fields["error"]) if "error" in fields else None
    shards = fields.get("shards")
    return FeedWord(
        instance, event if isinstance(event, str) else None, named, error, shards if type(shards) is int else 1
    )
