"""What a symbol is and what each source calls it, where the symbol itself does not say so.

It knows the segments of the Indian market by rule, and everything else from the instrument file of `symbols_file`.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from stocktrack.clock import Clock, RealClock
from stocktrack.errors import CommandError, ConfigError, Reason, StockTrackError
from stocktrack.providers.instrument_file import Instrument, InstrumentFile, read_instruments
from stocktrack.providers.instrument_search import InstrumentSearch
from stocktrack.providers.symbol_names import name_at, segment_of
from stocktrack.quotes import CompanyInfo, Match
from stocktrack.segments import CONTRACTS, INDICES, Segment, Wanted, split_symbol
from stocktrack.system.blocking import BlockingPool

log = structlog.get_logger()

# India has had one time without summer time since 1945, so that no table of zones is needed. A day elsewhere is over
# when it is over everywhere.
_IN_INDIA, _LAST_ON_EARTH = timedelta(hours=5, minutes=30), timedelta(hours=-12)

_REST: Final = 3.0  # the pause after a search, in its own lengths
_FOR_INDIA: Final = ("yahoo", "openalgo")  # sources that serve segments, each those that it has a name for

_Stamp = tuple[Path, int, int, int, int]
Described = TypeVar("Described", Match, CompanyInfo)


class Instruments:
    """What is known of symbols beside what the sources know of them; without a file the rules hold."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or RealClock()
        self._pool = BlockingPool("instruments", 1)
        self._rows: Mapping[str, Instrument] = {}
        self._search = InstrumentSearch()
        self._contract_segments: tuple[Segment, ...] = ()
        self._has_file = False
        self._loaded: _Stamp | None = None
        self._reloads: set[asyncio.Task[None]] = set()
        self._rests_until = 0.0  # by the clock of the process, whatever clock the server has

    async def load(self, path: Path | None) -> None:
        """Take what the file says instead of what was known; `ConfigError` where it cannot be read, and all stays.

        A file that is as it was when it was read last is not read again.
        """
        began = self._clock.monotonic()
        stamp = None if path is None else _stamp(path)
        if stamp is not None and stamp == self._loaded:
            return
        if path is None:
            file, search = InstrumentFile({}), InstrumentSearch()
        else:
            file, search = await self._pool.run(_read, path)
        self._loaded = stamp
        self._rows, self._search = file.rows, search
        self._contract_segments = tuple(sorted(CONTRACTS & search.segments()))
        self._has_file = path is not None
        if path is None:
            return
        facts = {"symbols": len(file.rows), "seconds": round(self._clock.monotonic() - began, 2), "file": str(path)}
        if file.skipped:
            log.warning(
                "symbols loaded; rows that cannot be used were left out",
                **facts,
                left_out=file.skipped,
                first=list(file.first_skipped),
            )
        else:
            log.info("symbols loaded", **facts)

    def reload(self, path: Path | None) -> asyncio.Task[None]:
        """Load in the background, in a running server; where that fails the log says why, and all stays."""
        task = asyncio.create_task(self._reload(path), name="symbols reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)
        return task

    async def _reload(self, path: Path | None) -> None:
        try:
            await self.load(path)
        except ConfigError as error:
            log.error("symbols not loaded, the old ones stay", why=str(error))  # noqa: TRY400 - it says all
        except Exception:
            log.exception("symbols not loaded, the old ones stay")

    async def close(self) -> None:
        """Give up what is being loaded, and let the thread end."""
        for task in self._reloads:
            task.cancel()
        await asyncio.gather(*self._reloads, return_exceptions=True)
        self._pool.close()

    # --- for the market ---------------------------------------------------------------------------------------------

    def symbol_at(self, provider: str, symbol: str) -> str | None:
        """What the source of this name calls `symbol`; None where it is not to be asked for it."""
        row = self._row(symbol)
        if row is None:
            segment, name = split_symbol(symbol)
            return symbol if segment is None else name_at(provider, segment, name)
        if row.source is not None and row.source != provider:
            return None
        called = row.source_symbol or _name_at(provider, row)
        # The file says that this source has it, whatever the rules say of the segment.
        return called or (row.symbol if row.source is not None else None)

    def refusal(self, symbol: str) -> StockTrackError | None:
        """Why no source is asked for `symbol`, as for a contract that has expired; None where they may be."""
        row = self._row(symbol)
        if row is None or row.terms.expiry is None or self._today(row.terms.segment) <= row.terms.expiry:
            return None
        return CommandError(Reason.NOT_OFFERED, f"{symbol} expired on {row.terms.expiry}.")

    def not_offered(self, symbol: str, sources: str) -> str:
        """The sentence that says that none of `sources`, their names, serves `symbol`."""
        named = {name.strip() for name in sources.split(",")}
        row = self._row(symbol)
        if row is not None and row.source is not None:
            only = f"{symbol} comes from {row.source} alone, as this server's symbols_file says, and "
            if row.source in named:
                return f"{only}{row.source} does not serve it as {self.symbol_at(row.source, symbol)}."
            return f"{only}its sources are {sources}: name {row.source} in providers, or another one in the file."
        segment, name = split_symbol(symbol) if row is None else (row.terms.segment, row.local_name)
        if segment is None:
            return f"None of this server's sources ({sources}) serves {symbol}."
        what, lack = _kind_of(segment)
        could = [each for each in _FOR_INDIA if name_at(each, segment, name) is not None]
        helpful = f"name {' or '.join(could)} in providers, or " if named.isdisjoint(could) else ""
        return (
            f"{symbol} is {what}, and none of this server's sources ({sources}) {lack if helpful else 'serves it'}: "
            f"{helpful}give it a source in symbols_file."
        )

    # --- for those who look for symbols -----------------------------------------------------------------------------

    async def search(self, query: str, limit: int, wanted: Wanted | None = None) -> Sequence[Match]:
        """At most `limit` symbols of the file that match `query`, the best first."""
        if not self._rows:
            return []
        found = await self._pool.run(self._find, query, limit, wanted)
        return [_match(each) for each in found]

    def _find(self, query: str, limit: int, wanted: Wanted | None) -> Sequence[Instrument]:
        """Search, in the thread. A search is free for users, so it takes a part of the processor and not all of it."""
        time.sleep(max(0.0, self._rests_until - time.monotonic()))
        began = time.monotonic()
        found = self._search.find(query, limit, self._today(Segment.NSE), wanted)
        ended = time.monotonic()
        self._rests_until = ended + _REST * (ended - began)
        return found

    @property
    def has_file(self) -> bool:
        """Whether there is an instrument file, be it that it has no rows."""
        return self._has_file

    def describe(self, match: Match) -> Match:
        """What a source found, with what is known of it here."""
        row = self._row(match.symbol)
        if row is None:
            return match.model_copy(update={"segment": match.segment or segment_of(match.symbol)})
        return _filled(match, _match(row))

    def company(self, symbol: str, company: CompanyInfo | None) -> CompanyInfo | None:
        """What a source knows behind `symbol` with what is known of it here; None where nobody knows anything."""
        row = self._row(symbol)
        if row is None:
            segment = segment_of(symbol)
            return company and company.model_copy(update={"symbol": symbol, "segment": company.segment or segment})
        known = CompanyInfo(symbol=symbol, tick=row.terms.tick, **_facts(row))
        return known if company is None else _filled(company.model_copy(update={"symbol": symbol}), known)

    # ----------------------------------------------------------------------------------------------------------------

    def _row(self, symbol: str) -> Instrument | None:
        """The row of `symbol`: under its own name, without its alias, or of the one contract that is called so."""
        rows = self._rows
        if not rows:
            return None
        row = rows.get(symbol)
        if row is not None:
            return row
        segment, name = split_symbol(symbol)
        if segment is not None:
            return rows.get(f"{segment}:{name}")
        called = [row for each in self._contract_segments if (row := rows.get(f"{each}:{symbol}")) is not None]
        return called[0] if len(called) == 1 else None

    def _today(self, segment: Segment | None) -> date:
        zone = _LAST_ON_EARTH if segment is None else _IN_INDIA
        return (datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC) + zone).date()


