import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripted_server import NOW_MS, SOURCES, STOCKS, a_price, a_quote
from stocktrack.errors import Reason
from stocktrack.messages import (
    BoardQuote,
    GetReply,
    InfoReply,
    NewsReply,
    Price,
    SinkInfo,
    SinkState,
    SourcesReply,
    SourceState,
)
from stocktrack.quotes import CompanyInfo, Headline, MarketState, price_digits
from stocktrack.terminal.facts import hours_text, range_text
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import (
    age_text,
    amount_text,
    cell,
    change_text,
    compact_text,
    extended_of,
    fixed,
    iso_time,
    number,
    percent_text,
    price_line,
    price_row,
    price_text,
    rows_of,
    safe_json,
    sink_state_text,
    sparkline,
    state_text,
    tab_separated,
    tone_of,
)
from stocktrack.terminal.words import lack_words, stale_words

ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")


def moved(
    change: float | None, *, price: float = 100.0, percent: float | None = None, hint: int | None = None
) -> Price:
    return a_price(price=price).model_copy(update={"change": change, "change_percent": percent, "price_hint": hint})


def after_hours(state: MarketState = MarketState.POST, **fields: Any) -> Price:
    """The quote after hours that is shown as 269.70 +0.26 %  post 270.75 +0.39 %."""
    extended = {"extended_price": 270.75, "extended_change": 1.05, "extended_change_percent": 0.389}
    update = {"market_state": state, **extended, "extended_time": NOW_MS + 7_200_000, **fields}
    return moved(0.7, price=269.7, percent=0.26).model_copy(update=update)


# The page's tests read the same table.
DIGITS = json.loads((Path(__file__).parents[1] / "price_digits.json").read_text())


@pytest.mark.parametrize("case", DIGITS, ids=lambda case: case["why"])
def test_a_price_has_as_many_decimals_here_as_on_the_page_and_reads_the_same(case: dict[str, Any]) -> None:
    digits = price_digits(case["price"], case["hint"], case.get("others", ()))

    assert digits == case["digits"]
    assert [price_text(case["price"], digits), fixed(case["change"], digits, signed=True)] == case["texts"]


# The page's tests read this one, too (format.test.js).
SAME = json.loads((Path(__file__).parents[1] / "one_format.json").read_text())
READ: dict[str, Callable[..., str]] = {
    "percents": percent_text,
    "changes": lambda value, digits: fixed(value, digits, signed=True),
    "prices": price_text,
    "compact": compact_text,
    "ages": lambda age_ms: age_text(0, age_ms),
    "stale": stale_words,
    "lacks": lack_words,
}


@pytest.mark.parametrize("kind", SAME)
def test_numbers_ages_and_reasons_read_here_as_they_do_on_the_page(kind: str) -> None:
    assert [READ[kind](*given) for *given, _ in SAME[kind]] == [text for *_, text in SAME[kind]]


@pytest.mark.parametrize(
    ("value", "text"), [(0.24, "0.24"), (18.0, "18.00"), (1.08153, "1.08153"), (1e21, "1" + ",000" * 7 + ".00")]
)
def test_an_amount_keeps_its_precision_and_never_has_an_exponent(value: float, text: str) -> None:
    assert amount_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (1.2, "+1.2"), (-0.5, "-0.5"), (0.0, "+0"), (12690.0, "+12690")]
)
def test_a_number_for_programs_has_no_grouping(value: float | None, text: str) -> None:
    assert number(value, signed=True) == text


def test_a_change_has_a_sign_and_the_precision_of_its_price() -> None:
    assert change_text(moved(1.5, price=100.25)) == "+1.50"
    assert change_text(moved(-0.00267, price=1.08153, hint=5)) == "−0.00267"
    assert change_text(moved(None)) == ""
    assert [percent_text(percent) for percent in (-0.5, -0.001, None)] == ["−0.50%", "0.00%", ""]


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
        (-60, "−1m"),
        (-7_200, "−2h"),
        (-1e12, "−999d"),
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

    assert state_text(stale) == "stale: Scripted is silent"
    assert price_row(stale)[-1] == "stale:provider_timeout"
    assert "stale: Scripted is silent" in price_line(stale, colour=False)


