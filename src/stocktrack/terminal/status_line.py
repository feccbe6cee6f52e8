"""One line at the bottom of a terminal that is written anew in its place, below what else is written there."""

import shutil
from typing import TextIO

_CLEAR = "\r\x1b[2K"


class StatusLine:
    """Standard error, or what is written there, with a line below it. A log handler may write to it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._text = ""

    def show(self, text: str) -> None:
        """Have `text`, which must be safe to print, as the line; as much of it as fits."""
        self._text = text[: max(1, shutil.get_terminal_size().columns - 1)]
        self._out.write(f"{_CLEAR}{self._text}")
        self._out.flush()

    def write(self, text: str) -> None:
        """Write whole lines above the line."""
        self._out.write(f"{_CLEAR}{text}{self._text}" if self._text else text)

    def flush(self) -> None:
        """Write out what waits."""
        self._out.flush()

    def end(self) -> None:
        """Leave the line as it is, and go on below it."""
        if self._text:
            self._text = ""
            self._out.write("\n")
            self._out.flush()
