from pathlib import Path

import pytest

from recorded import NOW_MS, no_bad_row
from stocktrack.messages import BoardQuote, Price
from stocktrack.quotes import MarketState
from stocktrack.recording.reading import rows_of
from stocktrack.recording.recording import NotWrittenError, Recording
from stocktrack.recording.rows import Hole, Row
from stocktrack.sinks.base import Sink, SinkError
from stocktrack.sinks.files import FileSink


def a_quote(symbol: str, seq: int) -> BoardQuote:
    return BoardQuote(
        symbol=symbol, price=189.45, market_state=MarketState.OPEN, received_at=NOW_MS, provider="scripted", seq=seq
    )


def rows(path: Path) -> list[Row]:
    return [*rows_of(path, no_bad_row)]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
async def test_what_changes_on_the_board_is_a_recording(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ticks.{suffix}"
    sink: Sink = FileSink(path)
    await sink.open()
    await sink.write([a_quote("AAPL", 1), a_quote("MSFT", 1)])
    await sink.write([a_quote("AAPL", 2)])
    await sink.close()

    assert sink.name == f"file://{path}"
    assert rows(path) == [Price.of(a_quote(symbol, seq)) for symbol, seq in (("AAPL", 1), ("MSFT", 1), ("AAPL", 2))]


async def test_a_full_disk_is_an_error_and_the_file_says_where_the_hole_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ticks.csv"
    sink = FileSink(path)
    await sink.open()
    await sink.write([a_quote("AAPL", 1)])
    write = Recording.write

    def half(recording: Recording, given: list[Row]) -> None:
        write(recording, given[:1])
        raise NotWrittenError(path, OSError(28, "No space left on device"), 1)

    monkeypatch.setattr(Recording, "write", half)
    with pytest.raises(SinkError, match="No space left on device"):
        await sink.write([a_quote("AAPL", 2), a_quote("MSFT", 5)])
    monkeypatch.setattr(Recording, "write", write)
    await sink.open()
    await sink.write([a_quote("AAPL", 2), a_quote("MSFT", 9)])
    await sink.close()

    first, second, hole, last = rows(path)
    assert [first, second, last] == [Price.of(a_quote(*each)) for each in (("AAPL", 1), ("AAPL", 2), ("MSFT", 9))]
    assert isinstance(hole, Hole)
    assert "No space left on device" in hole.reason


async def test_a_place_that_cannot_be_written_is_an_error_and_closing_is_quiet(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "no" / "ticks.csv")
    with pytest.raises(SinkError, match="there is no folder"):
        await sink.open()
    with pytest.raises(SinkError, match="not open"):
        await sink.write([a_quote("AAPL", 1)])
    await sink.close()
