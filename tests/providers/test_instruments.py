from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stocktrack.clock import ManualClock
from stocktrack.errors import ConfigError, Reason
from stocktrack.providers.instruments import Instruments
from stocktrack.quotes import CompanyInfo, Match

HEADER = "symbol,source,source_symbol,name,exchange,expiry,strike,type,lot,tick\n"
ROWS = """\
NSE:RELIANCE,,,Reliance Industries,NSE,,,EQ,1,0.05
NFO:NIFTY24APR18000CE,,,NIFTY,NFO,2024-04-25,18000,CE,50,0.05
NFO:NIFTY24MAYFUT,,,NIFTY,NFO,2024-05-30,,FUT,50,0.05
BFO:SENSEX24MAYFUT,,,SENSEX,BFO,2024-05-31,,FUT,10,0.05
MCX:SENSEX24MAYFUT,,,SENSEX,MCX,2024-05-31,,FUT,10,0.05
CDS:USDINR24MAYFUT,yahoo,USDINR=X,USDINR,CDS,2024-05-29,,FUT,1000,0.0025
BSE:500325,yahoo,,Reliance,BSE,,,EQ,1,0.05
GOLD24APRFUT,,,GOLD,MCX,2024-04-05,,FUT,1,1
INFY,,,Infosys,NSE,,,EQ,,
TCS.NS,,,Tata Consultancy,NSE,,,EQ,,
GOLD,finnhub,OANDA:XAU_USD,Spot gold,,,,,,
ESZ23,,,E-mini,CME,2024-04-25,,FUT,,
"""
INDIA_MIDNIGHT = datetime(2024, 4, 25, 18, 30, tzinfo=UTC)  # when the 26th begins in India


def at(moment: datetime) -> ManualClock:
    return ManualClock(int(moment.timestamp() * 1000))


@pytest.fixture
def clock() -> ManualClock:
    return at(datetime(2024, 4, 10, 6, tzinfo=UTC))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "symbols.csv"
    write(path, HEADER + ROWS)
    return path


def write(path: Path, content: str) -> None:
    path.write_text(content)


@pytest.fixture
async def instruments(clock: ManualClock, path: Path) -> AsyncIterator[Instruments]:
    built = Instruments(clock)
    await built.load(path)
    yield built
    await built.close()


@pytest.mark.parametrize("provider", ["yahoo", "finnhub", "openalgo", "simulated", "rss", "somebody"])
@pytest.mark.parametrize("symbol", ["AAPL", "BRK-B", "^GSPC", "RELIANCE.NS", "BINANCE:BTCUSDT", "NIFTY24JUNFUT"])
def test_a_plain_symbol_is_itself_everywhere(provider: str, symbol: str) -> None:
    assert Instruments().symbol_at(provider, symbol) == symbol


@pytest.mark.parametrize(
    ("symbol", "yahoo", "openalgo"),
    [
        ("NSE:RELIANCE", "RELIANCE.NS", "NSE:RELIANCE"),
        ("NSE_EQ:RELIANCE", "RELIANCE.NS", "NSE:RELIANCE"),
        ("BSE_EQ:500325", "500325.BO", "BSE:500325"),
        ("NSE_INDEX:NIFTY", "^NSEI", "NSE_INDEX:NIFTY"),
        ("BSE_INDEX:SENSEX", "^BSESN", "BSE_INDEX:SENSEX"),
        ("NSE_INDEX:FINNIFTY", None, "NSE_INDEX:FINNIFTY"),
        ("NFO:NIFTY24APR18000CE", None, "NFO:NIFTY24APR18000CE"),
        ("CDS:USDINR24APRFUT", None, "CDS:USDINR24APRFUT"),
    ],
)
def test_without_a_file_the_rules_say_what_a_source_calls_it(symbol: str, yahoo: str | None, openalgo: str) -> None:
    rules = Instruments()
    assert rules.symbol_at("yahoo", symbol) == yahoo
    assert rules.symbol_at("simulated", symbol) == yahoo
    assert rules.symbol_at("openalgo", symbol) == openalgo
    assert rules.symbol_at("finnhub", symbol) is None
    assert rules.refusal(symbol) is None


