import pytest

from stocktrack.terminal.line_cutter import LineCutter


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_bytes_are_cut_into_lines_wherever_they_are_broken(size: int) -> None:
    text = b"one\n\n12345\n123456789\nlast"
    lines: list[bytes] = []
    cutter = LineCutter(5)
    for at in range(0, len(text), size):
        lines += cutter.put(text[at : at + size])
    lines += cutter.end()

    # Of one that is too long a byte more is kept than it may have, which tells it from the others.
    assert lines == [b"one", b"", b"12345", b"123456", b"last"]
    assert list(cutter.end()) == []
