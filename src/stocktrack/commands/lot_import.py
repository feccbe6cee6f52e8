"""Imports the lots of a file: checks them first, leaves out what is there, and undoes what does not come to its end.

A file that is wrong anywhere imports nothing. What a server does not know, or calls otherwise, is named and left.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stocktrack.client.errors import ClientError, CommandFailed
from stocktrack.client.wire import command_of
from stocktrack.commands.ticker_file import FileLot, TickerFile
from stocktrack.errors import Code, Reason
from stocktrack.messages import GetReply, HoldingsReply, Missing

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient


@dataclass(slots=True)
class Imported:
    """What came of an import: how many lots were added, how many were there, and what was left, each with why."""

    added: int = 0
    there: int = 0
    left: list[str] = field(default_factory=list)
    saved: int = 0


class ImportBroken(Exception):  # noqa: N818 - what it says is what became of the import
    """An import that did not come to its end; `cause` is why, and the sentence says what is there now."""

    def __init__(self, sentence: str, cause: ClientError) -> None:
        super().__init__(sentence)
        self.cause = cause


async def import_lots(
    client: "StockTrackClient", file: TickerFile, done: Imported, *, again: bool, with_lists: bool
) -> None:
    """Add the lots of `file`, and note in `done` what came of it.

    Equal ones that are there are left alone unless `again`. With `with_lists` its watch lists are saved as well.
    `ClientError` before anything was added, else `ImportBroken`. Where it is cancelled, `done` says how many lots were
    added by then.
    """
    elsewhere = file.elsewhere | (file.elsewhere_watched if with_lists else {})
    done.left += [f"{why}." for why in elsewhere.values()]
    lots = file.lots
    if not again:
        lots = _without(lots, await client.holdings())
        done.there = len(file.lots) - len(lots)
    lists = file.watched if with_lists else {}
    known, missing = await _look_up(client, dict.fromkeys([*(lot.symbol for lot in lots), *_all_of(lists)]))
    done.left += _why_missing(missing)
    lots = [lot for lot in lots if lot.symbol not in missing]
    if file.cost_currency is not None:
        for lot in lots:
            if known.get(lot.symbol) != file.cost_currency:
                done.left.append(_other_currency(lot, file.cost_currency, known.get(lot.symbol)))
        lots = [lot for lot in lots if known.get(lot.symbol) == file.cost_currency]
    await _add_all(client, lots, done)
    for name, symbols in lists.items():
        wanted = [symbol for symbol in symbols if symbol not in missing]
        for part in _parts(client, wanted):
            await client.request(command_of("SUBSCRIBE", symbols=part, list=name))
        done.saved += len(wanted)


async def _add_all(client: "StockTrackClient", lots: Sequence[FileLot], done: Imported) -> None:
    names: list[str] = []
    try:
        for lot in lots:
            reply = await client.add_lot(
                lot.symbol, lot.quantity, lot.unit_cost, fixed_cost=lot.fixed_cost, group=lot.group
            )
            names.append(reply.lot)
            done.added += 1
    except ClientError as error:
        at = lots[len(names)]
        raise ImportBroken(
            f"The lot of {at.symbol} on line {at.line} was not taken: {error.message} {await _undo(client, names)}",
            error,
        ) from None


async def _undo(client: "StockTrackClient", names: Sequence[str]) -> str:
    """Take out what was added, and say what is there now."""
    try:
        for name in names:
            await client.remove_lot(name)
    except ClientError:
        return f"Up to {len(names)} lots before it are there already: import again, and they are left alone."
    return "So none was imported."


def _without(lots: Sequence[FileLot], held: HoldingsReply) -> list[FileLot]:
    """The lots that are not there: of several equal ones as many more as the file has."""
    there = Counter((lot.group, lot.symbol, lot.quantity, lot.unit_cost, lot.fixed_cost) for lot in held.lots)
    new = []
    for lot in lots:
        if there[lot[:5]] > 0:
            there[lot[:5]] -= 1
        else:
            new.append(lot)
    return new


async def _look_up(
    client: "StockTrackClient", symbols: Iterable[str]
) -> tuple[Mapping[str, str | None], Mapping[str, Missing]]:
    """The currency of each symbol's price, and what no source has; many at a time, which costs the least.

    `CommandFailed` where some could not be looked up for want of requests: nothing was added by then.
    """
    known: dict[str, str | None] = {}
    missing: dict[str, Missing] = {}
    for part in _parts(client, list(symbols)):
        try:
            answer = await client.request(command_of("GET", symbols=part))
        except CommandFailed as error:
            if error.reason is Reason.RATE_LIMITED or not error.missing:
                raise
            missing |= {each.symbol: each for each in error.missing if each.code is Code.NOT_FOUND}
            continue
        if isinstance(answer.reply, GetReply):
            known |= {quote.symbol: quote.currency for quote in answer.reply.quotes}
            missing |= {each.symbol: each for each in answer.reply.missing if each.code is Code.NOT_FOUND}
    return known, missing


def _parts(client: "StockTrackClient", symbols: list[str]) -> Iterable[list[str]]:
    size = client.hello.limits.max_symbols if client.hello is not None else 100
    return (symbols[start : start + size] for start in range(0, len(symbols), size))


def _all_of(lists: Mapping[str, Sequence[str]]) -> Iterable[str]:
    return (symbol for symbols in lists.values() for symbol in symbols)


def _why_missing(missing: Mapping[str, Missing]) -> list[str]:
    return [f"{symbol}: {each.message or each.reason.replace('_', ' ') + '.'}" for symbol, each in missing.items()]


def _other_currency(lot: FileLot, cost_currency: str, currency: str | None) -> str:
    return (
        f"{lot.symbol} on line {lot.line}: the file says that its costs are in {cost_currency}, and its price is in "
        f"{currency or 'no known currency'}."
    )
