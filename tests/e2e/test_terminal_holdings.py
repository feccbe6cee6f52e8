"""What is held, on the board of a real pseudo-terminal, against a real server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import ServerProcess, run_stocktrack, terminal_program

TOTAL = re.compile(r"^Total ([\d,.]+) USD  today ([-+\d,.]+) ", re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        for lot in (("AAPL", "10", "@", "146"), ("OCDO.L", "1000", "@", "250")):
            run_stocktrack("lots", "add", *lot, home=tmp_path_factory.mktemp("home"), port=process.port)
        yield process


def test_the_board_shows_what_is_held_and_each_price_moves_the_total(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "AAPL,MSFT", home=tmp_path, port=server.port, columns=110) as terminal:
        terminal.wait_for("Total ", "Quantity", "Today")
        row = re.search(
            r"^AAPL +([\d.]+) .* ([\d,]+\.\d\d) +[+\u2212][\d.]+ +[+\u2212][\d.]+ +[\d.]+%",
            terminal.screen,
            re.MULTILINE,
        )
        assert row is not None, terminal.screen
        assert float(row[2].replace(",", "")) == pytest.approx(10 * float(row[1]))
        seen: set[str] = set()

        def has_moved() -> bool:
            seen.update(found[1] for found in TOTAL.finditer(terminal.screen))
            return len(seen) >= 3

        terminal.wait_until(has_moved, "for the total to move")
        # 1,000 pieces at some four pounds, and ten at some 190 dollars.
        assert all(5_000 < float(total.replace(",", "")) < 12_000 for total in seen)

        terminal.type("m")
        terminal.wait_until(lambda: "Total " not in terminal.screen, "for the money to be gone")
        assert "Value" not in terminal.screen
        terminal.type("m")
        terminal.wait_for("Total ")
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_they_are_not_shown_where_nobody_wants_it(server: ServerProcess, tmp_path: Path) -> None:
    with terminal_program("watch", "AAPL", "--no-holdings", home=tmp_path, port=server.port) as terminal:
        terminal.wait_for("AAPL", "open", "q quit")
        terminal.wait_until(lambda: "▁" in terminal.screen or "▄" in terminal.screen, "for the day's course")
        assert "Total " not in terminal.text
        terminal.type("m")
        terminal.wait_for("Total ")
        terminal.type("q")
        assert terminal.wait_exit() == 0


def test_a_server_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path / "server") as server,
        terminal_program("client", "--menu", home=tmp_path, port=server.port, columns=110) as terminal,
    ):
        terminal.wait_for_prompt()
        terminal.enter("lot AAPL 10 @ 146")
        terminal.wait_for("The lot l1 was added")
        terminal.enter("watch AAPL")
        terminal.wait_until(lambda: TOTAL.search(terminal.screen) is not None, "for the total")
        server.stop()
        terminal.wait_for("Reconnecting…")
        server.start()
        terminal.wait_for("Connected again")
        before = TOTAL.search(terminal.screen)
        assert before is not None
        terminal.wait_until(
            lambda: (found := TOTAL.search(terminal.screen)) is not None and found[1] != before[1],
            "for another total",
        )
        terminal.type("q")
        terminal.wait_for_prompt()
        terminal.leave()
