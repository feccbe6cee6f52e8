"""A grid of cells to draw on, each with a character and a tone: lines in dots of braille, or in ASCII; no I/O."""

from collections.abc import Sequence

from stocktrack.terminal.text import paint

DOTS_ACROSS, DOTS_DOWN = 2, 4  # of a cell
_BRAILLE = 0x2800
# https://www.unicode.org/charts/PDF/U2800.pdf: which bit a dot is, by its row and column.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_UPPER, _LOWER = 0x01 | 0x08 | 0x02 | 0x10, 0x04 | 0x20 | 0x40 | 0x80


class Canvas:
    """So many columns and rows of cells; what is drawn later lies over what is there."""

    def __init__(self, columns: int, rows: int, *, is_unicode: bool) -> None:
        self.columns, self.rows = columns, rows
        self._is_unicode = is_unicode
        self._dots = [[0] * columns for _ in range(rows)]
        self._texts = [[""] * columns for _ in range(rows)]
        self._tones = [[""] * columns for _ in range(rows)]

    def is_empty(self, column: int, row: int) -> bool:
        """Whether nothing is drawn in a cell."""
        return not (self._dots[row][column] or self._texts[row][column])

    def dot(self, x: int, y: int, tone: str) -> None:
        """A dot, two of which stand beside each other in a cell, and four below each other."""
        column, row = x // DOTS_ACROSS, y // DOTS_DOWN
        if 0 <= column < self.columns and 0 <= row < self.rows:
            self._dots[row][column] |= _BITS[y % DOTS_DOWN][x % DOTS_ACROSS]
            self._tones[row][column] = tone

    def line(self, start: tuple[int, int], end: tuple[int, int], tone: str) -> None:
        """A line of dots, without a gap, by Bresenham's algorithm (IBM Systems Journal 4, 1965)."""
        (x, y), (to_x, to_y) = start, end
        across, down = abs(to_x - x), -abs(to_y - y)
        step_x, step_y = (1 if to_x > x else -1), (1 if to_y > y else -1)
        error = across + down
        while True:
            self.dot(x, y, tone)
            if (x, y) == (to_x, to_y):
                return
            twice = 2 * error
            if twice >= down:
                error += down
                x += step_x
            if twice <= across:
                error += across
                y += step_y

    def put(self, column: int, row: int, text: str, tone: str) -> None:
        """Characters, a cell each, in place of what is there."""
        for place, character in enumerate(text, column):
            if 0 <= place < self.columns and 0 <= row < self.rows:
                self._texts[row][place] = character
                self._tones[row][place] = tone

    def dashes(self, y: int, tone: str) -> None:
        """A dashed line across, in the row of dots `y`, behind all that is drawn."""
        row = y // DOTS_DOWN
        for column in range(0, self.columns, 2):
            if self.is_empty(column, row):
                if self._is_unicode:
                    for x in range(DOTS_ACROSS):
                        self.dot(column * DOTS_ACROSS + x, y, tone)
                else:
                    self.put(column, row, "-", tone)

    def lines(self, *, colour: bool) -> list[str]:
        """The rows as text, with colours where they are wanted."""
        return [
            toned(
                [text or self._character(dots) for text, dots in zip(texts, row, strict=True)],
                tones,
                colour=colour,
            )
            for texts, row, tones in zip(self._texts, self._dots, self._tones, strict=True)
        ]

    def _character(self, dots: int) -> str:
        if not dots:
            return " "
        if self._is_unicode:
            return chr(_BRAILLE + dots)
        return {(True, False): "'", (False, True): ".", (True, True): ":"}[bool(dots & _UPPER), bool(dots & _LOWER)]


def toned(characters: Sequence[str], tones: Sequence[str], *, colour: bool) -> str:
    """Characters as one text, those beside each other in the same tone painted at once."""
    parts: list[str] = []
    run, run_tone = "", ""
    for character, tone in zip(characters, tones, strict=True):
        if tone != run_tone and character != " ":
            parts.append(paint(run, run_tone, colour=colour))
            run, run_tone = "", tone
        run += character
    return "".join([*parts, paint(run.rstrip(), run_tone, colour=colour)])
