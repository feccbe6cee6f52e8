"""Instrument files of both kinds, and what a file may have wrong."""

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kite_instruments import HEADER, an_instrument, write_instruments
from stocktrack.errors import ConfigError
from stocktrack.providers.instrument_file import InstrumentFile, read_instruments
from stocktrack.segments import Segment

KITES = f"""{HEADER}
738561,2885,RELIANCE,"RELIANCE INDUSTRIES",0,,0,0.05,1,EQ,NSE,NSE
519937,2031,M&M,"MAHINDRA & MAHINDRA",0,,0,0.05,1,EQ,NSE,NSE
128083204,500325,RELIANCE,"RELIANCE INDUSTRIES LTD.",0,,0,0.05,1,EQ,BSE,BSE
256265,1001,NIFTY 50,"NIFTY 50",0,,0,0,0,EQ,INDICES,NSE
265,1,SENSEX,"BSE SENSEX",0,,0,0,0,EQ,INDICES,BSE
12073986,47164,RELIANCE24APRFUT,"RELIANCE",0,2024-04-25,0,0.05,250,FUT,NFO-FUT,NFO
9069058,35426,NIFTY24APR18000CE,"NIFTY",0,2024-04-25,18000,0.05,50,CE,NFO-OPT,NFO
412675,1612,USDINR24APR83.25PE,"USDINR",0,2024-04-26,83.25,0.0025,1,PE,CDS-OPT,CDS
111,222,GOLD24JUNFUT,"GOLD",0,2024-06-05,0,1,1,FUT,MCX-FUT,MCX
"""
OPTION: dict[str, Any] = {"expiry": date(2024, 4, 25), "type": "CE", "lot": 50, "tick": 0.05}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "instruments.csv"


def read(path: Path, content: str | bytes) -> InstrumentFile:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_instruments(path)


def test_kites_file_is_taken_as_it_comes(path: Path) -> None:
    file = read(path, KITES)
    assert (file.skipped, file.first_skipped) == (0, ())
    assert list(file.rows) == [
        *("NSE:RELIANCE", "NSE:M&M", "BSE:RELIANCE", "NSE_INDEX:NIFTY", "BSE_INDEX:SENSEX", "NFO:RELIANCE24APRFUT"),
        *("NFO:NIFTY24APR18000CE", "CDS:USDINR24APR83.25PE", "MCX:GOLD24JUNFUT"),
    ]
    share: dict[str, Any] = {"exchange": "NSE", "type": "EQ", "lot": 1, "tick": 0.05}
    assert file.rows["NSE:RELIANCE"] == an_instrument("NSE:RELIANCE", Segment.NSE, "RELIANCE INDUSTRIES", **share)
    index: dict[str, Any] = {"exchange": "NSE", "type": "IDX"}
    assert file.rows["NSE_INDEX:NIFTY"] == an_instrument("NSE_INDEX:NIFTY", Segment.NSE_INDEX, "NIFTY 50", **index)
    assert file.rows["NFO:NIFTY24APR18000CE"] == an_instrument(
        "NFO:NIFTY24APR18000CE", Segment.NFO, "NIFTY", exchange="NFO", strike=18000.0, **OPTION
    )
    assert file.rows["NFO:RELIANCE24APRFUT"].strike is None
    assert file.rows["CDS:USDINR24APR83.25PE"].strike == 83.25


