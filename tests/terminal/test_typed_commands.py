import re

import pytest

from stocktrack.terminal.typed_commands import (
    MENU,
    WORDS,
    Past,
    Typed,
    TypedLot,
    UsageError,
    count_of,
    list_option,
    parse,
    split_holdings,
    split_interval,
    split_list,
    split_lot,
    split_news,
    split_past,
    split_said,
    split_segment,
    split_symbols,
)


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("get AAPL", Typed("get", "AAPL")),
        ("  GET   AAPL,MSFT  ", Typed("get", "AAPL,MSFT")),
        ("quit", Typed("exit", "")),
        ("?", Typed("help", "")),
        ("2", Typed("subscribe", "", from_menu=True)),
        ("0", Typed("exit", "", from_menu=True)),
        ("AAPL", Typed("get", "AAPL", is_guess=True)),
        (" AAPL, ^GSPC 7203.T", Typed("get", "AAPL, ^GSPC 7203.T", is_guess=True)),
        ("btc-usd", Typed("get", "btc-usd", is_guess=True)),
        ("NEW", Typed("get", "NEW", is_guess=True)),
    ],
)
def test_a_line_is_its_word_and_what_follows(line: str, typed: Typed) -> None:
    assert parse(line) == typed


def test_an_empty_line_is_nothing() -> None:
    assert parse("  ") is None


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("subscrib AAPL", "Did you mean 'subscribe'"),
        ("SUBSCRIB AAPL", "Did you mean 'subscribe'"),
        ("subscrib", "Did you mean 'subscribe'"),
        ("buy AAPL", "help"),
        ("7", "help"),
        ("\x1b[A", "help"),
    ],
)
def test_a_line_that_is_no_command_says_what_would_be(line: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint) as caught:
        parse(line)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "here"),
    [
        ("alert add AAPL above 3", "alert AAPL above 3"),
        ("alert list", "alerts"),
        ("alert remove a4", "unalert a4"),
        ("lots add AAPL 10 @ 3", "lot AAPL 10 @ 3"),
        ("lots LIST", "lots"),
        ("lots remove l2\x1b[31m", "unlot l2[31m"),
    ],
)
def test_what_the_shell_takes_is_told_in_the_words_of_the_prompt(line: str, here: str) -> None:
    with pytest.raises(UsageError, match="is for the shell") as caught:
        parse(line)
    assert str(caught.value).endswith(f"here it is `{here}`.")


def test_a_symbol_may_be_called_as_a_command_of_the_shell() -> None:
    assert parse("alert add crosses-above 3") == Typed("alert", "add crosses-above 3")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [("AAPL 0 @ 1", "quantity must not be 0"), ("AAPL 1 @ -1", "cost must not be below 0")],
)
def test_a_lot_that_is_none_says_what_a_sale_is(arguments: str, told: str) -> None:
    with pytest.raises(UsageError, match=f"{told}.*AAPL -10 @ 146"):
        split_lot(arguments)


def test_a_group_that_is_typed_as_a_currency_is_told_as_one() -> None:
    with pytest.raises(UsageError, match="a group as --group pension"):
        split_holdings("pension")


def test_every_number_of_the_menu_is_a_command() -> None:
    assert {word for _, _, word in MENU} <= WORDS.keys()


@pytest.mark.parametrize("text", ["AAPL,MSFT", "AAPL MSFT", " AAPL ,\tMSFT,, "])
def test_symbols_are_separated_in_any_way(text: str) -> None:
    assert split_symbols(text) == ["AAPL", "MSFT"]
    assert split_symbols(["AAPL,MSFT"]) == split_symbols(["AAPL", "MSFT"])


@pytest.mark.parametrize(
    ("text", "symbols", "seconds"),
    [
        ("AAPL", ["AAPL"], None),
        ("AAPL,MSFT every 5", ["AAPL", "MSFT"], 5.0),
        ("AAPL every 0.5s", ["AAPL"], 0.5),
        ("every 2", [], 2.0),
        ("", [], None),
    ],
)
def test_an_interval_may_follow_the_symbols(text: str, symbols: list[str], seconds: float | None) -> None:
    assert split_interval(text) == (symbols, seconds)


