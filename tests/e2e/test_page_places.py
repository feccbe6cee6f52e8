"""Where the person is on the page: addresses, the browser's Back, and what is there again after a reload."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser import PHONE, Visitor, visitor
from page_market import Market, market
from stocktrack.quotes import MarketState

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[Market]:
    """Ann has AAPL and TSLA on her first list, and MSFT on another."""
    async with market(tmp_path, "ann", "bob") as house:
        await house.server.app._store.save("ann", ["AAPL", "TSLA"], 500)
        await house.server.app._store.save("ann", ["MSFT"], 500, "te ch/1")
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def ann(browser: Browser, house: Market) -> AsyncIterator[Visitor]:
    async with visitor(browser, house.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        yield ann


async def is_at(page: Page, hash_: str, *, panel: str | None = None) -> None:
    """The address ends so, and the panel is that of the symbol, or closed."""
    await expect(page).to_have_url(re.compile(re.escape(hash_) + "$"))
    await expect(page.locator("[data-panel]")).to_have_count(0 if panel is None else 1)
    if panel is not None:
        await expect(page.locator(f'[data-panel="{panel}"]')).to_be_visible()


async def test_every_step_has_an_address_and_back_and_forward_lead_there(ann: Visitor) -> None:
    page = ann.page
    await is_at(page, "#/main/AAPL", panel="AAPL")
    await ann.row("TSLA").click()
    await is_at(page, "#/main/TSLA", panel="TSLA")
    await page.get_by_role("button", name="te ch/1").click()
    await is_at(page, "#/te%20ch%2F1/MSFT", panel="MSFT")
    await page.get_by_role("button", name="Alerts").click()
    await is_at(page, "#alerts/MSFT", panel="MSFT")
    await page.go_back()
    await is_at(page, "#/te%20ch%2F1/MSFT", panel="MSFT")
    await page.go_back()
    await is_at(page, "#/main/TSLA", panel="TSLA")
    await expect(ann.price("AAPL")).to_have_text("100.00")
    await page.go_back()
    await is_at(page, "#/main/AAPL", panel="AAPL")
    await page.go_forward()
    await is_at(page, "#/main/TSLA", panel="TSLA")


async def test_the_brackets_turn_the_lists_round_and_round(ann: Visitor) -> None:
    for key, hash_, symbol in (
        ("]", "#/te%20ch%2F1/MSFT", "MSFT"),
        ("]", "#/main/AAPL", "AAPL"),
        ("[", "#/te", "MSFT"),
    ):
        await ann.page.keyboard.press(key)
        await expect(ann.page.locator(f'[data-panel="{symbol}"]')).to_be_visible()
        assert hash_ in ann.page.url


async def test_closing_is_a_way_back_and_leaves_no_second_step(ann: Visitor) -> None:
    page = ann.page
    await page.keyboard.press("Escape")
    await is_at(page, "#/main")
    await ann.row("TSLA").click()
    await is_at(page, "#/main/TSLA", panel="TSLA")
    steps = await page.evaluate("history.length")
    await page.keyboard.press("Escape")
    await is_at(page, "#/main")
    await ann.row("TSLA").click()
    await page.keyboard.press("Escape")
    await is_at(page, "#/main")
    assert await page.evaluate("history.length") == steps


async def test_steps_faster_than_the_browser_goes_back_lead_to_the_last_of_them(ann: Visitor) -> None:
    page = ann.page
    await page.keyboard.press("Escape")
    await is_at(page, "#/main")
    await page.evaluate(
        """() => {
          const pick = (symbol) => document.querySelector(`tr[data-symbol="${symbol}"]`).click();
          const close = () => document.querySelector(".panel .close").click();
          pick("TSLA");
          return new Promise((done) => requestAnimationFrame(() => { close(); pick("AAPL"); done(); }));
        }"""
    )
    await is_at(page, "#/main/AAPL", panel="AAPL")
    await page.go_back()
    await is_at(page, "#/main")


async def test_a_reload_leaves_list_stock_sorting_and_the_closed_panel_as_they_were(ann: Visitor) -> None:
    page = ann.page
    await page.locator('[data-sort="price"]').click()
    await page.keyboard.press("Escape")
    await is_at(page, "#/main")
    await page.reload()
    await expect(ann.price("TSLA")).to_have_text("300.00")
    await is_at(page, "#/main")
    await expect(page.locator("th.c-price")).to_have_attribute("aria-sort", "descending")
    await page.get_by_role("button", name="te ch/1").click()
    await expect(ann.price("MSFT")).to_have_text("200.00")
    await is_at(page, "#/te%20ch%2F1")
    # Without an address as well, as from a bookmark of the page.
    await page.goto("about:blank")
    await page.goto(ann.address)
    await expect(ann.price("MSFT")).to_have_text("200.00")
    await is_at(page, "#/te%20ch%2F1")
    await expect(page.locator("th.c-price")).to_have_attribute("aria-sort", "descending")


async def test_a_link_leads_to_a_stock_also_one_that_is_on_no_list(ann: Visitor) -> None:
    page = ann.page
    for hash_, symbol in (("#/te%20ch%2F1/MSFT", "MSFT"), ("#/main/msft", "MSFT"), ("#/main/NOPE", "NOPE")):
        await page.goto("about:blank")
        await page.goto(ann.address + hash_)
        await is_at(page, hash_.replace("msft", "MSFT"), panel=symbol)
    await expect(page.locator('[data-panel="NOPE"] [data-part="lack"]')).to_contain_text("NOPE")
    await expect(ann.row("NOPE")).to_have_count(0)


async def test_a_link_to_a_list_that_is_gone_says_so_and_shows_the_first_one(ann: Visitor) -> None:
    page = ann.page
    await page.evaluate("location.hash = '#/gone/AAPL'")
    await expect(ann.notices).to_contain_text("There is no list \u201cgone\u201d.")
    await expect(page).to_have_url(re.compile("#/main/AAPL$"))
    await page.goto("about:blank")
    await page.goto(ann.address + "#/gone")
    await expect(ann.notices).to_contain_text("There is no list \u201cgone\u201d.")
    await expect(page).to_have_url(re.compile("#/main"))
    await expect(ann.price("TSLA")).to_have_text("300.00")
    await expect(page.get_by_role("button", name="gone")).to_have_count(0)


async def test_whoever_has_to_log_in_first_is_led_on_and_who_logs_out_leads_nobody(
    browser: Browser, house: Market
) -> None:
    async with visitor(browser, house.address) as visitor_:
        page = visitor_.page
        await page.goto(house.address + "#/main/TSLA")
        await visitor_.log_in_here("ann")
        await is_at(page, "#/main/TSLA", panel="TSLA")
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_label("Password")).to_be_visible()
        assert "#" not in page.url
        await visitor_.log_in_here("bob")
        await expect(page.get_by_text("Your board is empty")).to_be_visible()
        await is_at(page, "#/main")
        await expect(visitor_.notices).not_to_contain_text("list")


async def test_on_a_phone_back_closes_the_sheet(browser: Browser, house: Market) -> None:
    async with visitor(browser, house.address, **PHONE) as ann:
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        await is_at(ann.page, "#/main")
        await ann.row("TSLA").tap()
        await is_at(ann.page, "#/main/TSLA", panel="TSLA")
        await ann.page.go_back()
        await is_at(ann.page, "#/main")
        await expect(ann.row("TSLA")).to_be_visible()


async def test_the_title_has_the_price_and_the_header_says_how_the_prices_are(ann: Visitor, house: Market) -> None:
    page = ann.page
    status = page.locator(".link-state")
    await expect(status).to_contain_text("Live")
    await expect(page).to_have_title(re.compile(r"^AAPL 100\.00"))
    # At once, and not with the next second.
    titles = await page.evaluate(
        """() => {
          document.querySelector('[data-pick="TSLA"]').click();
          return document.title;
        }"""
    )
    assert titles.startswith("TSLA 300.00")
    await ann.row("AAPL").click()
    house.provider.script = "blocked"
    await house.tick()
    await expect(status).to_contain_text("2 stale")
    await expect(page).to_have_title(re.compile(r"stale \u00b7 StockTrack$"))
    house.provider.script = "good"
    house.provider.quoted = {"market_state": MarketState.CLOSED}
    await house.tick(60)
    await expect(status).to_contain_text("Market closed")
    await expect(status).to_have_attribute("title", re.compile("markets that are closed now"))
