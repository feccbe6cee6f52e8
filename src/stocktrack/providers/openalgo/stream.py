"""OpenAlgo's WebSocket: what one connection to it writes and reads.

A client logs in with its key, and asks for symbols in the mode "Quote". OpenAlgo says of each symbol whether its broker
takes it; those that it does not are mute, and the market asks for them by REST.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from pydantic import SecretStr

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.providers.openalgo.answers import (
    Heard,
    complaint_of,
    nobody_logged_in,
    read_tick,
    refused_key,
    ticks_in,
)
from stocktrack.providers.openalgo.symbols import Listing, listing_of
from stocktrack.providers.streaming import Frame, StreamProtocol, json_frame, json_object
from stocktrack.quotes import MarketState, Quote

log = structlog.get_logger()

# OpenAlgo opens three connections to its broker and puts a thousand symbols on each (MAX_SYMBOLS_PER_WEBSOCKET,
# MAX_WEBSOCKET_CONNECTIONS). One of them is taken here: the others are for the strategies that it is there for.
PLACES: Final = 1_000

_PRICES = frozenset({None, "market_data", "quote", "ltp", "depth", "tick"})
_LOGINS = frozenset({None, "auth", "authenticate", "authentication"})
_REFUSED_KEY = re.compile(r"\bauth|\bapi.?key\b|\bunauthori[sz]ed\b", re.IGNORECASE)
_NO_BROKER = re.compile(r"\bno broker\b", re.IGNORECASE)
_NO_PLACE = re.compile(r"\b(?:limit|maximum|capacity)\b", re.IGNORECASE)
_ENDS = frozenset({"NOT_AUTHENTICATED", "BROKER_ERROR", "BROKER_INIT_ERROR", "BROKER_CONNECTION_ERROR"})


class OpenAlgoStream(StreamProtocol):
    """One connection.

    `known` has the last quote by REST of a symbol, which says what a message may leave out; `state_of` tells where a
    market is in its day.
    """

    vendor = "OpenAlgo"
    is_ready = False
    # The broker may be slow to take a subscription, and OpenAlgo answers nobody meanwhile.
    ping_seconds = 60.0
    # In India nothing is traded at night, so that nothing is said for fifteen hours.
    closed_silence_seconds = 86_400.0

    def __init__(
        self,
        address: str,
        key: SecretStr,
        clock: Clock,
        *,
        known: Callable[[str], Quote | None],
        state_of: Callable[[Listing], MarketState],
    ) -> None:
        self.address = address
        self.places = PLACES
        self._key = key
        self._clock = clock
        self._known = known
        self._state_of = state_of
        self._symbols: dict[Listing, set[str]] = {}  # ours, of what is subscribed to: NSE:X and NSE_EQ:X are one
        self._answers: list[Frame] = []
        self._has_complained = False

    def greeting(self) -> Sequence[Frame]:
        """Log in."""
        return [json_frame({"action": "authenticate", "api_key": self._key.get_secret_value()})]

    def subscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """One message for all of them; again for those that were subscribed to before."""
        listings = []
        for symbol in symbols:
            if (listing := listing_of(symbol)) is not None:
                self._symbols.setdefault(listing, set()).add(symbol)
                listings.append(listing)
        return _message("subscribe", listings)

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """One message for all that nobody wants under another name of it."""
        listings = []
        for symbol in symbols:
            listing = listing_of(symbol)
            if listing is not None and (names := self._symbols.get(listing)) is not None:
                names.discard(symbol)
                if not names:
                    del self._symbols[listing]
                    listings.append(listing)
        return _message("unsubscribe", listings)

    def receive(self, frame: Frame) -> Sequence[Quote]:
        """The quotes in a frame; `SourceUnusable` where the key is refused, `ProviderError` where the broker fails."""
        message = json_object(frame)
        kind, status = _word(message.get("type")), _word(message.get("status"))
        if isinstance(answers := message.get("subscriptions"), list):
            self._note_refused(answers)
        elif status in {"error", "failed", "failure"} or kind == "error":
            self._complain(message, kind)
        elif kind == "ping":
            self._answers.append(json_frame({"type": "pong"}))
        elif not self.is_ready:
            self.is_ready = kind in _LOGINS and status in {"success", "ok", "authenticated"}
        elif kind in _PRICES:
            return self._quotes(message)
        return ()

    def answers(self) -> Sequence[Frame]:
        """The pong to a ping."""
        answers, self._answers = self._answers, []
        return answers

    def refused(self, status: int) -> SourceUnusable | None:
        """The key is refused, which OpenAlgo itself says later: this is a proxy in front of it."""
        del status
        return refused_key()

    def _quotes(self, message: Mapping[str, Any]) -> Sequence[Quote]:
        now_ms = self._clock.now_ms()
        quotes = []
        for tick in ticks_in(message):
            for symbol in self._symbols.get(tick.listing, ()):
                heard = Heard(symbol, tick.listing, now_ms, self._state_of(tick.listing))
                if (quote := read_tick(tick.data, heard, self._known(symbol))) is not None:
                    quotes.append(quote)
        return quotes

    def _complain(self, message: Mapping[str, Any], kind: str | None) -> None:
        """Raise where OpenAlgo refuses to go on; what it says of one message or symbol is logged once."""
        said = self._said(message)
        code = str(message.get("code")).upper()
        if not self.is_ready and _NO_BROKER.search(said):
            raise nobody_logged_in()
        is_broker = code.startswith("BROKER")
        if not self.is_ready and not is_broker and (kind in _LOGINS - {None} or _REFUSED_KEY.search(f"{code} {said}")):
            raise refused_key()
        if not self.is_ready or code in _ENDS:
            what = "its broker fails" if is_broker else "it refuses to go on"
            raise ProviderError(
                Reason.PROVIDER_ERROR, f"OpenAlgo streams nothing, {what}: {said or 'without a reason'}."
            )
        self._log_once(said)

    def _note_refused(self, answers: Sequence[Any]) -> None:
        """Look at what was said of each symbol; where there is no place for more, take no more."""
        failed = [
            self._said(answer)
            for answer in answers
            if isinstance(answer, dict) and _word(answer.get("status")) in {"error", "failed", "failure"}
        ]
        if failed:
            self._log_once(failed[0])
        if without_place := sum(_NO_PLACE.search(said) is not None for said in failed):
            self.places = max(1, len(self._symbols) - without_place)

    def _said(self, message: Mapping[str, Any]) -> str:
        """The complaint in a message, which may repeat the key."""
        return complaint_of(message).replace(self._key.get_secret_value(), "…")

    def _log_once(self, said: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            log.info("OpenAlgo's stream does not take all that it was asked for; the rest is polled", said=said)


def _message(action: str, listings: Sequence[Listing]) -> Sequence[Frame]:
    symbols = [listing.as_json for listing in dict.fromkeys(listings)]
    return [json_frame({"action": action, "symbols": symbols, "mode": "Quote"})] if symbols else []


def _word(value: Any) -> str | None:
    """A word of the protocol in lower case; None where there is none."""
    return value.lower() if isinstance(value, str) else None
