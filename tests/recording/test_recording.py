from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from pyarrow import parquet

from recorded import NOW_MS, a_price, no_bad_row
from stocktrack.messages import Price
from stocktrack.recording import csv_rows, parquet_file
from stocktrack.recording.names import Rotation
from stocktrack.recording.reading import files_of, rows_of
from stocktrack.recording.recording import NOT_RUNNING, Recording
from stocktrack.recording.rows import Hole, RecordingError, Row

SUFFIXES = ("csv", "jsonl", "parquet")
DAY_MS = 86_400_000


def record(path: Path, *rows: Row, rotation: Rotation | None = None, now_ms: int = NOW_MS) -> None:
    recording = Recording(path, rotation or Rotation(), lambda: now_ms)
    recording.write(rows)
    recording.close()


def read(path: Path) -> list[Row]:
    return [row for each in files_of(path) for row in rows_of(each, no_bad_row)]


def prices(count: int, **fields: int) -> list[Price]:
    return [a_price(f"S{number % 7}", 100 + number / 8, seq=number + 1, **fields) for number in range(count)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    rows: list[Row] = [*prices(1_200), Hole(NOW_MS, NOW_MS + 5, "Why not.")]

    record(tmp_path / f"ticks.{suffix}", *rows)

    assert read(tmp_path / f"ticks.{suffix}") == rows


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_recording_goes_on_in_what_is_there_and_says_that_nobody_recorded_meanwhile(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"ticks.{suffix}"
    record(path, a_price(seq=1))

    record(path, a_price(seq=2), now_ms=NOW_MS + 60_000)

    assert read(path) == [a_price(seq=1), Hole(NOW_MS, NOW_MS + 60_000, NOT_RUNNING), a_price(seq=2)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_second_recorder_of_the_same_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ticks.{suffix}"
    first = Recording(path, Rotation(), lambda: NOW_MS)
    first.diary.note("started (process 4711)")

    with pytest.raises(RecordingError, match=r"another recorder \(process 4711\)"):
        Recording(path, Rotation(daily=True), lambda: NOW_MS)
    first.close()

    record(path, a_price())
    assert read(path) == [a_price()]


@pytest.mark.parametrize("other", ["link.csv", "ticks.csv"])
def test_a_second_recorder_of_the_same_file_by_another_name_is_refused(tmp_path: Path, other: str) -> None:
    path = tmp_path / "ticks-2024-04-05.csv"
    (tmp_path / "link.csv").symlink_to(path)
    first = Recording(path, Rotation(), lambda: NOW_MS)

    with pytest.raises(RecordingError, match="another recorder"):
        Recording(tmp_path / other, Rotation(daily=other == "ticks.csv"), lambda: NOW_MS)
    first.close()


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_is_no_longer_than_the_rotation_says_and_each_has_its_header(tmp_path: Path, suffix: str) -> None:
    rotation, path = Rotation(max_bytes=10_000), tmp_path / f"ticks.{suffix}"
    rows = prices(500)

    record(path, *rows[:300], rotation=rotation)
    record(path, *rows[300:], rotation=rotation)

    files = files_of(path)
    assert [each.name for each in files[:2]] == [f"ticks-0001.{suffix}", f"ticks-0002.{suffix}"]
    assert len(files) > 4
    assert all(each.stat().st_size <= 10_000 for each in files)
    assert read(path) == rows
    assert "rotated: ticks-0001" in (tmp_path / f"ticks.{suffix}.log").read_text()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_day_has_a_file_of_its_own_by_utc(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ticks.{suffix}"
    days = [a_price(seq=number, received_at=NOW_MS + number * DAY_MS // 2) for number in range(5)]
    late = a_price(seq=9, received_at=NOW_MS)  # a clock that was set back begins no old file again

    record(path, *days, late, rotation=Rotation(daily=True))

    assert [each.stem[-10:] for each in files_of(path)] == ["2024-04-05", "2024-04-06", "2024-04-07"]
    assert read(path) == [*days, late]


def test_a_time_of_no_calendar_goes_into_the_file_of_now(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    rows = [a_price(seq=1), a_price(seq=2, received_at=NOW_MS * 1_000_000), a_price(seq=3)]  # nanoseconds

    record(path, *rows, rotation=Rotation(daily=True))

    assert [each.stem[-10:] for each in files_of(path)] == ["2024-04-05"]
    assert read(path) == rows


def test_a_file_that_was_taken_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    recording = Recording(path, Rotation(), lambda: NOW_MS)
    recording.write([a_price(seq=1)])
    path.rename(tmp_path / "old.csv")

    recording.write([a_price(seq=2)])
    recording.close()

    assert read(tmp_path / "old.csv") == [a_price(seq=1)]
    assert read(path) == [a_price(seq=2)]


def test_a_file_that_was_emptied_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    recording = Recording(path, Rotation(), lambda: NOW_MS)
    recording.write([a_price(seq=1)])
    path.write_bytes(b"")

    recording.write([a_price(seq=2)])
    recording.close()

    assert read(path) == [a_price(seq=2)]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_of_something_else_is_refused_and_the_lock_is_free_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ticks.{suffix}"
    path.write_text("hello\n")

    for _ in range(2):
        with pytest.raises(RecordingError, match="not that of a recording"):
            Recording(path, Rotation(), lambda: NOW_MS)
    assert path.read_text() == "hello\n"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


class TestParquet:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "ticks.parquet"

    @pytest.fixture
    def killed(self, path: Path) -> Callable[[list[Price]], None]:
        """Leaves a recording as a kill does: nothing is closed, and so nothing is taken into the file."""

        def kill(rows: list[Price]) -> None:
            file = parquet_file.ParquetFile(path)
            file.write(rows)
            if file._merging is not None:
                file._merging.join()
            file._journal.close()

        return kill

    def test_the_file_is_complete_while_it_is_written(self, path: Path) -> None:
        file = parquet_file.ParquetFile(path)

        assert parquet.read_table(path).num_rows == 0
        file.close()
        assert [each.name for each in path.parent.iterdir()] == ["ticks.parquet"]

    def test_rows_of_a_killed_recorder_are_read_from_its_journal(
        self, path: Path, killed: Callable[[list[Price]], None]
    ) -> None:
        rows = prices(40)
        record(path, *rows[:10])
        killed(rows[10:20])
        killed(rows[20:])
        with next(path.parent.glob("*.journal-*")).open("ab") as journal:
            journal.write(b"1712331900000,AAPL,18")  # the half of a row

        assert read(path) == rows
        record(path, now_ms=NOW_MS)
        assert parquet.read_table(path).num_rows == 40
        assert read(path) == rows

    def test_a_kill_before_the_journal_was_removed_doubles_no_row(self, path: Path) -> None:
        rows = prices(20)
        record(path, *rows)
        merged = parquet_file._told_of(path)[1]
        left = path.with_name(f"ticks.parquet.journal-{merged:04}")
        left.write_bytes(csv_rows.HEADER + b"".join(map(csv_rows.encode, rows)))

        assert read(path) == rows
        record(path, now_ms=NOW_MS)
        assert read(path) == rows

    def test_many_rows_become_large_groups_in_a_file_of_their_order(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parquet_file, "LEAST_MERGED", 100)
        monkeypatch.setattr(parquet_file, "GROUP_ROWS", 1_000)
        monkeypatch.setattr(parquet_file, "_RETRY_SECONDS", 0.0)
        rows = prices(5_000)
        file = parquet_file.ParquetFile(path)
        for at in range(0, len(rows), 50):
            file.write(rows[at : at + 50])
        file.close()

        assert read(path) == rows
        assert parquet.ParquetFile(path).metadata.num_row_groups <= 6

    def test_a_full_file_is_followed_by_the_next(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet_file, "MAX_ROWS", 1_000)
        rows = prices(2_600)

        record(path, *rows)

        assert [each.name for each in files_of(path)] == [
            "ticks.parquet",
            "ticks-0002.parquet",
            "ticks-0003.parquet",
        ]
        assert read(path) == rows

    def test_where_the_file_cannot_be_written_the_journals_hold_the_rows(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = prices(60)
        record(path, *rows[:10])
        recording = Recording(path, Rotation(), lambda: NOW_MS)
        writer = parquet.ParquetWriter

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(parquet, "ParquetWriter", full)
        monkeypatch.setattr(parquet_file, "MERGED_AFTER_SECONDS", 0.0)
        recording.write(rows[10:30])
        recording.write(rows[30:])
        recording.close()
        assert read(path) == rows
        monkeypatch.setattr(parquet, "ParquetWriter", writer)

        record(path, now_ms=NOW_MS)
        assert parquet.read_table(path).num_rows == 60
        assert read(path) == rows

    @pytest.mark.parametrize("content", [b"", b"PAR1 no", b"x" * 100])
    def test_a_file_that_is_no_parquet_is_refused(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)

        with pytest.raises(RecordingError, match="cannot be read as Parquet"):
            Recording(path, Rotation(), lambda: NOW_MS)
        with pytest.raises(RecordingError, match="cannot be read as Parquet"):
            read(path)

    def test_a_parquet_file_of_something_else_is_refused(self, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415

        parquet.write_table(pa.table({"a": [1]}), path)

        with pytest.raises(RecordingError, match="is not a recording"):
            Recording(path, Rotation(), lambda: NOW_MS)
        with pytest.raises(RecordingError, match="no columns"):
            read(path)

    def test_a_journal_that_cannot_be_begun_is_no_reason_to_write_rows_twice(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = parquet_file.ParquetFile(path)

        def is_full(number: int) -> NoReturn:
            raise RecordingError(f"{path}: no space left for {number}.")

        file._merge_at = 0.0
        with monkeypatch.context() as patched:
            patched.setattr(file, "_new_journal", is_full)
            assert file.write(prices(3)) == 3
        file.close()

        assert read(path) == prices(3)

    def test_a_line_of_a_journal_that_somebody_has_spoilt_is_told(
        self, path: Path, killed: Callable[[list[Price]], None]
    ) -> None:
        killed(prices(3))
        [(_, journal)] = parquet_file.journals_of(path)
        journal.write_bytes(journal.read_bytes().replace(b"scripted", b'"scripted', 1))

        for each in (lambda: read(path), lambda: Recording(path, Rotation(), lambda: NOW_MS)):
            with pytest.raises(RecordingError, match=r"journal-0001, line 2: .*Take that line out"):
                each()
