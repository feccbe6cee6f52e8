"""What a terminal that cannot show all letters gets instead of them, one for one, so that columns stay aligned."""

import codecs
import io
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from prompt_toolkit.output import Output

MINUS = "\u2212"  # the sign itself, as wide as a plus; what is for programs keeps the hyphen
# The name under which streams ask for it; `io.TextIOWrapper.reconfigure(errors=...)` takes it.
ERRORS = "stocktrack.plain"
_PLAIN = {
    MINUS: "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2019": "'",
    "\u00b7": "|",
    # What the board is drawn with: the course of the day, marks, keys, and what is cut.
    **dict(zip("▁▂▃▄▅▆▇█", ".:-=+*#@", strict=True)),
    **dict(zip("▸▲▼←→↑↓─●…", ">^v<>^v-o~", strict=True)),
}


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error(ERRORS, _plainly)


class _Written:
    """A stream that is written to as text: given bytes, prompt_toolkit itself puts a `?` for what is not in them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)


def output_of_screen() -> "Output | None":
    """What prompt_toolkit draws with where the terminal cannot show a minus sign; None is what it takes by itself."""
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or can_show(MINUS, stream):
        return None
    from prompt_toolkit.output import create_output  # one-shot commands start without it

    stream.reconfigure(errors=ERRORS)
    return create_output(stdout=cast("TextIO", _Written(stream)))


def can_show(text: str, stream: TextIO) -> bool:
    """Whether the encoding of `stream` has all letters of `text`."""
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
