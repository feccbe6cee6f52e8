"""The keys of the live board as a person reads them: in its last line, and as a page of their own; no I/O."""

from dataclasses import dataclass
from typing import Final

from stocktrack.terminal.cells import cells_of

# What is left out first stands last.
_LOOK: Final = ("enter detail", "/ find", "s sort", "c columns")
_ACT: Final = ("a add", "d remove", "tab list")
_COMMAND: Final = ": command"
_DETAIL: Final = ("q back", "←→ range", "c candles", "↑↓ symbol", "o link", "pgdn more", "? keys")
# What sorts after `s`, and by what.
SORT_KEYS: Final = {
    "n": "name",
    "p": "price",
    "c": "change",
    "%": "percent",
    "v": "volume",
    "a": "age",
    "l": "list",
}
_TURN: Final = ("r turn round", "esc")
_CHOOSER: Final = ("q done", "↑↓ move", "space show or hide", "←→ earlier or later", "a by room")
_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class KeysThere:
    """What there are keys for: `acts` on lists, `commands`, `holdings`, a `mouse`; and what q does, in a word."""

    leaving: str
    acts: bool = False
    commands: bool = False
    holdings: bool = False
    mouse: bool = False


def keys_line(width: int, there: KeysThere, *, reads: bool, finds: bool) -> str:
    """The keys in one line, as many as there is room for; `reads` is there while Enter does.

    `finds` says that rows are filtered out, which Esc ends.
    """
    first = [
        *(["enter read"] if reads else []),
        *(["esc all rows"] if finds else []),
        f"q {there.leaving}",
        "? keys",
    ]
    then = (
        *(_ACT if there.acts else ()),
        *((_COMMAND,) if there.commands else ()),
        *_LOOK,
        *(("m holdings",) if there.holdings else ()),
    )
    return _fitting(first, then, width)


def detail_keys_line(width: int) -> str:
    """The keys where a symbol has the whole board."""
    return _fitting([], _DETAIL, width)


def sort_keys_line(width: int) -> str:
    """What the next key may sort by."""
    for named in (
        _GAP.join((*(f"{key} {order}" for key, order in SORT_KEYS.items()), *_TURN)),
        _GAP.join((" ".join(SORT_KEYS), "r round", "esc")),
    ):
        if cells_of(line := f"sort by: {named}") <= width:
            return line
    return f"sort: {' '.join(SORT_KEYS)} r"


def chooser_keys_line(width: int) -> str:
    """The keys where columns are chosen."""
    return _fitting([], _CHOOSER, width)


def _fitting(first: list[str], then: tuple[str, ...], width: int) -> str:
    shown = first
    for part in then:
        if cells_of(_GAP.join([*shown, part])) <= width:
            shown.append(part)
    return _GAP.join(shown)


def keys_page(there: KeysThere) -> list[tuple[str, str]]:
    """Each key and what it does."""
    leaving = there.leaving
    acts = [
        ("a", "add a stock: type a part of its name"),
        ("d del", "take the row out of the list, and on the disk as well"),
        ("u", "bring back what was taken out last"),
        ("tab", "the next of your lists; shift-tab the one before"),
    ]
    commands = [(":", "type a command, such as `get AAPL`; `help` lists them, tab completes them")]
    return [
        ("↑ ↓  k j", "select a row"),
        ("enter", "the chart and what is known of the row; or take off what an alert told"),
        ("← → c", "there: another range; candles"),
        *([("o 1-5", "there: open the first headline, or another, in your browser")] if there.acts else []),
        *(acts if there.acts else []),
        *(commands if there.commands else []),
        ("pgup pgdn", "a page up, a page down; home and end"),
        ("/", "find: only what has this in its symbol or its name"),
        (
            "s",
            "sort by what the next key says: n p c % v a; l is the order of the list",
        ),
        ("r", "turn the order round"),
        ("c", "choose the columns, and their order"),
        *(
            [("mouse", "the wheel scrolls; a click sorts by a heading, selects a row, opens the selected one")]
            if there.mouse
            else []
        ),
        *([("m", "show what you hold, or hide it")] if there.holdings else []),
        ("? h", "these keys"),
        ("q esc", leaving),
        ("ctrl-z", "suspend; `fg` comes back"),
        ("ctrl-c", f"{leaving} as well"),
        *([("ctrl-d", "leave the client")] if leaving == "back" else []),
    ]
