"""A command that Ctrl-C gives up while the program goes on."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from stocktrack.terminal.fronts import LineCancelledError

Result = TypeVar("Result")


async def interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`; Ctrl-C raises `LineCancelledError` from it instead of ending the program."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        task.cancel()

    # Put back afterwards: asyncio.run has its own handler there.
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        if interrupted:
            raise LineCancelledError from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
