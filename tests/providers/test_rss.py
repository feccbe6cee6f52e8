"""The news source: what it takes from feeds, what it refuses, and that one bad feed is only that feed's trouble."""

import asyncio
import contextlib
import gzip
import os
import socket
import subprocess
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

import pytest
from structlog.testing import capture_logs

from feed_server import Answer, FeedServer, Request, hang, head, redirect, respond
from patience import PATIENCE_SECONDS
from stocktrack import __version__
from stocktrack.clock import ManualClock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.http import resolve_host
from stocktrack.providers.rss.fetch import MAX_BODY_BYTES, Fetcher, IPAddress, is_private
from stocktrack.providers.rss.parse import FeedParser, ParsedEntry, ParsedFeed, UnreadableFeed, read_feed
from stocktrack.providers.rss.provider import MAX_AHEAD_MS, RssProvider, SymbolRssProvider, newest_first, read_headlines
from stocktrack.providers.rss.publishers import short_name
from stocktrack.quotes import Headline, clean_link
from stocktrack.testing import (
    HangingContract,
    NewsContract,
    OutageContract,
    ProviderContract,
    Subject,
    SymbolNewsContract,
    assert_valid,
)

NOW_MS = 1_712_331_900_000  # Fri, 05 Apr 2024 15:45:00 GMT
MINUTE_MS = 60_000
TIMEOUT_SECONDS = 10.0

Build = Callable[..., RssProvider]


def item(title: str, link: str = "", date: str = "", guid: str = "") -> str:
    """An item of RSS; its texts are XML already."""
    parts = [f"<title>{title}</title>"]
    parts += [f"<link>{link}</link>"] if link else []
    parts += [f"<pubDate>{date}</pubDate>"] if date else []
    parts += [f'<guid isPermaLink="false">{guid}</guid>'] if guid else []
    return f"<item>{''.join(parts)}</item>"


def rss(*items: str, title: str = "Market Wire") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>{title}</title><link>http://wire.example/</link>{''.join(items)}</channel></rss>"
    ).encode()


def at(minute: int) -> str:
    """A time on the day of the tests, before `NOW_MS`."""
    return f"Fri, 05 Apr 2024 15:{minute:02}:00 GMT"


def at_ms(minute: int) -> int:
    return NOW_MS - (45 - minute) * MINUTE_MS


GOOD = rss(item("Stocks rise", "http://wire.example/1", at(10)))
ATOM = b"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Atom Wire</title><id>urn:feed</id><updated>2024-04-05T15:00:00Z</updated>
  <entry><title type="html">Bonds &amp;amp; &lt;i&gt;bills&lt;/i&gt;</title><id>urn:1</id>
    <link rel="alternate" href="/story/1"/><updated>2024-04-05T17:20:00+02:00</updated></entry>
  <entry><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Gold <b>up</b></div></title><id>urn:2</id>
    <link href="https://atom.example/2"/><published>2024-04-05T15:30:00Z</published>
    <updated>2024-04-05T15:40:00Z</updated></entry>
</feed>"""
RDF = b"""<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
         xmlns:dc="http://purl.org/dc/elements/1.1/">
  <channel rdf:about="http://rdf.example/"><title>RDF Wire</title><link>http://rdf.example/</link></channel>
  <item rdf:about="http://rdf.example/1"><title>Oil falls</title><link>http://rdf.example/1</link>
    <dc:date>2024-04-05T15:05:00Z</dc:date></item>
</rdf:RDF>"""
SITEMAP = b"""<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
  <url><loc>http://wire.example/1</loc></url></urlset>"""
HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>Are you a robot?</title></head><body><p>Wait &amp; see<br></body></html>"
)
# Each is linear in size and far more in time, as the head of parse.py says.
BOMBS = {
    "nesting": b"<rss><channel>" + b"<a>" * 200_000,
    "author": b"<rss><channel><item><author>" + b"a." * 40_000 + b"</author></item></channel></rss>",
    "first line": b"<?xml " + b"encoding='a" * 8_000 + b"><rss/>",
    "attributes": b"<rss><channel><item " + b" ".join(b'a%d="1"' % n for n in range(60_000)) + b"/></channel></rss>",
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with FeedServer().serving() as serving:
        yield serving


@pytest.fixture
async def build(clock: ManualClock) -> AsyncIterator[Build]:
    """Makes providers that are closed when the test ends."""
    built: list[RssProvider] = []

    def make(
        *feeds: str, per_feed: int = 5, fetcher: Fetcher | None = None, parser: FeedParser | None = None
    ) -> RssProvider:
        provider = RssProvider(
            feeds=feeds,
            headlines_per_feed=per_feed,
            timeout_seconds=TIMEOUT_SECONDS,
            clock=clock,
            fetcher=fetcher,
            parser=parser,
        )
        built.append(provider)
        return provider

    yield make
    for provider in built:
        await provider.close()


@pytest.fixture
async def news(build: Build) -> Callable[..., "asyncio.Future[Sequence[Headline]]"]:
    """The news of feeds, from a provider of their own."""

    async def read(*feeds: str, **arguments: Any) -> Sequence[Headline]:
        provider = build(*feeds, **arguments)
        await provider.start()
        return await provider.news()

    return lambda *feeds, **arguments: asyncio.ensure_future(read(*feeds, **arguments))


News = Callable[..., "asyncio.Future[Sequence[Headline]]"]


async def failure_of(reading: "asyncio.Future[Sequence[Headline]]") -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await reading
    return caught.value


def titles(headlines: Sequence[Headline]) -> list[str]:
    return [headline.title for headline in headlines]


# --- the contract of every provider ----------------------------------------------------------------------------------


class TestRssKeepsTheContract(ProviderContract, NewsContract):
    @pytest.fixture
    async def subject(self, server: FeedServer, build: Build) -> Subject:
        provider = build(server.on("/a", respond(GOOD)), server.on("/b", respond(ATOM)))
        await provider.start()
        return Subject(provider)


class TestRssInAnOutage(OutageContract):
    @pytest.fixture
    async def subject(self, server: FeedServer, build: Build) -> Subject:
        provider = build(server.on("/a", respond(status=500)), server.on("/b", respond(HTML_PAGE)))
        await provider.start()
        return Subject(provider)


class TestRssThatHangs(HangingContract):
    @pytest.fixture
    async def subject(self, server: FeedServer, build: Build) -> Subject:
        provider = build(server.on("/a", hang))
        await provider.start()
        return Subject(provider)


# --- a feed for each symbol ------------------------------------------------------------------------------------------


@pytest.fixture
async def by_symbol(server: FeedServer, clock: ManualClock) -> AsyncIterator[SymbolRssProvider]:
    provider = SymbolRssProvider(
        symbol_feed=server.url("/of?s={symbol}&key=secret"),
        feeds=[server.on("/market", respond(GOOD))],
        headlines_per_feed=5,
        timeout_seconds=TIMEOUT_SECONDS,
        clock=clock,
    )
    await provider.start()
    yield provider
    await provider.close()


class TestRssOfSymbolsKeepsTheContract(ProviderContract, NewsContract, SymbolNewsContract):
    @pytest.fixture
    async def subject(self, server: FeedServer, by_symbol: SymbolRssProvider) -> Subject:
        server.on("/of", respond(GOOD), respond(rss()))
        return Subject(by_symbol, known=("AAPL",), unknown="..")


class TestRssOfSymbolsInAnOutage(OutageContract):
    @pytest.fixture
    async def subject(self, server: FeedServer, by_symbol: SymbolRssProvider) -> Subject:
        server.on("/market", respond(status=500))
        server.on("/of", respond(status=500))
        return Subject(by_symbol, known=("AAPL",))


class TestRssOfSymbolsThatHangs(HangingContract):
    @pytest.fixture
    async def subject(self, server: FeedServer, by_symbol: SymbolRssProvider) -> Subject:
        server.on("/market", hang)
        server.on("/of", hang)
        return Subject(by_symbol, known=("AAPL",))


@pytest.mark.parametrize(
    ("symbol", "written"),
    [
        ("AAPL", "AAPL"),
        ("^GSPC", "%5EGSPC"),
        ("EURUSD=X", "EURUSD%3DX"),
        ("A&B/C", "A%26B%2FC"),
        ("NSE:INFY", "NSE%3AINFY"),
    ],
)
async def test_a_symbol_is_percent_encoded_in_the_address_of_its_feed(
    server: FeedServer, by_symbol: SymbolRssProvider, symbol: str, written: str
) -> None:
    server.on("/of", respond(rss(item("Up"))))

    assert titles(await by_symbol.symbol_news(symbol)) == ["Up"]
    assert [request.path for request in server.requests] == [f"/of?s={written}&key=secret"]


@pytest.mark.parametrize("symbol", [".", "..", "..."])
async def test_no_symbol_leads_up_in_an_address(server: FeedServer, by_symbol: SymbolRssProvider, symbol: str) -> None:
    assert list(await by_symbol.symbol_news(symbol)) == []
    assert server.requests == []


@pytest.mark.parametrize("status", [404, 410])
async def test_a_host_without_a_feed_for_a_symbol_is_well(
    server: FeedServer, by_symbol: SymbolRssProvider, status: int
) -> None:
    server.on("/of", respond(status=status))

    with capture_logs() as logged:
        assert list(await by_symbol.symbol_news("NOPE")) == []
    assert logged == []


async def test_the_newest_headlines_of_a_symbol_come_first(server: FeedServer, by_symbol: SymbolRssProvider) -> None:
    server.on("/of", respond(rss(*(item(f"story {n}", f"http://a.example/{n}", at(n)) for n in range(30)))))

    assert titles(await by_symbol.symbol_news("AAPL")) == [f"story {n}" for n in range(29, 24, -1)]


async def test_a_refusing_host_is_left_alone_for_all_symbols_and_keeps_the_market_feeds_out_of_it(
    server: FeedServer, by_symbol: SymbolRssProvider, clock: ManualClock
) -> None:
    server.on("/of", respond(status=429, retry_after="60"), respond(rss(item("Up"))))
    with capture_logs() as logged:
        for symbol in ("AAPL", "MSFT"):
            with pytest.raises(ProviderError) as caught:
                await by_symbol.symbol_news(symbol)
            assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.PROVIDER_ERROR, 60_000)
    assert len(server.asked("/of")) == 1
    assert [each["event"] for each in logged] == ["news feed failed"]
    assert "secret" not in str(logged) + str(caught.value)
    assert "Stocks rise" in titles(await by_symbol.news())

    await clock.advance(60)

    assert titles(await by_symbol.symbol_news("MSFT")) == ["Up"]


# --- what is taken from feeds ----------------------------------------------------------------------------------------


async def test_the_five_newest_of_each_feed_are_merged_newest_first(server: FeedServer, news: News) -> None:
    minutes = [n * 7 % 20 for n in range(20)]
    even = rss(*(item(f"even {n}", f"http://a.example/{n}", at(2 * n)) for n in minutes))
    odd = rss(*(item(f"odd {n}", f"http://b.example/{n}", at(2 * n + 1)) for n in minutes))

    headlines = await news(server.on("/even", respond(even)), server.on("/odd", respond(odd)))

    assert titles(headlines) == [f"{kind} {n}" for n in range(19, 14, -1) for kind in ("odd", "even")]
    assert headlines[0] == Headline(
        title="odd 19", source="Market Wire", link="http://b.example/19", published=at_ms(39)
    )


async def test_entries_without_a_date_come_last_in_the_order_of_the_document(server: FeedServer, news: News) -> None:
    feed = rss(item("first"), item("dated", date=at(1)), item("second", date="some day"), item("third"))

    headlines = await news(server.on("/", respond(feed)))

    assert titles(headlines) == ["dated", "first", "second", "third"]
    assert [headline.published for headline in headlines] == [at_ms(1), None, None, None]


@pytest.mark.parametrize("per_feed", [1, 3, 30])
async def test_each_feed_gives_as_many_as_are_wanted_of_it(server: FeedServer, news: News, per_feed: int) -> None:
    feed = rss(*(item(f"story {n}", f"http://a.example/{n}", at(n)) for n in range(30)))

    headlines = await news(server.on("/", respond(feed)), per_feed=per_feed)

    assert titles(headlines) == [f"story {n}" for n in range(29, 29 - per_feed, -1)]


async def test_three_stories_with_one_link_are_three_headlines(server: FeedServer, news: News) -> None:
    page = "http://a.example/halts"
    told = rss(
        *(item(title, page, at(n), str(n)) for n, title in enumerate(("ABC halted", "DEF resumes", "GHI halted")))
    )
    untold = rss(*(item(title, page, at(n)) for n, title in enumerate(("JKL halted", "JKL resumes", "JKL halted"), 10)))

    headlines = await news(server.on("/told", respond(told)), server.on("/untold", respond(untold)))

    assert titles(headlines) == [
        *("JKL halted", "JKL resumes", "JKL halted"),
        *("GHI halted", "DEF resumes", "ABC halted"),
    ]


