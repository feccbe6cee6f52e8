from datetime import date

import pytest

from stocktrack.messages import InfoReply, SearchReply, SourceInfo, SourcesReply, SourceState, SourceStream
from stocktrack.quotes import CompanyInfo, Match
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import Shown

SHARE = Match(symbol="NSE:RELIANCE", name="Reliance Industries", exchange="NSE", segment="NSE", type="EQ", lot=1)
OPTION = Match(
    symbol="NFO:NIFTY24APR18000CE",
    name="NIFTY",
    exchange="NFO",
    segment="NFO",
    expiry=date(2024, 4, 25),
    strike=18000.0,
    type="CE",
    lot=50,
)


def lines(reply: Shown, width: int = 100) -> list[list[str]]:
    return [line.split() for line in draw(reply, width=width, colour=False, now_ms=0).splitlines()]


def test_matches_show_expiry_and_strike_where_any_of_them_has_one() -> None:
    assert lines(SearchReply(matches=(SHARE,))) == [
        ["Symbol", "Name", "Exchange"],
        ["NSE:RELIANCE", "Reliance", "Industries", "NSE"],
    ]
    assert lines(SearchReply(matches=(SHARE, OPTION))) == [
        ["Symbol", "Name", "Exchange", "Type", "Expiry", "Strike"],
        ["NSE:RELIANCE", "Reliance", "Industries", "NSE", "EQ"],
        ["NFO:NIFTY24APR18000CE", "NIFTY", "NFO", "CE", "2024-04-25", "18,000"],
    ]


def test_matches_keep_their_symbols_whole_on_a_narrow_terminal() -> None:
    assert "NFO:NIFTY24APR18000CE" in draw(SearchReply(matches=(OPTION,)), width=60, colour=False, now_ms=0)


def test_on_a_very_narrow_terminal_a_contract_keeps_its_expiry_and_strike() -> None:
    assert lines(SearchReply(matches=(SHARE, OPTION)), width=40) == [
        ["Symbol", "Expiry", "Strike"],
        ["NSE:RELIANCE"],
        ["NFO:NIFTY24APR18000CE", "2024-04-25", "18,000"],
    ]
    assert lines(SearchReply(matches=(SHARE,)), width=40)[0][:2] == ["Symbol", "Name"]


def test_a_contract_shows_what_it_is() -> None:
    company = CompanyInfo(
        symbol="NFO:X", segment="NFO", expiry=date(2024, 4, 25), strike=0.5, type="PE", lot=50, tick=0.05
    )
    assert lines(InfoReply(company=company)) == [
        *(["Symbol", "NFO:X"], ["Segment", "NFO"], ["Type", "PE"], ["Expiry", "2024-04-25"], ["Strike", "0.5"]),
        *(["Lot", "50"], ["Tick", "0.05"]),
    ]


@pytest.mark.parametrize(("leads", "stream"), [(0, "idle"), (3, "down")])
def test_a_stream_of_which_nothing_is_wanted_is_not_down(leads: int, stream: str) -> None:
    source = SourceInfo(
        provider="yahoo",
        capabilities=("quotes", "stream"),
        state=SourceState.OK,
        stream=SourceStream(is_up=False, symbols=0),
        leads=leads,
    )
    assert lines(SourcesReply(sources=(source,)))[1] == ["yahoo", "well", str(leads), stream]
