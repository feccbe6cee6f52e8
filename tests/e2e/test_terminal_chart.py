"""Past prices in a real pseudo-terminal, against a real server on the simulated market."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import ServerProcess, Terminal, terminal_program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


def finished(terminal: Terminal) -> list[str]:
    """The lines of the screen after the program has ended well."""
    assert terminal.wait_exit() == 0
    return terminal.text.rstrip().splitlines()


@pytest.mark.parametrize("columns", [120, 80, 40])
@pytest.mark.parametrize(
    "kind",
    [("--range", "1d"), ("--range", "5d", "--candles"), ("--range", "1mo", "--candles"), ("--range", "1y")],
)
def test_a_chart_fills_the_screen_and_leaves_a_line_for_the_prompt(
    server: ServerProcess, tmp_path: Path, columns: int, kind: tuple[str, ...]
) -> None:
    with terminal_program(
        "chart", "AAPL", *kind, home=tmp_path, port=server.port, columns=columns, rows=24
    ) as terminal:
        lines = finished(terminal)

    assert len(lines) == 23
    assert lines[0].startswith("AAPL  ")
    assert "simulated" in "\n".join(lines[1:4])
    assert max(map(len, lines)) == columns  # the axis below reaches the last column
    assert sum("┤" in line for line in lines) >= 3
    assert len(lines[-1].split()) >= 2  # times
    assert "vol" in lines[-3]


def test_it_has_the_colours_of_the_board(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("chart", "AAPL", home=tmp_path, port=server.port) as terminal:
        finished(terminal)
        change = re.search(r"[+\u2212]\d+\.\d\d%", terminal.text)
        assert change is not None
        assert terminal.colours_of(change[0]) == {"green" if change[0][0] == "+" else "red"}
    with terminal_program("chart", "AAPL", home=tmp_path, port=server.port, NO_COLOR="1") as terminal:
        finished(terminal)
        assert b"\x1b[3" not in terminal.raw
        assert "┤" in terminal.text


def test_history_is_a_table_in_which_the_sentence_stands_below(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("history", "AAPL", home=tmp_path, port=server.port, rows=50) as terminal:
        lines = finished(terminal)

    assert lines[0].split() == ["Time", "Open", "High", "Low", "Close", "%", "Volume"]
    assert re.match(r"\d{4}-\d\d-\d\d +[\d.]+ ", lines[1])
    assert lines[-2].endswith("live")
    assert "bars of 1d from simulated, in USD" in lines[-1]


def test_the_interactive_client_draws_and_completes(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=80, rows=30) as terminal:
        terminal.wait_for_prompt()
        terminal.enter("history AAPL 5d 1d")
        terminal.wait_for("AAPL: 5 bars of 1d from simulated")
        terminal.type("chart A\t")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> chart AAPL", "for the symbol")
        terminal.type(" 1m\t")
        terminal.wait_until(lambda: terminal.cursor_line == "stocktrack> chart AAPL 1mo", "for the range")
        terminal.type(" candles\r")
        terminal.wait_for("1mo ", "1d candles", "┃")
        terminal.wait_for_prompt()
        assert any(line.startswith("AAPL  ") for line in terminal.lines)  # its head is still in sight
        terminal.enter("chart AAPL 2y")
        terminal.wait_for("`chart` takes no '2y'")
        terminal.leave()


def test_the_board_shows_the_day_soon_after_the_first_prices(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "AAPL", "EURUSD=X", home=tmp_path, port=server.port) as terminal:

        def has_days() -> bool:
            rows = [line for line in terminal.lines if line.startswith(("AAPL", "EURUSD=X"))]
            return len(rows) == 2 and all(re.search("[▁▂▃▄▅▆▇█]{20}", row) for row in rows)

        terminal.wait_until(has_days, "for the courses of the day")
        assert "Day" in terminal.lines[1].split()
        terminal.type("q")
        assert terminal.wait_exit() == 0
