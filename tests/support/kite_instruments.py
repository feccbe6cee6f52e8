"""Instruments, and a file of them as Kite serves it: shares, indices, contracts on shares, currencies and metals.

The columns, their order, the quotes round names and the zeros for what is not known are those of
https://kite.trade/docs/connect/v3/market-quotes/#instruments. The names are made up, but for a few that tests look for.
"""

import gzip
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from stocktrack.providers.instrument_file import Instrument, Terms
from stocktrack.segments import Segment

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange"
)


def an_instrument(
    symbol: str,
    segment: Segment | None = None,
    name: str | None = None,
    *,
    strike: float | None = None,
    source: str | None = None,
    source_symbol: str | None = None,
    **terms: Any,
) -> Instrument:
    """What a file says of one symbol; `terms` are the other fields of `Terms`."""
    return Instrument(symbol, Terms(segment, **terms), name, strike, source, source_symbol)


_WORDS = ("BHARAT", "STEEL", "POWER", "FINANCE", "TEXTILES", "CHEMICALS", "MOTORS", "PHARMA", "SUGAR", "INFRA", "BANK")
_SHARES = {
    "RELIANCE": "RELIANCE INDUSTRIES",
    "INFY": "INFOSYS",
    "M&M": "MAHINDRA & MAHINDRA",
    "BAJAJ-AUTO": "BAJAJ AUTO",
}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def lines(count: int, first_expiry: date) -> Iterator[str]:
    """The header and `count` rows; the contracts expire at `first_expiry`, and at days each four weeks apart."""
    yield HEADER
    yield from (
        f"{256 + number * 256},{number + 1},{row}" for number, row in enumerate(islice(_rows(first_expiry), count))
    )


def write_instruments(path: Path, count: int, first_expiry: date) -> Path:
    """A file of `count` rows, compressed where its name says so."""
    text = "".join(f"{line}\n" for line in lines(count, first_expiry)).encode()
    path.write_bytes(gzip.compress(text, 6) if path.suffix == ".gz" else text)
    return path


def _rows(first_expiry: date) -> Iterator[str]:
    rng = random.Random(7)  # noqa: S311 - it makes up names
    shares = dict(_SHARES)
    while len(shares) < 9_000:
        name = "".join(rng.choices("ABCDEFGHIJKLMNOPRSTUVY", k=rng.randint(4, 10)))
        shares.setdefault(name, f"{name.title().upper()} {' '.join(rng.sample(_WORDS, 2))}")
    for name in ("NIFTY 50", "NIFTY BANK", "INDIA VIX", "NIFTY MIDCAP 100"):
        yield f'{name},"{name}",0,,0,0,0,EQ,INDICES,NSE'
    yield 'SENSEX,"BSE SENSEX",0,,0,0,0,EQ,INDICES,BSE'
    roots = ["NIFTY", "BANKNIFTY", *list(shares)[:180]]
    expiries = [first_expiry + timedelta(days=28 * month) for month in range(3)]
    for root in roots:
        for expiry in expiries:
            yield _contract(root, expiry, "FUT")
    for name, full in shares.items():
        yield f'{name},"{full}",0,,0,0.05,1,EQ,NSE,NSE'
    for name, full in shares.items():
        yield f'{name},"{full} LTD.",0,,0,0.05,1,EQ,BSE,BSE'
    for expiry in expiries:
        yield f'USDINR{_month(expiry)}FUT,"USDINR",0,{expiry},0,0.0025,1,FUT,CDS-FUT,CDS'
        yield f'GOLD{_month(expiry)}FUT,"GOLD",0,{expiry},0,1,1,FUT,MCX-FUT,MCX'
    strike = 0
    while True:
        strike += 50
        for root in roots:
            for expiry in expiries:
                for kind in ("CE", "PE"):
                    yield _contract(root, expiry, kind, 10_000 + strike)


def _contract(root: str, expiry: date, kind: str, strike: int = 0) -> str:
    name = f"{root}{_month(expiry)}{strike or ''}{kind}"
    part = "FUT" if kind == "FUT" else "OPT"
    return f'{name},"{root}",0,{expiry},{strike},0.05,250,{kind},NFO-{part},NFO'


def _month(expiry: date) -> str:
    return f"{expiry:%y}{_MONTHS[expiry.month - 1]}"