def test_kites_file_may_be_compressed_and_passed_through_other_programs(path: Path) -> None:
    plain = read(path, KITES)
    assert read(path, gzip.compress(KITES.encode())) == plain
    assert read(path, b"\xef\xbb\xbf" + KITES.replace("\n", "\r\n").encode()) == plain
    by_columns = [line.split(",") for line in KITES.splitlines()]
    turned = "\n".join(";".join(reversed(row)) for row in by_columns)
    assert read(path, turned).rows.keys() == plain.rows.keys()
    # A data frame writes its index before each row, and numbers with a fraction.
    framed = "\n".join(f"{index or ''},{line}" for index, line in enumerate(KITES.splitlines()))
    assert read(path, framed.replace(",50,CE", ",50.0,CE")) == plain


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('1,1,S&P BSE (TOP),"TOP",0,,0,0,0,EQ,INDICES,BSE', "'BSE_INDEX:S&PBSE(TOP)' is not a symbol"),
        ("1,1,GIFT NIFTY,,0,,0,0,0,EQ,INDICES,NSEIX", "exchange 'NSEIX' is none that is known here"),
        ("1,1,10.5HL(B),,0,,0,0.01,1,EQ,BSE,BSE", "'BSE:10.5HL(B)' is not a symbol"),
        (f"1,1,{'X' * 45},,0,,0,0.01,1,EQ,BSE,BSE", "is not a symbol: 1 to 48 characters"),
        ("1,1,infy,,0,,0,0.01,1,EQ,NSE,NSE", "'NSE:infy' has small letters"),
        ("1,1,,,0,,0,0.01,1,EQ,NSE,NSE", "it has no tradingsymbol"),
        ("1,1,AB,,0,,0,0.01,1,EQ,NYSE,NYSE", "exchange 'NYSE' is none that is known here"),
        ("1,1,AB24APRFUT,AB,0,25-04-2024,0,0.01,1,FUT,NFO-FUT,NFO", "expiry '25-04-2024' is no day such as 2024-04-25"),
        ("1,1,AB24APR1CE,AB,0,2024-04-25,many,0.01,1,CE,NFO-OPT,NFO", "strike 'many' is no number"),
        ("1,1,AB24APR1CE,AB,0,2024-04-25,nan,0.01,1,CE,NFO-OPT,NFO", "strike 'nan' is no number"),
        ("1,1,AB24APR1CE,AB,0,2024-04-25,18_000,0.01,1,CE,NFO-OPT,NFO", "strike '18_000' is no number"),
        ("1,1,AB24APR1CE,AB,0,2024-04-25,-,0.01,1,CE,NFO-OPT,NFO", "strike '-' is no number"),
        ("1,1,AB,,0,,0,0.01,-5,EQ,NSE,NSE", "lot '-5' is no count"),
        ("1,1,AB,,0,,0,0.01,1e30,EQ,NSE,NSE", "lot '1e30' is no count"),
        ("1,1,AB,,0,,0,-0.01,1,EQ,NSE,NSE", "tick '-0.01' is below zero"),
        ("1,1,AB,A, B and C,0,,0,0.01,1,EQ,NSE,NSE", "it has 13 fields, and the header has 12"),
        ("1,1,AB", "exchange '' is none"),
        ("738561,2885,RELIANCE,,0,,0,0.05,1,EQ,NSE,NSE", "NSE:RELIANCE is there already"),
        ("1,1,AB\xff\x00,,0,,0,0.05,1,EQ,NSE,NSE", "is not a symbol"),
    ],
)
def test_a_bad_row_is_left_out_counted_and_told_with_its_line(path: Path, row: str, why: str) -> None:
    file = read(path, f"{KITES}{row}\n1,1,LAST,,0,,0,0.05,1,EQ,NSE,NSE\n")
    assert file.skipped == 1
    [told] = file.first_skipped
    assert told.startswith("line 11: ")
    assert why in told
    assert len(file.rows) == 10
    assert "NSE:LAST" in file.rows


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("NIFTY FIN SERVICE", "NSE_INDEX:FINNIFTY"),
        ("NIFTY MID SELECT", "NSE_INDEX:MIDCPNIFTY"),
        ("NIFTY NEXT 50", "NSE_INDEX:NIFTYNXT50"),
        ("NIFTY MIDCAP 100", "NSE_INDEX:NIFTYMIDCAP100"),
        ("HANGSENG BEES-NAV", "NSE_INDEX:HANGSENGBEESNAV"),
    ],
)
def test_an_index_is_called_as_openalgo_calls_it_and_keeps_its_name(path: Path, name: str, symbol: str) -> None:
    file = read(path, f'{HEADER}\n1,1,{name},"{name}",0,,0,0,0,EQ,INDICES,NSE\n')
    assert [(row.symbol, row.name) for row in file.rows.values()] == [(symbol, name)]


