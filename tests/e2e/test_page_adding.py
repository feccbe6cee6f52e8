"""The field that adds stocks takes what is shown and never another stock, however slow the network is, and says so."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, WebSocketRoute, expect

from browser import PHONE, Visitor, visitor
from page_market import Market, market
from stocktrack.errors import ProviderError, Reason
from stocktrack.quotes import Match

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<img src=x onerror=alert(1)> \u202egnp.exe & \u0645\u0631\u062d\u0628\u0627 " + "long " * 60


class SlowWire:
    """The page's WebSocket, whose answers to SEARCH come when the test says so; `cut` ends it."""

    def __init__(self) -> None:
        self.is_slow = False
        self.searches = 0
        self._held: list[str | bytes] = []
        self._to_page: WebSocketRoute | None = None

    async def take_over(self, page: Page) -> None:
        await page.route_web_socket("**/ws", self._connect)

    def release(self) -> None:
        assert self._to_page is not None
        held, self._held = self._held, []
        for message in held:
            self._to_page.send(message)

    async def cut(self) -> None:
        assert self._to_page is not None
        await self._to_page.close()

    def _connect(self, to_page: WebSocketRoute) -> None:
        self._to_page = to_page
        to_page.connect_to_server().on_message(self._answered)

    def _answered(self, message: str | bytes) -> None:
        assert self._to_page is not None
        is_search = '"type":"SEARCH"' in str(message)
        self.searches += is_search
        # What comes after it waits behind it, as on a slow network.
        if self.is_slow and (is_search or self._held):
            self._held.append(message)
        else:
            self._to_page.send(message)


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path, "ann") as house:
        house.provider.prices |= {"DIS": 90.0, "V": 280.0, "KO": 60.0, "WALT": 1.0, "TSLA": 300.0, "VOD.L": 70.0}
        house.provider.prices |= {"NSE:INFY": 1500.0, "X.Y": 5.0}
        house.provider.matches = [
            Match(symbol="DIS", name="The Walt Disney Company", exchange="NYSE"),
            Match(symbol="V", name="Visa Inc.", exchange="NYSE"),
            Match(symbol="TSLA", name="Tesla, Inc.", exchange="NASDAQ"),
            Match(symbol="VOD.L", name="Vodafone Group", exchange="LSE"),
            Match(symbol="X.Y", name=HOSTILE, exchange="<b>NYSE</b>"),
        ]
        yield house


@contextlib.asynccontextmanager
async def at_work(browser: Browser, house: Market, **options: object) -> AsyncIterator[tuple[Visitor, SlowWire]]:
    """Ann, with an empty board and the field in focus."""
    async with visitor(browser, house.address, **options) as ann:  # type: ignore[arg-type]
        wire = SlowWire()
        await wire.take_over(ann.page)
        await ann.log_in("ann")
        await expect(ann.page.get_by_text("Your board is empty")).to_be_visible()
        await field_of(ann).focus()
        yield ann, wire


def field_of(ann: Visitor) -> Locator:
    return ann.page.get_by_role("combobox")


async def on_board(ann: Visitor, *symbols: str) -> None:
    """The board holds these in this order, and nothing else."""
    for symbol in symbols:
        await expect(ann.row(symbol)).to_be_visible()
    await expect(ann.page.locator("tbody tr[data-symbol]")).to_have_count(len(symbols))
    shown = await ann.page.locator("tbody tr").evaluate_all("(rows) => rows.map((row) => row.dataset.symbol)")
    assert shown == [*symbols]


async def test_two_words_are_the_company_that_is_shown(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, _):
        await field_of(ann).fill("Walt Disney")
        await expect(ann.page.get_by_role("option")).to_have_count(1)
        await expect(ann.page.get_by_role("option").locator(".return-key")).to_have_text("↵")
        await field_of(ann).press("Enter")
        await on_board(ann, "DIS")
        await expect(field_of(ann)).to_have_value("")
        await expect(ann.notices).to_be_empty()


async def fail(_query: str, _limit: int) -> list[Match]:
    """A search that its source refuses."""
    raise ProviderError(Reason.PROVIDER_BLOCKED, "scripted says 429.")


