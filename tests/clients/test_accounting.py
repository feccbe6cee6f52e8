"""What `stocktrack get --format` prints, read by beancount, ledger and hledger themselves."""

import asyncio
from pathlib import Path

import pytest

from client_market import USER, client_market
from live_server import PASSWORD
from real_clients import client_python
from requirements import require_program
from server_process import Finished, environment, run_stocktrack
from stocktrack.messages import BoardQuote
from stocktrack.terminal.price_directives import DirectiveFormat, directives

# Each kind of symbol that there is, with the currency of its price.
SYMBOLS = {
    **dict.fromkeys(("AAPL", "F", "BRK-B", "^GSPC", "CL=F", "CLZ26.NYM", "BTC-USD", "EURUSD=X", "1INCH-USD"), "USD"),
    **dict.fromkeys(("NSE:M&M", "NFO:NIFTY28MAR2420800CE", "NSE_INDEX:NIFTY", "RELIANCE.NS"), "INR"),
    "VOD.L": "GBp",
    "0700.HK": "HKD",
    "EUR=X": "EUR",
    "005930.KS": "KRW",
    "4-BL.F": "EUR",
}


async def read_by(program: Path, home: Path, *arguments: str) -> Finished:
    process = await asyncio.create_subprocess_exec(
        str(program),
        *arguments,
        env=environment(home),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


def reader_of(name: str) -> Path:
    for program in ("ledger", "hledger"):
        if program == name:
            return require_program(program)
    raise AssertionError(name)


def every_kind(form: DirectiveFormat) -> list[str]:
    quotes = [
        BoardQuote(symbol=symbol, price=189.45, currency=currency, received_at=1_707_512_400_000, provider="x", seq=1)
        for symbol, currency in SYMBOLS.items()
    ]
    written = directives(quotes, {}, form)
    assert (len(written.lines), written.refused) == (len(SYMBOLS), ())
    return list(written.lines)


async def test_beancount_takes_a_line_of_every_kind_of_symbol(tmp_path: Path) -> None:
    bean_check = client_python("beancount").parent / "bean-check"
    journal = tmp_path / "prices.beancount"
    journal.write_text("\n".join([*every_kind("beancount"), ""]))
    done = await read_by(bean_check, tmp_path, str(journal))
    assert (done.code, done.out, done.err) == (0, "", "")
    # And it would have complained.
    journal.write_text("2024-02-09 price ^GSPC 1 USD\n")
    assert (await read_by(bean_check, tmp_path, str(journal))).code != 0


@pytest.mark.parametrize("program", ["ledger", "hledger"])
async def test_ledger_and_hledger_read_a_line_of_every_kind_of_symbol_as_that_symbol(
    tmp_path: Path, program: str
) -> None:
    lines = every_kind("ledger")
    journal = tmp_path / "prices.ledger"
    names = [line.split(" ")[3] for line in lines]
    # ledger lists the prices of what somebody has.
    bought = [f"2024/02/10 bought\n    Assets:Broker  1 {name}\n    Equity:Opening\n" for name in names]
    journal.write_text("\n".join([*lines, "", *bought]))
    done = await read_by(reader_of(program), tmp_path, "-f", str(journal), "prices")
    assert (done.code, done.err) == (0, "")
    read = done.out.splitlines()
    for name in (each.strip('"') for each in names):
        assert [told for told in read if name in told.replace('"', "").split()], (name, read)


@pytest.mark.parametrize("program", ["ledger", "hledger"])
async def test_a_holding_is_valued_by_the_prices_of_a_real_server(
    home: Path, token: str, tmp_path: Path, program: str
) -> None:
    found = reader_of(program)
    async with client_market(home, token) as market:
        done = await run_stocktrack(
            home,
            *("get", "AAPL", "VOD.L", "BRK-B", "EURUSD=X", "--format", "ledger"),
            STOCKTRACK_PORT=str(market.server.port),
            STOCKTRACK_USER=USER,
            STOCKTRACK_PASSWORD=PASSWORD,
        )
    assert (done.code, done.err) == (0, "")
    journal = tmp_path / "journal.ledger"
    bought = '2024-02-10 bought\n    Assets:Broker    10 AAPL\n    Assets:Broker    2 "VOD.L"\n    Equity:Opening\n'
    journal.write_text(f"{done.out}\n{bought}")
    worth = await read_by(found, tmp_path, "-f", str(journal), "bal", "-V", "Assets")
    assert (worth.code, worth.err) == (0, "")
    # Both in money, and nothing left in shares; a share of Vodafone is two thirds of a pound, not 68.
    assert "USD" in worth.out
    assert "GBP" in worth.out
    assert "AAPL" not in worth.out
    pounds = next(line for line in worth.out.splitlines() if "GBP" in line).replace("GBP", "").split()[0]
    assert 0 < float(pounds) < 10
