"""The page's files: index.html under `/`, everything else under `/page/`; what is missing is said in plain words.

The files are small and few, so each is read once and again when it has changed on disk, without a thread.
"""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

PAGE_FOLDER = Path(__file__).parent / "page"
VENDOR = "vendor"
# Types that a browser must get right to run the page; the platform's table may say anything.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served; `etag` changes with its content."""

    content: bytes
    content_type: str
    etag: str


class Assets:
    """The files under one folder, by their path in it."""

    def __init__(self, folder: Path = PAGE_FOLDER) -> None:
        self._folder = folder.resolve()
        self._known: dict[Path, tuple[tuple[int, int], Asset]] = {}

    def get(self, path: str) -> Asset | None:
        """The file at `path` (`app.js`, `vendor/preact.js`); None where there is none, or none that may be served."""
        if "\0" in path:
            return None
        file = (self._folder / path).resolve()
        # Links and `..` have been followed by now: what lies outside of the folder is not ours to give.
        if not file.is_relative_to(self._folder) or any(part.startswith(".") for part in Path(path).parts):
            return None
        try:
            status = file.stat()
            state = (status.st_mtime_ns, status.st_size)
            known = self._known.get(file)
            if known is None or known[0] != state:
                known = self._known[file] = (state, _asset(file))
        except OSError:  # there is no such file, or it is a folder
            return None
        return known[1]

    def missing(self) -> str | None:
        """What of the page is not there and how to get it, as sentences; None where it is complete."""
        if self.get("index.html") is None:
            return "The page is not part of this installation. The server runs; use the command line, /ws or /api/v1."
        if not any((self._folder / VENDOR).glob("**/*.*js")):
            return (
                "The page's JavaScript modules are not installed: they come from npm when StockTrack is built. "
                "Install Node.js with npm and run: make page. The server runs; the command line, /ws and /api/v1 work."
            )
        return None


def _asset(file: Path) -> Asset:
    content = file.read_bytes()
    content_type = _TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Asset(content, content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
