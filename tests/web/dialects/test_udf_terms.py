"""What UDF calls things: sessions, kinds, names, columns; without a server."""

import json
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from bar_source import utc_midnight
from stocktrack.bars import Bar, BarInterval, midnight_ms
from stocktrack.market.shelves import zone_of
from stocktrack.quotes import normalise_symbol
from stocktrack.web.dialects.udf_terms import (
    columns,
    full_name,
    is_of_exchange,
    kind_of,
    session_of,
    timed,
    without_exchange,
)

WORKING, ALL = range(1, 6), range(1, 8)


def hours(where: str, opens: str, closes: str) -> tuple[int, int]:
    """The hours of a day, which end on the next one where they would end before they begin."""
    first, last = date(2024, 4, 4), date(2024, 4, 4 if closes > opens else 5)
    opens_at, closes_at = (
        datetime.combine(day, time.fromisoformat(text), ZoneInfo(where)).timestamp() * 1000
        for day, text in ((first, opens), (last, closes))
    )
    return round(opens_at), round(closes_at)


@pytest.mark.parametrize(
    ("where", "opens", "closes", "days", "expected"),
    [
        ("America/New_York", "09:30", "16:00", WORKING, "0930-1600"),
        ("Asia/Kolkata", "09:15", "15:30", WORKING, "0915-1530"),
        ("Asia/Riyadh", "10:00", "15:00", [7, 1, 2, 3, 4], "1000-1500:12345"),
        ("America/New_York", "18:00", "17:00", WORKING, "1800-1700"),
        ("Europe/London", "00:00", "23:59", WORKING, "0000-0000"),
        ("UTC", "00:00", "23:59", ALL, "24x7"),
    ],
)
def test_the_hours_of_trading(where: str, opens: str, closes: str, days: list[int], expected: str) -> None:
    assert session_of(hours(where, opens, closes), ZoneInfo(where), days) == expected


def test_a_market_without_hours_is_always_open() -> None:
    assert session_of(None, zone_of("UTC"), ALL) == "24x7"


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Pacific/Auckland", "Pacific/Honolulu", "UTC"])
@pytest.mark.parametrize("day", [date(2024, 3, 10), date(2024, 11, 3), date(2024, 1, 1)])
def test_a_days_bar_has_the_midnight_of_its_own_day_whatever_the_clocks_do(zone: str, day: date) -> None:
    where = ZoneInfo(zone)
    for moment in (midnight_ms(day, where), midnight_ms(day, where) + 9 * 3_600_000):
        [(time, _)] = timed([Bar(moment, 1, 1, 1, 1)], BarInterval.DAY, where)
        assert time == utc_midnight(day)
    [(time, _)] = timed([Bar(1_712_331_900_000, 1, 1, 1, 1)], BarInterval.FIVE_MINUTES, where)
    assert time == 1_712_331_900


@pytest.mark.parametrize(
    ("symbol", "told", "kind"),
    [
        ("AAPL", None, "stock"),
        ("BRK-B", None, "stock"),
        ("^GSPC", None, "index"),
        ("NSE_INDEX:NIFTY", None, "index"),
        ("EURUSD=X", None, "forex"),
        ("CL=F", None, "futures"),
        ("BTC-USD", None, "crypto"),
        ("NFO:NIFTY24APR18000CE", "CE", "option"),
        ("NFO:NIFTY24APRFUT", "FUT", "futures"),
        ("NSE:RELIANCE", "EQ", "stock"),
        ("AAPL", "something else", "stock"),
    ],
)
def test_the_kind_of_a_symbol(symbol: str, told: str | None, kind: str) -> None:
    assert kind_of(symbol, told) == kind


def test_an_exchange_before_a_name_is_no_segment() -> None:
    assert without_exchange("NASDAQ:AAPL") == "AAPL"
    assert [without_exchange(name) for name in ("AAPL", "NSE:RELIANCE", ":AAPL", "NASDAQ:")] == [None] * 4
    assert is_of_exchange("NASDAQ:AAPL", "NasdaqGS")
    assert not any(is_of_exchange(name, "NYSE") for name in ("NASDAQ:AAPL", "LSE:AAPL", "::AAPL"))
    assert not is_of_exchange("NASDAQ:AAPL", None)
    assert full_name("AAPL", "NYSE") == "NYSE:AAPL"
    assert full_name("RELIANCE.NS", "NSE") == "RELIANCE.NS"
    for exchange, name in (("Nasdaq GIDS", "NasdaqGIDS:^SOX"), ("São Paulo", "SoPaulo:^SOX"), ("東証", "^SOX")):
        assert full_name("^SOX", exchange) == name
        assert normalise_symbol(name) == name.upper()
        assert ":" not in name or is_of_exchange(name.upper(), exchange)
    assert (full_name("NSE:RELIANCE", "NSE"), full_name("AAPL", None)) == ("NSE:RELIANCE", "AAPL")


def test_columns_are_json_however_many_bars_there_are() -> None:
    bars = [(number, Bar(number * 1000, 1.5, 2.0, 1e-07, 1.75, number % 2 or None)) for number in range(2_500)]
    told = json.loads(b"".join(columns(bars)))
    assert told["t"] == list(range(2_500))
    assert (told["o"][7], told["l"][7], told["v"][:3]) == (1.5, 1e-07, [0, 1, 0])
    assert all(len(told[column]) == 2_500 for column in "tohlcv")