def test_a_price_line_is_coloured_only_where_it_shall_be() -> None:
    assert price_line(moved(-1.0, percent=-1.0), colour=True).count("\x1b[31m") == 1
    assert "\x1b" not in price_line(moved(-1.0, percent=-1.0), colour=False)


@pytest.mark.parametrize(("width", "fits"), [(40, 40), (65, 65), (66, 66), (76, 76), (200, 77)])
def test_a_price_line_fits_the_width(width: int, fits: int) -> None:
    price = moved(-1_585.82, price=66_251.82, percent=-2.34).model_copy(
        update={"symbol": "EURUSD=X", "stale": True, "stale_reason": Reason.PROVIDER_BLOCKED}
    )

    assert len(price_line(price, colour=False, width=width)) <= fits


# --- before and after the regular hours -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ("post 270.75 +0.39%", "up")),
        ({"market_state": MarketState.PRE}, ("pre 270.75 +0.39%", "up")),
        ({"market_state": MarketState.CLOSED}, ("post 270.75 +0.39%", "up")),
        ({"market_state": MarketState.UNKNOWN}, ("ext 270.75 +0.39%", "up")),
        ({"extended_change": -1.05, "extended_change_percent": -0.389}, ("post 270.75 −0.39%", "down")),
        ({"extended_change_percent": None}, ("post 270.75 +1.05", "up")),
        ({"extended_change_percent": None, "extended_change": None}, ("post 270.75", "")),
        ({"price_hint": 4}, ("post 270.7500 +0.39%", "up")),
        ({"price_hint": 0}, ("post 271 +0.39%", "up")),
        ({"extended_time": None}, ("post 270.75 +0.39%", "up")),
    ],
)
def test_a_price_outside_the_hours_says_which_and_has_the_digits_of_its_symbol(
    fields: dict[str, Any], shown: tuple[str, str]
) -> None:
    extended = extended_of(after_hours(**{"state": fields.pop("market_state", MarketState.POST), **fields}))

    assert extended is not None
    assert (extended.text, extended.tone) == shown


@pytest.mark.parametrize(
    "price",
    [
        after_hours(MarketState.OPEN),
        after_hours(extended_price=None),
        after_hours(MarketState.CLOSED, extended_time=NOW_MS - 1),
    ],
)
def test_an_open_market_and_a_newer_regular_price_leave_it_behind(price: Price) -> None:
    assert extended_of(price) is None
    assert len(price_row(price)) == 8
    assert "270.75" not in price_line(price, colour=False, width=200)


@pytest.mark.parametrize("width", range(30, 90))
def test_a_line_shows_it_whole_or_not_at_all(width: int) -> None:
    line = price_line(after_hours(), colour=False, width=width)

    assert ("270.75" in line) == line.endswith("  post 270.75 +0.39%")
    assert ("270.75" in line) == (53 <= width < 66 or width >= 69)
    assert "269.70" in line
    assert "+0.26%" in line


def test_a_stale_line_says_so_beside_it() -> None:
    stale = after_hours(stale=True, stale_reason=Reason.PROVIDER_BLOCKED)

    line = price_line(stale, colour=False, width=100)

    assert line.endswith("+0.26%  stale: Scripted refuses us  post 270.75 +0.39%")


def test_a_row_for_programs_has_it_behind_its_eight_fields() -> None:
    row = price_row(after_hours())

    assert row[:8] == price_row(after_hours(extended_price=None))
    assert row[8:] == ("270.75", "+1.05", "+0.389", "2024-04-05T17:45:00Z")


def quoted(**fields: Any) -> BoardQuote:
    extended = {
        name: getattr(after_hours(), name)
        for name in ("market_state", "price", "change", "change_percent", "extended_price", "extended_time")
    }
    percents = {"extended_change": 1.05, "extended_change_percent": 0.389}
    return a_quote("AAPL").model_copy(update={**extended, **percents, **fields})


