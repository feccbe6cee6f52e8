"""Debian's Chromium, driven by Playwright, and a visitor of the page who notices whatever goes wrong in it.

async with chromium() as browser, visitor(browser, address) as ann:
    await ann.log_in("ann")
    await expect(ann.row("AAPL")).to_be_visible()
"""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    ConsoleMessage,
    FloatRect,
    Locator,
    Page,
    Request,
    WebSocket,
    async_playwright,
    expect,
)

from live_server import PASSWORD
from patience import PATIENCE_SECONDS
from requirements import require
from stocktrack.web.assets import Assets

# Without them Chromium asks Google's servers for this and that at every start, which no test of ours may do.
QUIET_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
# A visitor with a telephone.
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# What Chromium itself writes where a WebSocket is refused, and no script can prevent.
REFUSED = "ERR_CONNECTION_REFUSED"


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """A headless browser; a skip where there is none, or no page to look at."""
    program = shutil.which("chromium")
    require(program is not None, "Chromium (Debian's package `chromium`)")
    missing = Assets().missing()
    require(missing is None, f"the page. {missing}")
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*QUIET_FLAGS, *sandbox, *flags])
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """Somebody with a browser window of their own; `complaints` has what the browser's console said."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)
        page.on("websocket", self._connected)

    async def log_in(self, name: str, password: str = PASSWORD) -> None:
        """Open the page and fill in the form."""
        await self.page.goto(self.address)
        await self.log_in_here(name, password)

    async def log_in_here(self, name: str, password: str = PASSWORD) -> None:
        """Fill in the form that is shown."""
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()

    async def add(self, text: str) -> None:
        """Type into the field that adds stocks, and press return."""
        field = self.page.get_by_role("combobox")
        await field.fill(text)
        await field.press("Enter")

    async def say(self, text: str) -> None:
        """Say something in the chat, which is open."""
        await self.page.get_by_label("Say something").fill(text)
        await self.page.get_by_role("button", name="Say", exact=True).click()

    def row(self, symbol: str) -> Locator:
        """The row of a symbol on the board."""
        return self.page.locator(f'tr[data-symbol="{symbol}"]')

    def price(self, symbol: str) -> Locator:
        """The price in a row."""
        return self.row(symbol).locator('[data-part="price"]')

    async def reconnect(self) -> None:
        """Press what the page offers while it is without its server, unless it is trying just now anyway."""
        button = '[data-bar="link"] button'
        await self.page.evaluate("(button) => document.querySelector(button)?.click()", button)

    async def bring(self, symbol: str) -> None:
        """Scroll until a row is seen, in one step: columns that come meanwhile make all rows anew."""
        await self.page.wait_for_function(
            """(symbol) => {
              const row = document.querySelector(`tr[data-symbol="${CSS.escape(symbol)}"]`);
              row?.scrollIntoView({block: "nearest"});
              return row !== null;
            }""",
            arg=symbol,
        )

    async def box(self, locator: Locator) -> FloatRect:
        """Where an element is, in px, once the board has made no row anew for some frames."""
        await self.page.wait_for_function(
            """() => {
              const body = document.querySelector(".board tbody");
              window.calmFrames = body === window.lastBody ? (window.calmFrames ?? 0) + 1 : 0;
              window.lastBody = body;
              return window.calmFrames > 10;
            }"""
        )
        box = await locator.bounding_box()
        assert box is not None, f"{locator} is not shown"
        return box

    @property
    def notices(self) -> Locator:
        """The words that pass by."""
        return self.page.locator(".notices")

    async def note_flashes(self, symbol: str) -> None:
        """From now on keep what the price of `symbol` flashes like: a flash is over before a test can look at it."""
        await self.price(symbol).evaluate(
            """(cell) => {
              window.flashes = [];
              const note = new MutationObserver(() => window.flashes.push(cell.className));
              note.observe(cell, {attributeFilter: ["class"]});
            }"""
        )

    async def flashed(self, name: str) -> None:
        """Return when the price has flashed like this and has gone out again."""
        await self.page.wait_for_function(
            "(name) => window.flashes.some((each) => each.includes(name)) && !window.flashes.at(-1).includes('flash')",
            arg=name,
        )

    async def stored(self) -> str:
        """All that the page keeps in the browser."""
        kept = await self.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
        return str(kept)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.hosts.add(urlsplit(request.url).netloc)

    def _connected(self, websocket: WebSocket) -> None:
        self.hosts.add(urlsplit(websocket.url).netloc)


@contextlib.asynccontextmanager
async def visitor(
    browser: Browser, address: str, *, loses_connection: bool = False, **options: Any
) -> AsyncIterator[Visitor]:
    """A visitor with a fresh profile, whose browser may complain of nothing and ask nobody but `address`."""
    context = await browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options})
    try:
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        someone = Visitor(await context.new_page(), address)
        yield someone
        heard = [text for text in someone.complaints if not (loses_connection and REFUSED in text)]
        assert not heard, heard
        assert someone.hosts == {urlsplit(address).netloc}
    finally:
        await context.close()
