"""Two people at real prompts: what one says stands above the other's line, and below the other's board."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import ServerProcess, Terminal, terminal_program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), STOCKTRACK_CHAT="true") as process:
        yield process


@pytest.fixture
def talker(server: ServerProcess, tmp_path: Path) -> Iterator[Terminal]:
    with terminal_program("client", "--menu", home=tmp_path / "talker", port=server.port) as terminal:
        terminal.wait_for_prompt()
        yield terminal


@pytest.fixture
def listener(server: ServerProcess, tmp_path: Path) -> Iterator[Terminal]:
    with terminal_program("client", "--menu", home=tmp_path / "listener", port=server.port) as terminal:
        terminal.wait_for_prompt()
        yield terminal


def test_a_word_stands_above_the_line_that_is_being_typed(talker: Terminal, listener: Terminal) -> None:
    listener.type("get AA")
    listener.wait_until(lambda: listener.cursor_line == "stocktrack> get AA", "for the line")
    for number in range(5):
        talker.enter(f"say Hello [{number}]   there")
    talker.wait_for("1 session will hear it.")
    listener.wait_for(*(f"ann: Hello [{number}] there" for number in range(5)))
    listener.wait_until(lambda: listener.cursor_line == "stocktrack> get AA", "for the line as it was")
    assert b"\x1b[2mann: Hello [4] there" in listener.raw  # dim
    listener.enter("PL")
    listener.wait_for("Apple Inc.")


def test_what_is_said_of_a_symbol_reaches_a_board_that_shows_it(talker: Terminal, listener: Terminal) -> None:
    listener.enter("watch AAPL,MSFT")
    listener.wait_for("q back")
    talker.enter("say --symbol TSLA Of another one")
    talker.wait_for("Nobody at this server hears it.")
    talker.enter("say What a day! --symbol aapl")
    listener.wait_for("ann (AAPL): What a day!")
    assert "q back" in listener.lines[-1]
    assert "Of another one" not in listener.text
    listener.type("q")
    listener.wait_for_prompt()


def test_what_cannot_be_said_is_told_at_the_prompt(talker: Terminal) -> None:
    talker.enter("say --symbol AAPL")
    talker.wait_for("`say` takes a text and a symbol")
    talker.enter("say")
    talker.wait_for("What:")
    talker.enter("x" * 501)
    talker.wait_for("at most 500 characters")
