import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from past_prices import at, bars_of, flat, marked, quote_of, session, wave, weekdays
from stocktrack.bars import Bar, HistoryRange
from stocktrack.errors import Reason
from stocktrack.messages import BoardQuote
from stocktrack.quotes import MAX_SYMBOL_LENGTH, MarketState
from stocktrack.terminal.chart import Chart, Look, display_cells, draw_chart
from stocktrack.terminal.text import fixed

SUNDAY = at(2026, 11, 29, 8, 41)
FRIDAY = session(2026, 11, 27)
WEEK = [time for day in (23, 24, 25, 27) for time in session(2026, 11, day, minutes=15)]


def a_chart(
    bars: list[Bar] | None = None,
    quote: BoardQuote | None = None,
    *,
    interval: str = "1m",
    back: str = "1d",
    now: int = SUNDAY,
    candles: bool = False,
    **fields: Any,
) -> Chart:
    return Chart(
        bars_of(wave(FRIDAY) if bars is None else bars, interval, **fields), HistoryRange(back), quote, now, candles
    )


def drawn(chart: Chart, columns: int = 80, rows: int = 24, **look: bool) -> list[str]:
    return draw_chart(chart, Look(columns, rows, **look)).split("\n")


def head_of(lines: list[str]) -> str:
    return "\n".join(line for line in lines if not re.match(r" *[-\d.,]* ?(vol )?[│┤└]", line))


def plot_of(lines: list[str]) -> list[str]:
    """What stands to the right of the axis."""
    return [re.split("[│┤]", line, maxsplit=1)[1] for line in lines if re.search("[│┤]", line)]


def letters_in(lines: list[str]) -> set[str]:
    return set("".join(lines))


def is_braille(letter: str) -> bool:
    return "\u2801" <= letter <= "\u28ff"


# --- its size -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [30, 40, 80, 120, 250])
@pytest.mark.parametrize("rows", [9, 12, 24, 60])
@pytest.mark.parametrize("candles", [False, True])
@pytest.mark.parametrize("is_unicode", [True, False])
def test_a_chart_fills_the_terminal_and_no_more(columns: int, rows: int, candles: bool, is_unicode: bool) -> None:
    charts = [
        a_chart(candles=candles),
        a_chart(quote=quote_of(270.5, 269.0), candles=candles),
        a_chart(wave(WEEK), interval="15m", back="5d", candles=candles),
        a_chart(wave(weekdays(date(2025, 12, 1), 252), volume=None), interval="1d", back="1y", candles=candles),
        a_chart(wave(FRIDAY[:1]), quote_of(1e15, 1e15, name="株式会社" * 20), symbol="X" * MAX_SYMBOL_LENGTH),
    ]
    for chart in charts:
        lines = drawn(chart, columns, rows, is_unicode=is_unicode)
        assert len(lines) == rows
        assert max(map(display_cells, lines)) <= columns


@pytest.mark.parametrize("size", [(29, 24), (80, 8), (1, 1), (0, 0)])
def test_where_it_is_too_small_there_is_a_sentence_with_the_price(size: tuple[int, int]) -> None:
    text = draw_chart(a_chart(quote=quote_of(270.5, 269.0)), Look(*size))
    assert text.startswith("AAPL 270.50 USD +1.50  +0.56%. A chart takes 30 columns and 9 rows;")
    assert "\n" not in text


# --- what the head says ---------------------------------------------------------------------------------------------


def test_the_head_has_price_change_name_range_bars_provider_age_and_zone() -> None:
    head = head_of(drawn(a_chart(quote=quote_of(270.5, 269.0)), 120))
    assert head.split("\n")[:2] == [
        "AAPL  270.50 USD  +1.50  +0.56%  Apple Inc.",
        "1d · 1m bars · yahoo, 1d old · America/New_York · market closed: session of Fri 27 Nov",
    ]


def test_at_40_columns_nothing_of_that_is_lost() -> None:
    head = head_of(drawn(a_chart(quote=quote_of(270.5, 269.0)), 40))
    for part in ("270.50 USD", "+1.50", "+0.56%", "Apple Inc.", "1d", "yahoo, 1d old", "America/New_York", "27 Nov"):
        assert part in head


def test_an_open_market_is_live_and_speaks_of_no_session() -> None:
    bars = wave(FRIDAY[:60])
    bars[-1] = replace(bars[-1], live=True)
    head = head_of(drawn(a_chart(bars, quote_of(270.5, 269.0, "open"), now=FRIDAY[60]), 120))
    assert "yahoo, live" in head
    assert "session" not in head
    assert "closed" not in head


