"""What the sources call a symbol of a segment, and which segment a symbol of theirs is in, by rules without a file.

A currency future is not its spot rate and a commodity's future not another exchange's, so no contract has such a rule.
"""

from collections.abc import Callable, Mapping
from typing import Final

from stocktrack.segments import Segment, split_symbol

_YAHOO_INDICES: Final[Mapping[tuple[Segment, str], str]] = {
    (Segment.NSE_INDEX, "NIFTY"): "^NSEI",
    (Segment.NSE_INDEX, "BANKNIFTY"): "^NSEBANK",
    (Segment.NSE_INDEX, "INDIAVIX"): "^INDIAVIX",
    (Segment.BSE_INDEX, "SENSEX"): "^BSESN",
}
_SEGMENTS_OF_YAHOO_INDICES: Final = {name: segment for (segment, _), name in _YAHOO_INDICES.items()}
_INDEX_NAMES: Final = frozenset(name for _, name in _YAHOO_INDICES)
_YAHOO_SUFFIXES: Final[Mapping[Segment, str]] = {Segment.NSE: ".NS", Segment.BSE: ".BO"}


def _at_yahoo(segment: Segment, name: str) -> str | None:
    if (suffix := _YAHOO_SUFFIXES.get(segment)) is not None:
        return name + suffix
    return _YAHOO_INDICES.get((segment, name))


def _nowhere(_segment: Segment, _name: str) -> str | None:
    return None


# The simulated market writes as Yahoo does. A source that is not here is asked for the symbol as it is.
_RULES: Final[Mapping[str, Callable[[Segment, str], str | None]]] = {
    "yahoo": _at_yahoo,
    "simulated": _at_yahoo,
    "finnhub": _nowhere,
}


def name_at(provider: str, segment: Segment, name: str) -> str | None:
    """What the source calls what is called `name` in `segment`; None where it has no such thing."""
    rule = _RULES.get(provider)
    return f"{segment}:{name}" if rule is None else rule(segment, name)


def has_names(provider: str, segment: Segment) -> bool:
    """Whether the source may have anything of `segment`."""
    if provider not in _RULES:
        return True
    return any(name_at(provider, segment, name) is not None for name in ("X", *_INDEX_NAMES))


def segment_of(symbol: str) -> Segment | None:
    """The segment that `symbol` is in by its writing, ours or Yahoo's: NSE for `NSE:INFY` and for `INFY.NS`."""
    segment, name = split_symbol(symbol)
    if segment is not None or (segment := _SEGMENTS_OF_YAHOO_INDICES.get(name)) is not None:
        return segment
    suffixed = (each for each, suffix in _YAHOO_SUFFIXES.items() if len(name) > len(suffix) and name.endswith(suffix))
    return next(suffixed, None)
