from datetime import date

import pytest
from rich.cells import cell_len

from past_prices import at, bars_of, quote_of, session, wave
from scripted_server import a_price
from stocktrack.bars import HistoryRange
from stocktrack.quotes import CompanyInfo, Dividend, Headline
from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.board_detail import REFRESH_MS, BoardDetail
from stocktrack.terminal.board_row import Row
from stocktrack.terminal.chart import Chart

NOW_MS = at(2026, 11, 29, 8, 41)


def text_of(line: Line) -> str:
    return "".join(text for _, text in line)


def a_chart(back: HistoryRange = HistoryRange.DAY) -> Chart:
    return Chart(bars_of(wave(session(2026, 11, 27)), "1m"), back, quote_of(270.5, 269.0), NOW_MS)


def a_detail(*, is_whole: bool = True) -> BoardDetail:
    detail = BoardDetail(Row("AAPL"))
    if is_whole:
        detail.put_chart(HistoryRange.DAY, a_chart(), NOW_MS)
        detail.put_company(CompanyInfo(symbol="AAPL", name="Apple Inc.", sector="Technology", summary="Phones. " * 40))
        detail.put_dividends([Dividend(date=date(2026, 11, 7), amount=0.26, currency="USD")])
        detail.put_news([Headline(title="long " * 60, source="The Wire", link=None, published=NOW_MS - 480_000)])
    return detail


def drawn(detail: BoardDetail, width: int = 80, height: int = 40) -> list[str]:
    return [text_of(line) for line in detail.lines(width, height, NOW_MS)]


@pytest.mark.parametrize("width", [20, 40, 80, 120, 250])
@pytest.mark.parametrize("height", [1, 5, 12, 24, 60])
@pytest.mark.parametrize("is_whole", [True, False])
def test_it_fills_exactly_what_it_is_given(width: int, height: int, is_whole: bool) -> None:
    lines = drawn(a_detail(is_whole=is_whole), width, height)

    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


def test_it_has_the_chart_the_day_the_company_what_it_paid_and_its_news() -> None:
    lines = [line.rstrip() for line in drawn(a_detail())]

    assert lines[0] == "AAPL  [1d] 5d  1mo  6mo  ytd  1y  5y  max"
    assert any("prev. close 269.00" in line for line in lines)
    assert any(line.split() == ["Sector", "Technology"] for line in lines)
    assert any(line.split() == ["Dividends", "0.26", "USD", "on", "2026-11-07"] for line in lines)
    assert sum(line.startswith("    8m  long long") for line in lines) == 1


@pytest.mark.parametrize("height", [60, 100])
def test_on_a_tall_terminal_the_chart_takes_what_the_rest_leaves_and_no_more(height: int) -> None:
    lines = [line.rstrip() for line in drawn(a_detail(), 80, height)]

    assert lines[-1] != ""
    assert sum(line.startswith("    8m  long long") for line in lines) == 1
    assert next(place for place, line in enumerate(lines) if line.startswith("Sector")) > height // 2


def test_a_headline_is_there_as_a_whole_on_a_narrow_terminal() -> None:
    detail = a_detail()
    detail.put_news(
        [Headline(title="Apple opens a shop at the end of the world", source="The Wire", link="https://a.example/1")]
    )
    lines = [line.rstrip() for line in drawn(detail, 40, 60)]

    at = next(place for place, line in enumerate(lines) if line.startswith("1 "))
    assert lines[at : at + 2] == ["1       Apple opens a shop at the end of", "        the world  The Wire"]


def test_where_a_chart_has_no_room_that_is_said_as_a_whole() -> None:
    told = " ".join(line.strip() for line in drawn(a_detail(), 40, 8))

    assert "A chart takes 30 columns and 9 rows; there are 40 and 7." in told


def test_what_is_not_there_yet_says_so_and_what_cannot_be_had_why() -> None:
    detail = a_detail(is_whole=False)
    assert drawn(detail)[1].rstrip() == "Asking for the chart of AAPL…"

    detail.put_chart(HistoryRange.DAY, "There are no bars of 'AAPL'.", NOW_MS)

    assert drawn(detail)[1].rstrip() == "There are no bars of 'AAPL'."


def test_the_chart_is_asked_for_once_a_minute_and_an_old_one_stands_where_that_fails() -> None:
    detail = a_detail()

    assert not detail.is_chart_wanted(NOW_MS + REFRESH_MS - 1)
    assert detail.is_chart_wanted(NOW_MS + REFRESH_MS)
    detail.put_chart(HistoryRange.DAY, "Yahoo does not answer.", NOW_MS + REFRESH_MS)
    assert any("prev. close" in line for line in drawn(detail))


@pytest.mark.parametrize(("by", "back"), [((1,), "5d"), ((1, -1, -1), "1d"), ((1,) * 20, "max")])
def test_another_range_has_a_chart_of_its_own(by: tuple[int, ...], back: str) -> None:
    detail = a_detail()
    for step in by:
        detail.turn_range(step)

    assert detail.range.value == back
    assert detail.is_chart_wanted(NOW_MS) == (back != "1d")


def test_pushes_carry_its_price_on() -> None:
    row = Row("AAPL")
    detail = BoardDetail(row)
    detail.put_chart(HistoryRange.DAY, a_chart(), NOW_MS)
    assert any("270.50" in line for line in drawn(detail)[1:3])

    row.put(a_price(price=271.25).model_copy(update={"change": 2.25, "change_percent": 0.84, "received_at": 2**52}))

    assert any("271.25 USD  +2.25  +0.84%" in line for line in drawn(detail)[1:3])


def test_what_has_no_room_is_scrolled_to_and_no_further() -> None:
    detail = a_detail()
    before = drawn(detail, height=20)

    detail.scroll(1)
    after = drawn(detail, height=20)
    assert after != before
    for _ in range(5):
        detail.scroll(1)
    assert drawn(detail, height=20)[-3].startswith("    8m  long")
    detail.scroll(-20)
    assert drawn(detail, height=20) == before


def test_the_next_symbol_has_the_range_and_the_candles_of_the_one_before() -> None:
    before = a_detail()
    before.turn_range(3)
    before.toggle_candles()

    after = BoardDetail(Row("MSFT"), before)

    assert (after.range, after.has_candles) == (before.range, True)


def test_the_colours_of_the_chart_are_those_of_the_board_and_no_escape_is_left() -> None:
    lines = a_detail().lines(80, 40, NOW_MS)

    styles = {style for line in lines for style, _ in line}
    assert "class:up" in styles
    assert not any("\x1b" in text_of(line) for line in lines)
