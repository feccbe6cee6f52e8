"""Columns, order, mouse and currency of the board, in a real pseudo-terminal against a real server."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import ServerProcess, Terminal, terminal_program

SYMBOLS = "MSFT,AAPL,OCDO.L,BTC-USD"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


def headings(terminal: Terminal) -> list[str]:
    return terminal.lines[1].split()


def rows(terminal: Terminal, count: int = 4) -> list[str]:
    return [line.removeprefix("▸").split()[0] for line in terminal.lines[2 : 2 + count] if line.strip()]


def wait_for_prices(terminal: Terminal, count: int = 4) -> None:
    terminal.wait_until(lambda: sum("%" in line for line in terminal.lines[2:-1]) >= count, "for the prices")


def wait_for_order(terminal: Terminal, *symbols: str) -> None:
    terminal.wait_until(lambda: rows(terminal, len(symbols)) == [*symbols], f"for the rows {symbols}")


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, "Symbol Name Price Cur Change % Day range Volume Day Market Age"),
        (80, "Symbol Price Cur Change % Day Market Age"),
        (40, "Symbol Price % Age"),
    ],
)
def test_a_wide_screen_shows_names_ranges_and_volumes_and_a_narrow_one_still_every_age(
    server: ServerProcess, tmp_path: Path, columns: int, shown: str
) -> None:
    with terminal_program("watch", SYMBOLS, home=tmp_path, port=server.port, columns=columns) as terminal:
        terminal.wait_until(lambda: headings(terminal) == shown.split(), f"for the columns {shown}")
        wait_for_prices(terminal)
        assert all(re.search(r" \d+s$", line) for line in terminal.lines[2:6])
        if columns == 120:
            assert "Microsoft" in terminal.lines[2]
            assert re.search(r"\d\N{EN DASH}\d", terminal.lines[2])
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_chosen_columns_stand_in_their_order(server: ServerProcess, tmp_path: Path) -> None:
    chosen = "symbol,name,price,percent,volume,age"
    with terminal_program("watch", SYMBOLS, "--columns", chosen, home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("Apple Inc.")
        assert headings(terminal) == ["Symbol", "Name", "Price", "%", "Volume", "Age"]
        terminal.type("q")
        assert terminal.wait_exit() == 0
    assert not (tmp_path / "data" / "board.json").exists()  # a flag holds for its run


def test_a_variable_chooses_for_the_client_too(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program(
        "client", "--menu", home=tmp_path, port=server.port, STOCKTRACK_COLUMNS="age, price", STOCKTRACK_SORT="-name"
    ) as terminal:
        terminal.wait_for_prompt()
        terminal.enter(f"watch {SYMBOLS}")
        wait_for_order(terminal, "OCDO.L", "MSFT", "BTC-USD", "AAPL")
        assert headings(terminal) == ["Symbol▼", "Age", "Price"]
        terminal.type("q")
        terminal.wait_for_prompt()
        terminal.leave()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--columns", "symbol,prise"), "'prise' is no column; there are symbol, name, price,"),
        (("--sort", "size"), "'size' is no order; there are list, name, price,"),
        (("--currency", "euros"), "'euros' is no code of a currency"),
    ],
)
@pytest.mark.parametrize("command", [("watch", "AAPL"), ("client", "--menu")])
def test_a_wrong_flag_is_wrong_use_and_told_before_anybody_is_called(
    tmp_path: Path, command: tuple[str, ...], flags: tuple[str, ...], told: str
) -> None:
    with terminal_program(*command, *flags, home=tmp_path, port=1) as terminal:
        assert terminal.wait_exit() == 2
        assert told in " ".join(terminal.text.split())


def test_columns_are_chosen_over_the_board_and_remembered(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", SYMBOLS, home=tmp_path, port=server.port, columns=80) as terminal:
        wait_for_prices(terminal)
        terminal.type("c")
        terminal.wait_for("[x] price", "[ ] volume", "q done")
        terminal.type("j ")  # the name
        terminal.wait_for("[x] name", "Apple Inc.")
        terminal.type("\x1b[C")  # behind the price
        terminal.wait_until(lambda: headings(terminal)[:3] == ["Symbol", "Price", "Name"], "for the name behind it")
        terminal.type("\r")
        terminal.wait_for("q quit")
        wait_for_prices(terminal)
        terminal.type("q")
        assert terminal.wait_exit() == 0
    with terminal_program("watch", SYMBOLS, home=tmp_path, port=server.port, columns=80) as terminal:
        terminal.wait_for("Apple Inc.")
        assert headings(terminal)[:3] == ["Symbol", "Price", "Name"]
        terminal.type("c")
        terminal.wait_for("[x] name")
        terminal.type("aq")
        terminal.wait_until(lambda: "Name" not in headings(terminal) and "q quit" in terminal.screen, "for the usual")
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_in_an_open_detail_c_stays_the_key_of_candles(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "KO", home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal, 1)
        terminal.type("\r")
        terminal.wait_for("[1d]", "1m bars")
        terminal.type("c")
        terminal.wait_for("1h candles")
        assert "[x] symbol" not in terminal.screen
        terminal.type("qq")
        assert terminal.wait_exit() == 0


# --- order ------------------------------------------------------------------------------------------------------------


def test_s_and_a_key_sort_and_the_next_start_remembers(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", SYMBOLS, home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal)
        terminal.type("s")
        terminal.wait_for("sort by: n name  p price  c change  % percent  v volume  a age")
        terminal.type("p")
        wait_for_order(terminal, "BTC-USD", "OCDO.L", "MSFT", "AAPL")
        assert "Price▼" in headings(terminal)
        terminal.wait_for("q quit")
        terminal.type("r")
        wait_for_order(terminal, "AAPL", "MSFT", "OCDO.L", "BTC-USD")
        assert "Price▲" in headings(terminal)
        terminal.type("q")
        assert terminal.wait_exit() == 0
    with terminal_program("watch", SYMBOLS, home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal)
        wait_for_order(terminal, "AAPL", "MSFT", "OCDO.L", "BTC-USD")
        terminal.type("sl")
        wait_for_order(terminal, "MSFT", "AAPL", "OCDO.L", "BTC-USD")
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_a_flag_sorts_for_its_run_alone(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", SYMBOLS, "--sort", "-volume", home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal)
        wait_for_order(terminal, "BTC-USD", "OCDO.L", "MSFT", "AAPL")
        terminal.type("q")
        assert terminal.wait_exit() == 0
    with terminal_program("watch", SYMBOLS, home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal)
        wait_for_order(terminal, "MSFT", "AAPL", "OCDO.L", "BTC-USD")
        terminal.type("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("word", ["stop", "back"])
def test_a_word_typed_slowly_still_leaves_the_board(server: ServerProcess, tmp_path: Path, word: str) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("watch AAPL")
        wait_for_prices(terminal, 1)
        if word == "stop":
            terminal.type("s")
            terminal.wait_for("sort by:")  # at once, whatever may follow
            word = word[1:]
        for letter in word:
            terminal.type(letter)
        terminal.wait_for_prompt()
        terminal.leave()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"sort": 5, "columns": {"a": 1}}', b"\xff\xfe", b"[" * 9_000])
def test_a_broken_memory_is_none(server: ServerProcess, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "board.json").write_bytes(content)
    with terminal_program("watch", SYMBOLS, home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal)
        terminal.type("sn")
        wait_for_order(terminal, "AAPL", "BTC-USD", "MSFT", "OCDO.L")
        terminal.type("q")
        assert terminal.wait_exit() == 0
    assert json.loads((tmp_path / "data" / "board.json").read_bytes()) == {"sort": "name"}


# --- the mouse --------------------------------------------------------------------------------------------------------


def test_a_heading_sorts_a_row_is_selected_and_opened_and_the_wheel_scrolls(
    server: ServerProcess, tmp_path: Path
) -> None:
    symbols = ["AAPL", "MSFT", *(f"S{number:04}" for number in range(30))]
    with terminal_program("watch", ",".join(symbols), home=tmp_path, port=server.port, rows=14) as terminal:
        wait_for_prices(terminal, 10)
        terminal.wheel(1)
        terminal.wait_until(lambda: rows(terminal, 1) == ["S0001"], "for the rows below")
        terminal.wheel(-1)
        wait_for_order(terminal, "AAPL", "MSFT")
        terminal.click(terminal.lines[1].index("Symbol"), 1)
        terminal.wait_until(lambda: headings(terminal)[0] == "Symbol▲", "for the order")
        terminal.click(terminal.lines[1].index("Symbol"), 1)
        terminal.wait_until(lambda: headings(terminal)[0] == "Symbol▼", "for the other way round")
        wait_for_order(terminal, "S0029", "S0028")
        terminal.click(5, 3)
        terminal.wait_for("▸ S0028")
        terminal.click(5, 3)
        terminal.wait_for("[1d]", "1m bars", "Synthetic 0028")
        terminal.wheel(1)
        terminal.wait_until(lambda: "[1d]" not in terminal.screen, "for what lies below")
        terminal.type("qq")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("\x03", 130)])
def test_the_mouse_is_given_back_at_the_end(server: ServerProcess, tmp_path: Path, key: str, code: int) -> None:
    with terminal_program("watch", "AAPL", home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal, 1)
        assert terminal.has_mouse()
        terminal.type(key)
        assert terminal.wait_exit() == code
        assert not terminal.has_mouse()


@pytest.mark.parametrize("command", [("watch", "AAPL"), ("client", "--menu")])
def test_the_mouse_is_given_back_at_sigterm(server: ServerProcess, tmp_path: Path, command: tuple[str, ...]) -> None:
    with terminal_program(*command, home=tmp_path, port=server.port) as terminal:
        if command == ("client", "--menu"):
            terminal.wait_for_prompt()
            terminal.enter("watch AAPL")
        wait_for_prices(terminal, 1)
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 143
        assert not terminal.has_mouse()


def test_the_mouse_is_the_shells_while_the_board_is_suspended(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "AAPL", home=tmp_path, port=server.port, in_shell=True) as terminal:
        wait_for_prices(terminal, 1)
        assert terminal.has_mouse()
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        assert not terminal.has_mouse()
        terminal.enter("fg")
        terminal.wait_until(terminal.has_mouse, "for the board")
        terminal.type("q")
        terminal.wait_until(lambda: not terminal.has_mouse(), "for the shell")


def test_without_the_mouse_the_terminal_keeps_it(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "AAPL", "--no-mouse", home=tmp_path, port=server.port) as terminal:
        wait_for_prices(terminal, 1)
        terminal.type("q")
        assert terminal.wait_exit() == 0
        assert b"\x1b[?1006h" not in terminal.raw


# --- one currency -----------------------------------------------------------------------------------------------------


def number_in(line: str) -> float:
    return float(next(cell for cell in line.split()[1:] if re.fullmatch(r"[\d,]+\.\d+", cell)).replace(",", ""))


@pytest.mark.parametrize("columns", [120, 80, 40])
def test_all_prices_are_in_one_currency(server: ServerProcess, tmp_path: Path, columns: int) -> None:
    symbols = "AAPL,OCDO.L,SAP.DE,7203.T,^GSPC,EURUSD=X"
    with terminal_program(
        "watch", symbols, "--currency", "eur", home=tmp_path, port=server.port, columns=columns
    ) as terminal:
        terminal.wait_until(lambda: "%" in terminal.lines[7] and number_in(terminal.lines[2]) < 185, "for euros")
        terminal.wait_until(lambda: number_in(terminal.lines[3]) < 10, "for euros of pence")
        assert "Price EUR" in terminal.lines[1]
        assert "Cur" not in headings(terminal)
        assert 165 < number_in(terminal.lines[2]) < 185  # some 190 dollars
        assert 4.5 < number_in(terminal.lines[3]) < 6.5  # some 450 pence
        assert number_in(terminal.lines[4]) > 150  # it is in euros already
        assert 18 < number_in(terminal.lines[5]) < 28  # some 3,700 yen
        assert "pts" in terminal.lines[6]
        assert "USD" in terminal.lines[7]
        assert "6 symbols" in terminal.lines[0] or columns == 40  # the pairs have no rows of their own
        assert all(re.search(r" \d+s$", line) for line in terminal.lines[2:8])
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_what_has_no_rate_stays_in_its_own_currency_and_is_named(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program(
        "client", "--menu", "--currency", "SEK", home=tmp_path, port=server.port, STOCKTRACK_BELL="no"
    ) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("watch AAPL,OCDO.L")
        terminal.wait_for("Not in SEK: AAPL (USD: no rate), OCDO.L (GBp: no rate).")
        assert "USD" in terminal.lines[2]
        assert "GBp" in terminal.lines[3]
        terminal.type("q")
        terminal.wait_for_prompt()
        terminal.enter("stop")
        terminal.wait_for("Nothing to stop.")
        terminal.leave()


def test_pushes_of_rates_end_with_the_board(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", "--currency", "EUR", home=tmp_path, port=server.port) as terminal:
        for _ in range(2):
            terminal.wait_for_prompt()
            terminal.enter("watch AAPL")
            terminal.wait_until(lambda: "%" in terminal.lines[2] and number_in(terminal.lines[2]) < 185, "for euros")
            terminal.type("q")
        terminal.wait_for_prompt()
        terminal.enter("stop")
        terminal.wait_for("Nothing to stop.")
        terminal.leave()
