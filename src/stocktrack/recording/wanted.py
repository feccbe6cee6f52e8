"""Which symbols are recorded: those that were named, those of a file that is watched, and those that somebody types."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from stocktrack.quotes import normalise_symbol

_MAX_FILE_BYTES: Final = 1_000_000
_MOST_TOLD: Final = 20
_BETWEEN: Final = re.compile(r"[\s,]+")


class Wanted:
    """The symbols to record; each change returns what is to be added and what is to be removed because of it."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = dict.fromkeys(named)
        self._of_file: dict[str, None] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """All of them, in the order in which they came."""
        return tuple({**self._named, **self._of_file})

    def add(self, symbols: Iterable[str]) -> None:
        """Want these as well."""
        self._named |= dict.fromkeys(symbols)

    def remove(self, symbols: Iterable[str]) -> None:
        """Want these no longer, whoever named them."""
        for symbol in symbols:
            self._named.pop(symbol, None)
            self._of_file.pop(symbol, None)

    def take_file(self, symbols: Iterable[str]) -> None:
        """Want what the file lists now, in the place of what it listed before."""
        self._of_file = dict.fromkeys(symbols)


def typed(line: str) -> tuple[bool, list[str]]:
    """Whether a typed line adds, and which symbols: `+NVDA` or `NVDA` adds, `-TSLA` takes away.

    `ValueError` with a sentence where it says neither. A symbol that begins with a sign itself has one more before it.
    """
    text = line.partition("#")[0].strip()
    adds = not text.startswith("-")
    names = [name for name in _BETWEEN.split(text.removeprefix("+" if adds else "-")) if name]
    if not names:
        raise ValueError("it names no symbol: write +NVDA, -TSLA, or a symbol alone to add it")
    return adds, [normalise_symbol(name) for name in names]


class SymbolFile:
    """A file of symbols, one a line, `#` before remarks; `look` reads it again where it has changed.

    A file that vanished or cannot be read leaves its last list as it was. `tell` is called with what is wrong, once.
    """

    def __init__(self, path: Path, tell: Callable[[str], object]) -> None:
        self._path = path
        self._tell = tell
        self._stamp: object = None
        self._settled: object = None
        self._told: set[str] = set()

    def read(self) -> list[str]:
        """The symbols that it lists; `ValueError` with a sentence where it cannot be read."""
        self._stamp = self._settled = self._stat()
        symbols, wrong = self._read()
        self._say(wrong)
        return symbols

    def look(self) -> list[str] | None:
        """The symbols that it lists since it has changed; None where it has not.

        A change is taken once it stays for two looks: an editor may be in the middle of it.
        """
        try:
            stamp = self._stat()
            if stamp == self._settled or stamp != self._stamp:
                self._stamp = stamp
                if stamp == self._settled:
                    self._told.discard(self._gone())
                return None
            symbols, wrong = self._read()
        except ValueError as error:
            self._say([f"{error} The last list of it stays."])
            return None
        self._settled = stamp
        self._told.clear()
        self._say(wrong)
        return symbols

    def _gone(self) -> str:
        return f"{self._path} cannot be read: No such file or directory. The last list of it stays."

    def _stat(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            raise ValueError(f"{self._path} cannot be read: {error.strerror}.") from None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read(self) -> tuple[list[str], list[str]]:
        try:
            # A pipe can be read once only, and whoever opens it waits for a writer.
            if not self._path.is_file() and self._path.exists():
                raise ValueError(f"{self._path} is no file that can be watched: pipe its symbols into the command.")
            with self._path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise ValueError(f"{self._path} cannot be read: {error.strerror}.") from None
        if len(data) > _MAX_FILE_BYTES:
            raise ValueError(f"{self._path} is no list of symbols: it has more than {_MAX_FILE_BYTES:,} bytes.")
        symbols: dict[str, None] = {}
        wrong = []
        for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
            for name in _BETWEEN.split(line.partition("#")[0].strip()):
                try:
                    symbols |= {normalise_symbol(name): None} if name else {}
                except ValueError as error:
                    wrong.append(f"{self._path}, line {number}: {error}; it is left out.")
        if (more := len(wrong) - _MOST_TOLD) > 0:
            wrong[_MOST_TOLD:] = [f"{self._path}: {more:,} more are left out."]
        return [*symbols], wrong

    def _say(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            if sentence not in self._told:
                self._told.add(sentence)
                self._tell(sentence)