def test_a_column_that_is_not_taken_may_have_any_name(path: Path) -> None:
    assert list(read(path, b"W\xe4hrung,symbol\nUSD,AAPL\n").rows) == ["AAPL"]


def test_rows_without_a_word_and_the_header_again_are_no_rows(path: Path) -> None:
    rows = [
        ",,,,,,,,,,,",
        "   ",
        HEADER,
        "1,1,LAST,,0,,0,0.05,1,EQ,NSE,NSE",
        " ,,",
        "1,1,in fy,,0,,0,0.05,1,EQ,NSE,NSE",
    ]
    file = read(path, KITES + "\n".join(rows))
    assert (file.skipped, len(file.rows), "NSE:LAST" in file.rows) == (1, 10, True)
    assert file.first_skipped[0].startswith("line 16: ")


def test_of_many_bad_rows_the_first_few_are_told(path: Path) -> None:
    file = read(path, KITES + "1,1,in fy,,0,,0,0.01,1,EQ,NSE,NSE\n" * 100)
    assert (file.skipped, len(file.rows)) == (100, 9)
    assert [told.partition(":")[0] for told in file.first_skipped] == ["line 11", "line 12", "line 13"]


def test_a_quote_that_is_not_closed_costs_the_lines_it_takes_and_no_others(path: Path) -> None:
    head, _, tail = KITES.partition("519937")
    rows = "1,1,LAST,,0,,0,0.05,1,EQ,NSE,NSE\n" * 3
    file = read(path, f'{head}7,7,BAD,"NOT CLOSED,0,,0,0.05,1,EQ,NSE,NSE\n519937{tail}{rows}')
    assert "NSE:LAST" in file.rows
    assert file.first_skipped[0] == "line 3: a quote in it is not closed, and takes 1 more of the lines after it"
    # Its own and the one that closes it; and the last row is there three times.
    assert file.skipped == 2 + 2


def test_bytes_that_are_no_text_cost_only_their_row(path: Path) -> None:
    file = read(
        path, KITES.encode() + b"1,1,CAF\xc9,\xc9,0,,0,0.05,1,EQ,NSE,NSE\n1,1,OK,CAF\xc9,0,,0,0.05,1,EQ,NSE,NSE\n"
    )
    assert file.skipped == 1
    assert file.rows["NSE:OK"].name == "CAF\ufffd"


OURS = """\
Symbol,SOURCE,source_symbol,name,exchange,expiry,strike,type,lot,tick,remark
NSE:RELIANCE,yahoo,RELIANCE.NS,Reliance Industries,NSE,,,EQ,1,0.05,mine
gold,finnhub,OANDA:XAU_USD,Gold,,,,,,,
NIFTY24APR18000CE,,,NIFTY,NFO,2024-04-25,18000,ce,50,0.05,
RELIANCE.NS,,,,NSE
AAPL
"""


def test_our_own_file_has_the_columns_it_has_in_any_order(path: Path) -> None:
    rows = read(path, OURS).rows
    at_yahoo: dict[str, Any] = {"source": "yahoo", "source_symbol": "RELIANCE.NS"}
    share: dict[str, Any] = {"exchange": "NSE", "type": "EQ", "lot": 1, "tick": 0.05}
    assert rows["NSE:RELIANCE"] == an_instrument(
        "NSE:RELIANCE", Segment.NSE, "Reliance Industries", **at_yahoo, **share
    )
    assert rows["GOLD"] == an_instrument("GOLD", name="Gold", source="finnhub", source_symbol="OANDA:XAU_USD")
    # The segment is the exchange's where the symbol does not say it.
    assert rows["NIFTY24APR18000CE"] == an_instrument(
        "NIFTY24APR18000CE", Segment.NFO, "NIFTY", exchange="NFO", strike=18000.0, **OPTION
    )
    assert rows["RELIANCE.NS"].terms.segment is Segment.NSE
    assert rows["AAPL"] == an_instrument("AAPL")


