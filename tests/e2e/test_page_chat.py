"""The page's chat in a real browser: where there is one, what it shows, and what it says when it may not."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, expect

from browser import Visitor, visitor
from fakes import ScriptedProvider
from live_server import LiveServer, live_server
from stocktrack.clock import ManualClock

# One loop for all of them, because they share a browser: starting one takes seconds.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[LiveServer]:
    provider = ScriptedProvider(ManualClock())
    async with live_server(folder, provider, users=("ann", "bob"), web=True, **settings) as server:
        await server.app.accounts.set_admin("bob", is_admin=True)
        yield server


def chat_button(ann: Visitor) -> Locator:
    return ann.page.get_by_role("button", name="Chat")


async def test_without_chat_the_page_has_none(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as server, visitor(browser, f"{server.web_url}/") as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(ann.price("AAPL")).to_have_text("100.00")
        await expect(chat_button(ann)).to_have_count(0)


async def test_what_others_say_is_counted_shown_as_text_and_answered(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, chat=True) as server, visitor(browser, f"{server.web_url}/") as ann:
        await ann.log_in("ann")
        await ann.add("AAPL")
        await expect(ann.price("AAPL")).to_have_text("100.00")
        await expect(chat_button(ann)).to_have_text("Chat")
        bob = await server.log_in("bob")
        harm = "<img src=x onerror=\"document.title='harm'\"> Hello"
        await bob.ask({"type": "SAY", "text": harm})
        await bob.ask({"type": "SAY", "symbol": "AAPL", "text": "Of Apple."})
        await expect(chat_button(ann)).to_have_accessible_name("Chat, 2 unread")

        await chat_button(ann).click()
        words = ann.page.get_by_role("log").get_by_role("listitem")
        await expect(words).to_have_count(2)
        await expect(words.nth(0)).to_contain_text(harm)
        await expect(words.nth(1)).to_contain_text("bob AAPL")
        await expect(ann.page.get_by_role("log").locator("img")).to_have_count(0)
        await expect(ann.page.get_by_label("Say something")).to_be_focused()

        await ann.say("Good morning, bob.")
        heard = await bob.receive_until("SAID")
        assert (heard["username"], heard.get("symbol"), heard["text"]) == ("ann", None, "Good morning, bob.")
        await expect(words.nth(2)).to_contain_text("Good morning, bob.")
        await expect(ann.page.get_by_label("Say something")).to_have_value("")

        # The panel shows AAPL on so wide a screen: there is a room of those who watch it.
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "save": False})
        await ann.page.get_by_label("To whom").select_option("AAPL")
        await ann.say("To the point.")
        assert (await bob.receive_until("SAID"))["symbol"] == "AAPL"

        await ann.page.keyboard.press("Escape")
        await expect(chat_button(ann)).to_be_focused()
        await expect(ann.page.get_by_role("log")).to_have_count(0)
        await chat_button(ann).press("Enter")
        await ann.page.get_by_role("button", name="Close the chat").press("Enter")
        await expect(chat_button(ann)).to_be_focused()
        await ann.page.get_by_role("button", name="Log out").click()
        await expect(chat_button(ann)).to_have_count(0)
        assert "Good morning" not in await ann.stored()


async def test_who_is_muted_is_told_so_and_keeps_what_was_typed(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, chat=True) as server, visitor(browser, f"{server.web_url}/") as ann:
        await ann.log_in("ann")
        await chat_button(ann).click()
        await expect(ann.page.get_by_text("Nobody has said anything yet.")).to_be_visible()
        bob = await server.log_in("bob")
        await bob.ask({"type": "MUTE", "username": "ann"})
        await ann.say("Let me speak.")
        await expect(ann.notices).to_contain_text("muted you until")
        await expect(ann.page.get_by_label("Say something")).to_have_value("Let me speak.")
        await bob.ask({"type": "MUTE", "username": "ann", "minutes": 0})
        await ann.page.get_by_role("button", name="Say", exact=True).click()
        assert (await bob.receive_until("SAID"))["text"] == "Let me speak."


async def test_of_many_words_the_last_ones_are_in_sight(browser: Browser, tmp_path: Path) -> None:
    settings = {"chat_messages_per_minute": 6_000.0}
    async with (
        serving(tmp_path, chat=True, **settings) as server,
        visitor(browser, f"{server.web_url}/", viewport={"width": 390, "height": 780}) as ann,
    ):
        await ann.log_in("ann")
        await chat_button(ann).click()
        bob = await server.log_in("bob")
        for number in range(60):
            assert (await bob.ask({"type": "SAY", "text": f"word {number}"}))["code"] == 200
        await expect(ann.page.get_by_text("word 59", exact=True)).to_be_in_viewport()
        await expect(ann.page.get_by_text("word 0", exact=True)).not_to_be_in_viewport()


async def test_a_word_goes_to_the_room_that_was_chosen_whatever_the_panel_shows_meanwhile(
    browser: Browser, tmp_path: Path
) -> None:
    async with serving(tmp_path, chat=True) as server, visitor(browser, f"{server.web_url}/") as ann:
        await ann.log_in("ann")
        await ann.add("AAPL, TSLA")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        await ann.row("AAPL").click()
        await chat_button(ann).click()
        bob = await server.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "TSLA"], "save": False})
        await ann.page.get_by_label("To whom").select_option("AAPL")
        await ann.row("TSLA").click()
        await ann.say("Of Apple.")
        assert (await bob.receive_until("SAID"))["symbol"] == "AAPL"
        await ann.page.get_by_role("complementary").get_by_role("button", name="Close").click()
        await ann.say("Of Apple still.")
        assert (await bob.receive_until("SAID"))["symbol"] == "AAPL"


async def test_a_tower_of_marks_covers_no_other_word(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, chat=True) as server, visitor(browser, f"{server.web_url}/") as ann:
        await ann.log_in("ann")
        await chat_button(ann).click()
        bob = await server.log_in("bob")
        await bob.ask({"type": "SAY", "text": "a" + "\N{COMBINING ACUTE ACCENT}" * 499})
        word = ann.page.get_by_role("log").get_by_role("listitem")
        await expect(word).to_have_count(1)
        assert await word.locator(".text").evaluate("(text) => getComputedStyle(text).overflow") == "clip"


async def test_what_is_being_typed_and_the_keyboard_stay_when_the_server_goes(browser: Browser, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as ends:
        async with serving(tmp_path, chat=True) as server:
            ann = await ends.enter_async_context(visitor(browser, f"{server.web_url}/", loses_connection=True))
            await ann.log_in("ann")
            await chat_button(ann).click()
            await ann.page.get_by_label("Say something").fill("Half a w")
        await expect(ann.page.locator('[data-bar="link"]')).to_contain_text("Connection lost.")
        await ann.page.keyboard.type("ord")
        await expect(ann.page.get_by_label("Say something")).to_be_focused()
        await expect(ann.page.get_by_label("Say something")).to_have_value("Half a word")
        await expect(ann.page.get_by_role("button", name="Say", exact=True)).to_be_disabled()


async def test_the_last_of_the_page_can_be_scrolled_above_the_button(browser: Browser, tmp_path: Path) -> None:
    async with (
        serving(tmp_path, chat=True) as server,
        visitor(browser, f"{server.web_url}/", viewport={"width": 320, "height": 640}) as ann,
    ):
        await ann.log_in("ann")
        await ann.page.get_by_role("button", name="Holdings").click()
        last = ann.page.get_by_role("button", name="Add the lot")
        await expect(last).to_be_visible()
        await ann.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        button, chat = await last.bounding_box(), await chat_button(ann).bounding_box()
        assert button
        assert chat
        assert button["y"] + button["height"] <= chat["y"]
