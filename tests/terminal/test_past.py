from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from past_prices import NEW_YORK, at, session, wave, weekdays
from stocktrack.bars import Adjust, Bar, BarInterval
from stocktrack.errors import Reason
from stocktrack.messages import HistoryReply
from stocktrack.quotes import MarketState
from stocktrack.terminal.past import bar_time_text, bars_sentence, bars_table, csv_lines


def a_reply(bars: list[Bar], interval: str = "1d", **fields: Any) -> HistoryReply:
    told: dict[str, Any] = {"timezone": "America/New_York", "currency": "USD", "provider": "yahoo"} | fields
    return HistoryReply(symbol="AAPL", interval=BarInterval(interval), adjust=Adjust.SPLITS, bars=tuple(bars), **told)


DAYS = wave(weekdays(date(2026, 10, 29), 22))


def test_csv_has_its_heading_the_times_of_the_wire_and_no_exponent() -> None:
    bars = [
        Bar(time=1_712_331_900_000, open=0.00001234, high=1e21, low=-1.5, close=10, volume=None),
        Bar(time=-1, open=1, high=1, low=1, close=1, volume=0),
    ]
    assert list(csv_lines(bars)) == [
        "time,open,high,low,close,volume",
        "1712331900000,0.00001234,1000000000000000000000,-1.5,10,",
        "-1,1,1,1,1,0",
    ]


def test_the_table_has_a_heading_a_row_a_bar_and_days_by_their_date() -> None:
    lines = bars_table(a_reply(DAYS), width=100, colour=False).splitlines()
    assert lines[0].split() == ["Time", "Open", "High", "Low", "Close", "%", "Volume"]
    assert len(lines) == 23
    assert lines[1].split()[0] == "2026-10-29"
    assert lines[2].split()[5].endswith("%")


def test_times_of_hours_are_iso_8601_in_the_exchanges_zone_on_both_sides_of_a_change_of_clocks() -> None:
    texts = [
        bar_time_text(time, BarInterval.ONE_MINUTE, NEW_YORK) for time in (at(2026, 3, 6, 9, 30), at(2026, 3, 9, 9, 30))
    ]
    assert texts == ["2026-03-06T09:30-05:00", "2026-03-09T09:30-04:00"]
    assert bar_time_text(at(2026, 3, 6, zone=ZoneInfo("UTC")), BarInterval.DAY, ZoneInfo("UTC")) == "2026-03-06"


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_the_table_fits_and_keeps_time_and_close(width: int) -> None:
    for reply in (a_reply(DAYS), a_reply(wave(session(2026, 11, 27)), "1m")):
        lines = bars_table(reply, width=width, colour=False).splitlines()
        assert {"Time", "Close"} <= set(lines[0].split())
        if width >= 40:
            assert max(map(len, lines)) <= width


def test_a_pair_has_no_volume_and_what_is_special_stands_behind() -> None:
    bars = [
        Bar(time=DAYS[0].time, open=1, high=1, low=1, close=1, market_state=MarketState.PRE),
        Bar(time=DAYS[1].time, open=1, high=1, low=1, close=2, provider="recorded", live=True),
    ]
    lines = bars_table(a_reply(bars, "1m"), width=120, colour=False).splitlines()
    assert "Volume" not in lines[0]
    assert lines[1].endswith("pre")
    assert lines[2].endswith("+100.00%  recorded live")


def test_rises_are_green_and_falls_are_red() -> None:
    text = bars_table(a_reply(DAYS), width=100, colour=True)
    assert "\x1b[32m" in text
    assert "\x1b[31m" in text


def test_no_bars_are_a_heading_alone() -> None:
    assert bars_table(a_reply([]), width=80, colour=False).split() == ["Time", "Open", "High", "Low", "Close", "%"]


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (
            a_reply(DAYS),
            "AAPL: 22 bars of 1d from yahoo, in USD, corrected for splits; times of America/New_York.",
        ),
        (
            a_reply(DAYS[:1], currency=None, stale=True, stale_reason=Reason.PROVIDER_BLOCKED),
            (
                "AAPL: 1 bar of 1d from yahoo, corrected for splits; times of America/New_York. "
                "The newest may be missing: Yahoo refuses us."
            ),
        ),
    ],
)
def test_a_sentence_says_what_the_bars_are(reply: HistoryReply, sentence: str) -> None:
    assert bars_sentence(reply) == sentence
