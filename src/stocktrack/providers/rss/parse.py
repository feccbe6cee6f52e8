"""feedparser in a process of its own: the bytes of a feed go in, its titles, links and times come out.

A thread would not do. feedparser's regular expressions and bookkeeping need time that grows with the square or the
cube of what a feed holds, and `re` keeps the interpreter's lock while it searches, so the whole server stands still
with it. Measured with feedparser 6.0.14: an <author> of 80 kB (`a.a.a.…`) stops every thread for 29 s, a first line of
8 kB for 1.4 s (of 80 kB: 1000 times that), a tag with 60,000 attributes and 600 kB of nested elements take more
than 20 s and 4 s of processor time. A limit on nesting would stop one of these. A process stops them all: it ends
itself after five seconds of processor time, and is killed at the deadline. It costs 70 to 100 ms and 21 MB while it
lives, holds up no other thread (at most 5 ms with 15,000 sockets open), and a feed that did not change never gets here.

This file is that process's program too, which is why it imports nothing of ours.
"""

import contextlib
import html.entities
import io
import json
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

# A newspaper's feed of 50 entries in 95 kB takes 0.03 s, one of 1,000 entries in 1.9 MB 0.7 s, the process included.
CPU_SECONDS = 5
# The largest that was seen, for 2 MiB of nothing but entries, is 91 MB.
_MEMORY_BYTES = 512 * 1024 * 1024
_MAX_ENTRIES = 1000
_MAX_CHARS = 4000
# What may hold a `&` or a `<` as it stands, and then what may not: an ampersand that begins no reference, and a ticker
# in brackets, `<AAPL.O>`. Feeds are full of both. feedparser's strict parser gives up at them, and its lenient one
# writes R&D; for R&D, takes `&copy=1` in an address for a sign, and lowers the ticker's case.
_MENDABLE = re.compile(
    rb"<!\[CDATA\[.*?\]\]>|<!--.*?-->|&(?P<reference>#\d{1,7};|#[xX][0-9a-fA-F]{1,6};|[a-zA-Z][a-zA-Z0-9]{0,31};)?"
    rb"|<(?P<ticker>[A-Z0-9.^=-]{1,20})>",
    re.DOTALL,
)
_CLOSING = re.compile(rb"</([A-Z0-9.^=-]{1,20})\s*>")


@dataclass(frozen=True, slots=True)
class ParsedEntry:
    """An entry as feedparser gives it, not cleaned; what it lacks is empty."""

    title: str
    link: str
    published: str = ""
    """The time as the feed tells it."""
    guid: str = ""
    """What the feed calls the entry by, so that it is known again when it has changed."""
    source: str = ""
    """Where the feed has it from, as one that collects those of others says."""
    source_link: str = ""


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed as feedparser gives it, not cleaned; its entries in the order of the document."""

    title: str
    entries: tuple[ParsedEntry, ...]
    link: str = ""
    """The site that it is the feed of."""


class UnreadableFeed(Exception):  # noqa: N818 - what it says of the feed is the end of a sentence
    """The document is no feed, or cannot be parsed: the text goes behind the feed's name."""


class FeedParser:
    """Parses in processes that it starts, one a document; may be used from several threads at once."""

    def __init__(self, *, timeout_seconds: float, cpu_seconds: int = CPU_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._program = [sys.executable, "-P", __file__, str(cpu_seconds)]
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def parse(self, body: bytes, *, content_type: str, url: str) -> ParsedFeed:
        """The feed in `body`; `url` is where it was found, for links relative to it. `UnreadableFeed` if it is none."""
        # By the pipe and not as arguments, which everyone on the machine can read: an address may hold a secret.
        head = json.dumps({"content_type": content_type, "url": url}).encode()
        with self._process() as process:
            try:
                answer, _ = process.communicate(head + b"\n" + body, timeout=self._timeout_seconds)
            except subprocess.TimeoutExpired:
                raise UnreadableFeed("takes too long to parse") from None
        if process.returncode < 0:
            raise UnreadableFeed("takes too long to parse")
        if process.returncode > 0:
            raise UnreadableFeed("cannot be parsed")
        found = json.loads(answer)
        if found is None:
            raise UnreadableFeed("sent something that is neither RSS nor Atom")
        title, entries, link = found
        return ParsedFeed(title, tuple(ParsedEntry(*entry) for entry in entries), link)

    def close(self) -> None:
        """End what still runs; nothing is parsed any more."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()

    @contextlib.contextmanager
    def _process(self) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            if self._closed:
                raise UnreadableFeed("is not parsed any more: the server is closing")
            process = subprocess.Popen(  # noqa: S603 - the program is this file
                self._program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._running.add(process)
        try:
            with process:
                try:
                    yield process
                finally:
                    # Nothing to a process that has ended: `communicate` has collected it.
                    process.kill()
        finally:
            with self._lock:
                self._running.discard(process)


def read_feed(body: bytes, *, content_type: str, url: str) -> ParsedFeed | None:
    """What feedparser finds in `body`, None where it is no feed; run this in a process that may be lost."""
    import feedparser  # noqa: PLC0415 - only the process that parses pays for it

    found = feedparser.parse(
        # A bare string could be opened as an address or as a local file.
        io.BytesIO(_mended(body)),
        # Without a type feedparser takes UTF-8 for Latin-1.
        response_headers={"content-type": content_type or "application/xml", "content-location": url},
        # Only titles and links are wanted, and rss.py cleans them itself: the sanitizer alone can cost 18 s.
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not found.get("version") and not found.entries:
        return None
    entries = (
        ParsedEntry(
            _text(entry, "title"),
            _text(entry, "link"),
            _published(entry),
            _text(entry, "id"),
            _text(entry.get("source") or {}, "title"),
            _text(entry.get("source") or {}, "href"),
        )
        for entry in found.entries[:_MAX_ENTRIES]
    )
    return ParsedFeed(_text(found.feed, "title"), tuple(entries), _text(found.feed, "link"))


def _text(fields: Any, key: str) -> str:
    return str(fields.get(key) or "")[:_MAX_CHARS]


def _published(entry: Any) -> str:
    for key in ("published", "updated"):
        # Asked with `in`: to read an `updated` that is not there raises feedparser's DeprecationWarning.
        if key in entry:
            return _text(entry, key)
    return ""


def _mended(body: bytes) -> bytes:
    """`body` with the ampersands and brackets escaped that its publisher forgot to escape."""
    if b"\0" in body[:4] or b"<!ENTITY" in body:
        return body  # UTF-16 or UTF-32, where the patterns mean nothing; references of the document's own
    closed = frozenset(_CLOSING.findall(body))

    def mend(found: re.Match[bytes]) -> bytes:
        text = found[0]
        if text.startswith(b"&"):
            reference = found["reference"]
            is_one = reference is not None and (reference.startswith(b"#") or reference.decode() in html.entities.html5)
            return text if is_one else b"&amp;" + text[1:]
        if (ticker := found["ticker"]) is not None and ticker not in closed:
            return b"&lt;" + ticker + b"&gt;"
        return text

    return _MENDABLE.sub(mend, body)


def _main(cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    with contextlib.suppress(ValueError):  # macOS knows this limit and cannot set it
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    head = json.loads(sys.stdin.buffer.readline())
    found = read_feed(sys.stdin.buffer.read(), **head)
    json.dump(found and astuple(found), sys.stdout)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
