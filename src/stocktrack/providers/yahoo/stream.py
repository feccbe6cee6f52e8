"""Yahoo's streamer as the stream of the source `yahoo`: prices as they come, laid over those that were polled.

yfinance brings the format of the messages (`pricing_pb2`) and the address. Its own client is not used: it never
connects again, and after a normal close it freezes the event loop.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, StreamSink, Wanted
from stocktrack.providers.streaming import Frame, StreamProtocol, json_frame, json_object, run_stream
from stocktrack.providers.yahoo.provider import YahooProvider
from stocktrack.providers.yahoo.ticks import MAX_AHEAD_MS, Tick, is_timely, later_quote, read_tick, whole_quote
from stocktrack.quotes import Quote, is_far_off

log = structlog.get_logger()

# Of 265 symbols on one connection somebody has written; nobody knows where it ends. What Yahoo leaves mute is polled.
STREAM_PLACES = 500
# It forgets a subscription that is not repeated.
REPEAT_SECONDS = 15.0
# It sends nothing but prices, so a connection with one thinly traded share on it is silent for minutes.
SILENCE_SECONDS = 300.0
MAX_KNOWN = 4 * STREAM_PLACES

ReadPricing = Callable[[bytes], Any]


class KnownQuotes:
    """The newest quote of each symbol, from polls and ticks together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quotes: dict[str, tuple[Quote, int]] = {}  # with our time at the poll; the latest polled stands last
        self._ticks: dict[str, Tick] = {}

    def polled(self, quote: Quote) -> Quote:
        """`quote` as it was polled, with what the stream has said since: a poll may be behind it."""
        polled_at, tick = quote.received_at, self._ticks.get(quote.symbol)
        if tick is not None and quote.timestamp is not None:
            quote = later_quote(quote, polled_at, tick, polled_at) or quote
        self._quotes.pop(quote.symbol, None)
        self._keep(quote, polled_at)
        return quote

    def ticked(self, tick: Tick) -> Quote | None:
        """The quote of a symbol after a tick; None where the tick says nothing new, or too little to stand alone.

        One that is far off is told and not remembered: whether it is believed the market decides, and neither the next
        poll nor the day's range may repeat it.
        """
        now_ms = self._clock.now_ms()
        known = self._quotes.get(tick.symbol)
        quote = whole_quote(tick, now_ms) if known is None else later_quote(*known, tick, now_ms)
        if quote is not None and (known is None or not is_far_off(tick.price, known[0].price, tick.symbol)):
            self._keep(quote, 0 if known is None else known[1])
            self._ticks[tick.symbol] = tick
        return quote

    def _keep(self, quote: Quote, polled_at: int) -> None:
        self._quotes[quote.symbol] = quote, polled_at
        if len(self._quotes) > MAX_KNOWN:
            oldest = next(iter(self._quotes))
            del self._quotes[oldest]
            self._ticks.pop(oldest, None)


class YahooStream(StreamProtocol):
    """One connection to the streamer: nothing is acknowledged, and nothing is said of unknown symbols."""

    vendor = "Yahoo"
    places = STREAM_PLACES
    repeat_seconds = REPEAT_SECONDS
    silence_seconds = SILENCE_SECONDS

    def __init__(self, address: str, read_pricing: ReadPricing, known: KnownQuotes, clock: Clock) -> None:
        self.address = address
        self._read_pricing = read_pricing
        self._known = known
        self._clock = clock
        self._subscribed: set[str] = set()
        self._has_told_of_time = False

    def subscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """One message, however many there are."""
        self._subscribed.update(symbols)
        return [json_frame({"subscribe": list(symbols)})]

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[Frame]:
        """One message, however many there are."""
        self._subscribed.difference_update(symbols)
        return [json_frame({"unsubscribe": list(symbols)})]

    def receive(self, frame: Frame) -> Sequence[Quote]:
        """The quote in a message of pricing; what the streamer may send beside those is nothing to us."""
        message = json_object(frame)
        if message.get("type") != "pricing":
            return ()
        tick = read_tick(self._pricing(message))
        if tick is None or tick.symbol not in self._subscribed or not self._is_timely(tick):
            return ()
        quote = self._known.ticked(tick)
        return () if quote is None else (quote,)

    def _pricing(self, message: Mapping[str, Any]) -> Any:
        text = message.get("message")
        if not isinstance(text, str):
            raise ValueError("no text in a message of pricing")  # noqa: TRY004 - what was received is wrong
        try:
            return self._read_pricing(base64.b64decode(text, validate=True))
        except binascii.Error:
            raise
        except Exception:
            # protobuf's error is an `Exception` and nothing more.
            raise ValueError("no protobuf in a message of pricing") from None

    def _is_timely(self, tick: Tick) -> bool:
        now_ms = self._clock.now_ms()
        if is_timely(tick, now_ms):
            return True
        if tick.time > now_ms and not self._has_told_of_time:
            self._has_told_of_time = True
            minutes = (tick.time - now_ms) // 60_000
            log.warning(
                "Yahoo's stream is ahead of this machine's clock, and what is ahead is left to the polls",
                minutes=minutes,
                symbol=tick.symbol,
                taken_up_to_seconds=MAX_AHEAD_MS // 1000,
            )
        return False


class StreamingYahooProvider(YahooProvider):
    """Yahoo Finance with its streamer, at the address that yfinance knows unless `stream_url` is another."""

    stream_places = STREAM_PLACES

    def __init__(self, *, timeout_seconds: float, cache_dir: Path, clock: Clock, stream_url: str | None) -> None:
        super().__init__(timeout_seconds=timeout_seconds, cache_dir=cache_dir, clock=clock)
        self._stream_url = stream_url
        self._known = KnownQuotes(clock)
        self._read_pricing: ReadPricing | None = None

    async def start(self) -> None:
        """Import yfinance; where it has no streamer, there are polls."""
        await super().start()
        try:
            # `import yfinance` has loaded them already.
            live, pricing = import_module("yfinance.live"), import_module("yfinance.pricing_pb2")
            self._read_pricing = pricing.PricingData.FromString
            if self._stream_url is None:
                self._stream_url = live.BaseWebSocket(verbose=False).url
        except (ImportError, AttributeError, TypeError) as error:
            log.warning("yfinance has no streamer of Yahoo's as it is known here: prices are polled", error=str(error))

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """As without a stream; where that has said something newer, a quote has that in it."""
        answer = await super().quotes(symbols, errand)
        quotes = {symbol: self._known.polled(quote) for symbol, quote in answer.quotes.items()}
        return replace(answer, quotes=quotes)

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """One connection to the streamer, until it breaks."""
        if self._read_pricing is None or self._stream_url is None:
            raise ProviderError(Reason.PROVIDER_ERROR, "yfinance has no streamer of Yahoo's as it is known here.")
        protocol = YahooStream(self._stream_url, self._read_pricing, self._known, self._clock)
        await run_stream(protocol, wanted, sink, clock=self._clock)
