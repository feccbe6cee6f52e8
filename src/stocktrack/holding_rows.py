"""Holdings and lots as lines of CSV, the same at every door; no spreadsheet takes a cell of them for a formula."""

from collections.abc import Iterator
from typing import Any, Final

from stocktrack.csv_cells import csv_line
from stocktrack.messages import Amounts, HoldingInfo, HoldingsReply, LotInfo, Missing

# Money stands in the currency of the price, and as `total_…` in that of the totals, which have no row: sum the columns.
HOLDING_COLUMNS: Final = (
    *("symbol", "name", "quantity", "unit_cost", "price", "currency"),
    *("cost", "value", "day_change", "day_change_percent", "gain", "gain_percent", "weight", "stale", "rate"),
    *("total_currency", "total_cost", "total_value", "total_day_change", "total_gain", "missing"),
)
LOT_COLUMNS: Final = ("lot", "symbol", "quantity", "unit_cost", "fixed_cost", "group", "created_at")
_NOTHING: Final = Amounts()


def holding_lines(reply: HoldingsReply) -> Iterator[str]:
    """The heading, and a line a holding; `missing` says why one is in no total."""
    missing = {each.symbol: each for each in reply.missing}
    yield ",".join(HOLDING_COLUMNS)
    for holding in reply.holdings:
        yield csv_line(_values(holding, reply.currency, missing.get(holding.symbol)))


def lot_lines(lots: tuple[LotInfo, ...]) -> Iterator[str]:
    """The heading, and a line a lot; `created_at` is in epoch milliseconds."""
    yield ",".join(LOT_COLUMNS)
    for lot in lots:
        yield csv_line(getattr(lot, column) for column in LOT_COLUMNS)


def _values(holding: HoldingInfo, currency: str, missing: Missing | None) -> Iterator[Any]:
    converted = holding.converted or _NOTHING
    yield from (holding.symbol, holding.name, holding.quantity, holding.unit_cost, holding.price, holding.currency)
    yield from (holding.cost, holding.value, holding.day_change, holding.day_change_percent)
    yield from (holding.gain, holding.gain_percent, holding.weight, holding.stale, holding.rate)
    yield currency if holding.converted is not None else None
    yield from (converted.cost, converted.value, converted.day_change, converted.gain)
    yield None if missing is None else missing.message or missing.reason
