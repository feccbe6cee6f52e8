"""The prices that are pushed while a person types: a fixed block of lines for above the prompt; no I/O."""

from collections.abc import Sequence

from stocktrack.terminal.board_row import Row
from stocktrack.terminal.text import age_text, paint, price_line


def price_block(pushed: Sequence[Row], *, width: int, most: int, colour: bool, is_live: bool, now_ms: int) -> list[str]:
    """A heading, and a line of at most `width` cells for each price, at most `most`; the last says how many more come.

    Where the prices are not live, because the connection is lost, each is marked. Without prices there is nothing.
    """
    rows = [row for row in pushed if row.price is not None]
    shown = rows if len(rows) <= most else rows[: max(0, most - 1)]
    lines = [
        price_line(
            row.price,
            colour=colour,
            width=width - 1,
            digits=row.digits,
            mark="" if is_live else "!",
            end=age_text(row.price.timestamp, now_ms),
        )
        for row in shown
        if row.price is not None
    ]
    if not rows:
        return []
    lines.insert(0, paint("── live ──" if is_live else "── not live ──", "dim", colour=colour))
    if len(shown) < len(rows):
        lines.append(f"and {len(rows) - len(shown)} more; `watch` shows them all"[: max(1, width - 1)])
    return lines
