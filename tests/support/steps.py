"""How many steps of Python a call takes, which says how its cost grows, on a busy machine, too."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps_of(call: Callable[[], object]) -> int:
    """The lines that were run in `call`, those of loops as often as they were run."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def grows_evenly(cost_of: Callable[[int], int], *, count: int = 200) -> bool:
    """Whether four times as many cost some four times as much; what walks over all for each costs sixteen times."""
    return cost_of(4 * count) < 6 * cost_of(count)
