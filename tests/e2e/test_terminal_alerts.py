"""Alerts that fire, as a person at a real pseudo-terminal sees and hears them."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripted_server import NOW_MS, ScriptedServer, ScriptedSession, a_price, subscribed
from stocktrack.errors import Code, Reason
from stocktrack.messages import Notice, Subscribe
from terminal import ServerProcess, Terminal, run_stocktrack, terminal_program

TOLD = re.compile(r"^\* \d\d:\d\d:\d\d  MSFT [\d.]+ USD is above 1\.", re.MULTILINE)
OSC9 = re.compile(rb"\x1b\]9;StockTrack: MSFT [\d.]+ USD is above 1\.\x1b\\")
OSC777 = re.compile(rb"\x1b\]777;notify;StockTrack;MSFT [\d.]+ USD is above 1\.\x1b\\")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


def reversed_cells(terminal: Terminal, symbol: str) -> int:
    """How many cells of the row of `symbol` are reversed."""
    row = next(index for index, line in enumerate(terminal.lines) if line.startswith(symbol))
    return sum(cell.reverse for cell in terminal._screen.buffer[row].values())


def a_board_that_is_told(terminal: Terminal, server: ServerProcess, home: Path) -> None:
    terminal.wait_for("MSFT", "? keys", "open")
    run_stocktrack("alert", "add", "MSFT", "above", "1", home=home, port=server.port)
    terminal.wait_until(lambda: TOLD.search(terminal.screen) is not None, "for the sentence")


def test_on_the_board_the_row_flashes_and_the_sentence_stands_until_enter(
    server: ServerProcess, tmp_path: Path
) -> None:
    with terminal_program("watch", "AAPL,MSFT", home=tmp_path, port=server.port, columns=80, rows=14) as terminal:
        terminal.wait_for("MSFT", "q quit", "open")
        run_stocktrack("alert", "add", "MSFT", "above", "1", home=tmp_path, port=server.port)
        terminal.wait_until(lambda: reversed_cells(terminal, "MSFT") == 80, "for the row to be reversed")
        assert reversed_cells(terminal, "AAPL") == 0
        assert "MSFT* " in terminal.screen
        assert TOLD.search(terminal.screen)
        terminal.wait_until(lambda: reversed_cells(terminal, "MSFT") == 0, "for the flash to go out")
        assert TOLD.search(terminal.screen), terminal.screen

        assert len(OSC9.findall(terminal.raw)) == 1
        assert len(OSC777.findall(terminal.raw)) == 1
        assert terminal.raw.count(b"\a") == 1

        terminal.type("\r")
        terminal.wait_until(lambda: "MSFT* " not in terminal.screen, "for it to be read")
        assert not TOLD.search(terminal.screen)
        terminal.type("q")
        assert terminal.wait_exit() == 0


async def test_a_burst_with_a_double_and_hostile_text_rings_once_and_breaks_nothing(tmp_path: Path) -> None:
    fired = Notice(
        code=Code.CONTINUE,
        reason=Reason.ALERT,
        symbols=("AAPL",),
        message="AAPL 280.12 USD is above 280.",
        delivery="d1",
        timestamp=NOW_MS,
    )
    hostile = "\x1b\\\a\x9c\x1b]52;c;YQ==\a\x1b[2J\u202eAAPL ; fell\n"

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        session.send(a_price())
        for update in ({}, {}, {"delivery": "d2"}, {"delivery": "d3", "message": hostile}):
            session.send(fired.model_copy(update=update))
        while True:
            await session.command()

    async with ScriptedServer(script) as server:

        def play() -> None:
            with terminal_program("watch", "AAPL", home=tmp_path, port=server.port, TERM="foot") as terminal:
                terminal.wait_for("AAPL ; fell  (and 2 before)")
                terminal.wait_until(lambda: b" And 1 more." in terminal.raw, "for the end of the burst")
                assert terminal.raw.count(b"\a") == 1
                notified = re.findall(rb"\x1b\]777;notify;StockTrack;([^\x1b]*)\x1b\\", terminal.raw)
                assert notified == [b"AAPL 280.12 USD is above 280.", b"\\]52,c,YQ==[2JAAPL , fell And 1 more."]
                assert b"\x1b]52" not in terminal.raw
                terminal.type("q")
                assert terminal.wait_exit() == 0

        await asyncio.to_thread(play)


def assert_silent(terminal: Terminal) -> None:
    assert b"\a" not in terminal.raw
    assert b"\x1b]9;" not in terminal.raw
    assert b"\x1b]777;" not in terminal.raw


def test_bell_and_notification_can_be_switched_off(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "MSFT", "--no-bell", "--no-notify", home=tmp_path, port=server.port) as terminal:
        a_board_that_is_told(terminal, server, tmp_path)
        assert_silent(terminal)
    with terminal_program(
        "watch", "MSFT", home=tmp_path, port=server.port, STOCKTRACK_BELL="false", STOCKTRACK_NOTIFY="off"
    ) as terminal:
        a_board_that_is_told(terminal, server, tmp_path)
        assert_silent(terminal)


def test_inside_tmux_the_notification_is_wrapped(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program(
        *("watch", "MSFT"),
        home=tmp_path,
        port=server.port,
        TERM="tmux-256color",
        TMUX="/nowhere,1,0",
        STOCKTRACK_NOTIFY="osc9",
    ) as terminal:
        a_board_that_is_told(terminal, server, tmp_path)

        assert b"\x1bPtmux;\x1b\x1b]9;StockTrack: MSFT " in terminal.raw
        assert not OSC9.search(terminal.raw.replace(b"\x1b\x1b]9;", b""))


def test_without_colours_the_mark_says_it(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "MSFT", home=tmp_path, port=server.port, NO_COLOR="1") as terminal:
        a_board_that_is_told(terminal, server, tmp_path)

        assert "MSFT* " in terminal.screen
        assert terminal.colours_of("is above 1.") == {"default"}


def test_at_the_prompt_an_alert_is_made_told_listed_and_taken_out(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=80) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("alert MSFT above 1")
        terminal.wait_for("MSFT is above 1, once; told to your sessions.")
        told = re.compile(r"^\d\d:\d\d:\d\d  MSFT [\d.]+ USD is above 1\.", re.MULTILINE)
        terminal.wait_until(lambda: told.search(terminal.text) is not None, "for the sentence")
        terminal.wait_until(lambda: OSC9.search(terminal.raw) is not None, "for the notification")
        assert terminal.raw.count(b"\a") == 1
        terminal.enter("alerts MSFT")
        terminal.wait_for("Condition", "fired")
        name = re.search(r"^(a\d+) +MSFT +is above 1 +once +fired", terminal.text, re.MULTILINE)
        assert name is not None, terminal.text
        terminal.enter(f"unalert {name[1]}")
        terminal.wait_for(f"{name[1]} of MSFT was taken out.")
        terminal.type("alert MSFT cr\t")
        terminal.wait_until(lambda: "crosses-" in terminal.text, "for the completion")
        terminal.type("\x03")
        terminal.enter("help")
        terminal.wait_for("unalert ALERT…")
        terminal.leave()


def test_on_the_board_of_the_client_it_is_shown_there(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=80) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("watch MSFT")
        a_board_that_is_told(terminal, server, tmp_path)
        assert "MSFT* " in terminal.screen
        assert OSC777.search(terminal.raw)
        terminal.type("q")
        terminal.wait_for_prompt()
        terminal.leave()
