"""The pages of docs/recipes that say they are run as written: their code is taken out of them and run."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from client_market import USER, ClientMarket, client_market
from libreoffice import profile, reckoned
from live_server import PASSWORD
from patient_http import patient_http
from real_clients import ClientProgram, client_program, client_python, shell_script
from recipe_pages import RECIPES, Kind, Page, at, pages
from requirements import require_program

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What the tests below run of each page, by the language of its blocks; in SHOWN is what a program prints or reads.
RUN = {
    "shell.md": {"bash"},
    "node.md": {"javascript"},
    "jupyter.md": {"python"},
    "libreoffice.md": {"calc", "bash"},
    "accounting.md": {"bash"},
    "finnhub.md": {"python"},
    "yfinance.md": {"python"},
    "alpaca.md": {"python"},
}
NUMBER = re.compile(r"-?\d+(\.\d+)?(E[+-]?\d+)?")
SHOWN = {"beancount", "ledger", "json", "console"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(home: Path, token: str) -> AsyncIterator[ClientMarket]:
    async with client_market(home, token) as market:
        yield market


def script(code: str, folder: Path, market: ClientMarket) -> AbstractAsyncContextManager[ClientProgram]:
    """A block of bash, for this server and its user."""
    for program in ("curl", "jq"):
        if re.search(rf"\b{program}\b", code):
            require_program(program)
    told = at(code, market.port, market.token).replace("sleep 5", "sleep 0.1")
    login = {
        "STOCKTRACK_PORT": str(market.server.port),
        "STOCKTRACK_USER": USER,
        "STOCKTRACK_PASSWORD": PASSWORD,
    }
    return shell_script(told, folder, **login)


def program_file(folder: Path, name: str, code: str, market: ClientMarket) -> Path:
    file = folder / name
    file.write_text(at(code, market.port, market.token), encoding="utf-8")
    return file


def told_lines(program: ClientProgram) -> list[str]:
    """The lines that are JSON objects, without what else a library prints."""
    return [line for line in program.lines if line.startswith("{")]


# --- the pages among each other ---


async def test_each_page_says_which_kind_it_is_and_the_list_of_them_agrees() -> None:
    listed = dict(re.findall(r"^\| .* \| \[.*\]\((.+)\) \| (\w+) \|$", Page("README.md").text, re.MULTILINE))
    found = {page.name: page.kinds for page in pages()}
    assert {name: [Kind[kind.upper()]] for name, kind in listed.items()} == found


async def test_every_page_that_is_run_has_its_test_and_every_block_of_it_is_run_or_only_shown() -> None:
    run = {page.name: page.languages() - SHOWN for page in pages() if page.kinds == [Kind.RUN]}
    assert run == RUN


async def test_the_pages_name_no_file_that_is_not_there() -> None:
    for page in (*pages(), Page("README.md")):
        links = [link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.text) if not link.startswith("http")]
        assert [link for link in links if not (RECIPES / link).exists()] == [], page.name


async def test_the_ways_to_log_in_that_the_list_of_pages_names(market: ClientMarket) -> None:
    quotes, stream = "/api/v1/quotes?symbols=AAPL", "/api/v1/stream?symbols=AAPL"
    bearer, basic = {"Authorization": f"Bearer {market.token}"}, httpx2.BasicAuth(USER, market.token)
    async with patient_http(base_url=market.page) as http:
        assert (await http.get(quotes, headers=bearer)).status_code == 200
        assert (await http.get(quotes, auth=basic)).status_code == 200
        assert (await http.get(f"{quotes}&token={market.token}")).status_code == 401
        assert (await http.get("/udf/quotes?symbols=AAPL")).status_code == 200
        assert (await http.get(stream)).status_code == 401
        async with http.stream("GET", f"{stream}&token={market.token}") as answer:
            assert answer.status_code == 200
    for name, program, path in (
        ("websocket-client", "finnhub.py", "/finnhub"),
        ("yfinance", "yfinance_async.py", "/yahoo?version=2"),
    ):
        async with client_program(name, program, f"ws://127.0.0.1:{market.port}{path}") as guest:
            await guest.sees(1, "AAPL", "TSLA")


# --- run as written ---


async def test_shell(market: ClientMarket, tmp_path: Path) -> None:
    one, loop, events, live, wait = Page("shell.md").blocks("bash")
    async with script(one, tmp_path, market) as program:
        assert await program.ends() == 0
        [price] = program.lines
        assert float(price) > 0
    async with script(loop, tmp_path, market) as program:
        for symbol in ("AAPL", "TSLA"):
            told = rf"^{symbol}\t\d+(\.\d+)?\tUSD\t$"
            await program.prints(told, since=await program.prints(told))
    for code in (events, live):
        async with script(code, tmp_path, market) as program:
            await program.sees(3, "AAPL", "TSLA")
    async with script(wait, tmp_path, market) as program:
        await program.prints(r"^AAPL is at \d+")


async def test_node(market: ClientMarket, tmp_path: Path) -> None:
    once, live = Page("node.md").blocks("javascript")
    async with client_program("node", program_file(tmp_path, "once.mjs", once, market)) as program:
        assert await program.ends() == 0
        assert [line.split()[::2] for line in program.lines] == [["AAPL", "USD"], ["TSLA", "USD"]]
    async with client_program("node", program_file(tmp_path, "live.cjs", live, market)) as program:
        await program.sees(5, "AAPL", "TSLA")


async def test_jupyter(market: ClientMarket, tmp_path: Path) -> None:
    cells = [at(cell, market.port, market.token) for cell in Page("jupyter.md").blocks("python")]
    (tmp_path / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
    async with client_program("jupyter", "notebook.py", str(tmp_path / "cells.json")) as program:
        assert await program.ends() == 0, program.lines[-20:]
    shown = {told["cell"]: told["shown"] for told in map(json.loads, told_lines(program))}
    assert program.lines[-1] == "done"
    assert "close" in shown[2]
    assert len(shown[2].splitlines()) == 7  # a heading, the index's name, and five days
    assert float(shown[3].removeprefix("np.float64(").removesuffix(")")) > 0
    assert re.search(r"AAPL\s+\d+\.\d+\s+USD\s+False", shown[4])


async def test_libreoffice(market: ClientMarket, tmp_path: Path) -> None:
    plain, by_cell = (at(cell.strip(), market.port, market.token) for cell in Page("libreoffice.md").blocks("calc"))
    symbol, first, second = await reckoned(tmp_path, ["AAPL", plain, by_cell])
    assert symbol == "AAPL"
    assert float(first) > 0
    assert abs(float(second) / float(first) - 1) < 0.5
    for code, name in zip(Page("libreoffice.md").blocks("bash"), ("quotes", "aapl"), strict=True):
        async with script(code.replace("soffice ", f"soffice {profile(tmp_path)} "), tmp_path, market) as program:
            assert await program.ends() == 0, program.lines
        # What LibreOffice made of it, by having it write that again.
        served = table_of(tmp_path / f"{name}.csv")
        (tmp_path / f"{name}.csv").unlink()
        again = f"soffice {profile(tmp_path)} --headless --convert-to csv {name}.ods"
        async with script(again, tmp_path, market) as program:
            assert await program.ends() == 0, program.lines
        assert table_of(tmp_path / f"{name}.csv") == served
        assert len(served) == 2 if name == "quotes" else len(served) > 15
    # The date that the page makes of a time.
    since = served[-1]["time"]
    assert isinstance(since, float)
    [date] = await reckoned(tmp_path, [f'=TEXT({since:.0f}/86400000+DATE(1970;1;1);"YYYY-MM-DD")'])
    assert date == datetime.fromtimestamp(since / 1000, UTC).date().isoformat()


def table_of(file: Path) -> list[dict[str, float | str]]:
    """The rows of a CSV file; a number is the same however it is written, and so is TRUE."""
    rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    return [
        {name: float(cell) if NUMBER.fullmatch(cell) else cell.lower() for name, cell in row.items()} for row in rows
    ]


async def test_accounting(market: ClientMarket, tmp_path: Path) -> None:
    for reader in ("ledger", "hledger"):
        require_program(reader)
    beancount, ledger, saved = Page("accounting.md").blocks("bash")
    bean_check = client_python("beancount").parent / "bean-check"
    async with script("stocktrack stocks --add TSLA,MSFT", tmp_path, market) as program:
        assert await program.ends() == 0, program.lines
    for code in (beancount, ledger, saved):
        async with script(code, tmp_path, market) as program:
            assert await program.ends() == 0, program.lines
    written = (tmp_path / "prices.beancount").read_text().splitlines()
    assert [line.split()[2] for line in written] == ["AAPL", "VOD.L", "EUR", "TSLA", "MSFT"]
    for check in (f"{bean_check} prices.beancount", "ledger -f prices.ledger bal", "hledger -f prices.ledger prices"):
        async with script(check, tmp_path, market) as program:
            assert await program.ends() == 0, program.lines
    # The lines that the page shows are such lines.
    for language, check in (("beancount", str(bean_check)), ("ledger", "hledger prices -f")):
        [shown] = Page("accounting.md").blocks(language)
        (tmp_path / f"shown.{language}").write_text(shown)
        async with script(f"{check} shown.{language}", tmp_path, market) as program:
            assert await program.ends() == 0, program.lines


async def test_finnhub(market: ClientMarket, tmp_path: Path) -> None:
    [code] = Page("finnhub.md").blocks("python")
    async with client_program("websocket-client", program_file(tmp_path, "prices.py", code, market)) as program:
        for symbol in ("AAPL", "TSLA"):
            told = rf'"p":\d+(\.\d+)?,"s":"{symbol}","t":\d+'
            await program.prints(told, since=await program.prints(told))
    [shown] = Page("finnhub.md").blocks("json")
    frames = [json.loads(line) for line in told_lines(program) if line.startswith('{"data"')]
    assert {frozenset(frame) for frame in frames} == {frozenset(json.loads(shown))}
    assert {frozenset(trade) for frame in frames for trade in frame["data"]} == {
        frozenset(json.loads(shown)["data"][0])
    }


@pytest.mark.parametrize("which", [0, 1], ids=["WebSocket", "AsyncWebSocket"])
async def test_yfinance(market: ClientMarket, tmp_path: Path, which: int) -> None:
    code = Page("yfinance.md").blocks("python")[which]
    async with client_program("yfinance", program_file(tmp_path, "prices.py", code, market)) as program:
        await program.sees(3, "AAPL", "TSLA")


async def test_alpaca(market: ClientMarket, tmp_path: Path) -> None:
    [code] = Page("alpaca.md").blocks("python")
    async with client_program("alpaca-py", program_file(tmp_path, "prices.py", code, market)) as program:
        await program.sees(3, "AAPL", "TSLA")
        await program.prints(r"^AAPL \d+\.\d+ \d+\.\d+$")
