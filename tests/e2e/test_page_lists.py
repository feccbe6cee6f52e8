"""Lists in the browser: renamed, deleted, put in order, kept when empty; rows moved by hand; and tabs that agree."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, WebSocketRoute, expect

from browser import PHONE, Visitor, visitor
from live_server import until
from page_market import Market, market
from stocktrack.sessions.list_news import PAUSE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "😀 קניות / " + "x" * 53  # 64 characters


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path, "ann", "bob") as house:
        yield house


@contextlib.asynccontextmanager
async def ann_with(browser: Browser, house: Market, *symbols: str, **options: object) -> AsyncIterator[Visitor]:
    """Ann, whose main list holds these, and whose list "tech" MSFT and TSLA."""
    store = house.server.app._store
    house.provider.prices |= {symbol: 10.0 for symbol in symbols if symbol not in house.provider.prices}
    await store.save("ann", symbols, 500)
    await store.save("ann", ["MSFT", "TSLA"], 500, "tech")
    async with visitor(browser, house.address, **options) as ann:  # type: ignore[arg-type]
        await ann.log_in("ann")
        await expect(ann.row(symbols[0])).to_be_visible()
        yield ann


async def on_board(ann: Visitor, *symbols: str) -> None:
    """The board comes to hold these, in this order."""
    await ann.page.wait_for_function(
        "(wanted) => [...document.querySelectorAll('tbody tr')].map((row) => row.dataset.symbol).join() === wanted",
        arg=",".join(symbols),
    )


async def told(house: Market) -> None:
    """Let the server's pause between words of changed lists pass: what is told next is told at once."""
    await until(lambda: house.server.app.sessions._list_news._has_news.is_set() is False)
    await house.tick(PAUSE_SECONDS)


async def tabs(ann: Visitor, *names: str) -> None:
    await expect(ann.page.locator("[data-list]")).to_have_text([*names])


async def choose(ann: Visitor, item: str, name: str | None = None) -> None:
    """Choose from the menu of the list that is shown, or of the one named."""
    if name is None:
        await ann.page.locator("[data-more]").click()
    else:
        await tab(ann, name).click(button="right")
    await ann.page.get_by_role("menuitem", name=item).click()


def tab(ann: Visitor, name: str) -> Locator:
    return ann.page.locator(f'[data-list="{name}"]')


async def saved(house: Market, name: str = "main") -> tuple[str, ...]:
    return await house.server.app._store.saved("ann", name)


async def begin(ann: Visitor, name: str) -> None:
    await ann.page.get_by_role("button", name="New list").click()
    await ann.page.get_by_label("Name of the new list").fill(name)
    await ann.page.keyboard.press("Enter")


# --- lists ---


