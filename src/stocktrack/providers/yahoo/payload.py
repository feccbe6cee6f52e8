"""Finds its way in Yahoo's answers: what stands where, and the numbers, times and prices in what is there."""

import contextlib
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.reading import DAY_MS, number, positive, text

# Oil was sold at -37.63 on 20 April 2020, and yields stand in indices: what nobody owns a piece of may be at zero or
# below. A share's price of nothing is no price.
MAY_BE_NEGATIVE = frozenset({"FUTURE", "INDEX"})
COIN = "CRYPTOCURRENCY"
ALL_DAY_MS = DAY_MS - 300_000
MAX_EPOCH_SECONDS = 60_000_000_000  # the years 68 to 3871: well within what Python's dates can hold


class NothingThere(ProviderError):  # noqa: N818 - named as what happened
    """Yahoo answered in good order, and there is not one price in what it says."""


def price_hint(fields: Mapping[str, Any]) -> int | None:
    """With how many decimals Yahoo shows the prices."""
    hint = number_in(fields.get("priceHint"))
    return int(hint) if hint is not None and hint.is_integer() and 0 <= hint <= 10 else None


def market_time(value: Any) -> int | None:
    """A time of a price, in milliseconds: none was made before 1970."""
    seconds = epoch_seconds(value)
    return seconds * 1000 if seconds is not None and seconds > 0 else None


def without_float32_noise(value: float, decimals: Sequence[int]) -> float:
    """`value` rounded to the first of `decimals` that leaves the same float32, else as it is.

    Yahoo computes in float32: a price of 189.45 may come as 189.4499969. Where a float32 is too coarse to hold that
    many decimals (above 80,000 with two) nothing is rounded, because the digits may be real.
    """
    for places in decimals:
        if abs(value) * 2.0**-23 >= 0.5 * 10.0**-places:
            break
        rounded = round(value, places)
        if _float32(rounded) == _float32(value):
            return rounded
    return value


def _float32(value: float) -> bytes:
    return struct.pack("<f", value)


def period_of(meta: Mapping[str, Any], name: str) -> tuple[int | None, int | None]:
    """When a part of the market's day begins and ends, by a chart's head."""
    period = module_of(module_of(meta, "currentTradingPeriod"), name)
    return market_time(period.get("start")), market_time(period.get("end"))


def zone_of_chart(meta: Mapping[str, Any]) -> tzinfo:
    """The exchange's time zone; its offset of today where the zone's rules are not on this machine."""
    name, offset = meta.get("exchangeTimezoneName"), number_in(meta.get("gmtoffset"))
    if isinstance(name, str):
        # An unknown name is a KeyError there, a malformed one a ValueError or an OSError.
        with contextlib.suppress(KeyError, ValueError, OSError):
            return ZoneInfo(name)
    if offset is not None and abs(offset) < 86_400:
        return timezone(timedelta(seconds=offset))
    return UTC


def section_of(payload: Any, name: str) -> Mapping[str, Any]:
    """What an endpoint wraps its answer in; `ProviderError` where that is not there."""
    section = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(section, dict):
        raise garbled(f"holds no {name!r}")
    return section


def module_of(summary: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in another one; an empty one where there is none."""
    module = summary.get(name)
    return module if isinstance(module, dict) else {}


def only_result(payload: Any, name: str) -> Mapping[str, Any] | None:
    """The one result of an endpoint that is asked of one symbol; None where Yahoo says that there is no such thing."""
    error = error_in(payload)
    if error is not None:
        if error.get("code") == "Not Found":
            return None
        described = text(error.get("description"), error.get("code"), max_chars=120)
        raise ProviderError(Reason.PROVIDER_ERROR, f"Yahoo answered with an error: {described or 'without a text'}.")
    result = section_of(payload, name).get("result")
    if result is None or result == []:
        raise NothingThere(Reason.PROVIDER_ERROR, "Yahoo's answer is empty.")
    if not isinstance(result, list) or not isinstance(result[0], dict):
        raise garbled("is empty")
    return result[0]


def error_in(payload: Any) -> Mapping[str, Any] | None:
    """The error in an answer. It stands under the endpoint's name, or under "finance"."""
    sections = payload.values() if isinstance(payload, dict) else ()
    errors = (section.get("error") for section in sections if isinstance(section, dict))
    return next((error for error in errors if isinstance(error, dict)), None)


def number_in(value: Any) -> float | None:
    """The finite number in `value`, also where it is wrapped as `{"raw": 1.5, "fmt": "1.50"}`."""
    return number(value.get("raw") if isinstance(value, dict) else value)


def positive_in(value: Any) -> float | None:
    """The number above zero in `value`, wrapped or not."""
    return positive(value.get("raw") if isinstance(value, dict) else value)


def epoch_seconds(value: Any) -> int | None:
    """The time in `value`; None where it is none."""
    # Dates before 1970 are real: some shares have paid dividends since 1962.
    number = number_in(value)
    return int(number) if number is not None and number != 0 and abs(number) < MAX_EPOCH_SECONDS else None


def garbled(what: str) -> ProviderError:
    """What to raise where an answer is none."""
    return ProviderError(Reason.PROVIDER_ERROR, f"Yahoo's answer {what}.")