def test_without_a_quote_the_last_close_is_the_price_and_the_last_session_is_named() -> None:
    lines = drawn(a_chart(), 120)
    assert lines[0] == f"AAPL  {wave(FRIDAY)[-1].close:.2f} USD"
    assert lines[1].endswith("session of Fri 27 Nov")


@pytest.mark.parametrize(
    ("state", "told"), [("pre", "before the market opens: session of Fri 27 Nov"), ("post", "after the market's hours")]
)
def test_outside_of_the_hours_it_says_so(state: str, told: str) -> None:
    assert told in head_of(drawn(a_chart(quote=quote_of(270.5, 269.0, state)), 120))


def test_a_longer_range_says_what_it_did_and_has_no_previous_close() -> None:
    bars = wave(weekdays(date(2025, 12, 1), 252))
    lines = drawn(a_chart(bars, quote_of(270.5, 269.0), interval="1d", back="1y"), 120)
    moved = (bars[-1].close - bars[0].open) / bars[0].open * 100
    assert lines[1].startswith(f"1y {moved:+.2f}% · 1d bars") or lines[1].startswith("1y 0.00%")
    assert "prev. close" not in "".join(lines)


def test_stale_bars_say_why() -> None:
    chart = a_chart(stale=True, stale_reason=Reason.PROVIDER_BLOCKED)
    assert "stale: Yahoo refuses us" in head_of(drawn(chart, 120))


def test_what_comes_from_outside_cannot_command_the_terminal() -> None:
    chart = a_chart(quote=quote_of(1.0, 1.0, name="\x1b]0;evil\x07\u202e"), provider="\x1b[31m", timezone="\x9b31m")
    assert "".join(drawn(chart)).isprintable()


# --- the line -------------------------------------------------------------------------------------------------------


def test_the_line_is_braille_from_the_first_column_to_the_last() -> None:
    plot = plot_of(drawn(a_chart()))
    columns = {at for line in plot for at, letter in enumerate(line) if is_braille(letter)}
    assert (min(columns), max(columns)) == (0, 80 - len("272.00 ┤") - 1)


def test_the_previous_close_is_a_dashed_line_with_its_price() -> None:
    lines = drawn(a_chart(quote=quote_of(270.5, 269.0)))
    row = next(line for line in lines if "prev. close 269.00" in line)
    assert row.count("⣀ ⣀") + row.count("⠤ ⠤") + row.count("⠒ ⠒") + row.count("⠉ ⠉") >= 3


@pytest.mark.parametrize(("previous", "arrow", "row"), [(400.0, "↑", 0), (100.0, "↓", -2)])
def test_a_previous_close_far_away_is_told_and_does_not_flatten_the_day(previous: float, arrow: str, row: int) -> None:
    lines = drawn(a_chart(quote=quote_of(270.5, previous)))
    assert f"prev. close {previous:.2f} {arrow}" in plot_of(lines)[row]
    assert sum(any(map(is_braille, line)) for line in plot_of(lines)) > 10


@pytest.mark.parametrize(("previous", "code"), [(200.0, "32"), (300.0, "31")])
def test_the_line_is_green_above_the_previous_close_and_red_below(previous: float, code: str) -> None:
    text = "\n".join(drawn(a_chart(quote=quote_of(270.5, previous)), colour=True))
    painted = set(re.findall(r"\x1b\[(\d+)m[\u2801-\u28ff]", text))
    assert code in painted
    assert painted <= {code, "2"}  # and the volume


def test_without_colour_there_is_no_escape() -> None:
    assert "\x1b" not in "".join(drawn(a_chart(quote=quote_of(270.5, 269.0)), colour=False))


def test_extended_hours_are_drawn_dim() -> None:
    early = marked(wave(session(2026, 11, 27, opens=(4, 0), hours=5.5)), MarketState.PRE)
    text = "\n".join(drawn(a_chart([*early, *wave(FRIDAY)], quote_of(270.5, 260.0)), colour=True))
    assert re.search(r"\x1b\[2m[\u2801-\u28ff]", text)
    assert re.search(r"\x1b\[3[12]m[\u2801-\u28ff]", text)


def test_nights_take_no_room() -> None:
    plot = plot_of(drawn(a_chart(wave(WEEK), interval="15m", back="5d"), 110))
    columns = {at for line in plot[:-1] for at, letter in enumerate(line) if is_braille(letter)}
    assert columns == set(range(max(columns) + 1))


# --- candles --------------------------------------------------------------------------------------------------------