async def test_what_one_feed_says_is_no_double_of_what_another_says(server: FeedServer, news: News) -> None:
    one = rss(item("Fed holds", "http://a.example/2", at(20), "2"), title="One")
    two = rss(item("Fed holds", "http://a.example/2", at(20), "2"), title="Two")

    headlines = await news(server.on("/one", respond(one)), server.on("/two", respond(two)))

    assert [(each.title, each.source) for each in headlines] == [("Fed holds", "One"), ("Fed holds", "Two")]


async def test_of_entries_that_a_feed_calls_the_same_the_newest_is_told(server: FeedServer, news: News) -> None:
    feed = rss(
        item("Fed to decide", "http://a.example/1", at(10), "fed"),
        item("Fed holds", "http://a.example/2", at(30), "fed"),
        item("Fed deciding", "http://a.example/1", at(20), "fed"),
        item("Oil falls", "http://a.example/1", at(15), "oil"),
    )

    assert titles(await news(server.on("/", respond(feed)))) == ["Fed holds", "Oil falls"]


async def test_doubles_within_a_feed_take_no_place_of_its_five(server: FeedServer, news: News) -> None:
    feed = rss(
        *(item("same", "http://a.example/1", at(40)) for _ in range(9)),
        *(item(f"named {n}", date=at(30), guid="one") for n in range(9)),
        *(item(f"other {n}") for n in range(4)),
    )

    headlines = await news(server.on("/", respond(feed)))

    assert titles(headlines) == ["same", "named 0", "other 0", "other 1", "other 2"]


async def test_atom_and_rdf_are_read_and_relative_links_resolved(server: FeedServer, news: News) -> None:
    atom, rdf = server.on("/atom", respond(ATOM)), server.on("/rdf", respond(RDF))

    assert await news(atom, rdf) == (
        Headline(title="Gold up", source="Atom Wire", link="https://atom.example/2", published=at_ms(30)),
        Headline(title="Bonds & bills", source="Atom Wire", link=server.url("/story/1"), published=at_ms(20)),
        Headline(title="Oil falls", source="RDF Wire", link="http://rdf.example/1", published=at_ms(5)),
    )


@pytest.mark.parametrize(
    ("declared", "encoded", "content_type"),
    [
        ("iso-8859-1", "latin-1", "application/rss+xml"),
        ("iso-8859-1", "latin-1", "application/rss+xml; charset=utf-8"),
        ("utf-8", "cp1252", "application/rss+xml"),
        ("utf-8", "utf-8", "text/plain"),
        ("utf-8", "utf-8", None),
        ("windows-1252", "cp1252", "text/xml"),
        ("utf-16", "utf-16", "application/xml"),
        ("no-such-charset", "utf-8", "application/xml; charset=nor-this"),
    ],
)
async def test_text_is_read_whatever_is_declared_of_its_charset(
    server: FeedServer, news: News, declared: str, encoded: str, content_type: str | None
) -> None:
    feed = rss(item("Börse fällt um 3 %")).decode().replace('"utf-8"', f'"{declared}"')

    headlines = await news(server.on("/", respond(feed.encode(encoded), content_type=content_type)))

    assert titles(headlines) == ["Börse fällt um 3 %"]


async def test_a_feed_without_entries_is_empty_and_no_failure(server: FeedServer, news: News) -> None:
    with capture_logs() as logged:
        assert await news(server.on("/", respond(rss()))) == ()
    assert logged == []


async def test_no_feeds_are_no_news(news: News) -> None:
    assert await news() == ()


async def test_what_is_malformed_is_read_as_far_as_it_goes(server: FeedServer, news: News) -> None:
    unclosed = b"\n\n" + GOOD.replace(b"</channel></rss>", b"<item><title>cut <![CDA")

    assert "Stocks rise" in titles(await news(server.on("/", respond(unclosed))))


async def test_a_feed_without_a_title_is_named_by_its_site_or_else_by_its_host(server: FeedServer, news: News) -> None:
    untitled = rss(item("Alone"), title="")
    without_a_site = untitled.replace(b"<link>http://wire.example/</link>", b"")

    (headline,) = await news(server.on("/", respond(untitled)))
    (homeless,) = await news(server.on("/homeless", respond(without_a_site)))

    assert (headline.source, homeless.source) == ("wire.example", "127.0.0.1")


async def test_requests_say_who_asks(server: FeedServer, news: News) -> None:
    await news(server.on("/", respond(GOOD, set_cookie="track=me; Max-Age=9999")))

    (request,) = server.requests
    assert request.headers["user-agent"] == f"StockTrack/{__version__}"
    assert "application/rss+xml" in request.headers["accept"]


# --- hostile entries -------------------------------------------------------------------------------------------------


def parsed(*entries: tuple[str, ...], title: str = "Wire") -> ParsedFeed:
    return ParsedFeed(title, tuple(ParsedEntry(*entry) for entry in entries))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("<script>alert(1)</script>Apple up", "alert(1)Apple up"),
        ("&lt;b&gt;Apple&lt;/b&gt; up", "Apple up"),
        ("<<b>script>alert(1)<</b>/script>", "script>alert(1)/script>"),
        ("<\u200bscript>Apple up", "Apple up"),
        ("<img src=x onerror=alert(1)", "img src=x onerror=alert(1)"),
        ("<svg/onload=alert(1)>up", "up"),
        ("one<br>two<BR/>three", "one two three"),
        ("Apple <AAPL.O> beats, <BRK-B> <0700.HK> <^GSPC> too", "Apple <AAPL.O> beats, <BRK-B> <0700.HK> <^GSPC> too"),
        ("Apple &lt;AAPL.O&gt; beats", "Apple <AAPL.O> beats"),
        ("Agilent <A> and <TD> rise, <B>bold</B> <b>too</b>", "Agilent <A> and <TD> rise, bold too"),
        ("Profit <loss", "Profit <loss"),
        ("News&notes, R&D; AT&T", "News&notes, R&D; AT&T"),
        ("\u0645\u06cc\u200c\u06a9\u0646\u062f", "\u0645\u06cc\u200c\u06a9\u0646\u062f"),
        ("<\u200dscript>\U0001f468\u200d\U0001f469 up", "\U0001f468\u200d\U0001f469 up"),
        ("AT&amp;T &#8211; S&P 500", "AT&T \u2013 S&P 500"),
        ("Profit < loss, 3 <4 and a<5", "Profit < loss, 3 <4 and a<5"),
        ("\x1b[31mred\x1b[0m &#27;[2J \x9b1m", "[31mred[0m [2J 1m"),
        ("abc\u202egnp.exe\u2066 x\u200fy", "abcgnp.exe xy"),
        ("&#x202e;abc &#8237;def", "abc def"),
        ("  one\n\ttwo\r\n three\x00 ", "one two three"),
        ("half \ud800 a pair", "half a pair"),
    ],
)
def test_a_title_is_plain_clean_text(raw: str, shown: str) -> None:
    (headline,) = read_headlines(parsed((raw, ""), title=raw), "host.example")

    assert headline.title == shown
    assert headline.source == short_name(shown, "host.example")
    assert_valid(headline)


