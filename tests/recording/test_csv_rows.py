import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorded import NOW_MS, a_price
from stocktrack.errors import Reason
from stocktrack.messages import Price, ServerMessage
from stocktrack.quotes import SYMBOL_CHARACTERS
from stocktrack.recording.csv_rows import HEADER, Reader, encode
from stocktrack.recording.rows import COLUMNS, HOLE_COLUMNS, PRICE_COLUMNS, BadRow, Hole
from stocktrack.wire.lines import encode_line

OURS = Reader(HEADER.decode())
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def test_the_columns_are_the_fields_of_a_price_and_those_of_a_hole() -> None:
    assert set(PRICE_COLUMNS) == set(Price.model_fields) - set(ServerMessage.model_fields)
    assert COLUMNS[:6] == ("received_at", "symbol", "price", "currency", "timestamp", "seq")
    assert (*PRICE_COLUMNS, *HOLE_COLUMNS) == COLUMNS


def test_a_row_is_the_line_that_the_page_shows() -> None:
    price = a_price(change=1.2, change_percent=0.64, bid=189.44, ask=189.46, volume=51_234_567, seq=41)

    assert encode(price) == (
        b"1712331900000,AAPL,189.45,USD,1712331899900,41,1.2,0.64,51234567,,189.44,189.46,open,scripted,"
        b",,,,,false,,,,\n"
    )


def test_a_hole_is_read_back_as_it_was() -> None:
    hole = Hole(NOW_MS, NOW_MS + 500, 'The connection to "a", b was lost.')

    assert OURS.read(encode(hole).decode()) == hole


@given(
    price=st.builds(
        a_price,
        symbol=st.from_regex(f"[{SYMBOL_CHARACTERS}]{{1,48}}", fullmatch=True),
        price=FLOATS,
        seq=st.integers(0, 2**60),
        currency=st.none() | PRINTABLE,
        change=st.none() | FLOATS,
        volume=st.none() | st.integers(0, 2**60),
        provider=PRINTABLE,
        price_hint=st.none() | st.integers(0, 20),
        timestamp=st.none() | st.integers(0, 2**50),
        stale=st.booleans(),
        stale_reason=st.none() | st.sampled_from([Reason.PROVIDER_TIMEOUT, Reason.PROVIDER_BLOCKED]),
    )
)
def test_what_is_read_back_is_the_same_price_to_the_last_byte(price: Price) -> None:
    line = encode(price)

    assert line.count(b"\n") == 1
    read = OURS.read(line.decode())
    assert isinstance(read, Price)
    assert encode_line(read) == encode_line(price)


@pytest.mark.parametrize("symbol", ["=X", "-F", "-1", "^GSPC", "AAPL", "EURUSD=X", "BRK-B", "=1&2"])
def test_no_cell_of_text_is_one_that_a_spreadsheet_executes(symbol: str) -> None:
    price = a_price(symbol, currency='=HYPERLINK("x")', provider="@SUM(1)", change=-1.5)

    [cells] = csv.reader(io.StringIO(encode(price).decode()))

    texts = [cell for name, cell in zip(COLUMNS, cells, strict=True) if name in {"symbol", "currency", "provider"}]
    assert not [cell for cell in texts if cell[0] in "=+-@\t\r"]
    assert "-1.5" in cells
    assert OURS.read(encode(price).decode()) == price


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x00", "\t=1", "a\u2028b"])
def test_a_text_with_a_line_end_stays_one_line(text: str) -> None:
    line = encode(a_price(currency=text))

    assert len(line.decode().splitlines()) == 1
    assert len(next(csv.reader([line.decode()]))) == len(COLUMNS)


def test_columns_in_another_order_and_others_beside_them_are_read() -> None:
    reader = Reader("\ufeffnotes, price ,symbol,received_at\r\n")

    row = reader.read('"good, one",189.45,AAPL,1712331900000.0\r\n')

    assert isinstance(row, Price)
    assert (row.symbol, row.price, row.received_at, row.seq) == ("AAPL", 189.45, NOW_MS, 0)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("a,b,c", "must name the columns"),
        ("symbol;price;received_at", "parted by semicolons"),
        ("symbol,price,received_at,price", "names price twice"),
        ("", "must name the columns"),
    ],
)
def test_a_first_row_that_is_none_of_ours_is_told(header: str, says: str) -> None:
    with pytest.raises(BadRow, match=says):
        Reader(header)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1.71233E+12,AAPL,1", "a spreadsheet has shortened it"),
        ("then,AAPL,1", "no whole number"),
        ("1.5,AAPL,1", "no whole number"),
        ("1712331900000,AAPL,dear", "no number"),
        ("1712331900000,AAPL,nan", "finite"),
        ("1712331900000,,1", "symbol is missing"),
        ("1712331900000,AAPL", "2 cells where the first row names 3"),
        ('1712331900000,"AAPL,1', "no CSV"),
    ],
)
def test_a_line_that_is_no_row_says_which_cell_and_why(line: str, says: str) -> None:
    with pytest.raises(BadRow, match=says):
        Reader("received_at,symbol,price").read(line)


def test_a_number_that_is_none_is_never_written_for_one() -> None:
    with pytest.raises(ValueError, match="finite"):
        a_price(price=math.nan)
