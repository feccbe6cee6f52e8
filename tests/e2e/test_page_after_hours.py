"""The page in a real browser after the regular hours: the other price, digits, the year, and news of one symbol."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from after_hours import AfterHours
from browser import visitor
from live_server import live_server
from stocktrack.clock import ManualClock
from stocktrack.quotes import Headline

POLL_SECONDS = 5.0

# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Evening:
    """A server with its page, where AAPL is after its regular hours; `tick` lets the source be asked again."""

    clock: ManualClock
    source: AfterHours
    address: str

    async def tick(self) -> None:
        await self.clock.advance(POLL_SECONDS)


@pytest_asyncio.fixture(loop_scope="module")
async def evening(tmp_path: Path) -> AsyncIterator[Evening]:
    clock = ManualClock()
    source = AfterHours(clock)
    async with live_server(tmp_path, source, users=("ann",), clock=clock, web=True) as server:
        yield Evening(clock, source, f"{server.web_url}/")


async def test_a_price_after_hours_is_on_the_row_and_the_panel_until_the_market_opens(
    browser: Browser, evening: Evening
) -> None:
    source = evening.source
    async with visitor(browser, evening.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL, TSLA")
        row, panel = ann.row("AAPL"), ann.page.locator(".panel")
        await expect(row.locator(".c-extended")).to_have_text("postafter hours 270.75 +0.39%")
        await expect(row).to_have_accessible_name(re.compile(r"269\.70 USD .*after hours 270\.75 \+0\.39%"))
        await expect(ann.price("AAPL")).to_have_text("269.70")
        await expect(panel.locator(".panel-extended")).to_have_text(
            re.compile(r"^After hours 270\.75 \+1\.05 \(\+0\.39%\)")
        )
        await expect(ann.row("TSLA").locator(".c-extended")).to_have_text("")
        await expect(ann.page).to_have_title("AAPL 269.70 +0.26% post 270.75 · StockTrack")

        source.figures["AAPL"] |= {"extended_price": 268.5, "extended_change": -1.2, "extended_change_percent": -0.445}
        await evening.tick()
        await expect(row.locator(".c-extended")).to_have_text("postafter hours 268.50 −0.45%")
        await expect(row).to_have_class(re.compile("extended-down"))
        await expect(ann.price("AAPL")).to_have_text("269.70")

        source.open_market("AAPL", 272.25)
        await evening.tick()
        await expect(ann.price("AAPL")).to_have_text("272.25")
        await expect(row.locator(".c-extended")).to_have_text("")
        await expect(panel.locator(".panel-extended")).to_be_hidden()


@pytest.mark.parametrize("width", [360, 390, 720, 800, 900, 1000, 1280, 1500])
async def test_a_price_after_hours_is_never_cut(browser: Browser, evening: Evening, width: int) -> None:
    source = evening.source
    async with visitor(browser, evening.address, viewport={"width": width, "height": 800}) as ann:
        source.prices["BTC-USD"] = 66_251.82
        source.figures["BTC-USD"] = {**source.figures["AAPL"], "extended_price": 166_333.44, "price_hint": 3}
        await ann.log_in("ann")
        await ann.add("AAPL, BTC-USD")
        for symbol in ("AAPL", "BTC-USD"):
            cell = ann.row(symbol).locator(".c-extended")
            await expect(cell).to_contain_text("+0.39%")
            fits = await cell.evaluate(
                """(cell) => {
                  const text = document.createRange();
                  text.selectNodeContents(cell);
                  const [inner, outer] = [text.getBoundingClientRect(), cell.getBoundingClientRect()];
                  const row = cell.closest("tr").getBoundingClientRect();
                  return cell.scrollWidth <= cell.clientWidth && outer.bottom <= row.bottom && inner.top >= row.top;
                }"""
            )
            assert fits


async def test_every_figure_of_a_symbol_has_its_digits(browser: Browser, evening: Evening) -> None:
    source = evening.source
    async with visitor(browser, evening.address) as ann:
        source.prices["EURUSD=X"] = 1.08
        source.figures["EURUSD=X"] = {
            "price_hint": 4,
            "change": -0.00268,
            "previous_close": 1.08268,
            "bid": 1.0799,
            "ask": 1.08012,
            "fifty_two_week_low": 1.02,
            "fifty_two_week_high": 1.123456,
        }
        await ann.log_in("ann")
        await ann.add("EURUSD=X")
        panel = ann.page.locator(".panel")
        texts = {"price": "1.0800", "change": "−0.0027", "previous_close": "1.0827", "bid": "1.0799", "ask": "1.0801"}
        for part, text in (texts | {"year_low": "1.0200", "year_high": "1.1235"}).items():
            await expect(panel.locator(f'[data-part="{part}"]')).to_have_text(text)
        source.prices["EURUSD=X"] = 1.09
        await evening.tick()
        await expect(ann.price("EURUSD=X")).to_have_text("1.0900")


async def test_the_panel_shows_the_year_the_value_and_the_earnings_and_no_place_for_what_is_not_known(
    browser: Browser, evening: Evening
) -> None:
    async with visitor(browser, evening.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL, TSLA")
        panel = ann.page.locator(".panel")
        year = panel.locator(".f-year dd")
        await expect(year).to_have_text(re.compile(r"^169\.21\s* to 271\.41; the price is at 98% of the way$"))
        await expect(panel.locator('[data-part="market_cap"]')).to_have_text(re.compile(r"^3\.98\S+ USD$"))
        await expect(panel.locator('[data-part="trailing_pe"]')).to_have_text("40.93")
        bar, mark = await ann.box(panel.locator(".year-bar")), await ann.box(panel.locator(".year-mark"))
        assert 0.96 < (mark["x"] + mark["width"] / 2 - bar["x"]) / bar["width"] < 1.0
        await expect(panel.locator('[data-section="company"]')).to_contain_text("your time")
        await ann.row("TSLA").click()
        await expect(panel.locator("h2")).to_have_text("TSLA")
        for hidden in (".f-year", ".f-market_cap", ".f-trailing_pe"):
            await expect(panel.locator(hidden)).to_be_hidden()


async def test_the_panel_shows_the_headlines_of_its_symbol_with_source_and_age(
    browser: Browser, evening: Evening
) -> None:
    hostile = "<b onclick=x>Bold</b>"
    evening.source.symbol_headlines["AAPL"] = [
        Headline(
            title="Apple opens a shop",
            source="CNBC",
            link="https://example.com/a",
            published=evening.clock.now_ms() - 300_000,
        ),
        Headline(title=hostile, source="Reuters", link="javascript:alert(1)"),
    ]
    async with visitor(browser, evening.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        lists = ann.page.locator('[data-section="news"] ul')
        await expect(lists.nth(1)).to_contain_text("Headline 0")  # of the whole market
        items = lists.nth(0).locator("li")
        await expect(items).to_have_count(2)
        await expect(items.nth(0)).to_have_text(re.compile(r"^\s*Apple opens a shop\s*CNBC · 5m ago\s*$"))
        await expect(items.nth(0).locator("a")).to_have_attribute("href", "https://example.com/a")
        await expect(items.nth(0).locator("a")).to_have_attribute("rel", "noopener noreferrer")
        await expect(items.nth(1)).to_have_text(re.compile(re.escape(hostile)))
        await expect(items.nth(1).locator("a, b")).to_have_count(0)


async def test_without_headlines_of_its_symbol_the_panel_says_so_and_shows_those_of_the_market(
    browser: Browser, evening: Evening
) -> None:
    async with visitor(browser, evening.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        news = ann.page.locator('[data-section="news"]')
        await expect(news.locator(".quiet-note")).to_have_text("There are no headlines about AAPL now.")
        await expect(news.get_by_text("Headline 0")).to_be_visible()
