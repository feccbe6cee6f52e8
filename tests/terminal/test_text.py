import json
import re

import pytest

from scripted_server import NOW_MS, SOURCES, STOCKS, a_price, a_quote
from stocktrack.errors import Reason
from stocktrack.messages import GetReply, NewsReply, Price, SourcesReply, SourceState
from stocktrack.quotes import Headline, MarketState
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import (
    age_text,
    cell,
    change_text,
    iso_time,
    number,
    percent_text,
    price_line,
    price_row,
    price_text,
    rows_of,
    safe_json,
    sparkline,
    state_text,
    tab_separated,
    tone_of,
)

ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")


def moved(change: float | None, *, price: float = 100.0, percent: float | None = None) -> Price:
    return a_price(price=price).model_copy(update={"change": change, "change_percent": percent})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (189.5, "189.50"),
        (1.08153, "1.08153"),
        (12_690.0, "12,690"),
        (0.00000012, "0.00000012"),
        (1e21, "1" + ",000" * 7),
    ],
)
def test_a_price_keeps_its_precision_and_never_has_an_exponent(value: float, text: str) -> None:
    assert price_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (1.2, "+1.2"), (-0.5, "-0.5"), (0.0, "+0"), (12690.0, "+12690")]
)
def test_a_number_for_programs_has_no_grouping(value: float | None, text: str) -> None:
    assert number(value, signed=True) == text


def test_a_change_has_a_sign_and_the_precision_of_its_price() -> None:
    assert change_text(moved(1.5, price=100.25)) == "+1.50"
    assert change_text(moved(-0.00267, price=1.08153)) == "-0.00267"
    assert percent_text(-0.5) == "-0.50%"


@pytest.mark.parametrize(("change", "tone"), [(1.0, "up"), (-1.0, "down"), (0.0, ""), (None, "")])
def test_a_tone_tells_the_direction(change: float | None, tone: str) -> None:
    assert tone_of(moved(change)) == tone


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-5, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3_600, "1h"),
        (90_000, "1d"),
        (1e12, "9999d"),
        (-60, "-1m"),
        (-7_200, "-2h"),
        (-1e12, "-999d"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert age_text(NOW_MS, NOW_MS + int(seconds * 1000)) == text


def test_a_time_that_is_none_is_left_out() -> None:
    assert iso_time(NOW_MS) == "2024-04-05T15:45:00Z"
    assert iso_time(10**18) == ""
    assert iso_time(None) == ""


@pytest.mark.parametrize(
    ("values", "width", "bars"),
    [
        ([], 8, ""),
        ([1, 1, 1], 8, "▄▄▄"),
        ([1, 2, 3], 8, "▁▅█"),
        (list(range(16)), 4, "▁▃▆█"),
        ([5, 1], 1, "▄"),
        ([1], 0, ""),
    ],
)
def test_a_sparkline_spans_from_the_lowest_to_the_highest(values: list[float], width: int, bars: str) -> None:
    assert sparkline(values, width) == bars


def test_a_stale_price_says_why_instead_of_the_market() -> None:
    stale = a_price().model_copy(update={"stale": True, "stale_reason": Reason.PROVIDER_TIMEOUT})

    assert state_text(stale) == "stale: timeout"
    assert price_row(stale)[-1] == "stale:provider_timeout"
    assert "stale: timeout" in price_line(stale, colour=False)


def test_a_price_line_is_coloured_only_where_it_shall_be() -> None:
    assert price_line(moved(-1.0, percent=-1.0), colour=True).count("\x1b[31m") == 1
    assert "\x1b" not in price_line(moved(-1.0, percent=-1.0), colour=False)


@pytest.mark.parametrize(("width", "fits"), [(40, 40), (65, 65), (66, 66), (200, 66)])
def test_a_price_line_fits_the_width(width: int, fits: int) -> None:
    price = moved(-1_585.82, price=66_251.82, percent=-2.34).model_copy(
        update={"symbol": "EURUSD=X", "stale": True, "stale_reason": Reason.PROVIDER_BLOCKED}
    )

    assert len(price_line(price, colour=False, width=width)) <= fits


def hostile_news() -> NewsReply:
    bad = Headline.model_construct(
        title="A\x1b[2J\u202egnp\u2066.exe\tb\r\nc\x00", source="\x07S", link="javascript:alert(1)", published=NOW_MS
    )
    long = Headline(title="x" * 10_000, source="S", link="https://user@evil.example/", published=None)
    return NewsReply.model_construct(type="NEWS", articles=(bad, long))


def test_rows_have_neither_tabs_nor_controls_nor_bad_links() -> None:
    first, second = map(tab_separated, rows_of(hostile_news()))

    assert first == "A[2Jgnp.exe b c\tS\t2024-04-05T15:45:00Z\t"
    assert second.count("\t") == 3
    assert len(second) < 2_100


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("colour", [True, False])
def test_a_hostile_headline_is_cut_to_the_width_on_one_line(width: int, colour: bool) -> None:
    text = draw(hostile_news(), width=width, colour=colour, now_ms=NOW_MS)

    plain = ESCAPES.sub("", text)
    assert "\x1b" not in plain
    assert "javascript" not in text
    assert "evil.example" not in text
    assert max(map(len, plain.splitlines())) <= width
    assert len(plain.splitlines()) == 4
    assert plain.splitlines()[2].endswith("…")


def test_a_wide_table_shows_names_and_a_narrow_one_what_matters_most() -> None:
    reply = GetReply(quotes=tuple(map(a_quote, STOCKS)))

    wide = draw(reply, width=100, colour=False, now_ms=NOW_MS + 5_000)
    narrow = draw(reply, width=40, colour=False, now_ms=NOW_MS)

    assert "Microsoft Corporation" in wide
    assert "5s" in wide
    assert [line.split()[:2] for line in narrow.splitlines()[1:]] == [
        ["AAPL", "189.45"],
        ["MSFT", "425.52"],
        ["TSLA", "171.05"],
    ]


def test_a_state_that_is_unknown_is_not_shown() -> None:
    assert state_text(a_price().model_copy(update={"market_state": MarketState.UNKNOWN})) == ""


# --- what a spreadsheet or a terminal would obey ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|'/C calc'!A0", "-2+3+cmd|' /C calc'!A0", "-1.2.3", "+", "--1"),
        *(" =1+1", "\t=1+1", "\r=1+1", "\n-x", "-1.2 =x", "- a headline", "+1e5", "-\u0661"),
        *("\uff1d1+1", "\uff0b1", "\uff0dx", "\uff20x"),
    ],
)
def test_a_cell_that_begins_as_a_formula_does_is_text_to_a_spreadsheet(text: str) -> None:
    assert cell(text) == (f"'{text}" if len(text) > 1 else text)


