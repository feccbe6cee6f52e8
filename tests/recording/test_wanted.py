import os
from pathlib import Path

import pytest

from stocktrack.recording.wanted import SymbolFile, Wanted, typed


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("+NVDA", (True, ["NVDA"])),
        (" nvda ", (True, ["NVDA"])),
        ("-TSLA", (False, ["TSLA"])),
        ("+AAPL, MSFT  # both", (True, ["AAPL", "MSFT"])),
        ("--F", (False, ["-F"])),
        ("+-F", (True, ["-F"])),
    ],
)
def test_a_typed_line_adds_or_takes_away(line: str, change: tuple[bool, list[str]]) -> None:
    assert typed(line) == change


@pytest.mark.parametrize("line", ["+", "-", "# nothing", "+café", "a!b"])
def test_a_typed_line_that_says_neither_is_a_sentence(line: str) -> None:
    with pytest.raises(ValueError, match=r"is not a symbol|names no symbol"):
        typed(line)


def test_what_is_wanted_is_what_was_named_and_what_the_file_lists_now() -> None:
    wanted = Wanted(["AAPL"])
    wanted.take_file(["MSFT", "AAPL"])
    wanted.add(["NVDA"])
    assert [*wanted.symbols] == ["AAPL", "NVDA", "MSFT"]

    wanted.take_file(["TSLA"])
    wanted.remove(["NVDA"])
    assert [*wanted.symbols] == ["AAPL", "TSLA"]


class TestAFileOfSymbols:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "mine.txt"
        path.write_text("# mine\naapl  # Apple\n\nMSFT, TSLA\r\n")
        return path

    @pytest.fixture
    def told(self) -> list[str]:
        return []

    @pytest.fixture
    def file(self, path: Path, told: list[str]) -> SymbolFile:
        return SymbolFile(path, told.append)

    def test_it_lists_symbols_with_remarks(self, file: SymbolFile, told: list[str]) -> None:
        assert file.read() == ["AAPL", "MSFT", "TSLA"]
        assert file.look() is None
        assert told == []

    def test_a_change_is_taken_once_it_stays(self, file: SymbolFile, path: Path) -> None:
        file.read()
        path.write_text("NVDA\n")

        assert [file.look(), file.look(), file.look()] == [None, ["NVDA"], None]

    def test_a_file_that_is_replaced_is_read_too(self, file: SymbolFile, path: Path) -> None:
        file.read()
        new = path.with_name("new.txt")
        new.write_text("AAPL  # Apple\nMSFT, TSLA\n")
        os.utime(new, ns=(path.stat().st_mtime_ns,) * 2)
        new.replace(path)

        assert [file.look(), file.look()] == [None, ["AAPL", "MSFT", "TSLA"]]

    def test_a_file_that_vanishes_is_told_once_and_its_list_stays(
        self, file: SymbolFile, path: Path, told: list[str]
    ) -> None:
        file.read()
        path.unlink()
        assert [file.look(), file.look(), file.look()] == [None] * 3
        assert told == [f"{path} cannot be read: No such file or directory. The last list of it stays."]

        path.write_text("NVDA\n")
        assert [file.look(), file.look()] == [None, ["NVDA"]]
        path.unlink()
        file.look()
        assert len(told) == 2

    def test_a_bad_line_is_told_with_its_number_and_left_out(
        self, file: SymbolFile, path: Path, told: list[str]
    ) -> None:
        path.write_text("AAPL\nno symbol!\nMSFT\n")

        assert file.read() == ["AAPL", "NO", "MSFT"]
        assert len(told) == 1
        assert told[0].startswith(f"{path}, line 2: 'symbol!' is not a symbol")

    def test_what_is_no_list_is_told(self, file: SymbolFile, path: Path) -> None:
        path.write_bytes(b"A\n" * 1_000_000)

        with pytest.raises(ValueError, match="no list of symbols"):
            file.read()
        path.unlink()
        with pytest.raises(ValueError, match="No such file"):
            file.read()

    def test_a_pipe_is_told_before_anybody_waits_for_its_writer(self, file: SymbolFile, path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

        with pytest.raises(ValueError, match="no file that can be watched: pipe its symbols"):
            file.read()

    def test_of_many_bad_lines_some_are_told_and_the_others_counted(
        self, file: SymbolFile, path: Path, told: list[str]
    ) -> None:
        path.write_text("a!b\n" * 10_000)

        assert file.read() == []
        assert (len(told), told[-1]) == (21, f"{path}: 9,980 more are left out.")
