import pytest

from stocktrack.alerting import AlertWhen
from stocktrack.terminal.alert_request import (
    MINUS,
    WantedAlert,
    alert_names,
    request_of,
    split_alert,
    targets_to_try,
    value_of,
)
from stocktrack.terminal.typed_commands import CONDITIONS, UsageError


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "when", "value"),
    [
        ("280", "above", 280.0),
        ("+0.25", "above", 0.25),
        (".5", "below", 0.5),
        ("1,234.50", "crosses_above", 1234.5),
        ("68k", "above", 68_000.0),
        ("-37.63", "below", -37.63),
        ("5%", "percent_from_close", 5.0),
        ("-3%", "percent_within", -3.0),
        (f"{MINUS}3", "percent_within", -3.0),
        ("30M", "volume_above", 30_000_000.0),
        ("1.5k", "volume_above", 1_500.0),
        ("2bn", "volume_above", 2e9),
        ("0.1k", "volume_above", 100.0),
    ],
)
def test_a_value_is_typed_as_people_write_it(text: str, when: str, value: float) -> None:
    assert value_of(text, AlertWhen(when)) == value


@pytest.mark.parametrize(
    ("text", "when", "sentence"),
    [
        ("5%", "above", "for percent there are percent-from-close"),
        ("30M", "percent_within", "is not percent"),
        ("30M%", "volume_above", "is not a volume"),
        ("0", "volume_above", "above 0"),
        ("0%", "percent_from_close", "no move"),
        ("-5", "volume_above", "above 0"),
        ("nan", "above", "'nan' is not a price"),
        ("1e5", "above", "is not a price"),
        ("1,5", "above", "is not a price"),
        ("$280", "above", "is not a price"),
        ("", "above", "is not a price"),
        ("٣", "above", "is not a price"),
        ("280\x1b[2J", "above", r"'280\\x1b\[2J'"),
    ],
)
def test_what_is_no_value_says_how_one_is_typed(text: str, when: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        value_of(text, AlertWhen(when))


def test_a_line_of_the_prompt_becomes_the_fields_of_the_command() -> None:
    assert request_of(split_alert("aapl above 280 phone")).fields == {
        "symbol": "AAPL",
        "when": "above",
        "value": 280.0,
        "minutes": None,
        "targets": ["phone"],
        "repeat": "once",
    }
    line = "BTC-USD percent-within -3% within 15m every 10m quiet 22-7 phone,mail --target=mail"
    assert request_of(split_alert(line)).fields == {
        "symbol": "BTC-USD",
        "when": "percent_within",
        "value": -3.0,
        "minutes": 15,
        "targets": ["phone", "mail"],
        "repeat": "every",
        "cooldown_seconds": 600,
        "quiet_hours": "22:00-07:00",
        "timezone": "Europe/Berlin",
    }


def test_the_zone_of_this_machine_is_sent_only_where_days_or_hours_count() -> None:
    assert "timezone" not in request_of(WantedAlert("AAPL", "above", "1")).fields
    assert request_of(WantedAlert("AAPL", "above", "1", repeat="daily")).fields["timezone"] == "Europe/Berlin"
    named = WantedAlert("AAPL", "above", "1", repeat="daily", timezone="Asia/Tokyo")
    assert request_of(named).fields["timezone"] == "Asia/Tokyo"


def test_a_machine_without_a_named_zone_says_that_utc_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST")

    request = request_of(WantedAlert("AAPL", "above", "1", quiet="22:00-07:00"))

    assert request.fields["timezone"] is None
    assert "UTC counts" in request.remarks[0]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "needs a symbol, a condition and a value"),
        ("AAPL above", "needs a symbol, a condition and a value"),
        ("AAPL abov 280", "Did you mean above"),
        ("AAPL 280 above", "'280' is no condition"),
        ("AAPL above 280 --repeat sometimes", "once, daily, every"),
        ("AAPL above 280 --repeat", "needs a value"),
        ("AAPL above 280 --colour red", "takes no '--colour'"),
        ("AAPL above 280 cooldown 10m", "goes with `--repeat every`"),
        ("AAPL above 280 every 5s", "from 1m to 7d"),
        ("AAPL above 280 every 8d", "from 1m to 7d"),
        ("AAPL above 280 within 15m", "does not look back"),
        ("AAPL percent-within 3", "needs how far back"),
        ("AAPL percent-within 3 within 90s", "from 1m to 24h"),
        ("AAPL percent-within 3 within 25h", "from 1m to 24h"),
        ("AAPL percent-within 3 within 15m --minutes 20", "give one of them"),
        ("AAPL above 280 quiet 25-7", "no quiet hours"),
        ("AAPL above 280 quiet 7-7", "must end at another time"),
        ("AAPL above 280 quiet night", "as 22:00-07:00"),
        ("AAPL above 280 daily --timezone Mars/Base", "no time zone"),
    ],
)
def test_every_wrong_line_says_what_would_be_right(line: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        request_of(split_alert(line))


def test_names_of_alerts_are_taken_with_and_without_their_letter() -> None:
    assert alert_names(["a7,8", "A9 a7"]) == ["a7", "a8", "a9"]
    for wrong in ("x", "a0", "a-1", "a7\n8x", "a" + "9" * 30):
        with pytest.raises(UsageError, match="they are called as a7"):
            alert_names([wrong])


def test_the_word_test_tries_targets_unless_it_is_a_symbol() -> None:
    assert targets_to_try("test") == []
    assert targets_to_try("test --target phone mail") == ["phone", "mail"]
    assert targets_to_try("TEST above 5") is None
    assert targets_to_try("AAPL above 5") is None


def test_every_condition_of_the_protocol_can_be_typed() -> None:
    assert {word.replace("-", "_") for word in CONDITIONS} == set(AlertWhen)


def test_a_price_is_above_0_unless_it_is_that_of_a_future() -> None:
    with pytest.raises(UsageError, match="'-5' is no price of 'aapl': that is above 0"):
        request_of(WantedAlert("aapl", "above", "-5"))

    assert request_of(WantedAlert("cl=f", "below", "-37.63")).fields["value"] == -37.63
