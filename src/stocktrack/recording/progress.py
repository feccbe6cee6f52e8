"""How a recording is going, as one line: rows, rows a second, the last price, its lag, and the size."""

from dataclasses import dataclass

from stocktrack.messages import Price
from stocktrack.quotes import clean_text
from stocktrack.recording.summary import bytes_text, counted, duration_text


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known at one moment; `rows_a_second` is that of the time since the last one was made.

    `lag_ms` is how long after the server had it the last price came here, by the clocks of the two machines.
    """

    rows: int
    rows_a_second: float
    size: int
    symbols: int
    waiting: int = 0
    last: Price | None = None
    lag_ms: int = 0

    def line(self) -> str:
        """`12,345 rows, 1,980 a second, 2 symbols, last AAPL 189.45 USD, lag 12 ms, 3.4 MB`."""
        is_slow = 0 < self.rows_a_second < 10
        rate = f"{self.rows_a_second:.1f}" if is_slow else f"{self.rows_a_second:,.0f}"
        parts = [counted(self.rows, "row"), f"{rate} a second", counted(self.symbols, "symbol")]
        if self.last is not None:
            price = clean_text(f"{self.last.symbol} {self.last.price!r} {self.last.currency or ''}", 60)
            lag = f"{self.lag_ms} ms" if self.lag_ms < 1_000 else duration_text(self.lag_ms)
            parts += [f"last {price}", f"lag {lag}"]
        parts.append(bytes_text(self.size))
        if self.waiting > 1_000:
            parts.append(f"{self.waiting:,} waiting")
        return ", ".join(parts)