@pytest.mark.parametrize("raw", ["", "   ", "<b></b>", "&#x202e;", "\u200b", "<!-- nothing -->"])
def test_an_entry_without_a_title_is_left_out(raw: str) -> None:
    assert titles(read_headlines(parsed((raw, "http://a.example/"), ("kept", "")), "h")) == ["kept"]


def test_a_headline_of_ten_thousand_characters_is_cut() -> None:
    (headline,) = read_headlines(parsed(("x" * 10_000, ""), title="y" * 10_000), "h")

    assert headline.title == "x" * 299 + "…"
    assert headline.source == "y" * 23 + "…"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "smb://inside/share",
        "file:///etc/passwd",
        "http://a.example/\u202egnp",
        "http://a.example/one\ntwo",
        "http://two words.example/",
        "http://a.example\\@b.example/",
        "http://name:secret@a.example/",
        "http:///nohost",
        "/relative",
        "",
    ],
)
def test_a_link_that_is_no_plain_address_is_dropped_and_the_headline_kept(link: str) -> None:
    assert read_headlines(parsed(("Apple up", link)), "h") == (Headline(title="Apple up", source="Wire"),)


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("http://a.example/moody's-cuts", "http://a.example/moody's-cuts"),
        ("http://a.example/a b?c=d e#f g", "http://a.example/a%20b?c=d%20e#f%20g"),
        ("http://a.example?q=a b", "http://a.example?q=a%20b"),
        ('http://a.example/"<x>"', "http://a.example/%22%3Cx%3E%22"),
        (
            "http://a.example/\u0645\u06cc\u200c\u06a9\u0646\u062f",
            "http://a.example/\u0645\u06cc%E2%80%8C\u06a9\u0646\u062f",
        ),
        (" https://a.example/%20 ", "https://a.example/%20"),
    ],
)
def test_a_link_with_what_no_address_may_hold_is_written_as_a_browser_writes_it(link: str, told: str) -> None:
    (headline,) = read_headlines(parsed(("Apple up", link)), "h")

    assert headline.link == told
    assert_valid(headline)


async def test_a_time_to_come_is_told_as_the_feed_tells_it_and_never_as_ours(
    server: FeedServer, build: Build, clock: ManualClock
) -> None:
    feed = rss(
        item("in 2038", date="Fri, 01 Jan 2038 10:00:00 GMT"),
        item("in an hour", date="Fri, 05 Apr 2024 16:45:00 GMT"),
        item("now", date=at(45)),
    )
    provider = build(server.on("/", respond(feed)))
    await provider.start()

    for _ in range(3):
        told = [(each.title, each.published) for each in await provider.news()]
        assert told == [("in an hour", at_ms(105)), ("now", at_ms(45)), ("in 2038", None)]
        await clock.advance(600)


def test_a_time_is_told_again_when_it_is_near() -> None:
    headlines = read_headlines(parsed(("soon", "", "Fri, 05 Apr 2024 16:45:00 GMT"), ("undated", "")), "h")
    soon = at_ms(105)

    before, after = newest_first(headlines, soon - MAX_AHEAD_MS - 1), newest_first(headlines, soon - MAX_AHEAD_MS)

    assert [(each.title, each.published) for each in before] == [("soon", None), ("undated", None)]
    assert [(each.title, each.published) for each in after] == [("soon", soon), ("undated", None)]


async def test_hostile_items_come_through_the_whole_way_harmless(server: FeedServer, news: News) -> None:
    feed = rss(
        item("<![CDATA[<script>alert(1)</script>CDATA]]>", "javascript:alert(1)"),
        item("&lt;script&gt;alert(2)&lt;/script&gt;escaped", "data:text/html,x"),
        item("live &#27;[31m escape", "smb://inside/share"),
        item("bidi &#x202e;gnp.exe", "http://a.example/4"),
        item("x" * 10_000, "http://a.example/5"),
    )

    headlines = await news(server.on("/", respond(feed)))

    assert titles(headlines) == [
        "alert(1)CDATA",
        "alert(2)escaped",
        "live [31m escape",
        "bidi gnp.exe",
        "x" * 299 + "…",
    ]
    assert [headline.link for headline in headlines] == [None, None, None, "http://a.example/4", "http://a.example/5"]


async def test_a_time_in_a_zone_that_is_known_by_name_is_read_and_one_that_may_be_several_is_left_out(
    server: FeedServer, news: News
) -> None:
    dates = ("17:10:00 CEST", "23:10:00 HKT", "16:10:00 UTC+01:00", "20:40:00 IST", "15:10:00", "11:10:00 EDT")
    feed = rss(*(item(date, date=f"Fri, 05 Apr 2024 {date}") for date in dates))

    headlines = await news(server.on("/", respond(feed)), per_feed=6)

    assert {each.title: each.published for each in headlines} == {
        **dict.fromkeys(dates, at_ms(10)),
        "20:40:00 IST": None,
        "15:10:00": None,
    }
    # Those without a time stand last, in the order of the feed.
    assert titles(headlines)[-2:] == ["20:40:00 IST", "15:10:00"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (rss(item("dated", date=at(10))), at(10)),
        (ATOM, "2024-04-05T17:20:00+02:00"),
        (RDF, "2024-04-05T15:05:00Z"),
        (rss(item("undated")), ""),
    ],
)
def test_a_date_is_handed_on_as_the_feed_tells_it(document: bytes, told: str) -> None:
    # Here feedparser runs in this process, so that a warning of its own would fail the test.
    feed = read_feed(document, content_type="", url="")

    assert feed is not None
    assert feed.entries[0].published == told


