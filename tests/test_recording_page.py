"""`docs/recording.md`: the file that it shows is one that is written, and read back."""

import re
from pathlib import Path

from recorded import no_bad_row
from stocktrack.recording.csv_rows import HEADER, encode
from stocktrack.recording.reading import rows_of
from stocktrack.recording.recorder import MAX_WAITING
from stocktrack.recording.rows import Hole

PAGE = (Path(__file__).parents[1] / "docs" / "recording.md").read_text(encoding="utf-8")


def test_the_file_of_the_page_is_what_the_recorder_writes(tmp_path: Path) -> None:
    [shown] = re.findall(r"^```csv\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    path = tmp_path / "ticks.csv"
    path.write_text(shown, encoding="utf-8")

    price, hole = rows_of(path, no_bad_row)

    assert isinstance(hole, Hole)
    assert shown.encode() == HEADER + encode(price) + encode(hole)


def test_the_figures_of_the_page_are_those_of_the_program() -> None:
    assert f"keeps {MAX_WAITING:,} prices in memory" in PAGE
