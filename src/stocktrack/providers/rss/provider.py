"""News from RSS and Atom feeds: the newest headlines of each, merged, and cleaned.

`fetch.py` gets the documents, `parse.py` reads them, `text.py` and `times.py` say what their texts and
times mean; here is what is remembered of each feed, and that one dead feed hides no other. Two headlines are one only
where their feed says so, by calling them the same.
"""

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent_encoded
from urllib.parse import urlsplit

import structlog

from stocktrack.clock import Clock, backoff_seconds, within
from stocktrack.config import SYMBOL_PLACE
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.base import Source
from stocktrack.providers.rss.parse import FeedParser, ParsedFeed, UnreadableFeed
from stocktrack.providers.rss.publishers import short_name
from stocktrack.providers.rss.text import plain_link, plain_text
from stocktrack.providers.rss.times import read_time
from stocktrack.quotes import Headline
from stocktrack.system.blocking import BlockingPool

if TYPE_CHECKING:
    from stocktrack.providers.rss.fetch import Document, Fetcher, Version

log = structlog.get_logger()

# A story that is dated further ahead is no news of that day yet: its time is left out until then. Clocks that run fast
# and zones that are mislabelled stay below it, and what they say is told as it is.
MAX_AHEAD_MS = 86_400_000
_MAX_TITLE_CHARS, _MAX_SOURCE_CHARS = 300, 80
_PARSERS = 2
# A feed that says 429 is left alone as any source is; one that names a time is believed for up to an hour.
_REFUSED_FIRST_SECONDS, _REFUSED_LONGEST_SECONDS, _LONGEST_BELIEVED_SECONDS = 30.0, 600.0, 3600.0


@dataclass(slots=True)
class _Feed:
    """One configured feed and what is known of it."""

    address: str = field(repr=False)  # it may hold a secret
    number: int
    host: str
    version: "Version | None" = None
    headlines: tuple[Headline, ...] = ()
    failure: ProviderError | None = None
    refusals: int = 0
    quiet_until: float = 0.0


