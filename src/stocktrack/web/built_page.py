"""Whether the joined files of the page were made from its modules as they are now.

`tools/bundle_page.py` joins them into `built/`. Where somebody has changed a module since, the page is served module by
module until that is done again. The build hook runs this file: it needs nothing but the standard library.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

BUILT = "built"
# Written last, with the fingerprint of what it was made from.
STAMP = "made-from.txt"
_SUFFIXES = {".js", ".css", ".html"}


def fingerprint(folder: Path) -> str:
    """A hash of all that is joined: of the page in `folder`, our own modules, those of npm, and the stylesheets."""
    digest = hashlib.sha256()
    for name, content in _files(folder):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def is_current(folder: Path) -> bool:
    """Whether what is built in `folder` was made from what is in it."""
    try:
        return (folder / BUILT / STAMP).read_text("utf-8") == fingerprint(folder)
    except (OSError, UnicodeDecodeError):
        return False


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix in _SUFFIXES and name.parts[0] != BUILT:
            yield name.as_posix(), path.read_bytes()
