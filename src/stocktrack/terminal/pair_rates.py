"""Has the rates come that a board of one currency needs: the prices of pairs, pushed beside the rows and never saved.

A pair is `EURUSD=X` as Yahoo and the simulated market write it, and `OANDA:EUR_USD` as Finnhub does. What no source
knows is asked for the other way round, then in the other writing, and at last over the dollar.
"""

from collections.abc import Collection
from typing import Final, Protocol

from stocktrack.client import ClientError, CommandFailed, NotFound, State, Unavailable
from stocktrack.clock import Clock, RealClock, backoff_seconds
from stocktrack.messages import SubscribeReply
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.conversion import BRIDGE, Conversion, Pair

LOOK_SECONDS: Final = 0.25
# What had no rate may have one later: a source that was down is back.
AGAIN_SECONDS: Final = 300.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0
_WRITINGS: Final = ("{}{}=X", "OANDA:{}_{}")

_REAL_CLOCK = RealClock()


class AskedClient(Protocol):
    """What is needed of a `StockTrackClient`."""

    @property
    def state(self) -> State:
        """Whether it is connected now."""
        ...

    async def subscribe(self, symbols: list[str], *, interval: float | None, save: bool) -> SubscribeReply:
        """Begin pushes."""
        ...


class PairRates:
    """Subscribes to the pairs that `view` wants, until it is cancelled; `run` raises nothing but what cancels it.

    A session has one interval for all its pushes; that of the rows stays where no `interval` is given.
    """

    def __init__(
        self, client: AskedClient, view: BoardView, *, interval: float | None = None, clock: Clock = _REAL_CLOCK
    ) -> None:
        self._client = client
        self._view = view
        self._interval = interval
        self._clock = clock
        self._failures = 0
        self._followed: set[Pair] = set()

    async def run(self) -> None:
        """Look for the rate of each currency once, and now and then again for those without."""
        conversion = self._view.conversion
        if conversion is None:
            return
        conversion.forget_questions()  # whoever had the board open before has ended its pushes
        conversion.beside.clear()
        again_at = self._clock.monotonic() + AGAIN_SECONDS
        while self._client.state is not State.CLOSED:
            if self._clock.monotonic() >= again_at:
                conversion.ask_again()
                again_at = self._clock.monotonic() + AGAIN_SECONDS
            wait = LOOK_SECONDS
            if self._client.state is State.CONNECTED and (wanted := conversion.wanted):
                try:
                    await self._find(conversion, wanted)
                    self._failures = 0
                except (CommandFailed, Unavailable) as error:
                    self._failures += 1
                    wait = backoff_seconds(
                        self._failures, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, jitter=0.5
                    )
                    wait = max(wait, (error.retry_after_ms or 0) / 1000)
                    if self._client.state is State.CONNECTED:
                        self._tell(conversion, wanted)
                        conversion.ask_again()
                except ClientError:
                    return
            await self._clock.sleep(wait)

    async def _find(self, conversion: Conversion, currencies: Collection[str]) -> None:
        target = conversion.target
        pairs = {(currency, target) for currency in currencies}
        lost = await self._follow(conversion, pairs)
        legs = {leg for currency, _ in lost for leg in ((currency, BRIDGE), (BRIDGE, target))}
        if target != BRIDGE:
            await self._follow(conversion, {leg for leg in legs if leg[0] != leg[1]})
        self._tell(conversion, currencies)

    def _tell(self, conversion: Conversion, currencies: Collection[str]) -> None:
        for currency in currencies:
            there, onward = (currency, BRIDGE), (BRIDGE, conversion.target)
            is_there = (currency, conversion.target) in self._followed or {there, onward} <= self._followed
            conversion.asked(currency, self._clock.now_ms(), is_there=is_there)
        self._view.is_changed = True

    async def _follow(self, conversion: Conversion, pairs: Collection[Pair]) -> list[Pair]:
        """Subscribe to pairs, and return those that no source knows."""
        for writing in _WRITINGS:
            for is_inverse in (False, True):
                lost = sorted(pair for pair in pairs if pair not in self._followed)
                if not lost:
                    return []
                named = {writing.format(*(pair[::-1] if is_inverse else pair)): pair for pair in lost}
                # Before the question: the first price comes as soon as the answer.
                for symbol, pair in named.items():
                    conversion.learn(symbol, pair[::-1] if is_inverse else pair)
                try:
                    reply = await self._client.subscribe([*named], interval=self._interval, save=False)
                except NotFound:
                    continue
                known = {*reply.subscribed, *reply.already, *reply.pending}
                conversion.beside.update({*reply.subscribed} & named.keys())
                self._followed.update(pair for symbol, pair in named.items() if symbol in known)
                for symbol in known & named.keys():
                    if (row := self._view.rows.row(symbol)) is not None and row.price is not None:
                        conversion.put(row.price)
        return sorted(pair for pair in pairs if pair not in self._followed)
