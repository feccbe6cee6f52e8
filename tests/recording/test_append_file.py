import mmap
import os
from pathlib import Path

import pytest

from stocktrack.recording.append_file import AppendFile
from stocktrack.recording.rows import RecordingError

HEADER = b"a,b\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticks.csv"


def opened(path: Path, header: bytes = HEADER) -> AppendFile:
    return AppendFile(path, header, lambda line: line.count(",") == 1 and line.endswith("."))


def test_a_new_file_begins_with_its_header_and_an_old_one_goes_on(path: Path) -> None:
    for line in (b"1,2.\n", b"3,4.\n"):
        file = opened(path)
        file.write([line])
        file.close()

    assert path.read_bytes() == b"a,b\n1,2.\n3,4.\n"


@pytest.mark.parametrize(
    ("left", "kept", "torn"),
    [
        (b"a,b\n1,2.\n3,", b"a,b\n1,2.\n", 2),
        (b"a,b\n1,2.\n3,4.", b"a,b\n1,2.\n3,4.\n", 0),
        (b"a,b\n1,2.\n\0\0\0", b"a,b\n1,2.\n", 3),
        (b"a,", b"a,b\n", 2),
        (b"", b"a,b\n", 0),
    ],
    ids=["half a row", "only the line end is missing", "a power cut", "half a header", "nothing"],
)
def test_what_a_kill_left_is_mended(path: Path, left: bytes, kept: bytes, torn: int) -> None:
    path.write_bytes(left)

    file = opened(path)
    file.close()

    assert path.read_bytes() == kept
    assert file.torn_bytes == torn


def test_a_file_of_something_else_is_left_alone(path: Path) -> None:
    path.write_bytes(b"name,phone\nann,1\n")

    with pytest.raises(RecordingError, match=r"'name,phone'.*Nothing was changed"):
        opened(path)

    assert path.read_bytes() == b"name,phone\nann,1\n"


@pytest.mark.parametrize(
    ("left", "kept"),
    [(b"row 1.\nro", b"row 1.\n"), (b"row 1", b""), (b"ro", b""), (b"\0\0\0", b"")],
    ids=["half a second row", "half a first row", "less of it", "a power cut"],
)
def test_where_there_is_no_header_the_half_of_a_first_line_is_known_by_its_beginning(
    path: Path, left: bytes, kept: bytes
) -> None:
    path.write_bytes(left)

    AppendFile(path, b"", lambda line: line.endswith("."), b"row ").close()

    assert path.read_bytes() == kept


@pytest.mark.parametrize("size", [1, 10_000], ids=["short", "longer than any row"])
def test_one_line_of_something_else_without_its_end_is_left_alone(path: Path, size: int) -> None:
    written = b'{"notes": "of years"}' * size
    path.write_bytes(written)

    with pytest.raises(RecordingError, match="Nothing was changed"):
        AppendFile(path, b"", lambda line: line.endswith("."), b"row ")

    assert path.read_bytes() == written


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(RecordingError, match="there is no folder"):
        opened(tmp_path / "no" / "ticks.csv")
    with pytest.raises(RecordingError, match="a pipe or a device"):
        opened(tmp_path / "pipe.csv")


def test_no_write_reaches_over_the_end_of_a_page_but_that_of_a_single_row(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = opened(path)
    at, calls = len(HEADER), []
    write = os.write

    def noted(descriptor: int, data: bytes) -> int:
        nonlocal at
        calls.append((at, data))
        at += len(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", noted)
    file.write([b"%d,%s.\n" % (number, b"x" * (number % 90)) for number in range(1_000)])
    file.close()

    over = [data for start, data in calls if start // mmap.PAGESIZE != (start + len(data) - 1) // mmap.PAGESIZE]
    assert len(over) > 5
    assert {data.count(b"\n") for data in over} == {1}
    assert all(data.endswith(b"\n") for _, data in calls)


def test_a_write_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(path)
    file.write([b"1,2.\n"])
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) == 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:-1])  # the kernel takes a part, and nothing more

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        file.write([b"3,4.\n"])
    assert path.read_bytes() == b"a,b\n1,2.\n"
    monkeypatch.setattr(os, "write", write)
    file.write([b"5,6.\n"])
    file.close()

    assert path.read_bytes() == b"a,b\n1,2.\n5,6.\n"


def test_the_last_line_is_found_however_long_the_file_is(path: Path) -> None:
    file = opened(path)
    assert file.last_line() == b""
    file.write([b"%d,%s.\n" % (number, b"x" * 200) for number in range(1_000)])

    assert file.last_line().startswith(b"999,")
    file.close()


def test_a_file_that_lost_its_name_says_so(path: Path) -> None:
    file = opened(path)
    assert file.is_there()
    path.rename(path.with_name("moved.csv"))

    assert not file.is_there()
    path.write_bytes(b"")
    assert not file.is_there()
    file.close()
