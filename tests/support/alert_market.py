"""A board with a judge of alerts and a clock that is moved by hand, for tests of what a price does."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.alerts.judge import Judge
from stocktrack.bars import Split
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import Reason
from stocktrack.market.board import Board
from stocktrack.quotes import MarketState, Quote
from stocktrack.storage.alerts import Fired, NewAlert, PriceBefore, StoredAlert

# Friday, 5 April 2024, 15:45 UTC.
NOW_MS = 1_712_331_900_000


def an_alert(
    when: str, value: float, *, number: int = 1, symbol: str = "AAPL", created_at_ms: int = NOW_MS, **wanted: Any
) -> StoredAlert:
    """An alert as the database has it right after it was made."""
    if "repeat" in wanted:
        wanted["repeat"] = Repeat(wanted["repeat"])
    return StoredAlert(
        id=number,
        username="Yosakorn",
        wanted=NewAlert(symbol, AlertWhen(when), value, **wanted),
        state=AlertState.ARMED,
        why=None,
        created_at_ms=created_at_ms,
        fired_at_ms=None,
        fired_count=0,
        message=None,
        revision=number,
        is_removed=False,
    )


class AlertMarket:
    """Prices are put on the board by hand; `fired` has what came of them, in order, `splits` what sources would say."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.board = Board()
        self.splits: Sequence[Split] = ()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self.judge = Judge(self.board, self.clock, ask_splits=self._ask_splits)
        self.board.taps.append(self.judge)

    async def _ask_splits(self, symbol: str) -> Sequence[Split]:
        self.asked.append(symbol)
        await self.may_answer.wait()
        return self.splits

    def judge_also(self, *alerts: StoredAlert, prices: Mapping[str, PriceBefore] | None = None) -> None:
        """Have alerts judged from now on."""
        self.judge.load(alerts, prices or {})

    def price(self, price: float, *, symbol: str = "AAPL", **fields: Any) -> list[str]:
        """Put a price of this moment on the board; the messages of what it fired."""
        before = len(self.judge.fired)
        now = self.clock.now_ms()
        told = {"currency": "USD", "market_state": MarketState.OPEN, "timestamp": now, **fields}
        quote = Quote(symbol=symbol, price=price, received_at=now, provider="scripted", **told)
        self.board.put([quote], self.clock.monotonic())
        return self._told(before)

    def prices(self, *prices: float, **fields: Any) -> list[str]:
        """As `price`, several one after the other, a second apart."""
        told: list[str] = []
        for price in prices:
            told += self.price(price, **fields)
            self.clock.stand_still(1.0)
        return told

    def stale(self, symbol: str = "AAPL") -> None:
        """Have the price marked as stale."""
        self.board.mark_stale([symbol], Reason.PROVIDER_TIMEOUT)

    def written(self) -> list[Fired]:
        """Take what waits to be written, as if it were."""
        fired, self.judge.fired = self.judge.fired, []
        for each in fired:
            self.judge.written(each.alert_id)
        self.judge.armed.clear()
        return fired

    def kept(self) -> dict[str, PriceBefore]:
        """The prices by which alerts were judged, as the database would have them."""
        return {before.symbol: before for before in self.judge.prices_of(self.judge.moved)}

    async def settle(self) -> None:
        """Let the tasks run that wait for nothing else."""
        await settle()

    def _told(self, since: int) -> list[str]:
        return [fired.message for fired in self.judge.fired[since:]]


def body_of(fired: Fired, place: int = 0) -> dict[str, Any]:
    """What one of the words of a firing says."""
    body: dict[str, Any] = json.loads(fired.words[place].body)
    return body


def held(alert: StoredAlert, **changes: Any) -> StoredAlert:
    """The alert as it is later."""
    return replace(alert, **changes)
