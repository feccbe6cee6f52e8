"""Cuts the bytes of a pipe into lines, of which one that is too long costs no more memory than another; no I/O."""

from collections.abc import Iterator


class LineCutter:
    """Cuts bytes into lines; of one that is longer than `max_bytes` it keeps its beginning, a byte more than that."""

    def __init__(self, max_bytes: int) -> None:
        self._most = max_bytes + 1
        self._begun: list[bytes] = []
        self._held = 0

    def put(self, data: bytes) -> Iterator[bytes]:
        """The lines that end in `data`, without their ends."""
        *ended, tail = data.split(b"\n")
        for part in ended:
            self._add(part)
            yield self._take()
        self._add(tail)

    def end(self) -> Iterator[bytes]:
        """The line that no end came of, where there is one."""
        if self._held:
            yield self._take()

    def _add(self, part: bytes) -> None:
        part = part[: self._most - self._held]
        if part:
            self._begun.append(part)
            self._held += len(part)

    def _take(self) -> bytes:
        line = b"".join(self._begun)
        self._begun.clear()
        self._held = 0
        return line
