import json

import pytest

from recorded import NOW_MS, a_price
from stocktrack.recording.json_rows import encode, read
from stocktrack.recording.rows import BadRow, Hole
from stocktrack.wire.lines import encode_line


def test_a_row_is_the_object_that_the_page_shows() -> None:
    assert encode(a_price(change=1.2, seq=41)) == (
        b'{"received_at":1712331900000,"symbol":"AAPL","price":189.45,"currency":"USD","change":1.2,'
        b'"market_state":"open","timestamp":1712331899900,"provider":"scripted","stale":false,"seq":41}\n'
    )


def test_what_is_read_back_is_the_same_row() -> None:
    price, hole = a_price(bid=1e-9, volume=2**60, price_hint=9), Hole(NOW_MS, NOW_MS + 1, "The disk was full.\n")

    assert read(encode(price).decode()) == price
    assert read(encode(hole).decode()) == hole


def test_the_lines_of_watch_are_rows_too() -> None:
    price = a_price()

    assert read(encode_line(price).decode()) == price


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[1]", "no JSON object"),
        ("{", "no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"symbol":"AAPL","price":"1","received_at":1}', "price = '1'"),
        ('{"symbol":"AAPL","price":true,"received_at":1}', "price = 'True'"),
        ('{"symbol":"AAPL","received_at":1}', "price is missing"),
        ('{"event":"party","received_at":1}', "the only event is 'gap'"),
        ('{"event":"gap","received_at":1}', "needs since"),
        (f'{{"event":"gap","received_at":1{"0" * 400},"since":1}}', "received_at is a number of more than 64 bits"),
        (f'{{"symbol":"AAPL","price":1,"received_at":1{"0" * 400}}}', "received_at is a number of more than 64 bits"),
    ],
)
def test_a_line_that_is_no_row_says_why(line: str, says: str) -> None:
    with pytest.raises(BadRow, match=says):
        read(line)


def test_a_line_is_json_whatever_it_holds() -> None:
    hole = Hole(1, 2, 'a "b" \x00 \u2028')

    assert json.loads(encode(hole))["reason"] == hole.reason