@pytest.mark.parametrize(
    ("symbol", "yahoo", "openalgo"),
    [
        ("NSE:RELIANCE", "RELIANCE.NS", "NSE:RELIANCE"),
        ("NSE_EQ:RELIANCE", "RELIANCE.NS", "NSE:RELIANCE"),
        ("NFO:NIFTY24MAYFUT", None, "NFO:NIFTY24MAYFUT"),
        ("NIFTY24MAYFUT", None, "NFO:NIFTY24MAYFUT"),  # no other contract is called so
        ("SENSEX24MAYFUT", "SENSEX24MAYFUT", "SENSEX24MAYFUT"),  # two are, so nobody guesses
        ("CDS:USDINR24MAYFUT", "USDINR=X", None),
        ("BSE:500325", "500325.BO", None),
        ("GOLD24APRFUT", None, "MCX:GOLD24APRFUT"),
        ("INFY", "INFY.NS", "NSE:INFY"),
        ("TCS.NS", "TCS.NS", "TCS.NS"),
        ("GOLD", None, None),
        ("AAPL", "AAPL", "AAPL"),
        ("RELIANCE", "RELIANCE", "RELIANCE"),  # a share is called so at two exchanges
        ("NFO:NIFTY24JUNFUT", None, "NFO:NIFTY24JUNFUT"),
    ],
)
async def test_the_file_says_who_serves_a_symbol_and_as_what(
    instruments: Instruments, symbol: str, yahoo: str | None, openalgo: str | None
) -> None:
    assert instruments.symbol_at("yahoo", symbol) == yahoo
    assert instruments.symbol_at("openalgo", symbol) == openalgo


async def test_a_source_that_the_file_names_has_the_symbol_whatever_the_rules_say(
    clock: ManualClock, path: Path
) -> None:
    write(path, HEADER + "NFO:NIFTY24MAYFUT,yahoo\nGOLD,finnhub,OANDA:XAU_USD\nNSE:A,finnhub\n")
    instruments = Instruments(clock)
    await instruments.load(path)
    assert instruments.symbol_at("yahoo", "NFO:NIFTY24MAYFUT") == "NFO:NIFTY24MAYFUT"
    assert instruments.symbol_at("finnhub", "GOLD") == "OANDA:XAU_USD"
    assert instruments.symbol_at("finnhub", "NSE:A") == "NSE:A"
    await instruments.close()


@pytest.mark.parametrize("symbol", ["NFO:NIFTY24APR18000CE", "NIFTY24APR18000CE"])
async def test_a_contract_has_expired_when_its_day_is_over_in_india(
    clock: ManualClock, instruments: Instruments, symbol: str
) -> None:
    await clock.advance(INDIA_MIDNIGHT.timestamp() - clock.now_ms() / 1000 - 1)
    assert instruments.refusal(symbol) is None
    await clock.advance(1)
    refusal = instruments.refusal(symbol)
    assert refusal is not None
    assert (refusal.reason, refusal.message) == (Reason.NOT_OFFERED, f"{symbol} expired on 2024-04-25.")


async def test_a_contract_of_another_market_has_expired_when_its_day_is_over_everywhere(
    clock: ManualClock, instruments: Instruments
) -> None:
    await clock.advance(datetime(2024, 4, 26, 12, tzinfo=UTC).timestamp() - clock.now_ms() / 1000 - 1)
    assert instruments.refusal("ESZ23") is None
    await clock.advance(1)
    assert instruments.refusal("ESZ23") is not None
    assert instruments.refusal("NSE:RELIANCE") is None


GIVE = "give it a source in symbols_file."


@pytest.mark.parametrize(
    ("symbol", "sources", "what", "why"),
    [
        ("NFO:NIFTY24MAYFUT", "yahoo, rss", "a contract of NFO", "has contracts: name openalgo in providers, or "),
        ("NFO:NIFTY24MAYFUT", "openalgo", "a contract of NFO", "serves it: "),
        ("NIFTY24MAYFUT", "yahoo", "a contract of NFO", "has contracts: name openalgo in providers, or "),
        ("NSE_INDEX:FINNIFTY", "yahoo", "an index of NSE", "has it: name openalgo in providers, or "),
        ("NSE_EQ:TCS", "finnhub", "a share of NSE", "has that segment: name yahoo or openalgo in providers, or "),
    ],
)
async def test_what_no_source_serves_says_what_it_is_and_what_would_help(
    instruments: Instruments, symbol: str, sources: str, what: str, why: str
) -> None:
    said = instruments.not_offered(symbol, sources)
    assert said == f"{symbol} is {what}, and none of this server's sources ({sources}) {why}{GIVE}"


