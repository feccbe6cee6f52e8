"""Many who ask for symbols, few calls: what is asked for in one turn of the loop goes into one call.

A symbol that is in a call already is never asked for a second time: whoever asks meanwhile shares its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from stocktrack.errors import StockTrackError

log = structlog.get_logger()

MAX_BATCH = 500  # symbols of one call; a provider cuts it to its own size
MAX_CALLS = 2  # calls at once of one `Batches`; what is asked for meanwhile goes into the next

Errors = Mapping[str, StockTrackError]
Asked = dict[str, asyncio.Future[StockTrackError | None]]


class Batches:
    """Calls `fetch` with the symbols that were asked for; it returns the errors of those that it could not get.

    ``on_mistake()`` is called when `fetch` raised, which is a mistake of ours and is logged here.
    """

    def __init__(
        self, fetch: Callable[[Sequence[str]], Awaitable[Errors]], on_mistake: Callable[[], None] = lambda: None
    ) -> None:
        self._fetch = fetch
        self._on_mistake = on_mistake
        # Symbols asked for but not yet in a call, and the answer that those who asked wait for.
        self._asked: Asked = {}
        self._in_flight: Asked = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def ask(self, symbols: Sequence[str]) -> Errors:
        """Have `symbols` fetched and wait for it; the errors of those that failed."""
        return await answers({symbol: self._join(symbol) for symbol in symbols})

    def under_way(self, symbols: Sequence[str]) -> Asked:
        """What is to be waited for (`answers`) for those of `symbols` that were asked for already."""
        asked = ((symbol, self._in_flight.get(symbol) or self._asked.get(symbol)) for symbol in symbols)
        return {symbol: future for symbol, future in asked if future is not None}

    def is_in_flight(self, symbol: str) -> bool:
        """Whether a call for `symbol` is being made."""
        return symbol in self._in_flight

    async def close(self) -> None:
        """Cancel the calls, and let everybody who waits for one go on."""
        self._is_closed = True
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        # A task that was cancelled before it began has told nobody.
        _let_go(self._asked)
        _let_go(self._in_flight)

    def _join(self, symbol: str) -> asyncio.Future[StockTrackError | None]:
        """The future of the call that asks for `symbol`: the one under way, or the next."""
        under_way = self._in_flight.get(symbol) or self._asked.get(symbol)
        if under_way is not None:
            return under_way
        loop = asyncio.get_running_loop()
        if not self._asked:
            # The call starts in the loop's next turn: what is asked for until then goes along.
            loop.call_soon(self._call)
        future = self._asked[symbol] = loop.create_future()
        return future

    def _call(self) -> None:
        """Start a call for what was asked, unless enough are under way; the one that ends starts the next."""
        if self._is_closed:
            _let_go(self._asked)
        while self._asked and len(self._calls) < MAX_CALLS:
            batch = {symbol: self._asked.pop(symbol) for symbol in list(self._asked)[:MAX_BATCH]}
            self._in_flight.update(batch)
            task = asyncio.create_task(self._run(batch), name=f"fetch {len(batch)} quotes")
            self._calls.add(task)
            task.add_done_callback(self._called)

    def _called(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        if log_failure(task):
            self._on_mistake()
        if not task.cancelled():
            self._call()

    async def _run(self, batch: Asked) -> None:
        errors: Errors = {}
        try:
            errors = await self._fetch(list(batch))
        finally:
            for symbol, future in batch.items():
                del self._in_flight[symbol]
                if not future.done():
                    future.set_result(errors.get(symbol))


async def answers(asked: Asked) -> Errors:
    """Wait for what was asked; the errors of the symbols that failed."""
    errors: dict[str, StockTrackError] = {}
    for symbol, future in asked.items():
        # The call belongs to all who wait for it: one who goes away does not take it along. The first symbol is waited
        # for, and the others of its call are there with it.
        error = future.result() if future.done() else await asyncio.shield(future)
        if error is not None:
            errors[symbol] = error
    return errors


def _let_go(asked: Asked) -> None:
    """Have nobody wait for a call that will not be made."""
    for future in asked.values():
        if not future.done():
            future.set_result(None)
    asked.clear()


def log_failure(task: asyncio.Task[Any]) -> bool:
    """Log that a task of the feed failed, which is a mistake of ours; whether it did."""
    if task.cancelled() or (error := task.exception()) is None:
        return False
    log.error("a task of the feed failed unexpectedly", task=task.get_name(), exc_info=error)
    return True
