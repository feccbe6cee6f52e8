"""The client commands in a real pseudo-terminal, against a real server on the simulated market."""

import asyncio
import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli_process import run, started
from patience import PATIENCE_SECONDS
from scripted_server import NOW_MS, ScriptedServer, ScriptedSession, subscribed
from stocktrack.errors import Code, Reason
from stocktrack.messages import Logout, LogoutReply, Missing, News, NewsReply, Subscribe
from stocktrack.quotes import Headline
from stocktrack.terminal.typed_commands import WORDS
from terminal import PASSWORD, ServerProcess, program_environment, run_stocktrack, terminal_program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


# --- the prompt ---------------------------------------------------------------------------------------------------


def test_the_client_opens_with_the_menu_and_says_where_it_is(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()

        for entry in (
            "1  live board",
            "2  add to my list",
            "3  news",
            "4  company",
            "5  dividends",
            "6  my stocks",
            "0  exit",
        ):
            assert entry in terminal.text
        terminal.wait_for(f"ann@127.0.0.1:{server.port}  connected")
        terminal.leave()


def test_typed_commands_are_answered_by_tables(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("get AAPL,MSFT NOPE")
        terminal.wait_for("Apple Inc.", "Microsoft Corporation", "NOPE: unknown symbol.")
        terminal.enter("info TSLA")
        terminal.wait_for("Auto Manufacturers")
        terminal.enter("dividends KO 2")
        terminal.wait_for("Ex-date")
        terminal.enter("search toyota")
        terminal.wait_for("Toyota Motor")
        terminal.enter("news 2")
        terminal.wait_for("https://example.com/simulated-news/")
        terminal.enter("help")
        terminal.wait_for("every SECONDS")
        terminal.leave()


def test_each_number_of_the_menu_does_what_it_says(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, rows=60) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("2")
        terminal.wait_for("Symbols:")
        terminal.enter("NVDA every 3600")
        terminal.wait_for("Prices come every 3600 s: NVDA.")
        terminal.enter("6")
        terminal.wait_for("NVIDIA Corporation")
        terminal.enter("4")
        terminal.wait_for("Symbol:")
        terminal.enter("IBM")
        terminal.wait_for("IT Services")
        terminal.enter("5")
        terminal.wait_until(lambda: terminal.cursor_line.startswith("Symbol:"), "for the question")
        terminal.enter("IBM")
        terminal.wait_for("Ex-date")
        terminal.enter("3")
        terminal.wait_for("Simulated News")
        terminal.enter("1")
        terminal.wait_for("q back")
        terminal.type("q")
        terminal.wait_for_prompt()
        terminal.enter("unsubscribe")
        terminal.wait_for("[y/N]")
        terminal.enter("y")
        terminal.wait_for("Taken off: NVDA.")
        terminal.enter("0")

        assert terminal.wait_exit() == 0


PUSHED = re.compile(r"^(AAPL|MSFT|TSLA|KO|IBM) +\d+\.\d\d USD +[+\u2212]")


def test_prices_are_a_block_above_the_prompt_that_moves_nothing_that_is_typed(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("subscribe AAPL,MSFT,TSLA,KO,IBM every 0.1")
        terminal.wait_for("Prices come every 0.1 s: AAPL, MSFT, TSLA, KO, IBM.")
        terminal.wait_for_prompt()
        terminal.type("search mic")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> search mic", "for what is typed")
        row = terminal.lines.index("stocktrack> search mic")
        seen: set[str] = set()

        def has_moved() -> bool:
            seen.update(line for line in terminal.lines if PUSHED.match(line))
            return len(seen) >= 30

        terminal.wait_until(has_moved, "for many prices")
        # Each has its one line, and nothing has scrolled.
        assert terminal.lines[row] == "stocktrack> search mic"
        assert [line.split()[0] for line in terminal.lines[row - 5 : row]] == ["AAPL", "MSFT", "TSLA", "KO", "IBM"]
        assert terminal.lines[row - 6] == "── live ──"
        assert sum(bool(PUSHED.match(line)) for line in terminal.text.splitlines()) == 5
        began = len(terminal.raw)
        terminal.wait_until(lambda: len(terminal.raw) > began, "for another price")
        # Drawn is what has changed, and no price as a whole.
        assert b"USD" not in terminal.raw[began:]
        terminal.enter("rosoft")
        terminal.wait_for("Microsoft Corporation")
        terminal.wait_for_prompt()
        terminal.enter("stop")
        terminal.wait_for("Stopped; your list is kept.")
        terminal.wait_for_prompt()
        assert not PUSHED.search(terminal.text.rpartition("Stopped")[2])
        assert "── live ──" not in terminal.text
        terminal.enter("unsubscribe AAPL MSFT TSLA KO IBM")
        terminal.wait_for("Taken off: ")
        terminal.leave()


def test_of_many_prices_as_many_are_shown_as_leave_room_for_the_answers(server: ServerProcess, tmp_path: Path) -> None:
    symbols = [f"S{number:04}" for number in range(20)]
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=40, rows=18) as terminal:
        terminal.wait_for_prompt()
        terminal.enter(f"subscribe {symbols[0]}")
        terminal.wait_for("Prices come")
        terminal.wait_for_prompt()
        terminal.paste("".join(f"subscribe {symbol}\n" for symbol in symbols[1:]))
        terminal.wait_for("and 15 more; `watch` shows them all")
        terminal.wait_for_prompt()
        row = terminal.lines.index("stocktrack>")
        assert [line.split()[0] for line in terminal.lines[row - 6 : row - 1]] == symbols[:5]
        terminal.enter("unsubscribe")
        terminal.wait_for("[y/N]")
        terminal.enter("y")
        terminal.wait_for("Taken off: ")
        terminal.leave()


def test_a_symbol_alone_is_its_price(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("AAPL MSFT")
        terminal.wait_for("Apple Inc.", "Microsoft Corporation")
        terminal.enter("tsla")
        terminal.wait_for("Tesla, Inc.")
        terminal.enter("xyzzy")
        terminal.wait_for("There is no command 'xyzzy', and no source knows a symbol 'XYZZY'.")
        terminal.enter("dividends AAPL every x")
        terminal.wait_for("one symbol, and perhaps a number, as in `KO 3`.")
        terminal.enter("unsubscribe ZZZ")
        terminal.wait_for("ZZZ is not on your list.")
        terminal.leave()


# --- suspended ----------------------------------------------------------------------------------------------------


def test_ctrl_z_at_the_prompt_gives_the_shell_back_and_fg_the_line_that_was_typed(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, in_shell=True) as terminal:
        terminal.wait_for_prompt()
        terminal.type("get AA")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> get AA", "for the line")
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        terminal.enter("echo here again")
        terminal.wait_until(lambda: "here again" in terminal.lines, "for the shell")
        terminal.enter("fg")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> get AA", "for the line")
        terminal.enter("PL")
        terminal.wait_for("Apple Inc.")
        terminal.enter("exit")
        terminal.wait_until(lambda: terminal.cursor_line == "$", "for the shell")


@pytest.mark.parametrize("command", [["client", "--menu"], ["watch", "AAPL"]])
def test_ctrl_z_on_the_board_gives_the_shell_back_and_fg_the_board(
    server: ServerProcess, tmp_path: Path, command: list[str]
) -> None:
    with terminal_program(*command, home=tmp_path, port=server.port, in_shell=True) as terminal:
        if command[0] == "client":
            terminal.wait_for_prompt()
            terminal.enter("watch AAPL")
        terminal.wait_until(lambda: "%" in terminal.lines[2], "for a price")
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        assert not terminal.screen.startswith(" StockTrack")
        terminal.enter("fg")
        terminal.wait_until(lambda: terminal.screen.startswith(" StockTrack"), "for the board")
        terminal.type("q")
        terminal.wait_until(lambda: not terminal.screen.startswith(" StockTrack"), "for its end")


@pytest.mark.parametrize(
    ("keys", "shown"), [(":get AA", ":get AA"), ("ami", "Add to main: mi▁"), ("/aa", "/AA▁"), ("\r", "[1d]")]
)
def test_ctrl_z_in_the_middle_of_something_and_fg_has_it_as_it_was(
    server: ServerProcess, tmp_path: Path, keys: str, shown: str
) -> None:
    run_stocktrack("stocks", "--set", "AAPL", home=tmp_path, port=server.port)
    with terminal_program("client", home=tmp_path, port=server.port, in_shell=True) as terminal:
        terminal.wait_until(lambda: "%" in terminal.lines[2], "for a price")
        terminal.type(keys)
        terminal.wait_until(lambda: shown in terminal.screen, "for what was typed")
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        terminal.enter("fg")
        terminal.wait_until(
            lambda: terminal.screen.startswith(" StockTrack") and shown in terminal.screen, "for it to be back"
        )
        terminal.type("\x1b")
        terminal.wait_until(lambda: "q quit" in terminal.lines[-1], "for the board alone")
        terminal.type("q")
        terminal.wait_until(lambda: not terminal.screen.startswith(" StockTrack"), "for its end")


def test_ctrl_z_at_the_password_and_fg_leave_it_without_echo(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program(
        "client", "--menu", "--port", str(server.port), "--user", "ann", home=tmp_path, in_shell=True
    ) as terminal:
        terminal.wait_for("Password of ann")
        terminal.type("half\x1a")
        terminal.wait_for("Stopped")
        terminal.enter("fg")
        terminal.wait_until(lambda: terminal.text.count("Password of ann") == 2, "for the question")
        terminal.enter(PASSWORD)
        terminal.wait_for_prompt()

        assert PASSWORD not in terminal.text
        assert PASSWORD.encode() not in terminal.raw


# --- the login ----------------------------------------------------------------------------------------------------


def test_the_password_is_asked_for_without_echo(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", "--port", str(server.port), home=tmp_path) as terminal:
        terminal.wait_for("User name at")
        terminal.enter("ann")
        terminal.wait_for("Password of ann")
        terminal.enter(PASSWORD)
        terminal.wait_for_prompt()

        assert PASSWORD not in terminal.text
        assert PASSWORD.encode() not in terminal.raw
        terminal.leave()


def test_a_wrong_password_has_two_more_tries_and_then_exits_4(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", "--port", str(server.port), "--user", "ann", home=tmp_path) as terminal:
        for tries in (1, 2, 3):
            terminal.wait_until(lambda: terminal.text.count("Password of ann") == tries, "for the question")  # noqa: B023
            terminal.enter("wrong")
            terminal.wait_until(lambda: terminal.text.count("is wrong.") == tries, "for the answer")  # noqa: B023

        assert terminal.wait_exit() == 4
        assert terminal.text.count("Password of ann") == 3


def test_the_second_try_is_good_enough_and_the_name_is_not_asked_for_again(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", "--menu", "--port", str(server.port), home=tmp_path) as terminal:
        terminal.wait_for("User name at")
        terminal.enter("ann")
        terminal.wait_for("Password of ann")
        terminal.enter("wrong")
        terminal.wait_until(lambda: terminal.text.count("Password of ann") == 2, "for the question")
        terminal.enter(PASSWORD)
        terminal.wait_for_prompt()

        assert terminal.text.count("User name at") == 1
        terminal.leave()


@pytest.mark.parametrize(("command", "shows"), [(["get", "AAPL"], "Apple"), (["watch", "AAPL"], "AAPL")])
def test_where_a_stored_token_was_revoked_the_password_is_asked_for(
    server: ServerProcess, tmp_path: Path, command: list[str], shows: str
) -> None:
    log_in(tmp_path, server)
    server.run("users", "revoke", "ann")
    with terminal_program(*command, "--port", str(server.port), home=tmp_path) as terminal:
        terminal.wait_for("does not take your stored token any more")
        for tries, password in ((1, "wrong"), (2, "wrong as well"), (3, PASSWORD)):
            terminal.wait_until(lambda: terminal.text.count("Password of ann") == tries, "for the question")  # noqa: B023
            terminal.enter(password)
        terminal.wait_for(shows)
        assert "User name at" not in terminal.text


def test_a_revoked_token_without_anybody_to_ask_ends_it(server: ServerProcess, tmp_path: Path) -> None:
    log_in(tmp_path, server)
    server.run("users", "revoke", "ann")
    done = subprocess.run(
        [sys.executable, "-m", "stocktrack", "get", "AAPL", "--port", str(server.port)],
        env=program_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 4
    assert b"stocktrack login" in done.stderr
    assert b"Password of" not in done.stderr


def log_in(home: Path, server: ServerProcess) -> None:
    """Store a token for the server."""
    subprocess.run(
        [sys.executable, "-m", "stocktrack", "login", "--port", str(server.port), "--user", "ann", "--password-stdin"],
        env=program_environment(home),
        input=f"{PASSWORD}\n".encode(),
        capture_output=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )


def test_a_wrong_password_of_the_environment_is_not_tried_again(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, STOCKTRACK_PASSWORD="wrong") as terminal:
        assert terminal.wait_exit() == 4
        assert "Password of" not in terminal.text


def test_nothing_is_asked_for_where_no_server_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with terminal_program("client", "--menu", "--port", str(free.getsockname()[1]), home=tmp_path) as terminal:
            assert terminal.wait_exit() == 5
    assert "Nothing listens at 127.0.0.1" in terminal.text
    assert "User name" not in terminal.text


@pytest.mark.parametrize("command", [["client"], ["get", "AAPL"], ["watch", "AAPL"]])
@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 1)])
def test_ctrl_c_and_ctrl_d_at_the_password_leave(
    server: ServerProcess, tmp_path: Path, command: list[str], key: str, code: int
) -> None:
    with terminal_program(*command, "--port", str(server.port), "--user", "ann", home=tmp_path) as terminal:
        terminal.wait_for("Password of ann")
        terminal.type(key)

        assert terminal.wait_exit() == code
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 1)])
def test_ctrl_c_and_ctrl_d_at_the_name_leave(server: ServerProcess, tmp_path: Path, key: str, code: int) -> None:
    with terminal_program("client", "--menu", "--port", str(server.port), home=tmp_path) as terminal:
        terminal.wait_for("User name at")
        terminal.type(key)

        assert terminal.wait_exit() == code


def test_ctrl_c_takes_back_the_line_and_ctrl_d_leaves(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.type("get NOPE")
        terminal.wait_until(lambda: terminal.cursor_line.endswith("NOPE"), "for the line")
        terminal.type("\x03")
        terminal.wait_for("Ctrl-D or `exit` leaves.")
        terminal.wait_for_prompt()
        terminal.enter("2")
        terminal.wait_until(lambda: terminal.cursor_line.startswith("Symbols:"), "for the question")
        terminal.type("TSL\x03")
        terminal.wait_for_prompt()
        terminal.type("\x04")

        assert terminal.wait_exit() == 0
        assert "unknown" not in terminal.text
        assert "TSLA" not in terminal.text


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("\x04", ""),
        ("\x03", ""),
        ("\r", "Cancelled."),
        ("back\r", "1  live"),
        ("Stop\r", "Nothing to stop."),
    ],
)
def test_a_question_can_be_left(server: ServerProcess, tmp_path: Path, answer: str, told: str) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, rows=60) as terminal:
        terminal.wait_for_prompt()
        for typed, question in (("4", "Symbol:"), ("unlot", "Lot:"), ("unalert", "Alert:"), ("say", "What:")):
            terminal.enter(typed)
            terminal.wait_until(lambda: terminal.cursor_line in ("Symbol:", "Lot:", "Alert:", "What:"), "for it")
            terminal.type(answer)
            terminal.wait_for_prompt()

            assert told in terminal.text.rpartition(question)[2]
        assert "BACK" not in terminal.text
        assert "STOP" not in terminal.text
        terminal.leave()


