"""A small pool of threads for blocking calls, one pool for each library that blocks.

The threads are daemons: `concurrent.futures` joins its threads at exit, so one hung library call would hold up the
whole program. Cancelling or timing out a call frees the caller at once; the thread is only free when the library's own
time-out lets it go, which is why every caller sets that one as well.
"""

import asyncio
import contextlib
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Args = ParamSpec("Args")
Result = TypeVar("Result")


class BlockingPool:
    """At most `threads` calls at once, the others wait their turn; used from one event loop.

    With `niceness` the threads, and those that a call makes, stand back behind the rest of the process (on Linux).
    """

    def __init__(self, name: str, threads: int, *, niceness: int = 0) -> None:
        self._name = name
        self._threads = threads
        self._niceness = niceness
        self._started = 0
        self._work: queue.SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._closed = False

    async def run(self, call: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """The result of ``call(*args, **kwargs)``, made in a thread of the pool."""
        if self._closed:
            raise RuntimeError(f"the pool {self._name!r} is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._work.put((future, lambda: call(*args, **kwargs)))
        if self._started < self._threads:
            self._started += 1
            threading.Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
        return await future

    def close(self) -> None:
        """Let idle threads end; a thread that hangs is left to die with the process."""
        self._closed = True
        for _ in range(self._started):
            self._work.put(None)

    def _serve(self) -> None:
        if self._niceness and sys.platform == "linux":  # elsewhere a thread has no priority of its own
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(self._niceness, os.nice(0)))
        while self._serve_one():
            pass

    def _serve_one(self) -> bool:
        """Make the next call; False when there is none to come. What it returned is not kept by an idle thread."""
        item = self._work.get()
        if item is None:
            return False
        future, call = item
        if future.cancelled():
            return True
        result, error = None, None
        try:
            result = call()
        except BaseException as caught:  # it is raised in the caller
            error = caught
        # The loop may have gone while the call ran.
        with contextlib.suppress(RuntimeError):
            future.get_loop().call_soon_threadsafe(_settle, future, result, error)
        return True


async def in_a_thread(call: Callable[[], Result]) -> Result:
    """The result of a call that blocks now and then, made in a thread of its own that nobody waits for at exit.

    The event loop waits for its threads, also for one that asks a dead name server, which takes half a minute.
    """
    pool = BlockingPool("single call", 1)
    try:
        return await pool.run(call)
    finally:
        pool.close()


async def name_answered(host: str, port: int) -> None:
    """Return once the name server has answered for `host`; `socket.gaierror` where it has none.

    For a library that looks names up by the event loop, in threads that all share and the exit waits for: its own
    look-up is a short one then.
    """
    try:
        await in_a_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError as error:  # a label that is too long
        raise socket.gaierror(f"{host[:100]} is no name of a host") from error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
        return
    if isinstance(error, StopIteration):
        # A future refuses it, because it would end the coroutine that waits; the caller would then wait for ever.
        stopped, error = error, RuntimeError("the blocking call raised StopIteration")
        error.__cause__ = stopped
    future.set_exception(error)
