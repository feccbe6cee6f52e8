from pathlib import Path

import pytest

from stocktrack.recording.names import Place, Rotation, series, suffix_of
from stocktrack.recording.rows import RecordingError

DAY_MS = 1_712_331_900_000  # 5 April 2024


@pytest.mark.parametrize(
    ("text", "rotation"),
    [
        ("day", Rotation(daily=True)),
        ("Day", Rotation(daily=True)),
        ("100MB", Rotation(max_bytes=100_000_000)),
        ("500 kb", Rotation(max_bytes=500_000)),
        ("2GB", Rotation(max_bytes=2_000_000_000)),
    ],
)
def test_a_rotation_is_a_day_or_a_size(text: str, rotation: Rotation) -> None:
    assert Rotation.of(text) == rotation


@pytest.mark.parametrize("text", ["", "hour", "100", "MB", "0MB", "1KB", "1.5GB", "-1MB"])
def test_what_is_no_rotation_is_a_sentence_with_the_word_in_it(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^{text!r} is "):
        Rotation.of(text)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (Place(), "ticks.csv"),
        (Place(number=1), "ticks-0001.csv"),
        (Place().next(), "ticks-0002.csv"),
        (Place.of_day(DAY_MS), "ticks-2024-04-05.csv"),
        (Place.of_day(DAY_MS).next(), "ticks-2024-04-05-0002.csv"),
    ],
)
def test_a_file_is_called_by_its_place(place: Place, name: str) -> None:
    assert place.path(Path("/data/ticks.csv")) == Path("/data") / name


def test_a_series_is_found_in_its_order_and_without_its_neighbours(tmp_path: Path) -> None:
    names = ["ticks.csv", "ticks-0002.csv", "ticks-10000.csv", "ticks-2024-04-05.csv", "ticks-2024-04-05-0002.csv"]
    for name in (*reversed(names), "ticks.csv.log", "ticks-old.csv", "ticks-0001.jsonl", "ticks2.csv", "my-ticks.csv"):
        (tmp_path / name).touch()

    assert [path.name for path in series(tmp_path / "ticks.csv").values()] == names


def test_a_parquet_file_that_only_a_journal_tells_of_is_in_the_series(tmp_path: Path) -> None:
    (tmp_path / "ticks.parquet.journal-0001").touch()

    assert [*series(tmp_path / "ticks.parquet").values()] == [tmp_path / "ticks.parquet"]


def test_a_suffix_that_says_no_format_is_told() -> None:
    assert suffix_of(Path("TICKS.CSV")) == ".csv"
    with pytest.raises(RecordingError, match=r"must end with .csv, .jsonl or .parquet"):
        suffix_of(Path("ticks.txt"))