def test_each_bar_is_a_candle_where_there_is_room_and_rising_ones_look_different() -> None:
    bars = wave(weekdays(date(2026, 10, 29), 22))
    lines = drawn(a_chart(bars, interval="1d", back="1mo", candles=True))
    plot = plot_of(lines)[:-1]
    columns = {at for line in plot for at, letter in enumerate(line) if letter != " "}
    assert len(columns) == 22
    assert {"┃", "█"} <= letters_in(plot)
    assert "1d candles" in lines[1]
    coloured = "\n".join(drawn(a_chart(bars, interval="1d", back="1mo", candles=True), colour=True))
    assert {"31", "32"} <= set(re.findall(r"\x1b\[(\d+)m", coloured))


def test_where_there_is_none_several_bars_make_one_and_nothing_is_lost_of_their_range() -> None:
    lines = drawn(a_chart(candles=True))
    assert "15m candles" in lines[1]
    assert "10:00" in lines[-1]
    wick = Bar(time=FRIDAY[200], open=270, high=290, low=250, close=270, volume=1)
    bars = wave(FRIDAY)
    bars[200] = wick
    labels = [float(found[0]) for line in drawn(a_chart(bars, candles=True)) if (found := re.findall(r"^[\d.]+", line))]
    assert max(labels) >= 285
    assert min(labels) <= 255


@pytest.mark.parametrize(("interval", "back", "told"), [("1wk", "5y", "wk candles"), ("1mo", "max", "mo candles")])
def test_candles_of_long_ranges_say_how_long_they_are(interval: str, back: str, told: str) -> None:
    bars = wave([at(2000, 1, 3) + place * 7 * 86_400_000 for place in range(261)])
    assert re.search(rf"\d+{told}", "".join(drawn(a_chart(bars, interval=interval, back=back, candles=True))))


# --- ASCII ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("candles", [False, True])
def test_without_unicode_all_of_it_is_ascii(candles: bool) -> None:
    lines = drawn(a_chart(quote=quote_of(270.5, 269.0), candles=candles), is_unicode=False)
    assert "".join(lines).isascii()
    assert "prev. close 269.00" in "".join(lines)


# --- odd prices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("candles", [False, True])
def test_one_bar_is_a_mark_in_the_middle_with_its_time(candles: bool) -> None:
    lines = drawn(a_chart(flat(FRIDAY[:1], 5.0), candles=candles))
    marks = [at for line in plot_of(lines) for at, letter in enumerate(line) if letter != " "]
    assert marks
    assert all(abs(at - 36) <= 2 for at in marks)
    assert "09:30" in lines[-1]


@pytest.mark.parametrize("price", [10.0, 0.0, -4.5])
def test_a_flat_price_is_a_line_in_the_middle(price: float) -> None:
    lines = drawn(a_chart(flat(FRIDAY, price)))
    rows = [row for row, line in enumerate(plot_of(lines)) if any(map(is_braille, line))]
    assert len(rows) == 1
    assert 5 <= rows[0] <= 15
    assert any(line.strip().startswith(f"{fixed(price, 2)} ┤") for line in lines)


def test_negative_prices_have_their_sign_on_the_axis() -> None:
    lines = drawn(a_chart(wave(FRIDAY, middle=-37.63)))
    assert any(line.startswith("−37.00 ┤") for line in lines)


@pytest.mark.parametrize(
    ("middle", "height", "digits", "label"),
    [(0.00001234, 0.0000004, 10, r"0\.000012\d+ ┤"), (1_234_567.89, 5_000.0, 2, r"1,23\d,000\.00 ┤")],
)
def test_tiny_and_large_prices_are_written_out(middle: float, height: float, digits: int, label: str) -> None:
    bars = wave(FRIDAY, middle=middle, height=height, digits=digits)
    for columns in (40, 80, 120):
        lines = drawn(a_chart(bars, quote_of(middle, middle)), columns, 20)
        assert any(re.match(label, line) for line in lines), "\n".join(lines)
        assert "e-" not in "".join(lines)


# --- volume ---------------------------------------------------------------------------------------------------------


def test_volume_is_a_row_of_blocks_where_it_is_known_and_there_is_room() -> None:
    bars = wave(FRIDAY)
    bars[195] = replace(bars[195], volume=1_000_000)
    row = next(line for line in drawn(a_chart(bars)) if "vol" in line)
    assert row[len("   vol │") :].index("█") == pytest.approx(36, abs=1)
    assert not any("vol" in line for line in drawn(a_chart(wave(FRIDAY, volume=None))))
    assert not any("vol" in line for line in drawn(a_chart(wave(FRIDAY, volume=0))))
    assert not any("vol" in line for line in drawn(a_chart(bars), rows=10))
