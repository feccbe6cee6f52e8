"""The administrator's part of the page in a real browser, on a real server: who is there, and what is done about it."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, expect

from browser import PHONE, Visitor, visitor
from fakes import MemoryConnection, ScriptedProvider
from feeds import Market, a_feed
from live_server import PASSWORD, LiveServer, live_server, until
from redis_server import RedisServer
from stocktrack.clock import ManualClock, RealClock
from stocktrack.messages import Auth
from stocktrack.providers.base import Budget, Provider
from stocktrack.providers.redis.provider import RedisProvider
from stocktrack.scopes import Scope

LONG = "W" * 64
IPV6 = "2001:0db8:85a3:0000:0000:8a2e:0370:7334"
# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")

# What is wider than its place.
CUT = """() => {
  const isCut = (part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline";
  return [...document.querySelectorAll(".admin *")]
    .filter((part) => isCut(part) && !part.closest(".unseen, select"))
    .map((part) => `${part.tagName} ${part.textContent.slice(0, 60)}`);
}"""

# The replies to commands that a page, which somebody has changed, sends on a socket of its own.
FORGE = """async ([address, commands]) => {
  const socket = new WebSocket(address);
  const replies = [];
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const isDone = new Promise((resolve) => socket.addEventListener("message", ({ data }) => {
    replies.push(...data.split("\\n").filter(Boolean).map(JSON.parse).filter(({ id }) => id !== undefined));
    if (replies.length === commands.length) resolve();
  }));
  commands.forEach((command, id) => socket.send(JSON.stringify({ ...command, id })));
  await isDone;
  socket.close();
  return replies.map(({ type, code, reason }) => [type, code, reason ?? ""]);
}"""


@contextlib.asynccontextmanager
async def serving(folder: Path, provider: Provider | None = None, /, **settings: Any) -> AsyncIterator[LiveServer]:
    """A server of which `ann` is an administrator."""
    provider, users = provider or ScriptedProvider(ManualClock()), ("ann", "bob", LONG)
    async with live_server(folder, provider, users=users, web=True, **settings) as server:
        await server.app.accounts.set_admin("ann", is_admin=True)
        yield server


@contextlib.asynccontextmanager
async def administrator(browser: Browser, server: LiveServer, **options: Any) -> AsyncIterator[Visitor]:
    """Ann, who looks at the sessions; the page's time is the test's."""
    async with visitor(browser, f"{server.web_url}/", **options) as ann:
        await ann.page.clock.install()
        await ann.log_in("ann")
        await ann.page.get_by_role("button", name="Administration").click()
        await expect(ann.page.locator("tr[data-session]").first).to_be_visible()
        yield ann


async def later(someone: Visitor, seconds: int = 6) -> None:
    """Let so many seconds pass on the page."""
    await someone.page.clock.run_for(seconds * 1_000)


def tab(someone: Visitor, name: str) -> Locator:
    return someone.page.get_by_role("tab", name=name)


def of_session(someone: Visitor, name: str) -> Locator:
    return someone.page.locator(f'tr[data-session="{name}"]')


def of_user(someone: Visitor, name: str) -> Locator:
    return someone.page.locator(f'tr[data-user="{name}"]')


async def fill(server: LiveServer, count: int) -> None:
    """Open so many sessions of clients in memory, with long names and addresses."""
    clock = ManualClock()
    for number in range(count):
        session = server.app.sessions.open(MemoryConnection(clock), address=IPV6, door="tcp")
        if number % 3:
            await session.ask(Auth(username=(LONG, "bob")[number % 2], password=PASSWORD))


async def test_only_an_administrator_has_the_way_there_and_the_server_refuses_everybody_else(
    browser: Browser, tmp_path: Path
) -> None:
    async with serving(tmp_path) as server, visitor(browser, f"{server.web_url}/") as bob:
        await bob.log_in("bob")
        await expect(bob.page.get_by_role("button", name="Holdings")).to_be_visible()
        await expect(bob.page.get_by_role("button", name="Administration")).to_have_count(0)
        # Who goes there all the same is told why not, in words.
        await bob.page.goto(f"{bob.address}#admin")
        await expect(bob.page.get_by_role("alert").filter(has_text="is for administrators")).to_contain_text(
            "This part of the page is for administrators."
        )
        await expect(bob.page.get_by_text("You are logged in as bob.")).to_be_visible()
        await expect(bob.page.locator("tr[data-session]")).to_have_count(0)
        # A page that was changed sends what it likes: with the login of bob it gets nothing.
        token = (await server.app.accounts.make_token("bob", 1)).text
        forged = [
            {"type": "AUTH", "token": token},
            {"type": "SESSIONS"},
            {"type": "USERS"},
            {"type": "SOURCES", "detail": True},
            {"type": "KICK", "username": "ann"},
            {"type": "ANNOUNCE", "text": "x"},
            {"type": "MUTE", "username": "ann"},
        ]
        replies = await bob.page.evaluate(FORGE, [f"{server.web_url.replace('http', 'ws')}/ws", forged])
        assert replies[0] == ["AUTH", 200, ""]
        assert {tuple(rest) for _, *rest in replies[1:]} == {(401, "not_permitted")}


async def test_a_token_for_reading_opens_a_page_that_can_kick_nobody(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as server, visitor(browser, f"{server.web_url}/") as ann:
        token = (await server.app.accounts.make_token("ann", 1, scope=Scope.READ)).text
        await ann.page.add_init_script(f"localStorage.setItem('stocktrack.token:/', {token!r})")
        await ann.page.goto(ann.address)
        await expect(ann.page.get_by_role("button", name="Log out")).to_be_visible()
        await expect(ann.page.locator(".link-state")).to_contain_text("Live")
        await expect(ann.page.get_by_role("button", name="Administration")).to_have_count(0)


async def test_sessions_are_listed_filtered_and_kicked_after_a_question_that_names_them(
    browser: Browser, tmp_path: Path
) -> None:
    async with serving(tmp_path) as server:
        bob = await server.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "TSLA"]})
        other = await server.log_in("bob")
        async with administrator(browser, server) as ann:
            await expect(ann.page.locator("tr[data-session]")).to_have_count(3)
            own = ann.page.locator("tr.own")
            await expect(own).to_contain_text("this page")
            await expect(own.get_by_role("button")).to_have_count(0)
            row = of_session(ann, "s1")
            await expect(row).to_contain_text("TCP")
            await expect(row.locator("td").nth(5)).to_contain_text("2")

            await ann.page.get_by_label("Filter").fill("BOB tcp")
            await expect(ann.page.get_by_text("2 of 3 sessions")).to_be_visible()
            await ann.page.get_by_label("Filter").fill("nobody such")
            await expect(ann.page.get_by_text("Nothing has")).to_be_visible()
            await ann.page.get_by_label("Filter").press("Escape")
            await expect(ann.page.locator("tr[data-session]")).to_have_count(3)

            # By the keyboard alone: the question begins on the button that does nothing.
            await row.get_by_role("button", name="Kick the session s1 of bob").press("Enter")
            question = ann.page.get_by_role("dialog", name="End the session s1 of bob?")
            await expect(question).to_contain_text("by TCP from 127.0.0.1")
            await expect(question.get_by_role("button", name="Cancel")).to_be_focused()
            await ann.page.keyboard.press("Escape")
            await expect(question).to_have_count(0)
            await expect(row.get_by_role("button")).to_be_focused()
            assert (await bob.ask({"type": "PING"}))["code"] == 200

            await row.get_by_role("button").press("Enter")
            await question.get_by_role("button", name="Kick").press("Enter")
            await expect(ann.notices).to_contain_text("The session s1 of bob was ended.")
            assert (await bob.rest())[-1]["reason"] == "not_permitted"
            await expect(row).to_have_count(0)
            await expect(ann.page.get_by_role("button", name="Kick the session s2 of bob")).to_be_focused()

            # One that has gone meanwhile: the server's own words, and nothing is done twice.
            await of_session(ann, "s2").get_by_role("button").click()
            await other.close()
            await until(lambda: len(server.app.sessions) == 1)
            await ann.page.get_by_role("dialog").get_by_role("button", name="Kick").click()
            await expect(ann.page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
                "There is no session 's2'"
            )
            await ann.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
            await later(ann)
            await expect(ann.page.locator("tr[data-session]")).to_have_count(1)


async def test_a_refresh_keeps_the_keyboard_the_selection_and_the_filter(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        for _ in range(5):
            await server.log_in("bob")
        async with administrator(browser, server) as ann:
            await ann.page.get_by_role("button", name="Idle").click()
            button = of_session(ann, "s3").get_by_role("button")
            await button.focus()
            await (
                of_session(ann, "s2")
                .locator("td")
                .nth(0)
                .evaluate("(cell) => getSelection().selectAllChildren(cell.querySelector('.said'))")
            )
            # With the newest command s3 is the least idle of all, and s9 is new.
            first = server.app.sessions
            for session in first:
                session.asked_at -= 0 if session.name == "s3" else 60
            await server.log_in("bob")
            await later(ann)
            await expect(ann.page.locator("tr[data-session]")).to_have_count(7)
            await expect(button).to_be_focused()
            assert await ann.page.evaluate("getSelection().toString()") == "s2"
            await expect(ann.page.get_by_role("columnheader", name="Idle")).to_have_attribute("aria-sort", "ascending")
            await ann.page.get_by_label("Filter").fill("s2")
            await later(ann)
            await expect(ann.page.get_by_label("Filter")).to_be_focused()
            await expect(ann.page.locator("tr[data-session]")).to_have_count(1)


async def test_thousands_of_sessions_are_a_hundred_rows_until_somebody_wants_more(
    browser: Browser, tmp_path: Path
) -> None:
    settings = {"max_unauthenticated_sessions": 5_000, "max_sessions": 5_000, "auth_timeout_seconds": 3_600.0}
    async with serving(tmp_path, **settings) as server:
        await fill(server, 2_000)
        async with administrator(browser, server) as ann:
            await expect(tab(ann, "Sessions")).to_contain_text("2,001")
            await expect(ann.page.locator("tr[data-session]")).to_have_count(100)
            await ann.page.get_by_role("button", name="Show 100 more").click()
            await expect(ann.page.locator("tr[data-session]")).to_have_count(200)
            await expect(ann.page.get_by_text("1,801 are not shown.")).to_be_visible()
            # The filter looks at all of them.
            await ann.page.get_by_label("Filter").fill("s1999")
            await expect(of_session(ann, "s1999")).to_be_visible()
            await expect(ann.page.get_by_text("1 of 2,001 sessions")).to_be_visible()


async def test_accounts_are_listed_muted_and_their_sessions_ended(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, chat=True) as server:
        bobs = [await server.log_in("bob") for _ in range(3)]
        async with administrator(browser, server) as ann:
            await tab(ann, "Users").click()
            await expect(of_user(ann, "ann")).to_contain_text("Administrator")
            await expect(of_user(ann, "ann")).to_contain_text("you")
            await expect(of_user(ann, "bob").locator("td").nth(1)).to_contain_text("3")
            await expect(ann.page.get_by_text("stocktrack users add NAME")).to_be_visible()

            await of_user(ann, "bob").get_by_role("button", name="Mute bob").click()
            question = ann.page.get_by_role("dialog", name="Mute bob?")
            await question.get_by_label("For").select_option("a day")
            await question.get_by_role("button", name="Mute").click()
            await expect(ann.notices).to_contain_text("bob is muted until")
            assert (await bobs[0].ask({"type": "SAY", "text": "Hello."}))["code"] == 401
            await expect(of_user(ann, "bob")).to_contain_text("muted until")
            await of_user(ann, "bob").get_by_role("button", name="Unmute bob").click()
            await ann.page.get_by_role("dialog").get_by_role("button", name="Unmute").click()
            await expect(ann.notices).to_contain_text("bob may talk again.")
            assert (await bobs[0].ask({"type": "SAY", "text": "Hello."}))["code"] == 200

            await of_user(ann, "bob").get_by_role("button", name="Kick all sessions of bob").click()
            question = ann.page.get_by_role("dialog", name="End all 3 sessions of bob?")
            await question.get_by_role("button", name="Kick all").click()
            await expect(ann.notices).to_contain_text("3 sessions of bob were ended.")
            for bob in bobs:
                assert (await bob.rest())[-1]["reason"] == "not_permitted"
            await expect(of_user(ann, "bob").locator("td").nth(1)).to_contain_text("0")
            await expect(of_user(ann, "bob").get_by_role("button", name="Kick")).to_have_count(0)


async def test_where_users_cannot_talk_nobody_is_muted(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as server, administrator(browser, server) as ann:
        await tab(ann, "Users").click()
        await expect(of_user(ann, "bob")).to_be_visible()
        await expect(ann.page.get_by_role("button", name="Mute")).to_have_count(0)


async def test_the_sources_tell_their_budget_and_what_they_lead(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        bob = await server.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "TSLA"]})
        await until(lambda: server.app.feed.routes.sources()[0].leads == 2)
        async with administrator(browser, server) as ann:
            await tab(ann, "Sources").click()
            source = ann.page.locator('li[data-source="scripted"]')
            await expect(source).to_contain_text("Well")
            await expect(source).to_contain_text("2 symbols")
            told = server.app.feed.routes.sources()[0].budget
            assert told is not None
            meter = source.get_by_role("meter", name="Budget of scripted")
            await expect(meter).to_have_attribute("aria-valuemax", str(told.limit))
            await expect(source).to_contain_text(f"of {told.limit} requests in the last 60 s")
            await source.get_by_text("Which symbols").click()
            await expect(source).to_contain_text("Asked for again and again: AAPL TSLA")
            # What was opened stays open when it is read again.
            await later(ann)
            await expect(source.get_by_text("Asked for again and again")).to_be_visible()


class Budgeted(Market):
    """A market that may be asked once a second."""

    is_free = False
    budget = Budget(requests_per_minute=60)


async def test_behind_redis_the_feed_that_leads_and_its_sources_are_shown(
    browser: Browser, redis: RedisServer, tmp_path: Path
) -> None:
    provider = RedisProvider(redis.url, timeout_seconds=5.0, clock=RealClock())
    async with (
        a_feed(redis, tmp_path, make_providers=lambda: [Budgeted()]),
        serving(tmp_path, provider) as server,
        administrator(browser, server) as ann,
    ):
        await tab(ann, "Sources").click()
        feed = ann.page.locator("[data-feed]")
        await expect(feed).to_contain_text(f"It leads on the machine {socket.gethostname()} (process {os.getpid()})")
        await expect(feed.locator("li[data-source]")).to_have_count(1)
        await expect(feed.get_by_role("meter")).to_have_attribute("aria-valuemax", "60")


async def test_an_announcement_is_counted_told_to_all_and_stays_until_it_is_closed(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        serving(tmp_path) as server,
        visitor(browser, f"{server.web_url}/", **PHONE) as bob,
        administrator(browser, server) as ann,
    ):
        await bob.page.clock.install()
        await bob.log_in("bob")
        await expect(bob.page.locator(".link-state")).to_contain_text("Live")
        await tab(ann, "Announce").click()
        field = ann.page.get_by_label("Tell everybody")
        send = ann.page.get_by_role("button", name="Announce", exact=True)
        await send.click()
        await expect(ann.page.get_by_text("Write something first.")).to_be_visible()
        await expect(field).to_be_focused()
        await field.fill("x" * 501)
        await expect(ann.page.get_by_text("501 of 500 characters.")).to_be_visible()
        await send.click()
        await expect(ann.page.get_by_text("These are 501 characters; at most 500 are allowed.")).to_be_visible()
        await field.fill("a\N{RIGHT-TO-LEFT OVERRIDE}b")
        await send.click()
        await expect(ann.page.locator("#announcement-error")).to_contain_text("printable")
        text = "The server restarts\nat noon. " + "W" * 470
        await field.fill(text)
        await send.click()
        await expect(ann.page.locator(".done-note")).to_have_text("2 sessions were told, this page among them.")
        await expect(field).to_have_value("")
        for someone in (ann, bob):
            await expect(someone.notices).to_contain_text("The administrator says: The server restarts at noon. WWW")
        await later(bob, 600)
        await expect(bob.notices).to_contain_text("at noon.")
        box = await bob.notices.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        await bob.notices.get_by_role("button", name="Dismiss").click()
        await expect(bob.notices).not_to_contain_text("at noon.")


async def test_who_is_no_administrator_any_more_sees_that_and_nothing_else(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as server, administrator(browser, server) as ann:
        await server.app.accounts.set_admin("ann", is_admin=False)
        await later(ann)
        await expect(ann.page.get_by_text("You are no administrator any more.")).to_be_visible()
        await expect(ann.page.locator("tr[data-session]")).to_have_count(0)
        await expect(ann.page.get_by_role("tab")).to_have_count(0)
        await server.app.accounts.set_admin("ann", is_admin=True)
        await ann.page.get_by_role("button", name="Look again").click()
        await expect(ann.page.locator("tr[data-session]")).to_have_count(1)
        # Between two refreshes a kick is what finds out.
        await server.log_in("bob")
        await later(ann)
        await server.app.accounts.set_admin("ann", is_admin=False)
        await ann.page.get_by_role("button", name="Kick the session").click()
        await ann.page.get_by_role("dialog").get_by_role("button", name="Kick").click()
        await expect(ann.page.get_by_text("You are no administrator any more.")).to_be_visible()
        await expect(ann.page.get_by_role("dialog")).to_have_count(0)
        await ann.page.get_by_role("button", name="Back to the board").click()
        await expect(ann.page.get_by_role("button", name="Administration")).to_have_count(0)


async def test_the_tabs_go_by_the_arrows(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as server, administrator(browser, server) as ann:
        await tab(ann, "Sessions").focus()
        for key, name in (
            ("ArrowRight", "Users"),
            ("End", "Announce"),
            ("ArrowRight", "Sessions"),
            ("ArrowLeft", "Announce"),
        ):
            await ann.page.keyboard.press(key)
            await expect(tab(ann, name)).to_be_focused()
            await expect(tab(ann, name)).to_have_attribute("aria-selected", "true")
            await expect(ann.page.get_by_role("tabpanel", name=name)).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 960, 1_100, 1_440, 2_560])
async def test_nothing_is_cut_at_any_width_with_the_longest_names(browser: Browser, tmp_path: Path, width: int) -> None:
    settings = {"max_unauthenticated_sessions": 5_000, "auth_timeout_seconds": 3_600.0}
    async with serving(tmp_path, chat=True, **settings) as server:
        await fill(server, 9)
        await server.app.accounts.mute(LONG, 60)
        async with administrator(browser, server, viewport={"width": width, "height": 800}) as ann:
            for name in ("Sessions", "Users", "Sources", "Announce"):
                await tab(ann, name).click()
                if name == "Users":
                    await expect(of_user(ann, LONG)).to_be_visible()
                assert await ann.page.evaluate("document.documentElement.scrollWidth") == width
                assert await ann.page.evaluate(CUT) == []
            await tab(ann, "Sessions").click()
            await ann.page.get_by_role("button", name=f"of {LONG}").first.click()
            assert await ann.page.evaluate(CUT) == []
