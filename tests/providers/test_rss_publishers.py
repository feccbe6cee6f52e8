"""What the publisher of a headline is called, by made up titles and by the feeds on record."""

import os
from pathlib import Path

import pytest

from stocktrack.providers.rss.parse import FeedParser, ParsedEntry, ParsedFeed
from stocktrack.providers.rss.provider import read_headlines
from stocktrack.providers.rss.publishers import MAX_NAME_CHARS, host_of, short_name


@pytest.mark.parametrize(
    ("title", "addresses", "name"),
    [
        ("US Top News and Analysis", ("search.cnbc.com",), "CNBC"),
        ("International: Top News And Analysis", ("127.0.0.1", "https://www.cnbc.com/world-top-news/"), "CNBC"),
        ("Yahoo! Finance: AAPL News", ("https://feeds.finance.yahoo.com/rss/2.0/headline?s=AAPL",), "Yahoo Finance"),
        ("Business", ("feeds.bbci.co.uk",), "BBC"),
        ("", ("www.nytimes.com",), "NYT"),
        ("Anything", ("notcnbc.com",), "Anything"),
    ],
)
def test_a_publisher_is_known_by_its_site(title: str, addresses: tuple[str, ...], name: str) -> None:
    assert short_name(title, *addresses) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("MarketWatch.com - Top Stories", "MarketWatch"),
        ("WSJ.com: Markets", "WSJ"),
        ("Acme.example: Markets", "Acme.example"),
        ("Reuters: World News", "Reuters"),
        ("Acme Wire | Markets", "Acme Wire"),
        ("Acme Wire|Markets", "Acme Wire"),
        ("Acme Wire - Markets - Stocks", "Acme Wire"),
        ("Acme Wire \u2013 Märkte", "Acme Wire"),
        ("NYT > Business", "NYT"),
        ("Jornal de Notícias - Últimas", "Jornal de Notícias"),
        ("Acme-Wire", "Acme-Wire"),
        ("Q&A", "Q&A"),
        ("10:30 Report", "10:30 Report"),
        ("- Markets -", "- Markets -"),
    ],
)
def test_one_that_is_not_known_is_called_by_the_first_part_of_its_title(title: str, name: str) -> None:
    assert short_name(title, "feeds.unheard-of.example") == name


@pytest.mark.parametrize("host", ["www.acmewire.com", "acme-wire.co.uk", "https://acmewire.example/feed?of=markets"])
def test_the_part_of_the_title_that_the_site_is_called_by_counts_before_the_first(host: str) -> None:
    assert short_name("Markets | Stocks | Acme Wire", host) == "Acme Wire"


@pytest.mark.parametrize(
    ("title", "addresses", "name"),
    [
        ("The latest on stocks, bonds and gold", ("feeds.served.example", "https://www.acme.example/"), "acme.example"),
        ("The latest on stocks, bonds and gold", ("rss.acme.example", ""), "acme.example"),
        ("", ("www.acme.example",), "acme.example"),
        ("", ("127.0.0.1",), "127.0.0.1"),
        ("The latest on stocks, bonds and gold", ("127.0.0.1",), "The latest on stocks, b…"),
        ("The latest on stocks, bonds and gold", ("localhost", "http://[::1"), "The latest on stocks, b…"),
        ("", (), ""),
    ],
)
def test_a_sentence_is_no_name_and_the_site_stands_for_it(title: str, addresses: tuple[str, ...], name: str) -> None:
    assert short_name(title, *addresses) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Top Stories - Acme", "Acme"),
        ("Business News | Acme", "Acme"),
        ("Acme RSS Feed", "Acme"),
        ("RSS: Acme", "Acme"),
        ("RSS Feed", "served.example"),
        ("Latest News", "served.example"),
        ("-", "served.example"),
        ("ニュース RSS", "ニュース"),
    ],
)
def test_words_that_any_feed_may_have_are_no_name(title: str, name: str) -> None:
    assert short_name(title, "feeds.served.example") == name


def test_without_a_site_a_title_of_such_words_is_better_than_no_name() -> None:
    assert short_name("Latest News") == "Latest News"


@pytest.mark.parametrize("title", ["y" * 500, "word " * 90, " - " * 200, "a: " * 200, ".", "\u200b"])
@pytest.mark.parametrize("host", ["h" * 200 + ".example", "h", "1.2.3.4", ""])
def test_whatever_the_title_a_name_is_short(title: str, host: str) -> None:
    assert len(short_name(title, host)) <= MAX_NAME_CHARS


def test_the_host_of_what_is_no_address_is_none() -> None:
    assert [host_of(text) for text in ("", "http://[::1", "//", "https://A.example./x", "a.example:80")] == [
        *("", "", ""),
        *("a.example", "a.example"),
    ]


def test_an_entry_that_a_feed_has_from_elsewhere_is_called_by_where_it_is_from() -> None:
    entries = (
        ParsedEntry("Apple up", "", source="CNBC Television", source_link="https://www.cnbc.com"),
        ParsedEntry("Oil up", "", source="Local Paper - Business"),
        ParsedEntry("Gold up", ""),
    )

    headlines = read_headlines(ParsedFeed('"AAPL" - Google News', entries, "https://news.google.com/x"), "127.0.0.1")

    assert [headline.source for headline in headlines] == ["CNBC", "Local Paper", "Google News"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("cnbc_world.xml", "CNBC"),
        ("nyt_business.xml", "NYT"),
        ("heise_atom.xml", "heise"),
        ("latin1_encoding.xml", "Jornal de Notícias"),
        ("malformed_wordpress.xml", "Android Authority"),
    ],
)
def test_feeds_on_record_are_called_by_their_publishers(file: str, name: str) -> None:
    folder = os.environ.get("STOCKTRACK_TEST_YAHOO_DIR")
    recorded = Path(folder or ".").parent / "fixtures" / "rss" / file
    if not folder or not recorded.is_file():
        pytest.skip("STOCKTRACK_TEST_YAHOO_DIR names no folder with recorded feeds beside it")
    parsed = FeedParser(timeout_seconds=20).parse(recorded.read_bytes(), content_type="", url="http://127.0.0.1/")

    assert {headline.source for headline in read_headlines(parsed, "127.0.0.1")} == {name}
