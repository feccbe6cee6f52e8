from typing import Any

import pytest

from scripted_server import NOW_MS
from stocktrack.errors import Code, Reason
from stocktrack.messages import AlertInfo, MyAlertsReply, Notice
from stocktrack.terminal.alert_news import AlertNews
from stocktrack.terminal.alert_text import condition_text, made_sentence, told_time
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import alert_row


def an_alert(name: str = "a7", **fields: Any) -> AlertInfo:
    usual: dict[str, Any] = {
        "alert": name,
        "symbol": "AAPL",
        "when": "above",
        "value": 280.0,
        "repeat": "once",
        "state": "armed",
        "created_at": NOW_MS,
    }
    return AlertInfo.model_validate(usual | fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"when": "crosses_above", "value": 1234.5}, "rises above 1,234.5"),
        ({"when": "crosses_below"}, "falls below 280"),
        ({"when": "above"}, "is above 280"),
        ({"when": "below", "value": 1e-7}, "is below 0.0000001"),
        ({"when": "percent_from_close", "value": -3.5}, "falls 3.5% from close"),
        ({"when": "percent_within", "value": 2.0, "minutes": 15}, "rises 2% within 15 min"),
        ({"when": "percent_within", "value": 2.0, "minutes": 120}, "rises 2% within 2 h"),
        ({"when": "volume_above", "value": 3e7}, "volume above 30,000,000"),
    ],
)
def test_a_condition_in_words(fields: dict[str, Any], text: str) -> None:
    assert condition_text(an_alert(**fields)) == text


def test_an_alert_that_was_made_says_who_is_told_and_when_not() -> None:
    made = an_alert(
        repeat="every", cooldown_seconds=600, quiet_hours="22:00-07:00", timezone="Asia/Tokyo", targets=("phone",)
    )
    assert made_sentence(made) == (
        "a7: AAPL is above 280, every 10m; quiet 22:00-07:00 Asia/Tokyo; told to your sessions, phone."
    )


def test_the_table_fits_each_width_and_says_what_was_told_and_what_went_wrong() -> None:
    alerts = (
        an_alert(),
        an_alert(
            "a8",
            symbol="BTC-USD",
            when="percent_within",
            value=-3.0,
            minutes=15,
            state="fired",
            targets=("phone", "mail"),
            fired_at=NOW_MS - 90_000,
            fired_count=2,
            message="BTC-USD 61,000 has fallen.",
            undelivered=1,
            error="The target phone answered 503.",
        ),
        an_alert("a9", state="disarmed", why="AAPL was split, 4 for 1.\x1b[2J"),
    )
    for width in (30, 40, 60, 80, 120):
        text = draw(MyAlertsReply(alerts=alerts), width=width, colour=False, now_ms=NOW_MS)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
        folded = " ".join(text.split())
        assert "a8: BTC-USD 61,000 has fallen." in folded
        assert "a8: one word is not delivered yet. The target phone answered 503." in folded
        assert "a9: AAPL was split, 4 for 1." in folded
    row = next(line for line in text.splitlines() if line.startswith("a8"))
    assert row.split("  ")[-1] == "phone, mail"
    assert "1m ago (2x)" in row


def test_a_long_symbol_leaves_room_for_the_rest_and_is_folded_not_cut() -> None:
    symbol = "A-SYMBOL-OF-48-CHARACTERS".ljust(48, "X")
    alert = an_alert(symbol=symbol, state="disarmed", targets=("phone",), repeat="every", cooldown_seconds=604_800)

    for width in (52, 60, 80):
        text = draw(MyAlertsReply(alerts=(alert,)), width=width, colour=False, now_ms=NOW_MS)
        assert "disarmed" in text
        assert "every 7d" in text
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width


def test_a_row_for_programs_always_has_the_same_fields() -> None:
    assert alert_row(an_alert()) == (*("a7", "AAPL", "above", "280", "", "once", "armed", "", "", "0", "", "", ""),)
    told = an_alert(state="fired", fired_at=NOW_MS, fired_count=1, message="AAPL is up.", targets=("a", "b"))
    assert alert_row(told)[6:] == ("fired", "a,b", "2024-04-05T15:45:00Z", "1", "AAPL is up.", "", "")


def notice(delivery: str | None = "d1", **fields: Any) -> Notice:
    usual: dict[str, Any] = {
        "code": Code.CONTINUE,
        "reason": Reason.ALERT,
        "symbols": ("AAPL",),
        "message": "AAPL 280.12 USD is above 280.\x1b]0;x\a",
        "alert": "a7",
        "delivery": delivery,
        "timestamp": NOW_MS,
    }
    return Notice(**(usual | fields))


def test_a_delivery_is_told_once_with_its_time() -> None:
    news = AlertNews()

    assert news.sentence(notice(), NOW_MS) == f"{told_time(NOW_MS, NOW_MS)}  AAPL 280.12 USD is above 280.]0;x"
    assert news.sentence(notice(), NOW_MS) is None
    assert news.sentence(notice("d2"), NOW_MS) is not None
    assert news.sentence(notice(None, timestamp=None), NOW_MS) is not None
    assert news.sentence(notice("d3", reason=Reason.ANNOUNCEMENT), NOW_MS) is None


def test_of_many_deliveries_the_newest_are_remembered() -> None:
    news = AlertNews()
    for number in range(6_000):
        news.sentence(notice(f"d{number}"), NOW_MS)

    assert news.sentence(notice("d5999"), NOW_MS) is None
    assert news.sentence(notice("d0"), NOW_MS) is not None


def test_a_time_of_another_day_has_its_day() -> None:
    assert len(told_time(NOW_MS, NOW_MS)) == len("14:03:07")
    assert "Apr" in told_time(NOW_MS, NOW_MS + 86_400_000 * 2)
