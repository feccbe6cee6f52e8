"""The board as the home of `stocktrack client`: lists as tabs, a picker, remove and undo, links, and commands."""

import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import ServerProcess, Terminal, program_environment, run_stocktrack, terminal_program

# So long a client waits for an answer.
ANSWER_SECONDS = 10.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def lists(server: ServerProcess, tmp_path: Path) -> None:
    """Ann has the lists main and tech, whatever the test before has left her."""
    for name in ("main", "tech"):
        symbols = {"main": "AAPL,TSLA", "tech": "NVDA,MSFT"}[name]
        run_stocktrack("stocks", "--list", name, "--set", symbols, home=tmp_path, port=server.port)


def rows_of(terminal: Terminal) -> list[str]:
    """The symbols of the rows on the board, in their order."""
    found = []
    for line in terminal.lines[2:]:
        words = line.removeprefix("▸").split()
        if not words:
            break
        found.append(words[0])
    return found


def selected(terminal: Terminal) -> list[str]:
    return [line.split()[1] for line in terminal.lines if line.startswith("▸")]


def wait_rows(terminal: Terminal, *symbols: str) -> None:
    terminal.wait_until(lambda: rows_of(terminal) == [*symbols], f"for the rows {symbols}")


def saved(server: ServerProcess, home: Path, name: str) -> list[str]:
    """A list as another window sees it."""
    with terminal_program("stocks", "--list", name, "--format", "tsv", home=home, port=server.port) as terminal:
        assert terminal.wait_exit() == 0
        return [line.split()[0] for line in terminal.lines if line and not line.startswith("stocktrack:")]


