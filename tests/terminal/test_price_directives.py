from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from stocktrack.errors import Reason
from stocktrack.messages import BoardQuote
from stocktrack.terminal.price_directives import DirectiveFormat, commodity, directives

NEW_YORK = ZoneInfo("America/New_York")


def quote(symbol: str, price: float, currency: str | None = "USD", at: str = "2024-02-09T21:00:00Z") -> BoardQuote:
    moment = int(datetime.fromisoformat(at).timestamp() * 1000)
    return BoardQuote(
        symbol=symbol, price=price, currency=currency, timestamp=moment, received_at=moment + 1, provider="x", seq=1
    )


def only_line(told: BoardQuote, form: DirectiveFormat, zone: str = "UTC") -> str:
    [line] = directives([told], {told.symbol: ZoneInfo(zone)}, form).lines
    return line


def test_a_price_is_a_directive_of_each_kind() -> None:
    told = quote("AAPL", 189.45)
    assert only_line(told, "beancount", "America/New_York") == "2024-02-09 price AAPL 189.45 USD"
    assert only_line(told, "ledger", "America/New_York") == "P 2024/02/09 16:00:00 AAPL 189.45 USD"


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("America/New_York", "2024-02-10T00:30:00Z", "2024-02-09"),
        ("Australia/Sydney", "2024-02-08T23:30:00Z", "2024-02-09"),  # ten in the morning there
        ("Asia/Kolkata", "2024-02-08T18:29:59Z", "2024-02-08"),
        ("Asia/Kolkata", "2024-02-08T18:30:00Z", "2024-02-09"),
        ("UTC", "2024-02-29T23:59:59Z", "2024-02-29"),
    ],
)
def test_the_day_is_that_at_the_exchange(zone: str, at: str, day: str) -> None:
    assert only_line(quote("X.AX", 5.0, "AUD", at), "beancount", zone).startswith(f"{day} price ")
    assert only_line(quote("X.AX", 5.0, "AUD", at), "ledger", zone).startswith(f"P {day.replace('-', '/')} ")


def test_a_stale_price_keeps_its_day_and_one_without_a_time_has_that_of_its_coming() -> None:
    stale = quote("AAPL", 189.45, at="2023-12-29T21:00:00Z").model_copy(
        update={"stale": True, "stale_reason": Reason.PROVIDER_ERROR, "received_at": 1_800_000_000_000}
    )
    assert only_line(stale, "beancount").startswith("2023-12-29 ")
    timeless = quote("AAPL", 189.45, at="2024-02-09T21:00:00Z").model_copy(update={"timestamp": None})
    assert only_line(timeless, "beancount").startswith("2024-02-09 ")


@pytest.mark.parametrize(
    ("price", "currency", "money"),
    [
        (445.6, "GBp", "4.456 GBP"),
        (68.22, "GBX", "0.6822 GBP"),
        (0.1, "GBp", "0.001 GBP"),
        (2890.0, "ZAc", "28.9 ZAR"),
        (1234.5, "ILA", "12.345 ILS"),
        (512.0, "KWF", "0.512 KWD"),  # fils are thousandths
        (585.25, "USX", "5.8525 USD"),
        (-37.63, "USD", "-37.63 USD"),
        (100.0, "USD", "100 USD"),
        (1e-08, "USD", "0.00000001 USD"),
        (1e21, "IDR", "1000000000000000000000 IDR"),
        (0.30000000000000004, "USD", "0.30000000000000004 USD"),
    ],
)
def test_money_is_exact_and_in_the_whole_currency(price: float, currency: str, money: str) -> None:
    for form in ("beancount", "ledger"):
        assert only_line(quote("CL=F", price, currency), form).endswith(f" {money}")


@pytest.mark.parametrize(
    ("symbol", "currency", "beancount", "ledger"),
    [
        ("AAPL", "USD", "AAPL", "AAPL"),
        ("F", "USD", "F", "F"),
        ("BRK-B", "USD", "BRK-B", '"BRK-B"'),
        ("VOD.L", "GBp", "VOD.L", '"VOD.L"'),
        ("^GSPC", "USD", "GSPC", '"^GSPC"'),
        ("0700.HK", "HKD", "X0700.HK", '"0700.HK"'),
        ("NSE:M&M", "INR", "NSE-M-M", '"NSE:M&M"'),
        ("CL=F", "USD", "CL-F", '"CL=F"'),
        ("EURUSD=X", "USD", "EUR", "EUR"),
        ("EUR=X", "EUR", "USD", "USD"),
        ("EURUSD=X", None, "EURUSD-X", '"EURUSD=X"'),  # it may be in anything
        ("BTC-USD", "USD", "BTC", "BTC"),
        ("BTC-USD", "EUR", "BTC-USD", '"BTC-USD"'),
        ("1INCH-USD", "USD", "X1INCH", '"1INCH"'),
        ("NFO:NIFTY28MAR2420800CE", "INR", "NFO-NIFTY28MAR2420800CE", '"NFO:NIFTY28MAR2420800CE"'),
        ("BSE_INDEX:BSEFASTMOVINGCONSUMERGOODS", "INR", None, '"BSE_INDEX:BSEFASTMOVINGCONSUMERGOODS"'),
        ("^", "USD", None, '"^"'),
    ],
)
def test_a_symbol_gets_a_name_that_the_program_takes(
    symbol: str, currency: str | None, beancount: str | None, ledger: str
) -> None:
    assert commodity(symbol, currency, "beancount") == beancount
    assert commodity(symbol, currency, "ledger") == ledger


def test_what_is_called_otherwise_is_told_and_what_has_no_name_is_refused() -> None:
    written = directives([quote("^GSPC", 5026.6), quote("AAPL", 1.0), quote("^", 1.0)], {}, "beancount")
    assert written.renamed == {"^GSPC": "GSPC"}
    assert len(written.lines) == 2
    assert written.refused == ("^: nothing of it can be the name of a commodity in beancount.",)
    assert directives([quote("^GSPC", 5026.6)], {}, "ledger").renamed == {}


def test_two_symbols_never_share_a_name() -> None:
    written = directives([quote("^GSPC", 5026.6), quote("GSPC", 3.0)], {}, "beancount")
    assert written.lines == ("2024-02-09 price GSPC 5026.6 USD",)
    assert written.refused == ("GSPC: it would be called GSPC, as ^GSPC is.",)


@pytest.mark.parametrize("currency", [None, "XXx", "usd", "US D", 'USD"', "U\nD", ""])
def test_a_price_in_no_currency_that_is_known_is_refused(currency: str | None) -> None:
    for form in ("beancount", "ledger"):
        written = directives([quote("AAPL", 1.0, currency)], {}, form)
        assert (written.lines, len(written.refused)) == ((), 1)
        assert written.refused[0].startswith("AAPL: its ")


def test_without_a_zone_the_day_is_that_of_utc() -> None:
    told = quote("AAPL", 1.0, at="2024-02-10T00:30:00Z")
    assert directives([told], {}, "beancount").lines == directives([told], {"AAPL": UTC}, "beancount").lines
