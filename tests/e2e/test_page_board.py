"""The board of the page in a real browser: rows, columns, filter, copies and paper, from a telephone to a wall."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from after_hours import FIGURES, AfterHours
from browser import PHONE, Visitor, visitor
from live_server import LiveServer, live_server
from stocktrack.clock import ManualClock

POLL_SECONDS = 5.0
WIDTHS = (320, 390, 1440, 2560)
# Prices that were cut, or moved the decimal points of the others.
HARD = {"BTC-USD": 1_234_567.89, "N225": 628_930.12, "SHIB-USD": 0.00001234, "NQ=F": 13_128.23}
FAR = {"NIFTY24APR18000CE": 112.35, "BINANCE:BTCUSDT": 66_251.8}

# One loop for all of them, because they share a browser: starting one takes seconds. Each visitor has a fresh profile.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Scene:
    """A server with its page, and the commands that browsers have sent it."""

    clock: ManualClock
    source: AfterHours
    server: LiveServer
    sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.server.web_url}/"

    async def save(self, *symbols: str) -> None:
        """Have these on the list, with prices and figures where nobody gave them others."""
        for number, symbol in enumerate(symbols):
            price = self.source.prices.setdefault(symbol, 20.0 + number)
            self.source.figures.setdefault(symbol, figures(symbol, price))
        await self.server.app._store.save("ann", list(symbols), 500)

    def asked(self, kind: str) -> list[dict[str, Any]]:
        """The commands of a type."""
        return [command for command in self.sent if command["type"] == kind]

    def listen(self, page: Page) -> None:
        """Note what the page sends from now on."""
        page.on("websocket", lambda socket: socket.on("framesent", lambda text: self.sent.append(json.loads(text))))


def figures(symbol: str, price: float) -> dict[str, Any]:
    """What else a quote of that symbol tells, in regular hours."""
    return {
        "name": f"{symbol.title()} Incorporated",
        "change": round(price * 0.0123, 8),
        "change_percent": 1.23,
        "volume": 123_456_789,
        "previous_close": round(price * 0.9877, 8),
        "open": round(price * 0.99, 8),
        "high": round(price * 1.02, 8),
        "low": round(price * 0.97, 8),
        "bid": round(price * 0.999, 8),
        "ask": round(price * 1.001, 8),
        "fifty_two_week_low": round(price * 0.6, 8),
        "fifty_two_week_high": round(price * 1.3, 8),
        "market_cap": 3.98e12,
        "market_cap_currency": "USD",
        "trailing_pe": 40.93,
        "price_hint": 8 if price < 1 else 2,
    }


@pytest_asyncio.fixture(loop_scope="module")
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    source = AfterHours(clock)
    source.figures.clear()
    async with live_server(tmp_path, source, users=("ann",), clock=clock, web=True) as server:
        yield Scene(clock, source, server)


def window(width: int, height: int = 900) -> dict[str, Any]:
    """A browser window of that size; a telephone where it is narrow."""
    touch: dict[str, Any] = {"has_touch": True, "is_mobile": True} if width < 700 else {}
    return {"viewport": {"width": width, "height": height}, **touch}


async def shown_keys(ann: Visitor) -> list[str]:
    """The keys of the columns that have room, in their order."""
    keys: list[str] = await ann.page.evaluate(
        """() => [...document.querySelectorAll(".board thead th")]
          .map((head) => /c-([a-z]+)/.exec(head.className)[1])"""
    )
    return keys


# --- the rows ---


async def test_a_desktop_screen_shows_25_rows_with_symbol_and_name_on_one_line(browser: Browser, scene: Scene) -> None:
    await scene.save(*(f"SYM{number}" for number in range(40)))
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}) as ann:
        await ann.log_in("ann")
        await expect(ann.price("SYM39")).to_have_text("59.00")
        await expect(ann.page.get_by_role("complementary")).to_be_visible()
        seen = await ann.page.evaluate(
            """() => [...document.querySelectorAll("tbody tr")].filter((row) => {
              const { top, bottom } = row.getBoundingClientRect();
              return top >= 0 && bottom <= innerHeight;
            }).length"""
        )
        assert seen >= 25
        symbol = await ann.box(ann.row("SYM3").locator(".pick"))
        name = await ann.box(ann.row("SYM3").locator(".name"))
        assert abs(symbol["y"] + symbol["height"] / 2 - name["y"] - name["height"] / 2) < 4
        assert 0 < name["x"] - symbol["x"] - symbol["width"] < 80


async def test_fingers_meet_rows_that_are_high_enough(browser: Browser, scene: Scene) -> None:
    await scene.save("AAPL", "TSLA")
    for width in (390, 1024):
        options: dict[str, Any] = {**PHONE, "viewport": {"width": width, "height": 800}}
        async with visitor(browser, scene.address, **options) as ann:
            await ann.log_in("ann")
            await expect(ann.price("TSLA")).to_have_text("300.00")
            box = await ann.box(ann.row("TSLA"))
            assert box["height"] >= 44


EDGES = """() => {
  const [row, ...others] = document.querySelectorAll(".board tbody tr");
  const heads = [...document.querySelectorAll(".board thead th")];
  const box = (cell) => { const { left, right } = cell.getBoundingClientRect(); return [left, right]; };
  const cells = (each) => [...each.children].filter((cell) => !cell.classList.contains("under"));
  const textEnd = (cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    // What only a screen reader reads is nowhere.
    const unseen = cell.querySelector(":scope > .unseen:last-child");
    if (unseen) range.setEndBefore(unseen);
    return range.getBoundingClientRect().right;
  };
  const seen = (cell) => cell.getClientRects().length > 0;
  return {
    heads: heads.map(box),
    cells: cells(row).map(box),
    kinds: [heads.map((head) => head.className.split(" ")[0]), cells(row).map((cell) => cell.className.split(" ")[0])],
    cut: [...document.querySelectorAll(".board :is(td, th)")]
      .filter((cell) => seen(cell) && cell.scrollWidth > cell.clientWidth && !cell.matches(".c-name, .unseen"))
      .map((cell) => [cell.className, cell.textContent.trim()]),
    outside: [...document.querySelectorAll(".board tbody :is(.c-price, .c-change, .c-percent, .c-extended, .c-volume)")]
      .filter(seen)
      .filter((cell) => cell.textContent.trim() && textEnd(cell) > cell.getBoundingClientRect().right + 0.5)
      .map((cell) => cell.textContent),
    ends: [...document.querySelectorAll(".c-price [data-part=price]")]
      .map((price) => Math.round(textEnd(price) * 2) / 2),
    symbols: [...document.querySelectorAll(".pick")]
      .filter((pick) => pick.scrollWidth > pick.clientWidth + 1)
      .map((pick) => pick.textContent),
    isWide: document.documentElement.scrollWidth > innerWidth,
  };
}"""


async def test_a_price_of_ten_digits_in_the_evening_and_a_symbol_of_21_letters_fit_on_the_smallest_telephone(
    browser: Browser, scene: Scene
) -> None:
    scene.source.prices |= {"BTC-IDR": 1_234_567_890.12, "BINANCE:BTCUSDTPERP.X": 66_251.8}
    await scene.save("BTC-IDR", "BINANCE:BTCUSDTPERP.X", "AAPL")
    scene.source.figures["BTC-IDR"] |= {
        **{name: FIGURES[name] for name in ("market_state", "extended_change", "extended_change_percent")},
        "extended_price": 1_235_802_458.01,
        "extended_time": scene.clock.now_ms(),
    }
    async with visitor(browser, scene.address, **window(320)) as ann:
        await ann.log_in("ann")
        await expect(ann.row("BTC-IDR").locator(".c-extended")).to_contain_text("1,235,802,458.01 +0.39%")
        await ann.page.wait_for_function(
            """() => {
              const cells = document.querySelectorAll(".board tbody :is(.c-symbol, .c-price, .c-extended)");
              return [...cells].every((cell) => {
                const row = cell.closest("tr").getBoundingClientRect();
                const box = cell.getBoundingClientRect();
                const isInside = box.height === 0 || (box.top >= row.top - 1 && box.bottom <= row.bottom + 1);
                return isInside && cell.scrollWidth <= cell.clientWidth && cell.scrollHeight <= cell.clientHeight + 1;
              });
            }"""
        )


async def test_the_currency_stands_below_the_price_where_it_has_no_column(browser: Browser, scene: Scene) -> None:
    scene.source.prices |= {"RELIANCE.NS": 12_934.5}
    await scene.save("TSLA", "RELIANCE.NS")
    async with visitor(browser, scene.address, **window(320)) as ann:
        await ann.log_in("ann")
        below = ann.row("TSLA").locator(".c-currency.under")
        await expect(below).to_have_text("USD")
        await expect(below).to_be_visible()
        await ann.page.wait_for_function(
            """() => {
              const row = document.querySelector("tr[data-symbol=TSLA]");
              const [price, currency] = [".c-price .figure", ".c-currency"].map((part) => row.querySelector(part));
              const range = document.createRange();
              range.selectNodeContents(currency);
              const [above, under] = [price, range].map((part) => part.getBoundingClientRect());
              return under.top >= above.bottom - 4 && Math.abs(under.right - above.right) <= 5;
            }"""
        )
        scene.source.script = "blocked"
        await scene.clock.advance(POLL_SECONDS)
        await expect(ann.row("TSLA").locator(".why")).to_be_visible()  # there is no room for both
        await expect(below).to_be_hidden()
    async with visitor(browser, scene.address, **window(390)) as ann:
        await ann.log_in("ann")
        await expect(ann.page.locator("thead .c-currency")).to_have_text("Cur.")
        await expect(ann.page.locator(".c-currency.under")).to_have_count(0)


ARABIC = "\u0661\u066b\u0662\u0663"  # 1.23


async def test_in_an_arabic_browser_figures_have_their_signs_in_front(browser: Browser, scene: Scene) -> None:
    await scene.save("TSLA")
    scene.source.figures["TSLA"] |= {"change": -2.5, "change_percent": -1.23}
    async with visitor(browser, scene.address, viewport={"width": 1440, "height": 900}, locale="ar-EG") as ann:
        await ann.log_in("ann")
        await expect(ann.row("TSLA").locator(".c-percent")).to_have_text(f"−{ARABIC}%")
        await ann.row("TSLA").click()
        moves = ann.page.locator(".panel .moves")
        await expect(moves).to_contain_text(f"(−{ARABIC}%)")
        places = await moves.evaluate(
            """(moves) => [...moves.querySelectorAll("[data-part]")].flatMap((part) => {
              const text = part.firstChild;
              const places = ["(", "−", "\u0661", "%"].map((sign) => text.data.indexOf(sign));
              return places.filter((place) => place >= 0).map((place) => {
                const range = document.createRange();
                range.setStart(text, place);
                range.setEnd(text, place + 1);
                return range.getBoundingClientRect().left;
              });
            })"""
        )
        assert places == sorted(places)


@pytest.mark.parametrize("width", [*WIDTHS, 720, 1024, 3840])
@pytest.mark.parametrize("is_evening", [False, True])
async def test_no_figure_is_cut_and_each_stands_below_its_heading(
    browser: Browser, scene: Scene, width: int, is_evening: bool
) -> None:
    symbols = ["AAPL", *HARD, *FAR]
    scene.source.prices |= HARD | FAR
    await scene.save(*symbols)
    if is_evening:
        for symbol in symbols:
            price = scene.source.prices[symbol]
            told = {
                name: value for name, value in FIGURES.items() if name.startswith("extended") or name == "market_state"
            }
            scene.source.figures[symbol] |= {
                **told,
                "extended_price": price * 1.01,
                "extended_time": scene.clock.now_ms(),
            }
    async with visitor(browser, scene.address, **window(width)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("BTC-USD")).to_have_text("1,234,567.89")
        await expect(ann.price("SHIB-USD")).to_have_text("0.00001234")
        if is_evening:
            await expect(ann.row("BTC-USD").locator(".c-extended")).to_contain_text("post")
        # Widths come with the frame after the texts.
        await ann.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found = await ann.page.evaluate(EDGES)
    assert found["cut"] == []
    assert found["outside"] == []
    assert found["symbols"] == []
    assert found["isWide"] is False
    assert len(set(found["ends"])) == 1
    assert found["kinds"][0] == found["kinds"][1]
    assert len(found["heads"]) >= 4
    for head, cell in zip(found["heads"], found["cells"], strict=True):
        assert head == pytest.approx(cell, abs=0.6)
    if width >= 2560:
        assert len(found["heads"]) >= (15 if width == 2560 else 18)


async def test_a_price_that_grows_gets_the_room_for_it(browser: Browser, scene: Scene) -> None:
    await scene.save("AAPL", "MSFT")
    async with visitor(browser, scene.address, **window(1440)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("AAPL")).to_have_text("269.70")
        # A hundredfold at once would be kept off the board.
        for price, shown in ((13_128.23, "13,128.23"), (628_930.12, "628,930.12"), (12_345_678.9, "12,345,678.90")):
            scene.source.prices["AAPL"] = price
            await scene.clock.advance(POLL_SECONDS)
            await expect(ann.price("AAPL")).to_have_text(shown)
        await ann.page.wait_for_function(
            """() => [...document.querySelectorAll(".c-price")].every((cell) => cell.scrollWidth <= cell.clientWidth)"""
        )


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_headings_stay_below_the_header_and_hide_no_row_of_the_keyboard(
    browser: Browser, scene: Scene, width: int
) -> None:
    await scene.save(*(f"SYM{number}" for number in range(200)))
    async with visitor(browser, scene.address, **window(width)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("SYM0")).to_have_text("20.00")
        if width >= 1100:
            await ann.page.keyboard.press("Escape")
            await expect(ann.page.get_by_role("complementary")).to_have_count(0)
        await ann.bring("SYM150")
        top = await ann.box(ann.page.locator("header.top"))
        head = await ann.box(ann.page.locator(".board thead"))
        assert head["y"] == pytest.approx(top["y"] + top["height"], abs=1.5)
        await ann.page.locator('[data-pick="SYM150"]').focus()
        for _ in range(40):
            await ann.page.keyboard.press("ArrowUp")
        pick = await ann.box(ann.page.locator('[data-pick="SYM110"]'))
        await expect(ann.page.locator('[data-pick="SYM110"]')).to_be_focused()
        assert pick["y"] >= head["y"] + head["height"] - 1


async def test_rows_with_more_room_are_chosen_and_kept(browser: Browser, scene: Scene) -> None:
    await scene.save("AAPL", "TSLA")
    async with visitor(browser, scene.address) as ann:
        await ann.log_in("ann")
        await expect(ann.page.locator("table.compact")).to_be_visible()
        await ann.page.get_by_role("button", name="Choose columns").click()
        await ann.page.get_by_label("Comfortable").check()
        await expect(ann.page.locator("table.comfortable")).to_be_visible()
        await ann.page.reload()
        await expect(ann.page.locator("table.comfortable")).to_be_visible()
        await expect(ann.price("TSLA")).to_have_text("300.00")


# --- columns ---


async def test_columns_are_chosen_and_ordered_by_the_keyboard_kept_and_given_back(
    browser: Browser, scene: Scene
) -> None:
    await scene.save("AAPL", "TSLA")
    async with visitor(browser, scene.address, **window(1440)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        first = await shown_keys(ann)
        assert "pe" not in first
        await ann.page.get_by_role("button", name="Choose columns").focus()
        await ann.page.keyboard.press("Enter")
        dialog = ann.page.get_by_role("dialog", name="Columns")
        await dialog.get_by_role("checkbox", name="P/E").focus()
        await ann.page.keyboard.press("Space")
        await expect(ann.row("AAPL").locator(".c-pe")).to_have_text("40.93")
        await dialog.get_by_role("checkbox", name="Change %").focus()
        await ann.page.keyboard.press("Alt+ArrowUp")
        await expect(dialog.get_by_role("checkbox", name="Change %")).to_be_focused()
        await dialog.get_by_role("checkbox", name="Volume").uncheck()
        await expect(ann.page.locator("thead .c-volume")).to_have_count(0)
        await ann.page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(ann.page.get_by_role("button", name="Choose columns")).to_be_focused()
        keys = await shown_keys(ann)
        assert keys.index("percent") < keys.index("change")
        await ann.page.reload()
        await expect(ann.row("AAPL").locator(".c-pe")).to_have_text("40.93")
        assert await shown_keys(ann) == keys
        await ann.page.get_by_role("button", name="Choose columns").click()
        await dialog.get_by_role("button", name="Reset").click()
        await expect(ann.page.locator("thead .c-pe")).to_have_count(0)
        await dialog.get_by_role("button", name="Done").click()
        assert await shown_keys(ann) == first
        assert "stocktrack.columns" not in await ann.stored()


async def test_a_heading_is_dragged_to_another_place_and_does_not_sort(browser: Browser, scene: Scene) -> None:
    await scene.save("AAPL", "TSLA")
    async with visitor(browser, scene.address, **window(1440)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        start = await ann.box(ann.page.locator("thead .c-volume"))
        goal = await ann.box(ann.page.locator("thead .c-price"))
        mouse = ann.page.mouse
        await mouse.move(start["x"] + start["width"] - 20, start["y"] + 12)
        await mouse.down()
        await mouse.move(goal["x"] + 8, goal["y"] + 12, steps=6)
        await expect(ann.page.locator("thead .c-price")).to_have_class(re.compile("drop-before"))
        await mouse.up()
        await expect(ann.page.locator("thead .c-volume + .c-price")).to_be_visible()
        await expect(ann.page.locator("thead .c-volume")).to_have_attribute("aria-sort", "none")
        await ann.page.get_by_role("columnheader", name="Volume").get_by_role("button").press("Alt+ArrowRight")
        await expect(ann.page.locator("thead .c-volume button")).to_be_focused()
        await expect(ann.page.locator("thead .c-price + .c-volume")).to_be_visible()
        await ann.page.locator("thead .c-volume button").click()
        await expect(ann.page.locator("thead .c-volume")).to_have_attribute("aria-sort", "descending")


async def test_what_a_push_does_not_tell_is_asked_for_only_while_a_column_shows_it_and_only_for_rows_in_sight(
    browser: Browser, scene: Scene
) -> None:
    await scene.save(*(f"SYM{number}" for number in range(100)))
    async with visitor(browser, scene.address, viewport={"width": 700, "height": 700}) as ann:
        scene.listen(ann.page)
        await ann.page.clock.install()
        await ann.log_in("ann")
        await expect(ann.price("SYM0")).to_have_text("20.00")
        await ann.page.clock.run_for(5_000)
        assert scene.asked("GET") == []
        await ann.page.get_by_role("button", name="Choose columns").click()
        await ann.page.get_by_role("checkbox", name=re.compile("range")).check()
        await expect(ann.row("SYM0").locator(".c-range")).to_have_text(re.compile(r"19\.40\s+to\s+20\.40"))
        await ann.page.clock.run_for(5_000)
        (question,) = scene.asked("GET")
        assert "SYM0" in question["symbols"]
        assert len(question["symbols"]) < 40
        scene.source.figures["SYM0"]["high"] = 25.0
        await scene.clock.advance(POLL_SECONDS)
        await ann.page.clock.run_for(61_000)
        await expect(ann.row("SYM0").locator(".c-range")).to_have_text(re.compile(r"19\.40\s+to\s+25\.00"))
        assert len(scene.asked("GET")) == 2


async def test_holdings_are_columns_for_those_who_choose_them_and_follow_the_price(
    browser: Browser, scene: Scene
) -> None:
    await scene.save("AAPL", "TSLA")
    owner = await scene.server.log_in("ann")
    await owner.ask({"type": "ADD_LOT", "symbol": "TSLA", "quantity": 10, "unit_cost": 250})
    # Where a panel is beside the board, that asks for what is held of its stock.
    async with visitor(browser, scene.address, **window(1000)) as ann:
        scene.listen(ann.page)
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        assert scene.asked("HOLDINGS") == []
        await ann.page.get_by_role("button", name="Choose columns").click()
        for name in ("Quantity held", "Value held", "Gain"):
            await ann.page.get_by_role("checkbox", name=name).check()
        row = ann.row("TSLA")
        await expect(row.locator(".c-quantity")).to_have_text("10")
        await expect(row.locator(".c-value")).to_have_text("3,000.00")
        await expect(row.locator(".c-gain")).to_have_text("+500.00")
        await expect(ann.row("AAPL").locator(".c-quantity")).to_have_text("")
        scene.source.prices["TSLA"] = 310.0
        await scene.clock.advance(POLL_SECONDS)
        await expect(row.locator(".c-gain")).to_have_text("+600.00")
        assert len(scene.asked("HOLDINGS")) == 1


# --- the filter ---


@pytest.mark.parametrize("width", [320, 1440])
async def test_the_filter_leaves_the_rows_that_have_what_is_typed_and_gives_all_back(
    browser: Browser, scene: Scene, width: int
) -> None:
    await scene.save("AAPL", "TSLA", *(f"SYM{number}" for number in range(48)))
    scene.source.figures["TSLA"]["name"] = "Tesla, Inc."
    async with visitor(browser, scene.address, **window(width)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        rows = ann.page.locator("tbody tr[data-symbol]:visible")
        await expect(rows).to_have_count(50)
        await ann.page.keyboard.press("Escape")
        await ann.page.get_by_role("button", name="Filter", exact=True).click()
        field = ann.page.get_by_label("Filter: part of a symbol or a name")
        await expect(field).to_be_focused()
        await field.press_sequentially("tesla")
        await expect(rows).to_have_count(1)
        await expect(ann.page.get_by_text("1 of 50", exact=True)).to_be_visible()
        await expect(ann.page.locator("#announcer")).to_contain_text("1 of 50 stocks shown.")
        await field.fill("SYM4")
        await expect(rows).to_have_count(9)  # SYM4 and SYM40 to SYM47
        await field.press("ArrowDown")
        await expect(ann.page.locator('[data-pick="SYM4"]')).to_be_focused()
        await ann.page.keyboard.press("End")
        await expect(ann.page.locator('[data-pick="SYM47"]')).to_be_focused()
        await ann.page.keyboard.press("ArrowDown")
        await expect(ann.page.locator('[data-pick="SYM47"]')).to_be_focused()
        await field.fill("nothing like it")
        await expect(ann.page.get_by_text("No stock here has “nothing like it”")).to_be_visible()
        await field.press("Escape")
        await expect(rows).to_have_count(50)
        await expect(field).to_have_value("")
        await field.press("Escape")
        await expect(field).to_have_count(0)
        assert await scene.server.app._store.saved("ann") == ("AAPL", "TSLA", *(f"SYM{number}" for number in range(48)))


async def test_a_stock_that_is_added_is_seen_whatever_the_filter_says(browser: Browser, scene: Scene) -> None:
    await scene.save("AAPL")
    async with visitor(browser, scene.address) as ann:
        await ann.log_in("ann")
        await expect(ann.price("AAPL")).to_have_text("269.70")
        await ann.page.get_by_role("button", name="Filter", exact=True).click()
        await ann.page.get_by_label("Filter: part of a symbol or a name").fill("aap")
        await ann.add("MSFT")
        await expect(ann.row("MSFT")).to_be_visible()


# --- copies ---


async def pasted(ann: Visitor) -> str:
    """What is in the clipboard."""
    return str(await ann.page.evaluate("() => navigator.clipboard.readText()"))


async def test_rows_that_are_marked_with_the_mouse_are_copied_as_lines(browser: Browser, scene: Scene) -> None:
    scene.source.prices |= HARD
    await scene.save("AAPL", "BTC-USD", "TSLA")
    scene.source.figures["AAPL"] |= {"change": -0.75, "change_percent": -0.28}
    async with visitor(
        browser, scene.address, **window(1440), permissions=["clipboard-read", "clipboard-write"]
    ) as ann:
        await ann.log_in("ann")
        await expect(ann.price("BTC-USD")).to_have_text("1,234,567.89")
        await ann.page.keyboard.press("Escape")
        start = await ann.box(ann.row("AAPL").locator(".c-name"))
        goal = await ann.box(ann.row("BTC-USD").locator(".c-change"))
        await ann.page.mouse.move(start["x"] + 8, start["y"] + start["height"] / 2)
        await ann.page.mouse.down()
        await ann.page.mouse.move(goal["x"] + goal["width"] - 8, goal["y"] + goal["height"] / 2, steps=8)
        await ann.page.mouse.up()
        await ann.page.keyboard.press("Control+c")
        lines = (await pasted(ann)).split("\n")
        cells = [line.split("\t") for line in lines]
        assert [line[:6] for line in cells] == [
            ["AAPL", "Aapl Incorporated", "269.70", "USD", "-0.75", "-0.28"],
            ["BTC-USD", "Btc-Usd Incorporated", "1234567.89", "USD", "15185.19", "1.23"],
        ]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", cells[0][-1])
        await expect(ann.page.get_by_role("complementary")).to_have_count(0)


async def test_the_whole_board_is_copied_as_it_is_shown_also_without_the_browsers_leave(
    browser: Browser, scene: Scene
) -> None:
    await scene.save("AAPL", "MSFT", "TSLA")
    scene.source.figures["MSFT"]["name"] = "=HYPERLINK(1)\tand more"
    async with visitor(browser, scene.address, **window(390), locale="de-DE") as ann:
        # A page that came over plain HTTP from another machine has no such thing.
        await ann.page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300,00")
        await ann.page.get_by_role("columnheader", name="Price").get_by_role("button").click()
        await ann.page.get_by_role("button", name="Filter", exact=True).click()
        field = ann.page.get_by_label("Filter: part of a symbol or a name")
        await field.fill("s")
        await expect(ann.page.locator("tbody tr:visible")).to_have_count(2)
        await ann.page.get_by_role("button", name="Copy the board").click()
        await expect(ann.notices).to_contain_text("2 rows copied.")
        text = await paste_into_area(ann)
        lines = [line.split("\t") for line in text.split("\n")]
        assert lines[0][:6] == ["Symbol", "Name", "Price", "Currency", "Change", "Change %"]
        assert [line[:3] for line in lines[1:]] == [
            ["TSLA", "Tsla Incorporated", "300,00"],
            ["MSFT", "'=HYPERLINK(1) and more", "200,00"],
        ]


async def paste_into_area(ann: Visitor) -> str:
    """Paste into a field of the page, as a person does who has no other way to look."""
    await ann.page.evaluate("() => document.body.appendChild(document.createElement('textarea')).focus()")
    await ann.page.keyboard.press("Control+v")
    return await ann.page.locator("body > textarea").input_value()


async def test_the_board_is_downloaded_as_csv(browser: Browser, scene: Scene) -> None:
    scene.source.prices |= HARD
    await scene.save("AAPL", "SHIB-USD")
    scene.source.figures["AAPL"]["name"] = 'Apple, "Inc."'
    async with visitor(browser, scene.address, **window(1440), locale="de-DE") as ann:
        await ann.log_in("ann")
        await expect(ann.price("AAPL")).to_have_text("269,70")
        async with ann.page.expect_download() as download:
            await ann.page.get_by_role("button", name="Download the board as CSV").click()
        file = await download.value
        text = await asyncio.to_thread(Path(await file.path()).read_bytes)
        assert file.suggested_filename.startswith("stocktrack-main-")
        first, apple, shiba, end = text.decode().split("\r\n")
        assert first.startswith("Symbol,Name,Price,Currency,Change,Change %")
        assert apple.startswith('AAPL,"Apple, ""Inc.""",269.70,USD,')
        assert ",0.00001234,USD," in shiba
        assert end == ""


