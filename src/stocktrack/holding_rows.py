"""Holdings and lots as lines of CSV, the same at every door; no spreadsheet takes a cell of them for a formula."""

from collections.abc import Iterator
from typing import Final

from stocktrack.messages import Amounts, HoldingInfo, HoldingsReply, LotInfo, Missing
from stocktrack.quotes import plain
from stocktrack.recording.csv_rows import text_cell

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
        yield ",".join(_cells(holding, reply.currency, missing.get(holding.symbol)))


def lot_lines(lots: tuple[LotInfo, ...]) -> Iterator[str]:
    """The heading, and a line a lot; `created_at` is in epoch milliseconds."""
    yield ",".join(LOT_COLUMNS)
    for lot in lots:
        numbers = (plain(lot.quantity), plain(lot.unit_cost), plain(lot.fixed_cost))
        yield ",".join((lot.lot, text_cell(lot.symbol), *numbers, text_cell(lot.group), str(lot.created_at)))


def _cells(holding: HoldingInfo, currency: str, missing: Missing | None) -> Iterator[str]:
    converted = holding.converted or _NOTHING
    yield text_cell(holding.symbol)
    yield text_cell(holding.name or "")
    yield from (plain(holding.quantity), plain(holding.unit_cost), plain(holding.price))
    yield text_cell(holding.currency or "")
    yield from (plain(holding.cost), plain(holding.value))
    yield from (plain(holding.day_change), plain(holding.day_change_percent))
    yield from (plain(holding.gain), plain(holding.gain_percent), plain(holding.weight))
    yield "true" if holding.stale else ""
    yield plain(holding.rate)
    yield currency if holding.converted is not None else ""
    yield from (plain(converted.cost), plain(converted.value), plain(converted.day_change), plain(converted.gain))
    yield "" if missing is None else text_cell(missing.message or missing.reason)