async def test_where_the_search_fails_no_word_of_a_name_is_added(
    browser: Browser, house: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.provider, "search", fail)
    async with at_work(browser, house) as (ann, _):
        await ann.add("WALT DISNEY")
        await expect(ann.notices).to_contain_text("“WALT DISNEY” was not added.")
        await on_board(ann)


@pytest.mark.parametrize("text", ["Walt Disney, V", "walt disney", "WALT DISNEY"])
async def test_a_word_of_a_name_never_adds_the_stock_that_is_called_so_and_the_unknown_one_is_named(
    browser: Browser, house: Market, text: str
) -> None:
    house.provider.matches = []
    async with at_work(browser, house) as (ann, _):
        await ann.add(text)
        await expect(ann.notices).to_contain_text("No source knows DISNEY, and nothing was added. Put commas")
        await on_board(ann)


async def test_words_of_which_no_source_knows_any_are_told_as_they_were_typed(browser: Browser, house: Market) -> None:
    house.provider.matches = []
    async with at_work(browser, house) as (ann, _):
        await ann.add("NOBODY KNOWS ME")
        await expect(ann.notices).to_contain_text("No source knows “NOBODY KNOWS ME”. Put commas between symbols")
        await on_board(ann)


async def test_where_nobody_can_say_whether_words_are_symbols_none_is_added_without_commas(
    browser: Browser, house: Market
) -> None:
    async with at_work(browser, house) as (ann, _):
        await expect(ann.page.locator("[data-starter]")).to_have_count(3)  # so TSLA is known
        house.provider.script = "blocked"
        await ann.add("KO TSLA")
        await expect(ann.notices).to_contain_text("No source can say now whether it knows KO, and nothing was added.")
        await on_board(ann)
        await ann.add("KO, TSLA")
        await on_board(ann, "KO", "TSLA")


async def test_words_that_are_all_symbols_are_added_and_commas_say_so_at_once(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, wire):
        await ann.add("ko v")
        await on_board(ann, "KO", "V")
        wire.is_slow = True
        await ann.add("aapl, vod.l;nse:infy")
        await on_board(ann, "KO", "V", "AAPL", "VOD.L", "NSE:INFY")


async def test_what_was_marked_for_another_text_is_not_added(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, wire):
        await field_of(ann).fill("visa")
        await expect(ann.page.get_by_role("option")).to_have_count(1)
        wire.is_slow = True
        await field_of(ann).press("ArrowDown")
        await expect(ann.page.get_by_role("option", selected=True)).to_contain_text("Visa")
        await field_of(ann).press("ControlOrMeta+a")
        await field_of(ann).press_sequentially("KO")
        await field_of(ann).press("Enter")
        await on_board(ann)
        wire.release()
        wire.is_slow = False
        await on_board(ann, "KO")


async def test_after_a_suggestion_the_next_text_is_taken_at_once(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, _):
        await field_of(ann).fill("visa")
        await ann.page.get_by_role("option").click()
        # Faster than the answer.
        await field_of(ann).evaluate(
            """(field) => {
              field.value = "KO";
              field.dispatchEvent(new Event("input", { bubbles: true }));
              field.form.requestSubmit();
            }"""
        )
        await on_board(ann, "V", "KO")
        await field_of(ann).fill("tesla")
        await expect(ann.page.get_by_role("option")).to_have_count(1)
        await field_of(ann).press("ArrowDown")
        await field_of(ann).press("Enter")
        await ann.add("aapl")
        await on_board(ann, "V", "KO", "TSLA", "AAPL")


async def test_the_return_key_waits_for_the_suggestions_shows_it_and_escape_gives_up(
    browser: Browser, house: Market
) -> None:
    async with at_work(browser, house) as (ann, wire):
        wire.is_slow = True
        await ann.add("tesla")
        await expect(ann.page.get_by_text("Searching … Esc gives up")).to_be_visible()
        await expect(field_of(ann)).to_have_attribute("aria-busy", "true")
        await field_of(ann).press("Escape")
        await expect(ann.page.get_by_text("Searching …")).to_have_count(0)
        wire.release()
        await expect(ann.page.get_by_role("option")).to_have_count(1)
        await on_board(ann)
        await expect(field_of(ann)).to_have_value("tesla")
        wire.is_slow = False
        await field_of(ann).press("Enter")
        await on_board(ann, "TSLA")
        wire.is_slow = True
        await ann.add("visa")
        await expect(ann.page.get_by_text("Searching …")).to_be_visible()
        wire.release()
        wire.is_slow = False
        await on_board(ann, "TSLA", "V")


