import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import stocktrack
from stocktrack.quotes import (
    MAX_SYMBOL_LENGTH,
    MINOR_UNITS,
    MarketState,
    Match,
    Quote,
    change_since,
    clean_link,
    clean_text,
    major_currency,
    may_be_negative,
    normalise_symbol,
)
from stocktrack.quotes import SYMBOL_CHARACTERS as RULE_CHARACTERS

SYMBOL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.^=-_:/&"
UNSAFE_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
JOINERS_AND_SIGNS = frozenset(
    "\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)

# --- symbols -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "symbol",
    [
        *("AAPL", "BRK-B", "^GSPC", "EURUSD=X", "RELIANCE.NS", "BINANCE:BTCUSDT", "NIFTY24APR18000CE"),
        *("F", "7203.T", "GC=F", "M&M.NS", "BTC/USD", "A_B", "X" * 48),
    ],
)
def test_what_the_markets_write_is_a_symbol(symbol: str) -> None:
    assert normalise_symbol(symbol) == symbol


@pytest.mark.parametrize(("typed", "symbol"), [("aapl", "AAPL"), ("eurUSD=x", "EURUSD=X"), ("brk-b", "BRK-B")])
def test_lower_case_is_raised(typed: str, symbol: str) -> None:
    assert normalise_symbol(typed) == symbol


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("A" * 49, id="49 characters"),
        pytest.param(" AAPL", id="space before"),
        pytest.param("AAPL ", id="space after"),
        pytest.param("AA PL", id="space within"),
        pytest.param("AAPL,MSFT", id="two symbols"),
        pytest.param("AAPL\n", id="newline at the end"),
        pytest.param("AAPL\x00", id="NUL"),
        pytest.param("\x1b[2JAAPL", id="escape sequence"),
        pytest.param("AAPL;DROP", id="semicolon"),
        pytest.param("$AAPL", id="dollar"),
        pytest.param("..\\AAPL", id="backslash"),
        pytest.param("stra\u00dfe", id="sharp s, whose upper case is SS"),
        pytest.param("\uff21\uff21\uff30\uff2c", id="full-width letters"),
        pytest.param("\u0410APL", id="Cyrillic A"),
        pytest.param("\u017fAP", id="long s, whose upper case is S"),
        pytest.param("\u212a", id="Kelvin sign, whose lower case is k"),
        pytest.param("S\u0661\u0662", id="Arabic digits"),
        pytest.param("AAPL\u202e", id="bidi override"),
        pytest.param("\ud800", id="half of a surrogate pair"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not a symbol: 1 to 48 characters of A-Z 0-9") as caught:
        normalise_symbol(text)

    sentence = str(caught.value)
    assert all(unicodedata.category(character) not in UNSAFE_CATEGORIES for character in sentence)


def test_the_page_has_the_same_rule() -> None:
    scripts = (Path(stocktrack.__file__).parent / "web" / "page").glob("*/*.js")
    own = [script for script in scripts if script.parent.name not in {"vendor", "built"}]
    rules = [rule for script in own for rule in re.findall(r"/\^(\[A-Z0-9\S*)\$/", script.read_text("utf-8"))]

    # In JavaScript a slash may stand within brackets as it is, so the two are the same text.
    assert rules == [f"[{RULE_CHARACTERS}]{{1,{MAX_SYMBOL_LENGTH}}}"]


def test_the_sentence_does_not_repeat_a_megabyte() -> None:
    with pytest.raises(ValueError, match="is not a symbol") as caught:
        normalise_symbol("A" * 1_000_000)

    assert len(str(caught.value)) < 200


@settings(deadline=None)
@given(st.text(alphabet=SYMBOL_CHARACTERS + SYMBOL_CHARACTERS.lower(), min_size=1, max_size=MAX_SYMBOL_LENGTH))
def test_every_text_of_these_characters_is_a_symbol_and_stays_one(text: str) -> None:
    symbol = normalise_symbol(text)

    assert symbol == text.upper()
    assert normalise_symbol(symbol) == symbol


@settings(deadline=None)
@given(st.text(max_size=40) | st.text(alphabet=SYMBOL_CHARACTERS + "\u00df\u0131\u212a\uff21 \n", max_size=40))
def test_no_other_text_is_a_symbol(text: str) -> None:
    if 1 <= len(text) <= MAX_SYMBOL_LENGTH and set(text) <= set(SYMBOL_CHARACTERS + SYMBOL_CHARACTERS.lower()):
        assert normalise_symbol(text) == text.upper()
    else:
        with pytest.raises(ValueError, match="is not a symbol"):
            normalise_symbol(text)


# --- text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        pytest.param("Apple rises", "Apple rises", id="plain"),
        pytest.param(
            "Nestl\u00e9 \u2013 \u682a\u5f0f \U0001f680", "Nestl\u00e9 \u2013 \u682a\u5f0f \U0001f680", id="not ASCII"
        ),
        pytest.param("\x1b[31mred\x1b[0m", "[31mred[0m", id="colour sequence"),
        pytest.param("\x1b]0;title\x07text", "]0;titletext", id="title sequence"),
        pytest.param("\x9b31mred", "31mred", id="8-bit control sequence"),
        pytest.param("a\x00b\x08c\x7fd", "abcd", id="NUL, backspace and delete"),
        pytest.param("a\u202egnp.exe\u202c", "agnp.exe", id="bidi override"),
        pytest.param("a\u2066b\u2069c\u200ed", "abcd", id="bidi isolates and marks"),
        pytest.param("a\u200bb\ufeffc\u00add", "abcd", id="zero-width space, byte order mark, soft hyphen"),
        pytest.param("a\ud800b", "ab", id="half of a surrogate pair"),
        pytest.param("a\ue000b\U000e0041c", "abc", id="private use and tags"),
        pytest.param(
            "\u0645\u06cc\u200c\u06a9\u0646\u062f", "\u0645\u06cc\u200c\u06a9\u0646\u062f", id="Persian joiner"
        ),
        pytest.param("\u0d28\u0d4d\u200d x", "\u0d28\u0d4d\u200d x", id="Malayalam joiner at the end of a word"),
        pytest.param("\U0001f469\U0001f3fd\u200d\U0001f680", "\U0001f469\U0001f3fd\u200d\U0001f680", id="emoji of two"),
        pytest.param("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525", id="emoji with a variation"),
        pytest.param("a\u200db\u200c \u200dc", "ab c", id="joiners that join nothing"),
        pytest.param("\u06cc\u200c\u200c\u200d\u06a9", "\u06cc\u200c\u06a9", id="a heap of joiners"),
        pytest.param("\u0600\u0661 \u06dd\u0662", "\u0600\u0661 \u06dd\u0662", id="Arabic signs of number"),
        pytest.param("two\nlines\r\nand\tmore", "two lines and more", id="newlines and tabs"),
        pytest.param(
            "two\u2028lines\u2029and\x85more\x0band\x0cmore", "two lines and more and more", id="rare newlines"
        ),
        pytest.param("  wide   \u00a0 \u3000 spaces  ", "wide spaces", id="spaces"),
        pytest.param("\x1b\u200b\n ", "", id="nothing left"),
        pytest.param("", "", id="empty"),
    ],
)
def test_text_is_cleaned_of_what_shows_something_else_than_it_is(text: str, clean: str) -> None:
    assert clean_text(text, 100) == clean