def _stamp(path: Path) -> _Stamp | None:
    """What changes when the file does; None where nobody can look, which reading it explains."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> tuple[InstrumentFile, InstrumentSearch]:
    file = read_instruments(path)
    return file, InstrumentSearch(file.rows.values())


def _name_at(provider: str, row: Instrument) -> str | None:
    segment = row.terms.segment
    if segment is None or (":" not in row.symbol and segment_of(row.symbol) is segment):
        return row.symbol  # which is written as a source writes it
    return name_at(provider, segment, row.local_name)


def _kind_of(segment: Segment) -> tuple[str, str]:
    """What a symbol of `segment` is, and what a source lacks that does not serve it."""
    if segment in CONTRACTS:
        return f"a contract of {segment}", "has contracts"
    if segment in INDICES:
        return f"an index of {segment.removesuffix('_INDEX')}", "has it"
    return f"a share of {segment}", "has that segment"


def _facts(row: Instrument) -> dict[str, Any]:
    return {
        "name": row.name,
        "exchange": row.terms.exchange,
        "segment": row.terms.segment,
        "expiry": row.terms.expiry,
        "strike": row.strike,
        "type": row.terms.type,
        "lot": row.terms.lot,
    }


def _match(row: Instrument) -> Match:
    return Match(symbol=row.symbol, **_facts(row))


def _filled(told: Described, known: Described) -> Described:
    """What a source told, and where it told nothing, what is known here."""
    missing = {field: value for field, value in known if getattr(told, field) is None}
    return told.model_copy(update=missing)