@pytest.mark.parametrize("width", range(20, 130))
def test_a_table_shows_it_whole_or_not_at_all_and_keeps_the_regular_price(width: int) -> None:
    reply = GetReply(quotes=(quoted(), quoted(symbol="MSFT", extended_price=None), quoted(symbol="BRK-B")))

    lines = draw(reply, width=width, colour=False, now_ms=NOW_MS).splitlines()

    assert [("270.75" in line) == ("post 270.75 +0.39%" in line) for line in lines] == [True] * 4
    assert ("Extended" in lines[0]) == ("270.75" in lines[1]) == (width >= 43)
    if width >= 31:
        assert all("269.70" in line and "+0.26%" in line for line in lines[1:])
        assert max(map(len, lines)) <= width


def test_a_table_without_such_a_price_has_no_column_for_it() -> None:
    text = draw(GetReply(quotes=(a_quote("AAPL"), a_quote("MSFT"))), width=100, colour=False, now_ms=NOW_MS)

    assert "Extended" not in text


def test_a_table_colours_it_by_its_own_change() -> None:
    falls = quoted(extended_change=-1.05, extended_change_percent=-0.389)

    text = draw(GetReply(quotes=(falls, quoted(symbol="MSFT"))), width=100, colour=True, now_ms=NOW_MS)

    assert re.search(r"\x1b\[31mpost 270\.75 −0\.39%", text)
    assert re.search(r"\x1b\[32m\+0\.26%", text)


# --- what is known of one symbol --------------------------------------------------------------------------------------


def test_one_quote_is_shown_with_its_day_and_its_year_and_several_without() -> None:
    figures = {
        "open": 268.1,
        "low": 267.5,
        "high": 271.0,
        "previous_close": 269.0,
        "fifty_two_week_low": 169.21,
        "fifty_two_week_high": 271.41,
        "bid": 270.7,
        "ask": 270.8,
        "volume": 51_267_341,
        "market_cap": 3.98e12,
        "market_cap_currency": "USD",
        "trailing_pe": 40.925644,
    }
    one, other = quoted(**figures), quoted(symbol="MSFT")

    facts = draw(GetReply(quotes=(one,)), width=80, colour=False, now_ms=NOW_MS).splitlines()[3:]

    assert [re.split(r"  +", line) for line in facts] == [
        ["Open", "268.10"],
        ["Previous close", "269.00"],
        ["Day", "267.50 to 271.00"],
        ["52 weeks", "169.21 to 271.41"],
        ["Bid", "270.70"],
        ["Ask", "270.80"],
        ["Volume", "51.3M"],
        ["Market cap", "3.98T USD"],
        ["Trailing P/E", "40.93"],
    ]
    assert "52 weeks" not in draw(GetReply(quotes=(one, other)), width=80, colour=False, now_ms=NOW_MS)


def test_one_quote_of_which_nothing_more_is_known_is_a_table_alone() -> None:
    assert len(draw(GetReply(quotes=(a_quote("AAPL"),)), width=80, colour=False, now_ms=NOW_MS).splitlines()) == 2