def test_long_text_is_cut_and_says_so() -> None:
    assert clean_text("x" * 100, 100) == "x" * 100
    assert clean_text("x" * 101, 100) == "x" * 99 + "\u2026"
    assert clean_text("word " * 30, 11) == "word word\u2026"


def test_a_megabyte_is_cut_before_it_is_looked_at() -> None:
    assert clean_text("\x00" * 1_000_000 + "late", 100) == ""


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())), st.integers(1, 50))
def test_cleaned_text_is_short_safe_and_clean(text: str, max_chars: int) -> None:
    clean = clean_text(text, max_chars)

    assert len(clean) <= max_chars
    assert all(
        unicodedata.category(character) not in UNSAFE_CATEGORIES or character in JOINERS_AND_SIGNS
        for character in clean
    )
    assert clean == " ".join(clean.split())
    assert clean_text(clean, max_chars) == clean
    assert clean.encode().decode() == clean


# --- links -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        *("https://example.com/news/1", "http://example.com", "https://example.com:8443/a?b=c&d=%20e#f"),
        *("HTTPS://EXAMPLE.COM/", "https://[2001:db8::1]/news", "https://m\u00fcnchen.example/stra\u00dfe"),
        *("https://example.com/@author/post", "https://example.com/moody's-cuts", "https://example.com/('a')"),
    ],
)
def test_a_plain_web_address_is_kept_as_it_is(link: str) -> None:
    assert clean_link(link) == link


