"""Corrects prices of the past for splits and dividends, or takes such a correction back.

Sources give bars that are corrected for splits, with a factor for dividends; what this server recorded is as it was
traded. A split counts from its day on, early hours included.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, tzinfo
from math import prod

from stocktrack.bars import Adjust, Bar, Split, day_of
from stocktrack.market.shelves import Kept

# Far more decimals than any price has; what a product of doubles adds is cut off.
_DECIMALS = 6


def adjusted(
    kept: Sequence[Kept],
    adjust: Adjust,
    zone: tzinfo,
    *,
    splits: Sequence[Split],
    factor_of: Callable[[date], float] | None = None,
) -> list[Bar]:
    """The bars as `adjust` says; `splits` are all of the symbol, of whatever time.

    ``factor_of(day)`` corrects for dividends where the bars have no factors of their own.
    """
    ratio_after = _ratios(splits, zone)
    bars = []
    for bar, _, own_factor, is_as_traded in kept:
        factor = 1.0
        day = day_of(bar.time, zone) if ratio_after.changes or factor_of is not None else None
        ratio = ratio_after(day) if day is not None else 1.0
        if adjust is Adjust.NONE and not is_as_traded:
            factor = ratio
        elif adjust is not Adjust.NONE and is_as_traded:
            factor = 1 / ratio
        volume_factor = factor
        if adjust is Adjust.ALL:
            factor *= own_factor if factor_of is None or day is None else factor_of(day)
        bars.append(bar if factor == volume_factor == 1.0 else _times(bar, factor, volume_factor))
    return bars


def factors_by_day(kept: Sequence[Kept], zone: tzinfo) -> Callable[[date], float]:
    """The factor for dividends of each day, by the bars of days; a day without one has that of the day before."""
    by_day: Mapping[date, float] = {day_of(each.bar.time, zone): each.factor for each in kept}
    days = sorted(by_day)

    def factor_of(day: date) -> float:
        if day in by_day:
            return by_day[day]
        earlier = [each for each in days if each < day]
        return by_day[earlier[-1]] if earlier else by_day[days[0]] if days else 1.0

    return factor_of


class _Ratios:
    """How many shares of today one share of a day has become."""

    def __init__(self, changes: Sequence[tuple[date, float]]) -> None:
        self.changes = changes  # up to and without each day, the newest first

    def __call__(self, day: date) -> float:
        ratio = 1.0
        for until, product in self.changes:
            if day >= until:
                break
            ratio = product
        return ratio


def _ratios(splits: Sequence[Split], zone: tzinfo) -> _Ratios:
    newest_first = sorted(splits, key=lambda split: -split.time)
    days = [day_of(split.time, zone) for split in newest_first]
    return _Ratios(
        [(day, prod(split.ratio for split in newest_first[: number + 1])) for number, day in enumerate(days)]
    )


def _times(bar: Bar, factor: float, volume_factor: float) -> Bar:
    return replace(
        bar,
        open=round(bar.open * factor, _DECIMALS),
        high=round(bar.high * factor, _DECIMALS),
        low=round(bar.low * factor, _DECIMALS),
        close=round(bar.close * factor, _DECIMALS),
        volume=None if bar.volume is None else round(bar.volume / volume_factor),
    )
