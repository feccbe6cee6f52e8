from recorded import a_price
from stocktrack.recording.progress import Progress


def test_the_line_tells_how_it_goes() -> None:
    progress = Progress(
        rows=12_345, rows_a_second=1_980.4, size=3_400_000, symbols=2, waiting=20_000, last=a_price(), lag_ms=12
    )

    assert progress.line() == (
        "12,345 rows, 1,980 a second, 2 symbols, last AAPL 189.45 USD, lag 12 ms, 3.4 MB, 20,000 waiting"
    )


def test_before_the_first_price_it_tells_none() -> None:
    assert Progress(rows=0, rows_a_second=0, size=240, symbols=1).line() == "0 rows, 0 a second, 1 symbol, 240 bytes"
    assert "0.2 a second" in Progress(rows=1, rows_a_second=0.2, size=0, symbols=1).line()
