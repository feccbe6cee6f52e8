import tracemalloc
from pathlib import Path

import pytest

from recorded import NOW_MS, a_price, no_bad_row
from stocktrack.messages import Price
from stocktrack.recording.csv_rows import HEADER, encode
from stocktrack.recording.names import Rotation
from stocktrack.recording.reading import Unreadable, files_of, rows_of, symbols_of
from stocktrack.recording.recording import Recording
from stocktrack.recording.rows import Hole, RecordingError
from stocktrack.recording.summary import bytes_text, duration_text, summarise, time_text


def record(path: Path, *prices: Price) -> Path:
    recording = Recording(path, Rotation(), lambda: NOW_MS)
    recording.write(prices)
    recording.close()
    return path


def test_a_folder_is_read_in_the_order_of_its_first_rows(tmp_path: Path) -> None:
    record(tmp_path / "b.csv", a_price(received_at=NOW_MS))
    record(tmp_path / "a.parquet", a_price(received_at=NOW_MS + 2))
    record(tmp_path / "c.jsonl", a_price(received_at=NOW_MS + 1))
    (tmp_path / "empty.csv").touch()
    (tmp_path / "read me.txt").touch()

    assert [path.name for path in files_of(tmp_path)] == ["b.csv", "c.jsonl", "a.parquet"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.csv", "there is no such file"),
        ("no/none.csv", "there is no such folder"),
        ("ticks.txt", "does not say its format"),
        (".", "a folder without a recording"),
    ],
)
def test_what_is_no_recording_is_told(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(RecordingError, match=f"(?i){says}"):
        files_of(tmp_path / name)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_symbols_are_found_without_reading_all_of_it(tmp_path: Path, suffix: str) -> None:
    path = record(tmp_path / f"ticks.{suffix}", a_price("=X"), a_price("AAPL"), a_price("BRK-B", currency='"a",b'))

    assert symbols_of(path) == {"=X", "AAPL", "BRK-B"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_line_without_measure_is_not_held_in_memory_for_the_symbols_in_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ticks.{suffix}"
    recording = Recording(path, Rotation(), lambda: NOW_MS)
    recording.write([a_price("AAPL")])
    recording.close()
    with path.open("ab") as file:
        file.write(
            b"\0" * 30_000_000 + b"\n" + path.read_bytes().splitlines(keepends=True)[-1].replace(b"AAPL", b"MSFT")
        )

    tracemalloc.start()
    try:
        assert symbols_of(path) == {"AAPL", "MSFT"}
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_lines_that_are_no_rows_are_told_with_their_numbers_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    good = encode(a_price())
    path.write_bytes(HEADER + good + b"nonsense\n\n" + good + b"x" * 200_000 + b"\n" + good + good[:30])
    bad: list[Unreadable] = []

    rows = [*rows_of(path, bad.append)]

    assert rows == [a_price()] * 3
    assert [(each.line, each.is_torn) for each in bad] == [(3, False), (6, False), (8, True)]
    assert (
        str(bad[0]) == f"{path}, line 3: there are 1 cells where the first row names {HEADER.count(b',') + 1} columns."
    )
    assert str(bad[2]) == f"{path}, line 8: the last row was not finished, and is left out."


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"name,phone\n", r"line 1: the first row must name"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(300), r"line 1: the first row must name"),
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b"hello\n", r"line 1: the line is no JSON"),
        ("a.jsonl", b'{"name":"ann"}\n', "line 1: symbol is missing"),
    ],
)
def test_a_file_of_something_else_is_told(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(RecordingError, match=says):
        list(rows_of(tmp_path / name, no_bad_row))


def test_a_summary_tells_what_is_in_it_and_what_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    recording = Recording(path, Rotation(), lambda: NOW_MS)
    recording.write(
        [
            a_price("AAPL", 10.5, seq=1),
            a_price("MSFT", 400.0, seq=7, received_at=NOW_MS + 10),
            Hole(NOW_MS + 10, NOW_MS + 5_010, "The disk was full."),
            a_price("AAPL", 9.25, seq=4, received_at=NOW_MS + 6_000),
            a_price("AAPL", 9.5, seq=1, received_at=NOW_MS + 7_000),
        ]
    )
    recording.close()
    with path.open("ab") as file:
        file.write(b"17123")

    summary = summarise([path])

    text = summary.as_text()
    assert f"{path}: 4 rows of 2 symbols" in text
    assert "from 2024-04-05 15:45:00.000 UTC to 2024-04-05 15:45:07.000 UTC (7.0 s)" in text
    assert "(5.0 s): The disk was full." in text
    assert "2 updates missing by seq" in text
    assert "line 7: the last row was not finished" in text
    told = summary.as_json()
    assert told["symbols"]["AAPL"] == {
        "rows": 3,
        "first_at": NOW_MS,
        "last_at": NOW_MS + 7_000,
        "low": 9.25,
        "high": 10.5,
        "last": 9.5,
        "currency": "USD",
        "missed": 2,
        "restarts": 1,
    }
    assert told["gaps"] == [{"since": NOW_MS + 10, "until": NOW_MS + 5_010, "reason": "The disk was full."}]
    assert [each["torn"] for each in told["unreadable"]] == [True]


def test_a_summary_shows_nothing_of_a_recording_that_steers_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "ticks.jsonl"
    path.write_text(
        r'{"received_at":1,"symbol":"A\u001b[31m","price":1,"currency":"\u001b]0;name\u0007"}'
        "\n"
        r'{"received_at":2,"event":"gap","since":1,"reason":"\u001b[2J\u202e\ud800"}'
        "\n"
    )

    text = summarise([path]).as_text()

    assert text.replace("\n", "").isprintable()
    assert text.encode()


def test_the_texts_of_a_summary_are_for_people() -> None:
    assert [bytes_text(count) for count in (12, 999, 3_400, 5_000_000, 7_200_000_000)] == [
        *("12 bytes", "999 bytes", "3.4 KB", "5.0 MB", "7.2 GB"),
    ]
    assert [duration_text(ms) for ms in (400, 65_000, 7_500_000, 200_000_000)] == [
        *("0.4 s", "1 min 5 s", "2 h 5 min", "2 days 7 h"),
    ]
    assert time_text(10**18) == str(10**18)