def test_a_company_is_shown_with_its_year_and_the_hours_of_its_market_in_the_readers_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Europe/London")
    time.tzset()
    opens, closes = 1_712_323_800_000, 1_712_347_200_000  # 13:30 and 20:00 in UTC, on a Friday in summer
    company = CompanyInfo(
        symbol="AAPL",
        currency="USD",
        fifty_two_week_low=169.2,
        fifty_two_week_high=271.41,
        trailing_pe=40.925644,
        market_opens_at=opens,
        market_closes_at=closes,
    )
    reply = InfoReply(company=company)

    text = draw(reply, width=80, colour=False, now_ms=NOW_MS)

    assert re.search(r"^52 weeks +169\.20 to 271\.41$", text, re.MULTILINE)
    assert re.search(r"^Trailing P/E +40\.93$", text, re.MULTILINE)
    assert re.search(r"^Market +opens 14:30, closes 21:00 your time$", text, re.MULTILINE)
    assert [row for row in rows_of(reply) if row[0] != "symbol"] == [
        ("currency", "USD"),
        ("trailing P/E", "40.925644"),
        ("52-week low", "169.2", "USD"),
        ("52-week high", "271.41", "USD"),
        ("market opens", "2024-04-05T13:30:00Z"),
        ("market closes", "2024-04-05T20:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("opens", "closes", "text"),
    [
        (1_712_323_800_000, 1_712_347_200_000, "opens 13:30, closes 20:00 your time"),
        (1_712_583_000_000, 1_712_606_400_000, "opens Mon 08 Apr 13:30, closes 20:00 your time"),
        (1_712_354_400_000, 1_712_376_000_000, "opens 22:00, closes Sat 06 Apr 04:00 your time"),
        (None, 1_712_347_200_000, "closes 20:00 your time"),
        (None, None, ""),
        (10**18, 1_712_347_200_000, "closes 20:00 your time"),
    ],
)
def test_hours_of_another_day_say_which(
    opens: int | None, closes: int | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    assert hours_text(opens, closes, NOW_MS) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(1.0, 2.5, "1.00 to 2.50"), (1.0, None, "from 1.00"), (None, 2.5, "up to 2.50"), (None, None, "")],
)
def test_a_range_with_one_end_says_which(low: float | None, high: float | None, text: str) -> None:
    assert range_text(low, high, 2) == text


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


SINKS = (
    SinkInfo(
        sink="redis://127.0.0.1:6379/0",
        state=SinkState.OK,
        waiting=0,
        written=81_200,
        merged=3,
        last_success_at=NOW_MS - 1_000,
    ),
    SinkInfo(
        sink="kafka://127.0.0.1:9092/quotes",
        state=SinkState.FAILING,
        waiting=1_204,
        written=0,
        merged=0,
        failures=3,
        retry_at=NOW_MS + 4_000,
        reason="No Kafka broker answers at 127.0.0.1:9092.\x1b[2J",
    ),
)


def test_below_the_sources_stand_the_sinks_and_why_one_is_down() -> None:
    reply = SourcesReply(sources=SOURCES[:1], sinks=SINKS)

    wide = draw(reply, width=100, colour=False, now_ms=NOW_MS)
    narrow = draw(reply, width=40, colour=False, now_ms=NOW_MS)

    assert wide.splitlines()[2:] == [
        "",
        "Sink                           State  Waiting  Written  Merged",
        "redis://127.0.0.1:6379/0       well         0   81,200       3",
        "kafka://127.0.0.1:9092/quotes  fails    1,204        0       0",
        "kafka://127.0.0.1:9092/quotes: No Kafka broker answers at 127.0.0.1:9092.[2J Next try in 4s.",
    ]
    assert max(map(len, narrow.splitlines())) <= 40
    assert draw(reply.model_copy(update={"sinks": None}), width=100, colour=False, now_ms=NOW_MS).count("\n") == 2


def test_a_sink_is_a_row_of_as_many_fields_as_a_source_for_programs() -> None:
    [source, well, down] = rows_of(SourcesReply(sources=SOURCES[:1], sinks=SINKS))

    assert len(source) == len(well) == len(down)
    assert well[:5] == ("redis://127.0.0.1:6379/0", "ok", "0", "81200 written", "3 merged")
    assert down[1:3] == ("failing", "1204")
    assert down[-2:] == ("No Kafka broker answers at 127.0.0.1:9092.[2J", "sink")


@pytest.mark.parametrize("state", SinkState)
def test_every_state_of_a_sink_has_its_words(state: SinkState) -> None:
    reply = SourcesReply(sources=(), sinks=(SINKS[0].model_copy(update={"state": state}),))

    assert sink_state_text(SINKS[0].model_copy(update={"state": state})) in draw(
        reply, width=100, colour=False, now_ms=NOW_MS
    )


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