@pytest.mark.parametrize(
    ("written", "title", "link"),
    [
        ("AT&T lifts S&P 500 & R&D", "AT&T lifts S&P 500 & R&D", "http://a.example/?a=1&b=2&copy=3"),
        ("AT&T; &bogus; &notes R&amp;D", "AT&T; &bogus; &notes R&D", "http://a.example/?a=1&b=2&copy=3"),
        ("caf&eacute; &nbsp; R&D &#8364;", "caf\u00e9 R&D \u20ac", "http://a.example/?a=1&b=2"),
        ("Apple <AAPL.O> up", "Apple <AAPL.O> up", "http://a.example/1"),
        ("<![CDATA[R&D <AAPL.O> &amp; more]]>", "R&D <AAPL.O> & more", "<![CDATA[http://a.example/?a=1&b=2]]>"),
        ("<!-- R&D <X> -->plain", "plain", "http://a.example/1"),
    ],
)
async def test_what_a_publisher_forgot_to_escape_is_read_as_it_was_meant(
    server: FeedServer, news: News, written: str, title: str, link: str
) -> None:
    feed = rss(item(written, link), title="Q&A Wire")

    (headline,) = await news(server.on("/", respond(feed)))

    meant = link.removeprefix("<![CDATA[").removesuffix("]]>")
    assert (headline.title, headline.source, headline.link) == (title, "Q&A Wire", meant)


def test_capitals_of_a_feed_that_writes_its_elements_so_stay_elements() -> None:
    feed = read_feed(GOOD.replace(b"title>", b"TITLE>").replace(b"item>", b"ITEM>"), content_type="", url="")

    assert feed is not None
    assert [entry.title for entry in feed.entries] == ["Stocks rise"]


def test_references_that_a_document_defines_itself_are_left_to_it() -> None:
    body = b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY co "Acme">]>' + rss(item("&co; rises")).split(b"?>", 1)[1]

    feed = read_feed(body, content_type="", url="")

    assert feed is not None
    assert "amp" not in feed.entries[0].title


def test_a_bare_body_that_names_a_file_is_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "feed.xml"
    secret.write_bytes(GOOD)

    assert read_feed(str(secret).encode(), content_type="", url="") is None


# --- bad answers -----------------------------------------------------------------------------------------------------


