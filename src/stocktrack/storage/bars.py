"""The 1-minute bars that this server saw, as they are kept in the database.

The key begins with the minute: what is written together lies together, and what has grown old goes from one end. How
that was measured stands in `docs/decisions/0060-bars-lie-by-minute.md`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Connection, Double, Integer, String, bindparam, delete, func, select, text

from stocktrack.storage.database import Database
from stocktrack.storage.tables import minute_bars

# So much of one symbol is read at a time: with PostgreSQL it is this process's only thread that reads the rows.
_MINUTES_A_READ: Final = 1_440
# So many are deleted at a time, and all of one minute: what others want to change waits behind it.
_DELETED_AT_ONCE: Final = 2_000


class MinuteBar(NamedTuple):
    """A row: a bar of one symbol, whose `minute` is counted from the epoch; `market_state` is `pre`, `post` or None."""

    minute: int
    symbol: str
    market_state: str | None
    open: float
    high: float
    low: float
    close: float
    volume: int | None


# A minute that is there is what another run of this server saw of it, another server at this database, or an earlier
# look of this one. The greater volume counts: of two that saw the same trades a sum would count them twice.
_ADD = text("""
    INSERT INTO minute_bars (minute, symbol, market_state, open, high, low, close, volume)
    VALUES (:minute, :symbol, :market_state, :open, :high, :low, :close, :volume)
    ON CONFLICT (minute, symbol) DO UPDATE SET
        market_state = excluded.market_state,
        high = CASE WHEN excluded.high > minute_bars.high THEN excluded.high ELSE minute_bars.high END,
        low = CASE WHEN excluded.low < minute_bars.low THEN excluded.low ELSE minute_bars.low END,
        close = excluded.close,
        volume = CASE
            WHEN excluded.volume IS NULL OR minute_bars.volume > excluded.volume THEN minute_bars.volume
            ELSE excluded.volume
        END
""").bindparams(
    bindparam("minute", type_=Integer),
    bindparam("symbol", type_=String),
    bindparam("market_state", type_=String),
    *(bindparam(name, type_=Double) for name in ("open", "high", "low", "close")),
    bindparam("volume", type_=BigInteger),
)
# From minute to minute, with a look for the one symbol in each: all others of the minute are passed over.
_READ = text("""
    WITH RECURSIVE kept (minute) AS (
        SELECT min(minute) FROM minute_bars WHERE minute >= :first AND minute < :end
        UNION ALL
        SELECT (SELECT min(b.minute) FROM minute_bars AS b WHERE b.minute > kept.minute AND b.minute < :end)
        FROM kept WHERE kept.minute IS NOT NULL
    )
    SELECT bars.minute, bars.symbol, bars.market_state, bars.open, bars.high, bars.low, bars.close, bars.volume
    FROM kept JOIN minute_bars AS bars ON bars.minute = kept.minute AND bars.symbol = :symbol
    ORDER BY bars.minute
""").bindparams(bindparam("first", type_=Integer), bindparam("end", type_=Integer), bindparam("symbol", type_=String))
_OLDEST = select(func.min(minute_bars.c.minute))
_BEYOND_A_DELETION = select(minute_bars.c.minute).order_by(minute_bars.c.minute).offset(_DELETED_AT_ONCE).limit(1)
# Each for itself is one look at the key's end; both in one statement would be a look at all.
_ENDS = select(_OLDEST.scalar_subquery(), select(func.max(minute_bars.c.minute)).scalar_subquery())


class Bars:
    """The bars in a database that is opened and closed elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """Nothing to do."""

    async def add(self, bars: Sequence[MinuteBar]) -> None:
        """Write bars in one transaction; a minute that is there already becomes one of both."""
        # Two servers that write the same bars lock them in one order, or they would wait for each other. Of the same
        # minute twice the later one stays the later one.
        rows = [bar._asdict() for bar in sorted(bars, key=_key)]
        if rows:
            await self._database.write(lambda connection: connection.execute(_ADD, rows).close())

    async def read(self, symbol: str, first: int, end: int) -> Sequence[MinuteBar]:
        """The bars of `symbol` from the minute `first` on and before `end`, in order."""
        oldest, newest = await self._database.read(lambda connection: connection.execute(_ENDS).one())
        if oldest is None:
            return []
        found: list[MinuteBar] = []
        start, stop = max(first, oldest), min(end, newest + 1)
        while start < stop:
            found += await self._read_part(symbol, start, min(start + _MINUTES_A_READ, stop))
            start += _MINUTES_A_READ
        return found

    async def delete_before(self, minute: int) -> int:
        """Delete some of the bars before `minute`, the oldest first; how many they were, 0 where none is left."""

        def change(connection: Connection) -> int:
            oldest = connection.scalar(_OLDEST)
            if oldest is None or oldest >= minute:
                return 0
            beyond = connection.scalar(_BEYOND_A_DELETION)
            until = minute if beyond is None else min(max(beyond, oldest + 1), minute)
            return connection.execute(delete(minute_bars).where(minute_bars.c.minute < until)).rowcount

        return await self._database.write(change)

    async def _read_part(self, symbol: str, first: int, end: int) -> Sequence[MinuteBar]:
        asked = {"symbol": symbol, "first": first, "end": end}
        return await self._database.read(
            lambda connection: [MinuteBar(*row) for row in connection.execute(_READ, asked)]
        )


def _key(bar: MinuteBar) -> tuple[int, str]:
    return bar.minute, bar.symbol