@pytest.mark.parametrize(
    "text", ["", "-1.2", "+0.64", "-5", "0", "-", "AAPL", "^GSPC", "EURUSD=X", "BRK-B", "a@b", "'=1"]
)
def test_numbers_with_a_sign_and_everything_else_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


def test_a_headline_that_is_a_formula_is_none_in_the_rows() -> None:
    articles = (Headline(title="=HYPERLINK(1)", source="@x", link="https://a.example/", published=None),)
    [row] = rows_of(NewsReply(articles=articles))
    assert tab_separated(row).split("\t") == ["'=HYPERLINK(1)", "'@x", "", "https://a.example/"]


@pytest.mark.parametrize(
    "hostile",
    [
        *("\x85", "\x9b31m", "\x80", "\x9f", "\x7f", "\u202e", "\u2066", "\u2028", "\u2029", "\u200c", "\ufeff"),
        *("\xa0", "\U000e0041", "\U0010ffff", "\ue000"),
    ],
)
def test_json_for_a_terminal_has_the_same_value_and_nothing_that_does_not_print(hostile: str) -> None:
    value = {"title": f"Größe 😀 {hostile} end", hostile: [hostile]}
    line = safe_json(json.dumps(value, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == value
    assert "Größe 😀" in line


def test_json_that_prints_stays_as_it_is() -> None:
    line = '{"a":"\\u0085 \\n ü"}'
    assert safe_json(line) == line


def test_sources_are_a_table_of_their_states_and_below_it_why_one_is_not_well() -> None:
    reply = SourcesReply(sources=SOURCES)

    wide = draw(reply, width=100, colour=False, now_ms=NOW_MS)
    narrow = draw(reply, width=40, colour=False, now_ms=NOW_MS)

    assert wide.splitlines() == [
        "Source   State             Leads  Answered  Stream                Budget",
        "finnhub  well                 48    3s ago  up, 48 of 50 symbols  12 of 60 in 60 s",
        "yahoo    refuses requests  1,200            down",
        "yahoo: yahoo refuses requests (429). Next try in 28s.",
    ]
    assert narrow.splitlines() == [
        "Source  State            Leads",
        "finnhub well                48",
        "yahoo   refuses requests 1,200",
        "yahoo: yahoo refuses requests (429).",
        "Next try in 28s.",
    ]


@pytest.mark.parametrize("state", SourceState)
def test_every_state_of_a_source_has_its_words(state: SourceState) -> None:
    reply = SourcesReply(sources=(SOURCES[0].model_copy(update={"state": state}),))
    row = draw(reply, width=100, colour=False, now_ms=NOW_MS).splitlines()[1]
    assert re.fullmatch(r"finnhub  [a-z ]+  48 .*", row)
    assert "_" not in row


def test_what_a_source_says_carries_no_escapes_to_the_terminal() -> None:
    hostile = SOURCES[1].model_copy(update={"message": "\x1b[2Jgone\x1b]0;x\x07", "provider": "a\x1b[31m"})
    reply = SourcesReply(sources=(hostile,))
    assert "\x1b" not in draw(reply, width=100, colour=False, now_ms=NOW_MS)
    assert all("\x1b" not in field for row in rows_of(reply) for field in row)
