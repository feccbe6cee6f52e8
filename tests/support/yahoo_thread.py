"""A `YahooStub` in a thread of its own, for tests that wait for a program in a terminal."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from yahoo_stub import YahooStub, running_yahoo_stub


@contextlib.contextmanager
def yahoo_in_a_thread(stub: YahooStub | None = None) -> Iterator[YahooStub]:
    """The stub while it listens; what it answers may be changed meanwhile."""
    stub = stub or YahooStub()
    is_up = threading.Event()
    loop, ending = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with running_yahoo_stub(stub):
            is_up.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="stand-in of Yahoo")
    thread.start()
    try:
        assert is_up.wait(20)
        yield stub
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()
