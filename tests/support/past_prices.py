"""Past prices for tests: bars at the times of a real exchange, without a server."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from stocktrack.bars import Adjust, Bar, BarInterval
from stocktrack.client import Bars
from stocktrack.messages import BoardQuote
from stocktrack.quotes import MarketState

NEW_YORK = ZoneInfo("America/New_York")


def at(*moment: int, zone: ZoneInfo = NEW_YORK) -> int:
    """The time on the clock of an exchange, epoch milliseconds."""
    year, month, day, *clock = moment
    return round(datetime(year, month, day, *clock, tzinfo=zone).timestamp() * 1000)  # type: ignore[misc,arg-type] # hours and minutes


def session(*day: int, minutes: int = 1, opens: tuple[int, int] = (9, 30), hours: float = 6.5) -> list[int]:
    """When the bars of a day in New York begin."""
    opened = at(*day, *opens)
    return [opened + minute * 60_000 for minute in range(0, round(hours * 60), minutes)]


def weekdays(first: date, count: int) -> list[int]:
    """The openings of so many days in New York."""
    days = (first + timedelta(days=place) for place in range(count * 2))
    return [at(day.year, day.month, day.day, 9, 30) for day in days if day.weekday() < 5][:count]


def wave(
    times: Sequence[int], *, middle: float = 270.0, height: float = 2.0, digits: int = 2, volume: int | None = 1_000
) -> list[Bar]:
    """Bars that go up and down around `middle`, the first one upwards."""
    closes = [middle + height * math.sin(place / len(times) * 4 * math.pi) for place in range(len(times) + 1)]
    return [
        Bar(
            time=time,
            open=round(opened, digits),
            high=round(max(opened, closed) + height / 20, digits),
            low=round(min(opened, closed) - height / 20, digits),
            close=round(closed, digits),
            volume=volume,
        )
        for time, opened, closed in zip(times, closes, closes[1:], strict=False)
    ]


def flat(times: Sequence[int], price: float) -> list[Bar]:
    """Bars of one price, as of a fund."""
    return [Bar(time=time, open=price, high=price, low=price, close=price) for time in times]


def bars_of(bars: Sequence[Bar], interval: str = "1m", **fields: Any) -> Bars:
    """The bars with what they are of."""
    told: dict[str, Any] = {
        "symbol": "AAPL",
        "adjust": Adjust.SPLITS,
        "timezone": "America/New_York",
        "currency": "USD",
        "provider": "yahoo",
    } | fields
    return Bars(interval=BarInterval(interval), bars=tuple(bars), **told)


def quote_of(price: float, previous_close: float | None, state: str = "closed", **fields: Any) -> BoardQuote:
    """A quote of AAPL."""
    moved: dict[str, Any] = {}
    if previous_close is not None:
        change = round(price - previous_close, 10)
        moved = {"change": change, "change_percent": round(change / abs(previous_close) * 100, 2)}
    told: dict[str, Any] = {"currency": "USD", "name": "Apple Inc."} | moved | fields
    return BoardQuote(
        symbol="AAPL",
        price=price,
        previous_close=previous_close,
        market_state=MarketState(state),
        received_at=0,
        provider="yahoo",
        seq=1,
        **told,
    )


def marked(bars: Sequence[Bar], state: MarketState) -> list[Bar]:
    """The same bars outside of the regular hours."""
    return [replace(bar, market_state=state) for bar in bars]
