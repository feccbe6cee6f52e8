"""What adds a symbol to the board: a name is typed, what a search finds is chosen; no I/O."""

import contextlib
from collections.abc import Iterable

from stocktrack.quotes import Match, clean_text, normalise_symbol
from stocktrack.terminal.board_cells import Line, cut_line
from stocktrack.terminal.cells import cells_of, cut
from stocktrack.terminal.text import safe, safe_symbol

_MAX_TYPED = 100
_MAX_SYMBOL_CELLS = 20
_SELECTED = "▸ "


class SymbolPicker:
    """`typed` changes what is sought; `put` and `fail` take the answer to a question, `chosen` is what Enter adds.

    What was typed can be added as it is too: it stands last, or first while no answer is there.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._text = ""
        self._answered: str | None = None  # the text that the matches are of
        self._matches: tuple[Match, ...] = ()
        self._trouble = ""
        self._at = 0
        self._first = 0  # the choice that the last drawing begins with

    @property
    def text(self) -> str:
        """What was typed."""
        return self._text

    @property
    def wanted(self) -> str | None:
        """What has to be searched for, None where the answer is there."""
        query = self._text.strip()
        return query if query and query != self._answered else None

    @property
    def chosen(self) -> str | None:
        """The symbol that is chosen, None where there is none."""
        choices = self._choices()
        return choices[min(self._at, len(choices) - 1)].symbol if choices else None

    def typed(self, text: str) -> None:
        """Take the whole of what is typed now."""
        self._text = typed_text(text, _MAX_TYPED)
        self._at = 0
        if not self._text.strip():
            self._answered, self._matches, self._trouble = None, (), ""

    def select(self, rows: int) -> None:
        """Choose what stands so many rows further down."""
        self._at = max(0, min(self._at + rows, len(self._choices()) - 1))

    def choose_at(self, line: int) -> bool:
        """Choose what stands in a line of the drawing; whether it was chosen already."""
        choices, at = self._choices(), self._first + line - 1
        if line < 1 or at >= len(choices):
            return False
        was_at, self._at = min(self._at, len(choices) - 1), at
        return at == was_at

    def put(self, query: str, matches: Iterable[Match]) -> None:
        """Take what a search found; one that is late is dropped."""
        if query == self.wanted:
            self._answered, self._matches, self._trouble, self._at = query, tuple(matches), "", 0

    def fail(self, query: str, sentence: str) -> None:
        """Take it that a search is not to be had: what is typed can be added all the same."""
        if query == self.wanted:
            self._answered, self._matches, self._trouble, self._at = query, (), sentence, 0

    def _choices(self) -> tuple[Match, ...]:
        typed: str | None = None
        with contextlib.suppress(ValueError):
            typed = normalise_symbol(self._text.strip())
        as_typed = () if typed is None else (Match(symbol=typed),)
        if self.wanted is not None:
            return as_typed
        exact = tuple(match for match in self._matches if match.symbol == typed)
        others = tuple(match for match in self._matches if match.symbol != typed)
        return (*exact, *others) if exact else (*others, *as_typed)

    def lines(self, width: int, height: int) -> list[Line]:
        """Exactly `height` lines of exactly `width` cells."""
        choices = self._choices()
        title: Line = [("class:symbol", f"Add to {self._where}: "), ("", f"{self._text}▁")]
        body: list[Line] = [self._row(index, match, choices, width) for index, match in enumerate(choices)]
        if told := self._told(bool(choices)):
            body.append(cut_line([("class:dim", told)], width))
        room = max(0, height - 2)
        self._first = first = max(0, min(self._at, len(choices) - 1) - room + 1)
        body = body[first : first + room]
        body += [cut_line([], width)] * (room - len(body))
        keys = "enter add  ↑↓ choose  esc back"
        return [cut_line(title, width), *body, [("class:keys", cut(keys, width))]][:height]

    def _told(self, has_choices: bool) -> str:
        if not self._text.strip():
            return "Type a part of a name, or a symbol."
        if self.wanted is not None:
            return "Searching…"
        if self._trouble:
            return self._trouble
        if self._matches:
            return ""
        return "Nothing was found; enter tries it as a symbol." if has_choices else "Nothing was found."

    def _row(self, index: int, match: Match, choices: tuple[Match, ...], width: int) -> Line:
        is_chosen = index == min(self._at, len(choices) - 1)
        widest = min(_MAX_SYMBOL_CELLS, max(cells_of(each.symbol) for each in choices))
        name = "as it is typed" if match.name is None and match not in self._matches else safe(match.name or "", 200)
        where = safe(match.exchange or "", 40)
        tone = "class:selected " if is_chosen else ""
        return cut_line(
            [
                (f"{tone}class:symbol", _SELECTED if is_chosen else " " * len(_SELECTED)),
                (f"{tone}class:symbol", cut(safe_symbol(match.symbol), widest)),
                (tone, f"  {name}"),
                (f"{tone}class:dim", f"  {where}" if where else ""),
            ],
            width,
            tone,
        )


def typed_text(text: str, max_chars: int) -> str:
    """The beginning of what was typed, safe to show; a word may follow a space at its end."""
    text = text[:max_chars]
    typed = clean_text(text, max_chars)
    return f"{typed} " if typed and text[-1].isspace() and len(typed) < max_chars else typed
