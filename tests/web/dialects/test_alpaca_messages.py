import json
from typing import Any

import pytest

from fakes import NOW_MS, a_quote
from stocktrack.bars import Bar
from stocktrack.errors import Code, Reason
from stocktrack.messages import BoardQuote, Failure, Missing, Notice, Price
from stocktrack.quotes import MarketState
from stocktrack.web.dialects.alpaca_codec import JSON
from stocktrack.web.dialects.alpaca_messages import (
    CODES,
    QUOTES,
    TRADES,
    BarKind,
    bar_piece,
    error_of_message,
    errors_of_missing,
    price_piece,
)
from stocktrack.wire.lines import encode_line

MARKET_MS = NOW_MS - 60_000


def line(*, stale_reason: Any = None, **fields: Any) -> bytes:
    quote = a_quote(**{"symbol": "AAPL", "timestamp": MARKET_MS, **fields})
    return encode_line(Price.of(BoardQuote.of(quote, seq=1, stale_reason=stale_reason, retry_at=None))).rstrip()


def told(before: bytes, after: bytes, wanted: int = TRADES | QUOTES) -> list[dict[str, Any]]:
    piece = price_piece(JSON, before, after, wanted)
    read: list[dict[str, Any]] = json.loads(JSON.frame([piece] if piece else []))
    return read


def test_a_first_price_is_a_trade_without_a_size() -> None:
    assert told(b"", line()) == [{"T": "t", "S": "AAPL", "p": 100.0, "s": 0, "t": "2024-04-05T15:44:00.000Z"}]


def test_without_a_time_of_the_market_a_trade_has_that_of_its_coming() -> None:
    [trade] = told(b"", line(timestamp=None))
    assert trade["t"] == "2024-04-05T15:45:00.000Z"


def test_the_size_is_what_was_traded_since_the_price_told_before() -> None:
    first, second = line(volume=1_000), line(price=101.0, volume=1_250)
    assert told(first, second)[0]["s"] == 250
    assert told(line(), second)[0]["s"] == 0  # the volume before is not known
    assert told(second, line(price=102.0, volume=10))[0]["s"] == 0  # another day has begun


def test_a_quote_needs_both_bid_and_ask() -> None:
    assert [each["T"] for each in told(b"", line(bid=99.9))] == ["t"]
    assert [each["T"] for each in told(b"", line(ask=99.9))] == ["t"]
    assert told(b"", line(bid=99.9, ask=100.1))[1] == {
        "T": "q",
        "S": "AAPL",
        "bp": 99.9,
        "bs": 0,
        "ap": 100.1,
        "as": 0,
        "t": "2024-04-05T15:44:00.000Z",
    }


@pytest.mark.parametrize(
    ("after", "kinds"),
    [
        ({"price": 101.0}, ["t"]),
        ({"bid": 99.8}, ["q"]),
        ({"price": 101.0, "ask": 100.2}, ["t", "q"]),
        ({"stale_reason": Reason.PROVIDER_ERROR}, []),  # merely stale
        ({"currency": "EUR"}, []),
        ({"bid": None}, []),
    ],
)
def test_a_trade_and_a_quote_are_told_only_where_each_is_new(after: dict[str, Any], kinds: list[str]) -> None:
    before: dict[str, Any] = {"bid": 99.9, "ask": 100.1}
    assert [each["T"] for each in told(line(**before), line(**{**before, **after}))] == kinds


def test_who_wants_only_quotes_gets_no_trade_and_the_other_way_round() -> None:
    both = line(bid=99.9, ask=100.1)
    assert [each["T"] for each in told(b"", both, QUOTES)] == ["q"]
    assert [each["T"] for each in told(b"", both, TRADES)] == ["t"]
    assert told(b"", both, 0) == []


def test_a_price_after_hours_is_a_trade() -> None:
    late: dict[str, Any] = {"extended_price": 103.0, "extended_time": NOW_MS, "market_state": MarketState.POST}
    [trade] = told(line(), line(**late))
    assert (trade["p"], trade["t"]) == (103.0, "2024-04-05T15:45:00.000Z")


@pytest.mark.parametrize(("kind", "letter"), [(BarKind.MINUTE, "b"), (BarKind.UPDATED, "u"), (BarKind.DAY, "d")])
def test_a_bar_has_its_number_of_trades_and_their_mean_as_null(kind: BarKind, letter: str) -> None:
    piece = bar_piece(JSON, kind, "AAPL", Bar(MARKET_MS, 1.0, 2.0, 0.5, 1.5, 1_200))
    assert json.loads(piece) == {
        "T": letter,
        "S": "AAPL",
        "o": 1.0,
        "h": 2.0,
        "l": 0.5,
        "c": 1.5,
        "v": 1_200,
        "t": "2024-04-05T15:44:00.000Z",
        "n": None,
        "vw": None,
    }
    assert json.loads(bar_piece(JSON, kind, "EURUSD=X", Bar(MARKET_MS, 1.0, 2.0, 0.5, 1.5)))["v"] == 0


def test_every_reason_has_a_code_of_alpacas_unless_it_is_no_error() -> None:
    assert set(CODES) == set(Reason)
    assert {reason for reason, code in CODES.items() if code is None} == {
        reason for reason in Reason if reason.code is Code.CONTINUE
    }
    assert {code for code in CODES.values() if code is not None} == {*range(400, 408), 409, 500}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.code is not Code.CONTINUE])
def test_what_goes_wrong_is_an_error_with_our_sentence_in_it(reason: Reason) -> None:
    notice = Notice(code=reason.code, reason=reason, message="So it is.", symbols=("AAPL",))
    error = error_of_message(notice)
    assert error is not None
    assert (error["T"], error["code"]) == ("error", CODES[reason])
    assert "So it is. It is about AAPL." in error["msg"] + error.get("detail", "")


@pytest.mark.parametrize(
    ("reason", "code", "words"),
    [
        (Reason.MALFORMED_JSON, 400, "invalid syntax"),
        (Reason.NOT_AUTHENTICATED, 401, "not authenticated"),
        (Reason.BAD_CREDENTIALS, 402, "auth failed"),
        (Reason.ALREADY_AUTHENTICATED, 403, "already authenticated"),
        (Reason.AUTH_TIMEOUT, 404, "auth timeout"),
        (Reason.SLOW_CLIENT, 407, "slow client"),
    ],
)
def test_where_alpacas_words_say_it_the_message_is_just_those(reason: Reason, code: int, words: str) -> None:
    failed = Failure(type="AUTH", code=reason.code, reason=reason, message="So it is.", retryable=False)
    assert error_of_message(failed) == {"T": "error", "code": code, "msg": words, "detail": "So it is."}


def test_a_notice_of_something_good_is_no_error() -> None:
    notice = Notice(code=Code.CONTINUE, reason=Reason.PROVIDER_RESTORED, message="The source answers again.")
    assert error_of_message(notice) is None


def test_missing_symbols_are_told_by_code_and_not_all_of_many() -> None:
    missing = [Missing(symbol=f"N{number}", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL) for number in range(12)]
    limited = Missing(symbol="LATE", code=Code.TOO_MANY_REQUESTS, reason=Reason.RATE_LIMITED)
    first, second = errors_of_missing([*missing, limited])
    assert (first["code"], second["code"]) == (400, 405)
    assert first["msg"].startswith("invalid syntax: There is no price of N0. There is no price of N1.")
    assert first["msg"].endswith("N9. …")
    assert "LATE" in second["msg"]
