"""Finnhub's stream as a protocol without I/O: what is sent to follow symbols, and trades as quotes."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote as percent_encoded

import structlog
from pydantic import SecretStr

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.providers.finnhub.answers import KEY, market_time
from stocktrack.providers.finnhub.day import Days, Trade
from stocktrack.providers.finnhub.symbols import at_finnhub
from stocktrack.providers.reading import positive
from stocktrack.providers.streaming import Frame, StreamProtocol, json_frame, json_object
from stocktrack.quotes import Quote, clean_text

log = structlog.get_logger()

# Documented for the free plan. Finnhub has been seen to refuse only the 52nd.
PLACES = 50
_KEY_WORDS = ("api key", "apikey", "token", "unauthori", "not authori", "forbidden")


class FinnhubStream(StreamProtocol):
    """One connection. Its trades are put on what `days` knows, since a trade alone has no change."""

    vendor = "Finnhub"
    # It says something every minute, if only a ping of its own.
    silence_seconds = 150.0
    closed_silence_seconds = 150.0

    def __init__(self, url: str, key: SecretStr, days: Days, clock: Clock) -> None:
        self.address = f"{url}?token={percent_encoded(key.get_secret_value(), safe='')}"
        self.places: int = PLACES
        self._key = key
        self._days = days
        self._clock = clock
        # Ours by Finnhub's: two writings of one share are followed once.
        self._followed: dict[str, list[str]] = {}
        self._has_complained = False

    def subscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """One message a symbol; Finnhub knows no other way."""
        frames = []
        for symbol in symbols:
            name = at_finnhub(symbol)
            if name not in self._followed:
                frames.append(json_frame({"type": "subscribe", "symbol": name}))
            mine = self._followed.setdefault(name, [])
            if symbol not in mine:
                mine.append(symbol)
        return frames

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """One message a symbol that nobody follows by another writing."""
        frames = []
        for symbol in symbols:
            name = at_finnhub(symbol)
            mine = self._followed.get(name, [])
            if symbol in mine:
                mine.remove(symbol)
                if not mine:
                    del self._followed[name]
                    frames.append(json_frame({"type": "unsubscribe", "symbol": name}))
        return frames

    def receive(self, frame: Frame) -> Sequence[Quote]:
        """The quotes after the trades of a message; none of a ping, and of what is not known."""
        message = json_object(frame)
        match message.get("type"):
            case "trade":
                return self._quotes(message.get("data"))
            case "error":
                self._complain(str(message.get("msg", "")))
        return ()

    def refused(self, status: int) -> SourceUnusable | None:
        """The key is wrong, or not for the stream."""
        del status
        return KEY.refused()

    def _quotes(self, data: Any) -> Sequence[Quote]:
        if not isinstance(data, list):
            raise ValueError("trades without a list")  # noqa: TRY004 - what was received is wrong, not the call
        now_ms = self._clock.now_ms()
        traded: dict[str, list[Trade]] = {}
        for row in data:
            trade = _trade(row, now_ms)
            if trade is not None and (name := str(row.get("s")).upper()) in self._followed:
                traded.setdefault(name, []).append(trade)
        quotes = (
            self._days.trade(symbol, trades) for name, trades in traded.items() for symbol in self._followed[name]
        )
        return [quote for quote in quotes if quote is not None]

    def _complain(self, text: str) -> None:
        """Act on an error that Finnhub tells; what is told of one symbol is no reason to leave the others."""
        said = text.lower()
        if "too many symbols" in said:
            # It names none, and leaves the connection open: the last one has no place. Each refused one has its error.
            followed = sum(len(mine) for mine in self._followed.values())
            self.places = max(1, min(self.places, followed) - 1)
        elif any(words in said for words in _KEY_WORDS):
            raise KEY.refused()
        elif "limit" in said:
            raise ProviderError(Reason.PROVIDER_BLOCKED, "Finnhub's stream refuses this server for a while (a limit).")
        elif not self._has_complained:
            self._has_complained = True
            shown = clean_text(text.replace(self._key.get_secret_value(), "…"), 120)
            log.warning("Finnhub's stream told an error, and goes on", said=shown)


def _trade(row: Any, now_ms: int) -> Trade | None:
    if not isinstance(row, Mapping) or (price := positive(row.get("p"))) is None:
        return None
    return Trade(price, market_time(row.get("t"), now_ms))