async def test_marking_a_price_opens_no_panel_and_a_click_does(browser: Browser, scene: Scene) -> None:
    await scene.save("AAPL", "TSLA")
    async with visitor(browser, scene.address, **window(1440)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        await ann.page.keyboard.press("Escape")
        panel = ann.page.get_by_role("complementary")
        await expect(panel).to_have_count(0)
        box = await ann.box(ann.price("TSLA"))
        await ann.page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
        await ann.page.mouse.down()
        await ann.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=5)
        # A price that changes meanwhile takes the mark away; it is no click for all that.
        scene.source.prices["TSLA"] = 301.0
        await scene.clock.advance(POLL_SECONDS)
        await expect(ann.price("TSLA")).to_have_text("301.00")
        await ann.page.mouse.up()
        await expect(panel).to_have_count(0)
        await ann.price("TSLA").click()
        await expect(ann.page.get_by_role("complementary", name="TSLA")).to_be_visible()


# --- paper ---


async def test_on_paper_there_are_all_rows_the_time_and_nothing_else(browser: Browser, scene: Scene) -> None:
    await scene.save(*(f"SYM{number}" for number in range(120)))
    async with visitor(browser, scene.address, **window(1440), color_scheme="dark") as ann:
        await ann.log_in("ann")
        await expect(ann.price("SYM0")).to_have_text("20.00")
        sheets = await ann.page.pdf(format="A4")
        assert sheets.startswith(b"%PDF")
        assert 3 <= len(re.findall(rb"/Type\s*/Page\b", sheets)) <= 6
        await ann.page.emulate_media(media="print")
        await ann.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        for hidden in ("header.top", ".panel", ".board-top", ".c-remove >> nth=0"):
            await expect(ann.page.locator(hidden)).to_be_hidden()
        await expect(ann.page.locator("tbody tr:visible")).to_have_count(120)
        await expect(ann.page.locator(".print-note")).to_have_text(re.compile(r"^StockTrack · .*\d\d:\d\d"))
        await expect(ann.page.locator(".board thead")).to_have_css("display", "table-header-group")
        await expect(ann.price("SYM3")).to_have_css("color", "rgb(0, 0, 0)")
        await expect(ann.page.locator(".board")).to_have_css("background-color", "rgb(255, 255, 255)")
        await ann.page.emulate_media(media="screen")
        await ann.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        await expect(ann.page.locator("header.top")).to_be_visible()


