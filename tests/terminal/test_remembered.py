import json
import stat
import threading
from pathlib import Path

import pytest

from stocktrack.terminal.board_choice import Order
from stocktrack.terminal.remembered import Remembered

COLUMNS = ("symbol", "price", "age")


def test_what_was_chosen_is_there_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "new" / "board.json"
    remembered = Remembered(path)
    assert (remembered.columns, remembered.order) == (None, None)

    remembered.put_columns(COLUMNS)
    remembered.put_order(Order("percent", is_reversed=True))

    again = Remembered(path)
    assert (again.columns, again.order) == (COLUMNS, Order("percent", is_reversed=True))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["board.json"]

    again.put_columns(None)
    assert (again.columns, again.order) == (None, Order("percent", is_reversed=True))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[1, 2]",
        b'{"columns": "price", "sort": []}',
        b'{"columns": ["prise"]}',
        b"\xff",
        b"[" * 9_000,
    ],
)
def test_a_broken_file_is_as_good_as_none_and_mended_by_the_next_choice(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "board.json"
    path.write_bytes(content)
    remembered = Remembered(path)

    assert (remembered.columns, remembered.order) == (None, None)
    remembered.put_order(Order("name"))
    assert json.loads(path.read_bytes()) == {"sort": "name"}


def test_what_can_be_neither_read_nor_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "board.json").mkdir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "board.json", tmp_path / "file" / "board.json", None):
        remembered = Remembered(path)
        remembered.put_order(Order("name"))
        remembered.put_columns(COLUMNS)
        assert (remembered.columns, remembered.order) == (None, None)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["board.json", "file"]


def test_two_boards_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    whole: list[object] = []

    def choose(name: str) -> None:
        remembered = Remembered(path)
        for _ in range(30):
            remembered.put_order(Order(name))
            whole.append(json.loads(path.read_bytes()))

    threads = [threading.Thread(target=choose, args=(name,)) for name in ("name", "volume")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(whole) == 60
    assert Remembered(path).order in (Order("name"), Order("volume"))
    assert [each.name for each in tmp_path.iterdir()] == ["board.json"]