def test_of_two_columns_with_one_name_the_first_counts_and_one_without_a_name_counts_for_nothing(path: Path) -> None:
    file = read(path, "symbol,name,name,,lot,\nAAPL,Apple,Apfel,x,5,\nMSFT,Microsoft,,,,\n")
    assert file == InstrumentFile(
        {"AAPL": an_instrument("AAPL", name="Apple", lot=5), "MSFT": an_instrument("MSFT", name="Microsoft")}
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_are_taken(path: Path, delimiter: str) -> None:
    file = read(path, OURS.replace(",", delimiter))
    assert (len(file.rows), file.skipped) == (5, 0)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("A B,,,", "'A B' is not a symbol"),
        (",yahoo,,", "'' is not a symbol"),
        ("AB,,,,,,\u06f1\u06f0\u06f0", "is no number"),
        ("AB,Yahoo Finance,,", "source 'yahoo finance' is no name of a source"),
        ("AB,yahoo,A B.NS,", "'A B.NS' is not a symbol"),
        ("AB,,AB.NS,", "it has the source_symbol 'AB.NS' and no source"),
        ("AB,,,,,,,F O", "type 'F O' is no word"),
        ("AB,,,,,,,,1.5", "lot '1.5' is no count"),
        ("AB,,,,,,,,,cheap", "tick 'cheap' is no number"),
        ("AAPL,,,", "AAPL is there already"),
    ],
)
def test_a_bad_row_of_ours_is_left_out_too(path: Path, row: str, why: str) -> None:
    file = read(path, f"{OURS}{row}\n\n   \nLAST\n")
    assert file.skipped == 1
    assert file.first_skipped[0].startswith("line 7: ")
    assert why in file.first_skipped[0]
    assert "LAST" in file.rows


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (
            b"\n\nticker,name\nAAPL,Apple\n",
            "line 3 is no header. It needs a column 'symbol', .* it has 'ticker', 'name'",
        ),
        (b"tradingsymbol,name\nAAPL,Apple\n", "it has 'tradingsymbol', 'name'"),
        (KITES.encode("utf-16"), "line 1 is no text in UTF-8. Save it as CSV in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1 is no text in UTF-8"),
        (b"\xb6symbol\n", "line 1 is no text in UTF-8"),
        (b"\x00" * 100, "line 1 is no text in UTF-8"),
        (b"," * 10_000_000, "line 1 is no header: it is longer than 16384 characters"),
        (b"\n" + b"symbol" * 100_000, "line 2 is no header: it is longer"),
        (gzip.compress(KITES.encode())[:200], "ends in the middle of its gzip data"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 50, "is damaged gzip data"),
        (b"\x1f\x8bno gzip data at all", "is damaged gzip data"),
    ],
)
def test_what_is_no_such_file_is_refused_in_a_sentence(path: Path, content: bytes, why: str) -> None:
    with pytest.raises(ConfigError, match=f"symbols_file = .*instruments.csv.*{why}"):
        read(path, content)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv' cannot be read: No such file or directory"):
        read_instruments(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"a\\x00b' is no path of a file"):
        read_instruments(Path("a\0b"))
    with pytest.raises(ConfigError, match="cannot be read: it is no regular file"):
        read_instruments(tmp_path)


def test_a_header_alone_is_a_file_without_symbols(path: Path) -> None:
    assert read(path, "symbol\n") == InstrumentFile({})


def test_a_hundred_thousand_rows_are_read(tmp_path: Path) -> None:
    file = read_instruments(write_instruments(tmp_path / "instruments.csv.gz", 100_000, date(2024, 4, 25)))
    assert (len(file.rows), file.skipped) == (100_000, 0)
    assert file.rows["NFO:NIFTY24APR10050CE"].terms.expiry == date(2024, 4, 25)
