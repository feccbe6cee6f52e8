import json
from typing import Any

import pytest

from fakes import NOW_MS, a_quote
from stocktrack.errors import Reason
from stocktrack.messages import BoardQuote
from stocktrack.providers.published import MAX_BYTES, Unreadable, decode_published, encode_published
from stocktrack.quotes import MarketState, Quote


def decoded(payload: bytes | str, symbol: str | None = "AAPL") -> Quote:
    return decode_published(payload, symbol=symbol, provider="redis", now_ms=NOW_MS).quote


def foreign(**fields: Any) -> Quote:
    return decoded(json.dumps({"symbol": "AAPL", "price": 189.45, **fields}))


def test_a_quote_of_ours_is_read_back_as_it_was_with_the_instance_it_counts_in() -> None:
    quote = a_quote("AAPL", 189.45, previous_close=188.0, name="Apple Inc.", bid=189.44, timestamp=NOW_MS)
    ours = BoardQuote.of(quote, seq=41, stale_reason=Reason.PROVIDER_TIMEOUT, retry_at=NOW_MS + 1)
    read = decode_published(encode_published(ours, "b7c1"), symbol="AAPL", provider="redis", now_ms=NOW_MS + 99)
    assert (read.quote, read.instance) == (ours, "b7c1")


def test_what_the_founding_document_publishes_is_a_quote() -> None:
    quote = foreign(timestamp=1712331900000)
    assert quote == Quote(symbol="AAPL", price=189.45, timestamp=1712331900000, received_at=NOW_MS, provider="redis")


@pytest.mark.parametrize(
    "timestamp", [1712331900, 1712331900.0, 1712331900000, "2024-04-05T15:45:00Z", "2024-04-05T17:45:00+02:00"]
)
def test_a_time_in_seconds_milliseconds_or_words_is_the_same_moment(timestamp: Any) -> None:
    assert foreign(timestamp=timestamp).timestamp == 1712331900000


@pytest.mark.parametrize("timestamp", [None, "yesterday", "2024-04-05T15:45:00", True, -1, 0, [1], {}, 10**400])
def test_a_time_that_is_none_is_left_out(timestamp: Any) -> None:
    assert foreign(timestamp=timestamp).timestamp is None


def test_the_channel_says_of_which_symbol_a_message_is_that_does_not() -> None:
    assert decoded('{"price":1}').symbol == "AAPL"
    assert decoded('{"symbol":"aapl","price":1}').symbol == "AAPL"
    assert decoded('{"symbol":"msft","price":1}', None).symbol == "MSFT"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        *((b"", "json"), (b"189.45", "json"), (b"[]", "json"), (b"\xff\xfe", "json"), (b"{", "json")),
        (b"[" * 30_000, "json"),
        *(
            (b"{}", "price"),
            (b'{"price":null}', "price"),
            (b'{"price":"189.45"}', "price"),
            (b'{"price":true}', "price"),
        ),
        *((b'{"price":NaN}', "price"), (b'{"price":Infinity}', "price"), (b'{"price":1e999}', "price")),
        (b'{"price":1' + b"0" * 400 + b"}", "price"),
        *((b'{"symbol":"MSFT","price":1}', "symbol"), (b'{"symbol":7,"price":1}', "symbol")),
        (b'{"symbol":"A B","price":1}', "symbol"),
        (b'{"price":1,"note":"' + b"x" * MAX_BYTES + b'"}', "size"),
    ],
)
def test_what_is_no_quote_is_refused_with_a_word_for_counting(payload: bytes, why: str) -> None:
    with pytest.raises(Unreadable) as refused:
        decoded(payload)
    assert refused.value.why == why


def test_what_says_neither_in_its_channel_nor_itself_of_which_symbol_it_is_is_refused() -> None:
    with pytest.raises(Unreadable, match="symbol"):
        decoded('{"price":1}', None)


def test_a_field_that_is_not_what_it_should_be_is_left_out_and_the_price_is_taken() -> None:
    quote = foreign(volume="lots", bid="1", name="\x1b[31mApple", market_state="party", extra={"a": 1}, ask=True)
    assert (quote.price, quote.volume, quote.bid, quote.ask) == (189.45, None, None, None)
    assert (quote.name, quote.market_state) == ("[31mApple", MarketState.UNKNOWN)


def test_what_others_say_of_the_day_is_taken_and_the_change_is_that_since_the_previous_close() -> None:
    quote = foreign(previous_close=188.0, change=77, volume=12.0, market_state="open", provider="mine", price_hint=3)
    assert (quote.change, quote.volume, quote.market_state) == (1.45, 12, MarketState.OPEN)
    assert (quote.provider, quote.price_hint) == ("mine", 3)


@pytest.mark.parametrize("fields", [{"seq": 3}, {"instance": "b7c1"}, {"seq": "3", "instance": "b7c1"}])
def test_a_number_of_others_counts_nothing_here(fields: dict[str, Any]) -> None:
    read = decode_published(json.dumps({"price": 1, **fields}), symbol="AAPL", provider="redis", now_ms=NOW_MS)
    assert read.instance is None
    assert not isinstance(read.quote, BoardQuote)