def test_spaces_around_a_link_are_taken_off() -> None:
    assert clean_link(" https://example.com/ \n") == "https://example.com/"


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("JaVaScRiPt:alert(1)", id="javascript in mixed case"),
        pytest.param("java\nscript:alert(1)", id="javascript cut by a newline"),
        pytest.param("data:text/html,<script>", id="data"),
        pytest.param("smb://server/share", id="smb"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("ftp://example.com/", id="ftp"),
        pytest.param("//example.com/x", id="no scheme"),
        pytest.param("/news/1", id="path only"),
        pytest.param("https:///news", id="no host"),
        pytest.param("https:example.com", id="no slashes"),
        pytest.param("https://user:secret@example.com/", id="name and password"),
        pytest.param("https://bank.example@evil.example/", id="name that looks like a host"),
        pytest.param("https://@example.com/", id="empty name"),
        pytest.param("https://example.com/a b", id="space"),
        pytest.param("https://example.com/\u3000b", id="wide space"),
        pytest.param('https://example.com/"onclick="x', id="double quote"),
        pytest.param("https://example.com'/x", id="apostrophe in the host"),
        pytest.param("https://example.com/<b>", id="angle brackets"),
        pytest.param("https://example.com\\@evil.example/", id="backslash"),
        pytest.param("https://example.com/\x1b[2J", id="escape sequence"),
        pytest.param("https://example.com/\x00", id="NUL"),
        pytest.param("https://example.com/\u202egnp", id="bidi override"),
        pytest.param("https://example.com/a\tb", id="tab"),
        pytest.param("https://[::1", id="half of an address"),
        pytest.param("https://example.com:port/", id="port that is no number"),
        pytest.param("https://example.com:99999/", id="port that cannot be"),
        pytest.param("https://example.com/" + "a" * 2000, id="too long"),
        pytest.param("", id="empty"),
    ],
)
def test_anything_else_is_no_link(link: str) -> None:
    assert clean_link(link) is None


@settings(deadline=None)
@given(
    st.text(max_size=60)
    | st.text(max_size=60).map("https://".__add__)
    | st.text(max_size=60).map("https://example.com/".__add__)
    | st.from_regex(r"https?://[a-z@:.\[\]0-9/]{0,30}", fullmatch=True)
)
def test_what_is_taken_for_a_link_is_one_in_every_place_it_can_stand(text: str) -> None:
    link = clean_link(text)

    assert link in {None, text.strip()}
    if link is not None:
        # An apostrophe may stand behind the host, as in the name of a story.
        assert re.match(r"https?://[^/?#@']+([/?#]|$)", link, re.IGNORECASE)
        assert link.isprintable()
        assert not set(link) & set(' <>"\\')
        assert clean_link(link) == link


# --- values ------------------------------------------------------------------------------------------------------


def test_a_quote_needs_little_and_invents_nothing() -> None:
    quote = Quote(symbol="aapl", price=189.45, received_at=1, provider="test")

    assert quote.symbol == "AAPL"
    assert quote.market_state is MarketState.UNKNOWN
    unknown = {name for name, value in quote if value is None}
    assert unknown == set(Quote.model_fields) - {"symbol", "price", "received_at", "provider", "market_state"}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"price": float("nan")}, {"price": float("inf")}, {"change": float("-inf")}, {"price": "much"}),
        *({"symbol": "no symbol"}, {"colour": "green"}, {"market_state": "asleep"}, {"volume": 1.5}),
    ],
)
def test_a_quote_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    fields = {"symbol": "AAPL", "price": 1.0, "received_at": 1, "provider": "test", **wrong}

    with pytest.raises(ValidationError):
        Quote.model_validate(fields)


def test_a_value_cannot_be_changed() -> None:
    match = Match(symbol="AAPL", name="Apple")

    with pytest.raises(ValidationError):
        match.name = "Pear"  # type: ignore[misc]  # that it cannot be written is what is tested

    assert match.name == "Apple"


# --- money -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "whole"),
    [*MINOR_UNITS.items(), ("USD", "USD"), ("GBP", "GBP"), ("ILS", "ILS"), ("XXc", None), (None, None)],
)
def test_a_part_of_a_currency_belongs_to_a_whole_one(currency: str | None, whole: str | None) -> None:
    assert major_currency(currency) == whole


@pytest.mark.parametrize(
    ("previous_close", "price", "change"),
    [
        (269.0, 269.7, (0.7, 0.260223)),
        (96_137.88, 96_077.45, (-60.43, -0.062858)),
        (1.0829, 1.0834236, (0.0005236, 0.048352)),
        (0.00001234, 0.00001235, (0.00000001, 0.081037)),
        (0.01, 0.0, (-0.01, -100.0)),
        (-40.0, -10.0, (30.0, 75.0)),
        (0.0, 0.02, (0.02, None)),
        (100.0, 100.0, (0.0, 0.0)),
    ],
)
def test_a_change_is_exact_and_signed_whatever_the_close(
    previous_close: float, price: float, change: tuple[float, float | None]
) -> None:
    assert change_since(previous_close, price) == change


@pytest.mark.parametrize(
    ("symbol", "may_be"),
    [
        *((symbol, True) for symbol in ("CL=F", "CLZ26.NYM", "^IRX", "NSE_INDEX:NIFTY", "MCX:CRUDEOIL20APR20FUT")),
        *((symbol, False) for symbol in ("F", "AAPL", "FUT.NS", "BTC-USD", "EURUSD=X", "NFO:NIFTY26DECFUT", "^")),
        ("MCX:CRUDEOIL16APR206500CE", False),
    ],
)
def test_what_may_cost_nothing_is_told_by_its_writing(symbol: str, may_be: bool) -> None:
    assert may_be_negative(symbol) is may_be
