"""The pages of docs/recipes whose programs are not run: a real server has their addresses, and answers their fields."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from client_market import ClientMarket, client_market
from patient_http import patient_http
from recipe_pages import Kind, Page, at, pages

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHAPES = [page for page in pages() if page.kinds == [Kind.SHAPE]]
# Its program reads what TradingView publishes, and the page repeats none of it.
BY_A_STANDARD = {"openbb.md"}
each_page = pytest.mark.parametrize("page", SHAPES, ids=[page.name for page in SHAPES])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(home: Path, token: str) -> AsyncIterator[ClientMarket]:
    """A server whose guests need a token, as beyond loopback: what a page forgets to send would be noticed."""
    async with client_market(home, token, STOCKTRACK_LIVE_PRICE_NEEDS_TOKEN="always") as market:
        yield market


def found(told: Any, path: str) -> bool:
    """Whether there is something at a path such as `quotes[0].price`, and it is not null."""
    for part in re.findall(r"\w+|\[\d+\]", path):
        try:
            told = told[int(part[1:-1]) if part.startswith("[") else part]
        except (KeyError, IndexError, TypeError):
            return False
    return told is not None


async def test_a_path_is_followed_to_its_end() -> None:
    told = {"quotes": [{"price": 0.0, "none": None}]}
    assert found(told, "quotes[0].price")
    assert found([told], "[0].quotes[0].price")
    assert not any(found(told, path) for path in ("quotes[1].price", "quotes[0].cost", "quotes[0].none", "bars[0]"))


@each_page
async def test_every_address_answers_with_every_field_that_the_page_names(page: Page, market: ClientMarket) -> None:
    reads = list(page.reads())
    assert reads, page.name
    async with patient_http() as http:
        for read in reads:
            address = at(read.address.replace("{TICKER}", "AAPL"), market.port, market.token)
            # A token in the address is all that there is, where the page has one there.
            login = {} if "token=" in read.address else {"Authorization": f"Bearer {market.token}"}
            answer = await http.get(address, headers=login)
            assert answer.status_code == 200, (read.address, answer.text)
            assert read.fields
            if answer.headers["content-type"].startswith("application/json"):
                told = json.loads(answer.text)
                assert [field for field in read.fields if not found(told, field)] == [], read.address
            else:
                assert [field for field in read.fields if f"\n{field}" not in answer.text] == [], read.address


@each_page
async def test_the_table_of_what_is_read_is_what_the_page_tells_people_to_write(page: Page) -> None:
    written, _, table = page.text.partition("## What it reads")
    reads = list(page.reads())
    assert table.count("`http") == len(reads)
    assert page.addresses() <= {read.address for read in reads}
    if page.name not in BY_A_STANDARD:
        names = {
            re.findall(r"\w+", field)[-1] if "[" not in field[-3:] else field[:-3]
            for read in reads
            for field in read.fields
        }
        assert {name for name in names if not re.search(rf"\b{name}\b", written)} == set()
