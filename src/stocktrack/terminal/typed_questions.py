"""Typed commands that ask the server something and show what it says: all but those of lists, pushes and the board."""

import os
import sys
from dataclasses import replace
from typing import Any

from stocktrack.bars import HistoryRange
from stocktrack.client import NotFound, StockTrackClient
from stocktrack.client.bars import wire_moment
from stocktrack.client.wire import command_of
from stocktrack.messages import Command, HoldingsReply, Reply
from stocktrack.quotes import shown
from stocktrack.terminal.alert_request import NO_TARGETS, alert_names, request_of, split_alert, targets_to_try
from stocktrack.terminal.chart import draw_chart
from stocktrack.terminal.chart_request import find_chart, look_of
from stocktrack.terminal.dialogue import Dialogue
from stocktrack.terminal.fronts import Front, wrapped
from stocktrack.terminal.pace import paced
from stocktrack.terminal.typed_commands import (
    Typed,
    UsageError,
    count_of,
    lot_names,
    no_command_sentence,
    split_group,
    split_holdings,
    split_lot,
    split_news,
    split_past,
    split_said,
    split_segment,
    split_symbols,
)

SYMBOL, SYMBOLS = "Symbol: ", "Symbols: "


class TypedQuestions:
    """`run` asks what was typed and shows the answer; `ask` and `show` are for commands that are run elsewhere."""

    def __init__(self, client: StockTrackClient, front: Front, dialogue: Dialogue) -> None:
        self._client = client
        self._front = front
        self._dialogue = dialogue

    async def run(self, typed: Typed) -> None:
        """Run one of the commands here; `UsageError` and the errors of the client."""
        arguments, argument = typed.arguments, self._dialogue.argument
        match typed.word:
            case "get":
                await self._get(typed)
            case "news":
                await self._news_of(arguments)
            case "info":
                await self.show("INFO", symbol=await argument(arguments, SYMBOL))
            case "dividends":
                await self._dividends(await argument(arguments, SYMBOL))
            case "history":
                await self._history(await argument(arguments, SYMBOL))
            case "chart":
                await self._chart(await argument(arguments, SYMBOL))
            case "alert":
                await self._alert(arguments)
            case "alerts":
                await self._alerts(arguments)
            case "unalert":
                await self._take_out_each("UNALERT", "alert", alert_names([await argument(arguments, "Alert: ")]))
            case "holdings":
                await self._holdings(arguments)
            case "lot":
                await self._lot(await argument(arguments, "Symbol, quantity @ cost: "))
            case "lots":
                await self._lots(arguments)
            case "unlot":
                await self._take_out_each("REMOVE_LOT", "lot", lot_names(await argument(arguments, "Lot: ")))
            case "search":
                await self._search(arguments)
            case "sources":
                await self.show("SOURCES")
            case "say":
                await self._say(await argument(arguments, "What: "))
            case other:
                raise AssertionError(other)  # a word that is told of in the help and run nowhere

    async def ask(self, command_type: str, **fields: Any) -> Reply:
        """The reply to a command, of which what is missing has been said; the errors of the client."""
        reply = await self._reply_to(command_of(command_type, **fields))
        self._dialogue.note(reply)
        return reply

    async def show(self, command_type: str, **fields: Any) -> Reply:
        """The same, and the reply has been shown."""
        reply = await self.ask(command_type, **fields)
        self._dialogue.show(reply)
        return reply

    async def _reply_to(self, command: Command) -> Reply:
        return (await paced(lambda: self._client.request(command))).reply

    async def _get(self, typed: Typed) -> None:
        symbols = split_symbols(await self._dialogue.argument(typed.arguments, SYMBOLS))
        try:
            await self.show("GET", symbols=symbols)
        except NotFound:
            if not typed.is_guess:
                raise
            raise UsageError(no_command_sentence(symbols[0], was_asked_for=True)) from None

    async def _news_of(self, arguments: str) -> None:
        symbol, count = split_news(arguments)
        await self.show("NEWS", symbol=symbol, limit=count)

    async def _search(self, arguments: str) -> None:
        text, segment = split_segment(arguments)
        query = await self._dialogue.argument(text, "Part of a name: ")
        await self.show("SEARCH", query=query, segment=segment)

    async def _holdings(self, arguments: str) -> None:
        currency, group = split_holdings(arguments)
        await self.show("HOLDINGS", currency=currency, group=group)

    async def _history(self, arguments: str) -> None:
        past = split_past(arguments)
        try:
            start, end = wire_moment(past.start), wire_moment(past.end)
        except ValueError as error:
            raise UsageError(f"{error}.") from None
        await self.show(
            "HISTORY",
            symbol=past.symbol,
            range=past.range,
            start=start,
            end=end,
            interval=past.interval,
            adjust=past.adjust,
            prepost=past.prepost or None,
        )

    async def _chart(self, arguments: str) -> None:
        past = split_past(arguments, is_chart=True)
        back = HistoryRange(past.range or HistoryRange.DAY)
        chart = await find_chart(self._client, past.symbol, range=back, prepost=past.prepost, has_candles=past.candles)
        self._front.learn((chart.bars.symbol,))
        look = look_of(sys.stdout)

        def drawn(size: os.terminal_size) -> str:
            text = draw_chart(chart, replace(look, columns=size.columns, rows=size.lines))
            return text if "\n" in text else wrapped(text, size.columns)  # that there is too little room

        self._front.lay_out(drawn)

    async def _lots(self, arguments: str) -> None:
        rest, group = split_group(arguments)
        if rest:
            raise UsageError(f"`lots` takes no {shown(rest)}; `lot AAPL 10 @ 146` adds one.")
        reply = await self._reply_to(command_of("HOLDINGS", group=group))
        if isinstance(reply, HoldingsReply):
            self._dialogue.show_lots(reply)

    async def _dividends(self, arguments: str) -> None:
        symbol, *wanted = split_symbols(arguments) or [""]
        if len(wanted) > 1 or not all(word.isascii() and word.isdigit() for word in wanted):
            raise UsageError(f"{shown(arguments)}: one symbol, and perhaps a number, as in `KO 3`.")
        await self.show("DIVIDENDS", symbol=symbol, limit=count_of(wanted[0]) if wanted else None)

    async def _lot(self, arguments: str) -> None:
        lot = split_lot(arguments)
        await self.show(
            "ADD_LOT",
            symbol=lot.symbol,
            quantity=lot.quantity,
            unit_cost=lot.unit_cost,
            fixed_cost=lot.fixed_cost,
            group=lot.group,
        )

    async def _alert(self, arguments: str) -> None:
        if (targets := targets_to_try(arguments)) is not None:
            await self._test_targets(targets)
            return
        request = request_of(split_alert(arguments))
        for remark in request.remarks:
            self._dialogue.confirm(remark)
        await self.show("ALERT", **request.fields)

    async def _alerts(self, arguments: str) -> None:
        if len(split_symbols(arguments)) > 1:
            raise UsageError("`alerts` takes one symbol, or none for all of them.")
        self._dialogue.show_alerts(await self.ask("MY_ALERTS", symbol=arguments or None), of=arguments.upper())

    async def _test_targets(self, named: list[str]) -> None:
        targets = named or (await self._client.my_alerts()).targets
        if not targets:
            raise UsageError(NO_TARGETS)
        for target in targets:
            await self.show("TEST_ALERT", target=target)

    async def _take_out_each(self, command_type: str, field: str, names: list[str]) -> None:
        """Take out what is named; what is not there is said and stops nothing."""
        for name in names:
            try:
                await self.show(command_type, **{field: name})
            except NotFound as error:
                self._dialogue.fail(error)

    async def _say(self, arguments: str) -> None:
        text, symbol = split_said(arguments)
        await self.show("SAY", text=text, symbol=symbol)