class RssProvider(Source):
    """The feeds of the setting `news_feeds`; `fetcher` and `parser` are arguments for the tests."""

    name = "rss"

    def __init__(
        self,
        *,
        feeds: Sequence[str],
        headlines_per_feed: int,
        timeout_seconds: float,
        clock: Clock,
        fetcher: "Fetcher | None" = None,
        parser: FeedParser | None = None,
    ) -> None:
        self._feeds = tuple(
            _Feed(address, number, urlsplit(address).hostname or "?") for number, address in enumerate(feeds, start=1)
        )
        self._headlines_per_feed = headlines_per_feed
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._fetcher = fetcher
        self._parser = parser or FeedParser(timeout_seconds=timeout_seconds)
        self._pool = BlockingPool("rss-parse", _PARSERS)
        self._reading: set[asyncio.Task[ProviderError | None]] = set()
        self._closed = False

    async def start(self) -> None:
        """Make the HTTP client; nothing is asked of the feeds yet."""
        try:
            from stocktrack.providers.rss.fetch import Fetcher  # noqa: PLC0415 - httpx2 takes a tenth of a second

            self._fetcher = self._fetcher or Fetcher(clock=self._clock)
        except (ImportError, OSError, ValueError) as error:
            # A proxy of the environment that httpx2 cannot use, or certificates that cannot be read.
            raise ProviderError(
                Reason.PROVIDER_ERROR, f"rss: the HTTP client cannot be made ({type(error).__name__})."
            ) from error

    async def close(self) -> None:
        """Break off what hangs, and end the parsers."""
        self._closed = True
        self._pool.close()
        self._parser.close()
        reading = set(self._reading)
        for task in reading:
            task.cancel()
        if reading:
            await asyncio.wait(reading, timeout=0.5)
        if self._fetcher is not None:
            await self._fetcher.close()

    async def news(self) -> Sequence[Headline]:
        """The newest headlines of every feed; `ProviderError` where no feed can be read."""
        if self._fetcher is None or self._closed:
            raise ProviderError(Reason.PROVIDER_ERROR, "rss is not running.")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._refresh(feed, self._fetcher)) for feed in self._feeds]
            self._reading.update(tasks)
            for task in tasks:
                task.add_done_callback(self._reading.discard)
        if any(task.cancelled() for task in tasks):
            raise ProviderError(Reason.PROVIDER_ERROR, "rss is closing.")
        failures = [failure for task in tasks if (failure := task.result()) is not None]
        if failures and len(failures) == len(tasks):
            raise self._all_failed(failures) from failures[0]
        read = (feed.headlines for feed, task in zip(self._feeds, tasks, strict=True) if task.result() is None)
        now_ms, most = self._clock.now_ms(), self._headlines_per_feed
        return newest_first(each for headlines in read for each in newest_first(headlines, now_ms)[:most])

    async def _refresh(self, feed: _Feed, fetcher: "Fetcher") -> ProviderError | None:
        """Bring the feed's headlines up to date; the failure where that did not work."""
        if feed.failure is not None and self._clock.monotonic() < feed.quiet_until:
            return feed.failure
        try:
            await within(self._clock, self._timeout_seconds, self._read(fetcher, feed))
        except TimeoutError:
            sentence = f"{feed.host} was not read within {self._timeout_seconds:g} seconds."
            return self._failed(feed, ProviderError(Reason.PROVIDER_TIMEOUT, sentence))
        except UnreadableFeed as error:
            return self._failed(feed, ProviderError(Reason.PROVIDER_ERROR, f"{feed.host} {error}."))
        except ProviderError as error:
            return self._failed(feed, error)
        except Exception as error:
            # Our bug, or one of a library. Its text is not shown, because it may hold the feed's address.
            sentence = f"{feed.host} could not be read ({type(error).__name__})."
            return self._failed(feed, ProviderError(Reason.PROVIDER_ERROR, sentence))
        if feed.failure is not None:
            log.info("news feed is back", feed=feed.number, host=feed.host)
        feed.failure, feed.refusals = None, 0
        return None

    async def _read(self, fetcher: "Fetcher", feed: _Feed) -> None:
        document = await fetcher.fetch(feed.address, feed.version)
        if document is not None:
            feed.headlines = await self._pool.run(self._headlines, document, feed.host)
            feed.version = document.version

    def _headlines(self, document: "Document", host: str) -> tuple[Headline, ...]:
        """The headlines in `document`; runs in a thread of the pool."""
        parsed = self._parser.parse(document.body, content_type=document.content_type, url=document.version.url)
        return read_headlines(parsed, host)

    def _failed(self, feed: _Feed, error: ProviderError) -> ProviderError:
        if error.reason is Reason.PROVIDER_BLOCKED or error.retry_after_ms is not None:
            feed.refusals += 1
            # No jitter: nobody asks before a client does, so that there is nothing to keep from falling into step.
            wait = backoff_seconds(
                feed.refusals, first=_REFUSED_FIRST_SECONDS, longest=_REFUSED_LONGEST_SECONDS, jitter=0.5
            )
            if error.retry_after_ms is not None:
                wait = min(error.retry_after_ms / 1000, _LONGEST_BELIEVED_SECONDS)
            feed.quiet_until = self._clock.monotonic() + wait
        if feed.failure is None:
            log.warning("news feed failed", feed=feed.number, host=feed.host, reason=error.reason, why=error.message)
        # A copy, because the frames behind an error hold what was read of the document.
        feed.failure = ProviderError(error.reason, error.message, retry_after_ms=error.retry_after_ms)
        return error

    def _all_failed(self, failures: Sequence[ProviderError]) -> ProviderError:
        reasons = {failure.reason for failure in failures}
        reason = reasons.pop() if len(reasons) == 1 else Reason.PROVIDER_ERROR
        message = f"No RSS feed could be read ({len(failures)} tried). The first: {failures[0].message}"
        retry_after_ms = None
        if reason is Reason.PROVIDER_BLOCKED:
            left = min(feed.quiet_until for feed in self._feeds) - self._clock.monotonic()
            retry_after_ms = max(0, round(left * 1000))
        return ProviderError(reason, message, retry_after_ms=retry_after_ms)


