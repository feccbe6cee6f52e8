"""How many cells of the board a text takes, as its window draws it, and cutting and wrapping by that; no I/O.

It is counted character by character. Rich counts an emoji of several characters, or with a colour of skin, as one:
where columns are measured so and drawn otherwise, everything behind such a name stands in the wrong place.
"""

from textwrap import wrap
from typing import Final

from prompt_toolkit.utils import get_cwidth

# Stands for the second cell of a wide character; `clean_text` leaves none of its kind in a text.
_SECOND_CELL: Final = "\ue000"


class _Widths(dict[str, int]):
    """The cells of each character, as the toolkit has them."""

    def __missing__(self, character: str) -> int:
        width = self[character] = get_cwidth(character)
        return width


# The toolkit keeps all that it was asked for ever, so it is asked by the character: of texts there is no end.
_width_of: Final = _Widths().__getitem__


def cells_of(text: str) -> int:
    """In how many cells a clean text is drawn; of most, which is ASCII, that is seen at once."""
    return len(text) if text.isascii() else sum(map(_width_of, text))


def cut(text: str, cells: int) -> str:
    """`text` in exactly so many cells, with an ellipsis where something is cut off."""
    left = cells - cells_of(text)
    if left >= 0:
        return text + " " * left
    return filled(_begin(text, cells - 1).rstrip() + "…", cells) if cells > 0 else ""


def filled(text: str, cells: int) -> str:
    """`text` with spaces behind it in so many cells, cut off where it takes more."""
    begin = text if cells_of(text) <= cells else _begin(text, cells)
    return begin + " " * (cells - cells_of(begin))


def wrapped(text: str, cells: int, *, max_lines: int | None = None, break_on_hyphens: bool = True) -> list[str]:
    """`text` as lines of at most so many cells, broken between words where that is possible; dots end the last one."""
    is_wide = not text.isascii() and any(_width_of(character) > 1 for character in text)
    if is_wide:
        text = "".join(_SECOND_CELL * (_width_of(character) - 1) + character for character in text)
    lines = wrap(
        text,
        cells - is_wide,  # a line may begin with a character whose second cell was counted on the one above
        max_lines=max_lines,
        placeholder=" …",
        break_on_hyphens=break_on_hyphens,
    )
    return [line.replace(_SECOND_CELL, "") for line in lines] if is_wide else lines


def _begin(text: str, cells: int) -> str:
    """As much of the beginning as is drawn in so many cells, with the accents of its last character."""
    for at, character in enumerate(text):
        cells -= _width_of(character)
        if cells < 0:
            return text[:at]
    return text