async def test_a_connection_that_is_lost_meanwhile_is_told_and_nothing_is_added(
    browser: Browser, house: Market
) -> None:
    async with at_work(browser, house) as (ann, wire):
        wire.is_slow = True
        await ann.add("tesla")
        await expect(ann.page.get_by_text("Searching …")).to_be_visible()
        await wire.cut()
        await expect(ann.notices).to_contain_text("The connection to the server is lost. “tesla” was not added.")
        wire.is_slow = False
        await expect(field_of(ann)).to_be_enabled()
        await on_board(ann)


async def test_a_search_that_fails_leaves_symbols_to_be_typed(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, _):
        await ann.add("KO")
        await on_board(ann, "KO")
        house.provider.script = "blocked"
        await ann.add("ko")
        await expect(ann.notices).to_contain_text("KO is on this list already.")
        await ann.add("Société Générale")
        await expect(ann.notices).to_contain_text("“Société” is no symbol, and no company of this name is found.")
        await on_board(ann, "KO")


async def test_a_part_of_a_name_adds_the_first_suggestion_and_says_so(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, _):
        await ann.add("vodaf")
        await on_board(ann, "VOD.L")
        await expect(ann.notices).to_contain_text("No source knows VODAF. VOD.L was added, the first suggestion.")


async def test_what_is_there_already_is_said_and_shown(browser: Browser, house: Market) -> None:
    house.provider.prices |= {f"N{number}": 1.0 for number in range(60)}
    async with at_work(browser, house) as (ann, _):
        await ann.add(", ".join(f"N{number}" for number in range(60)))
        await expect(ann.row("N59")).to_have_count(1)
        await ann.page.evaluate("scrollTo(0, 0)")
        await expect(ann.row("N59")).not_to_be_in_viewport()
        await ann.add("n59")
        await expect(ann.notices).to_contain_text("N59 is on this list already.")
        await expect(ann.row("N59")).to_be_in_viewport()
        await expect(ann.page.locator('[data-pick="N59"]')).to_have_attribute("tabindex", "0")


async def test_five_hundred_symbols_are_pasted_and_one_more_is_refused(browser: Browser, house: Market) -> None:
    symbols = [f"N{number}" for number in range(500)]
    house.provider.prices |= dict.fromkeys([*symbols, "ONE.MORE"], 1.0)
    async with at_work(browser, house) as (ann, _):
        await paste(ann, "\n".join(symbols))
        await field_of(ann).press("Enter")
        await expect(ann.page.locator("tbody tr[data-symbol]")).to_have_count(500)
        await expect(ann.page.locator("#announcer")).to_contain_text("500 stocks added.")
        await ann.add("ONE.MORE")
        await expect(ann.notices).to_contain_text("at most 500")
        await expect(ann.page.locator("tbody tr[data-symbol]")).to_have_count(500)


async def paste(ann: Visitor, text: str) -> None:
    await field_of(ann).evaluate(
        """(field, text) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", text);
          field.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
        }""",
        text,
    )


@pytest.mark.parametrize(
    "text",
    [
        "KO\nV\r\nTSLA\n",
        "KO\tV\tTSLA",
        "Symbol\tName\tPrice\nKO\tCoca-Cola\t60.10\nV\tVisa Inc.\t280\nTSLA\tTesla, Inc.\t300.00\n",
        "Coca-Cola Co\tKO\nVisa Inc.\tV\nTesla, Inc.\tTSLA\n",
    ],
)
async def test_lines_and_cells_of_a_spreadsheet_can_be_pasted(browser: Browser, house: Market, text: str) -> None:
    async with at_work(browser, house) as (ann, _):
        await paste(ann, text)
        await expect(field_of(ann)).to_have_value("KO, V, TSLA")
        await field_of(ann).press("Enter")
        await on_board(ann, "KO", "V", "TSLA")


