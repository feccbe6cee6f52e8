"""Past prices on the page in a real browser: the chart's ranges, what stands there instead, the rows' day lines."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from browser import PHONE, Visitor, visitor
from fakes import ScriptedQuotes
from live_server import LiveServer, live_server
from new_york_market import SATURDAY_MS, PastPrices
from stocktrack.clock import ManualClock
from stocktrack.quotes import MarketState

POLL_SECONDS = 5.0

# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Friday:
    """A server with its page, in the morning of a Friday in New York; `tick` lets the source be asked again."""

    clock: ManualClock
    source: PastPrices
    address: str
    server: LiveServer

    async def price(self, symbol: str, price: float, seconds: float = POLL_SECONDS) -> None:
        """Let the price of `symbol` be another one, some seconds later."""
        self.source.prices[symbol] = price
        await self.clock.advance(seconds)


@pytest_asyncio.fixture(loop_scope="module")
async def friday(tmp_path: Path) -> AsyncIterator[Friday]:
    clock = ManualClock()
    source = PastPrices(clock)
    source.quoted = {"change": 2.0, "previous_close": 98.0, "volume": 50_000}
    async with live_server(tmp_path, source, users=("ann",), clock=clock, web=True, record_bars=False) as server:
        yield Friday(clock, source, f"{server.web_url}/", server)


@pytest_asyncio.fixture(loop_scope="module")
async def ann(browser: Browser, friday: Friday) -> AsyncIterator[Visitor]:
    """Somebody with AAPL on the board and in the panel."""
    async with visitor(browser, friday.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(chart(ann.page)).to_have_attribute("data-chart", "bars")
        yield ann


def chart(page: Page) -> Locator:
    return page.locator(".chart")


def legend(page: Page) -> Locator:
    return page.locator(".legend")


async def choose(page: Page, label: str) -> None:
    await page.get_by_role("radio", name=re.compile(f"^{label},")).click()


async def asked_for_chart(page: Page) -> list[dict[str, Any]]:
    """The questions for past prices that the page has sent, those of the rows left out."""
    asked = [json.loads(text) for text in await page.evaluate("window.sent")]
    return [each for each in asked if each["type"] == "HISTORY" and each["interval"] != "15m"]


NOTE_WHAT_IS_SENT = """
window.sent = [];
window.sockets = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) {
  window.sent.push(text);
  if (!window.sockets.includes(this)) window.sockets.push(this);
  return send.call(this, text);
};
"""

# Each row that can be seen has its line; the last one has.
SEEN_HAVE_LINES = "[...document.querySelectorAll('tr[data-symbol]')].every((row) => !row.view.isSeen || row.stock.day)"
HAS_LAST_LINE = "document.querySelector('tr[data-symbol=X119]').stock.day"
# What is wider or higher than its place.
CUT = """() => [".ranges", ".legend", ".chart-tools", ".panel-price", ".panel"].filter((name) => {
  const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.querySelector(name);
  return scrollWidth > clientWidth || (name !== ".panel" && scrollHeight > clientHeight);
})"""
PLACES = """() => [".panel-state", ".ranges", ".legend", ".chart-stage", ".chart-tools", "figcaption", ".figures"]
  .map((name) => {
    const { top, bottom } = document.querySelector(name).getBoundingClientRect();
    return [top, bottom];
  })"""


async def test_the_day_stands_there_with_its_change_its_figures_and_the_time_of_the_exchange(ann: Visitor) -> None:
    await expect(legend(ann.page)).to_contain_text("1D +2.04% Fri 5 Apr · 2-minute bars")
    await expect(legend(ann.page).locator('[data-legend="close"]')).to_have_text("C 100.00")
    await expect(chart(ann.page).locator("figcaption")).to_have_text("New York time · Charts by TradingView")
    await expect(ann.page.get_by_role("radio", name="1D, 1 day")).to_be_checked()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("5D", "since Mon 1 Apr · 15-minute bars"),
        ("1M", "since Tue 5 Mar · 30-minute bars"),
        ("6M", "since 5 Oct 2023 · daily bars"),
        ("YTD", "since 1 Jan 2024 · daily bars"),
        ("1Y", "since 5 Apr 2023 · daily bars"),
        ("5Y", "weekly bars"),
    ],
)
async def test_each_range_has_its_bars(ann: Visitor, label: str, words: str) -> None:
    await choose(ann.page, label)
    await expect(legend(ann.page)).to_contain_text(words)
    await expect(legend(ann.page).locator("b")).to_have_text(label)
    await expect(chart(ann.page)).to_have_attribute("data-chart", "bars")


async def test_what_is_chosen_is_there_after_a_reload_and_for_every_stock(ann: Visitor) -> None:
    await choose(ann.page, "1Y")
    await ann.page.get_by_role("button", name="Candles").click()
    await expect(legend(ann.page)).to_contain_text("weekly bars")
    await ann.page.reload()
    await expect(legend(ann.page)).to_contain_text("weekly bars")
    await expect(ann.page.get_by_role("button", name="Candles")).to_have_attribute("aria-pressed", "true")
    await ann.add("TSLA")
    await ann.row("TSLA").click()
    await expect(ann.page.get_by_role("slider", name="Chart of TSLA, 1 year")).to_be_visible()
    await expect(legend(ann.page)).to_contain_text("weekly bars")


async def test_pushed_prices_carry_the_last_bar_on_and_begin_the_next(ann: Visitor, friday: Friday) -> None:
    slider = ann.page.get_by_role("slider")
    high = legend(ann.page).locator('[data-legend="high"]')
    end = await slider.get_attribute("aria-valuemax")
    assert end is not None
    await friday.price("AAPL", 104.0)
    await expect(legend(ann.page).locator('[data-legend="close"]')).to_have_text("C 104.00")
    await expect(high).to_have_text("H 104.00")
    await friday.price("AAPL", 103.0, 60)
    await friday.price("AAPL", 102.5, 60)
    await expect(slider).to_have_attribute("aria-valuemax", str(int(end) + 1))
    await expect(high).to_have_text(re.compile(r"H 10[23]\.\d\d"))
    asked = [each for each in friday.source.asked if each[1] == "2m"]
    assert len(asked) == 1


async def test_in_a_closed_market_last_fridays_bars_stand_still(browser: Browser, tmp_path: Path) -> None:
    clock = ManualClock(SATURDAY_MS)
    source = PastPrices(clock)
    source.quoted = {"change": 2.0, "market_state": MarketState.CLOSED, "timestamp": SATURDAY_MS - 70_000_000}
    async with (
        live_server(tmp_path, source, users=("ann",), clock=clock, web=True, record_bars=False) as server,
        visitor(browser, f"{server.web_url}/") as ann,
    ):
        await ann.page.clock.install()
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(legend(ann.page)).to_contain_text("Fri 5 Apr · 2-minute bars")
        slider = ann.page.get_by_role("slider")
        await expect(slider).to_have_attribute("aria-valuemax", "194")
        await clock.advance(600)
        await ann.page.clock.run_for(5_000)  # the page's own time, which is not the server's
        await expect(slider).to_have_attribute("aria-valuemax", "194")
        await slider.press("End")
        await expect(legend(ann.page).locator("b")).to_have_text("Fri 5 Apr 15:58")


async def test_extended_hours_are_asked_for_once_they_are_wanted_and_only_for_the_day(
    ann: Visitor, friday: Friday
) -> None:
    toggle = ann.page.get_by_role("button", name="Extended hours")
    await toggle.click()
    await expect(legend(ann.page)).to_contain_text("5-minute bars")
    await expect(toggle).to_have_attribute("aria-pressed", "true")
    assert ("AAPL", "5m", True) in friday.source.asked
    slider = ann.page.get_by_role("slider")
    await slider.press("Home")
    await expect(legend(ann.page)).to_contain_text("Fri 5 Apr 04:00")
    await expect(legend(ann.page)).to_contain_text("before hours")
    await choose(ann.page, "5D")
    await expect(toggle).to_be_disabled()
    await choose(ann.page, "1D")
    await expect(toggle).to_have_attribute("aria-pressed", "true")


async def test_a_late_answer_to_an_earlier_choice_is_not_drawn(ann: Visitor, friday: Friday) -> None:
    friday.source.held["30m"] = asyncio.Event()
    await choose(ann.page, "1M")
    await expect(chart(ann.page).get_by_text("Loading …")).to_be_visible()
    await choose(ann.page, "1Y")
    friday.source.held["30m"].set()
    await expect(legend(ann.page).locator("b")).to_have_text("1Y")
    await expect(legend(ann.page)).to_contain_text("daily bars")
    await expect(chart(ann.page)).to_have_attribute("data-chart", "bars")


async def test_quick_choices_end_with_the_last_one(ann: Visitor) -> None:
    await ann.add("TSLA")
    for symbol, label in (("TSLA", "5Y"), ("AAPL", "5D"), ("TSLA", "6M"), ("AAPL", "1Y")):
        await ann.row(symbol).click()
        await choose(ann.page, label)
    await expect(ann.page.get_by_role("slider", name="Chart of AAPL, 1 year")).to_be_visible()
    await expect(legend(ann.page).locator("b")).to_have_text("1Y")
    await expect(legend(ann.page)).to_contain_text("daily bars")


async def test_the_crosshair_follows_the_mouse_and_the_arrow_keys(ann: Visitor) -> None:
    slider = ann.page.get_by_role("slider")
    box = await ann.box(slider)
    await ann.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    await expect(legend(ann.page).locator("b")).to_have_text(re.compile(r"^Fri 5 Apr \d\d:\d\d$"))
    await ann.page.mouse.move(5, 5)
    await expect(legend(ann.page).locator("b")).to_have_text("1D")
    await slider.press("Home")
    await expect(legend(ann.page).locator("b")).to_have_text("Fri 5 Apr 09:30")
    await slider.press("ArrowRight")
    await expect(legend(ann.page).locator("b")).to_have_text("Fri 5 Apr 09:32")
    await expect(slider).to_have_attribute(
        "aria-valuetext", re.compile(r"^Fri 5 Apr 09:32, .+\d%, open .*, volume 2\.00K$")
    )
    await slider.blur()
    await expect(legend(ann.page).locator("b")).to_have_text("1D")


async def test_the_ranges_are_one_stop_of_the_tab_key_and_the_arrows_choose(ann: Visitor) -> None:
    day = ann.page.get_by_role("radio", name="1D, 1 day")
    await day.focus()
    await ann.page.keyboard.press("ArrowRight")
    five = ann.page.get_by_role("radio", name="5D, 5 days")
    await expect(five).to_be_focused()
    await expect(five).to_be_checked()
    await ann.page.keyboard.press("End")
    await expect(ann.page.get_by_role("radio", name="Max")).to_be_checked()
    await ann.page.keyboard.press("ArrowRight")
    await expect(day).to_be_checked()
    assert await ann.page.locator(".ranges [tabindex='0']").count() == 1


async def test_a_pair_without_volume_has_none_in_the_legend(ann: Visitor, friday: Friday) -> None:
    friday.source.prices["EURUSD=X"] = 1.0845
    friday.source.unsold.add("EURUSD=X")
    await ann.add("EURUSD=X")
    await ann.row("EURUSD=X").click()
    await expect(legend(ann.page)).to_contain_text("O 1.0")
    await expect(legend(ann.page).locator('[data-legend="volume"]')).to_have_count(0)


async def test_a_fund_with_one_price_a_day_says_so_and_offers_a_month(ann: Visitor, friday: Friday) -> None:
    friday.source.prices["VFIAX"] = 480.0
    friday.source.priced_daily.add("VFIAX")
    await ann.add("VFIAX")
    await ann.row("VFIAX").click()
    await expect(chart(ann.page)).to_contain_text("VFIAX has one price a day.")
    await ann.page.get_by_role("button", name="Show a month").press("Enter")
    await expect(legend(ann.page)).to_contain_text("since 5 Mar 2024 · daily bars")


async def test_an_empty_past_is_told_in_the_servers_words(ann: Visitor, friday: Friday) -> None:
    friday.source.without_past.add("TSLA")
    await ann.add("TSLA")
    await ann.row("TSLA").click()
    state = chart(ann.page).locator(".chart-state")
    await expect(state).to_contain_text("There are no bars of TSLA")
    await expect(state.get_by_role("button")).to_have_count(0)
    await ann.row("AAPL").click()
    await expect(chart(ann.page)).to_have_attribute("data-chart", "bars")


async def test_a_failure_is_told_with_a_way_to_try_again(ann: Visitor, friday: Friday) -> None:
    friday.source.script = "fail"
    await choose(ann.page, "6M")
    state = chart(ann.page).locator(".chart-state")
    await expect(state).to_contain_text("scripted is out of order.")
    friday.source.script = "good"
    await friday.clock.advance(120)
    await state.get_by_role("button", name="Retry").press("Enter")
    await expect(ann.page.get_by_role("radio", name="6M")).to_be_focused()
    await expect(legend(ann.page)).to_contain_text("daily bars")


async def test_where_nobody_has_a_past_there_are_the_prices_since_the_page_was_opened(
    browser: Browser, tmp_path: Path
) -> None:
    clock = ManualClock()
    quotes = ScriptedQuotes(clock)
    async with (
        live_server(tmp_path, quotes, users=("ann",), clock=clock, web=True, record_bars=False) as server,
        visitor(browser, f"{server.web_url}/") as ann,
    ):
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(chart(ann.page).locator("figcaption")).to_contain_text("Prices since you opened this page")
        await expect(ann.page.get_by_role("radiogroup")).to_have_count(0)
        await expect(chart(ann.page).locator("canvas").first).to_be_visible()


async def test_after_a_lost_connection_the_bars_are_asked_for_again_and_what_is_drawn_stays(
    browser: Browser, friday: Friday
) -> None:
    async with visitor(browser, friday.address, loses_connection=True) as ann:
        await ann.page.add_init_script(NOTE_WHAT_IS_SENT)
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(legend(ann.page)).to_contain_text("2-minute bars")
        before = len(await asked_for_chart(ann.page))
        await ann.page.evaluate("window.sockets.at(-1).close()")
        await expect(ann.notices).to_contain_text("Connected again.")
        await expect(legend(ann.page)).to_contain_text("2-minute bars")
        await ann.page.wait_for_function(
            f"() => window.sent.filter((text) => text.includes('\"2m\"')).length > {before}"
        )
        await expect(chart(ann.page)).to_have_attribute("data-chart", "bars")


async def test_day_lines_are_asked_for_one_after_the_other_once_and_only_where_rows_are_seen(
    browser: Browser, friday: Friday
) -> None:
    symbols = [f"X{number}" for number in range(120)]
    friday.source.prices |= dict.fromkeys(symbols, 10.0)
    await friday.server.app._store.save("ann", symbols, 500)
    async with visitor(browser, friday.address, viewport={"width": 1000, "height": 700}) as ann:
        await ann.page.clock.install()
        await ann.log_in("ann")
        await expect(ann.price("X0")).to_have_text("10.00")
        await ann.page.clock.run_for(30_000)
        await ann.page.wait_for_function(f"() => {SEEN_HAVE_LINES}")
        asked = [symbol for symbol, interval, _ in friday.source.asked if interval == "15m"]
        assert len(asked) == len(set(asked))
        assert 18 < len(asked) < 30
        assert asked[0] == "X0"
        await ann.bring("X119")
        await friday.clock.advance(60)
        for _ in range(30):  # one every other second: the first dozen is used up
            await ann.page.clock.run_for(2_000)
        await ann.page.wait_for_function(f"() => {SEEN_HAVE_LINES} && {HAS_LAST_LINE}")
        again = [symbol for symbol, interval, _ in friday.source.asked if interval == "15m"]
        assert len(again) == len(set(again))
        assert len(again) < 60


@pytest.mark.parametrize(
    ("width", "price", "shown"),
    [
        (320, 419.12, "419.12"),
        (320, 12_345_678.5, "12,345,678.50"),
        (390, 5_230.88, "5,230.88"),
        (390, 67_340.12, "67,340.12"),
        (1110, 67_340.12, "67,340.12"),
        (1440, 12_345_678.5, "12,345,678.50"),
        (2560, 5_230.88, "5,230.88"),
    ],
)
async def test_nothing_overlaps_or_is_cut_and_nothing_moves_when_the_chart_comes(
    browser: Browser, friday: Friday, width: int, price: float, shown: str
) -> None:
    phone: dict[str, Any] = {"has_touch": True, "is_mobile": True} if width < 700 else {}
    friday.source.prices["BTC-USD"] = price
    async with visitor(browser, friday.address, viewport={"width": width, "height": 844}, **phone) as ann:
        await ann.log_in("ann")
        await ann.add("BTC-USD")
        await expect(ann.price("BTC-USD")).to_have_text(shown)
        if not phone:
            await expect(legend(ann.page)).to_contain_text(f"C {shown}")
            await ann.page.get_by_role("button", name="Close").click()
            await friday.clock.advance(120)
        friday.source.held["2m"] = asyncio.Event()
        await ann.row("BTC-USD").click()
        await expect(chart(ann.page).get_by_text("Loading …")).to_be_visible()
        figures = ann.page.locator(".figures")
        before = await figures.bounding_box()
        friday.source.held["2m"].set()
        await expect(legend(ann.page)).to_contain_text(f"C {shown}")
        assert await figures.bounding_box() == before
        assert await ann.page.evaluate(CUT) == []
        places = await ann.page.evaluate(PLACES)
        assert all(upper[1] <= lower[0] + 0.5 for upper, lower in itertools.pairwise(places))


async def test_the_tap_of_a_finger_shows_the_bars_figures(browser: Browser, friday: Friday) -> None:
    async with visitor(browser, friday.address, **PHONE) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await ann.row("AAPL").tap()
        await expect(legend(ann.page).locator("b")).to_have_text("1D")
        await ann.page.locator(".chart .canvas").tap(position={"x": 120, "y": 90})
        await expect(legend(ann.page).locator("b")).to_have_text(re.compile(r"^Fri 5 Apr \d\d:\d\d$"))
