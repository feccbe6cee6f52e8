"""How long the loop stands still while something goes through all open sessions, in one process without sockets.

    PYTHONPATH=tests/support python bench/walks.py [SESSIONS]

Each session watches its own 20 of 2,000 symbols every hour, over a connection in memory. A task that does nothing but
look at the clock tells the longest time in which it had no turn.

Measured with 15,000 sessions, in milliseconds, before walks gave way and since: see
docs/decisions/0038-what-a-user-may-ask-of-the-sources.md.
"""

import asyncio
import dataclasses
import gc
import inspect
import logging
import sys
import time
from collections.abc import Awaitable, Callable

import structlog

from fakes import LIMITS, USER, House, MemoryConnection, a_house
from stocktrack.accounts.identity import Identity
from stocktrack.errors import ProviderError, Reason, SessionEnd
from stocktrack.market.events import Event, FeedEvent
from stocktrack.messages import Said

SYMBOLS, SYMBOLS_A_SESSION = 2_000, 20


class QuietConnection(MemoryConnection):
    """A client that takes everything and keeps nothing."""

    def send(self, data: bytes) -> None:
        """Take it."""
        self.sent_bytes += len(data)
        self.taken_bytes = self.sent_bytes


async def standstill(name: str, act: Callable[[], Awaitable[object] | object]) -> None:
    """Print the longest time without a turn for others while `act` went on, and how long it took."""
    longest, is_over = 0.0, False

    async def look() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not is_over:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    began = time.perf_counter()
    result = act()
    if inspect.isawaitable(result):
        await result
    for _ in range(1_000):  # what was left to a task of its own
        await asyncio.sleep(0)
    took = time.perf_counter() - began
    is_over = True
    await looking
    print(f"{name:<12} longest standstill {longest * 1000:7.1f} ms, of {took * 1000:7.1f} ms in all")


async def said(house: House) -> None:
    """Have something said to all, and wait until everybody was told."""
    by = next(iter(house.sessions))
    told = Said(username=USER, text="What a day this is, and how they all rise!", timestamp=house.clock.now_ms())
    counts = house.sessions.chat_counts
    before = counts.delivered
    await house.sessions._services.chat.say(told, by)  # noqa: SLF001 - as an answer does
    while counts.delivered < before + len(house.sessions) - 1:  # noqa: ASYNC110 - nobody tells that it is done
        await asyncio.sleep(0)


async def main(count: int) -> None:
    """Open the sessions and go through them in every way there is."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    limits = dataclasses.replace(LIMITS, max_sessions=count, max_unauthenticated_sessions=count)
    async with a_house(limits=limits) as house:
        for number in range(count):
            connection = QuietConnection(house.clock)
            session = house.sessions.open(connection, address="192.0.2.1", door="memory")
            await session.log_in(Identity(1, USER, 0, 0))
            first = number * 7
            session.subscription.add([f"S{(first + n) % SYMBOLS}" for n in range(SYMBOLS_A_SESSION)], 3_600.0)
            if number % 500 == 0:
                await asyncio.sleep(0)
        gc.collect()
        gc.freeze()
        everything = frozenset(f"S{number}" for number in range(SYMBOLS))
        outage = FeedEvent(Event.OUTAGE, everything, ProviderError(Reason.PROVIDER_ERROR, "The source is down."))
        by, administration = next(iter(house.sessions)), house.sessions._services.administration  # noqa: SLF001
        await standstill("nothing", lambda: None)
        await standstill("deadlines", house.sessions.check_deadlines)
        await standstill("notices", lambda: house.sessions.tell(outage))
        await standstill("announce", lambda: administration.announce("Hello.", by))
        await standstill("SAY", lambda: said(house))
        await standstill("SESSIONS", lambda: administration.page(None))
        await standstill("shutdown", lambda: house.sessions.end_all(SessionEnd(Reason.SHUTDOWN, "The server stops.")))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15_000))