class SymbolRssProvider(RssProvider):
    """The feeds, and a feed for each symbol: that at `symbol_feed`, an address with `{symbol}` in it."""

    def __init__(self, *, symbol_feed: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        # What is known of all of them together: they are at one host, which refuses or fails for all.
        self._symbol_feed = _Feed(symbol_feed, 0, urlsplit(symbol_feed).hostname or "?")

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        """The newest headlines of the feed of `symbol`."""
        if not symbol.strip("."):
            return ()  # a symbol by our rule, and a way up by that of addresses
        template = self._symbol_feed
        address = template.address.replace(SYMBOL_PLACE, percent_encoded(symbol, safe=""))
        feed = replace(template, address=address)
        failure = await self._read_alone(feed)
        template.failure, template.refusals, template.quiet_until = feed.failure, feed.refusals, feed.quiet_until
        if failure is not None:
            # That this host refuses is no reason to ask none of the others: it is not told as a block of the source.
            is_blocked = failure.reason is Reason.PROVIDER_BLOCKED
            left_ms = round((feed.quiet_until - self._clock.monotonic()) * 1000)
            raise ProviderError(
                Reason.PROVIDER_ERROR if is_blocked else failure.reason,
                f"rss: {failure.message}",
                retry_after_ms=left_ms if left_ms > 0 else None,
            )
        now_ms = self._clock.now_ms()
        return newest_first(feed.headlines, now_ms)[: self._headlines_per_feed]

    async def _read(self, fetcher: "Fetcher", feed: _Feed) -> None:
        from stocktrack.providers.rss.fetch import NotThere  # noqa: PLC0415 - as in `start`

        try:
            await super()._read(fetcher, feed)
        except NotThere:
            if feed.number != self._symbol_feed.number:
                raise
            # One that has no feed for a symbol says so of the symbol, and is well.

    async def _read_alone(self, feed: _Feed) -> ProviderError | None:
        """Read one feed, which ends with the provider; the failure where that did not work."""
        if self._fetcher is None or self._closed:
            raise ProviderError(Reason.PROVIDER_ERROR, "rss is not running.")
        task = asyncio.create_task(self._refresh(feed, self._fetcher), name="read the feed of a symbol")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if task.cancelled():
            raise ProviderError(Reason.PROVIDER_ERROR, "rss is closing.")
        return task.result()


def read_headlines(parsed: ParsedFeed, host: str) -> tuple[Headline, ...]:
    """The headlines of a feed at `host`, cleaned, in its order; those without a title are left out.

    Of entries that the feed calls the same the newest stays. Those that it calls nothing are the same only where
    nothing that is told of them differs.
    """
    source = short_name(plain_text(parsed.title, _MAX_SOURCE_CHARS), host, parsed.link)
    told: dict[Hashable, Headline] = {}
    for entry in parsed.entries:
        if not (title := plain_text(entry.title, _MAX_TITLE_CHARS)):
            continue
        seconds, told_source = read_time(entry.published), plain_text(entry.source, _MAX_SOURCE_CHARS)
        headline = Headline(
            title=title,
            source=short_name(told_source, entry.source_link) if told_source else source,
            link=plain_link(entry.link),
            published=seconds * 1000 if seconds is not None else None,
        )
        mark = entry.guid or headline
        known = told.get(mark)
        if known is None or (headline.published or 0) > (known.published or 0):
            told[mark] = headline
    return tuple(told.values())


def newest_first(headlines: Iterable[Headline], now_ms: int | None = None) -> tuple[Headline, ...]:
    """The newest first, then those without a time as they come; with `now_ms`, times far ahead of it are left out."""
    kept = [
        each.model_copy(update={"published": None})
        if now_ms is not None and each.published is not None and each.published > now_ms + MAX_AHEAD_MS
        else each
        for each in headlines
    ]
    return tuple(sorted(kept, key=lambda each: (each.published is None, -(each.published or 0))))
