"""What clients of a dialect have been told of prices, as states that all who keep up share.

A price is told against the one before it: what was traded in between, or nothing where no trade was. So what a push
becomes depends on what its client was told before it. Clients that were told the same stand at one state, and what a
push becomes there, with the state after it, is found once for all of them: then a push costs each of them a look and
a write, as at `/ws`. Who falls behind goes another way, and is back at the same state with the next push.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from weakref import WeakValueDictionary, ref

from stocktrack.web.dialects.prices import one_line, symbol_of
from stocktrack.web.websocket import frames_of

Translate = Callable[[bytes, bytes], bytes]


class Telling:
    """How a dialect tells prices, and all that is told in it just now.

    `translate(before, line)` is the piece of a PRICE line for who was told the line `before` of that symbol, which is
    empty where nothing was; an empty piece is told to nobody. `messages_of` makes whole messages of the pieces of a
    push, which are one or more.
    """

    def __init__(
        self,
        translate: Translate,
        messages_of: Callable[[Sequence[bytes]], Iterable[bytes]],
        *,
        is_binary: bool = False,
    ) -> None:
        self._translate = translate
        self._messages_of = messages_of
        self.is_binary = is_binary
        self._states: WeakValueDictionary[frozenset[tuple[str, bytes]], Told] = WeakValueDictionary()
        self.nothing = Told(self, {})

    def state(self, lines: Mapping[str, bytes]) -> "Told":
        """The state of who was told these lines last, by their symbols."""
        if not lines:
            return self.nothing
        key = frozenset(lines.items())
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = Told(self, lines)
        return state

    def frames(self, before: Mapping[str, bytes], lines: Iterable[bytes]) -> tuple[bytes, dict[str, bytes]]:
        """What lines become for who was told the lines `before`, as frames, and what was told then."""
        told = dict(before)
        pieces = []
        for line in map(one_line, lines):
            symbol = symbol_of(line)
            if piece := self._translate(told.get(symbol, b""), line):
                pieces.append(piece)
            told[symbol] = line
        return frames_of(self._messages_of(pieces), is_binary=self.is_binary) if pieces else b"", told


class Told:
    """What some clients were told last of each symbol."""

    __slots__ = ("__weakref__", "_after", "_frames", "_push", "_telling", "lines")

    def __init__(self, telling: Telling, lines: Mapping[str, bytes]) -> None:
        self._telling = telling
        self.lines = lines  # the last one of each symbol; nobody may change them
        # The last push that was told here, what it became, and the state after it as long as a client stands there.
        self._push = self._frames = b""
        self._after: ref[Told] | None = None

    def tell(self, push: bytes) -> tuple[bytes, "Told"]:
        """What the PRICE lines of a push become here, as frames, and the state after it."""
        after = self._after() if self._after is not None and push == self._push else None
        if after is None:
            self._frames, lines = self._telling.frames(self.lines, push.splitlines())
            after = self._telling.state(lines)
            self._push, self._after = push, ref(after)
        return self._frames, after

    def forget(self, symbols: Iterable[str]) -> "Told":
        """The state in which nothing was told of `symbols`."""
        gone = frozenset(symbols)
        return self._telling.state({symbol: line for symbol, line in self.lines.items() if symbol not in gone})
