"""What the commands of holdings answer: lots kept for their user, and what they are worth now."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from stocktrack.errors import Code, CommandError, ProviderError, Reason, StockTrackError
from stocktrack.holdings import LeftOut, Mark, Position, Reckoning, positions
from stocktrack.market.feed import FoundQuotes
from stocktrack.messages import (
    MAIN_LIST,
    AddLot,
    AddLotReply,
    HoldingInfo,
    Holdings,
    HoldingsReply,
    LotInfo,
    Missing,
    RemoveLot,
    RemoveLotReply,
)
from stocktrack.quotes import clean_text, major_currency
from stocktrack.sessions.answering import REPLY_HEAD_BYTES, answers
from stocktrack.sessions.contracts import Asker
from stocktrack.sessions.rates import FoundRates, find_rates
from stocktrack.storage.lots import LotRow

_NO_QUOTES = FoundQuotes({}, {})
# To count one holding and to write it down takes some 50 µs: after so many of them prices have their turn.
_IN_A_ROW = 40


@answers(Holdings)
async def holdings(session: Asker, command: Holdings) -> HoldingsReply:
    """What the user holds and what it is worth, in pages."""
    services = session.services
    currency = command.currency or services.rules.display_currency
    if (major := major_currency(currency)) != currency:
        why = f"HOLDINGS: the field 'currency': {currency} is a part of {major}; totals are in a whole currency."
        raise CommandError(Reason.INVALID_COMMAND, why)
    lots = await services.lots.of(session.user)
    groups = tuple(dict.fromkeys((MAIN_LIST, *sorted(lot.group for lot in lots))))
    lots = [lot for lot in lots if command.group is None or lot.group == command.group]
    held = positions(lots)
    found = await services.feed.quotes([*held], session) if held else _NO_QUOTES
    marks = {symbol: Mark.of(quote) for symbol, quote in found.quotes.items()}
    majors = {major for mark in marks.values() if (major := major_currency(mark.currency)) is not None}
    rates = await find_rates(majors, currency, services.feed, session)
    result = await _reckon(held, marks, Reckoning(rates.rates, currency))
    missing = {symbol: _missing(symbol, why, currency, found, rates) for symbol, why in result.left_out.items()}
    rows = sorted(lots, key=lambda lot: (lot.symbol, lot.id))
    head_bytes = REPLY_HEAD_BYTES + len(json.dumps(groups, ensure_ascii=False).encode())
    begun = command.after if command.after_lot is not None else None
    room_bytes = services.rules.max_reply_bytes - head_bytes
    page = await _page(_behind(rows, command), result, missing, room_bytes=room_bytes, begun=begun)
    return HoldingsReply(
        id=command.id,
        holdings=page.holdings,
        currency=currency,
        totals=result.totals(),
        lots=page.lots,
        groups=groups,
        missing=page.missing,
        more=page.more,
    )


@answers(AddLot)
async def add_lot(session: Asker, command: AddLot) -> AddLotReply:
    """Keep a lot; its symbol is checked as SUBSCRIBE does, unless its price is known or the user holds it already."""
    services = session.services
    if services.board.quote(command.symbol) is None and not await _holds(session, command.symbol):
        error = (await services.feed.known([command.symbol], session)).get(command.symbol)
        # A 404 is final. Of what only failed for now the lot is kept, unless nobody could check it for this user.
        if error is not None and (error.code is Code.NOT_FOUND or error.reason is Reason.RATE_LIMITED):
            raise error
        await session.check_login()  # the source may have taken its time
    lot = LotRow(
        id=0,
        symbol=command.symbol,
        quantity=command.quantity,
        unit_cost=command.unit_cost,
        fixed_cost=command.fixed_cost,
        group=command.group or MAIN_LIST,
        created_at_ms=services.clock.now_ms(),
    )
    added = await services.lots.add(session.user, lot, limit=services.rules.max_lots_per_user)
    return AddLotReply(
        id=command.id,
        lot=_name_of(added),
        symbol=added.symbol,
        quantity=added.quantity,
        unit_cost=added.unit_cost,
        fixed_cost=added.fixed_cost,
        group=added.group,
    )


@answers(RemoveLot)
async def remove_lot(session: Asker, command: RemoveLot) -> RemoveLotReply:
    """Take out a lot of the user."""
    removed = await session.services.lots.remove(session.user, _id_of(command.lot))
    if removed is None:
        raise CommandError(Reason.UNKNOWN_LOT, f"You have no lot {command.lot}.")
    return RemoveLotReply(id=command.id, lot=command.lot, symbol=removed.symbol)


async def _holds(session: Asker, symbol: str) -> bool:
    """Whether the user has a lot of it, which was checked then: what is no longer traded can still be sold."""
    return any(lot.symbol == symbol for lot in await session.services.lots.of(session.user))


async def _reckon(held: Mapping[str, Position], marks: Mapping[str, Mark], reckoning: Reckoning) -> Reckoning:
    """All holdings counted; others have their turn in between."""
    for at, (symbol, position) in enumerate(held.items(), start=1):
        reckoning.add(position, marks.get(symbol))
        if at % _IN_A_ROW == 0:
            await asyncio.sleep(0)
    return reckoning


# --- what is in no total ------------------------------------------------------------------------------------------


def _missing(symbol: str, why: LeftOut, currency: str, found: FoundQuotes, rates: FoundRates) -> Missing:
    """Says that a holding is in no total, and what is missing."""
    quote = found.quotes.get(symbol)
    if why is LeftOut.NO_PRICE or quote is None:
        error = found.missing[symbol]
        sentence = f"There is no price of {symbol} ({_words(error)}): it is in no total."
    elif why is LeftOut.NO_CURRENCY:
        named = f"{clean_text(quote.currency, 8)!r}" if quote.currency else "no currency"
        error = ProviderError(Reason.PROVIDER_ERROR, "")
        sentence = f"{clean_text(quote.provider, 40)} gives {named} for {symbol}, so that it is in no total."
    elif why is LeftOut.NO_RATE:
        major = major_currency(quote.currency) or ""
        error = rates.errors[major]
        sentence = (
            f"There is no rate from {clean_text(major, 8)} to {currency} ({_words(error)}): {symbol} is in no total."
        )
    else:
        error = ProviderError(Reason.PROVIDER_ERROR, "")
        sentence = f"{symbol} comes to more than can be counted: it is in no total."
    return Missing(
        symbol=symbol, code=error.code, reason=error.reason, message=sentence, retry_after_ms=error.retry_after_ms
    )


def _words(error: StockTrackError) -> str:
    return error.reason.value.replace("_", " ")


# --- pages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Page:
    """A run of the lots, in the order of their symbols and then of their making, with what belongs to them."""

    holdings: tuple[HoldingInfo, ...]
    lots: tuple[LotInfo, ...]
    missing: tuple[Missing, ...]
    more: Literal[True] | None


def _behind(rows: Sequence[LotRow], command: Holdings) -> Sequence[LotRow]:
    """The lots that follow what the client has; the lot or the symbol that it names may be gone meanwhile."""
    if command.after is None:
        return rows
    last = _id_of(command.after_lot) if command.after_lot is not None else float("inf")
    return [row for row in rows if (row.symbol, row.id) > (command.after, last)]


async def _page(
    rows: Sequence[LotRow], result: Reckoning, missing: Mapping[str, Missing], *, room_bytes: int, begun: str | None
) -> _Page:
    """As many of the lots as fit into so many bytes, one in any case; a holding stands where its first lot does.

    That of `begun` stood in the page before.
    """
    seen = {begun}
    holdings: list[HoldingInfo] = []
    lots: list[LotInfo] = []
    left_out: list[Missing] = []
    size = 0
    for at, row in enumerate(rows, start=1):
        if at % _IN_A_ROW == 0:
            await asyncio.sleep(0)
        lot = LotInfo(
            lot=_name_of(row),
            symbol=row.symbol,
            quantity=row.quantity,
            unit_cost=row.unit_cost,
            fixed_cost=row.fixed_cost,
            group=row.group,
            created_at=row.created_at_ms,
        )
        size += _size_of(lot)
        holding = result.holding(row.symbol) if row.symbol not in seen else None
        why = missing.get(row.symbol) if holding is not None else None
        size += sum(_size_of(part) for part in (holding, why) if part is not None)
        if size > room_bytes and lots:
            return _Page(tuple(holdings), tuple(lots), tuple(left_out), True)
        if holding is not None:
            seen.add(row.symbol)
            holdings.append(holding)
            left_out += [why] if why is not None else []
        lots.append(lot)
    return _Page(tuple(holdings), tuple(lots), tuple(left_out), None)


def _size_of(part: BaseModel) -> int:
    return len(part.__pydantic_serializer__.to_json(part, exclude_none=True)) + 1


def _name_of(lot: LotRow) -> str:
    return f"l{lot.id}"


def _id_of(name: str) -> int:
    return int(name[1:])
