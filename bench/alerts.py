"""What alerts cost a price on the board: the same prices without a judge, and with one that has 100,000 alerts.

    python bench/alerts.py [--alerts 100000] [--symbols 1000] [--rounds 200]

Each round puts one price of every symbol on the board, in one batch as a source gives them; of every round in turn it
is measured without and with the judge, so that both see the same machine. Prices walk, so that alerts fire and are
armed again all the time; what fires is taken as if it were written. The median of the rounds is told.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Sequence

from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.alerts.judge import Judge
from stocktrack.bars import Split
from stocktrack.clock import RealClock
from stocktrack.market.board import Board
from stocktrack.quotes import MarketState, Quote
from stocktrack.storage.alerts import NewAlert, StoredAlert

_MIX = (
    *(AlertWhen.CROSSES_ABOVE, AlertWhen.CROSSES_BELOW, AlertWhen.CROSSES_ABOVE, AlertWhen.CROSSES_BELOW),
    *(AlertWhen.ABOVE, AlertWhen.BELOW, AlertWhen.ABOVE, AlertWhen.BELOW),
    *(AlertWhen.PERCENT_FROM_CLOSE, AlertWhen.VOLUME_ABOVE),
)


def an_alert(number: int, symbol: str, when: AlertWhen, rng: random.Random, spread: float) -> StoredAlert:
    """One of the mix, with a value that prices come by now and then."""
    value = 100 + rng.gauss(0, spread)
    if when is AlertWhen.PERCENT_FROM_CLOSE:
        value = rng.choice((-1, 1)) * rng.uniform(0.5, 20)
    elif when is AlertWhen.VOLUME_ABOVE:
        value = rng.uniform(1e6, 1e8)
    wanted = NewAlert(symbol, when, value, repeat=Repeat.EVERY, cooldown_seconds=60, price_before=100.0)
    return StoredAlert(number, "bench", wanted, AlertState.ARMED, None, 0, None, 0, None, number, is_removed=False)


class Session:
    """A watcher that looks by itself."""

    def wake(self) -> None:
        """Nothing to do."""


async def no_splits(_symbol: str) -> Sequence[Split]:
    """None."""
    return ()


async def main() -> None:
    """Measure, and print both medians and what they are of each other."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--alerts", type=int, default=100_000)
    options.add_argument("--symbols", type=int, default=1_000)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--spread", type=float, default=10.0, help="percent that values lie around the first price")
    options.add_argument("--simple", action="store_true", help="alerts on prices only")
    asked = options.parse_args()
    rng = random.Random(1)  # noqa: S311 - it makes prices
    clock = RealClock()
    symbols = [f"S{number:05}" for number in range(asked.symbols)]
    plain, judged = Board(), Board()
    judge = Judge(judged, clock, ask_splits=no_splits)
    mix = [when for when in _MIX if when.is_of_prices] if asked.simple else _MIX
    began = time.perf_counter()
    judge.load(
        (
            an_alert(n, symbols[n % len(symbols)], mix[n // len(symbols) % len(mix)], rng, asked.spread)
            for n in range(asked.alerts)
        ),
        {},
    )
    loaded = time.perf_counter() - began
    judged.taps.append(judge)
    # A price is on the board because somebody watches it: a session that is pushed it every few seconds.
    for board in (plain, judged):
        for start in range(0, len(symbols), 500):
            board.watch(tuple(symbols[start : start + 500]), Session(), eager=False)
    prices = dict.fromkeys(symbols, 100.0)
    volumes = dict.fromkeys(symbols, 0)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    fired = 0
    for round_number in range(asked.rounds):
        now = clock.now_ms()
        quotes = []
        for symbol in symbols:
            prices[symbol] *= 1 + rng.gauss(0, 0.001)
            volumes[symbol] += rng.randrange(10_000)
            quotes.append(
                Quote(
                    symbol=symbol,
                    price=round(prices[symbol], 2),
                    previous_close=100.0,
                    volume=volumes[symbol],
                    market_state=MarketState.OPEN,
                    timestamp=now,
                    received_at=now,
                    provider="bench",
                )
            )
        order = ("without", "with") if round_number % 2 else ("with", "without")
        for which in order:
            board = plain if which == "without" else judged
            began = time.process_time()
            board.put(quotes, clock.monotonic())
            seconds[which].append(time.process_time() - began)
        fired += len(judge.fired)
        for each in judge.fired:
            judge.written(each.alert_id)
        judge.fired.clear()
        judge.armed.clear()
    skipped = min(10, asked.rounds // 4)
    without, judging = (
        statistics.median(seconds[which][skipped:]) / len(symbols) * 1e6 for which in ("without", "with")
    )
    mean = [statistics.fmean(seconds[which][skipped:]) / len(symbols) * 1e6 for which in ("without", "with")]
    print(f"{asked.alerts} alerts on {asked.symbols} symbols, loaded in {loaded:.2f} s; {asked.rounds} rounds")
    print(f"{fired} fired, at {fired / asked.rounds / asked.symbols:.1%} of the prices")
    for name, (bare, judged_us) in (("median", (without, judging)), ("mean", mean)):
        print(f"{name}: {bare:.2f} us a price without, {judged_us:.2f} us with, {judged_us / bare:.2f} times")


if __name__ == "__main__":
    asyncio.run(main())
