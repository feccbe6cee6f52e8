"""What the title and the link of a feed's entry say, once markup is taken out and mistakes are mended; pure.

A title is markup in one feed and plain text in the next, and none says which reliably. So what is a tag of HTML is
taken out, and everything else stays: `<AAPL.O>` is a ticker, `R&D` is a department, and a link may hold an apostrophe.
"""

import html
import re
from html.entities import html5
from urllib.parse import quote

from stocktrack.quotes import clean_link, clean_text

_MAX_RAW_CHARS = 4000
_TAG = re.compile(r"<(?P<slash>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?P<rest>[^<>]*)>|<[!?][^<>]*>")
_OPENING = re.compile(r"<+(?=[!?]|(?P<slash>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?P<rest>[^<>]*>)?)")
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|(?P<name>[a-zA-Z][a-zA-Z0-9]{0,31}));")
_ELEMENTS = frozenset(
    word
    for line in (
        "a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote",
        "body br button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div",
        "dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header",
        "hgroup hr html i iframe image img input ins isindex kbd keygen label legend li link listing main map mark",
        "marquee math menu menuitem meta meter nav nobr noembed noframes noscript object ol optgroup option output p",
        "param picture plaintext portal pre progress q rb rp rt rtc ruby s samp script search section select slot",
        "small source spacer span strike strong style sub summary sup svg table tbody td template textarea tfoot th",
        "thead time title tr track tt u ul var video wbr xmp",
    )
    for word in line.split()
)
_NEW_LINES = frozenset(("br", "div", "hr", "li", "p"))
# Tickers that are called as an element is, Agilent (A) and Toronto Dominion (TD) among them: in capitals, never closed.
_LIKE_TICKERS = frozenset(("A", "B", "DD", "DL", "DT", "EM", "I", "LI", "Q", "S", "TD", "TH", "TR", "TT", "U", "UL"))
_ADDRESS = re.compile(r"(?P<site>https?://[^/?#]*)(?P<path>.*)", re.IGNORECASE)
_NEVER_IN_AN_ADDRESS = ' "<>^`{|}\u200c\u200d'


def plain_text(markup: str, max_chars: int) -> str:
    """`markup` as text: references resolved, tags taken out, clean, at most `max_chars`."""
    # Cleaned first, so that no invisible character keeps a tag from being seen as one; then twice, because a tag inside
    # a tag leaves one behind. What is opened and never closed loses its bracket.
    shown = clean_text(_REFERENCE.sub(_character, markup), _MAX_RAW_CHARS)

    def text_of(found: re.Match[str]) -> str:
        if _is_text(found, shown):
            return found[0]
        return " " if (found["name"] or "").casefold() in _NEW_LINES else ""

    return clean_text(_OPENING.sub(text_of, _TAG.sub(text_of, shown)), max_chars)


def plain_link(text: str) -> str | None:
    """`text` as a plain http(s) address, else None; what no path may hold is percent-encoded, as a browser does it."""
    parts = _ADDRESS.fullmatch(text.strip())
    if parts is None:
        return None
    path = "".join(quote(ch) if ch in _NEVER_IN_AN_ADDRESS else ch for ch in parts["path"])
    return clean_link(parts["site"] + path)


def _is_text(found: re.Match[str], text: str) -> bool:
    """Whether what stands in brackets is a ticker or a word, and no tag."""
    name, rest = found["name"], found["rest"]
    if name is None:
        return False  # a comment, or what looks like one
    if name.casefold() not in _ELEMENTS or (rest or ">")[0] not in " />=\"'":
        return True
    is_like_a_ticker = name in _LIKE_TICKERS and rest in {"", ">"} and not found["slash"]
    return is_like_a_ticker and f"</{name}" not in text


def _character(reference: re.Match[str]) -> str:
    """What a reference stands for. One without its semicolon is none, or News&notes would become News¬es."""
    name = reference["name"]
    return html.unescape(reference[0]) if name is None or f"{name};" in html5 else reference[0]
