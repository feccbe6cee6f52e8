"""Past prices as the library hands them out: the bars with what they are of, and the same as a table of pandas."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from operator import index
from typing import Any, SupportsIndex, overload
from zoneinfo import ZoneInfo

from stocktrack.bars import Adjust, Bar, BarInterval
from stocktrack.errors import Reason
from stocktrack.messages import HistoryReply

Moment = SupportsIndex | str | date  # whole numbers of numpy are no int; a datetime is a date, too

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, repr=False)
class Bars(Sequence[Bar]):
    """A sequence of bars, the oldest first, each with its `time`, `open`, `high`, `low`, `close` and `volume`.

    `adjust` is what the prices are corrected for, `timezone` the exchange's IANA name, `provider` whose bars they are
    unless one names another. Where `stale` is true the newest bars may be missing, for the `stale_reason`.
    """

    symbol: str
    interval: BarInterval
    adjust: Adjust
    timezone: str
    currency: str | None
    provider: str
    bars: tuple[Bar, ...]
    stale: bool = False
    stale_reason: Reason | None = None

    @classmethod
    def of(cls, reply: HistoryReply) -> "Bars":
        """What a reply says, all of its pages joined."""
        return cls(
            symbol=reply.symbol,
            interval=reply.interval,
            adjust=reply.adjust,
            timezone=reply.timezone,
            currency=reply.currency,
            provider=reply.provider,
            bars=reply.bars,
            stale=bool(reply.stale),
            stale_reason=reply.stale_reason,
        )

    def __len__(self) -> int:
        return len(self.bars)

    @overload
    def __getitem__(self, index: int) -> Bar: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Bar, ...]: ...

    def __getitem__(self, index: int | slice) -> Bar | tuple[Bar, ...]:
        return self.bars[index]

    def __repr__(self) -> str:
        return f"<Bars of {self.symbol}: {len(self.bars)} of {self.interval} from {self.provider}>"

    @property
    def zone(self) -> tzinfo:
        """The exchange's time zone; UTC where this machine does not know it."""
        return zone_of(self.timezone)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of `open high low close volume`, its index the aware times in the exchange's zone.

        A volume that nobody counts is `<NA>`. `ImportError` where pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise ImportError(
                "to_pandas() needs pandas, which is not installed: pip install 'stocktrack-server[pandas]'."
            ) from error
        times = pandas.DatetimeIndex(pandas.to_datetime([bar.time for bar in self.bars], unit="ms", utc=True))
        columns: dict[str, Any] = {
            name: pandas.array([getattr(bar, name) for bar in self.bars], dtype="float64")
            for name in ("open", "high", "low", "close")
        }
        columns["volume"] = pandas.array([bar.volume for bar in self.bars], dtype="Int64")
        frame = pandas.DataFrame(columns, index=times.tz_convert(self.zone).rename("time"))
        frame.attrs = {
            "symbol": self.symbol,
            "interval": self.interval.value,
            "adjust": self.adjust.value,
            "currency": self.currency,
            "provider": self.provider,
        }
        return frame


def zone_of(name: str) -> tzinfo:
    """The time zone of this name; UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown name, and malformed ones
        return UTC


def wire_moment(moment: Moment | None) -> int | str | None:
    """A moment as the wire has it: epoch milliseconds, or a date at the exchange.

    Texts are read as people write them: `2024-02-09`, `2024-02-09T09:30-05:00`, `1707489000000`; what is none of these
    is handed on, for the command to refuse it. `ValueError` for a time without a zone, which could be anywhere.
    """
    if isinstance(moment, str):
        text = moment.strip()
        if text.removeprefix("-").isdecimal() and text.isascii():
            return int(text[:20])
        try:
            moment = date.fromisoformat(text) if len(text) <= len("2024-02-09") else datetime.fromisoformat(text)
        except ValueError:
            return text
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise ValueError(
                f"{moment.isoformat()} has no time zone: give it one, as in {moment.isoformat()}-05:00, or a date alone"
            )
        return (moment - _EPOCH) // _ONE_MS
    if isinstance(moment, date):
        return moment.isoformat()
    if isinstance(moment, SupportsIndex) and not isinstance(moment, bool):
        return index(moment)  # a whole number of numpy is no int
    return moment
