"""Completes what is typed at the prompt: command words, what may follow them, and the symbols that were seen."""

from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from stocktrack.terminal.typed_commands import WORDS

_MAX_SEEN = 2_000


class LineCompleter(Completer):
    """Command words first, then the symbols that were seen."""

    def __init__(self) -> None:
        self._symbols: dict[str, None] = {}

    def learn(self, symbols: Iterable[str]) -> None:
        """Complete these from now on."""
        self._symbols.update(dict.fromkeys(symbols))
        while len(self._symbols) > _MAX_SEEN:
            del self._symbols[next(iter(self._symbols))]

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What the word before the cursor may be."""
        before = document.text_before_cursor.lstrip()
        word, space, rest = before.partition(" ")
        if not space:
            for each in WORDS.values():
                if each.name.startswith(word.lower()):
                    yield Completion(each.name, -len(word), display_meta=each.help)
            return
        if word.lower() in WORDS and not WORDS[word.lower()].takes_symbols:
            return
        before_it, _, begun = rest.replace(",", " ").rpartition(" ")
        if before_it.strip() and word.lower() in WORDS and (then := WORDS[word.lower()].then):
            for following in then:
                if following.startswith(begun.lower()):
                    yield Completion(following, -len(begun))
            return
        begun = begun.upper()
        for symbol in sorted(self._symbols):
            if symbol.startswith(begun):
                yield Completion(symbol, -len(begun))
