"""`stocktrack holdings` and `stocktrack lots`, as a person and a script run them, against a real server."""

import asyncio
import csv
import io
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli_process import Finished, run, started
from fakes import NOW_MS
from live_server import PASSWORD, LiveServer, live_server
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock
from stocktrack.storage.lots import LotRow
from world_market import WorldMarket

AS_ANN = {"STOCKTRACK_USER": "ann", "STOCKTRACK_PASSWORD": PASSWORD}

FILE = """\
currency: EUR
watchlist: [MSFT, NOPE, SOL.X]
lots:
  - {symbol: AAPL, quantity: 10, unit_cost: 146, fixed_cost: 1}
  - {symbol: AAPL, quantity: 10, unit_cost: 146, fixed_cost: 1}
  - {symbol: GONE, quantity: 1, unit_cost: 5}
  - {symbol: ETH.CB, quantity: 1, unit_cost: 5}
groups:
  - name: pension
    watchlist: [TSLA]
    holdings:
      - {symbol: VOD.L, quantity: -5, unit_cost: 71.25}
"""


class Shell:
    """Ann's shell, and the server that it calls."""

    def __init__(self, server: LiveServer, market: WorldMarket, home: Path) -> None:
        self.server = server
        self.market = market
        self.home = home

    async def run(self, *arguments: str, stdin: bytes | None = None, **variables: str) -> Finished:
        return await run(*arguments, home=self.home, port=self.server.port, stdin=stdin, **{**AS_ANN, **variables})

    async def lots(self) -> list[list[str]]:
        done = await self.run("lots", "list")
        assert (done.code, done.err) == (0, "")
        return [row[:6] for row in done.rows]

    async def kept(self) -> list[str]:
        """The symbols of the lots in the database, which takes no process to look at."""
        return [lot.symbol for lot in await self.server.app._store.lots.of("ann")]

    def write(self, text: str) -> str:
        path = self.home / ".ticker.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    clock = ManualClock(NOW_MS)
    market = WorldMarket(clock)
    market.closes["AAPL"] = 98.0
    async with live_server(tmp_path, market, clock=clock, user_upstream_burst=1_000, max_lots_per_user=20) as server:
        yield Shell(server, market, tmp_path)


# --- lots -----------------------------------------------------------------------------------------------------------