async def drop_in_the_middle(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(len(GOOD)) + GOOD[: len(GOOD) // 2])
    await writer.drain()
    writer.transport.abort()


async def end_in_the_middle(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(len(GOOD)) + GOOD[: len(GOOD) // 2])


async def speak_no_http(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")


async def send_without_end(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(None))
    while not writer.is_closing():
        writer.write(b"<!-- and so on -->" * 4096)
        await writer.drain()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (respond(status=404), "answered with status 404"),
        (respond(status=500), "answered with status 500"),
        (respond(status=304), "answered with status 304"),
        (drop_in_the_middle, "cannot be reached or broke off"),
        (end_in_the_middle, "cannot be reached or broke off"),
        (speak_no_http, "cannot be reached or broke off"),
        (send_without_end, "sent more than 2 MiB"),
        (respond(b" " * (MAX_BODY_BYTES + 1)), "sent more than 2 MiB"),
        (respond(gzip.compress(bytes(8 * MAX_BODY_BYTES), 9), content_encoding="gzip"), "sent more than 2 MiB"),
        (respond(gzip.compress(gzip.compress(GOOD)), content_encoding="gzip, gzip"), "compressed more than once"),
        (respond(b"\x1f\x8bgarbage", content_encoding="gzip"), "cannot be decompressed"),
        (respond(gzip.compress(GOOD)[:-12]), "cannot be decompressed"),
        (respond(b"\x1f\x8b\x08garbage"), "cannot be decompressed"),
        (respond(gzip.compress(bytes(8 * MAX_BODY_BYTES), 9)), "sent more than 2 MiB"),
        (respond(gzip.compress(b"") * 10_000), "in more than 16 zipped parts"),
        (respond(gzip.compress(gzip.compress(GOOD))), "neither RSS nor Atom"),
        (respond(HTML_PAGE, content_type="text/html"), "neither RSS nor Atom"),
        (respond(SITEMAP), "neither RSS nor Atom"),
        (respond(b'{"version": "https://jsonfeed.org/version/1.1"}'), "neither RSS nor Atom"),
        (respond(b""), "neither RSS nor Atom"),
        (respond(bytes(n * 7919 % 251 for n in range(500))), "neither RSS nor Atom"),
        (respond(b"<?xml version='1.0' encoding='punycode'?><rss/>"), "cannot be parsed"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
async def test_a_bad_answer_fails_its_feed_and_no_other(
    server: FeedServer, news: News, answer: Answer, told: str
) -> None:
    bad, good = server.on("/bad", answer), server.on("/good", respond(GOOD))

    with capture_logs() as logged:
        assert titles(await news(bad, good)) == ["Stocks rise"]
    await server.settled()

    (line,) = logged
    assert (line["log_level"], line["feed"], line["host"], line["reason"]) == (
        "warning",
        1,
        "127.0.0.1",
        Reason.PROVIDER_ERROR,
    )
    assert told in line["why"]


async def test_a_refused_connection_fails_its_feed_and_no_other(server: FeedServer, news: News) -> None:
    async with FeedServer().serving() as gone:
        nobody = gone.url("/")

    assert titles(await news(nobody, server.on("/", respond(GOOD)))) == ["Stocks rise"]


async def test_a_compressed_feed_is_read(server: FeedServer, news: News) -> None:
    answer = respond(gzip.compress(GOOD), content_encoding="gzip")

    assert titles(await news(server.on("/", answer))) == ["Stocks rise"]


@pytest.mark.parametrize("content_type", ["application/rss+xml", "application/gzip", "application/x-gzip", None])
@pytest.mark.parametrize(
    "body", [gzip.compress(GOOD), zlib.compress(GOOD), gzip.compress(GOOD[:99]) + gzip.compress(GOOD[99:])]
)
async def test_a_feed_that_is_zipped_and_does_not_say_so_is_read(
    server: FeedServer, news: News, body: bytes, content_type: str | None
) -> None:
    assert titles(await news(server.on("/", respond(body, content_type=content_type)))) == ["Stocks rise"]


async def test_a_feed_just_within_the_limit_of_size_is_read(server: FeedServer, news: News) -> None:
    padded = GOOD + b" " * (MAX_BODY_BYTES - len(GOOD))

    assert titles(await news(server.on("/", respond(padded)))) == ["Stocks rise"]


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_document_made_to_cost_time_ends_its_process_and_not_ours(bomb: bytes) -> None:
    # One second of real time: what is tested is the kernel's limit.
    parser = FeedParser(timeout_seconds=60, cpu_seconds=1)

    with pytest.raises(UnreadableFeed, match="takes too long to parse"):
        parser.parse(bomb, content_type="", url="")


def test_a_parser_that_takes_its_time_is_killed_at_the_deadline() -> None:
    parser = FeedParser(timeout_seconds=0.05)

    with pytest.raises(UnreadableFeed, match="takes too long to parse"):
        parser.parse(BOMBS["first line"], content_type="", url="")


async def test_a_feed_that_hangs_is_given_up_when_its_time_is_over(
    server: FeedServer, build: Build, clock: ManualClock
) -> None:
    provider = build(server.on("/hangs", hang), server.on("/good", respond(GOOD)))
    await provider.start()
    reading = asyncio.create_task(provider.news())
    await server.arrival("/hangs")
    await asyncio.wait(provider._reading, return_when=asyncio.FIRST_COMPLETED)

    await clock.advance(TIMEOUT_SECONDS - 1)
    assert not reading.done()
    await clock.advance(1)

    assert titles(await reading) == ["Stocks rise"]
    await server.settled()


async def test_a_feed_that_drips_is_given_up_when_its_whole_time_is_over(
    server: FeedServer, build: Build, clock: ManualClock
) -> None:
    drips: asyncio.Queue[bytes] = asyncio.Queue()

    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(len(GOOD)))
        while not writer.is_closing():
            writer.write(await drips.get())
            drips.task_done()

    provider = build(server.on("/", drip))
    await provider.start()
    reading = asyncio.create_task(provider.news())
    await server.arrival("/")
    for byte in GOOD[:4]:
        drips.put_nowait(bytes([byte]))
        await drips.join()
        assert not reading.done()
        await clock.advance(TIMEOUT_SECONDS / 4)

    error = await failure_of(reading)

    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert error.message == (
        "No RSS feed could be read (1 tried). The first: 127.0.0.1 was not read within 10 seconds."
    )


# --- redirects -------------------------------------------------------------------------------------------------------


def only_the_server_is_public(address: IPAddress) -> bool:
    """For the tests 127.0.0.1 is the public net, where the feed server is; all else is private."""
    return address != ip_address("127.0.0.1")


HOSTS = {
    "mirror.example": ["127.0.0.1"],
    "inside.example": ["10.0.0.7"],
    "both.example": ["127.0.0.1", "10.0.0.7"],
    "nowhere.example": [],
}


async def resolve_by_table(host: str, port: int) -> Sequence[str]:
    assert port > 0
    if host in HOSTS:
        return HOSTS[host]
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    # What the C library takes for an address, too: 2130706434, 0x7f.2.
    return [socket.inet_ntoa(socket.inet_aton(host))]


@pytest.fixture
def public_fetcher(clock: ManualClock) -> Fetcher:
    return Fetcher(clock=clock, is_private=only_the_server_is_public, resolve=resolve_by_table)


async def test_redirects_are_followed_and_links_are_relative_to_the_last_address(
    server: FeedServer, news: News, public_fetcher: Fetcher
) -> None:
    start = server.on("/start", redirect("/next"))
    server.on("/next", redirect(server.url("/there/feed", "mirror.example")))
    server.on("/there/feed", respond(rss(item("moved", "story"))))

    (headline,) = await news(start, fetcher=public_fetcher)

    assert headline.link == server.url("/there/story", "mirror.example")
    assert [request.headers["host"] for request in server.requests] == [
        f"127.0.0.1:{server.port}",
        f"127.0.0.1:{server.port}",
        f"mirror.example:{server.port}",
    ]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("http://10.0.0.7/", "no public address"),
        ("http://127.0.0.2/", "no public address"),
        ("http://2130706434/", "no public address"),
        ("http://0x7f.2/", "no public address"),
        ("http://[::1]/", "no public address"),
        ("http://[::ffff:127.0.0.1]/", "no public address"),
        ("http://169.254.169.254/latest/meta-data/", "no public address"),
        ("//inside.example/", "no public address"),
        ("http://both.example/", "no public address"),
        ("http://nowhere.example/", "no public address"),
        ("http://no such host/", "which has no address"),
        ("http://unknown.example/", "which has no address"),
        ("http://mirror.example:port/", "no valid address"),
        ("file:///etc/passwd", "no address of the web"),
        ("ftp://mirror.example/", "no address of the web"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "no address of the web"),
        ("javascript:alert(1)", "no address of the web"),
    ],
)
async def test_a_redirect_out_of_the_public_net_is_refused(
    server: FeedServer, news: News, public_fetcher: Fetcher, location: str, told: str
) -> None:
    error = await failure_of(news(server.on("/", redirect(location)), fetcher=public_fetcher))

    assert told in error.message
    assert len(server.requests) == 1


async def test_a_host_that_was_public_before_is_checked_again(
    server: FeedServer, news: News, clock: ManualClock
) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.7"]])

    async def rebind(host: str, port: int) -> Sequence[str]:
        return next(answers)

    fetcher = Fetcher(clock=clock, is_private=only_the_server_is_public, resolve=rebind)
    start = server.on("/", redirect(server.url("/again", "rebinds.example")))
    server.on("/again", redirect("/inside"))

    error = await failure_of(news(start, fetcher=fetcher))

    assert "redirects to rebinds.example, which is no public address" in error.message
    assert [request.path for request in server.requests] == ["/", "/again"]


async def test_a_feed_that_is_configured_on_the_loopback_may_redirect_there(server: FeedServer, news: News) -> None:
    server.on("/there", respond(GOOD))

    assert titles(await news(server.on("/", redirect("/there")))) == ["Stocks rise"]


async def test_a_feed_that_redirects_without_end_is_given_up_after_five(server: FeedServer, news: News) -> None:
    error = await failure_of(news(server.on("/", redirect("/"))))

    assert "redirects more than 5 times" in error.message
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("0.0.0.0", True),  # noqa: S104 - nothing is bound to it
        ("224.0.0.251", True),
        ("255.255.255.255", True),
        ("::", True),
        ("::1", True),
        ("fe80::1", True),
        ("fe80::1%2", True),
        ("fd00::1", True),
        ("ff02::1", True),
        ("::ffff:10.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        # What is translated or tunnelled to an IPv4 address is as private as that.
        *((prefix.format("7f00:1"), True) for prefix in ("64:ff9b::{}", "2002:{}::", "::{}", "::ffff:0:{}")),
        *((prefix.format("a9fe:a9fe"), True) for prefix in ("64:ff9b::{}", "2002:{}::1", "::{}", "::ffff:{}")),
        *((prefix.format("c0a8:101"), True) for prefix in ("64:ff9b::{}", "2002:{}:1::", "::{}", "::ffff:0:{}")),
        *((prefix.format("808:808"), False) for prefix in ("64:ff9b::{}", "2002:{}::", "::{}", "::ffff:0:{}")),
        ("64:ff9b:1::808:808", True),  # a site's own translation, which may lead anywhere
        ("64:ff9b:1:fffe::7f00:1", True),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", True),  # Teredo
        ("2606:4700::5efe:a00:1", True),  # ISATAP: a host within a site
        ("2606:4700::200:5efe:808:808", True),
        ("fec0::1", True),
        ("5f00::1", True),
        ("3fff::1", True),
        ("2001:db8::1", True),
        ("100::1", True),
        ("2a00:1450:4001:831::200e", False),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
    ],
)
def test_addresses_of_no_public_host_are_private(address: str, private: bool) -> None:
    assert is_private(ip_address(address)) is private


async def test_a_host_is_resolved_by_the_system() -> None:
    assert await resolve_host("127.0.0.1", 80) == ["127.0.0.1"]


# --- what is remembered ----------------------------------------------------------------------------------------------


async def test_a_feed_that_has_not_changed_is_not_sent_again_and_keeps_its_headlines(
    server: FeedServer, build: Build
) -> None:
    changed = rss(item("Stocks fall", date=at(20)))
    first, second = respond(GOOD, etag='"v1"', last_modified=at(10)), respond(changed, etag='"v2"')
    url = server.on("/", first, respond(status=304), second, respond(status=304))
    provider = build(url)
    await provider.start()

    read = [titles(await provider.news()) for _ in range(4)]

    assert read == [["Stocks rise"], ["Stocks rise"], ["Stocks fall"], ["Stocks fall"]]
    conditions = [
        (request.headers.get("if-none-match"), request.headers.get("if-modified-since")) for request in server.requests
    ]
    assert conditions == [(None, None), ('"v1"', at(10)), ('"v1"', at(10)), ('"v2"', None)]


async def test_only_the_address_that_named_a_version_is_asked_about_it(server: FeedServer, build: Build) -> None:
    provider = build(server.on("/", redirect("/there")))
    server.on("/there", respond(GOOD, etag='"v1"'), respond(status=304))
    await provider.start()

    assert await provider.news() == await provider.news()

    assert [request.headers.get("if-none-match") for request in server.requests] == [None, None, None, '"v1"']


async def test_a_document_that_was_no_feed_is_not_remembered(server: FeedServer, build: Build) -> None:
    provider = build(server.on("/", respond(HTML_PAGE, etag='"page"'), respond(GOOD)))
    await provider.start()

    await failure_of(asyncio.ensure_future(provider.news()))

    assert titles(await provider.news()) == ["Stocks rise"]
    assert "if-none-match" not in server.requests[1].headers


async def test_cookies_are_not_kept(server: FeedServer, build: Build) -> None:
    provider = build(server.on("/", respond(GOOD, set_cookie="track=me; Max-Age=9999")))
    await provider.start()

    await provider.news()
    await provider.news()

    assert "cookie" not in server.requests[1].headers


# --- failures --------------------------------------------------------------------------------------------------------


async def test_a_feed_that_goes_and_comes_back_is_logged_once_each(server: FeedServer, build: Build) -> None:
    broken = [respond(status=500), respond(status=502), respond(status=404)]
    provider = build(server.on("/a", respond(GOOD), *broken, respond(GOOD)), server.on("/b", respond(rss(item("b")))))
    await provider.start()

    with capture_logs() as logged:
        read = [titles(await provider.news()) for _ in range(6)]

    assert read == [["Stocks rise", "b"], ["b"], ["b"], ["b"], ["Stocks rise", "b"], ["Stocks rise", "b"]]
    assert logged == [
        {
            "event": "news feed failed",
            "log_level": "warning",
            "feed": 1,
            "host": "127.0.0.1",
            "reason": Reason.PROVIDER_ERROR,
            "why": "127.0.0.1 answered with status 500.",
        },
        {"event": "news feed is back", "log_level": "info", "feed": 1, "host": "127.0.0.1"},
    ]


async def test_when_all_feeds_fail_the_error_says_how_many_and_the_first_cause(server: FeedServer, news: News) -> None:
    error = await failure_of(news(server.on("/a", respond(HTML_PAGE)), server.on("/b", respond(status=429))))

    assert (error.reason, error.retry_after_ms) == (Reason.PROVIDER_ERROR, None)
    assert error.message == (
        "No RSS feed could be read (2 tried). The first: 127.0.0.1 sent something that is neither RSS nor Atom."
    )


async def test_when_all_feeds_time_out_the_error_is_a_time_out(
    server: FeedServer, build: Build, clock: ManualClock
) -> None:
    provider = build(server.on("/a", hang), server.on("/b", hang))
    await provider.start()
    reading = asyncio.ensure_future(provider.news())
    await server.arrival("/a")
    await server.arrival("/b")

    await clock.advance(TIMEOUT_SECONDS)

    assert (await failure_of(reading)).reason is Reason.PROVIDER_TIMEOUT


async def test_a_feed_that_refuses_is_left_alone_longer_each_time_while_the_others_go_on(
    server: FeedServer, build: Build, clock: ManualClock
) -> None:
    refused = server.on("/refused", respond(status=429), respond(status=429), respond(GOOD), respond(status=429))
    provider = build(refused, server.on("/good", respond(rss(item("other")))))
    await provider.start()
    asked: list[int] = []

    for seconds in (0, 29, 1, 59, 1, 1, 29, 1):
        await clock.advance(seconds)
        assert "other" in titles(await provider.news())
        asked.append(len(server.asked("/refused")))

    assert asked == [1, 1, 2, 2, 3, 4, 4, 5]
    assert len(server.asked("/good")) == 8


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("90", 90), ("Fri, 05 Apr 2024 15:47:00 GMT", 120), ("999999999", 3600), ("soon", 30), ("-5", 30)],
)
async def test_a_feed_that_says_when_to_come_back_is_believed_within_reason(
    server: FeedServer, build: Build, clock: ManualClock, retry_after: str, seconds: int
) -> None:
    provider = build(server.on("/", respond(status=429, retry_after=retry_after), respond(GOOD)))
    await provider.start()

    error = await failure_of(asyncio.ensure_future(provider.news()))
    await clock.advance(seconds - 1)
    again = await failure_of(asyncio.ensure_future(provider.news()))
    await clock.advance(1)

    assert (error.reason, error.retry_after_ms) == (Reason.PROVIDER_BLOCKED, seconds * 1000)
    assert (again.reason, again.retry_after_ms) == (Reason.PROVIDER_BLOCKED, 1000)
    assert titles(await provider.news()) == ["Stocks rise"]


