import pytest

from stocktrack.segments import CONTRACTS, INDICES, SEGMENT_WORDS, Only, Segment, Wanted, segment_word, split_symbol


@pytest.mark.parametrize(
    ("symbol", "segment", "name"),
    [
        ("NSE:RELIANCE", Segment.NSE, "RELIANCE"),
        ("NSE_EQ:M&M", Segment.NSE, "M&M"),
        ("BSE_EQ:500325", Segment.BSE, "500325"),
        ("NFO:NIFTY24APR18000CE", Segment.NFO, "NIFTY24APR18000CE"),
        ("BSE_INDEX:BSEFASTMOVINGCONSUMERGOODS", Segment.BSE_INDEX, "BSEFASTMOVINGCONSUMERGOODS"),
        ("NSE:A:B", Segment.NSE, "A:B"),
        *(
            (symbol, None, symbol)
            for symbol in ("AAPL", "RELIANCE.NS", "BINANCE:BTCUSDT", "NSE:", ":NSE", "NSE", "C:X")
        ),
    ],
)
def test_a_symbol_has_a_segment_where_one_stands_before_its_colon(
    symbol: str, segment: Segment | None, name: str
) -> None:
    assert split_symbol(symbol) == (segment, name)


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        *((segment.value, Wanted(segment)) for segment in Segment),
        ("NSE_EQ", Wanted(Segment.NSE)),
        ("C", Wanted(Segment.NSE)),
        ("BSE_EQ", Wanted(Segment.BSE)),
        ("FO", Wanted(Segment.NFO)),
        ("F", Wanted(Segment.NFO, Only.FUTURES)),
        ("O", Wanted(Segment.NFO, Only.OPTIONS)),
    ],
)
def test_the_words_for_segments_are_understood_in_any_case(word: str, wanted: Wanted) -> None:
    for written in (word, word.lower(), word.title()):
        assert SEGMENT_WORDS[segment_word(written)] == wanted


@pytest.mark.parametrize("word", ["", "NASDAQ", " NSE", "F&O", "NFO,BFO", "\ufb01", "\uff43"])
def test_another_word_is_refused_with_the_list_of_them(word: str) -> None:
    with pytest.raises(ValueError, match=r"must be one of NSE, BSE, NFO, .*C, FO, F, O"):
        segment_word(word)


def test_a_segment_has_shares_or_contracts_or_indices() -> None:
    assert frozenset(Segment) - CONTRACTS - INDICES == {Segment.NSE, Segment.BSE}
    assert not CONTRACTS & INDICES
