import json
import socket
import ssl

import pytest

from alert_messages import NASTY, NOW_MS, message, nasty_messages
from stocktrack.alert_targets.base import AlertMessage, TargetError, too_late, unreachable


def test_the_body_is_what_is_known_in_the_order_of_the_documentation() -> None:
    assert message().body() == (
        b'{"id":"d-7f3a","alert":"a7","symbol":"AAPL","when":"crosses_above","value":200.0,"price":200.12,'
        b'"currency":"USD","timestamp":1712331900000,"message":"AAPL 200.12 USD rose above 200.","username":"ann"}'
    )


def test_what_is_not_known_is_left_out_of_a_test_message() -> None:
    test = message(alert=None, symbol=None, when=None, value=None, price=None, currency=None, message="It works.")
    assert json.loads(test.body()) == {
        "id": "d-7f3a",
        "timestamp": NOW_MS,
        "message": "It works.",
        "username": "ann",
    }
    assert test.title == "StockTrack"


def test_a_price_of_zero_is_a_price() -> None:
    assert json.loads(message(price=0.0, value=0.0).body())["price"] == 0.0


@pytest.mark.parametrize("told", nasty_messages(), ids=range(len(NASTY)))
def test_texts_leave_as_one_line_of_what_can_be_seen(told: AlertMessage) -> None:
    values = told.values()
    assert json.loads(told.body()) == values
    assert told.text
    for value in (*values.values(), told.text, told.title):
        assert not isinstance(value, str) or (value.isprintable() and len(value) <= 1_000)


@pytest.mark.parametrize("bad", ["", "a b", "a\r\nX: y", "../x", "ä", "x" * 65])
def test_an_id_that_could_not_travel_everywhere_is_none(bad: str) -> None:
    with pytest.raises(ValueError, match="id of a delivery"):
        message(id=bad)


def behind(error: Exception, *more: Exception) -> Exception:
    """The last one, as libraries raise it from the ones before."""
    for each in more:
        each.__cause__ = error
        error = each
    return error


def test_an_error_says_why_and_nothing_of_where() -> None:
    wrong_host = ssl.SSLCertVerificationError(1, "certificate verify failed: Hostname mismatch for s3cr3t.example")
    wrong_host.verify_message = "Hostname mismatch, certificate is not valid for 's3cr3t.example'."
    expired = ssl.SSLCertVerificationError(1, "s3cr3t.example")
    expired.verify_message = "certificate has expired"
    said = {
        unreachable("phone", behind(error, OSError("All attempts failed at s3cr3t.example"))).message
        for error in (
            socket.gaierror(-2, "s3cr3t.example"),
            ConnectionRefusedError(111, "s3cr3t.example:80"),
            ConnectionResetError(104, "s3cr3t.example:80"),
            ssl.SSLError(1, "s3cr3t.example"),
            OSError("s3cr3t.example"),
            wrong_host,
            expired,
        )
    }
    assert said == {
        "The target phone has a host that no name server knows.",
        "The target phone cannot be reached: its port refuses connections.",
        "The target phone broke the connection off.",
        "The target phone does not speak TLS as it should.",
        "The target phone cannot be reached, or broke the connection off.",
        "The target phone shows a certificate that is not valid here: it is another host's.",
        "The target phone shows a certificate that is not valid here: certificate has expired.",
    }


def test_errors_in_a_circle_end_somewhere() -> None:
    one, two = OSError("a"), OSError("b")
    one.__cause__, two.__cause__ = two, one
    assert unreachable("phone", one).message == "The target phone cannot be reached, or broke the connection off."


def test_the_time_limit_is_said_as_it_was_set() -> None:
    assert str(too_late("phone", 10.0)) == "The target phone did not answer within 10 s."
    assert TargetError("x").retry_after_seconds is None