# --- the day's line ---


async def test_the_line_has_the_colour_of_the_change_beside_it_and_says_what_it_shows(
    browser: Browser, scene: Scene
) -> None:
    await scene.save("TSLA")
    async with visitor(browser, scene.address, **window(1440)) as ann:
        await ann.log_in("ann")
        await expect(ann.price("TSLA")).to_have_text("300.00")
        # It falls since the page was opened, and is above the close before all the same.
        scene.source.prices["TSLA"] = 299.0
        scene.source.figures["TSLA"] |= {"change": 2.69, "change_percent": 0.9}
        await scene.clock.advance(POLL_SECONDS)
        row = ann.row("TSLA")
        await expect(row).to_have_class(re.compile(r"\bup\b"))
        await expect(row.locator(".c-trend")).to_have_text(
            "Prices since you opened the page, from 300.00 to 299.00; "
            "above the last close, as the change beside it says."
        )
        await expect(row.locator(".c-trend canvas")).to_have_attribute("title", re.compile("^Prices since you opened"))
        await ann.page.wait_for_function(
            """() => {
              const canvas = document.querySelector(".c-trend canvas");
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              let [green, red] = [0, 0];
              for (let at = 0; at < data.length; at += 4) {
                if (data[at + 3] < 128) continue;
                if (data[at + 1] > data[at]) green += 1;
                else red += 1;
              }
              return green > 20 && red === 0;
            }"""
        )