@pytest.mark.parametrize("text", ["AAPL every", "AAPL every now", "every x"])
def test_an_interval_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="number of seconds"):
        split_interval(text)


def test_a_count_is_a_whole_number_or_nothing() -> None:
    assert count_of("") is None
    assert count_of("12") == 12
    with pytest.raises(UsageError, match="not a count"):
        count_of("-1")


@pytest.mark.parametrize(
    ("arguments", "rest", "name"),
    [
        ("AAPL MSFT", "AAPL MSFT", None),
        ("AAPL --list tech", "AAPL", "tech"),
        ("--list=tech AAPL every 5", "AAPL every 5", "tech"),
        ('AAPL --list "big tech" MSFT', "AAPL   MSFT", "big tech"),
        ("--list 'big tech'", "", "big tech"),
    ],
)
def test_the_list_is_named_anywhere_on_the_line(arguments: str, rest: str, name: str | None) -> None:
    assert split_list(arguments) == (rest, name)


@pytest.mark.parametrize(
    ("arguments", "rest", "word"),
    [
        ("RELIANCE", "RELIANCE", None),
        ("RELIANCE --segment FO", "RELIANCE", "FO"),
        ("--segment=bse_eq state  bank", "state bank", "bse_eq"),
        ("state --segment C bank", "state bank", "C"),
    ],
)
def test_the_segment_is_named_anywhere_on_the_line(arguments: str, rest: str, word: str | None) -> None:
    assert split_segment(arguments) == (rest, word)


@pytest.mark.parametrize("arguments", ["--segment", "RELIANCE --segment", "--segment="])
def test_a_segment_without_a_word_is_told_how_it_is_named(arguments: str) -> None:
    with pytest.raises(UsageError, match="`--segment` needs a word"):
        split_segment(arguments)


@pytest.mark.parametrize("arguments", ["--list", "AAPL --list", "--list="])
def test_a_list_without_a_name_is_told_how_it_is_named(arguments: str) -> None:
    with pytest.raises(UsageError, match="`--list` needs the name of a list"):
        split_list(arguments)


@pytest.mark.parametrize(
    ("arguments", "symbol", "count"),
    [
        ("", None, None),
        ("5", None, 5),
        ("AAPL", "AAPL", None),
        ("AAPL 5", "AAPL", 5),
        ("AAPL,5", "AAPL", 5),
        ("600519 5", "600519", 5),
        ("7203.T", "7203.T", None),
    ],
)
def test_news_takes_a_symbol_a_count_or_both(arguments: str, symbol: str | None, count: int | None) -> None:
    assert split_news(arguments) == (symbol, count)


