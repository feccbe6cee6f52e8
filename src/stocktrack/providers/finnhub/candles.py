"""Reads Finnhub's candles and splits: JSON in, `SourceBars` out, without any I/O.

By its documentation candles of days and longer are corrected for splits, and those within a day are as they were
traded; the latter come with the early and late hours. A day has the midnight of Greenwich as its time.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from itertools import zip_longest
from typing import Any, Final
from zoneinfo import ZoneInfo

from stocktrack.bars import Bar, BarInterval, Split, day_of, gathered, midnight_ms
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.base import BarLimit, SourceBars
from stocktrack.providers.finnhub.answers import currency_of
from stocktrack.providers.finnhub.symbols import is_prefixed, is_us
from stocktrack.providers.reading import number, objects, positive
from stocktrack.quotes import MarketState

# Of bars within a day no more than a month comes at a time. Of minutes a week is asked for, as other sources have it
# that may be asked instead.
BAR_LIMITS: Final[Mapping[BarInterval, BarLimit]] = {
    interval: BarLimit(days_a_request=7 if interval is BarInterval.ONE_MINUTE else 30)
    if interval.is_intraday
    else BarLimit()
    for interval in BarInterval
}
_RESOLUTIONS: Final = {
    BarInterval.ONE_MINUTE: "1",
    BarInterval.TWO_MINUTES: "1",  # gathered
    BarInterval.FIVE_MINUTES: "5",
    BarInterval.QUARTER: "15",
    BarInterval.HALF_HOUR: "30",
    BarInterval.HOUR: "60",
    BarInterval.DAY: "D",
    BarInterval.WEEK: "W",
    BarInterval.MONTH: "M",
}
_NEW_YORK: Final = "America/New_York"
_OPENING, _CLOSING = time(9, 30), time(16)
# Which of the markets before a colon trade currencies; the others trade coins.
_OF_CURRENCIES: Final = frozenset({"OANDA", "FXCM", "FOREX", "FXPIG", "PEPPERSTONE", "ICM", "ICMARKETS", "SAXO"})
_DAY_SECONDS: Final = 86_400
_MAX_SECONDS: Final = 10_000_000_000


def path_of(symbol: str) -> str:
    """Where the candles of a symbol are."""
    if not is_prefixed(symbol):
        return "/stock/candle"
    return "/forex/candle" if symbol.partition(":")[0] in _OF_CURRENCIES else "/crypto/candle"


def query_of(interval: BarInterval, start: int, end: int) -> dict[str, str]:
    """What to ask for the bars of `interval` that begin from `start` on and before `end`: some more, for the zones."""
    before = 0 if interval.is_intraday else interval.length_ms // 1000
    return {
        "resolution": _RESOLUTIONS[interval],
        "from": str(start // 1000 - before),
        "to": str(-(-end // 1000) + (0 if interval.is_intraday else _DAY_SECONDS)),
    }


def read_candles(
    payload: Any, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
) -> SourceBars | None:
    """The bars that begin from `start` on and before `end`; None where Finnhub has nothing, `ProviderError` otherwise.

    It says the same of a stretch without a trade and of a symbol that it does not have.
    """
    if not isinstance(payload, dict) or payload.get("s") not in {"ok", "no_data"}:
        raise ProviderError(Reason.PROVIDER_ERROR, "Finnhub's answer holds no candles.")
    if payload["s"] == "no_data":
        return None
    zone_name = _NEW_YORK if is_us(symbol) else "UTC" if is_prefixed(symbol) else None
    zone: tzinfo = UTC if zone_name is None else ZoneInfo(zone_name)
    bars = _bars(payload, interval, zone)
    if interval.is_intraday and is_us(symbol):
        bars = _of_the_session(bars, interval.length_ms, zone, prepost=prepost)
    if interval is BarInterval.TWO_MINUTES:
        bars = gathered(bars, interval, zone)
    return SourceBars(
        provider="finnhub",
        bars=[bar for bar in bars if start <= bar.time < end],
        zone=zone_name,
        currency=currency_of(symbol),
        are_as_traded=interval.is_intraday and not is_prefixed(symbol),
    )


def read_splits(payload: Any) -> list[Split]:
    """The splits of an American share, in order, each at the midnight of its day; an empty list where it has none."""
    if not isinstance(payload, list):
        raise ProviderError(Reason.PROVIDER_ERROR, "Finnhub's answer holds no list of splits.")
    zone = ZoneInfo(_NEW_YORK)
    found: dict[int, Split] = {}
    for row in objects(payload):
        out_of, into = positive(row.get("fromFactor")), positive(row.get("toFactor"))
        try:
            moment = midnight_ms(date.fromisoformat(str(row.get("date"))), zone)
        except ValueError:
            continue
        if out_of is not None and into is not None and out_of != into:
            found[moment] = Split(moment, into / out_of)
    return [found[moment] for moment in sorted(found)]


def _bars(payload: Mapping[str, Any], interval: BarInterval, zone: tzinfo) -> list[Bar]:
    """The candles that can be, in order, each time once."""
    columns = [payload.get(name) for name in ("t", "o", "h", "l", "c", "v")]
    found: dict[int, Bar] = {}
    for row in zip_longest(*(column if isinstance(column, list) else [] for column in columns)):
        seconds, prices = number(row[0]), [price for price in map(positive, row[1:5]) if price is not None]
        if seconds is None or not 0 < seconds < _MAX_SECONDS or len(prices) < len(row[1:5]):
            continue
        moment = int(seconds) * 1000
        if not interval.is_intraday:
            day = datetime.fromtimestamp(seconds, UTC).date() if seconds % _DAY_SECONDS == 0 else day_of(moment, zone)
            moment = midnight_ms(day, zone)
        volume = number(row[5])
        found[moment] = Bar(
            moment,
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            int(volume) if volume is not None and volume >= 0 else None,
        )
    return [found[moment] for moment in sorted(found)]


def _of_the_session(bars: Sequence[Bar], length_ms: int, zone: tzinfo, *, prepost: bool) -> list[Bar]:
    """The bars of New York's regular hours, and with `prepost` the others too, each marked as what it is.

    The hours are those of a full day: no answer tells of an early close.
    """
    found: list[Bar] = []
    for bar in bars:
        day = day_of(bar.time, zone)
        begins, ends = (round(datetime.combine(day, clock, zone).timestamp() * 1000) for clock in (_OPENING, _CLOSING))
        is_early = bar.time + length_ms <= begins
        state = MarketState.PRE if is_early else MarketState.POST if bar.time >= ends else None
        if state is None:
            found.append(bar)
        elif prepost:
            found.append(Bar(bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume, market_state=state))
    return found
