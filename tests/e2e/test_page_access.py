"""Whether everybody can use the page: axe finds nothing and nothing is wider than the window, in both themes."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser import Visitor, visitor
from live_server import PASSWORD
from node_packages import AXE, are_there
from page_market import Market, market
from requirements import require

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT = AXE / "node_modules" / "axe-core" / "axe.min.js"
LARGE = 1_234_567.89
WIDTHS = (320, 390, 1440, 2560)


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[Market]:
    """Ann has stocks whose prices are long, one stale, and one that nobody knows."""
    async with market(tmp_path, "ann", chat=True) as house:
        await house.server.app.accounts.set_admin("ann", is_admin=True)
        house.provider.prices |= {"MSFT": LARGE, "TSLA": 0.00001234}
        await house.server.app._store.save("ann", ["AAPL", "MSFT", "TSLA", "GONE"], 500)
        await house.server.app._store.save("ann", ["MSFT"], 500, "Tech and all that is near it")
        yield house


async def faults(page: Page) -> list[str]:
    """What axe finds, each with the elements that it is about."""
    require(are_there(AXE), "axe (npm, then `make node-packages`)")
    # What is on its way from one colour to another has neither.
    await page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})))")
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(SCRIPT.read_text("utf-8"))
    found = await page.evaluate("axe.run().then(({violations}) => violations)")
    return [f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}" for each in found]


async def is_within(page: Page) -> None:
    """Nothing makes the page wider than its window."""
    assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


async def is_fit(page: Page) -> None:
    await is_within(page)
    assert await faults(page) == []


@contextlib.asynccontextmanager
async def somebody(browser: Browser, house: Market, width: int, theme: str) -> AsyncIterator[Visitor]:
    size = {"width": width, "height": 900}
    async with visitor(browser, house.address, viewport=size, color_scheme=theme, reduced_motion="reduce") as ann:
        yield ann


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_every_view_of_the_page_is_for_everybody(browser: Browser, house: Market, width: int, theme: str) -> None:
    async with somebody(browser, house, width, theme) as ann:
        page = ann.page
        await page.goto(house.address)
        await expect(page.get_by_label("Name")).to_be_focused()
        await is_fit(page)
        await ann.log_in_here("ann", PASSWORD)
        await expect(ann.price("MSFT")).to_have_text("1,234,567.89")
        await is_fit(page)
        house.provider.script = "blocked"
        await house.tick()
        await expect(page.locator('[data-bar="outage"]')).to_be_visible()
        await is_fit(page)
        house.provider.script = "good"
        await house.tick(60)
        await page.goto(f"{house.address}#/main/MSFT")
        await expect(page.locator('[data-panel="MSFT"] [data-part="price"]')).to_have_text("1,234,567.89")
        await is_fit(page)
        for view in ("alerts", "holdings"):
            await page.goto(f"{house.address}#{view}")
            await expect(page.locator("#view-title")).to_be_visible()
            await is_fit(page)
        await page.goto(f"{house.address}#admin")
        for part in ("Sessions", "Users", "Sources", "Announce"):
            await page.get_by_role("tab", name=part).click()
            await expect(page.get_by_role("tabpanel", name=part).get_by_text("Loading")).to_have_count(0)
            await is_fit(page)
        await page.goto(f"{house.address}#/main")
        for key, opened in (("?", "dialog.shortcuts"), ("c", "dialog.columns"), ("f", "#filter-field")):
            await page.keyboard.press(key)
            await expect(page.locator(opened)).to_be_visible()
            await is_fit(page)
            await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Chat").click()
        await expect(page.get_by_label("Say something", exact=True)).to_be_visible()
        await is_fit(page)


async def test_in_colours_of_ones_own_the_list_and_the_stock_that_are_shown_stand_out(
    browser: Browser, house: Market
) -> None:
    size = {"width": 1440, "height": 900}
    async with visitor(browser, house.address, viewport=size, forced_colors="active", color_scheme="dark") as ann:
        await ann.log_in("ann")
        await expect(ann.row("AAPL")).to_have_class(re.compile(r"\bchosen\b"))
        colours = await ann.page.locator(".lists [data-list]").evaluate_all(
            "(tabs) => tabs.map((tab) => getComputedStyle(tab).borderBottomColor)"
        )
        assert len(set(colours)) == 2
        outlines = await ann.page.locator("tr[data-symbol]").evaluate_all(
            "(rows) => rows.map((row) => getComputedStyle(row).outlineStyle)"
        )
        assert outlines == ["solid", "none", "none", "none"]