@pytest.mark.parametrize(("arguments", "complaint"), [("AAPL five", "not a count"), ("AAPL MSFT 5", "one symbol")])
def test_what_else_news_is_given_is_told(arguments: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        split_news(arguments)


@pytest.mark.parametrize(
    ("arguments", "past"),
    [
        ("AAPL", Past("AAPL")),
        ("AAPL 1Y", Past("AAPL", range="1y")),
        ("AAPL 5d 15m", Past("AAPL", range="5d", interval="15m")),
        ("AAPL 1mo 1d", Past("AAPL", range="1mo", interval="1d")),
        ("AAPL --range=6mo --adjust all prepost", Past("AAPL", range="6mo", adjust="all", prepost=True)),
        ("AAPL --start 2024-02-09 --end 2024-02-16", Past("AAPL", start="2024-02-09", end="2024-02-16")),
        ("AAPL --start 2024-02-09 1h", Past("AAPL", start="2024-02-09", interval="1h")),
        ("EURUSD=X 1d", Past("EURUSD=X", range="1d")),
        ("EURUSD=X --range=1d", Past("EURUSD=X", range="1d")),
    ],
)
def test_history_takes_a_symbol_and_what_of_its_past(arguments: str, past: Past) -> None:
    assert split_past(arguments) == past


@pytest.mark.parametrize(
    ("arguments", "past"),
    [
        ("AAPL 5d candles", Past("AAPL", range="5d", candles=True)),
        ("AAPL --candles --prepost", Past("AAPL", candles=True, prepost=True)),
    ],
)
def test_a_chart_takes_candles_too(arguments: str, past: Past) -> None:
    assert split_past(arguments, is_chart=True) == past


@pytest.mark.parametrize(
    ("arguments", "is_chart", "complaint"),
    [
        ("AAPL 2y", False, "`history` takes no '2y'; the ranges are 1d 5d"),
        ("AAPL candles", False, "`history` takes no 'candles'"),
        ("AAPL 1d 15m", True, "`chart` takes no '15m'"),
        ("AAPL --range 2y", True, "'2y' is no range; there are 1d 5d"),
        ("AAPL --start", False, "`--start` needs a value, as in `history AAPL --start 2024-02-09`."),
        ("AAPL --every 5", False, "`history` takes no '--every'"),
    ],
)
def test_what_else_they_are_given_is_told(arguments: str, is_chart: bool, complaint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        split_past(arguments, is_chart=is_chart)


# --- holdings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["AAPL 10 @ 146", "AAPL 10 @146", "AAPL 10@146", "AAPL 10@ 146", "AAPL 10 146", "  AAPL  +10.0  @  146. "]
)
def test_a_lot_is_a_symbol_a_quantity_and_a_cost_however_it_is_spaced(text: str) -> None:
    assert split_lot(text) == TypedLot("AAPL", 10.0, 146.0)


def test_a_lot_may_be_a_sale_with_fees_in_a_group() -> None:
    assert split_lot("AAPL -5 @ 180.5 --fee 1.25 --group pension") == TypedLot("AAPL", -5.0, 180.5, 1.25, "pension")
    assert split_lot('--group="my broker" AAPL -.5 @ 1e2 --fee=2') == TypedLot("AAPL", -0.5, 100.0, 2.0, "my broker")
    assert split_lot("AAPL 1 @ 2", fee=3.0, group="g") == TypedLot("AAPL", 1.0, 2.0, 3.0, "g")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("AAPL", "A lot is a symbol, a quantity and what one cost"),
        ("AAPL 10", "A lot is"),
        ("AAPL 10 @", "A lot is"),
        ("AAPL @ 146", "A lot is"),
        ("AAPL 10 @ 146 USD", "A lot is"),
        ("AAPL 10 @ @ 146", "A lot is"),
        ("AAPL ten @ 146", "The quantity must be a number such as 12.5, and is 'ten'."),
        ("AAPL 1,5 @ 146", "without a comma, and is '1,5'."),
        ("AAPL 10 @ nan", "The cost must be a number"),
        ("AAPL inf @ 1", "The quantity must be a number"),
        ("AAPL 10 @ 146 --fee x", "--fee must be a number"),
        ("AAPL 10 @ 146 --fees 1", "There is no '--fees' here"),
        ("AAPL 10 @ 146 --group", "`--group` needs the name"),
    ],
)
def test_what_is_no_lot_says_what_one_is(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        split_lot(text)


def test_holdings_take_a_currency_and_a_group() -> None:
    assert split_holdings("") == (None, None)
    assert split_holdings("eur --group pension") == ("EUR", "pension")
    assert split_holdings("--group 'my broker'") == (None, "my broker")
    with pytest.raises(UsageError, match="`holdings` takes the currency"):
        split_holdings("EUR USD")


@pytest.mark.parametrize(
    ("typed", "text", "symbol"),
    [
        ("What a day!", "What a day!", None),
        ("What a  day! --symbol AAPL", "What a  day!", "AAPL"),
        ("--symbol AAPL What a day!", "What a day!", "AAPL"),
        ("--symbol=aapl What a day!", "What a day!", "aapl"),
        ("use --symbol here please", "use --symbol here please", None),
        ("--symbol AAPL", None, None),
        ("What a day! --symbol", None, None),
    ],
)
def test_what_is_said_may_name_a_symbol_before_it_or_after_it(typed: str, text: str | None, symbol: str | None) -> None:
    if text is None:
        with pytest.raises(UsageError, match="say What a day! --symbol AAPL"):
            split_said(typed)
    else:
        assert split_said(typed) == (text, symbol)


@pytest.mark.parametrize("name", ["tech", "big tech", "Ann's"])
def test_the_option_of_a_list_can_be_typed_as_it_is_shown(name: str) -> None:
    assert split_list(f"AAPL{list_option(name)}") == ("AAPL", name)
    assert (list_option("main"), list_option(None)) == ("", "")
