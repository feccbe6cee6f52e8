"""Several tabs of one browser are one login: a new tab is logged in, and a logout in one of them is one in all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser import Visitor, visitor
from fakes import ScriptedProvider
from live_server import LiveServer, live_server, until
from stocktrack.clock import ManualClock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), users=("ann", "bob"), clock=clock, web_port=0) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def ann(browser: Browser, server: LiveServer) -> AsyncIterator[Visitor]:
    """Somebody who is logged in, with AAPL on the board."""
    assert server.app.web.address is not None
    async with visitor(browser, server.app.web.address) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(ann.price("AAPL")).to_have_text("100.00")
        yield ann


async def tab(ann: Visitor) -> Visitor:
    """One more tab of the same browser, at the page."""
    page = await ann.page.context.new_page()
    found = Visitor(page, ann.address)
    await page.goto(ann.address)
    return found


async def at_the_login(page: Page) -> None:
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()


async def tokens(server: LiveServer, name: str = "ann") -> int:
    return len(await server.app.accounts.tokens(name))


async def test_a_new_tab_is_logged_in_and_its_address_tells_no_token(ann: Visitor, server: LiveServer) -> None:
    second = await tab(ann)
    await expect(second.price("AAPL")).to_have_text("100.00")
    assert second.page.url == f"{ann.address}#/main/AAPL"
    assert await tokens(server) == 1
    kept = await second.page.evaluate("Object.values(localStorage).concat(Object.values(sessionStorage))")
    assert any(str(value).startswith("eyJ") for value in kept)
    assert await second.page.evaluate("document.cookie") == ""
    assert second.complaints == []


async def test_a_logout_in_one_tab_is_one_in_all_and_ends_the_token(ann: Visitor, server: LiveServer) -> None:
    second, third = await tab(ann), await tab(ann)
    await expect(third.price("AAPL")).to_have_text("100.00")
    await second.page.get_by_role("button", name="Log out").click()
    for each in (second, ann, third):
        await at_the_login(each.page)
        assert "token" not in await each.stored()
    await until(lambda: list(server.app.sessions) == [])
    assert await tokens(server) == 0
    await expect(ann.notices).to_contain_text("You were logged out in another tab.")
    await ann.page.reload()
    await at_the_login(ann.page)


async def test_a_login_in_one_tab_is_one_in_all_and_everybody_sees_the_same_user(
    ann: Visitor, server: LiveServer
) -> None:
    second = await tab(ann)
    await second.page.get_by_role("button", name="Log out").click()
    await at_the_login(ann.page)
    await second.page.get_by_label("Name").fill("bob")
    await second.page.get_by_label("Password").fill("battery staple bob")
    await server.app.accounts.change_password("bob", "battery staple bob")
    await second.page.get_by_role("button", name="Log in").click()
    for each in (second, ann):
        await expect(each.page.locator("header")).to_contain_text("bob")
    assert await tokens(server, "bob") == 1


async def test_a_token_that_is_revoked_elsewhere_leads_all_tabs_to_the_login(ann: Visitor, server: LiveServer) -> None:
    second = await tab(ann)
    await expect(second.price("AAPL")).to_have_text("100.00")
    for each in await server.app.accounts.tokens("ann"):
        client = await server.log_in("ann")
        assert (await client.ask({"type": "REVOKE", "token_id": each.token_id}))["code"] == 200
    await at_the_login(second.page)
    await at_the_login(ann.page)


@pytest.mark.parametrize(
    "forbidding",
    [
        pytest.param(
            "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})",
            id="forbidden",
        ),
        pytest.param(
            "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }", id="full"
        ),
    ],
)
async def test_where_a_browser_keeps_nothing_the_page_works_all_the_same(
    browser: Browser, server: LiveServer, forbidding: str
) -> None:
    context = await browser.new_context()
    try:
        await context.add_init_script(forbidding)
        bob = Visitor(await context.new_page(), str(server.app.web.address))
        await bob.page.goto(bob.address)
        await server.app.accounts.change_password("bob", "battery staple bob")
        await bob.page.get_by_label("Name").fill("bob")
        await bob.page.get_by_label("Password").fill("battery staple bob")
        await bob.page.get_by_role("button", name="Log in").click()
        await bob.add("AAPL")
        await expect(bob.price("AAPL")).to_have_text("100.00")
        await bob.page.get_by_role("button", name="Log out").click()
        await at_the_login(bob.page)
        assert bob.complaints == []
    finally:
        await context.close()
