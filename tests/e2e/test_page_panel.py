"""The panel in a real browser: at every width, a dialog on a phone, beside bars and notices, with one's own."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FloatRect, Locator, WebSocketRoute, expect

from browser import PHONE, Visitor, visitor
from fakes import ScriptedQuotes
from live_server import LiveServer, live_server, until
from panel_market import PanelMarket
from stocktrack.clock import ManualClock
from stocktrack.errors import Code, Reason
from stocktrack.messages import Notice
from stocktrack.wire.lines import encode_line

POLL_SECONDS = 5.0
SYMBOLS = ("AAPL", "BTC-USD", "PEPE-USD")

# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")

# What is drawn beyond the place that it has, and what is wider than the window.
CUT = """() => {
  const found = [];
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) found.push(`the page: ${scrollWidth}`);
  const panel = document.querySelector(".panel");
  const { left, right } = panel.getBoundingClientRect();
  if (panel.scrollWidth > panel.clientWidth) found.push(`the panel: ${panel.scrollWidth}`);
  for (const element of panel.querySelectorAll("*")) {
    if (element.closest(".canvas, .unseen, svg") || !element.checkVisibility()) continue;
    const box = element.getBoundingClientRect();
    if (box.width && (box.left < left - 1 || box.right > right + 1)) found.push(`${element.className}: ${box.right}`);
    const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const isClamped = element.matches(".summary, .name");
    if (isText && !isClamped && element.clientWidth && element.scrollWidth > element.clientWidth + 1)
      found.push(`${element.className || element.tagName}: ${element.textContent}`);
  }
  return found;
}"""
# Whether one of two elements lies on the other.
OVERLAP = """([one, other]) => {
  const [a, b] = [one, other].map((selector) => document.querySelector(selector).getBoundingClientRect());
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}"""


@dataclass(slots=True)
class Scene:
    """A server with its page and its chat; ann has three stocks, some of each, and alerts at prices."""

    clock: ManualClock
    source: PanelMarket
    server: LiveServer
    address: str

    def tell_all(self, text: str, times: int) -> None:
        """Have each session told something that is nothing of its stocks."""
        for number in range(times):
            notice = Notice(code=Code.CONTINUE, reason=Reason.ANNOUNCEMENT, message=f"{number}: {text}")
            for session in self.server.app.sessions:
                session.notify(encode_line(notice))

    async def price(self, symbol: str, price: float) -> None:
        """Let a price be another one, and what fires by it be told."""
        judged = self.server.app.alerts
        assert judged is not None
        revision = await self.server.app._store.alerts.revision()
        await until(lambda: (judged._seen or 0) >= revision)
        self.source.prices[symbol] = price
        await self.clock.advance(POLL_SECONDS)
        await self.clock.advance(1)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    source = PanelMarket(clock)
    async with live_server(
        tmp_path, source, users=("ann", "bob"), clock=clock, web=True, record_bars=False, chat=True
    ) as server:
        ann = await server.log_in("ann")
        await ann.ask({"type": "SUBSCRIBE", "symbols": list(SYMBOLS)})
        for symbol in SYMBOLS:
            await ann.ask({"type": "ADD_LOT", "symbol": symbol, "quantity": 1234.5, "unit_cost": 1.25})
        yield Scene(clock, source, server, f"{server.web_url}/")


async def show(ann: Visitor, symbol: str) -> None:
    """Open the panel of a stock, with its chart drawn."""
    await ann.row(symbol).locator("[data-pick]").evaluate("(button) => button.click()")
    await expect(ann.page.locator(f'[data-panel="{symbol}"]')).to_be_visible()
    await expect(ann.page.locator(".chart")).to_have_attribute("data-chart", "bars")
    await expect(ann.page.locator('[data-section="holding"]')).to_be_visible()
    await expect(ann.page.get_by_role("button", name="Set alert")).to_be_visible()


def panel(ann: Visitor) -> Locator:
    return ann.page.locator(".panel")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 760, 1100, 1440, 2560, 3840])
async def test_nothing_of_the_panel_is_cut_at_any_price(
    browser: Browser, scene: Scene, width: int, scheme: Any
) -> None:
    size = {"width": width, "height": 900}
    async with visitor(browser, scene.address, viewport=size, color_scheme=scheme) as ann:
        await ann.log_in("ann")
        for symbol in SYMBOLS:
            await show(ann, symbol)
            assert await ann.page.evaluate(CUT) == [], symbol
            if width < 1100:
                await ann.page.keyboard.press("Escape")


async def test_the_price_outside_of_the_days_and_the_years_range_moves_their_ends(
    browser: Browser, scene: Scene
) -> None:
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await show(ann, "BTC-USD")
        await expect(panel(ann).locator('[data-part="high"]')).to_have_text("1,234,567.89")
        await expect(panel(ann).locator('[data-part="year_high"]')).to_have_text("1,234,567.89")
        await expect(panel(ann).locator(".panel-extended")).to_contain_text("1,246,913.57")
        await expect(panel(ann).locator('[data-part="percent"]')).to_have_text("(−0.75%)")
        await expect(panel(ann).locator('[data-part="change"]')).to_have_text("−9,259.26")


async def test_at_4k_the_panel_and_its_chart_have_more_room(browser: Browser, scene: Scene) -> None:
    widths = []
    for width in (1440, 3840):
        async with visitor(browser, scene.address, viewport={"width": width, "height": 2000}) as ann:
            await ann.log_in("ann")
            await show(ann, "AAPL")
            box = await ann.box(panel(ann))
            widths.append(box["width"])
    assert widths[1] > widths[0] * 1.8


async def test_a_long_summary_ends_with_a_line_and_opens_whole(browser: Browser, scene: Scene) -> None:
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        summary = panel(ann).locator(".summary")
        lines = "(p) => p.clientHeight / parseFloat(getComputedStyle(p).lineHeight)"
        assert await summary.evaluate(lines) == pytest.approx(5, abs=0.06)
        await panel(ann).get_by_role("button", name="More").press("Enter")
        assert await summary.evaluate("(p) => p.scrollHeight <= p.clientHeight")
        await panel(ann).get_by_role("button", name="Less").press("Enter")
        assert await summary.evaluate(lines) == pytest.approx(5, abs=0.06)


async def test_with_a_bar_below_the_header_the_panel_ends_with_the_window(browser: Browser, scene: Scene) -> None:
    ends = "(panel) => [panel.getBoundingClientRect().bottom, innerHeight]"
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 700}, loses_connection=True) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        scene.source.script = "blocked"
        await scene.clock.advance(POLL_SECONDS)
        await expect(ann.page.locator('[data-bar="outage"]')).to_be_visible()
        await ann.page.wait_for_function(
            "() => document.documentElement.style.getPropertyValue('--bars-height') !== '0px'"
        )
        bottom, height = await panel(ann).evaluate(ends)
        assert bottom <= height
        scene.source.release()


async def test_the_news_of_the_stock_stand_apart_from_those_of_the_market(browser: Browser, scene: Scene) -> None:
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        news = panel(ann).locator('[data-section="news"]')
        await expect(news.get_by_role("heading")).to_have_text(["News of AAPL", "News of the market"])
        await expect(news.locator("ul").first).to_have_text(re.compile(r"Apple opens a shop\s*CNBC · 12d ago"))
        await show(ann, "BTC-USD")
        await expect(news.locator(".quiet-note")).to_have_text("There are no headlines about BTC-USD now.")
        await expect(news.get_by_text("Headline 0")).to_be_visible()


# --- on a phone -------------------------------------------------------------------------------------------------------


async def test_on_a_phone_the_panel_is_a_dialog_and_what_is_below_it_is_out_of_reach(
    browser: Browser, scene: Scene
) -> None:
    async with visitor(browser, scene.address, **PHONE) as ann:
        await ann.log_in("ann")
        await show(ann, "BTC-USD")
        await expect(ann.page.get_by_role("dialog", name="BTC-USD")).to_be_visible()
        below = "() => ['.top', '.bars', '.board'].map((name) => document.querySelector(name).inert)"
        assert await ann.page.evaluate(below) == [True, True, True]
        for _ in range(60):
            await ann.page.keyboard.press("Tab")
            where = "document.activeElement === document.body || Boolean(document.activeElement.closest('.panel'))"
            assert await ann.page.evaluate(where)
        await ann.page.keyboard.press("Escape")
        await expect(panel(ann)).to_have_count(0)
        assert await ann.page.evaluate(below) == [False, False, False]
        await expect(ann.row("BTC-USD").locator("[data-pick]")).to_be_focused()


async def test_a_window_that_becomes_wide_gives_the_board_back(browser: Browser, scene: Scene) -> None:
    async with visitor(browser, scene.address, viewport={"width": 800, "height": 900}) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        board = ann.page.locator(".board")
        assert await board.evaluate("(each) => each.inert")
        await ann.page.set_viewport_size({"width": 1440, "height": 900})
        await expect(ann.page.get_by_role("dialog")).to_have_count(0)
        assert not await board.evaluate("(each) => each.inert")


@pytest.mark.parametrize("width", [320, 390, 800, 1100, 1280, 1440, 2560])
async def test_notices_lie_on_nothing_of_the_panel_nor_on_the_field_of_the_chat(
    browser: Browser, scene: Scene, width: int
) -> None:
    async with visitor(browser, scene.address, viewport={"width": width, "height": 900}) as ann:
        await ann.log_in("ann")
        if width >= 1100:
            await ann.page.get_by_role("button", name="Chat").click()
        await show(ann, "AAPL")
        scene.tell_all("A word to everybody who is here. " * 3, times=3)
        await expect(ann.page.locator(".notice")).to_have_count(3)
        # They come up with a frame or two between them.
        apart = f"(pair) => !({OVERLAP})(pair)"
        await ann.page.wait_for_function(apart, arg=[".notices", ".panel"])
        if width >= 1100:
            await ann.page.wait_for_function(apart, arg=[".notices", ".chat form"])
        else:
            await ann.page.keyboard.press("Escape")
            await ann.page.get_by_role("button", name="Chat").click()
            await ann.page.wait_for_function(apart, arg=[".notices", ".chat form"])
            await expect(ann.page.locator(".notice")).to_have_count(3)


# --- one's own --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(320, 256), (390, 844), (1100, 700)])
async def test_three_long_announcements_fit_into_the_window_and_are_read_to_their_end(
    browser: Browser, scene: Scene, size: tuple[int, int]
) -> None:
    width, height = size
    async with visitor(browser, scene.address, viewport={"width": width, "height": height}) as ann:
        await ann.log_in("ann")
        await expect(ann.row("AAPL")).to_be_visible()
        scene.tell_all("W" * 480, 3)
        words = ann.notices.locator("span").filter(has_text="WWW")
        await expect(words).to_have_count(3)
        box = await ann.box(ann.notices)
        assert box["y"] >= 0
        if height > 600:
            assert not await ann.page.evaluate(OVERLAP, [".top", ".chat-button"])
        await words.first.focus()
        await ann.page.keyboard.press("End")
        at_end = "(span) => span.scrollTop + span.clientHeight >= span.scrollHeight - 1"
        await ann.page.wait_for_function(at_end, arg=await words.first.element_handle())


async def test_what_was_refused_for_a_moment_is_asked_again_when_the_server_said(
    browser: Browser, scene: Scene
) -> None:
    refused: set[str] = set()

    def connect(to_page: WebSocketRoute) -> None:
        to_server = to_page.connect_to_server()

        def asked(text: str | bytes) -> None:
            command = json.loads(text)
            kind = command["type"]
            if kind not in {"INFO", "DIVIDENDS", "HOLDINGS"} or kind in refused:
                to_server.send(text)
                return
            refused.add(kind)
            said = {"code": 429, "reason": "rate_limited", "message": "Too often.", "retry_after_ms": 300}
            to_page.send(json.dumps({"type": "ERROR", "id": command["id"], **said}))

        to_page.on_message(asked)

    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.page.route_web_socket("**/ws", connect)
        await ann.page.reload()
        await ann.log_in("ann")
        await show(ann, "AAPL")  # with what is held
        await expect(panel(ann).locator('[data-section="company"]')).to_contain_text("Consumer Cyclical")
        await expect(panel(ann).locator('[data-section="dividends"]')).not_to_contain_text("Too often.")
        assert refused == {"INFO", "DIVIDENDS", "HOLDINGS"}


async def test_what_one_holds_of_the_stock_is_there_at_its_newest_price_and_leads_to_the_holdings(
    browser: Browser, scene: Scene
) -> None:
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        own = panel(ann).locator('[data-section="holding"]')
        for part, text in (("quantity", "1,234.5"), ("unit_cost", "1.25"), ("value", "123,450.00")):
            await expect(own.locator(f'[data-part="{part}"]')).to_have_text(text)
        await expect(own.locator('[data-part="day"]')).to_have_text("−925.88")
        await expect(own.locator('[data-part="gain"]')).to_have_text("+121,906.88")
        await scene.price("AAPL", 110.0)
        await expect(own.locator('[data-part="value"]')).to_have_text("135,795.00")
        await own.get_by_role("button", name="All you hold").click()
        await expect(ann.page.get_by_role("heading", name="Holdings")).to_be_visible()


async def test_of_a_stock_that_one_does_not_hold_nothing_is_said(browser: Browser, scene: Scene) -> None:
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as bob:
        await bob.log_in("bob")
        await bob.add("AAPL")
        await expect(panel(bob).locator('[data-section="news"]')).to_contain_text("Apple opens a shop")
        await expect(panel(bob).locator('[data-section="holding"]')).to_have_count(0)


async def test_what_others_say_of_the_stock_is_in_its_panel_and_one_may_say_something(
    browser: Browser, scene: Scene
) -> None:
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        bob = await scene.server.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"]})
        await bob.ask({"type": "SAY", "symbol": "AAPL", "text": "<b>What a day!</b>"})
        await bob.ask({"type": "SAY", "text": "Hello all"})
        talk = panel(ann).locator('[data-section="talk"]')
        await expect(talk.locator("li")).to_have_count(1)
        await expect(talk.locator("li .text")).to_have_text("<b>What a day!</b>")
        field = talk.get_by_label("Your words about AAPL")
        await field.fill("Indeed")
        await field.press("Enter")
        await expect(talk.locator("li .text")).to_have_text(["<b>What a day!</b>", "Indeed"])
        await expect(field).to_have_value("")
        await scene.clock.advance(1)  # what is said within a tenth of a second goes out together
        said = await bob.receive_until("SAID")
        assert (said["symbol"], said["text"]) == ("AAPL", "Indeed")


# --- alerts in the chart ----------------------------------------------------------------------------------------------


def chips(ann: Visitor) -> Locator:
    return panel(ann).locator("[data-chart-alert]")


async def alerts_of(scene: Scene, name: str = "ann") -> list[tuple[str, float, str]]:
    client = await scene.server.log_in(name)
    reply = await client.ask({"type": "MY_ALERTS"})
    return [(each["when"], each["value"], each["state"]) for each in reply["alerts"]]


async def to_height(ann: Visitor, share: float) -> tuple[float, float]:
    """Put the pointer over the chart, so far down in it; where it is now."""
    return await _point(ann, await ann.box(panel(ann).locator(".canvas")), share)


async def on_a_line(ann: Visitor) -> tuple[float, float]:
    """Put the pointer on the upmost line of an alert; where it is now."""
    canvas = panel(ann).locator(".canvas")
    box = await ann.box(canvas)
    for height in range(2, 100):
        at = await _point(ann, box, height / 125)
        if "on-a-line" in (await canvas.get_attribute("class") or ""):
            return at
    raise AssertionError("There is no line of an alert in the chart.")


async def _point(ann: Visitor, box: FloatRect, share: float) -> tuple[float, float]:
    at = box["x"] + box["width"] / 3, box["y"] + box["height"] * share
    await ann.page.mouse.move(*at)
    return at


async def drag(ann: Visitor, start: tuple[float, float], end: tuple[float, float]) -> None:
    await ann.page.mouse.move(*start)
    await ann.page.mouse.down()
    await ann.page.mouse.move(*end, steps=4)
    await ann.page.mouse.up()


def shown_price(text: str) -> float:
    return float(text.rsplit(maxsplit=1)[-1].replace(",", "").replace("−", "-"))


@pytest_asyncio.fixture(loop_scope="module")
async def ann(browser: Browser, scene: Scene) -> AsyncIterator[Visitor]:
    """Somebody who looks at AAPL."""
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        yield ann


@pytest.mark.parametrize(("share", "way"), [(0.08, "rises above"), (0.79, "falls below")])
async def test_an_alert_is_set_where_one_points(ann: Visitor, scene: Scene, share: float, way: str) -> None:
    scene.source.prices["AAPL"] = 100.01  # between the lowest and the highest of the day that is drawn
    await scene.clock.advance(POLL_SECONDS)
    await expect(panel(ann).locator('[data-part="price"]')).to_have_text("100.01")
    await to_height(ann, share)
    plus = panel(ann).locator(".at-crosshair")
    value = shown_price(await plus.locator("span").inner_text())
    await expect(plus).to_have_accessible_name(f"Set an alert at {value:.2f}")
    await plus.click()
    await expect(chips(ann)).to_have_text([re.compile(rf"^\s*{way} {value:.2f}\s*Move")])
    assert [each[1:] for each in await alerts_of(scene)] == [(value, "armed")]
    await expect(ann.notices).to_contain_text("The alert is set: AAPL")
    await ann.notices.get_by_role("button", name="Undo").click()
    await expect(chips(ann)).to_have_count(0)
    assert await alerts_of(scene) == []


async def test_without_a_pointer_an_alert_is_set_from_the_crosshair_moved_and_taken_out(
    ann: Visitor, scene: Scene
) -> None:
    slider = panel(ann).get_by_role("slider")
    await slider.focus()
    await ann.page.keyboard.press("Home")
    close = shown_price(await panel(ann).locator('[data-legend="close"]').inner_text())
    await ann.page.keyboard.press("Enter")
    field = panel(ann).get_by_label("Tell me at")
    await expect(field).to_be_focused()
    await expect(field).to_have_value(f"{close:.2f}")
    await field.fill("105.5")
    await expect(panel(ann).get_by_text("when it rises above")).to_be_visible()
    await field.press("Enter")
    await expect(chips(ann)).to_have_text([re.compile("rises above 105.50")])
    await expect(panel(ann).get_by_role("button", name="Set alert")).to_be_focused()

    await panel(ann).get_by_role("button", name="Move the alert at 105.50").press("Enter")
    field = panel(ann).get_by_label("Move the alert to")
    await field.fill("95")
    await field.press("Enter")
    await expect(chips(ann)).to_have_text([re.compile("falls below 95.00")])  # the one before is gone
    assert await alerts_of(scene) == [("crosses_below", 95.0, "armed")]

    await panel(ann).get_by_role("button", name="Take out the alert at 95.00").press("Enter")
    await expect(chips(ann)).to_have_count(0)
    assert await alerts_of(scene) == []


@pytest.mark.parametrize(
    ("text", "why"), [("100", "That is the price now"), ("dear", "“dear” is no price."), ("", "“” is no price.")]
)
async def test_what_is_no_price_for_an_alert_is_said_beside_the_field(
    ann: Visitor, scene: Scene, text: str, why: str
) -> None:
    await panel(ann).get_by_role("button", name="Set alert").click()
    field = panel(ann).get_by_label("Tell me at")
    await field.fill(text)
    await field.press("Enter")
    await expect(panel(ann).locator(".alert-price .field-error")).to_contain_text(why)
    await field.press("Escape")
    await expect(field).to_have_count(0)
    await expect(panel(ann)).to_be_visible()
    assert await alerts_of(scene) == []


async def test_a_line_is_dragged_to_another_price_and_keeps_its_manner(ann: Visitor, scene: Scene) -> None:
    client = await scene.server.log_in("ann")
    command = {"type": "ALERT", "symbol": "AAPL", "when": "crosses_above", "value": 100.2, "repeat": "daily"}
    await client.ask(command)
    await ann.page.reload()
    await show(ann, "AAPL")
    await expect(chips(ann)).to_contain_text(["rises above 100.20"])
    x, y = await on_a_line(ann)
    await expect(panel(ann).locator(".at-crosshair")).to_have_accessible_name("Take out the alert at 100.20")
    await drag(ann, (x, y), (x, y + 30))
    await expect(ann.notices).to_contain_text("The alert is moved: AAPL rises above 100.")
    await expect(chips(ann)).to_have_count(1)
    [(when, value, state)] = await alerts_of(scene)
    assert (when, state) == ("crosses_above", "armed")
    assert 100.0 < value < 100.2
    reply = await client.ask({"type": "MY_ALERTS"})
    assert reply["alerts"][0]["repeat"] == "daily"
    await to_height(ann, 0.5)
    legend = panel(ann).locator(".legend")
    await expect(legend).to_contain_text("Fri 5 Apr")  # the chart was not scrolled along


async def test_an_alert_is_moved_also_where_there_are_as_many_as_allowed(
    ann: Visitor, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await scene.server.log_in("ann")
    for value in (104, 105):
        await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "crosses_above", "value": value})
    monkeypatch.setattr(scene.server.app.sessions._services.alerts, "_max_alerts", 2)
    await ann.page.reload()
    await panel(ann).get_by_role("button", name="Move the alert at 104.00").click()
    field = panel(ann).get_by_label("Move the alert to")
    await field.fill("106")
    await field.press("Enter")
    await expect(chips(ann)).to_have_text([re.compile("rises above 106.00"), re.compile("rises above 105.00")])
    assert sorted(value for _, value, _ in await alerts_of(scene)) == [105.0, 106.0]


async def test_an_alert_that_another_client_has_taken_out_is_not_made_anew_by_moving_it(
    ann: Visitor, scene: Scene
) -> None:
    client = await scene.server.log_in("ann")
    made = await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "crosses_above", "value": 104})
    await ann.page.reload()
    await panel(ann).get_by_role("button", name="Move the alert at 104.00").click()
    await client.ask({"type": "UNALERT", "alert": made["alert"]["alert"]})
    field = panel(ann).get_by_label("Move the alert to")
    await field.fill("106")
    await field.press("Enter")
    await expect(panel(ann).locator(".alert-price .field-error")).to_contain_text("You have no alert")
    await expect(chips(ann)).to_have_count(0)
    assert await alerts_of(scene) == []


async def test_what_is_pressed_twice_is_set_and_taken_out_once(ann: Visitor, scene: Scene) -> None:
    await panel(ann).get_by_role("button", name="Set alert").click()
    await panel(ann).get_by_label("Tell me at").fill("104")
    await panel(ann).locator(".alert-price").evaluate("(form) => { form.requestSubmit(); form.requestSubmit(); }")
    await expect(panel(ann).get_by_label("Tell me at")).to_have_count(0)
    await expect(chips(ann)).to_have_count(1)
    assert await alerts_of(scene) == [("crosses_above", 104.0, "armed")]
    take = panel(ann).get_by_role("button", name="Take out the alert at 104.00")
    await take.evaluate("(button) => { button.click(); button.click(); }")
    await expect(chips(ann)).to_have_count(0)
    assert await alerts_of(scene) == []
    await expect(ann.notices.get_by_text("is taken out")).to_have_count(1)


async def test_a_price_that_the_server_refuses_stays_in_the_field_of_a_move(ann: Visitor, scene: Scene) -> None:
    client = await scene.server.log_in("ann")
    await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "above", "value": 104})
    await ann.page.reload()
    await panel(ann).get_by_role("button", name="Move the alert at 104.00").click()
    field = panel(ann).get_by_label("Move the alert to")
    await field.fill("-5")
    await field.press("Enter")
    await expect(panel(ann).locator(".alert-price .field-error")).not_to_be_empty()
    await expect(field).to_have_value("-5")
    assert await alerts_of(scene) == [("above", 104.0, "armed")]


async def test_a_line_that_was_dropped_stays_there_until_the_server_has_answered(
    browser: Browser, scene: Scene
) -> None:
    client = await scene.server.log_in("ann")
    await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "crosses_above", "value": 100.2})
    held: list[str | bytes] = []
    sides: list[WebSocketRoute] = []

    def connect(to_page: WebSocketRoute) -> None:
        to_server = to_page.connect_to_server()
        sides[:] = [to_server]
        to_page.on_message(lambda text: held.append(text) if '"type":"ALERT"' in str(text) else to_server.send(text))

    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.page.route_web_socket("**/ws", connect)
        await ann.page.reload()
        await ann.log_in("ann")
        await show(ann, "AAPL")
        await expect(chips(ann)).to_contain_text(["rises above 100.20"])
        x, y = await on_a_line(ann)
        await drag(ann, (x, y), (x, y + 30))
        await until(lambda: len(held) == 1)
        await ann.page.mouse.move(x, y)
        await expect(panel(ann).locator(".at-crosshair")).to_have_accessible_name(re.compile("Set an alert"))
        await drag(ann, (x, y + 30), (x, y + 60))  # it is on its way, and is not sent on another
        sides[0].send(held[0])
        await expect(ann.notices).to_contain_text("The alert is moved")
        await expect(chips(ann)).to_have_count(1)
        assert len(held) == 1
        [(_, value, _)] = await alerts_of(scene)
        assert 100.0 < value < 100.2


async def test_what_fires_says_so_at_its_line_and_the_alerts_are_those_of_the_view(ann: Visitor, scene: Scene) -> None:
    await panel(ann).get_by_role("button", name="Set alert").click()
    await panel(ann).get_by_label("Tell me at").fill("102")
    await panel(ann).get_by_label("Tell me at").press("Enter")
    await expect(chips(ann)).to_contain_text(["rises above 102.00"])
    await scene.price("AAPL", 103.0)
    await expect(ann.page.locator(".toast[data-toast]")).to_contain_text(["rose above 102"])
    await expect(chips(ann)).to_contain_text(["Fired"])
    await ann.page.keyboard.press("a")
    listed = ann.page.locator("[data-alert]")
    await expect(listed).to_contain_text(["AAPL rises above 102"])
    await listed.locator("[data-remove]").click()
    await expect(listed).to_have_count(0)
    await expect(chips(ann)).to_have_count(0)


async def test_a_chart_of_the_session_alone_has_alerts_as_well(browser: Browser, tmp_path: Path) -> None:
    clock = ManualClock()
    source = ScriptedQuotes(clock)
    async with (
        live_server(tmp_path, source, clock=clock, web=True, record_bars=False, max_alerts_per_user=1) as server,
        visitor(browser, f"{server.web_url}/", viewport={"width": 1440, "height": 900}) as ann,
    ):
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(panel(ann).locator(".chart")).to_have_attribute("data-chart", "session")
        # The scale reaches up to it.
        await to_height(ann, 0.3)
        plus = panel(ann).locator(".at-crosshair")
        value = shown_price(await plus.locator("span").inner_text())
        await plus.click()
        await expect(chips(ann)).to_contain_text([f"{value:,.2f}"])
        # What is refused says why, and here it is the limit.
        await panel(ann).get_by_role("button", name="Set alert").click()
        await panel(ann).get_by_label("Tell me at").fill("99")
        await panel(ann).get_by_label("Tell me at").press("Enter")
        await expect(panel(ann).locator(".alert-price .field-error")).to_contain_text("1 alert")
        await expect(chips(ann)).to_have_count(1)


@pytest.mark.parametrize("width", [320, 390])
async def test_a_finger_sets_an_alert_by_a_tap_on_the_chart(browser: Browser, scene: Scene, width: int) -> None:
    phone = {**PHONE, "viewport": {"width": width, "height": 844}}
    async with visitor(browser, scene.address, **phone) as ann:
        await ann.log_in("ann")
        await show(ann, "AAPL")
        box = await ann.box(panel(ann).locator(".canvas"))
        await ann.page.touchscreen.tap(box["x"] + 60, box["y"] + 30)
        plus = panel(ann).locator(".at-crosshair")
        size = await ann.box(plus)
        assert size["height"] >= 24
        await plus.tap()
        await expect(chips(ann)).to_contain_text(["rises above"])
        assert len(await alerts_of(scene)) == 1


# --- the holdings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 390, 760, 900, 1100, 1440, 2560])
async def test_no_figure_of_the_holdings_is_cut_and_a_wide_table_scrolls_below_its_symbols(
    browser: Browser, scene: Scene, width: int
) -> None:
    async with visitor(browser, scene.address, viewport={"width": width, "height": 900}) as ann:
        await ann.log_in("ann")
        await ann.page.get_by_role("button", name="Holdings").click()
        table = ann.page.locator(".holdings .table-frame")
        await expect(table.locator("[data-holding]")).to_have_count(3)
        await expect(table.locator('.total [data-part="value"]')).to_have_text("1,524,197,510.22")
        cut = """(frame) => {
          const { scrollWidth, clientWidth } = document.documentElement;
          const cells = [...frame.querySelectorAll('[data-part]:not([data-part="name"])')];
          return [scrollWidth > clientWidth, cells.filter((cell) => {
            const box = cell.getBoundingClientRect();
            const place = cell.closest('td, th').getBoundingClientRect();
            const isOut = box.right > place.right + 1 || box.left < place.left - 1;
            return cell.textContent && (isOut || cell.scrollHeight > 40);
          }).map((cell) => cell.textContent)];
        }"""
        assert await table.evaluate(cut) == [False, []]
        scrolled = """(frame) => {
          frame.scrollLeft = 1000;
          const symbol = frame.querySelector("tbody .h-symbol").getBoundingClientRect().left;
          return [frame.scrollLeft > 0, Math.round(symbol - frame.getBoundingClientRect().left)];
        }"""
        _, left = await table.evaluate(scrolled)
        assert left in {0, 16}  # a card has its own margin
