"""Alerts on the page in a real browser, on a real server: how they are set and listed, and how what fires is told."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from alert_outbox import ScriptedTarget, refuses
from browser import PHONE, Visitor, visitor
from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, live_server, until
from stocktrack.clock import ManualClock
from stocktrack.messages import Notice
from stocktrack.wire.lines import encode_line

POLL_SECONDS = 5.0

# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")

# What of the browser's notifications a test can see, and a page that nobody looks at.
NOTE_NOTIFICATIONS = """
window.asked = 0;
window.shown = [];
window.Notification = class extends EventTarget {
  static permission = localStorage.getItem("test.permission") ?? "default";
  static async requestPermission() {
    window.asked += 1;
    Notification.permission = "granted";
    localStorage.setItem("test.permission", "granted");
  }
  constructor(title, options) {
    super();
    window.shown.push({ title, ...options });
    window.last = this;
  }
  close() {}
};
window.lookAway = () => Object.defineProperty(document, "hidden", { value: true, configurable: true });
"""


@dataclass(slots=True)
class Market:
    """A server with its page and two targets; a `price` is on the board when it returns."""

    clock: ManualClock
    source: ScriptedProvider
    server: LiveServer
    phone: ScriptedTarget
    address: str

    async def price(self, symbol: str, price: float) -> None:
        judged = self.server.app.alerts
        assert judged is not None
        revision = await self.server.app._store.alerts.revision()
        await until(lambda: (judged._seen or 0) >= revision)
        self.source.prices[symbol] = price
        await self.clock.advance(POLL_SECONDS)
        await self.clock.advance(1)  # what fired is on the disk, and told


@contextlib.asynccontextmanager
async def a_market(folder: Path, *users: str, **settings: Any) -> AsyncIterator[Market]:
    clock = ManualClock()
    source = ScriptedProvider(clock)
    phone, mail = ScriptedTarget("phone"), ScriptedTarget("mail")
    mail.error = refuses("mail")
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "a secret of the hook"}
    targets = {"phone": hook, "mail": hook}
    async with live_server(
        folder, source, users=users, clock=clock, web=True, alert_targets=targets, **settings
    ) as server:
        assert isinstance(server.app._targets, dict)
        for replaced in server.app._targets.values():
            await replaced.close()
        server.app._targets.update(phone=phone, mail=mail)
        yield Market(clock, source, server, phone, f"{server.web_url}/")


@pytest_asyncio.fixture(loop_scope="module")
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    async with a_market(tmp_path, "ann", "bob") as market:
        yield market


@pytest_asyncio.fixture(loop_scope="module")
async def ann(browser: Browser, market: Market) -> AsyncIterator[Visitor]:
    """Somebody with AAPL and TSLA on the board."""
    async with visitor(browser, market.address) as ann:
        await ann.page.add_init_script(NOTE_NOTIFICATIONS)
        await ann.log_in("ann")
        await ann.add("AAPL, TSLA")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        yield ann


def toasts(ann: Visitor) -> Locator:
    return ann.page.locator(".toast[data-toast]")


def listed(ann: Visitor) -> Locator:
    return ann.page.locator("[data-alert]")


async def open_alerts(ann: Visitor) -> None:
    await ann.page.get_by_role("button", name="Alerts", exact=False).first.click()
    await expect(ann.page.get_by_role("heading", name="Alerts", exact=True)).to_be_focused()


async def set_alert(ann: Visitor, symbol: str, condition: str, value: str) -> None:
    await ann.page.get_by_label("Symbol", exact=True).fill(symbol)
    await ann.page.get_by_label("Symbol", exact=True).blur()
    await ann.page.get_by_label("Condition").select_option(condition)
    await ann.page.locator("[name=value]").fill(value)
    await ann.page.get_by_role("button", name="Set the alert").click()


async def is_set(ann: Visitor, words: str) -> None:
    await expect(ann.page.get_by_role("status").filter(has_text=words)).to_be_visible()


async def test_an_alert_is_set_from_the_panel_fires_and_says_so_everywhere(ann: Visitor, market: Market) -> None:
    await ann.row("AAPL").click()
    await ann.page.get_by_role("button", name="Set an alert on AAPL").click()
    await expect(ann.page.get_by_label("Symbol", exact=True)).to_have_value("AAPL")
    await expect(ann.page.get_by_label("Price in USD")).to_have_value("100.00")
    await ann.page.get_by_label("Price in USD").fill("110")
    await ann.page.get_by_role("checkbox", name="phone").check()
    await ann.page.get_by_role("button", name="Set the alert").click()
    await is_set(ann, "The alert is set: AAPL rises above 110.")
    await expect(listed(ann)).to_contain_text(["AAPL rises above 110"])
    await expect(listed(ann).locator(".state-word")).to_have_text("Armed")
    await ann.page.get_by_role("button", name="Back to the board").click()
    await expect(ann.page.get_by_role("button", name="Alerts")).to_be_focused()
    await market.price("AAPL", 111.5)
    await expect(toasts(ann)).to_contain_text(["AAPL 111.50 USD rose above 110."])
    await expect(ann.page.get_by_role("alert").filter(has_text="rose above 110")).to_be_visible()
    assert "alerted" in (await ann.row("AAPL").get_attribute("class") or "")
    assert "alerted" not in (await ann.row("TSLA").get_attribute("class") or "")
    # It shows on the row that is chosen as well.
    grounds = "(row) => [row.className.includes('chosen'), getComputedStyle(row).backgroundColor]"
    is_chosen, ground = await ann.row("AAPL").evaluate(grounds)
    await ann.row("AAPL").evaluate("(row) => row.classList.remove('alerted')")
    assert is_chosen
    assert (await ann.row("AAPL").evaluate(grounds))[1] != ground
    await ann.page.get_by_role("button", name="Alerts, 1 fired").click()
    await expect(listed(ann)).to_contain_text(["AAPL 111.50 USD rose above 110."])
    await expect(listed(ann).locator(".state-word")).to_have_text("Fired, done")
    await expect(ann.page.locator(".badge")).to_have_count(0)
    assert [message.message for message in market.phone.taken] == ["AAPL 111.50 USD rose above 110."]
    await ann.page.get_by_role("button", name="Take out the alert: AAPL rises above 110").click()
    await expect(ann.page.get_by_text("You have no alerts yet.")).to_be_visible()
    await expect(ann.page.get_by_role("heading", name="Alerts", exact=True)).to_be_focused()


async def test_what_the_server_refuses_stands_beside_its_field_in_its_own_words(ann: Visitor) -> None:
    await open_alerts(ann)
    await set_alert(ann, "NOPE", "above", "5")
    await expect(ann.page.locator("#alert-symbol-error")).to_have_text("No source knows the symbol NOPE.")
    await expect(ann.page.get_by_label("Symbol", exact=True)).to_be_focused()
    await expect(ann.page.get_by_label("Symbol", exact=True)).to_have_attribute("aria-invalid", "true")
    await set_alert(ann, "AAPL", "above", "-5")
    await expect(ann.page.locator("#alert-value-error")).to_contain_text("'value' must be above 0")
    await set_alert(ann, "AAPL", "up_within", "5")
    await is_set(ann, "The alert is set: AAPL up 5% within 15 minutes.")
    await expect(ann.page.locator("#alert-value-error")).to_be_hidden()
    await ann.page.get_by_label("Within minutes").fill("9999")
    await ann.page.get_by_role("button", name="Set the alert").click()
    await expect(ann.page.locator("#alert-minutes-error")).to_contain_text("'minutes'")
    await expect(listed(ann)).to_have_count(1)


async def test_all_that_an_alert_can_say_is_set_and_said_in_words(ann: Visitor, market: Market) -> None:
    await open_alerts(ann)
    await ann.page.get_by_label("How often").select_option("every")
    await ann.page.get_by_label("At most every … minutes").fill("90")
    await ann.page.get_by_label("In some hours, tell me later").check()
    await set_alert(ann, "TSLA", "down_from_close", "2.5")
    await is_set(ann, "TSLA down 2.5% since the previous close")
    zone = await ann.page.evaluate("new Intl.DateTimeFormat().resolvedOptions().timeZone")
    await expect(listed(ann)).to_contain_text(
        [f"Every time, at most every 90 min · quiet 22:00\N{EN DASH}07:00 ({zone})"]
    )
    reply = await (await market.server.log_in("ann")).ask({"type": "MY_ALERTS"})
    alert = reply["alerts"][0]
    assert (alert["value"], alert["cooldown_seconds"], alert["quiet_hours"], alert["timezone"]) == (
        -2.5,
        5_400,
        "22:00-07:00",
        zone,
    )


async def test_a_target_is_tried_and_says_why_it_takes_nothing(ann: Visitor, market: Market) -> None:
    await open_alerts(ann)
    await ann.page.get_by_role("button", name="Try phone").click()
    await is_set(ann, "phone took a test message.")
    assert len(market.phone.taken) == 1
    await ann.page.get_by_role("button", name="Try mail").click()
    await is_set(ann, "The target mail refuses.")
    await ann.page.get_by_role("checkbox", name="mail").check()
    await set_alert(ann, "AAPL", "above", "50")
    await expect(listed(ann)).to_contain_text(["not delivered yet"])


async def test_many_at_once_are_a_few_toasts_and_a_count(ann: Visitor, market: Market) -> None:
    client = await market.server.log_in("ann")
    for value in (101, 102, 103, 104, 105):
        await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "crosses_above", "value": value})
    await market.price("AAPL", 120.0)
    await expect(toasts(ann)).to_have_count(3)
    await expect(ann.page.locator(".toast.more")).to_contain_text("2 more fired.")
    await toasts(ann).last.get_by_role("button", name="Close").click()
    await expect(toasts(ann)).to_have_count(2)
    await ann.page.get_by_role("button", name="See all").click()
    await expect(toasts(ann)).to_have_count(0)
    await expect(listed(ann)).to_have_count(5)


async def test_a_toast_opens_its_symbol_also_where_it_is_on_no_list(ann: Visitor, market: Market) -> None:
    client = await market.server.log_in("ann")
    await client.ask({"type": "ALERT", "symbol": "MSFT", "when": "crosses_above", "value": 205})
    for price in (206.0, 208.0, 210.0):  # nobody else watches it: its first price takes a moment
        await market.price("MSFT", price)
    await toasts(ann).get_by_role("button", name="Show MSFT").click()
    panel = ann.page.get_by_role("complementary", name="MSFT")
    await expect(panel.locator("[data-part=price]")).to_have_text("210.00")
    await market.price("MSFT", 211.0)
    await expect(panel.locator("[data-part=price]")).to_have_text("211.00")
    await expect(ann.row("MSFT")).to_have_count(0)
    await panel.get_by_role("button", name="Add").click()
    await expect(ann.price("MSFT")).to_have_text("211.00")


async def test_what_fired_while_the_page_was_away_comes_after_the_reconnect_and_once(
    browser: Browser, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as ends:
        async with a_market(tmp_path, "ann") as first:
            ann = await ends.enter_async_context(visitor(browser, first.address, loses_connection=True))
            frames: list[str] = []
            ann.page.on("websocket", lambda socket: socket.on("framereceived", lambda text: frames.append(str(text))))
            await ann.log_in("ann")
            await ann.add("AAPL")
            await expect(ann.price("AAPL")).to_have_text("100.00")
            client = await first.server.log_in("ann")
            await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "crosses_above", "value": 110})
        await expect(ann.page.locator('[data-bar="link"]')).to_contain_text("Connection lost.")
        async with a_market(tmp_path, web_port=urlsplit(first.address).port) as second:
            await second.price("AAPL", 120.0)
            await ann.reconnect()
            await expect(ann.price("AAPL")).to_have_text("120.00")
            await second.clock.advance(5)
            await expect(toasts(ann)).to_contain_text(["AAPL 120.00 USD rose above 110."])
            # A server that was killed between the telling and the noting of it tells again.
            session = next(iter(second.server.app.sessions))
            told = json.loads(next(frame for frame in frames if '"reason":"alert"' in frame).splitlines()[-1])
            notice = Notice.model_validate({**told, "message": "Told before."})
            session.notify(encode_line(notice))
            session.notify(encode_line(notice.model_copy(update={"delivery": "another", "message": "Told first."})))
            await expect(toasts(ann)).to_contain_text(["AAPL 120.00 USD rose above 110.", "Told first."])
            await expect(toasts(ann)).to_have_count(2)


async def test_the_browser_notifies_once_the_switch_allowed_it_and_nobody_looks(ann: Visitor, market: Market) -> None:
    page = ann.page
    client = await market.server.log_in("ann")
    await client.ask(
        {
            "type": "ALERT",
            "symbol": "TSLA",
            "when": "crosses_above",
            "value": 310,
            "repeat": "every",
            "cooldown_seconds": 60,
        }
    )
    await open_alerts(ann)
    assert await page.evaluate("window.asked") == 0
    switch = page.get_by_role("switch", name="Notifications in this browser")
    await expect(switch).not_to_be_checked()
    await switch.click()
    await expect(switch).to_be_checked()
    assert await page.evaluate("window.asked") == 1
    await market.price("TSLA", 320.0)
    await expect(toasts(ann)).to_have_count(1)
    assert await page.evaluate("window.shown") == []  # somebody looks at it
    await page.evaluate("window.lookAway()")
    await market.price("TSLA", 300.0)
    await market.clock.advance(60)
    await market.price("TSLA", 330.0)
    await page.wait_for_function("() => window.shown.length === 1")
    shown = json.loads(await page.evaluate("JSON.stringify(window.shown[0])"))
    assert (shown["title"], shown["body"]) == ("TSLA: alert", "TSLA 330.00 USD rose above 310.")
    assert shown["tag"]
    await page.evaluate("window.last.dispatchEvent(new Event('click'))")
    await expect(page.get_by_role("complementary", name="TSLA")).to_be_visible()
    await page.reload()
    await expect(switch).to_be_checked()
    assert await page.evaluate("window.asked") == 0


async def test_everything_is_done_by_the_keyboard(ann: Visitor) -> None:
    keyboard = ann.page.keyboard
    await ann.page.locator("[data-pick=AAPL]").focus()
    await keyboard.press("a")
    await expect(ann.page.get_by_role("heading", name="Alerts", exact=True)).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await expect(ann.page.get_by_label("Symbol", exact=True)).to_be_focused()
    await keyboard.press("Control+a")
    await keyboard.type("AAPL")
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await expect(ann.page.get_by_label("Price in USD")).to_be_focused()
    await keyboard.type("150")
    await keyboard.press("Enter")
    await is_set(ann, "AAPL rises above 150")
    await ann.page.get_by_role("button", name="Take out the alert: AAPL rises above 150").focus()
    await keyboard.press("Enter")
    await expect(listed(ann)).to_have_count(0)
    await keyboard.press("Escape")  # the panel
    await keyboard.press("Escape")
    await expect(ann.row("AAPL")).to_be_visible()
    await expect(ann.page.get_by_role("button", name="Alerts")).to_be_focused()


async def test_text_from_outside_stays_text(ann: Visitor, market: Market) -> None:
    market.source.quoted = {"currency": "<img src=x onerror=window.hacked=1>"}
    client = await market.server.log_in("ann")
    await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "crosses_above", "value": 105})
    await market.price("AAPL", 101.0)  # a price in another currency than the one before crosses nothing
    await market.price("AAPL", 110.0)
    await expect(toasts(ann)).to_contain_text(["<img src=x"])
    await open_alerts(ann)
    await expect(listed(ann)).to_contain_text(["<img src=x"])
    assert await ann.page.locator(".toasts img, .view img").count() == 0
    assert await ann.page.evaluate("window.hacked") is None


async def test_on_a_phone_nothing_is_cut_and_the_panel_gives_way_to_the_form(browser: Browser, market: Market) -> None:
    async with visitor(browser, market.address, **PHONE) as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await ann.row("AAPL").tap()
        await ann.page.get_by_role("button", name="Set an alert on AAPL").tap()
        await expect(ann.page.get_by_role("complementary")).to_have_count(0)
        await expect(ann.page.get_by_label("Symbol", exact=True)).to_have_value("AAPL")
        await ann.page.get_by_label("Condition").select_option("above")
        await ann.page.locator("[name=value]").fill("50")
        await ann.page.get_by_role("button", name="Set the alert").tap()
        await expect(toasts(ann)).to_have_count(1)
        assert await ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_another_person_at_the_same_tab_sees_nothing_of_it(ann: Visitor) -> None:
    await open_alerts(ann)
    await set_alert(ann, "AAPL", "above", "50")
    await expect(toasts(ann)).to_have_count(1)
    await ann.page.get_by_role("button", name="Log out").click()
    await expect(toasts(ann)).to_have_count(0)
    await ann.page.get_by_label("Name").fill("bob")
    await ann.page.get_by_label("Password").fill(PASSWORD)
    await ann.page.get_by_role("button", name="Log in").click()
    await open_alerts(ann)
    await expect(ann.page.get_by_text("You have no alerts yet.")).to_be_visible()


async def test_the_keyboard_stays_where_it_was_when_a_form_is_sent_and_when_a_toast_goes(ann: Visitor) -> None:
    page = ann.page
    await open_alerts(ann)
    await page.get_by_label("Symbol", exact=True).fill("AAPL")
    for value in ("50", "51", "52"):
        await page.get_by_label("Condition").select_option("above")
        await page.locator("[name=value]").fill(value)
        await page.get_by_role("button", name="Set the alert").focus()
        await page.keyboard.press("Enter")
        await is_set(ann, f"AAPL is above {value}.")
        await expect(page.get_by_role("button", name="Set the alert")).to_be_focused()
    await expect(toasts(ann)).to_have_count(3)
    await toasts(ann).first.get_by_role("button", name="Close").focus()
    for left in (2, 1, 0):
        await expect(toasts(ann).first.get_by_role("button", name="Close")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(toasts(ann)).to_have_count(left)
    await expect(page.get_by_role("button", name="Set the alert")).to_be_focused()


async def test_a_toast_stands_beside_the_panel_and_the_words_of_a_condition_are_whole(ann: Visitor) -> None:
    page = ann.page
    await ann.row("AAPL").click()
    await open_alerts(ann)
    await page.get_by_label("Condition").select_option("up_from_close")
    widths = """(select) => {
      const measured = select.cloneNode(true);
      measured.style.width = "max-content";
      document.body.append(measured);
      const needed = measured.getBoundingClientRect().width;
      measured.remove();
      return [needed, select.getBoundingClientRect().width];
    }"""
    needed, there = await page.get_by_label("Condition").evaluate(widths)
    assert needed <= there
    await set_alert(ann, "AAPL", "above", "50")
    await expect(toasts(ann)).to_have_count(1)
    toast = await toasts(ann).bounding_box()
    panel = await page.get_by_role("complementary").bounding_box()
    assert toast
    assert panel
    assert toast["x"] + toast["width"] <= panel["x"]


async def test_the_browsers_way_back_leads_to_the_board_and_its_way_forward_to_the_alerts_again(ann: Visitor) -> None:
    page = ann.page
    await open_alerts(ann)
    await page.get_by_role("button", name="Holdings").click()
    await expect(page.get_by_role("heading", name="Holdings", exact=True)).to_be_focused()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Alerts", exact=True)).to_be_visible()
    await page.go_back()
    await expect(ann.row("AAPL")).to_be_visible()
    await expect(page.get_by_role("button", name="Alerts")).to_be_focused()
    await page.go_forward()
    await expect(page.get_by_role("heading", name="Alerts", exact=True)).to_be_visible()
    # The page's own way back is the browser's: it leaves nothing behind through which one would come here again.
    steps = await page.evaluate("history.length")
    await page.get_by_role("button", name="Back to the board").click()
    await expect(ann.row("AAPL")).to_be_visible()
    await expect(page).to_have_url(f"{ann.address}#/main/AAPL")
    await open_alerts(ann)
    assert await page.evaluate("history.length") == steps - 1