def test_a_paste_of_200_lines_runs_them_one_after_the_other(server: ServerProcess, tmp_path: Path) -> None:
    symbols = [f"S{number:04}" for number in range(200)]

    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.paste("".join(f"get {symbol}\n" for symbol in symbols) + "get IB")
        terminal.wait_for("Synthetic 0199")
        terminal.wait_until(
            lambda: terminal.cursor_line == "stocktrack> get IB", "for what follows the last line's end"
        )
        terminal.enter("M")
        terminal.wait_until(lambda: any(line.startswith("IBM ") for line in terminal.lines), "for its answer")

        assert re.findall(r"^(S\d{4}) ", terminal.text, re.MULTILINE) == symbols
        terminal.leave()


def test_200_lines_typed_ahead_run_one_after_the_other(server: ServerProcess, tmp_path: Path) -> None:
    symbols = [f"S{number:04}" for number in range(200)]

    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.type("".join(f"get {symbol}\r" for symbol in symbols))
        terminal.wait_for("Synthetic 0199")

        assert re.findall(r"^(S\d{4}) ", terminal.text, re.MULTILINE) == symbols
        terminal.leave()


def test_the_history_is_kept_for_its_owner_alone_and_comes_back(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("search toyota")
        terminal.wait_for("Toyota Motor")
        terminal.leave()
    history = tmp_path / "data" / "client_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "search toyota" in history.read_text()

    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.type("\x1b[A\x1b[A")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> search toyota", "for the line of last time")
        terminal.type("\x03")
        terminal.leave()


def test_tab_completes_commands_and_the_symbols_that_were_seen(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.type("div\t")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> dividends", "for the command")
        terminal.type("\x03")
        terminal.wait_for_prompt()
        terminal.enter("get RELIANCE.NS")
        terminal.wait_for("Reliance Industries")
        terminal.wait_for_prompt()
        terminal.type("info rel\t")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> info RELIANCE.NS", "for the symbol")
        terminal.type("\x03")
        terminal.leave()


def test_sigterm_leaves_in_order_with_143(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("watch AAPL")
        terminal.wait_for("q back")
        terminal.signal(signal.SIGTERM)

        assert terminal.wait_exit() == 143
        assert "q back" not in terminal.screen


# --- the board ----------------------------------------------------------------------------------------------------


def test_the_board_shows_moving_prices_in_colour_with_signs_and_a_sparkline(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("watch aapl,TSLA ^GSPC BTC-USD")
        terminal.wait_until(
            lambda: sum(bool(re.search(r"[▁▂▃▄▅▆▇█]{4}", line)) for line in terminal.lines) == 4, "for four sparklines"
        )

        rows = terminal.lines[2:6]
        assert [row.split()[0] for row in rows] == ["AAPL", "TSLA", "^GSPC", "BTC-USD"]
        for row in rows:
            percent = next(cell for cell in row.split() if cell.endswith("%"))
            assert percent[0] in "+\u2212"
            assert terminal.colours_of(percent) == {"green" if percent[0] == "+" else "red"}
            assert " open " in row
        before = terminal.screen
        terminal.type("sn")
        terminal.wait_until(lambda: "by name" in terminal.lines[0], "for the order")
        terminal.wait_until(lambda: terminal.screen != before, "for another price")
        terminal.type("q")
        terminal.wait_for_prompt()
        assert "live board" in terminal.screen  # what stood there before the board is back
        terminal.leave()


@pytest.mark.parametrize("keys", ["q", "\x1b", "back\r", "stop\r", "\x03"])
def test_the_board_ends_and_the_prompt_is_back(server: ServerProcess, tmp_path: Path, keys: str) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("watch AAPL")
        terminal.wait_for("q back", "AAPL")
        terminal.type(keys)
        terminal.wait_for_prompt()
        terminal.enter("stop")
        terminal.wait_for("Nothing to stop.")
        terminal.leave()


def test_ctrl_d_on_the_board_leaves(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("watch AAPL")
        terminal.wait_for("q back")
        terminal.type("\x04")

        assert terminal.wait_exit() == 0


def test_watch_as_a_command_is_the_same_board_and_ends_by_itself(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "AAPL", "NOPE", "--seconds", "1.5", home=tmp_path, port=server.port) as terminal:
        terminal.wait_until(
            lambda: [line.split() for line in terminal.lines[3:4]] == [["NOPE", "unknown", "symbol"]], "it"
        )
        terminal.wait_for("q quit", "AAPL", "2 symbols")

        assert terminal.wait_exit() == 3
        assert "NOPE: unknown symbol." in terminal.text


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("\x03", 130)])
def test_watch_as_a_command_is_ended_by_its_keys(server: ServerProcess, tmp_path: Path, key: str, code: int) -> None:
    with terminal_program("watch", "AAPL", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("q quit", "AAPL")
        terminal.type(key)

        assert terminal.wait_exit() == code


def test_no_color_leaves_the_signs(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "AAPL", home=tmp_path, port=server.port, NO_COLOR="1") as terminal:
        terminal.wait_until(lambda: bool(re.search(r"[+\u2212]\d\.\d\d%", terminal.text)), "for a percentage")

        assert terminal.colours_of("AAPL") == {"default"}
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_get_on_a_terminal_is_a_table(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("get", "AAPL", home=tmp_path, port=server.port) as terminal:
        assert terminal.wait_exit() == 0
        assert terminal.lines[0].split() == ["Symbol", "Name", "Price", "Change", "%", "Market", "Age"]
        assert "Apple Inc." in terminal.lines[1]


def test_everything_fits_a_terminal_of_40_columns(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=40, rows=24) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("get AAPL,EURUSD=X")
        terminal.wait_for("Symbol", "EURUSD=X")
        terminal.enter("news 1")
        terminal.wait_for("Simulated News")
        assert any(line.endswith("…") for line in terminal.text.splitlines())
        terminal.enter("watch AAPL,EURUSD=X,BTC-USD")
        terminal.wait_until(lambda: terminal.lines[-1].startswith("q back"), "for the board")
        terminal.wait_until(lambda: all("%" in line for line in terminal.lines[2:5]), "for three prices")
        terminal.type("q")
        terminal.wait_for_prompt()
        terminal.leave()


def test_the_keys_are_shown_by_their_key_and_typed_letters_find(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program(
        "watch", "AAPL,EURUSD=X,BTC-USD", home=tmp_path, port=server.port, columns=40, rows=24
    ) as terminal:
        terminal.wait_for("q quit", "? keys")
        terminal.type("?")
        terminal.wait_for("select a row", "pgdn more")
        terminal.type("\x1b[6~")
        terminal.wait_for("suspend; `fg` comes back")
        terminal.type("q")
        terminal.wait_for("AAPL")
        terminal.type("/usd\r")
        terminal.wait_until(lambda: not any(line.startswith("AAPL") for line in terminal.lines), "for two rows")
        terminal.wait_for("EURUSD=X", "BTC-USD", "esc all rows")
        terminal.type("j")
        terminal.wait_for("▸ EURUSD=X")
        terminal.type("\x1b")
        terminal.wait_for("  AAPL")
        terminal.type("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("columns", [120, 80, 40])
def test_enter_opens_the_chart_and_what_is_known_of_the_row(
    server: ServerProcess, tmp_path: Path, columns: int
) -> None:
    with terminal_program("watch", "KO", "IBM", home=tmp_path, port=server.port, columns=columns, rows=60) as terminal:
        terminal.wait_until(lambda: "%" in terminal.lines[2], "for a price")
        terminal.type("\r")
        terminal.wait_for("[1d]", "1m bars", "Sector", "Dividends", "Simulated: ", "q back")
        terminal.type("\x1b[C")
        terminal.wait_for("[5d]")
        terminal.wait_for("15m bars")
        terminal.type("c")
        terminal.wait_for("candles")
        terminal.type("j")
        terminal.wait_for("IT Services")
        terminal.type("q")
        terminal.wait_for("▸ IBM")
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_a_dumb_terminal_has_a_prompt_and_is_asked(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, rows=60, TERM="dumb") as terminal:
        terminal.wait_for_prompt()
        terminal.enter("get AAPL")
        terminal.wait_for("Apple Inc.")
        terminal.wait_for_prompt()
        terminal.enter("4")
        terminal.wait_until(lambda: terminal.cursor_line == "Symbol:", "for the question")
        terminal.enter("IBM")
        terminal.wait_for("IT Services")
        terminal.wait_for_prompt()
        terminal.enter("subscribe AAPL")
        terminal.wait_for("Prices come every 5 s: AAPL.")
        terminal.wait_for_prompt()
        terminal.enter("unsubscribe AAPL")
        terminal.wait_for("Taken off: AAPL.")
        terminal.wait_for_prompt()
        assert b"\x1b" not in terminal.raw
        terminal.enter("exit")
        assert terminal.wait_exit() == 0


def test_help_wraps_between_words_on_40_columns(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=40, rows=24) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("help")
        terminal.wait_for("A symbol alone is its price")
        words = set(terminal.text.split())
        for word in WORDS.values():
            assert words >= {*word.usage.split(), *word.help.split()}, word.name
        terminal.leave()


# --- trouble ------------------------------------------------------------------------------------------------------


def test_a_server_that_stops_is_told_and_after_its_restart_the_prices_are_back_within_5_seconds(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path / "server-folder") as server,
        terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal,
    ):
        terminal.wait_for_prompt()
        terminal.enter("subscribe AAPL,TSLA every 1")
        terminal.wait_for("Prices come every 1 s: AAPL, TSLA.")
        server.stop()
        terminal.wait_for("Server stopped. Reconnecting…", "not connected, trying again", "AAPL! ", "── not live ──")
        terminal.enter("get AAPL")
        terminal.wait_for(f"Not connected: the server at 127.0.0.1:{server.port} is down. Retrying.")
        server.start()
        began = time.monotonic()
        terminal.wait_for("Connected again; restored: AAPL, TSLA.")
        assert time.monotonic() - began < 5
        terminal.enter("get MSFT")
        terminal.wait_for("Microsoft Corporation")
        terminal.leave()


def test_a_server_that_is_killed_under_watch_is_back_on_the_board_within_5_seconds(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path / "server-folder") as server,
        terminal_program("watch", "AAPL", home=tmp_path, port=server.port) as terminal,
    ):
        terminal.wait_until(lambda: "%" in terminal.lines[2], "for a price")
        server.stop(signal.SIGKILL)
        terminal.wait_for("Reconnecting…")
        terminal.wait_until(
            lambda: re.match(r" disconnected \d+ s  ann@", terminal.lines[0]) is not None, "for the title"
        )
        assert terminal.lines[2].startswith("AAPL! ")
        assert "offline" in terminal.lines[2]
        assert "open" not in terminal.lines[2]
        server.start()
        began = time.monotonic()
        terminal.wait_for("Connected again; restored: AAPL.")
        assert time.monotonic() - began < 5
        terminal.wait_until(lambda: terminal.lines[2].split()[-1] in {"0s", "1s"}, "for a new price")
        terminal.type("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("command", [["client"], ["watch", "AAPL"], ["get", "AAPL"]])
def test_no_server_is_said_with_what_to_do_and_exits_5(tmp_path: Path, command: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with terminal_program(*command, home=tmp_path, port=free.getsockname()[1]) as terminal:
            assert terminal.wait_exit() == 5
    assert "Nothing listens at 127.0.0.1" in terminal.text
    assert "stocktrack serve" in terminal.text.replace("\n", " ")


async def in_a_terminal(play: Callable[[], None]) -> None:
    """Run `play` beside the event loop, which plays the server."""
    await asyncio.to_thread(play)


async def test_a_web_server_at_the_port_is_told_from_stocktrack(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        session.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        session.hang_up()

    async with ScriptedServer(script) as server:

        def play() -> None:
            with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
                assert terminal.wait_exit() == 5
                assert "answers as a web server does" in terminal.text.replace("\n", " ")

        await in_a_terminal(play)


async def test_a_server_that_says_nothing_is_given_up_by_ctrl_c_too(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.until_gone()

    async with ScriptedServer(script) as server:

        def play() -> None:
            with terminal_program("get", "AAPL", "--timeout", "0.5", home=tmp_path, port=server.port) as terminal:
                assert terminal.wait_exit() == 5
                assert "says nothing" in terminal.text.replace("\n", " ")
            with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
                terminal.wait_until(lambda: len(server.sessions) == 2, "for the connection")
                terminal.type("\x03")
                assert terminal.wait_exit() == 130

        await in_a_terminal(play)


async def test_a_board_that_is_left_before_the_lists_came_still_tells_what_is_unknown(tmp_path: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        asked = await session.expect(Subscribe)
        unknown = Missing(symbol="NOPE", code=Reason.UNKNOWN_SYMBOL.code, reason=Reason.UNKNOWN_SYMBOL)
        held = {"subscribed": ("AAPL",), "missing": (unknown,), "symbols": ("AAPL",)}
        session.send(subscribed(asked).model_copy(update=held))
        await session.until_gone()

    async with ScriptedServer(script) as server:

        def play() -> None:
            with terminal_program("watch", "AAPL", "NOPE", home=tmp_path, port=server.port) as terminal:
                terminal.wait_for("unknown symbol")
                terminal.type("q")
                assert terminal.wait_exit() == 3

        await in_a_terminal(play)


async def test_hostile_headlines_neither_move_the_cursor_nor_break_the_screen(tmp_path: Path) -> None:
    articles = (
        Headline.model_construct(
            title="\x1b[2J\x1b[H\x1b]0;owned\x07Buy \u202eyenom\u202c now\r\n\x9b31mred",
            source="\x1b[5mFeed",
            link="javascript:alert(1)",
            published=NOW_MS,
        ),
        Headline(title="long " * 2_000, source="Feed", link="https://www.example.com/long", published=NOW_MS),
    )

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(News)
        session.send(
            NewsReply.model_construct(type="NEWS", id=command.id, code=Code.OK, status="OK", articles=articles)
        )
        session.send(LogoutReply(id=(await session.expect(Logout)).id, message="Goodbye!"))

    async with ScriptedServer(script) as server:

        def play() -> None:
            with terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=60) as terminal:
                terminal.wait_for_prompt()
                terminal.enter("news")
                terminal.wait_for("https://www.example.com/long")
                assert "live board" in terminal.text  # nothing has cleared the screen
                assert "Buy yenom now 31mred" in terminal.text
                assert "javascript" not in terminal.text
                long = [line for line in terminal.lines if "long long" in line]
                assert len(long) == 1
                assert long[0].endswith("…")
                assert b"owned\x07" not in terminal.raw
                terminal.leave()

        await in_a_terminal(play)


# --- the demo -----------------------------------------------------------------------------------------------------


def test_the_demo_shows_live_prices_at_once_and_lets_others_join(tmp_path: Path) -> None:
    with terminal_program("demo", home=tmp_path, columns=110) as demo:
        demo.wait_until(lambda: sum("%" in line for line in demo.lines[:-1]) >= 8, "for eight prices")
        found = re.search(r"--port (\d+) --user demo   password: (\S+)", demo.text)
        assert found is not None
        port, password = found.groups()
        with terminal_program(
            "get", "AAPL", home=tmp_path, STOCKTRACK_PORT=port, STOCKTRACK_USER="demo", STOCKTRACK_PASSWORD=password
        ) as friend:
            assert friend.wait_exit() == 0
            assert "Apple Inc." in friend.text
        demo.enter(":get TSLA")
        demo.wait_for("Tesla, Inc.")
        demo.type("q")
        demo.wait_until(lambda: ":get TSLA" not in demo.screen, "for the board")
        demo.type("q")
        assert demo.wait_exit() == 0
    assert not (tmp_path / "data" / "client_history").exists()


def test_the_demo_ends_by_itself_with_0_and_by_ctrl_c_quietly(tmp_path: Path) -> None:
    with terminal_program("demo", "--seconds", "2", home=tmp_path) as terminal:
        assert terminal.wait_exit() == 0
    with terminal_program("demo", home=tmp_path) as terminal:
        terminal.wait_for("q quit")
        terminal.type("\x03")
        assert terminal.wait_exit() == 0
        assert "Traceback" not in terminal.text


async def test_the_demo_without_a_terminal_prints_changing_prices_and_exits_0(tmp_path: Path) -> None:
    done = await run("demo", "--seconds", "2", home=tmp_path)

    assert done.code == 0
    assert "password:" in done.err
    prices = {row[1] for row in done.rows if row[0] == "AAPL"}
    assert len(prices) >= 2


def folders_in(folder: Path) -> list[Path]:
    """The folders that demos made and did not remove."""
    return list(folder.glob("stocktrack-demo-*"))


async def test_sigterm_ends_the_demo_without_a_terminal_with_143_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with started("demo", home=tmp_path, TMPDIR=str(tmp_path)) as process, asyncio.timeout(PATIENCE_SECONDS):
        assert process.stdout is not None
        await process.stdout.readline()
        assert folders_in(tmp_path)
        process.terminate()
        _, err = await process.communicate()

    assert process.returncode == 143
    assert b"Traceback" not in err
    assert folders_in(tmp_path) == []


async def test_no_price_goes_back_in_time_when_the_server_is_killed_under_watch(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server-folder") as server:
        async with started("watch", "AAPL", "MSFT", "--jsonl", home=tmp_path, port=server.port) as process:
            assert process.stdout is not None
            async with asyncio.timeout(PATIENCE_SECONDS):
                lines = [await process.stdout.readline() for _ in range(6)]
            await asyncio.to_thread(server.stop, signal.SIGKILL)
            await asyncio.to_thread(server.start)  # has a patience of its own
            async with asyncio.timeout(PATIENCE_SECONDS):
                lines += [await process.stdout.readline() for _ in range(12)]

    for symbol in ("AAPL", "MSFT"):
        times = [price["timestamp"] for price in map(json.loads, lines) if price["symbol"] == symbol]
        assert times == sorted(times)


def test_stop_leaves_each_question_of_the_menu_and_the_board_which_opens_anew_afterwards(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for_prompt()
        for number, question in (("2", "Symbols:"), ("4", "Symbol:"), ("5", "Symbol:")):
            terminal.enter(number)
            terminal.wait_for(f"stocktrack> {number}\n{question}")
            terminal.enter("stop")
            terminal.wait_for(f"stocktrack> {number}\n{question} stop\nNothing to stop.\nstocktrack>")
        terminal.enter("unsubscribe")
        terminal.wait_for("Take all stocks off your list? [y/N]")
        terminal.enter("n")
        terminal.wait_for("Nothing was changed.")
        terminal.enter("watch AAPL")
        terminal.wait_for("q back")
        terminal.type("stop")
        terminal.wait_for_prompt()
        terminal.enter("watch AAPL")
        terminal.wait_for("q back")
        terminal.type("q")
        terminal.wait_for_prompt()
        terminal.leave()
