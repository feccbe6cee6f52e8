"""The page's files: index.html under `/`, everything else under `/page/`; what is missing is said in plain words.

The files are small and few, so each is read once and again when it has changed on disk, without a thread.
"""

import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

from stocktrack.web.built_page import BUILT, is_current
from stocktrack.web.compression import compressed_tag, gzip_in_turns, is_compressible

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


@dataclass(slots=True)
class Asset:
    """One file as it is served, and compressed, which is done once; `etag` changes with its content."""

    content: bytes
    content_type: str
    etag: str
    is_immutable: bool = False  # its name changes with its content
    _compressed: bytes | None = field(default=None, init=False, repr=False)

    @property
    def compressed_etag(self) -> str:
        """The entity tag of what `compressed` gives."""
        return compressed_tag(self.etag.encode()).decode()

    @property
    def is_compressible(self) -> bool:
        """Whether it is text, and long enough."""
        return is_compressible(self.content_type.encode(), len(self.content))

    async def compressed(self) -> bytes:
        """The content by gzip."""
        if self._compressed is None:
            self._compressed = await gzip_in_turns(self.content)
        return self._compressed


def asset_of(content: bytes, content_type: str) -> Asset:
    """The content as it is served."""
    return Asset(content, content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


class Assets:
    """The files under one folder, by their path in it."""

    def __init__(self, folder: Path = PAGE_FOLDER) -> None:
        self._folder = folder.resolve()
        self._is_joined = is_current(self._folder)
        self._known: dict[Path, tuple[tuple[int, int], Asset]] = {}

    def get(self, path: str) -> Asset | None:
        """The file at `path` (`app.js`, `vendor/preact.js`); None where there is none, or none that may be served."""
        if "\0" in path:
            return None
        if path == "index.html" and self._is_joined:
            path = f"{BUILT}/{path}"
        file = (self._folder / path).resolve()
        # Links and `..` have been followed by now: what lies outside of the folder is not ours to give.
        if not file.is_relative_to(self._folder) or any(part.startswith(".") for part in Path(path).parts):
            return None
        try:
            status = file.stat()
            state = (status.st_mtime_ns, status.st_size)
            known = self._known.get(file)
            if known is None or known[0] != state:
                known = self._known[file] = (state, self._asset(file))
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

    def _asset(self, file: Path) -> Asset:
        suffix = file.suffix.lower()
        content_type = _TYPES.get(suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        asset = asset_of(file.read_bytes(), content_type)
        asset.is_immutable = file.parent == self._folder / BUILT and suffix in {".js", ".css"}
        return asset
