"""What a publisher is called in a word or two: the name that stands beside a headline; pure.

A feed's own title is a sentence about the feed ("US Top News and Analysis", "NYT > Business", "Markets | The Guardian")
and says who publishes it or not. Whose site it is says it better.
"""

import itertools
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

MAX_NAME_CHARS = 24
# Those whose feeds are read most for markets, by their domains; hosts below a domain are the publisher's too, unless
# they have a row of their own.
_PUBLISHERS = {
    "aljazeera.com": "Al Jazeera",
    "apnews.com": "AP",
    "arstechnica.com": "Ars Technica",
    "barrons.com": "Barron's",
    "bbc.co.uk": "BBC",
    "bbc.com": "BBC",
    "bbci.co.uk": "BBC",
    "benzinga.com": "Benzinga",
    "bloomberg.com": "Bloomberg",
    "businessinsider.com": "Business Insider",
    "businesswire.com": "Business Wire",
    "cbc.ca": "CBC",
    "cbsnews.com": "CBS News",
    "cnbc.com": "CNBC",
    "cnn.com": "CNN",
    "coindesk.com": "CoinDesk",
    "cointelegraph.com": "Cointelegraph",
    "dw.com": "DW",
    "economictimes.com": "Economic Times",
    "economictimes.indiatimes.com": "Economic Times",
    "economist.com": "The Economist",
    "ecb.europa.eu": "ECB",
    "faz.net": "FAZ",
    "federalreserve.gov": "Federal Reserve",
    "finance.yahoo.com": "Yahoo Finance",
    "fool.com": "Motley Fool",
    "forbes.com": "Forbes",
    "fortune.com": "Fortune",
    "foxbusiness.com": "Fox Business",
    "ft.com": "FT",
    "globenewswire.com": "GlobeNewswire",
    "handelsblatt.com": "Handelsblatt",
    "heise.de": "heise",
    "investing.com": "Investing.com",
    "investors.com": "IBD",
    "kiplinger.com": "Kiplinger",
    "lemonde.fr": "Le Monde",
    "lesechos.fr": "Les Echos",
    "livemint.com": "Mint",
    "marketwatch.com": "MarketWatch",
    "moneycontrol.com": "Moneycontrol",
    "morningstar.com": "Morningstar",
    "nasdaq.com": "Nasdaq",
    "nasdaqtrader.com": "Nasdaq Trader",
    "nbcnews.com": "NBC News",
    "news.google.com": "Google News",
    "news.yahoo.com": "Yahoo News",
    "nikkei.com": "Nikkei",
    "npr.org": "NPR",
    "nytimes.com": "NYT",
    "politico.com": "Politico",
    "prnewswire.com": "PR Newswire",
    "reuters.com": "Reuters",
    "scmp.com": "SCMP",
    "sec.gov": "SEC",
    "seekingalpha.com": "Seeking Alpha",
    "sky.com": "Sky News",
    "spiegel.de": "Spiegel",
    "tagesschau.de": "tagesschau",
    "techcrunch.com": "TechCrunch",
    "telegraph.co.uk": "The Telegraph",
    "theguardian.com": "The Guardian",
    "theverge.com": "The Verge",
    "thestreet.com": "TheStreet",
    "thehindubusinessline.com": "BusinessLine",
    "time.com": "Time",
    "usatoday.com": "USA Today",
    "washingtonpost.com": "Washington Post",
    "wired.com": "Wired",
    "wsj.com": "WSJ",
    "zacks.com": "Zacks",
    "zdnet.com": "ZDNET",
}
# What stands before a domain where feeds are served, and says nothing of who serves them.
_SERVICES = frozenset(("www", "www2", "www3", "feeds", "feed", "rss", "rssfeeds", "atom", "xml", "m", "mobile", "amp"))
_SEPARATORS = re.compile(r"\s+[-–—|>»›·•/~]+\s+|\s*::\s*|:\s+|\s*\|\s*")  # noqa: RUF001 - the dashes of titles
# Words that say that it is a feed, and those of which a part of a title may consist and name nobody.
_OF_FEEDS = frozenset(("rss", "rss2", "atom", "xml", "feed", "feeds"))
_OF_ANYBODY = _OF_FEEDS | frozenset(
    (
        *("the", "a", "and", "&", "of", "all", "our", "top", "latest", "breaking", "daily", "recent", "main", "new"),
        *("news", "newsfeed", "headlines", "stories", "story", "articles", "posts", "updates", "releases", "press"),
        *("blog", "home", "homepage", "business", "markets", "market", "finance", "economy", "stocks", "world", "us"),
    )
)
_NO_LETTER = re.compile(r"[\W_]+")


def short_name(title: str, *addresses: str) -> str:
    """The publisher in at most `MAX_NAME_CHARS`, by the feed's `title` and the `addresses` (or hosts) of feed and site.

    A publisher that is known by its site; else the part of the title that the site is called by, or the first part that
    names somebody ("Top News - Acme" is Acme's); else, where that is a sentence or there is none, the site itself.
    """
    hosts = [host for address in addresses if (host := host_of(address))]
    for host in hosts:
        if known := _publisher_of(host):
            return known
    parts = [name for part in _SEPARATORS.split(title) if (name := _without_feed(part))]
    for part in parts:
        # A title may begin with a site: "MarketWatch.com - Top Stories".
        if "." in part and (known := _publisher_of(part.casefold())):
            return known
    called = (part for part in parts if _is_called(part, hosts))
    telling = (part for part in parts if _names_somebody(part))
    named = next(itertools.chain(called, telling), "" if hosts else title)
    if named and len(named) <= MAX_NAME_CHARS:
        return named
    # The site before the address of the feed, which may be at a service that serves feeds for many.
    sites = [site for host in reversed(hosts) if (site := _site(host)) and (not named or _is_name(site))]
    name = sites[0] if sites else named
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1].rstrip() + "…"


def host_of(address: str) -> str:
    """The host in an http(s) address, or `address` where it is a host by itself; empty where there is none."""
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname
    except ValueError:
        return ""
    return (host or "").rstrip(".")


def _publisher_of(host: str) -> str | None:
    labels = host.split(".")
    return next((name for n in range(len(labels)) if (name := _PUBLISHERS.get(".".join(labels[n:])))), None)


def _without_feed(part: str) -> str:
    """A part of a title without the words at its end that only say that it is a feed; there may be no others."""
    words = part.split()
    while words and _NO_LETTER.sub("", words[-1]).casefold() in _OF_FEEDS:
        words.pop()
    return " ".join(words)


def _names_somebody(part: str) -> bool:
    return bool(_NO_LETTER.sub("", part)) and not _OF_ANYBODY.issuperset(part.casefold().split())


def _is_called(part: str, hosts: list[str]) -> bool:
    """Whether one of `hosts` is called as `part` is: "The Guardian" is theguardian.com."""
    name = _NO_LETTER.sub("", part).casefold()
    return len(name) > 1 and any(name in {label.replace("-", "") for label in host.split(".")} for host in hosts)


def _site(host: str) -> str:
    """The host without what says nothing of whose it is."""
    labels = host.split(".")
    while len(labels) > 2 and labels[0] in _SERVICES:
        labels = labels[1:]
    return ".".join(labels) if _is_name(host) else host


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return "." in host
    return False
