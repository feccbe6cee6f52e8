"""Numbers, texts and times in what a vendor sent as JSON, of which nothing is trusted; pure.

What is not what it should be is None: no text is taken for a number, no NaN for a price.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from stocktrack.quotes import clean_link, clean_text

MAX_NAME_CHARS: Final = 60
MAX_TITLE_CHARS: Final = 300
DAY_MS: Final = 86_400_000
# Before any source here began, and after what a zero or an overflow reads.
FIRST_TIME_MS: Final = 631_152_000_000  # 1 January 1990
# Of a size that no price, volume or market value has.
_TOO_LARGE: Final = 1e30


def number(value: Any) -> float | None:
    """The finite number in `value`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and abs(found) < _TOO_LARGE else None


def positive(value: Any) -> float | None:
    """The number above zero in `value`; vendors write a zero where they know of none."""
    found = number(value)
    return found if found is not None and found > 0 else None


def text(*values: Any, max_chars: int = MAX_NAME_CHARS) -> str | None:
    """The first of `values` that is a text with something in it, cleaned."""
    for value in values:
        if isinstance(value, str) and (cleaned := clean_text(value, max_chars)):
            return cleaned
    return None


def link(value: Any) -> str | None:
    """The address of the web in `value`."""
    return clean_link(value) if isinstance(value, str) else None


def objects(value: Any) -> Sequence[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def is_time(milliseconds: float, now_ms: int, *, ahead_ms: int) -> bool:
    """Whether a market's time can be one: no clock of a vendor's is more than `ahead_ms` fast."""
    return FIRST_TIME_MS <= milliseconds <= now_ms + ahead_ms
