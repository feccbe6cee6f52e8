"""The real lines of `tests/lines`: of every command and every server message at least one, as it goes over the wire.

The same lines stand in `docs/protocol.md`, and the first of each kind with its model in `messages.py`;
`test_protocol_page.py` holds the three together.
"""

from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "lines"
COMMAND_LINES: tuple[bytes, ...] = tuple((_FOLDER / "commands.jsonl").read_bytes().splitlines(keepends=True))
SERVER_LINES: tuple[bytes, ...] = tuple((_FOLDER / "server.jsonl").read_bytes().splitlines(keepends=True))