async def test_secrets_in_an_address_reach_no_log_no_error_and_no_repr(server: FeedServer, build: Build) -> None:
    address = server.on("/s3cret/feed?token=s3cret", respond(status=500), redirect("http://s3cret:s3cret@h:port/"))
    provider = build(address.replace("http://", "http://user:s3cret@"))
    await provider.start()

    with capture_logs() as logged:
        for _ in range(2):
            error = await failure_of(asyncio.ensure_future(provider.news()))
            assert "s3cret" not in f"{error!r} {error.__cause__!r} {error.retry_after_ms}"

    assert len(server.requests) == 2
    assert "s3cret" not in f"{logged} {provider!r} {provider._feeds!r}"


async def test_an_error_nobody_thought_of_is_a_provider_error_too(build: Build, clock: ManualClock) -> None:
    async def resolve(_: str, __: int) -> Sequence[str]:
        raise AssertionError("not reached")

    fetcher = Fetcher(clock=clock, resolve=resolve)
    provider = build("http://127.0.0.1:1/s3cret", fetcher=fetcher)
    await provider.start()
    await fetcher.close()

    error = await failure_of(asyncio.ensure_future(provider.news()))

    assert error.reason is Reason.PROVIDER_ERROR
    assert "127.0.0.1 could not be read (RuntimeError)." in error.message


