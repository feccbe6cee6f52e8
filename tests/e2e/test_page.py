"""The page in a real browser, on a real server whose source and clock the test holds in its hand."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from browser import PHONE, Visitor, visitor
from live_server import PASSWORD
from page_market import Market, market
from stocktrack.quotes import CompanyInfo, Dividend, Headline

# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def ann_market(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path, "ann") as ann_market:
        yield ann_market


@pytest_asyncio.fixture(loop_scope="module")
async def ann(browser: Browser, ann_market: Market) -> AsyncIterator[Visitor]:
    """Somebody who is logged in, with AAPL and TSLA on the board."""
    async with visitor(browser, ann_market.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL, TSLA")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        yield ann


async def test_symbols_are_added_as_typed_and_from_a_suggestion(browser: Browser, ann_market: Market) -> None:
    async with visitor(browser, ann_market.address) as ann:
        await ann.log_in("ann")
        await expect(ann.page.get_by_text("Your board is empty")).to_be_visible()
        await ann.add("aapl")
        await expect(ann.price("AAPL")).to_have_text("100.00")
        await ann.page.get_by_role("combobox").fill("tes")
        await ann.page.get_by_role("option", name="TSLA").click()
        await expect(ann.price("TSLA")).to_have_text("300.00")
        await expect(ann.page.locator("tbody tr[data-symbol]")).to_have_count(2)


async def test_a_symbol_that_nobody_knows_is_refused_in_words(ann: Visitor) -> None:
    await ann.add("NOPE")
    await expect(ann.notices).to_contain_text("No source knows the symbol NOPE.")
    await ann.add("NOPE, MSFT")
    await expect(ann.notices).to_contain_text("NOPE: no source knows this symbol.")
    await expect(ann.price("MSFT")).to_have_text("200.00")
    await expect(ann.row("NOPE")).to_have_count(0)


async def test_a_list_of_symbols_that_nobody_knows_any_more_is_shown_and_can_be_emptied(
    browser: Browser, ann_market: Market
) -> None:
    await ann_market.server.app._store.save("ann", ["GONE", "LOST"], 500)
    async with visitor(browser, ann_market.address) as ann:
        sockets: list[object] = []
        ann.page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108 - Playwright marks what it is given
        await ann.log_in("ann")
        for symbol in ("GONE", "LOST"):
            await expect(ann.row(symbol)).to_contain_text("unknown symbol")
        await expect(ann.page.locator('[data-bar="link"]')).to_have_count(0)
        for symbol in ("GONE", "LOST"):
            await ann.row(symbol).get_by_role("button", name=f"Remove {symbol}").click()
            await expect(ann.row(symbol)).to_have_count(0)
        await ann.add("AAPL")
        await expect(ann.price("AAPL")).to_have_text("100.00")
        assert len(sockets) == 1
        assert await ann_market.server.app._store.saved("ann") == ("AAPL",)


async def test_a_price_that_changes_is_shown_and_flashes_green_and_red(ann: Visitor, ann_market: Market) -> None:
    await ann.note_flashes("AAPL")
    ann_market.provider.prices["AAPL"] = 101.5
    await ann_market.tick()
    await expect(ann.price("AAPL")).to_have_text("101.50")
    await ann.flashed("flash-up")
    ann_market.provider.prices["AAPL"] = 99.25
    await ann_market.tick()
    await expect(ann.price("AAPL")).to_have_text("99.25")
    await ann.flashed("flash-down")
    await expect(ann.price("TSLA")).to_have_text("300.00")


async def test_an_outage_marks_the_prices_stale_with_its_reason_until_it_is_over(
    ann: Visitor, ann_market: Market
) -> None:
    ann_market.provider.script = "blocked"
    await ann_market.tick()
    await expect(ann.row("AAPL")).to_have_class(re.compile(r"\bstale\b"))
    await expect(ann.row("AAPL").get_by_text("Stale")).to_be_visible()
    await expect(ann.row("AAPL").get_by_text("Scripted refuses us")).to_be_visible()
    await expect(ann.price("AAPL")).to_have_text("100.00")
    await expect(ann.page.locator('[data-bar="outage"]')).to_contain_text("AAPL, TSLA: stale.")
    await expect(ann.page.locator("#announcer")).to_contain_text("2 prices are stale.")
    ann_market.provider.script = "good"
    await ann_market.tick(60)
    await expect(ann.row("AAPL")).not_to_have_class(re.compile(r"\bstale\b"))
    await expect(ann.page.locator('[data-bar="outage"]')).to_have_count(0)
    await expect(ann.page.locator("#announcer")).to_contain_text("Prices are live")


async def test_prices_are_not_read_aloud(ann: Visitor, ann_market: Market) -> None:
    announcer = ann.page.locator("#announcer")
    await expect(announcer).to_contain_text("AAPL, TSLA added.")
    said = await announcer.text_content()
    ann_market.provider.prices["AAPL"] = 123.45
    await ann_market.tick()
    await expect(ann.price("AAPL")).to_have_text("123.45")
    assert await announcer.text_content() == said
    assert await ann.page.locator("[aria-live]:not(#announcer)").count() == 0


async def test_the_page_recovers_from_a_restart_of_the_server_and_a_reload_without_the_password(
    browser: Browser, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as ends:
        async with market(tmp_path, "ann") as first:
            ann = await ends.enter_async_context(visitor(browser, first.address, loses_connection=True))
            await ann.log_in("ann")
            await ann.add("AAPL")
            await expect(ann.price("AAPL")).to_have_text("100.00")
        await expect(ann.page.locator('[data-bar="link"]')).to_contain_text("Connection lost.")
        async with market(tmp_path, web_port=first.web_port) as second:
            second.provider.prices["AAPL"] = 150.0
            await ann.reconnect()
            await expect(ann.notices).to_contain_text("Connected again.")
            await expect(ann.price("AAPL")).to_have_text("150.00")
            await expect(ann.page.locator('[data-bar="link"]')).to_have_count(0)
            second.provider.prices["AAPL"] = 151.0
            await second.tick()
            await expect(ann.price("AAPL")).to_have_text("151.00")
            await ann.page.reload()
            await expect(ann.price("AAPL")).to_have_text("151.00")
            assert PASSWORD not in await ann.stored()
            await ann.page.get_by_role("button", name="Log out").click()
            await expect(ann.page.get_by_role("button", name="Log in")).to_be_visible()
            assert "token" not in await ann.stored()


async def test_the_page_tries_again_by_itself(browser: Browser, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as ends:
        async with market(tmp_path, "ann") as first:
            ann = await ends.enter_async_context(visitor(browser, first.address, loses_connection=True))
            # The back-off is the browser's own time, which is not the server's: let it pass quickly.
            await ann.page.clock.install()
            await ann.log_in("ann")
            await ann.add("AAPL")
            await expect(ann.price("AAPL")).to_have_text("100.00")
        await expect(ann.page.locator('[data-bar="link"]')).to_contain_text("Trying again in")
        async with market(tmp_path, web_port=first.web_port):
            await ann.page.clock.fast_forward(60_000)
            await expect(ann.page.locator(".link-state")).to_contain_text("Live")


async def test_a_hostile_headline_stays_text(browser: Browser, ann_market: Market) -> None:
    hostile = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    link = "https://example.com/?a=1&b='\"><b>"
    ann_market.provider.headlines = [Headline(title=hostile, source="<b>Wire</b>", link=link)]
    ann_market.provider.companies["AAPL"] = CompanyInfo(symbol="AAPL", name="Apple Inc.", summary=hostile)
    async with visitor(browser, ann_market.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        news = ann.page.locator('[data-section="news"]')
        await expect(news.get_by_text(hostile, exact=True)).to_be_visible()
        await expect(news.get_by_text("<b>Wire</b>")).to_be_visible()
        await expect(ann.page.locator('[data-section="company"] .summary')).to_have_text(hostile)
        anchor = news.locator("a").first
        assert await anchor.get_attribute("rel") == "noopener noreferrer"
        assert await anchor.get_attribute("target") == "_blank"
        assert await ann.page.evaluate("window.hacked") is None
        assert await ann.page.locator(".panel").locator("img, script").count() == 0
        assert await ann.page.locator(".panel section[data-section] b").count() == 0


async def test_only_web_addresses_become_links(ann: Visitor) -> None:
    addresses = ["javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "//evil.example", "file:///etc/passwd", "x"]
    links = await ann.page.evaluate(
        "(addresses) => import('/page/figures/format.js').then((format) => addresses.map(format.safeLink))",
        [*addresses, "https://example.com/a", None],
    )
    assert links == [*[None] * len(addresses), "https://example.com/a", None]


async def test_a_symbols_history_keeps_the_whole_session_in_bounded_memory(ann: Visitor) -> None:
    kept = await ann.page.evaluate(
        """async () => {
          const { History } = await import("/page/figures/history.js");
          const history = new History();
          for (let second = 0; second < 20_000; second += 1) history.add(second * 1000, second);
          const kept = (values) => [...values.slice(0, history.length)];
          return { times: kept(history.times), prices: kept(history.prices) };
        }"""
    )
    times, prices = kept["times"], kept["prices"]
    assert 400 < len(times) <= 1024
    assert times == sorted(set(times))
    assert prices[-1] == 19_999
    assert times[0] < 60_000
    assert times[-1] > 19_900_000


async def test_the_back_off_doubles_up_to_a_cap_and_differs_from_client_to_client(ann: Visitor) -> None:
    waits = await ann.page.evaluate(
        """async () => {
          const { backOffMs } = await import("/page/session/wire.js");
          return [0, 1, 2, 20, 2000].map((attempt) => [backOffMs(attempt, () => 0), backOffMs(attempt, () => 1)]);
        }"""
    )
    assert waits == [[250, 500], [500, 1000], [1000, 2000], [15_000, 30_000], [15_000, 30_000]]


async def test_the_panel_shows_chart_company_and_dividends_of_the_chosen_stock(
    ann: Visitor, ann_market: Market
) -> None:
    ann_market.provider.companies["TSLA"] = CompanyInfo(symbol="TSLA", name="Tesla, Inc.", sector="Cars")
    ann_market.provider.paid["TSLA"] = [Dividend.model_validate({"date": "2024-02-09", "amount": 0.24})]
    await ann.row("TSLA").click()
    panel = ann.page.get_by_role("complementary", name="TSLA")
    await expect(panel.get_by_text("300.00").first).to_be_visible()
    await expect(panel.locator(".chart canvas").first).to_be_visible()
    await expect(panel.get_by_role("link", name="Charts by TradingView")).to_be_visible()
    await expect(panel.get_by_text("Cars")).to_be_visible()
    await expect(panel.get_by_text("9 Feb 2024")).to_be_visible()
    await expect(panel.get_by_text("Headline 0")).to_be_visible()


async def test_each_user_has_a_list_of_their_own(browser: Browser, tmp_path: Path) -> None:
    async with (
        market(tmp_path, "ann", "bob") as shared,
        visitor(browser, shared.address) as ann,
        visitor(browser, shared.address) as bob,
    ):
        await ann.log_in("ann")
        await bob.log_in("bob")
        await ann.add("AAPL")
        await bob.add("MSFT")
        await expect(ann.price("AAPL")).to_have_text("100.00")
        await expect(bob.price("MSFT")).to_have_text("200.00")
        await bob.page.reload()
        await expect(bob.row("MSFT")).to_be_visible()
        await expect(bob.row("AAPL")).to_have_count(0)
        await expect(ann.row("MSFT")).to_have_count(0)


async def test_a_second_list_has_its_own_stocks(ann: Visitor) -> None:
    await ann.page.get_by_role("button", name="New list").click()
    await ann.page.get_by_label("Name of the new list").fill("tech")
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_text("“tech” is empty")).to_be_visible()
    await ann.add("MSFT")
    await expect(ann.price("MSFT")).to_have_text("200.00")
    await ann.page.get_by_role("button", name="My stocks").click()
    await expect(ann.price("AAPL")).to_have_text("100.00")
    await expect(ann.row("MSFT")).to_have_count(0)
    await ann.page.reload()
    await ann.page.get_by_role("button", name="tech").click()
    await expect(ann.row("MSFT")).to_be_visible()
    await expect(ann.row("AAPL")).to_have_count(0)


async def test_the_board_is_sorted_by_a_column_and_back(ann: Visitor) -> None:
    symbols = ann.page.locator("tbody .pick")
    await expect(symbols).to_have_text(["AAPL", "TSLA"])
    price = ann.page.get_by_role("columnheader", name="Price")
    await price.get_by_role("button").click()
    await expect(symbols).to_have_text(["TSLA", "AAPL"])
    await expect(price).to_have_attribute("aria-sort", "descending")
    await price.get_by_role("button").click()
    await expect(symbols).to_have_text(["AAPL", "TSLA"])
    await expect(price).to_have_attribute("aria-sort", "ascending")


async def test_the_keyboard_is_enough(ann: Visitor) -> None:
    keyboard = ann.page.keyboard
    await ann.page.locator("[data-pick=AAPL]").focus()
    await keyboard.press("ArrowDown")
    await expect(ann.page.locator("[data-pick=TSLA]")).to_be_focused()
    await keyboard.press("Enter")
    await expect(ann.page.get_by_role("complementary", name="TSLA")).to_be_visible()
    await keyboard.press("Escape")
    await expect(ann.page.get_by_role("complementary")).to_have_count(0)
    await expect(ann.page.locator("[data-pick=TSLA]")).to_be_focused()
    await keyboard.press("Delete")
    await expect(ann.row("TSLA")).to_have_count(0)
    await ann.page.get_by_role("button", name="Undo").click()
    await expect(ann.row("TSLA")).to_be_visible()
    await keyboard.press("/")
    await expect(ann.page.get_by_role("combobox")).to_be_focused()
    await keyboard.press("Escape")
    await keyboard.press("?")
    await expect(ann.page.get_by_role("dialog")).to_be_visible()


async def test_a_wrong_password_is_told_and_can_be_corrected(browser: Browser, ann_market: Market) -> None:
    async with visitor(browser, ann_market.address) as ann:
        await ann.log_in("ann", "wrong")
        await expect(ann.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
        await ann.page.get_by_label("Password").fill(PASSWORD)
        await ann.page.get_by_role("button", name="Log in").click()
        await expect(ann.page.get_by_text("Your board is empty")).to_be_visible()


async def test_a_full_server_says_so_at_the_login(browser: Browser, tmp_path: Path) -> None:
    async with (
        market(tmp_path, "ann", max_sessions=1) as full,
        visitor(browser, full.address) as first,
        visitor(browser, full.address) as second,
    ):
        await first.log_in("ann")
        await expect(first.page.get_by_text("Your board is empty")).to_be_visible()
        await second.log_in("ann")
        await expect(second.page.get_by_role("alert")).to_contain_text("sessions")


async def test_the_page_follows_the_systems_theme_until_somebody_chooses(browser: Browser, ann_market: Market) -> None:
    async with visitor(browser, ann_market.address, color_scheme="dark") as ann:
        await ann.log_in("ann")
        root = ann.page.locator("html")
        await expect(root).to_have_attribute("data-theme", "dark")
        await ann.page.get_by_role("button", name="Theme: as the system").click()
        await expect(root).to_have_attribute("data-theme", "light")
        await ann.page.reload()
        await expect(root).to_have_attribute("data-theme", "light")


async def test_on_a_phone_the_panel_covers_the_board_and_gives_it_back(browser: Browser, ann_market: Market) -> None:
    async with visitor(browser, ann_market.address, **PHONE) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(ann.price("AAPL")).to_have_text("100.00")
        assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await ann.row("AAPL").tap()
        panel = ann.page.get_by_role("dialog", name="AAPL")
        await expect(panel.get_by_role("heading", name="AAPL", exact=True)).to_be_focused()
        box = await ann.box(panel)
        assert (box["width"], box["height"]) == (390, 844)
        await panel.get_by_role("button", name="Close").tap()
        await expect(panel).to_have_count(0)
        await expect(ann.price("AAPL")).to_be_visible()