async def test_a_list_that_is_made_or_emptied_is_there_after_a_reload(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        await begin(ann, LONG)
        await expect(ann.page.get_by_role("heading", name="is empty")).to_be_visible()
        await tab(ann, "tech").click()
        for symbol in ("MSFT", "TSLA"):
            await ann.row(symbol).get_by_role("button", name="Remove").click()
        await expect(ann.page.get_by_role("heading", name="“tech” is empty")).to_be_visible()
        await ann.page.reload()
        await tabs(ann, "My stocks", "tech", LONG)
        await tab(ann, LONG).click()
        await ann.add("AAPL")
        await on_board(ann, "AAPL")
        assert await saved(house, LONG) == ("AAPL",)


async def test_a_list_is_renamed_by_its_menu_by_f2_and_by_two_clicks(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        await tab(ann, "tech").click()
        await choose(ann, "Rename")
        field = ann.page.get_by_label("New name of the list tech")
        await expect(field).to_have_value("tech")
        await field.fill("main")
        await field.press("Enter")
        await expect(ann.notices).to_contain_text("There is a list 'main' already")
        await expect(field).to_be_focused()
        await field.fill("a/b 💡")
        await field.press("Enter")
        await tabs(ann, "My stocks", "a/b 💡")
        await on_board(ann, "MSFT", "TSLA")
        await tab(ann, "a/b 💡").press("F2")
        await ann.page.keyboard.press("Escape")
        await tabs(ann, "My stocks", "a/b 💡")
        await tab(ann, "a/b 💡").dblclick()
        field = ann.page.get_by_label("New name of the list")
        await expect(field).to_be_focused()
        await field.fill("chips")
        await field.press("Enter")
        await tabs(ann, "My stocks", "chips")
        await ann.page.reload()
        await on_board(ann, "MSFT", "TSLA")
        await tabs(ann, "My stocks", "chips")


async def test_two_clicks_rename_a_list_also_where_the_first_one_moves_its_tab(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        box = await ann.box(tab(ann, "tech"))
        # The button behind the tab that was shown goes behind this one, which is where the pointer is.
        await ann.page.mouse.dblclick(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
        await expect(ann.page.get_by_label("New name of the list tech")).to_be_focused()


async def test_a_return_key_that_is_pressed_twice_renames_once(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        await tab(ann, "tech").press("F2")
        field = ann.page.get_by_label("New name of the list tech")
        await field.fill("chips")
        await field.evaluate("(field) => { field.form.requestSubmit(); field.form.requestSubmit(); }")
        await tabs(ann, "My stocks", "chips")
        await expect(ann.page.locator(".notice")).to_have_count(0)


async def test_a_list_that_cannot_be_read_shows_no_other_list_and_why(browser: Browser, house: Market) -> None:
    async with visitor(browser, house.address) as ann:
        failures = {"left": 0}

        def connect(to_page: WebSocketRoute) -> None:
            to_server = to_page.connect_to_server()

            def commanded(message: str | bytes) -> None:
                command = json.loads(message)
                if command["type"] != "MY_STOCKS" or not failures["left"]:
                    to_server.send(message)
                    return
                failures["left"] -= 1
                told = {"code": 500, "reason": "internal_error", "message": "It failed here.", "retryable": False}
                to_page.send(json.dumps({"type": "MY_STOCKS", "id": command["id"], **told}))

            to_page.on_message(commanded)
            to_server.on_message(to_page.send)

        await ann.page.route_web_socket("**/ws", connect)
        await house.server.app._store.save("ann", ["AAPL"], 500)
        await house.server.app._store.save("ann", ["MSFT", "TSLA"], 500, "tech")
        await ann.log_in("ann")
        await on_board(ann, "AAPL")
        failures["left"] = 1
        await tab(ann, "tech").click()
        await expect(ann.page.get_by_role("heading", name="cannot be read now")).to_be_visible()
        await expect(ann.page.locator("tr[data-symbol]")).to_have_count(0)
        await ann.page.get_by_role("button", name="Try again").click()
        await on_board(ann, "MSFT", "TSLA")


async def test_a_deleted_list_comes_back_with_its_stocks_and_its_place(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        await begin(ann, "last")
        await tabs(ann, "My stocks", "tech", "last")
        await choose(ann, "Delete", "tech")
        await tabs(ann, "My stocks", "last")
        await expect(ann.notices).to_contain_text("List “tech” deleted, with 2 stocks.")
        await ann.page.get_by_role("button", name="Undo").click()
        await tabs(ann, "My stocks", "tech", "last")
        assert await saved(house, "tech") == ("MSFT", "TSLA")
        await tab(ann, "main").click(button="right")
        await ann.page.get_by_role("menuitem", name="Delete").click(force=True)  # it can be asked why it does nothing
        await expect(ann.notices).to_contain_text("This list is always there")
        await tabs(ann, "My stocks", "tech", "last")


async def test_the_menu_and_the_tabs_are_worked_with_the_keyboard_alone(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        await tab(ann, "tech").focus()
        await ann.page.keyboard.press("Enter")
        await on_board(ann, "MSFT", "TSLA")
        await ann.page.keyboard.press("ArrowRight")
        await expect(ann.page.locator("[data-more]")).to_be_focused()
        await ann.page.keyboard.press("Enter")
        await expect(ann.page.get_by_role("menuitem", name="Rename")).to_be_focused()
        await ann.page.keyboard.press("ArrowUp")
        await expect(ann.page.get_by_role("menuitem", name="Delete")).to_be_focused()
        await ann.page.keyboard.press("Home")
        await ann.page.keyboard.press("ArrowDown")
        await ann.page.keyboard.press("Enter")
        await tabs(ann, "tech", "My stocks")
        await expect(ann.page.locator("#announcer")).to_contain_text("tech: place 1 of 2.")
        await ann.page.locator("[data-more]").press("Enter")
        await ann.page.keyboard.press("Escape")
        await expect(ann.page.get_by_role("menu")).to_have_count(0)
        await expect(ann.page.locator("[data-more]")).to_be_focused()


async def test_a_tab_is_dragged_to_another_place(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        await drag(ann, tab(ann, "tech"), tab(ann, "main"), from_x=20, to_x=4)
        await tabs(ann, "tech", "My stocks")
        await on_board(ann, "AAPL")  # the drag was no click
        await ann.page.reload()
        await tabs(ann, "tech", "My stocks")


async def test_a_new_list_stands_last_until_it_is_moved(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        await begin(ann, "energy")
        await expect(ann.page.get_by_role("heading", name="“energy” is empty")).to_be_visible()
        await begin(ann, "banks")
        await tabs(ann, "My stocks", "tech", "energy", "banks")
        await ann.page.reload()
        await tabs(ann, "My stocks", "tech", "energy", "banks")
        await choose(ann, "Move left")
        await tabs(ann, "My stocks", "tech", "banks", "energy")


async def swipe(ann: Visitor, *points: tuple[float, float]) -> None:
    """Draw a finger from the first of these points to the others."""
    finger = await ann.page.context.new_cdp_session(ann.page)
    (x, y), *_ = points
    await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for to_x, to_y in points[1:]:
        for step in range(1, 9):
            at = {"x": x + (to_x - x) * step / 8, "y": y + (to_y - y) * step / 8}
            await finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
        x, y = to_x, to_y
    await ann.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


async def test_on_a_phone_a_finger_drags_the_tab_that_is_shown_once_things_are_moved(
    browser: Browser, house: Market
) -> None:
    async with ann_with(browser, house, "AAPL", **PHONE) as ann:
        await tab(ann, "tech").tap()
        await on_board(ann, "MSFT", "TSLA")
        start, end = await ann.box(tab(ann, "tech")), await ann.box(tab(ann, "main"))
        y = start["y"] + 15
        path = ((start["x"] + 20, y), (end["x"] + 4, y))
        await swipe(ann, *path)  # so far it scrolls the tabs
        await tabs(ann, "My stocks", "tech")
        await choose(ann, "Move its stocks")
        await expect(ann.page.get_by_role("button", name="Done moving")).to_be_visible()
        await swipe(ann, *path)
        await tabs(ann, "tech", "My stocks")
        await on_board(ann, "MSFT", "TSLA")


async def test_tabs_scroll_while_one_is_dragged_to_their_end(browser: Browser, house: Market) -> None:
    for number in range(18):
        await house.server.app._store.save("ann", ["AAPL"], 500, f"a list of a long name {number:02}")
    async with ann_with(browser, house, "AAPL") as ann:
        await expect(ann.page.get_by_role("complementary")).to_be_visible()  # the tabs have their width
        box, strip = await ann.box(tab(ann, "main")), await ann.box(ann.page.locator(".lists"))
        y = box["y"] + box["height"] / 2
        await ann.page.mouse.move(box["x"] + 20, y)
        await ann.page.mouse.down()
        await ann.page.mouse.move(strip["x"] + strip["width"] - 4, y, steps=6)
        await expect(ann.page.get_by_role("button", name="New list")).to_be_in_viewport(ratio=0.9)
        target = await ann.box(tab(ann, "tech"))
        await ann.page.mouse.move(target["x"] + target["width"] - 4, y, steps=2)
        await expect(tab(ann, "tech")).to_have_class("drop-behind")
        await ann.page.mouse.up()
        await expect(ann.page.locator("[data-list]").last).to_have_text("My stocks")


async def test_the_twenty_first_list_is_refused_in_words(browser: Browser, house: Market) -> None:
    for number in range(18):
        await house.server.app._store.save("ann", ["AAPL"], 500, f"list {number}")
    async with ann_with(browser, house, "AAPL") as ann:
        await begin(ann, "one too many")
        await expect(ann.notices).to_contain_text("at most 20 lists")
        await expect(ann.page.get_by_label("Name of the new list")).to_be_focused()
        await expect(ann.page.locator("[data-list]")).to_have_count(20)


# --- rows ---


async def drag(ann: Visitor, what: Locator, onto: Locator, *, from_x: float, to_x: float, to_y: float = 0.75) -> None:
    start, end = await ann.box(what), await ann.box(onto)
    mouse = ann.page.mouse
    await mouse.move(start["x"] + from_x, start["y"] + start["height"] / 2)
    await mouse.down()
    await mouse.move(end["x"] + to_x, end["y"] + end["height"] * to_y, steps=8)
    await ann.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await mouse.up()


async def test_a_row_is_dragged_by_its_grip_and_the_order_is_saved(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL", "MSFT", "TSLA") as ann:
        await drag(ann, ann.row("AAPL"), ann.row("TSLA"), from_x=8, to_x=8)
        await on_board(ann, "MSFT", "TSLA", "AAPL")
        await expect(ann.page.locator("#announcer")).to_contain_text("AAPL: place 3 of 3.")
        await drag(ann, ann.row("AAPL"), ann.row("MSFT"), from_x=8, to_x=8, to_y=0.25)
        await on_board(ann, "AAPL", "MSFT", "TSLA")
        await drag(ann, ann.row("TSLA"), ann.row("MSFT"), from_x=8, to_x=8, to_y=0.25)
        await on_board(ann, "AAPL", "TSLA", "MSFT")
        await ann.page.reload()
        await on_board(ann, "AAPL", "TSLA", "MSFT")
        assert await saved(house) == ("AAPL", "TSLA", "MSFT")
        # From anywhere else in the row nothing is moved.
        await drag(ann, ann.row("AAPL"), ann.row("MSFT"), from_x=300, to_x=300)
        await on_board(ann, "AAPL", "TSLA", "MSFT")


async def test_escape_gives_a_drag_up(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL", "MSFT", "TSLA") as ann:
        box = await ann.box(ann.row("AAPL"))
        await ann.page.mouse.move(box["x"] + 8, box["y"] + 10)
        await ann.page.mouse.down()
        await ann.page.mouse.move(box["x"] + 8, box["y"] + 120, steps=5)
        await expect(ann.row("AAPL")).to_have_class(re.compile(r"\bdragged\b"))
        await ann.page.keyboard.press("Escape")
        await expect(ann.row("AAPL")).not_to_have_class(re.compile(r"\bdragged\b"))
        await ann.page.mouse.up()
        await on_board(ann, "AAPL", "MSFT", "TSLA")
        assert await saved(house) == ("AAPL", "MSFT", "TSLA")


async def test_alt_and_the_arrow_keys_move_the_row_of_the_keyboard(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL", "MSFT", "TSLA") as ann:
        await ann.page.locator('[data-pick="AAPL"]').focus()
        await ann.page.keyboard.press("Alt+ArrowDown")
        await ann.page.keyboard.press("Alt+ArrowDown")
        await on_board(ann, "MSFT", "TSLA", "AAPL")
        await expect(ann.page.locator('[data-pick="AAPL"]')).to_be_focused()
        await ann.page.keyboard.press("Alt+ArrowDown")
        await ann.page.keyboard.press("Alt+ArrowUp")
        await on_board(ann, "MSFT", "AAPL", "TSLA")
        await expect(ann.page.locator("#announcer")).to_contain_text("AAPL: place 2 of 3.")
        await ann.page.reload()
        await on_board(ann, "MSFT", "AAPL", "TSLA")


async def test_a_sorted_board_offers_to_keep_its_order(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "TSLA", "AAPL", "MSFT") as ann:
        await ann.page.locator('[data-sort="symbol"]').click()
        await on_board(ann, "AAPL", "MSFT", "TSLA")
        await drag(ann, ann.row("AAPL"), ann.row("TSLA"), from_x=8, to_x=8)
        await expect(ann.notices).to_contain_text("The board is sorted by a column")
        await on_board(ann, "AAPL", "MSFT", "TSLA")
        assert await saved(house) == ("TSLA", "AAPL", "MSFT")
        await ann.page.get_by_role("button", name="Keep this order").click()
        await ann.page.locator('[data-pick="AAPL"]').focus()
        await ann.page.keyboard.press("Alt+ArrowDown")
        await on_board(ann, "MSFT", "AAPL", "TSLA")
        await ann.page.reload()
        await on_board(ann, "MSFT", "AAPL", "TSLA")


async def test_a_long_list_scrolls_while_a_row_is_dragged_to_its_end(browser: Browser, house: Market) -> None:
    symbols = [f"N{number}" for number in range(200)]
    async with ann_with(browser, house, *symbols) as ann:
        box = await ann.box(ann.row("N0"))
        await ann.page.mouse.move(box["x"] + 8, box["y"] + 10)
        await ann.page.mouse.down()
        await ann.page.mouse.move(box["x"] + 8, box["y"] + 60, steps=3)
        await ann.page.mouse.move(box["x"] + 8, 798, steps=3)
        await expect(ann.row("N199")).to_be_in_viewport(ratio=0.9)
        await ann.page.mouse.up()
        await on_board(ann, *symbols[1:], "N0")


async def test_on_a_phone_the_menu_shows_grips_that_a_finger_can_drag(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL", "MSFT", "TSLA", **PHONE) as ann:
        await choose(ann, "Move its stocks")
        start, end = await ann.box(ann.row("AAPL")), await ann.box(ann.row("TSLA"))
        x = start["x"] + 20
        await swipe(ann, (x, start["y"] + 30), (x, end["y"] + end["height"] * 0.8))
        await on_board(ann, "MSFT", "TSLA", "AAPL")
        await ann.page.get_by_role("button", name="Done moving").click()
        await expect(ann.page.locator(".board.ordering")).to_have_count(0)


async def test_a_removed_stock_comes_back_to_where_it_stood(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL", "MSFT", "TSLA") as ann:
        await ann.row("MSFT").get_by_role("button", name="Remove").click()
        await on_board(ann, "AAPL", "TSLA")
        await ann.page.get_by_role("button", name="Undo").click()
        await on_board(ann, "AAPL", "MSFT", "TSLA")
        await ann.page.reload()
        await on_board(ann, "AAPL", "MSFT", "TSLA")


# --- tabs of the browser, and other clients ---


@contextlib.asynccontextmanager
async def two_tabs(browser: Browser, house: Market) -> AsyncIterator[tuple[Visitor, Visitor]]:
    async with ann_with(browser, house, "AAPL", "TSLA") as ann:
        page = await ann.page.context.new_page()
        second = Visitor(page, ann.address)
        await page.goto(ann.address)
        await on_board(second, "AAPL", "TSLA")
        yield ann, second
        assert second.complaints == []


async def test_what_one_tab_does_the_other_shows(browser: Browser, house: Market) -> None:
    async with two_tabs(browser, house) as (ann, second):
        await ann.add("MSFT")
        await on_board(second, "AAPL", "TSLA", "MSFT")
        await told(house)
        await expect(second.price("MSFT")).to_have_text("200.00")
        await second.row("AAPL").get_by_role("button", name="Remove").click()
        await on_board(ann, "TSLA", "MSFT")
        await told(house)
        await ann.page.locator('[data-pick="MSFT"]').focus()
        await ann.page.keyboard.press("Alt+ArrowUp")
        await on_board(second, "MSFT", "TSLA")
        house.provider.prices["MSFT"] = 222.5
        await house.tick()
        for each in (ann, second):
            await expect(each.price("MSFT")).to_have_text("222.50")


async def test_lists_agree_in_both_tabs(browser: Browser, house: Market) -> None:
    async with two_tabs(browser, house) as (ann, second):
        await begin(ann, "new")
        await tabs(second, "My stocks", "tech", "new")
        await told(house)
        await tab(second, "tech").click()
        await choose(ann, "Move left")
        await tabs(second, "My stocks", "new", "tech")
        await told(house)
        await tab(ann, "tech").dblclick()
        field = ann.page.get_by_label("New name of the list")
        await expect(field).to_be_focused()
        await field.fill("chips")
        await field.press("Enter")
        await expect(second.page.locator("[data-list][aria-current]")).to_have_text("chips")
        await on_board(second, "MSFT", "TSLA")
        await told(house)
        await choose(ann, "Delete", "chips")
        await tabs(second, "My stocks", "new")
        await expect(second.notices).to_contain_text("The list “chips” was deleted elsewhere.")


async def test_another_client_of_the_user_is_seen_and_nobody_elses(browser: Browser, house: Market) -> None:
    async with ann_with(browser, house, "AAPL") as ann:
        client, bob = await house.server.log_in("ann"), await house.server.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["TSLA"]})
        await client.ask({"type": "SUBSCRIBE", "symbols": ["MSFT"]})
        await on_board(ann, "AAPL", "MSFT")
        await told(house)
        await client.ask({"type": "SET_LIST", "symbols": ["MSFT"]})
        await on_board(ann, "MSFT")
        await told(house)
        await client.ask({"type": "UNSUBSCRIBE"})
        await expect(ann.page.get_by_text("Your board is empty")).to_be_visible()


# --- what no source knows any more ---


async def test_lists_with_symbols_that_nobody_knows_any_more_are_shown_and_can_be_emptied(
    browser: Browser, house: Market
) -> None:
    gone = [f"GONE{number}" for number in range(50)]
    store = house.server.app._store
    await store.save("ann", gone, 500, "lost")
    await store.save("ann", [*gone[:49], "MSFT"], 500, "mixed")
    async with ann_with(browser, house, "AAPL") as ann:
        sockets: list[object] = []
        ann.page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108 - Playwright marks what it is given
        await tab(ann, "lost").click()
        await expect(ann.row("GONE0")).to_contain_text("unknown symbol")
        await tab(ann, "mixed").click()
        await expect(ann.row("MSFT")).to_be_visible()
        await house.tick()  # so many look-ups were more than the user may have at once
        await expect(ann.price("MSFT")).to_have_text("200.00")
        await expect(ann.row("GONE48")).to_be_visible()
        await tab(ann, "lost").click()
        await expect(ann.row("GONE49")).to_be_visible()
        await ann.page.reload()
        await expect(ann.row("GONE0")).to_contain_text("unknown symbol")
        await ann.row("GONE0").get_by_role("button", name="Remove").click()
        await expect(ann.row("GONE0")).to_have_count(0)
        await expect(ann.page.locator('[data-bar="link"]')).to_have_count(0)
        assert len(sockets) == 1  # that of the reload
        # What was found to be unknown meanwhile has left the list by itself.
        assert set(await saved(house, "lost")) <= set(gone[1:])
