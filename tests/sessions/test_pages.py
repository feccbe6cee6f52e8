"""Replies that one line can't carry, and the longest ones that it must carry."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

import pytest
from pydantic import TypeAdapter

from fakes import RULES, USER, Client, a_house, a_quote
from stocktrack.bars import Adjust, Bar, BarInterval
from stocktrack.errors import Code, CommandError, Reason, StockTrackError
from stocktrack.market.feed import FoundQuotes
from stocktrack.messages import (
    MAX_REPLY_BYTES,
    BoardQuote,
    GetReply,
    HistoryReply,
    Missing,
    MyStocksReply,
    SubscribeReply,
    UnsubscribeReply,
    join_pages,
    next_page,
)
from stocktrack.quotes import MAX_SYMBOL_LENGTH
from stocktrack.sessions.pages import as_missing, behind, first_bars, first_page
from stocktrack.wire.lines import encode_line

UNKNOWN = CommandError(Reason.UNKNOWN_SYMBOL, "Nobody knows it.")


def long_symbols(count: int) -> list[str]:
    return [f"S{number:05}".ljust(MAX_SYMBOL_LENGTH, "X") for number in range(count)]


def found(symbols: Sequence[str], missing: Sequence[str] = (), *, name: str = "") -> FoundQuotes:
    quotes = {
        symbol: BoardQuote.of(a_quote(symbol, 100.0, name=name), seq=1, stale_reason=None, retry_at=None)
        for symbol in symbols
        if symbol not in missing
    }
    errors: Mapping[str, StockTrackError] = dict.fromkeys(missing, UNKNOWN)
    return FoundQuotes(quotes, errors)


# --- pages ---


def test_what_fits_is_one_page() -> None:
    page = first_page(["A", "B", "C"], found(["A", "B", "C"], missing=["B"]), MAX_REPLY_BYTES)
    assert [quote.symbol for quote in page.quotes] == ["A", "C"]
    assert [missing.symbol for missing in page.missing] == ["B"]
    assert page.more is None


@pytest.mark.parametrize("room_bytes", [500, 5_000, 20_000])
def test_pages_together_are_everything_in_its_order_and_each_fits(room_bytes: int) -> None:
    symbols = [f"S{number}" for number in range(300)]
    nowhere = {"S0", "S7", "S8", "S9", *symbols[-5:]}
    everything = found(symbols, missing=sorted(nowhere), name="ü" * 100)
    quotes: list[str] = []
    missing: list[str] = []
    after: str | None = None
    for _ in range(300):
        page = first_page(behind(symbols, after), everything, room_bytes)
        assert sum(len(quote.model_dump_json(exclude_none=True).encode()) for quote in page.quotes) <= room_bytes
        quotes += [quote.symbol for quote in page.quotes]
        missing += [each.symbol for each in page.missing]
        if page.more is None:
            break
        after = quotes[-1]
    assert quotes == [symbol for symbol in symbols if symbol not in nowhere]
    assert missing == [symbol for symbol in symbols if symbol in nowhere]


def test_a_quote_that_fits_nowhere_is_a_page_of_its_own() -> None:
    symbols = ["A", "B"]
    everything = found(symbols, name="n" * 10_000)
    first = first_page(symbols, everything, 1_000)
    assert ([quote.symbol for quote in first.quotes], first.more) == (["A"], True)
    assert [quote.symbol for quote in first_page(behind(symbols, "A"), everything, 1_000).quotes] == ["B"]


def test_nothing_begins_behind_a_symbol_that_is_not_there() -> None:
    assert behind(["A", "B"], None) == ["A", "B"]
    assert behind(["A", "B"], "B") == []
    with pytest.raises(CommandError, match="'C'"):
        behind(["A", "B"], "C")


def test_joined_pages_are_one_reply_and_another_reply_stays_what_it_is() -> None:
    first = GetReply(quotes=tuple(found(["A", "B"]).quotes.values()), missing=(), more=True)
    assert next_page(first) == {"after": "B"}
    last = GetReply(
        quotes=tuple(found(["D"]).quotes.values()),
        missing=(Missing(symbol="C", code=UNKNOWN.code, reason=UNKNOWN.reason),),
    )
    whole = join_pages(first, last)
    assert isinstance(whole, GetReply)
    assert [quote.symbol for quote in whole.quotes] == ["A", "B", "D"]
    assert [missing.symbol for missing in whole.missing] == ["C"]
    assert next_page(whole) is None
    other = UnsubscribeReply(removed=(), missing=(), symbols=())
    assert join_pages(first, other) is other
    assert next_page(other) is None


def not_offered(symbols: Sequence[str], sentence: str) -> dict[str, StockTrackError]:
    return {symbol: CommandError(Reason.NOT_OFFERED, sentence) for symbol in symbols}


def test_what_is_missing_has_a_sentence_where_its_reason_does_not_say_why() -> None:
    told = as_missing({"A": UNKNOWN, **not_offered(["B"], "B expired on 2024-04-25.")})
    assert [each.message for each in told] == [None, "B expired on 2024-04-25."]


@pytest.mark.parametrize("max_symbols", [500, 1_024, 10_000])
def test_sentences_of_very_many_are_left_out_so_that_the_line_can_hold_the_rest(max_symbols: int) -> None:
    symbols = long_symbols(max_symbols)
    told = as_missing(not_offered(symbols, "é" * 100))
    assert told[0].message is not None
    assert [each.symbol for each in told] == list(symbols)
    reply = MyStocksReply(id="\x1f" * 128, symbols=tuple(symbols), quotes=(), missing=told)
    assert len(encode_line(reply)) <= dataclasses.replace(RULES, max_symbols=max_symbols).max_reply_bytes


def test_sentences_are_counted_where_a_page_is_cut() -> None:
    symbols = [f"S{number}" for number in range(60)]
    quotes = found([symbol for symbol in symbols if int(symbol[1:]) % 2]).quotes
    missing = not_offered([symbol for symbol in symbols if symbol not in quotes], "x" * 500)
    page = first_page(symbols, FoundQuotes(quotes, missing), 20_000)
    assert page.more is True
    assert len(encode_line(GetReply(quotes=page.quotes, missing=page.missing, more=page.more))) <= 21_024


# --- over a session ---


async def all_pages(client: Client, kind: str, **fields: object) -> tuple[list[str], list[str], int]:
    """The symbols of the quotes and of what is missing, and how many pages they took."""
    quotes: list[str] = []
    missing: list[str] = []
    after: dict[str, str] = {}
    for number in range(1, 100):
        line = json.dumps({"type": kind, **fields, **after}).encode()
        answer = await client.session.receive(line)
        assert len(answer) <= MAX_REPLY_BYTES
        reply = json.loads(answer)
        assert reply["code"] == 200, reply
        quotes += [quote["symbol"] for quote in reply["quotes"]]
        missing += [each["symbol"] for each in reply["missing"]]
        if "more" not in reply:
            return quotes, missing, number
        after = {"after": quotes[-1]}
    raise AssertionError("there is no end to it")


@pytest.mark.parametrize("kind", ["GET", "MY_STOCKS"])
async def test_five_hundred_long_quotes_come_in_pages_and_none_is_lost(kind: str) -> None:
    symbols = long_symbols(500)
    async with a_house(rules=dataclasses.replace(RULES, max_symbols=500)) as house:
        client = await house.user()
        house.board.put([a_quote(symbol, 100.0, name="é" * 300) for symbol in symbols], house.clock.monotonic())
        house.accounts.lists[USER] = list(symbols)
        fields = {"symbols": symbols} if kind == "GET" else {}
        quotes, missing, pages = await all_pages(client, kind, **fields)
        assert (quotes, missing) == (symbols, [])
        assert pages > 1
        wrong = await client.command(kind, **fields, after="NOT.THERE")
        assert (wrong["code"], wrong["reason"]) == (400, "invalid_command")


# --- what was done is told, however much it was ---


@pytest.mark.parametrize("max_symbols", [500, 1_024, 1_025, 10_000])
def test_the_longest_answer_to_a_change_fits_on_a_line(max_symbols: int) -> None:
    rules = dataclasses.replace(RULES, max_symbols=max_symbols)
    symbols = tuple(long_symbols(max_symbols))
    refused = tuple(
        Missing(symbol=symbol, code=Code.TOO_MANY_REQUESTS, reason=max(Reason, key=len), retry_after_ms=2**53)
        for symbol in symbols
    )
    longest_id = "\x1f" * 128
    for reply in (
        SubscribeReply(
            id=longest_id, subscribed=symbols, already=(), pending=symbols, missing=(), symbols=symbols, interval=1.0
        ),
        SubscribeReply(
            id=longest_id, subscribed=(), already=(), pending=(), missing=refused, symbols=symbols, interval=1.0
        ),
        UnsubscribeReply(id=longest_id, removed=symbols, missing=(), symbols=symbols),
        MyStocksReply(id=longest_id, symbols=symbols, quotes=(), missing=refused),
    ):
        assert len(encode_line(reply)) <= rules.max_reply_bytes
    assert rules.max_reply_bytes == MAX_REPLY_BYTES or max_symbols > 1_024


def bars(count: int, price: float = 100.0) -> list[Bar]:
    return [Bar(1_712_331_900_000 + number * 60_000, price, price, price, price, 1_000) for number in range(count)]


@pytest.mark.parametrize("price", [1.0, 1234567.891, 0.00001234])
def test_the_oldest_bars_come_as_many_as_fit_and_hardly_fewer(price: float) -> None:
    every = bars(10_000, price)
    first = first_bars(every, 261_000)
    size = len(TypeAdapter(list[Bar]).dump_json([*first], exclude_none=True))
    assert first == every[: len(first)]
    assert 250_000 < size <= 261_000


def test_few_bars_all_come_and_one_comes_in_any_case() -> None:
    assert first_bars(bars(500), 261_000) == bars(500)
    assert first_bars([], 261_000) == []
    assert first_bars(bars(3), 10) == bars(1)


def test_bars_go_on_behind_the_last_one_of_the_same_length_and_without_a_range() -> None:
    first = HistoryReply(
        symbol="AAPL",
        interval=BarInterval.ONE_MINUTE,
        adjust=Adjust.SPLITS,
        timezone="UTC",
        provider="scripted",
        bars=tuple(bars(2)),
        more=True,
    )
    last = first.model_copy(update={"bars": tuple(bars(4)[2:]), "more": False})
    assert next_page(first) == {"range": None, "start": bars(2)[-1].time + 1, "interval": BarInterval.ONE_MINUTE}
    whole = join_pages(first, last)
    assert isinstance(whole, HistoryReply)
    assert (whole.bars, whole.more) == (tuple(bars(4)), False)
    assert next_page(whole) is None
