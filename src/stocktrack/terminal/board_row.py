"""What a row of the live board knows of its symbol, and what a column of the board is."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from stocktrack.messages import Price
from stocktrack.terminal.course import Course
from stocktrack.terminal.text import Extended

# The newest prices of a symbol that are kept for its sparkline; a board is hardly wider.
TRAIL_LENGTH = 240


@dataclass(slots=True)
class Row:
    """A symbol, its newest price, and the course of its prices."""

    symbol: str
    price: Price | None = None
    trail: deque[float] = field(default_factory=lambda: deque(maxlen=TRAIL_LENGTH))
    last_move: int = 0  # the sign of its last change, which outlives the change of the day
    course: Course | None = None  # of its day, once that is known; one without prices where nobody has it
    extended: Extended | None = None  # the price before or after the regular hours, and at night the last one


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its width in cells, and of a row the text and the style class in so many cells."""

    heading: str
    width: int
    cell: Callable[[Row, int], tuple[str, str]]
    is_right: bool = True