async def test_what_the_file_gives_to_one_source_says_so_where_that_one_does_not_serve_it(
    instruments: Instruments,
) -> None:
    only = "GOLD comes from finnhub alone, as this server's symbols_file says, and "
    help_ = "name finnhub in providers, or another one in the file."
    assert instruments.not_offered("GOLD", "yahoo, rss") == f"{only}its sources are yahoo, rss: {help_}"
    assert instruments.not_offered("GOLD", "finnhub") == f"{only}finnhub does not serve it as OANDA:XAU_USD."


def test_another_symbol_that_no_source_serves_names_the_sources() -> None:
    assert Instruments().not_offered("SAP.DE", "finnhub, rss") == (
        "None of this server's sources (finnhub, rss) serves SAP.DE."
    )


async def test_a_match_of_a_source_is_told_with_what_is_known_here(instruments: Instruments) -> None:
    told = Match(symbol="NSE:RELIANCE", name="Reliance Industries Limited")
    assert instruments.describe(told).model_dump(mode="json", exclude_none=True) == {
        "symbol": "NSE:RELIANCE",
        "name": "Reliance Industries Limited",
        "exchange": "NSE",
        "segment": "NSE",
        "type": "EQ",
        "lot": 1,
    }
    assert instruments.describe(Match(symbol="WIPRO.NS")).segment == "NSE"
    assert instruments.describe(Match(symbol="AAPL")) == Match(symbol="AAPL")


async def test_a_company_is_what_the_source_knows_and_the_file_says(instruments: Instruments) -> None:
    known = instruments.company("NFO:NIFTY24APR18000CE", None)
    assert known is not None
    assert known.model_dump(mode="json", exclude_none=True) == {
        "symbol": "NFO:NIFTY24APR18000CE",
        "name": "NIFTY",
        "exchange": "NFO",
        "segment": "NFO",
        "expiry": "2024-04-25",
        "strike": 18000.0,
        "type": "CE",
        "lot": 50,
        "tick": 0.05,
    }
    told = CompanyInfo(symbol="RELIANCE.NS", name="Reliance Industries Limited", sector="Energy")
    merged = instruments.company("NSE_EQ:RELIANCE", told)
    assert merged is not None
    assert (merged.symbol, merged.name, merged.sector, merged.lot) == (
        *("NSE_EQ:RELIANCE", "Reliance Industries Limited", "Energy"),
        1,
    )
    unlisted = instruments.company("NSE:WIPRO", CompanyInfo(symbol="WIPRO.NS"))
    assert unlisted == CompanyInfo(symbol="NSE:WIPRO", segment="NSE")
    assert instruments.company("AAPL", CompanyInfo(symbol="AAPL")) == CompanyInfo(symbol="AAPL")
    assert instruments.company("AAPL", None) is None


async def test_rows_left_out_are_told_once_with_their_lines(clock: ManualClock, path: Path) -> None:
    write(path, f"{HEADER}{ROWS}A B\nC D\n")
    instruments = Instruments(clock)
    with capture_logs() as logs:
        await instruments.load(path)
    [line] = logs
    assert (line["log_level"], line["symbols"], line["left_out"]) == ("warning", 12, 2)
    assert [told.partition(":")[0] for told in line["first"]] == ["line 14", "line 15"]
    await instruments.close()


async def test_a_changed_file_is_taken_and_one_that_is_the_same_is_not_read_again(
    path: Path, instruments: Instruments
) -> None:
    with capture_logs() as logs:
        await instruments.load(path)
        assert logs == []
        write(path, f"{HEADER}NSE:NEW,yahoo,NEW1.NS\n")
        await instruments.load(path)
    assert [line["event"] for line in logs] == ["symbols loaded"]
    assert instruments.symbol_at("yahoo", "NSE:NEW") == "NEW1.NS"
    assert instruments.symbol_at("yahoo", "CDS:USDINR24MAYFUT") is None
    assert [match.symbol for match in await instruments.search("N", 10)] == ["NSE:NEW"]
    await instruments.load(None)
    assert instruments.symbol_at("yahoo", "NSE:NEW") == "NEW.NS"
    assert not instruments.has_file


async def test_a_file_that_went_bad_changes_nothing_and_says_why(path: Path, instruments: Instruments) -> None:
    write(path, "nothing\n")
    with pytest.raises(ConfigError, match="line 1 is no header"):
        await instruments.load(path)
    with capture_logs() as logs:
        await instruments.reload(path)
    assert [(line["log_level"], line["event"]) for line in logs] == [("error", "symbols not loaded, the old ones stay")]
    assert "line 1 is no header" in logs[0]["why"]
    assert instruments.symbol_at("yahoo", "CDS:USDINR24MAYFUT") == "USDINR=X"
