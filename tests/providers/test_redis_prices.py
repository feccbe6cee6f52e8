import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import NOW_MS
from stocktrack.clock import ManualClock
from stocktrack.messages import BoardQuote
from stocktrack.providers.published import Unreadable, decode_published, encode_published
from stocktrack.providers.redis.prices import Prices
from stocktrack.quotes import Quote


def of_others(price: Any, **fields: Any) -> bytes:
    """What any program publishes."""
    return json.dumps({"symbol": "AAPL", "price": price, **fields}).encode()


def of_feed(price: float, seq: int, *, instance: str = "b7c1", **fields: Any) -> bytes:
    """What a feed publishes."""
    given: dict[str, Any] = {"received_at": NOW_MS, "provider": "yahoo", **fields}
    return encode_published(BoardQuote(symbol="AAPL", price=price, seq=seq, **given), instance)


@pytest.fixture
def prices() -> Prices:
    return Prices("redis", ManualClock(NOW_MS))


def taken(prices: Prices, *payloads: bytes, has_feed: bool = True) -> list[Quote | None]:
    return [prices.read("AAPL", payload, has_feed=has_feed) for payload in payloads]


def seqs(quotes: list[Quote | None]) -> list[int]:
    return [quote.seq for quote in quotes if isinstance(quote, BoardQuote)]


# --- order -------------------------------------------------------------------------------------------------------


def test_what_others_publish_is_numbered_by_its_own_time_the_same_on_every_server(prices: Prices) -> None:
    messages = [of_others(1.0 + number, timestamp=NOW_MS - 100 + number) for number in range(3)]
    late = Prices("redis", ManualClock(NOW_MS + 5_000))

    assert seqs(taken(prices, *messages)) == [NOW_MS - 100, NOW_MS - 99, NOW_MS - 98]
    assert seqs(taken(late, messages[-1])) == [NOW_MS - 98]


def test_an_older_time_is_dropped_an_equal_one_is_taken_and_none_is_now(prices: Prices) -> None:
    first, equal, older, timeless = taken(
        prices,
        of_others(1.0, timestamp=NOW_MS - 10),
        of_others(2.0, timestamp=NOW_MS - 10),
        of_others(3.0, timestamp=NOW_MS - 11),
        of_others(4.0),
    )
    assert older is None
    assert seqs([first, equal, timeless]) == [NOW_MS - 10, NOW_MS - 9, NOW_MS]
    assert prices.dropped == {"older": 1}


def test_a_time_that_is_yet_to_come_does_not_hold_up_what_comes_after_it(prices: Prices) -> None:
    poisoned, good = taken(prices, of_others(1.0, timestamp=NOW_MS + 10**10), of_others(2.0, timestamp=NOW_MS - 5))
    assert poisoned is not None
    assert poisoned.timestamp is None
    assert good is not None
    assert (good.price, good.timestamp) == (2.0, NOW_MS - 5)
    assert seqs([poisoned, good]) == [NOW_MS, NOW_MS + 1]


def test_a_feeds_quotes_are_ordered_by_their_seq_alone(prices: Prices) -> None:
    messages = of_feed(1.0, 10), of_feed(2.0, 12, timestamp=NOW_MS - 99), of_feed(3.0, 11), of_feed(4.0, 13)
    assert seqs(taken(prices, *messages)) == [10, 12, 13]
    assert prices.dropped == {"older": 1}


def test_a_feed_of_another_instance_goes_on_above_whatever_it_counts_from(prices: Prices) -> None:
    quotes = taken(
        prices,
        of_feed(1.0, 1_000),
        of_feed(2.0, 5, instance="new"),
        of_feed(3.0, 6, instance="new"),
        of_feed(4.0, 5, instance="new"),
        of_feed(5.0, 9_000, instance="newer"),
    )
    assert seqs(quotes) == [1_000, 1_001, 1_002, 9_000]
    assert quotes[3] is None


def test_what_others_publish_beside_a_feed_has_no_number_of_its_own_while_it_is_there(prices: Prices) -> None:
    fed, beside, fed_again = taken(prices, of_feed(1.0, 10), of_others(2.0), of_feed(3.0, 11))
    assert isinstance(fed, BoardQuote)
    assert beside is not None
    assert not isinstance(beside, BoardQuote)
    assert isinstance(fed_again, BoardQuote)
    assert fed_again.seq == 11
    (alone,) = taken(prices, of_others(4.0), has_feed=False)
    assert isinstance(alone, BoardQuote)
    assert alone.seq > 11


def test_the_same_message_again_is_no_news_and_confirms_what_is_of_others() -> None:
    clock = ManualClock(NOW_MS)
    prices = Prices("redis", clock)
    (first,) = taken(prices, of_others(1.0))
    clock.stand_still(3)
    (again,) = taken(prices, of_others(1.0))
    assert first is not None
    assert again is not None
    assert (again.received_at, again.price) == (NOW_MS + 3_000, 1.0)
    assert seqs([first, again]) == [NOW_MS, NOW_MS]


def test_of_several_the_newest_that_is_a_quote_counts(prices: Prices) -> None:
    payloads = [of_others(1.0), of_others(2.0), b"poison", b"{}", of_others("x")]
    newest = prices.newest_of("AAPL", payloads, has_feed=False)
    assert newest is not None
    assert newest.price == 2.0
    assert prices.payload("AAPL") == payloads[1]


