"""What a client wants and what it has, by its headers: media types, encodings and entity tags; pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

# A quality is 0 to 1 with three decimals at most (RFC 9110, section 12.4.2).
_QUALITY: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
# An entity tag is quoted, and may hold a comma.
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def preferred(accepts: Iterable[str], offered: Sequence[str]) -> str:
    """The one of the `offered` media types that a client wants most, by its Accept headers; the first in doubt.

    A higher quality goes first, then what is named more exactly, then what is named earlier. Where a client takes none
    of them it gets the first one all the same: that says more than a refusal.
    """
    ranges = [part for header in accepts for part in header.lower().split(",") if part.strip()]
    best, best_rank = offered[0], (0.0, 0, 0)
    for media_type in offered:
        rank = _rank(media_type, ranges)
        if rank > best_rank:
            best, best_rank = media_type, rank
    return best


def _rank(media_type: str, ranges: Sequence[str]) -> tuple[float, int, int]:
    """How much a type is wanted: the quality of the range that names it most exactly, how exactly, how early."""
    kind = media_type.partition("/")[0]
    exactness_of = {media_type: 2, f"{kind}/*": 1, "*/*": 0}
    found: tuple[int, float, int] | None = None
    for place, text in enumerate(ranges):
        name, *parameters = (part.strip() for part in text.split(";"))
        exactness = exactness_of.get(name)
        if exactness is not None and (found is None or exactness > found[0]):
            found = exactness, _quality(parameters), -place
    if found is None or found[1] == 0:
        return (0.0, 0, 0)  # a type that is refused is worth no more than one that is not named
    return found[1], found[0], found[2] if found[0] == 2 else -len(ranges)


def accepts_gzip(accept_encodings: Iterable[str]) -> bool:
    """Whether a client would rather have an answer compressed by gzip than as it is, by its Accept-Encoding headers."""
    qualities: dict[str, float] = {}
    for text in ",".join(accept_encodings).lower().split(","):
        name, *parameters = (part.strip() for part in text.split(";"))
        qualities.setdefault({"x-gzip": "gzip"}.get(name, name), _quality(parameters))
    anything = qualities.get("*")
    gzip = qualities.get("gzip", anything if anything is not None else 0.0)
    # Without a word on it, an answer as it is will do, and any encoding that is named is wanted more.
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            # One that is none counts as the lowest there is: what is wanted least is still wanted.
            return float(value) if _QUALITY.fullmatch(value := value.strip()) else 0.001
    return 1.0


def has_already(if_none_match: Iterable[str], tag: str) -> bool:
    """Whether a client has what the entity tag `tag` stands for, by its If-None-Match headers."""
    text = ",".join(if_none_match)
    return text.strip() == "*" or tag in _TAG.findall(text)
