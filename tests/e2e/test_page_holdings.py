"""Holdings on the page in a real browser, on a real server: what they are worth, live, and their lots."""

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from browser import PHONE, Visitor, visitor
from fakes import ScriptedProvider
from live_server import LiveServer, live_server, until
from stocktrack.clock import ManualClock
from stocktrack.quotes import Quote

POLL_SECONDS = 5.0
CURRENCIES = {"VOD.L": "GBp", "SAP.DE": "EUR", "7203.T": "JPY", "ODD": "XQQ"}
PRICES = {
    "AAPL": 189.45,
    "VOD.L": 68.22,
    "SAP.DE": 175.5,
    "7203.T": 3_712.0,
    "ODD": 5.0,
    "GBPUSD=X": 1.27,
    "EURUSD=X": 1.08,
    "JPYUSD=X": 0.0065,
    "USDEUR=X": 0.9259,
    "GBPEUR=X": 1.17,
    "JPYEUR=X": 0.006,
}

# What is wider than its place.
CUT = """() => [...document.querySelectorAll(".holdings td")]
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
  .map((cell) => cell.textContent)"""

# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")


class SeveralCurrencies(ScriptedProvider):
    """A market of several currencies, and of the pairs between them; a price has risen by `risen` on the day."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.prices = dict(PRICES)
        self.risen = {"AAPL": 1.2, "VOD.L": 0.1}

    def quote(self, symbol: str) -> Quote:
        currency = CURRENCIES.get(symbol, "EUR" if symbol.endswith("EUR=X") else "USD")
        change = self.risen.get(symbol, 0.0)
        told = {"currency": currency, "change": change, "previous_close": round(self.prices[symbol] - change, 6)}
        return super().quote(symbol).model_copy(update=told)


@dataclass(slots=True)
class Market:
    """A server with its page."""

    clock: ManualClock
    source: SeveralCurrencies
    server: LiveServer
    address: str

    async def price(self, symbol: str, price: float) -> None:
        """Let the price of what somebody is pushed be another one."""
        await until(lambda: any(symbol in session.symbols for session in self.server.app.sessions))
        self.source.prices[symbol] = price
        await self.clock.advance(POLL_SECONDS)


@contextlib.asynccontextmanager
async def a_market(folder: Path, *users: str, **settings: Any) -> AsyncIterator[Market]:
    clock = ManualClock()
    source = SeveralCurrencies(clock)
    async with live_server(folder, source, users=users, clock=clock, web=True, **settings) as server:
        yield Market(clock, source, server, f"{server.web_url}/")


@pytest_asyncio.fixture(loop_scope="module")
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    async with a_market(tmp_path, "ann") as market:
        yield market


@pytest_asyncio.fixture(loop_scope="module")
async def ann(browser: Browser, market: Market) -> AsyncIterator[Visitor]:
    """Somebody who holds AAPL, which is on the board, and VOD.L in pence, which is not; and looks at it."""
    client = await market.server.log_in("ann")
    await client.ask({"type": "ADD_LOT", "symbol": "AAPL", "quantity": 10, "unit_cost": 146, "fixed_cost": 1})
    await client.ask({"type": "ADD_LOT", "symbol": "VOD.L", "quantity": 1000, "unit_cost": 72.5})
    async with visitor(browser, market.address, accept_downloads=True) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(ann.price("AAPL")).to_have_text("189.45")
        await open_holdings(ann)
        yield ann


async def open_holdings(ann: Visitor) -> None:
    await ann.page.get_by_role("button", name="Holdings").click()
    await expect(ann.page.get_by_role("heading", name="Holdings", exact=True)).to_be_focused()


def part(ann: Visitor, symbol: str, name: str) -> Locator:
    return ann.page.locator(f'[data-holding="{symbol}"] [data-part="{name}"]')


def total(ann: Visitor, name: str) -> Locator:
    return ann.page.locator(f'.total [data-part="{name}"]')


async def add_lot(ann: Visitor, symbol: str, quantity: str, cost: str, *, is_sale: bool = False) -> None:
    await ann.page.get_by_label("Symbol", exact=True).fill(symbol)
    await ann.page.get_by_label("Bought or sold").select_option("sold" if is_sale else "bought")
    await ann.page.get_by_label("Quantity").fill(quantity)
    await ann.page.get_by_label("Price of one").fill(cost)
    await ann.page.get_by_role("button", name="Add the lot").click()


async def test_what_is_held_has_its_value_its_day_its_gain_and_its_weight(ann: Visitor) -> None:
    figures = {
        "quantity": "10",
        "unit_cost": "146.10",
        "price": "189.45",
        "value": "1,894.50",
        "day": "+12.00",
        "day_percent": "+0.64%",
        "gain": "+433.50",
        "gain_percent": "+29.67%",
        "weight": "68.62%",
    }
    for name, text in figures.items():
        await expect(part(ann, "AAPL", name)).to_have_text(text)
    # 68,220 pence are 682.20 pounds.
    pence = {"value": "68,220.00", "currency": "GBp", "converted": "866.39 USD", "gain": "−4,280.00"}
    for name, text in pence.items():
        await expect(part(ann, "VOD.L", name)).to_have_text(text)
    sums = {"cost": "2,381.75", "value": "2,760.89", "day": "+13.27", "gain": "+379.14", "gain_percent": "+15.92%"}
    for name, text in sums.items():
        await expect(total(ann, name)).to_have_text(text)


async def test_values_follow_the_prices_of_what_is_on_the_board_and_of_what_is_not(
    ann: Visitor, market: Market
) -> None:
    await market.price("AAPL", 200.1)
    await expect(part(ann, "AAPL", "value")).to_have_text("2,001.00")
    await market.price("VOD.L", 70.07)
    await expect(part(ann, "VOD.L", "value")).to_have_text("70,070.00")
    await expect(part(ann, "VOD.L", "converted")).to_have_text("889.89 USD")
    await expect(total(ann, "value")).to_have_text("2,890.89")
    reply = await (await market.server.log_in("ann")).ask({"type": "HOLDINGS"})
    assert reply["totals"]["value"] == 2890.89
    await ann.page.get_by_role("button", name="Back to the board").click()
    await expect(ann.price("AAPL")).to_have_text("200.10")
    await expect(ann.row("VOD.L")).to_have_count(0)


async def test_the_total_is_in_the_currency_that_was_chosen_also_after_a_reload(ann: Visitor) -> None:
    await ann.page.get_by_label("Total in").select_option("EUR")
    await expect(ann.page.locator(".total")).to_contain_text("Total in EUR")
    await expect(part(ann, "VOD.L", "converted")).to_have_text("798.17 EUR")
    await expect(total(ann, "value")).to_have_text("2,552.29")
    await ann.page.reload()
    await expect(ann.page.get_by_label("Total in")).to_have_value("EUR")
    await expect(total(ann, "value")).to_have_text("2,552.29")


async def test_lots_are_added_sold_and_taken_out_and_put_back(ann: Visitor) -> None:
    await add_lot(ann, "sap.de", "12.5", "150")
    await expect(ann.page.get_by_role("status").filter(has_text="Bought: 12.5 SAP.DE at 150.")).to_be_visible()
    await expect(part(ann, "SAP.DE", "value")).to_have_text("2,193.75")
    await add_lot(ann, "SAP.DE", "2.5", "180", is_sale=True)
    await expect(part(ann, "SAP.DE", "quantity")).to_have_text("10")
    await add_lot(ann, "SAP.DE", "-1", "180")
    await expect(part(ann, "SAP.DE", "quantity")).to_have_text("9")
    await ann.page.get_by_role("button", name="Lots of SAP.DE: 3").click()
    lots = ann.page.get_by_role("list", name="Lots of SAP.DE").get_by_role("listitem")
    await expect(lots).to_contain_text(["Bought 12.5 SAP.DE at 150", "Sold 2.5 SAP.DE at 180", "Sold 1 SAP.DE at 180"])
    await ann.page.get_by_role("button", name="Take out the lot: Sold 2.5 SAP.DE at 180").click()
    await expect(part(ann, "SAP.DE", "quantity")).to_have_text("11.5")
    await ann.page.get_by_role("button", name="Undo").click()
    await expect(part(ann, "SAP.DE", "quantity")).to_have_text("9")


async def test_what_is_wrong_with_a_lot_stands_beside_its_field(ann: Visitor) -> None:
    await add_lot(ann, "NOPE", "1", "1")
    await expect(ann.page.locator("#lot-symbol-error")).to_have_text("No source knows the symbol NOPE.")
    await add_lot(ann, "AAPL", "0", "1")
    await expect(ann.page.locator("#lot-quantity-error")).to_contain_text("'quantity' must not be 0")
    await add_lot(ann, "AAPL", "ten", "1")
    await expect(ann.page.locator("#lot-quantity-error")).to_have_text("“ten” is no number.")
    await add_lot(ann, "AAPL", "1", "-1")
    await expect(ann.page.locator("#lot-cost-error")).to_contain_text("'unit_cost'")
    await expect(ann.page.locator("[data-holding]")).to_have_count(2)


async def test_what_has_no_rate_is_named_and_is_in_no_total(ann: Visitor) -> None:
    await add_lot(ann, "ODD", "10", "4")
    await expect(ann.page.locator(".missing")).to_contain_text("ODD is in no total.")
    await expect(part(ann, "ODD", "value")).to_have_text("50.00")
    await expect(part(ann, "ODD", "weight")).to_have_text("\N{EN DASH}")
    await expect(total(ann, "value")).to_have_text("2,760.89")


async def test_money_shows_no_noise_of_doubles(ann: Visitor, market: Market) -> None:
    market.source.prices["SAP.DE"] = 2.0
    await add_lot(ann, "SAP.DE", "0.1", "0.7")
    # While a lot is on its way, the button takes no other.
    await expect(ann.page.get_by_text("Bought: 0.1 SAP.DE at 0.7.")).to_be_visible()
    await add_lot(ann, "SAP.DE", "2.9", "0.1")
    await expect(part(ann, "SAP.DE", "quantity")).to_have_text("3")
    await market.price("SAP.DE", 1.115)
    # As doubles the product is 3.3449999999999998, and the cost 0.36000000000000004.
    await expect(part(ann, "SAP.DE", "value")).to_have_text("3.35")
    await expect(part(ann, "SAP.DE", "gain")).to_have_text("+2.99")


async def test_the_holdings_are_downloaded_as_csv(ann: Visitor) -> None:
    async with ann.page.expect_download() as waiting:
        await ann.page.get_by_role("button", name="CSV").click()
    download = await waiting.value
    assert download.suggested_filename.startswith("holdings-")
    text = await asyncio.to_thread(Path(await download.path()).read_text)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["symbol"], row["value"], row["currency"], row["total_value"]) for row in rows] == [
        ("AAPL", "1894.5", "USD", "1894.5"),
        ("VOD.L", "68220", "GBp", "866.39"),
    ]


async def test_after_a_reconnect_it_is_asked_for_again_and_goes_on(browser: Browser, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as ends:
        async with a_market(tmp_path, "ann") as first:
            ann = await ends.enter_async_context(visitor(browser, first.address, loses_connection=True))
            await ann.log_in("ann")
            await expect(ann.page.get_by_text("Your board is empty")).to_be_visible()
            await open_holdings(ann)
            await expect(ann.page.get_by_text("You hold nothing yet.")).to_be_visible()
            await add_lot(ann, "VOD.L", "1000", "72.5")
            await expect(total(ann, "value")).to_have_text("866.39")
        await expect(ann.page.locator('[data-bar="link"]')).to_contain_text("Connection lost.")
        async with a_market(tmp_path, web_port=urlsplit(first.address).port) as second:
            second.source.prices["GBPUSD=X"] = 1.3
            await ann.reconnect()
            await expect(total(ann, "value")).to_have_text("886.86")
            await second.price("VOD.L", 70.0)
            await expect(total(ann, "value")).to_have_text("910.00")


async def test_a_name_from_outside_stays_text(ann: Visitor, market: Market) -> None:
    market.source.quoted = {"name": "<img src=x onerror=window.hacked=1>"}
    await ann.page.reload()
    await market.clock.advance(POLL_SECONDS)
    await expect(part(ann, "VOD.L", "name")).to_have_text("<img src=x onerror=window.hacked=1>")
    assert await ann.page.locator(".view img").count() == 0
    assert await ann.page.evaluate("window.hacked") is None


async def test_on_a_phone_each_holding_is_a_card_in_which_nothing_is_cut(browser: Browser, market: Market) -> None:
    client = await market.server.log_in("ann")
    await client.ask({"type": "ADD_LOT", "symbol": "7203.T", "quantity": 123456, "unit_cost": 2500})
    async with visitor(browser, market.address, **PHONE) as ann:
        await ann.log_in("ann")
        await open_holdings(ann)
        await expect(part(ann, "7203.T", "value")).to_have_text("458,268,672")
        assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await ann.page.evaluate(CUT) == []
        await ann.page.get_by_role("button", name="7203.T", exact=True).tap()
        await expect(ann.page.get_by_role("dialog", name="7203.T")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 700])
async def test_a_holding_of_trillions_is_broken_nowhere_and_leaves_the_other_cards_as_they_are(
    browser: Browser, market: Market, width: int
) -> None:
    client = await market.server.log_in("ann")
    await client.ask({"type": "ADD_LOT", "symbol": "AAPL", "quantity": 10, "unit_cost": 100})
    await client.ask({"type": "ADD_LOT", "symbol": "7203.T", "quantity": 987_654_321_098, "unit_cost": 2500})
    async with visitor(browser, market.address, viewport={"width": width, "height": 844}) as ann:
        await ann.log_in("ann")
        await open_holdings(ann)
        await expect(part(ann, "7203.T", "value")).to_have_text("3,666,172,839,915,776")
        assert await ann.page.evaluate(CUT) == []
        assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        lines = await ann.page.locator(".holdings [data-part]").evaluate_all(
            """(parts) => parts.filter((part) => part.dataset.part !== "name" && part.getClientRects().length > 1)
              .map((part) => part.textContent)"""
        )
        assert lines == []
        tops = await ann.page.locator('[data-holding="AAPL"] :is(.h-quantity, .h-unit-cost)').evaluate_all(
            "(cells) => cells.map((cell) => cell.getBoundingClientRect().top)"
        )
        assert len(set(tops)) == 1


async def test_on_a_phone_the_columns_stand_still_and_a_long_group_is_no_wider_than_the_page(
    browser: Browser, market: Market
) -> None:
    client = await market.server.log_in("ann")
    await client.ask({"type": "ADD_LOT", "symbol": "7203.T", "quantity": 10, "unit_cost": 2500})
    group = "a group whose name has as many letters as there may be, or nearly"[:64]
    await client.ask({"type": "ADD_LOT", "symbol": "AAPL", "quantity": 10, "unit_cost": 2500, "group": group})
    lefts = """() => [...document.querySelectorAll("[data-holding] .h-day")]
      .map((cell) => cell.getBoundingClientRect().left)"""
    for width in (320, 390, 700):
        async with visitor(browser, market.address, viewport={"width": width, "height": 844}) as ann:
            await ann.log_in("ann")
            await open_holdings(ann)
            await expect(part(ann, "7203.T", "price")).not_to_have_text("")
            assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            before = await ann.page.evaluate(lefts)
            assert len(set(before)) == 1, before
            await market.price("7203.T", 300_000.0 + width)
            await expect(part(ann, "7203.T", "price")).to_have_text(f"{300_000 + width:,}.00")
            assert await ann.page.evaluate(lefts) == before


async def test_nothing_of_it_is_asked_for_before_somebody_opens_it(browser: Browser, market: Market) -> None:
    # Nor a panel, which has the alerts and the holding of its stock: here is no room for one until it is asked for.
    async with visitor(browser, market.address, viewport={"width": 1000, "height": 800}) as ann:
        sent: list[str] = []
        ann.page.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(str(text))))
        files: list[str] = []
        ann.page.on("request", lambda request: files.append(request.url))
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(ann.price("AAPL")).to_have_text("189.45")
        assert not [each for each in sent if "HOLDINGS" in each or "ALERT" in each]
        assert not [each for each in files if "holding" in each or "alert" in each or "views.css" in each]
        await open_holdings(ann)
        await expect(ann.page.get_by_text("You hold nothing yet.")).to_be_visible()
        assert [each for each in sent if "HOLDINGS" in each]