async def test_lots_are_added_listed_and_removed(shell: Shell) -> None:
    done = await shell.run("lots", "add", "aapl", "10", "@", "146", "--fee", "1")
    assert (done.code, done.out) == (0, b"")
    assert done.err == "stocktrack: The lot l1 was added: 10 AAPL @ 146, and 1 of fees.\n"
    for lot in (("AAPL", "-5", "@", "180.5", "--group", "pension"), ("VOD.L", "100@71.35"), ("MSFT", "-.5", "410")):
        assert (await shell.run("lots", "add", *lot)).code == 0
    assert await shell.lots() == [
        ["l1", "AAPL", "10", "146", "1", "main"],
        ["l2", "AAPL", "-5", "180.5", "0", "pension"],
        ["l4", "MSFT", "-0.5", "410", "0", "main"],
        ["l3", "VOD.L", "100", "71.35", "0", "main"],
    ]
    assert [row[0] for row in (await shell.run("lots", "list", "--group", "pension")).rows] == ["l2"]
    assert [each["lot"] for each in json.loads((await shell.run("lots", "list", "--json")).out)] == [
        *("l1", "l2", "l4", "l3")
    ]
    table = list(csv.DictReader(io.StringIO((await shell.run("lots", "list", "--csv")).out.decode())))
    assert (table[1]["quantity"], table[1]["group"], table[1]["created_at"]) == ("-5", "pension", str(NOW_MS))
    done = await shell.run("lots", "list", "--fields", "lot,unit_cost", "--format", "csv", "--header")
    assert done.out.decode().splitlines() == ["lot,unit_cost", "l1,146", "l2,180.5", "l4,410", "l3,71.35"]
    assert (await shell.run("lots", "list", "--format", "table")).out.decode().split()[:2] == ["Lot", "Symbol"]
    done = await shell.run("lots", "remove", "l2,L4", "l77", "l1")
    assert (done.code, done.err.splitlines()) == (
        3,
        [
            "stocktrack: The lot l2 of AAPL was taken out.",
            "stocktrack: The lot l4 of MSFT was taken out.",
            "stocktrack: You have no lot l77.",
            "stocktrack: The lot l1 of AAPL was taken out.",
        ],
    )
    assert [row[0] for row in await shell.lots()] == ["l3"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("add", "AAPL", "0", "@", "1"), 2, "The quantity must not be 0"),
        (("add", "AAPL", "1,5", "@", "1"), 2, "without a comma"),
        (("add", "AAPL", "1", "@", "-1"), 2, "The cost must not be below 0"),
        (("add", "AAPL", "1", "@", "1", "--fees", "1"), 2, "There is no '--fees' here"),
        (("add", "AAPL", "1", "@", "1", "--fee", "-1"), 2, "--fee"),
        (("add", "AAPL"), 2, "A lot is a symbol"),
        (("add", "NOPE", "1", "@", "1"), 3, "NOPE"),
        (("remove", "7"), 2, "'7' is no lot: they are called as l3"),
        (("import", "nope.yaml"), 1, "nope.yaml cannot be read"),
        (("list", "--csv", "--json"), 2, "not both"),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_is_kept(
    shell: Shell, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = await shell.run("lots", *arguments)
    assert (done.code, done.out) == (code, b"")
    assert told in done.err
    assert await shell.kept() == []


# --- holdings -------------------------------------------------------------------------------------------------------


async def test_holdings_are_rows_in_a_pipe_json_of_the_wire_and_csv(shell: Shell) -> None:
    shell.market.pair("USDEUR", 0.5)
    shell.market.pair("GBPEUR", 1.25)
    for lot in (("AAPL", "10", "90"), ("VOD.L", "1000", "70")):
        await shell.run("lots", "add", *lot)
    done = await shell.run("holdings", "--currency", "eur")
    assert (done.code, done.err) == (0, "")
    assert done.rows == [
        ["AAPL", "10", "90", "100", "USD", "500", "+10", "+50", "450", "EUR", "37.04", "+11.11", ""],
        ["VOD.L", "1000", "70", "68", "GBp", "850", "", "-25", "875", "EUR", "62.96", "-2.86", ""],
    ]
    reply = json.loads((await shell.run("holdings", "--currency", "EUR", "--json")).out)
    assert reply["totals"] == {
        "cost": 1325.0,
        "value": 1350.0,
        "day_change": 10.0,
        "gain": 25.0,
        "day_change_percent": 0.75,
        "gain_percent": 1.89,
    }
    done = await shell.run("holdings", "--currency", "EUR", "--csv")
    assert [row["total_value"] for row in csv.DictReader(io.StringIO(done.out.decode()))] == ["500", "850"]
    done = await shell.run("holdings", "--currency", "EUR", "--fields", "symbol,total_cost,total_currency", "--header")
    assert done.rows == [
        ["symbol", "total_cost", "total_currency"],
        ["AAPL", "450", "EUR"],
        ["VOD.L", "875", "EUR"],
    ]


async def test_a_missing_rate_is_told_below_and_exits_with_what_it_is(shell: Shell) -> None:
    await shell.run("lots", "add", "VOD.L", "1000", "70")
    done = await shell.run("holdings", "--currency", "EUR")
    assert done.rows == [["VOD.L", "1000", "70", "68", "GBp", "", "", "", "", "", "", "-2.86", ""]]
    assert done.err == ("stocktrack: There is no rate from GBP to EUR (unknown symbol): VOD.L is in no total.\n")
    assert done.code == 3


async def test_on_a_terminal_it_is_a_table_with_a_total(shell: Shell) -> None:
    await shell.run("lots", "add", "AAPL", "10", "90")
    done = await shell.run("holdings", FORCE_COLOR="1", NO_COLOR="1", COLUMNS="100")
    lines = done.out.decode().splitlines()
    assert lines[0].split()[:4] == ["Symbol", "Quantity", "Unit", "cost"]
    assert lines[-1].split() == ["Total", "1,000.00", "+20.00", "+2.04%", "+100.00", "+11.11%"]


async def test_nobody_with_no_lots_sees_an_error(shell: Shell) -> None:
    done = await shell.run("holdings")
    assert (done.code, done.out) == (0, b"")
    assert done.err == "stocktrack: You have no lots here yet. `stocktrack lots add AAPL 10 @ 146` keeps one.\n"
    assert (await shell.run("lots", "list")) == done
    done = await shell.run("holdings", "--currency", "GBX")
    assert (done.code, "a part of GBP" in done.err) == (2, True)


# --- the import -----------------------------------------------------------------------------------------------------


async def test_the_file_of_ticker_is_imported_and_a_second_time_nothing_is_doubled(shell: Shell) -> None:
    path = shell.write(FILE)
    done = await shell.run("lots", "import", path)
    assert done.err.splitlines() == [
        "stocktrack: Not imported: ETH.CB is at Coinbase; here and at Yahoo it may be ETH-USD.",
        "stocktrack: Not imported: GONE: unknown symbol.",
        "stocktrack: 3 lots were imported.",
        "stocktrack: 3 symbols of its watch lists: --watchlist saves them, too.",
    ]
    assert done.code == 3
    held = await shell.lots()
    assert [row[1:] for row in held] == [
        ["AAPL", "10", "146", "1", "main"],
        ["AAPL", "10", "146", "1", "main"],
        ["VOD.L", "-5", "71.25", "0", "pension"],
    ]
    done = await shell.run("lots", "import", path)
    assert "stocktrack: 0 lots were imported; 3 are there already." in done.err
    assert await shell.lots() == held
    await shell.run("lots", "remove", "l1")
    assert "1 lot was imported; 2 are there already." in (await shell.run("lots", "import", path)).err
    done = await shell.run("lots", "import", path, "--again")
    assert "3 lots were imported." in done.err
    assert len(await shell.kept()) == 6


async def test_its_watch_lists_are_saved_where_that_is_wanted(shell: Shell) -> None:
    done = await shell.run("lots", "import", shell.write(FILE), "--watchlist")
    assert "stocktrack: 2 symbols of its watch lists are saved." in done.err
    assert "stocktrack: Not imported: NOPE: unknown symbol." in done.err
    assert "SOL.X is ticker's own short name of a coin" in done.err
    ann = await shell.server.log_in()
    assert (await ann.ask({"type": "MY_STOCKS"}))["symbols"] == ["MSFT"]
    assert (await ann.ask({"type": "MY_STOCKS", "list": "pension"}))["symbols"] == ["TSLA"]


async def test_a_broken_file_imports_nothing_and_names_the_line(shell: Shell) -> None:
    path = shell.write(f"{FILE}      - {{symbol: MSFT, quantity: many}}\n")
    done = await shell.run("lots", "import", path)
    assert done.code == 1
    assert f"{path}, line 13: quantity must be a number" in done.err
    assert "Nothing was imported." in done.err
    assert await shell.kept() == []


async def test_an_import_over_the_limit_is_undone(shell: Shell) -> None:
    await shell.run("lots", "add", "TSLA", "1", "1")
    lots = "".join(f"  - {{symbol: AAPL, quantity: {number}, unit_cost: 1}}\n" for number in range(1, 21))
    done = await shell.run("lots", "import", shell.write(f"lots:\n{lots}"))
    assert done.code == 2
    assert "The lot of AAPL on line 21 was not taken: A user has at most 20 lots" in done.err
    assert "So none was imported." in done.err
    assert await shell.kept() == ["TSLA"]


async def test_an_import_that_is_interrupted_says_what_is_there_and_goes_on_with_the_next(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = "".join(f"  - {{symbol: AAPL, quantity: {number}, unit_cost: 1}}\n" for number in range(1, 6))
    path, kept = shell.write(f"lots:\n{lots}"), shell.server.app._store.lots
    is_third, release, add = asyncio.Event(), asyncio.Event(), kept.add

    async def add_until_the_third(name: str, lot: LotRow, *, limit: int) -> LotRow:
        if lot.quantity == 3:
            is_third.set()
            await release.wait()
        return await add(name, lot, limit=limit)

    monkeypatch.setattr(kept, "add", add_until_the_third)
    try:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            started("lots", "import", path, home=shell.home, port=shell.server.port, **AS_ANN) as process,
        ):
            await is_third.wait()
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
    finally:
        monkeypatch.undo()
        release.set()
    assert process.returncode == 130
    assert b"Interrupted: 2 lots were imported. Import again" in err
    await shell.run("lots", "import", path)
    assert len(await shell.kept()) == 5


async def test_costs_that_are_in_another_currency_than_the_price_are_not_taken(shell: Shell) -> None:
    text = (
        "currency: EUR\ncurrency-disable-unit-cost-conversion: true\nlots:\n"
        "- {symbol: AAPL, quantity: 1, unit_cost: 100}\n- {symbol: SAP.DE, quantity: 1, unit_cost: 100}\n"
    )
    done = await shell.run("lots", "import", shell.write(text))
    assert "AAPL on line 4: the file says that its costs are in EUR, and its price is in USD." in done.err
    assert await shell.kept() == ["SAP.DE"]


# --- the interactive client -----------------------------------------------------------------------------------------


async def test_the_interactive_client_has_the_same_words(shell: Shell) -> None:
    typed = (
        "holdings\nlot AAPL 10 @ 90 --fee 1\nlot VOD.L 5 @ 70 --group pension\nholdings eur --group pension\n"
        "lots\nlots --group pension\nunlot L2 l77,l1\nunlot l2\nexit\n"
    )
    done = await shell.run("client", stdin=typed.encode())
    assert "You have no lots here yet. `lot AAPL 10 @ 146` keeps one." in done.err
    assert "The lot l1 was added: 10 AAPL @ 90, and 1 of fees." in done.err
    assert "The lot l2 was added in the group pension: 5 VOD.L @ 70." in done.err
    assert "There is no rate from GBP to EUR (unknown symbol): VOD.L is in no total." in done.err
    assert [row[0] for row in done.rows] == ["VOD.L", "l1", "l2", "l2"]
    assert "The lot l2 of VOD.L was taken out." in done.err
    assert "You have no lot l77." in done.err
    assert "The lot l1 of AAPL was taken out." in done.err
    assert "You have no lot l2" in done.err
    assert done.code == 3
