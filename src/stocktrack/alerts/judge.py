"""Judges all alerts by every change of the board, which it is a tap of; what comes of it waits to be written.

An alert is demand: whatever has one is watched on the board. A price that looks as if shares were split since the one
before is not judged until the sources have said whether they were.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from typing import Final

import structlog

from stocktrack.alerting import AlertState
from stocktrack.alerts.conditions import LiveAlert
from stocktrack.alerts.sentences import fired_sentence, gap_sentence, quiet_sentence, split_sentence
from stocktrack.alerts.times import told_at
from stocktrack.alerts.watch import (
    Step,
    SymbolWatch,
    Triggered,
    is_concerned_by_split,
    is_gap,
    is_reopening,
    moment_of,
)
from stocktrack.bars import Split
from stocktrack.clock import Clock, end, within
from stocktrack.errors import StockTrackError
from stocktrack.market.board import Basket, Board, Entry
from stocktrack.messages import BoardQuote
from stocktrack.storage.alerts import SESSIONS, Fired, PriceBefore, StoredAlert, Word

log = structlog.get_logger()

# So long is waited for whether there was a split.
SPLIT_PATIENCE_SECONDS: Final = 15.0
# A split is dated by the day: its time may be some hours before the last price that was not split yet.
_SPLIT_SLACK_MS: Final = 86_400_000


class Judge:
    """The alerts of one board. `take` is a `Tap`'s and `wake` a `Watcher`'s; ``ask_splits(symbol)`` asks the sources.

    `fired`, `armed` and `moved` hold what is to be written; `on_outcome` is called when there is something that should
    be soon.
    """

    def __init__(
        self,
        board: Board,
        clock: Clock,
        *,
        ask_splits: Callable[[str], Awaitable[Sequence[Split]]],
        on_outcome: Callable[[], None] = lambda: None,
    ) -> None:
        self.fired: list[Fired] = []
        self.count_fired = 0  # since the process began
        self.armed: dict[int, int] = {}  # the ids of alerts, and how often each had fired then
        self.moved: dict[str, None] = {}  # the symbols whose alerts were judged by another price since
        self._board = board
        self._clock = clock
        self._ask_splits = ask_splits
        self._on_outcome = on_outcome
        self._watches: dict[str, SymbolWatch] = {}
        self._live: dict[int, LiveAlert] = {}
        self._baskets: dict[str, Basket] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._failing: set[str] = set()  # the symbols of which the log was told so

    def __len__(self) -> int:
        """How many alerts are judged."""
        return len(self._live)

    @property
    def symbols(self) -> int:
        """Of how many symbols."""
        return len(self._watches)

    # --- which alerts there are --------------------------------------------------------------------------------------

    def load(self, alerts: Iterable[StoredAlert], prices: Mapping[str, PriceBefore]) -> None:
        """Take alerts as the database has them now: new ones, changed ones, and those that are no more.

        `prices` are those by which they were judged before this process began.
        """
        symbols: dict[str, None] = {}
        for stored in alerts:
            held = self._live.get(stored.id)
            if stored.is_removed or stored.state in {AlertState.FIRED, AlertState.DISARMED}:
                self.drop(stored.id)
            elif held is None:
                self._add(stored, prices)
                symbols[stored.wanted.symbol] = None
        for symbol in symbols:
            self._look_again(symbol)

    def drop(self, alert_id: int) -> None:
        """Judge an alert no more."""
        alert = self._live.pop(alert_id, None)
        if alert is None:
            return
        symbol = alert.stored.wanted.symbol
        watch = self._watches[symbol]
        watch.remove(alert_id)
        if not watch.alerts:
            del self._watches[symbol]
            self.moved.pop(symbol, None)
            self._board.unwatch(self._baskets.pop(symbol), self)

    def keep(self, alert_ids: Container[int]) -> None:
        """Judge no other alerts any more."""
        for alert_id in tuple(self._live):
            if alert_id not in alert_ids:
                self.drop(alert_id)

    def clear(self) -> None:
        """Judge nothing any more."""
        for alert_id in tuple(self._live):
            self.drop(alert_id)
        self.fired.clear()
        self.armed.clear()

    def clock_set_back(self) -> None:
        """Let no alert rest until a time that has gone by already, and comes again."""
        for watch in self._watches.values():
            watch.clock_set_back()

    def written(self, alert_id: int) -> None:
        """Note that what an alert told last is on the disk."""
        if (alert := self._live.get(alert_id)) is not None:
            alert.is_unwritten = False

    def prices_of(self, symbols: Iterable[str]) -> list[PriceBefore]:
        """By which prices the alerts of these symbols were judged last."""
        watches = (self._watches.get(symbol) for symbol in symbols)
        return [before for watch in watches if watch is not None and (before := watch.before) is not None]

    async def close(self) -> None:
        """Ask for nothing any more."""
        await end(*self._asking)

    def _add(self, stored: StoredAlert, prices: Mapping[str, PriceBefore]) -> None:
        wanted = stored.wanted
        watch = self._watches.get(wanted.symbol)
        known = prices.get(wanted.symbol)
        if known is not None and known.received_at < stored.created_at_ms:
            known = None  # it is of an alert of before: whatever happened since then does not concern this one
        if watch is None:
            watch = self._watches[wanted.symbol] = SymbolWatch(wanted.symbol, known)
            self._baskets[wanted.symbol] = self._board.watch((wanted.symbol,), self, eager=False)
        elif known is not None:
            watch.know(known)
        reference = wanted.price_before
        # What it was judged by since it was made is newer than the price of that moment.
        if known is not None:
            reference = known.price
        elif reference is None and watch.is_seen and watch.before is not None:
            reference = watch.before.price
        alert = self._live[stored.id] = LiveAlert(stored)
        watch.add(alert, reference)

    def _look_again(self, symbol: str) -> None:
        """Hold the newest price that there is against alerts that are new."""
        quote = self._board.quote(symbol)
        if quote is not None:
            self._look(self._watches[symbol], quote)

    # --- prices ----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """A price changed, which `take` takes."""

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Judge a batch of the board."""
        watches, moved = self._watches, self.moved
        if not watches:
            return
        for entry in changed:
            symbol, quote = entry.symbol, entry.quote
            watch = watches.get(symbol)
            if watch is None or quote is None:
                continue
            if watch.passes(quote):
                moved[symbol] = None
                continue
            try:
                self._look(watch, quote)
            except Exception:  # a mistake of ours about one symbol keeps nobody's price off the board
                if symbol not in self._failing:
                    self._failing.add(symbol)
                    log.exception("judging the alerts of a symbol failed unexpectedly", symbol=symbol)

    def _look(self, watch: SymbolWatch, quote: BoardQuote) -> None:
        if quote.stale:
            return
        if watch.is_holding_prices:
            watch.hold(quote)
            return
        is_comparable = not watch.is_of_another_currency(quote)
        if is_comparable and watch.may_be_split(quote) and is_concerned_by_split(watch.alerts.values()):
            watch.hold(quote)
            task = asyncio.create_task(self._ask_for_split(watch), name=f"alerts, splits of {watch.symbol}")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            return
        self._judge(watch, quote)

    def _judge(self, watch: SymbolWatch, quote: BoardQuote) -> None:
        self.moved[watch.symbol] = None
        if watch.is_of_another_currency(quote):
            watch.change_currency(quote)
            return
        step = watch.look(quote)
        if step is None:
            return
        self.armed.update({alert.id: alert.fired_count for alert in step.armed})
        for triggered in step.triggered:
            self._fire(step, triggered)
        if step.has_moved:
            self._on_outcome()

    def _fire(self, step: Step, triggered: Triggered) -> None:
        alert, quote, now_ms = triggered.alert, step.quote, self._clock.now_ms()
        wanted = alert.stored.wanted
        message = fired_sentence(wanted, quote, triggered.measured, triggered.since)
        before = step.before
        if before is not None and is_gap(before, quote):
            how = is_reopening(before, quote)
            message += " " + gap_sentence(quote, before.price, moment_of(before), is_reopening=how)
        self.armed.pop(alert.id, None)
        after = alert.fired_count
        state = alert.fire(now_ms)
        self.count_fired += 1
        self._tell(alert, quote, message, after=after)
        if state is AlertState.FIRED:
            self.drop(alert.id)
        else:
            alert.is_unwritten = True

    def _tell(self, alert: LiveAlert, quote: BoardQuote, message: str, *, after: int, why: str | None = None) -> None:
        wanted, now_ms = alert.stored.wanted, self._clock.now_ms()
        due_at_ms = told_at(now_ms, wanted.quiet_hours, wanted.timezone)
        if due_at_ms > now_ms:
            message += " " + quiet_sentence(now_ms, wanted.timezone)
        told = {
            "alert": f"a{alert.id}",
            "symbol": wanted.symbol,
            "when": wanted.when.value,
            "value": wanted.value,
            "price": quote.price,
            "currency": quote.currency,
            "timestamp": moment_of(quote),
            "message": message,
            "username": alert.stored.username,
        }
        words = []
        for target in (SESSIONS, *wanted.targets):
            delivery_id = f"d{secrets.token_hex(8)}"
            words.append(Word(delivery_id, target, json.dumps({"id": delivery_id, **told}), due_at_ms))
        self.fired.append(
            Fired(alert.id, after, alert.fired_count, alert.state, alert.fired_at_ms, message, words, why)
        )
        self._on_outcome()

    # --- splits ----------------------------------------------------------------------------------------------------

    async def _ask_for_split(self, watch: SymbolWatch) -> None:
        """Find out whether there was a split, and go on with the prices that came meanwhile."""
        found: Sequence[Split] = ()
        try:
            found = await within(self._clock, SPLIT_PATIENCE_SECONDS, self._ask_splits(watch.symbol))
        except (StockTrackError, TimeoutError) as error:
            log.info("alerts go on without knowing whether there was a split", symbol=watch.symbol, why=str(error))
        except Exception:
            log.exception("asking for splits failed unexpectedly; alerts go on", symbol=watch.symbol)
        held = watch.release()
        if self._watches.get(watch.symbol) is not watch:
            return
        split = _split_between(watch.before, held[-1], found)
        if split is not None:
            self._disarm(watch, split, held[-1])
            watch.rebase(held[0])
        for quote in held:
            if self._watches.get(watch.symbol) is watch:
                self._judge(watch, quote)

    def _disarm(self, watch: SymbolWatch, split: Split, quote: BoardQuote) -> None:
        """A value that is of before the split means something else now."""
        for alert in tuple(watch.alerts.values()):
            wanted = alert.stored.wanted
            if wanted.when.is_percent:
                continue
            sentence = split_sentence(watch.symbol, split.ratio, wanted)
            self.armed.pop(alert.id, None)
            alert.state = AlertState.DISARMED
            self._tell(alert, quote, sentence, after=alert.fired_count, why=sentence)
            self.drop(alert.id)


def _split_between(before: PriceBefore | None, quote: BoardQuote, splits: Sequence[Split]) -> Split | None:
    """The last of `splits` that lies between two prices."""
    if before is None:
        return None
    first, last = moment_of(before) - _SPLIT_SLACK_MS, moment_of(quote) + _SPLIT_SLACK_MS
    return next((split for split in reversed(splits) if first <= split.time <= last), None)