@pytest.mark.usefixtures("lists")
def test_the_client_opens_on_the_saved_list_and_tab_goes_through_the_lists(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[main] tech", "q quit")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("\t")
        terminal.wait_for("main [tech]")
        wait_rows(terminal, "NVDA", "MSFT")
        terminal.type("\x1b[Z")
        terminal.wait_for("[main] tech")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("q")
        assert terminal.wait_exit() == 0


@pytest.mark.usefixtures("lists")
def test_a_click_on_a_tab_shows_its_list(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[main] tech")
        wait_rows(terminal, "AAPL", "TSLA")
        column = terminal.lines[0].index("tech") + 1
        terminal.type(f"\x1b[<0;{column};1M\x1b[<0;{column};1m")
        terminal.wait_for("main [tech]")
        wait_rows(terminal, "NVDA", "MSFT")


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(
    ("keys", "shown"), [("j\r", "q back"), ("?", "select a row"), ("a", "Add to"), (":help\r", ":help")]
)
def test_another_list_is_seen_whatever_lay_over_the_one_before(
    server: ServerProcess, tmp_path: Path, keys: str, shown: str
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[main] tech")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type(keys)
        terminal.wait_for(shown)
        terminal.click(terminal.lines[0].index("tech"), 0)
        terminal.wait_for("main [tech]")
        wait_rows(terminal, "NVDA", "MSFT")


@pytest.mark.usefixtures("lists")
def test_a_click_chooses_in_the_picker_and_another_one_adds(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("amicroso")
        terminal.wait_for("▸ MSFT", "  MICROSO")
        terminal.click(3, 3)
        terminal.wait_for("▸ MICROSO")
        terminal.click(3, 2)
        terminal.wait_for("▸ MSFT")
        terminal.click(3, 2)
        terminal.wait_for("MSFT is on main.")
        wait_rows(terminal, "AAPL", "TSLA", "MSFT")


@pytest.mark.usefixtures("lists")
def test_a_click_on_a_range_draws_it_and_a_narrow_terminal_has_it_in_sight(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port, columns=30) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("j\r")
        terminal.wait_for("[1d]")
        terminal.click(terminal.lines[1].index("6mo"), 1)
        terminal.wait_for("[6mo]")
        terminal.type("\x1b[C" * 9)
        terminal.wait_for("[max]")


@pytest.mark.usefixtures("lists")
def test_a_name_is_found_that_no_column_shows(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port, columns=80) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("/apple")
        terminal.wait_for("1 of 2 with APPLE")
        wait_rows(terminal, "AAPL")


@pytest.mark.usefixtures("lists")
def test_a_stock_is_found_as_its_name_is_typed_added_removed_and_brought_back_to_its_place(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("a")
        terminal.wait_for("Add to main: ▁", "Type a part of a name")
        terminal.type("microso")
        terminal.wait_for("▸ MSFT", "Microsoft Corporation")
        terminal.type("\r")
        terminal.wait_for("MSFT is on main.")
        wait_rows(terminal, "AAPL", "TSLA", "MSFT")
        assert saved(server, tmp_path, "main") == ["AAPL", "TSLA", "MSFT"]

        terminal.type("k")
        terminal.wait_until(lambda: selected(terminal) == ["TSLA"], "for the row above")
        terminal.type("d")
        terminal.wait_for("TSLA is off main; u brings it back.")
        wait_rows(terminal, "AAPL", "MSFT")
        assert saved(server, tmp_path, "main") == ["AAPL", "MSFT"]
        terminal.type("d")
        wait_rows(terminal, "AAPL")

        terminal.type("u")
        wait_rows(terminal, "AAPL", "MSFT")
        terminal.type("u")
        terminal.wait_for("TSLA is back on main.")
        wait_rows(terminal, "AAPL", "TSLA", "MSFT")
        assert selected(terminal) == ["TSLA"]
        assert saved(server, tmp_path, "main") == ["AAPL", "TSLA", "MSFT"]
        terminal.type("u")
        terminal.wait_for("Nothing to bring back.")


@pytest.mark.usefixtures("lists")
def test_keys_that_come_faster_than_answers_mean_the_next_row_and_the_next_list(
    server: ServerProcess, tmp_path: Path
) -> None:
    run_stocktrack("stocks", "--set", "AAPL,TSLA,OCDO.L,VOD.L", home=tmp_path, port=server.port)
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA", "OCDO.L", "VOD.L")
        terminal.type("jddjd")
        terminal.wait_for("VOD.L is off main; u brings it back.")
        wait_rows(terminal, "OCDO.L")
        terminal.type("uuu")
        terminal.wait_for("AAPL is back on main.")
        wait_rows(terminal, "AAPL", "TSLA", "OCDO.L", "VOD.L")
        terminal.type("\t\t\t")
        terminal.wait_for("main [tech]")
        wait_rows(terminal, "NVDA", "MSFT")
    assert saved(server, tmp_path, "main") == ["AAPL", "TSLA", "OCDO.L", "VOD.L"]


@pytest.mark.usefixtures("lists")
def test_what_the_picker_cannot_add_is_said_and_esc_adds_nothing(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("anope\r")
        terminal.wait_for("No source knows the symbol NOPE.")
        terminal.type("aaapl")
        terminal.wait_for("▸ AAPL", "Apple Inc.")
        terminal.type("\r")
        terminal.wait_for("AAPL is here already.")
        terminal.type("anvda\x1b")
        terminal.wait_until(lambda: "Add to" not in terminal.screen, "for the board")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("d")  # the row that the picker has chosen
        terminal.wait_for("AAPL is off main")
    assert saved(server, tmp_path, "main") == ["TSLA"]


def test_an_empty_list_says_how_to_begin_and_the_first_stock_begins_it(server: ServerProcess, tmp_path: Path) -> None:
    run_stocktrack("stocks", "--set", "AAPL", home=tmp_path, port=server.port)
    run_stocktrack("stocks", "--remove", "AAPL", home=tmp_path, port=server.port)
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("main is empty: a adds a stock.", "0 symbols")
        terminal.type("d")
        terminal.wait_for("Select a row first")
        terminal.type("aTSLA")
        terminal.wait_for("▸ TSLA", "Tesla")
        terminal.type("\r")
        terminal.wait_for("TSLA is on main.")
        wait_rows(terminal, "TSLA")
    assert saved(server, tmp_path, "main") == ["TSLA"]


@pytest.mark.usefixtures("lists")
def test_commands_are_typed_behind_a_colon_and_answered_over_the_board(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type(":ge\t")
        terminal.wait_for(":get")
        terminal.type(" MSFT\r")
        terminal.wait_for(":get MSFT", "Microsoft Corporation", "q back")
        terminal.type("q")
        wait_rows(terminal, "AAPL", "TSLA")

        terminal.enter(":help")
        terminal.wait_for(":help  1-")
        terminal.type("\x1b[6~")
        terminal.wait_until(lambda: ":help  1-" not in terminal.screen and ":help " in terminal.screen, "for more")
        terminal.type("\x1b")
        wait_rows(terminal, "AAPL", "TSLA")

        terminal.enter(":chart AAPL 1mo")
        terminal.wait_for(":chart AAPL 1mo", "┤")
        terminal.type("\r")
        terminal.enter(":dividends")
        terminal.wait_for("Symbol:")
        terminal.type("\x1b")
        terminal.wait_until(lambda: "q quit" in terminal.lines[-1], "for the question to go")
        terminal.enter(":dividends")
        terminal.wait_for("Symbol:")
        terminal.enter("back")
        terminal.wait_until(lambda: "q quit" in terminal.lines[-1], "for the question to go")
        assert "live board" not in terminal.text  # there is no menu here
        terminal.enter(":gte AAPL")
        terminal.wait_for("There is no command 'gte'. Did you mean 'get'?")
        terminal.type(":")
        terminal.wait_until(lambda: terminal.cursor_line == ":", "for the line")
        terminal.type("\x1b[A")
        terminal.wait_until(lambda: terminal.cursor_line == ":gte AAPL", "for what was typed before")
        terminal.type("\x03")
        terminal.wait_until(lambda: "q quit" in terminal.lines[-1], "for the keys")
        terminal.enter(":exit")
        assert terminal.wait_exit() == 0


@pytest.mark.usefixtures("lists")
def test_commands_that_change_the_lists_change_the_board(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.enter(":subscribe BTC-USD --list coins")
        terminal.wait_for("BTC-USD is on coins.", "main [coins] tech")
        wait_rows(terminal, "BTC-USD")
        terminal.enter(":lists rename coins crypto")
        terminal.wait_for("main [crypto] tech")
        terminal.enter(":lists remove crypto")
        terminal.wait_for("[y/N]")
        terminal.enter("y")
        terminal.wait_for("main [tech]")
        wait_rows(terminal, "NVDA", "MSFT")
        terminal.type("\t")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.enter(":stocks first TSLA")
        wait_rows(terminal, "TSLA", "AAPL")
        terminal.enter(":unsubscribe")
        terminal.wait_for("Take all stocks off your list? [y/N]")
        terminal.enter("n")
        terminal.wait_until(lambda: "q quit" in terminal.lines[-1], "for the keys")
        wait_rows(terminal, "TSLA", "AAPL")
        terminal.enter(":unsubscribe TSLA")
        terminal.wait_for("Taken off: TSLA.")
        wait_rows(terminal, "AAPL")
        terminal.enter(":stop")
        terminal.wait_for("The board is live as long as it is open")


@pytest.mark.usefixtures("lists")
def test_what_another_window_changes_in_the_lists_is_seen_on_the_open_board(
    server: ServerProcess, tmp_path: Path
) -> None:
    def elsewhere(*arguments: str) -> None:
        run_stocktrack(*arguments, home=tmp_path, port=server.port)

    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[main] tech")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("\t")
        wait_rows(terminal, "NVDA", "MSFT")
        elsewhere("stocks", "--list", "tech", "--set", "MSFT,BTC-USD,NVDA")
        wait_rows(terminal, "MSFT", "BTC-USD", "NVDA")
        elsewhere("stocks", "--list", "coins", "--add", "BTC-USD")
        terminal.wait_until(lambda: "coins" in terminal.lines[0], "for the tab of another list")
        elsewhere("lists", "rename", "tech", "chips")
        terminal.wait_until(lambda: "[chips]" in terminal.lines[0], "for the other name")
        elsewhere("lists", "order", "chips", "main")
        terminal.wait_for("[chips] main coins")
        wait_rows(terminal, "MSFT", "BTC-USD", "NVDA")
        elsewhere("lists", "remove", "chips", "coins")
        terminal.wait_for("was emptied or deleted elsewhere.")
        wait_rows(terminal, "AAPL", "TSLA")


@pytest.mark.usefixtures("lists")
def test_a_page_over_the_board_is_laid_out_anew_when_the_terminal_is_resized(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port, columns=100) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.enter(":chart AAPL 5d")
        terminal.wait_until(lambda: max(map(len, terminal.lines[2:])) > 90, "for a chart of 100 columns")
        terminal.resize(60, 20)
        terminal.wait_until(lambda: terminal.lines[1] == ":chart AAPL 5d", "for a page that needs no scrolling")
        assert 50 < max(map(len, terminal.lines[2:])) <= 60
        terminal.type("q")
        terminal.enter(":get AAPL")
        terminal.wait_for(":get AAPL")
        assert "Name" not in terminal.lines[2]
        terminal.resize(110, 20)
        terminal.wait_until(lambda: "Name" in terminal.lines[2], "for the columns of a wide terminal")


@pytest.mark.usefixtures("lists")
def test_what_is_watched_by_name_has_a_tab_of_its_own_and_is_saved_nowhere(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("watch", "BTC-USD", "nope", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[watched] main tech", "NOPE", "unknown symbol")
        wait_rows(terminal, "BTC-USD", "NOPE")
        terminal.type("anvda")
        terminal.wait_for("▸ NVDA", "NVIDIA")
        terminal.type("\r")
        terminal.wait_for("NVDA is added.")
        wait_rows(terminal, "BTC-USD", "NOPE", "NVDA")
        terminal.type("\t")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("\x1b[Z")
        wait_rows(terminal, "BTC-USD", "NOPE", "NVDA")
        terminal.type("q")
        assert terminal.wait_exit() == 3
        assert "stocktrack: NOPE: unknown symbol." in terminal.text
    assert saved(server, tmp_path, "main") == ["AAPL", "TSLA"]


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(
    ("keys", "code"), [("q", 0), ("\x1b", 0), ("\x03", 130), ("\x04", 0), (":exit\r", 0), (":q\r", 0)]
)
def test_it_is_left(server: ServerProcess, tmp_path: Path, keys: str, code: int) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type(keys)
        assert terminal.wait_exit() == code
        assert terminal.screen in {"", keys[:-1]}, "nothing is left of the board"


@pytest.mark.usefixtures("lists")
def test_sigterm_leaves_in_order_with_143(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type(":get")
        terminal.wait_for(":get")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 143
        assert b"\x1b[?1049l" in terminal.raw


@pytest.mark.usefixtures("lists")
def test_a_pasted_list_of_commands_runs_and_a_paste_at_the_board_does_not(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.paste("dddq\n")
        terminal.wait_for("Type : and then paste")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type(":")
        terminal.paste("subscribe NVDA\nsubscribe MSFT\nget A")
        wait_rows(terminal, "AAPL", "TSLA", "NVDA", "MSFT")
        terminal.wait_until(lambda: terminal.cursor_line == ":get A", "for the line that has no end")


@pytest.mark.usefixtures("lists")
def test_o_in_the_detail_opens_the_headline_in_the_browser(server: ServerProcess, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    with terminal_program("client", home=tmp_path, port=server.port, rows=60, BROWSER=str(browser)) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("o")
        terminal.wait_for("Enter opens a symbol's news")
        terminal.type("\r")
        terminal.wait_for("\n1 ", "\n2 ")
        terminal.type("o")
        terminal.wait_until(opened.exists, "for the browser")
        terminal.type("2")
        terminal.wait_until(lambda: len(opened.read_text().split()) == 2, "for the second page")
        links = opened.read_text().split()
        assert all(link.startswith("https://example.com/simulated-news/") for link in links)
        assert links[0] != links[1]
        terminal.wait_for("q back")


@pytest.mark.usefixtures("lists")
def test_without_a_browser_the_link_is_shown(server: ServerProcess, tmp_path: Path) -> None:
    screenless = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    environment = program_environment(tmp_path, server.port, **screenless)
    with Terminal("client", environment=environment, rows=60) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("\r")
        terminal.wait_for("\n1 ")
        terminal.type("o")
        terminal.wait_for("No browser is to be had here: https://example.com/simulated-news/")


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize("columns", [40, 80, 120])
def test_each_of_its_screens_fits(server: ServerProcess, tmp_path: Path, columns: int) -> None:
    with terminal_program("client", home=tmp_path, port=server.port, columns=columns, rows=16) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("?")
        terminal.wait_for("select a row")
        terminal.type("q")
        terminal.type("aapp")
        terminal.wait_for("▸ AAPL")
        terminal.type("\x1b")
        terminal.enter(":get AAPL")
        terminal.wait_for(":get AAPL")
        terminal.wait_for("q back")
        terminal.type("q")
        wait_rows(terminal, "AAPL", "TSLA")


def test_a_server_that_goes_and_comes_back_has_the_board_live_again(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server") as server:
        run_stocktrack("stocks", "--set", "AAPL,TSLA", home=tmp_path, port=server.port)
        with terminal_program("client", home=tmp_path, port=server.port) as terminal:
            wait_rows(terminal, "AAPL", "TSLA")
            server.stop(signal.SIGKILL)
            terminal.wait_for("disconnected")
            terminal.enter(":get AAPL")
            terminal.wait_for("Not connected")
            server.start()
            terminal.wait_until(lambda: "disconnected" not in terminal.screen, "for the connection")
            terminal.enter(":get MSFT")
            terminal.wait_for("Microsoft")


@pytest.mark.usefixtures("lists")
def test_short_answers_are_seen_below_an_open_page_and_stop_can_be_typed_there(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[main] tech")
        terminal.enter(":info AAPL")
        terminal.wait_for(":info AAPL", "q back")
        terminal.enter(":nope")
        terminal.wait_for("There is no command 'nope'", ":info AAPL", "q back")
        terminal.type(":stop")
        terminal.wait_until(lambda: terminal.cursor_line == ":stop", "for what is typed")
        terminal.enter("")
        terminal.wait_for("q leaves it", ":info AAPL")
        terminal.type("q")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.enter(":info")
        terminal.wait_for("Symbol:")
        terminal.enter("back")
        terminal.wait_until(lambda: "q quit" in terminal.lines[-1], "for the board, without a menu")
        terminal.enter(":help")
        terminal.wait_for("unsubscribe", "off the list that is shown")
        assert "end all pushes" not in terminal.text


@pytest.mark.usefixtures("lists")
def test_tabs_are_gone_through_as_fast_as_the_key_is_pressed_and_leave_what_lay_over_the_last(
    server: ServerProcess, tmp_path: Path
) -> None:
    run_stocktrack("stocks", "--list", "cars", "--set", "F", home=tmp_path, port=server.port)
    try:
        with terminal_program("client", home=tmp_path, port=server.port) as terminal:
            terminal.wait_for("[main]", "tech", "cars")
            wait_rows(terminal, "AAPL", "TSLA")
            names = [part.strip("[]") for part in terminal.lines[0].split()[-3:]]
            terminal.type("\t\t")
            terminal.wait_for(f"[{names[2]}]")
            terminal.type("\x1b[Z\x1b[Z")
            terminal.wait_for("[main]")
            wait_rows(terminal, "AAPL", "TSLA")
            terminal.type("j\r")
            terminal.wait_for("[1d] 5d")
            terminal.type("\t\t\t\t")
            terminal.wait_until(
                lambda: f"[{names[1]}]" in terminal.lines[0] and "[1d] 5d" not in terminal.text, "to go"
            )
            wait_rows(terminal, *(("F",) if names[1] == "cars" else ("NVDA", "MSFT")))
    finally:
        run_stocktrack("lists", "remove", "cars", home=tmp_path, port=server.port)


@pytest.mark.usefixtures("lists")
def test_commands_mean_the_list_that_is_shown(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[main] tech")
        terminal.type("\t")
        wait_rows(terminal, "NVDA", "MSFT")
        terminal.enter(":subscribe KO")
        wait_rows(terminal, "NVDA", "MSFT", "KO")
        terminal.enter(":unsubscribe NVDA")
        wait_rows(terminal, "MSFT", "KO")
        terminal.enter(":unsubscribe")
        terminal.wait_for("Take all stocks off your list tech? [y/N]")
        terminal.enter("n")
        terminal.wait_until(lambda: "q quit" in terminal.lines[-1], "for the board")
        terminal.enter(":stocks first KO")
        wait_rows(terminal, "KO", "MSFT")
    assert saved(server, tmp_path, "main") == ["AAPL", "TSLA"]


@pytest.mark.usefixtures("lists")
def test_sigterm_ends_a_question_too(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("[main] tech")
        terminal.enter(":unsubscribe")
        terminal.wait_for("[y/N]")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 143
    assert saved(server, tmp_path, "main") == ["AAPL", "TSLA"]


def test_a_server_that_hangs_keeps_nobody_on_the_board(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server") as server:
        for keys, code in (("q", 0), (":info AAPL\r", 0), ("\x03", 130)):
            with terminal_program("client", home=tmp_path, port=server.port) as terminal:
                terminal.wait_for("main is empty")
                with server.hanging():
                    terminal.type(keys)
                    if keys.startswith(":"):
                        terminal.wait_for(":info AAPL takes its time; ctrl-c gives it up.")
                        terminal.type("\x03")
                        terminal.wait_for("Given up.")
                        terminal.enter(":info AAPL")
                        terminal.wait_for("takes its time")
                        terminal.type("q")
                    began = time.monotonic()
                    assert terminal.wait_exit() == code
                    assert time.monotonic() - began < ANSWER_SECONDS


def test_a_tab_that_cannot_be_had_leaves_the_one_that_is_shown(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server") as server:
        run_stocktrack("stocks", "--set", "AAPL", home=tmp_path, port=server.port)
        run_stocktrack("stocks", "--list", "tech", "--set", "NVDA", home=tmp_path, port=server.port)
        with terminal_program("client", home=tmp_path, port=server.port) as terminal:
            terminal.wait_for("[main] tech", "AAPL")
            server.stop(signal.SIGKILL)
            terminal.wait_for("disconnected")
            terminal.type("\t")
            terminal.wait_for("Not connected: the server at", "is down. Retrying.", "[main] tech", "AAPL!")
            server.start()
            terminal.wait_until(lambda: "AAPL " in terminal.text and "disconnected" not in terminal.text, "to be back")
            terminal.type("\t")
            terminal.wait_for("main [tech]")
            wait_rows(terminal, "NVDA")


@pytest.mark.usefixtures("lists")
def test_keys_do_nothing_to_rows_below_a_page_and_a_removed_row_has_no_detail(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", home=tmp_path, port=server.port) as terminal:
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("j?")
        terminal.wait_for("these keys")
        terminal.type("ddu")
        terminal.type("q")
        wait_rows(terminal, "AAPL", "TSLA")
        terminal.type("\r")
        terminal.wait_for("[1d] 5d")
        terminal.type("d")
        terminal.wait_for("AAPL is off main; u brings it back.")
        wait_rows(terminal, "TSLA")
    assert saved(server, tmp_path, "main") == ["TSLA"]


def test_on_a_small_terminal_a_long_sentence_is_a_page_of_whole_words(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", home=tmp_path, port=server.port, columns=24, rows=10) as terminal:
        terminal.wait_for("q quit")
        terminal.enter(":nope nope nope nope")
        terminal.wait_for("There is no command", "'nope'. `help` lists", "the commands.", "q back")


def test_lines_behind_exit_in_a_pipe_leave_no_noise(server: ServerProcess, tmp_path: Path) -> None:
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-m", "stocktrack", "client"],
            input="exit\nget AAPL\n" * 2_000,
            env=program_environment(tmp_path, server.port),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "stocktrack: Welcome ann!\n")
