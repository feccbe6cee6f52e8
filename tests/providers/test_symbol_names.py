import pytest

from stocktrack.providers.symbol_names import name_at, segment_of
from stocktrack.segments import CONTRACTS, Segment


@pytest.mark.parametrize(
    ("segment", "name", "at_yahoo"),
    [
        (Segment.NSE, "RELIANCE", "RELIANCE.NS"),
        (Segment.NSE, "M&M", "M&M.NS"),
        (Segment.BSE, "500325", "500325.BO"),
        (Segment.NSE_INDEX, "NIFTY", "^NSEI"),
        (Segment.NSE_INDEX, "BANKNIFTY", "^NSEBANK"),
        (Segment.NSE_INDEX, "INDIAVIX", "^INDIAVIX"),
        (Segment.BSE_INDEX, "SENSEX", "^BSESN"),
        (Segment.NSE_INDEX, "SENSEX", None),
        (Segment.NSE_INDEX, "FINNIFTY", None),
        (Segment.CDS, "USDINR24APRFUT", None),
        (Segment.MCX, "GOLD", None),
    ],
)
def test_yahoo_has_the_shares_and_four_indices(segment: Segment, name: str, at_yahoo: str | None) -> None:
    assert name_at("yahoo", segment, name) == at_yahoo
    if at_yahoo is not None:
        assert segment_of(at_yahoo) is segment


@pytest.mark.parametrize("segment", sorted(CONTRACTS))
def test_no_contract_is_another_source_s_symbol_by_its_text(segment: Segment) -> None:
    for name in ("RELIANCE", "NIFTY24APR18000CE", "USDINR", "EURUSD"):
        assert name_at("yahoo", segment, name) is None
        assert name_at("finnhub", segment, name) is None
        assert name_at("openalgo", segment, name) == f"{segment}:{name}"


@pytest.mark.parametrize("symbol", ["AAPL", ".NS", "NS", "^GSPC", "BINANCE:BTCUSDT", "EURUSD=X", "SAP.DE"])
def test_other_symbols_are_of_no_segment(symbol: str) -> None:
    assert segment_of(symbol) is None


def test_a_symbol_of_ours_says_its_segment_itself() -> None:
    assert segment_of("NSE_EQ:INFY") is Segment.NSE
    assert segment_of("MCX:GOLD24APRFUT") is Segment.MCX
