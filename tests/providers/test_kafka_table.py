import json
from dataclasses import dataclass
from typing import Any

import pytest

from sink_quotes import a_board_quote
from stocktrack.messages import BoardQuote
from stocktrack.providers.kafka.table import Table
from stocktrack.providers.published import encode_published
from stocktrack.quotes import Quote

NOW_MS = 1_712_331_900_000


@dataclass(frozen=True, slots=True)
class Message:
    key: bytes | None
    value: bytes | None
    timestamp: int = NOW_MS


def ours(symbol: str, seq: int, instance: str = "b7c1", *, at: int = NOW_MS) -> Message:
    return Message(symbol.encode(), encode_published(a_board_quote(symbol, seq), instance), at)


def theirs(symbol: str | None, price: float, *, key: bytes | None = None, **fields: Any) -> Message:
    return Message(key, json.dumps({"symbol": symbol, "price": price, **fields}).encode())


def seqs(table: Table, *messages: Message) -> list[int]:
    return [quote.seq for quote in table.take(messages, NOW_MS) if isinstance(quote, BoardQuote)]


@pytest.fixture
def table() -> Table:
    return Table("kafka")


def test_ours_are_relayed_as_they_stood_on_the_board_they_come_from(table: Table) -> None:
    assert table.take([ours("AAPL", 7)], NOW_MS) == [a_board_quote("AAPL", 7)]
    assert table.get("AAPL") == a_board_quote("AAPL", 7)


def test_what_others_publish_needs_no_key_and_no_more_than_a_price(table: Table) -> None:
    table.take([theirs("aapl", 189.45), theirs("MSFT", 400.0, key=b""), theirs("TSLA", 170.0, key=b"tsla")], NOW_MS)

    quote = table.get("AAPL")
    assert isinstance(quote, Quote)
    assert (quote.price, quote.provider, quote.received_at) == (189.45, "kafka", NOW_MS)
    assert [table.get(symbol) is not None for symbol in ("MSFT", "TSLA")] == [True, True]


def test_a_quote_that_was_written_twice_or_late_is_no_step_back(table: Table) -> None:
    assert seqs(table, ours("AAPL", 5), ours("AAPL", 4), ours("AAPL", 6)) == [5, 6]


def test_a_publisher_that_was_restarted_counts_on_above_what_was_told(table: Table) -> None:
    assert seqs(table, ours("AAPL", 500), ours("AAPL", 1, "new"), ours("AAPL", 3, "new")) == [500, 501, 503]
    assert seqs(table, ours("AAPL", 900, "newer"), ours("AAPL", 901, "newer")) == [900, 901]


def test_an_older_record_of_another_instance_out_of_another_partition_takes_no_place(table: Table) -> None:
    assert seqs(table, ours("AAPL", 3, "new", at=NOW_MS), ours("AAPL", 500, "old", at=NOW_MS - 1)) == [3]


def test_what_others_publish_is_ordered_by_the_time_of_the_market(table: Table) -> None:
    newer = theirs("AAPL", 2.0, timestamp=1_712_331_900_000)
    older = theirs("AAPL", 1.0, timestamp=1_712_331_800_000)
    table.take([newer, older], NOW_MS)

    quote = table.get("AAPL")
    assert quote is not None
    assert quote.price == 2.0


def test_a_key_that_was_deleted_is_no_symbol_any_more(table: Table) -> None:
    table.take([ours("AAPL", 1), Message(b"AAPL", None), Message(None, None)], NOW_MS)

    assert table.get("AAPL") is None
    assert table.dropped.total() == 0


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (Message(b"AAPL", b"no JSON"), "json"),
        (Message(b"AAPL", b"[1]"), "json"),
        (Message(b"AAPL", b"\xff\xfe"), "json"),
        (Message(b"AAPL", b""), "json"),
        (Message(b"AAPL", b'{"symbol":"AAPL"}'), "price"),
        (Message(b"AAPL", b'{"symbol":"AAPL","price":NaN}'), "price"),
        (Message(b"AAPL", b'{"symbol":"MSFT","price":1}'), "symbol"),
        (Message(b"\xc3\xa9", b'{"symbol":"AAPL","price":1}'), "symbol"),
        (Message(None, b'{"price":1}'), "symbol"),
        (Message(b"AAPL", b'{"symbol":"AAPL","price":1,"x":"' + b"x" * 1_000_000 + b'"}'), "size"),
    ],
)
def test_a_record_that_is_no_quote_is_dropped_and_counted(table: Table, message: Message, why: str) -> None:
    table.take([ours("AAPL", 1)], NOW_MS)

    assert table.take([message], NOW_MS) == []
    assert dict(table.dropped) == {why: 1}
    assert table.get("AAPL") == a_board_quote("AAPL", 1)


def test_of_what_was_there_before_only_the_newest_of_each_key_is_looked_into(table: Table) -> None:
    poison = [Message(b"AAPL", b"no JSON") for _ in range(100)]
    table.take_newest([*poison, ours("AAPL", 1), ours("AAPL", 2), theirs("MSFT", 5.0)], NOW_MS)

    assert (table.get("AAPL"), table.dropped.total()) == (a_board_quote("AAPL", 2), 0)
    assert table.get("MSFT") is not None


def test_where_the_newest_is_no_quote_the_one_before_it_counts(table: Table) -> None:
    table.take_newest([ours("AAPL", 1), Message(b"AAPL", b"no JSON")], NOW_MS)
    assert (table.get("AAPL"), dict(table.dropped)) == (a_board_quote("AAPL", 1), {"json": 1})

    table.take_newest([ours("AAPL", 2), Message(b"AAPL", None)], NOW_MS)
    assert table.get("AAPL") is None


def test_symbols_are_bounded(table: Table) -> None:
    table = Table("kafka", most_symbols=3)
    table.take([theirs(f"S{n}", 1.0) for n in range(10)], NOW_MS)

    assert (len(table), table.dropped["full"]) == (3, 7)
    assert table.get("S9") is not None


def test_a_clock_of_others_that_is_ahead_says_nothing_of_when_something_was_written(table: Table) -> None:
    table.take([ours("AAPL", 1, at=NOW_MS + 10**9)], NOW_MS)

    assert table.written_at == NOW_MS
