from collections.abc import Sequence
from datetime import date

import pytest

from kite_instruments import an_instrument
from stocktrack.providers.instrument_file import Instrument
from stocktrack.providers.instrument_search import InstrumentSearch
from stocktrack.segments import SEGMENT_WORDS, Segment

TODAY = date(2024, 4, 10)
APRIL, MAY, MARCH = date(2024, 4, 25), date(2024, 5, 30), date(2024, 3, 28)


def contract(symbol: str, root: str, expiry: date, kind: str, strike: float | None = None) -> Instrument:
    segment = Segment(symbol.partition(":")[0])
    return an_instrument(symbol, segment, root, strike=strike, expiry=expiry, type=kind)


INSTRUMENTS = (
    contract("NFO:RELIANCE24MAYFUT", "RELIANCE", MAY, "FUT"),
    contract("NFO:RELIANCE24MARFUT", "RELIANCE", MARCH, "FUT"),
    contract("NFO:RELIANCE24APR3000CE", "RELIANCE", APRIL, "CE", 3000.0),
    contract("NFO:RELIANCE24APR2900PE", "RELIANCE", APRIL, "PE", 2900.0),
    contract("NFO:RELIANCE24APR2900CE", "RELIANCE", APRIL, "CE", 2900.0),
    contract("NFO:RELIANCE24APRFUT", "RELIANCE", APRIL, "FUT"),
    contract("BFO:RELIANCE24APRFUT", "RELIANCE", APRIL, "FUT"),
    contract("MCX:GOLD24JUNFUT", "GOLD", date(2024, 6, 5), "FUT"),
    an_instrument("NSE:RELIANCE", Segment.NSE, "Reliance Industries", type="EQ"),
    an_instrument("BSE:RELIANCE", Segment.BSE, "Reliance Industries Ltd.", type="EQ"),
    an_instrument("NSE:RELINFRA", Segment.NSE, "Reliance Infrastructure", type="EQ"),
    an_instrument("NSE:SBIN", Segment.NSE, "State Bank of India", type="EQ"),
    an_instrument("NSE:SBICARD", Segment.NSE, "SBI Cards", type="EQ"),
    an_instrument("NSE:BANKINDIA", Segment.NSE, "Bank of India", type="EQ"),
    an_instrument("NSE:NAM", Segment.NSE, "Nippon “Life” Ströme", type="EQ"),
    an_instrument("GOLD", None, "Spot gold", source="finnhub"),
)


def found(query: str, segment: str | None = None, *, limit: int = 20, today: date = TODAY) -> Sequence[str]:
    wanted = SEGMENT_WORDS[segment] if segment else None
    return [each.symbol for each in InstrumentSearch(INSTRUMENTS).find(query, limit, today, wanted)]


def test_what_is_called_so_comes_first_then_its_contracts_by_expiry_then_what_begins_so_then_words() -> None:
    assert found("reliance") == [
        *("NSE:RELIANCE", "BSE:RELIANCE"),
        *("NFO:RELIANCE24APRFUT", "BFO:RELIANCE24APRFUT"),
        *("NFO:RELIANCE24APR2900CE", "NFO:RELIANCE24APR2900PE", "NFO:RELIANCE24APR3000CE", "NFO:RELIANCE24MAYFUT"),
        "NFO:RELIANCE24MARFUT",  # it has expired
        "NSE:RELINFRA",
    ]
    assert found("RELIANCE", limit=3) == found("RELIANCE")[:3]


@pytest.mark.parametrize(
    ("segment", "symbols"),
    [
        ("C", ["NSE:RELIANCE", "NSE:RELINFRA"]),
        ("BSE_EQ", ["BSE:RELIANCE"]),
        ("F", ["NFO:RELIANCE24APRFUT", "NFO:RELIANCE24MAYFUT", "NFO:RELIANCE24MARFUT"]),
        ("O", ["NFO:RELIANCE24APR2900CE", "NFO:RELIANCE24APR2900PE", "NFO:RELIANCE24APR3000CE"]),
        ("BFO", ["BFO:RELIANCE24APRFUT"]),
        ("MCX", []),
    ],
)
def test_only_what_is_of_the_segment_is_found_in_it(segment: str, symbols: list[str]) -> None:
    assert found("RELIANCE", segment) == symbols


def test_a_contract_is_listed_last_from_the_day_after_its_expiry() -> None:
    assert found("RELIANCE", "F", today=APRIL)[0] == "NFO:RELIANCE24APRFUT"
    assert found("RELIANCE", "F", today=date(2024, 4, 26)) == [
        *("NFO:RELIANCE24MAYFUT", "NFO:RELIANCE24MARFUT", "NFO:RELIANCE24APRFUT"),
    ]


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("bank india", ["NSE:BANKINDIA", "NSE:SBIN"]),
        ("india  bank", ["NSE:BANKINDIA", "NSE:SBIN"]),
        ("sbi", ["NSE:SBICARD", "NSE:SBIN"]),
        ("ndia", ["NSE:BANKINDIA"]),  # in the symbol; in the middle of a name's word it is nothing
        ("reliance 2900 pe", ["NFO:RELIANCE24APR2900PE"]),
        ("24APR3000", ["NFO:RELIANCE24APR3000CE"]),
        ("ströme", ["NSE:NAM"]),
        ("gold", ["GOLD", "MCX:GOLD24JUNFUT"]),
        ("zebra", []),
        ("\u00a0", []),
        ("Reliance Industries", ["NSE:RELIANCE", "BSE:RELIANCE"]),
        ("a b c d e f g h i j k l m n", []),
    ],
)
def test_words_are_looked_for_in_names_and_symbols(query: str, symbols: list[str]) -> None:
    assert found(query) == symbols


def test_no_instruments_are_found_nowhere() -> None:
    assert list(InstrumentSearch().find("A", 10, TODAY)) == []