async def test_a_name_server_is_asked_in_a_thread_that_the_exit_does_not_wait_for(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def find_nothing(*_: object, **__: object) -> NoReturn:
        threads.append(threading.current_thread())
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    provider = build("http://dead.example/feed.xml")
    await provider.start()
    monkeypatch.setattr(socket, "getaddrinfo", find_nothing)
    error = await failure_of(asyncio.ensure_future(provider.news()))

    assert "dead.example cannot be reached or broke off: [Errno" in error.message
    assert [thread.daemon for thread in threads] == [True]


async def test_before_the_start_and_after_the_end_there_is_no_news(build: Build) -> None:
    provider = build("http://127.0.0.1:1/")

    before = await failure_of(asyncio.ensure_future(provider.news()))
    await provider.start()
    await provider.close()
    after = await failure_of(asyncio.ensure_future(provider.news()))

    assert before.message == after.message == "rss is not running."


async def test_a_proxy_that_cannot_be_used_is_told_at_the_start(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "carrier-pigeon://s3cret.example")
    provider = build("http://wire.example/")

    with pytest.raises(ProviderError, match="the HTTP client cannot be made") as caught:
        await provider.start()
    assert "s3cret" not in caught.value.message


# --- closing ---------------------------------------------------------------------------------------------------------


async def test_closing_ends_a_fetch_that_hangs_and_its_caller_is_told(server: FeedServer, build: Build) -> None:
    provider = build(server.on("/", hang))
    await provider.start()
    reading = asyncio.ensure_future(provider.news())
    await server.arrival("/")

    async with asyncio.timeout(PATIENCE_SECONDS):
        await provider.close()

    assert (await failure_of(reading)).message == "rss is closing."
    await server.settled()


class WatchedParser(FeedParser):
    """Says when a process runs, and which."""

    def __init__(self) -> None:
        super().__init__(timeout_seconds=60)
        self.loop = asyncio.get_running_loop()
        self.process: asyncio.Future[subprocess.Popen[bytes]] = self.loop.create_future()
        self.thread: threading.Thread | None = None

    @contextlib.contextmanager
    def _process(self) -> Iterator[subprocess.Popen[bytes]]:
        self.thread = threading.current_thread()
        with super()._process() as process:
            self.loop.call_soon_threadsafe(self.process.set_result, process)
            yield process


async def test_closing_kills_a_parser_that_is_busy(server: FeedServer, build: Build) -> None:
    parser = WatchedParser()
    provider = build(server.on("/", respond(BOMBS["first line"])), parser=parser)
    await provider.start()
    reading = asyncio.ensure_future(provider.news())
    process = await parser.process

    async with asyncio.timeout(PATIENCE_SECONDS):
        await provider.close()

    assert (await failure_of(reading)).message == "rss is closing."
    assert parser.thread is not None
    await asyncio.to_thread(parser.thread.join, 10)
    assert not parser.thread.is_alive()
    assert process.returncode == -9


# --- recorded feeds, where there are any -----------------------------------------------------------------------------

_FOLDER = os.environ.get("STOCKTRACK_TEST_YAHOO_DIR")
_RECORDED = sorted((Path(_FOLDER).parent / "fixtures" / "rss").iterdir()) if _FOLDER else []


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> bytes:
    assert isinstance(request.param, Path)
    return request.param.read_bytes()


@pytest.mark.skipif(not _RECORDED, reason="STOCKTRACK_TEST_YAHOO_DIR names no folder with recorded feeds beside it")
@pytest.mark.parametrize("recorded", _RECORDED, ids=lambda path: path.name, indirect=True)
async def test_a_recorded_feed_gives_valid_headlines_or_says_why_not(
    server: FeedServer, news: News, recorded: bytes
) -> None:
    # In this process too, where a warning is an error.
    feed = read_feed(recorded, content_type="", url="")
    reading = news(server.on("/", respond(recorded)))

    if feed is None:
        assert "neither RSS nor Atom" in (await failure_of(reading)).message
        return

    headlines = await reading
    assert len(headlines) == min(5, len([entry for entry in feed.entries if entry.title]))
    for headline in headlines:
        assert_valid(headline)
        assert "<" not in headline.title
        assert headline.link is None or clean_link(headline.link) == headline.link
    times = [headline.published or 0 for headline in headlines]
    assert times == sorted(times, reverse=True)