def test_what_nobody_wants_any_more_is_forgotten_once_it_is_much(prices: Prices) -> None:
    for number in range(1_200):
        prices.read(f"S{number}", b'{"price":1}', has_feed=False)
    prices.keep({"S1", "S2"})
    assert [symbol for symbol in ("S1", "S2", "S3") if prices.held(symbol) is not None] == ["S1", "S2"]


# --- poison ------------------------------------------------------------------------------------------------------

POISON = {
    "nothing": (b"", "json"),
    "no JSON": (b"189.45 USD", "json"),
    "no UTF-8": (b'{"price":1,"name":"\xff\xfe"}', "json"),
    "half": (b'{"symbol":"AAPL","price":18', "json"),
    "a list": (b"[1]", "json"),
    "a number": (b"189.45", "json"),
    "null": (b"null", "json"),
    "deep": (b"[" * 60_000, "json"),
    "deep in it": (b'{"price":' + b"[" * 60_000, "json"),
    "a megabyte": (of_others(1.0, name="x" * 1_000_000), "size"),
    "a number without end": (b'{"price":' + b"9" * 5_000 + b"}", "json"),
    "no price": (b'{"symbol":"AAPL"}', "price"),
    "null price": (of_others(None), "price"),
    "text price": (of_others("189.45"), "price"),
    "true price": (of_others(True), "price"),
    "list price": (of_others([1]), "price"),
    "NaN": (b'{"price":NaN}', "price"),
    "Infinity": (b'{"price":Infinity}', "price"),
    "1e999": (b'{"price":1e999}', "price"),
    "10**400": (b'{"price":1' + b"0" * 400 + b"}", "price"),
    "zero": (of_others(0), "price"),
    "negative": (of_others(-1.5), "price"),
    "another symbol": (b'{"symbol":"MSFT","price":1}', "symbol"),
    "a number for a symbol": (b'{"symbol":1,"price":1}', "symbol"),
    "a list for a symbol": (b'{"symbol":["AAPL"],"price":1}', "symbol"),
    "no symbol at all": (b'{"symbol":"","price":1}', "symbol"),
    "a long symbol": (b'{"symbol":"' + b"A" * 60_000 + b'","price":1}', "symbol"),
    "null symbol": (b'{"symbol":null,"price":1}', "symbol"),
}


@pytest.mark.parametrize("kind", POISON)
def test_poison_is_dropped_and_counted_and_takes_the_place_of_nothing(prices: Prices, kind: str) -> None:
    payload, why = POISON[kind]
    taken(prices, of_others(189.45))

    assert taken(prices, payload) == [None]
    assert prices.dropped == {why: 1}
    held = prices.held("AAPL")
    assert held is not None
    assert held.price == 189.45


@pytest.mark.parametrize(
    "fields",
    [
        {"seq": 10**30},
        {"seq": -1},
        {"seq": True},
        {"seq": "7"},
        {"seq": 1.5},
        {"instance": ""},
        {"instance": "x" * 33},
        {"instance": 7},
        {"received_at": 10**40},
        {"received_at": -5},
        {"timestamp": 10**17},
        {"volume": 10**40},
        {"provider": "x" * 500},
        {"provider": ""},
        {"stale_reason": "because"},
    ],
)
def test_what_claims_to_be_a_feeds_and_cannot_be_is_read_as_anybodys(fields: dict[str, Any]) -> None:
    own = {**json.loads(of_feed(1.0, 7)), **fields}
    read = decode_published(json.dumps(own), symbol="AAPL", provider="redis", now_ms=NOW_MS)
    assert read.instance is None
    assert not isinstance(read.quote, BoardQuote)
    assert read.quote.price == 1.0


def test_what_would_obey_a_terminal_is_taken_out_of_a_feeds_texts_too() -> None:
    payload = of_feed(1.0, 7, name="\x1b[2JApple\u202e", exchange="N\nMS", currency="USD")
    quote = decode_published(payload, symbol="AAPL", provider="redis", now_ms=NOW_MS).quote
    assert "\x1b" not in f"{quote.name}{quote.exchange}"
    assert "\u202e" not in str(quote.name)
    assert "\n" not in str(quote.exchange)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(NOW_MS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*BoardQuote.model_fields, "instance"])


# The first example imports what the later ones do not.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(names, anything), st.booleans())
def test_whatever_is_published_is_a_quote_that_can_be_handed_on_or_is_dropped(
    fields: dict[str, Any], as_feed: bool
) -> None:
    payload = json.dumps({**(json.loads(of_feed(1.0, 7)) if as_feed else {}), **fields}).encode()
    try:
        read = decode_published(payload, symbol="AAPL", provider="redis", now_ms=NOW_MS)
    except Unreadable:
        return  # `prices.dropped` counts it, as the next test says
    type(read.quote).model_validate(read.quote.__dict__, strict=True)
    assert read.quote.symbol == "AAPL"
    again = json.loads(read.quote.model_dump_json())
    assert again["price"] == read.quote.price


@given(st.binary(max_size=200))
def test_whatever_bytes_come_none_is_a_crash(payload: bytes) -> None:
    prices = Prices("redis", ManualClock(NOW_MS))
    if prices.read("AAPL", payload, has_feed=False) is None:
        assert sum(prices.dropped.values()) == 1