async def test_the_return_key_that_ends_the_writing_of_a_word_adds_nothing(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, wire):
        typist = await ann.page.context.new_cdp_session(ann.page)
        await typist.send("Input.imeSetComposition", {"text": "てす", "selectionStart": 2, "selectionEnd": 2})
        await field_of(ann).dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True})
        await ann.page.evaluate("document.querySelector('.add').requestSubmit()")
        assert await ann.notices.inner_text() == ""
        assert wire.searches == 0
        await typist.send("Input.insertText", {"text": "tesla"})
        await expect(ann.page.get_by_role("option")).to_have_count(1)
        await field_of(ann).press("Enter")
        await on_board(ann, "TSLA")


async def test_hostile_names_are_text_and_stay_in_their_place(browser: Browser, house: Market) -> None:
    async with at_work(browser, house, **PHONE) as (ann, _):
        await field_of(ann).fill("img")
        option = ann.page.get_by_role("option")
        await expect(option).to_contain_text("<img src=x onerror=alert(1)>")
        assert await ann.page.locator("#suggestions img, #suggestions b").count() == 0
        assert await ann.page.evaluate("document.documentElement.scrollWidth") <= 390
        await option.click()
        await on_board(ann, "X.Y")


async def test_a_suggestion_that_is_hidden_is_not_taken_and_the_tab_key_hides_all(
    browser: Browser, house: Market
) -> None:
    async with at_work(browser, house) as (ann, _):
        field, suggestions = field_of(ann), ann.page.get_by_role("listbox", name="Suggestions")
        await field.press_sequentially("V")
        await expect(suggestions.get_by_role("option").first).to_be_visible()
        await field.press("ArrowUp")
        await expect(suggestions.locator("[aria-selected=true]")).not_to_have_attribute("data-suggestion", "V")
        await field.press("Escape")
        await expect(suggestions).to_be_hidden()
        await field.press("Enter")
        await on_board(ann, "V")
        await field.press_sequentially("v")
        await expect(suggestions).to_be_visible()
        await field.press("Tab")
        await ann.page.keyboard.press("Tab")
        await expect(suggestions).to_be_hidden()


async def test_a_long_text_that_is_no_symbol_leaves_the_page_to_be_seen(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, _):
        await field_of(ann).fill("x" * 30_000)
        await field_of(ann).press("Enter")
        notice = ann.page.locator(".notice")
        await expect(notice).to_contain_text("is no symbol")
        box = await ann.box(notice)
        assert box["height"] < 200


async def test_the_number_of_suggestions_is_said(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, _):
        said = ann.page.locator("#announcer")
        await field_of(ann).fill("inc")
        await expect(said).to_contain_text("2 suggestions.")
        await field_of(ann).fill("disney")
        await expect(said).to_contain_text("1 suggestion: DIS, The Walt Disney Company")


async def test_an_empty_board_offers_stocks_that_the_sources_know(browser: Browser, house: Market) -> None:
    async with at_work(browser, house) as (ann, _):
        starters = ann.page.locator("[data-starter]")
        await expect(starters).to_have_count(3)
        offered = await starters.evaluate_all("(buttons) => buttons.map((button) => button.dataset.starter)")
        assert offered == ["AAPL", "MSFT", "TSLA"]  # this source does not know NVDA
        await ann.page.locator('[data-starter="MSFT"]').click()
        await on_board(ann, "MSFT")
        await ann.row("MSFT").get_by_role("button", name="Remove").click()
        await ann.page.get_by_role("button", name="Add all 3").click()
        await on_board(ann, "AAPL", "MSFT", "TSLA")


async def test_a_source_that_knows_none_of_them_has_none_offered(browser: Browser, house: Market) -> None:
    house.provider.prices = {"KO": 60.0}
    async with at_work(browser, house) as (ann, _):
        await ann.add("KO")
        await on_board(ann, "KO")
        await ann.row("KO").get_by_role("button", name="Remove").click()
        await expect(ann.page.get_by_text("Your board is empty")).to_be_visible()
        await expect(ann.page.locator("[data-starter]")).to_have_count(0)
