"""What is drawn for the room that there is, so that it can be drawn again for another: a table, a chart, the help."""

import os
import shutil
from collections.abc import Callable
from typing import Final, TypeAlias

# A text for so many columns and lines.
Drawing: TypeAlias = Callable[[os.terminal_size], str]

# The line that was typed, the prompt, and what stands below that.
_LINES_OF_PROMPT: Final = 3


def room_at_prompt() -> os.terminal_size:
    """What a drawing between two prompts may take of the terminal."""
    size = shutil.get_terminal_size()
    return os.terminal_size((size.columns, size.lines - _LINES_OF_PROMPT))
