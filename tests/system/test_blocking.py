import asyncio
import os
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import AsyncIterator

import pytest

from patience import PATIENCE_SECONDS
from stocktrack.clock import settle
from stocktrack.system.blocking import BlockingPool


class Gate:
    """A blocking call that tells the loop that it has begun, and goes on when it is let."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._running = 0
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.most_at_once = 0
        self.release = threading.Event()

    def pass_through(self, name: str) -> str:
        with self._lock:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        self._loop.call_soon_threadsafe(self.begun.put_nowait, name)
        assert self.release.wait(PATIENCE_SECONDS), "the test forgot to open the gate"
        with self._lock:
            self._running -= 1
        return name


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    gate = Gate()
    yield gate
    gate.release.set()


@pytest.fixture
async def pool() -> AsyncIterator[BlockingPool]:
    pool = BlockingPool("test", 1)
    yield pool
    pool.close()


async def test_a_call_gets_its_arguments_and_its_result_comes_back(pool: BlockingPool) -> None:
    assert await pool.run(divmod, 17, 5) == (3, 2)
    assert await pool.run(sorted, [1, 3, 2], reverse=True) == [3, 2, 1]


async def test_a_call_runs_in_a_daemon_thread_that_bears_the_name_of_the_pool(pool: BlockingPool) -> None:
    thread = await pool.run(threading.current_thread)

    assert thread is not threading.current_thread()
    assert thread.daemon
    assert thread.name == "test-1"


async def test_no_more_calls_run_at_once_than_the_pool_has_threads(gate: Gate) -> None:
    pool = BlockingPool("test", 2)
    calls = [asyncio.create_task(pool.run(gate.pass_through, name)) for name in "abcde"]

    first_two = {await gate.begun.get(), await gate.begun.get()}
    await settle()
    others_begun = gate.begun.qsize()
    gate.release.set()
    results = await asyncio.gather(*calls)
    pool.close()

    assert first_two == {"a", "b"}
    assert others_begun == 0
    assert results == list("abcde")
    assert gate.most_at_once == 2


async def test_the_loop_goes_on_while_a_call_blocks(pool: BlockingPool, gate: Gate) -> None:
    call = asyncio.create_task(pool.run(gate.pass_through, "blocked"))

    await gate.begun.get()
    await settle()

    assert not call.done()
    gate.release.set()
    assert await call == "blocked"


async def test_an_exception_travels_to_the_caller_with_its_trace(pool: BlockingPool) -> None:
    error = ValueError("no such day")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no such day") as caught:
        await pool.run(fail)

    assert caught.value is error
    assert "in fail" in "".join(traceback.format_exception(caught.value))
    assert await pool.run(len, "still") == 5


async def test_a_call_that_raises_stop_iteration_fails_and_does_not_hang(pool: BlockingPool) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await pool.run(next, iter(()))

    assert isinstance(caught.value.__cause__, StopIteration)


async def test_a_cancelled_caller_is_free_at_once_while_the_call_goes_on(pool: BlockingPool, gate: Gate) -> None:
    call = asyncio.create_task(pool.run(gate.pass_through, "hung"))
    await gate.begun.get()

    call.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait({call})

    assert call.cancelled()
    gate.release.set()
    assert await pool.run(len, "next") == 4


async def test_a_call_cancelled_while_it_waits_its_turn_is_never_made(pool: BlockingPool, gate: Gate) -> None:
    made: list[str] = []
    first = asyncio.create_task(pool.run(gate.pass_through, "first"))
    await gate.begun.get()
    second = asyncio.create_task(pool.run(made.append, "second"))
    third = asyncio.create_task(pool.run(made.append, "third"))
    await settle()

    second.cancel()
    await settle()
    gate.release.set()
    await asyncio.gather(first, third)

    assert second.cancelled()
    assert made == ["third"]


async def test_an_idle_thread_does_not_keep_what_it_returned(pool: BlockingPool) -> None:
    class Table:
        """Stands for the large answer of a library."""

    freed = threading.Event()
    table = await pool.run(Table)
    weakref.finalize(table, freed.set)

    del table

    # The thread lets go a moment after the result has arrived, so this is waited for.
    assert await asyncio.to_thread(freed.wait, PATIENCE_SECONDS)


async def test_a_closed_pool_lets_its_threads_end_and_takes_no_more_calls() -> None:
    pool = BlockingPool("short", 1)
    thread = await pool.run(threading.current_thread)

    pool.close()
    thread.join(PATIENCE_SECONDS)

    assert not thread.is_alive()
    with pytest.raises(RuntimeError, match="the pool 'short' is closed"):
        await pool.run(len, "late")


async def test_a_pool_may_be_closed_twice_and_before_it_was_used() -> None:
    pool = BlockingPool("unused", 3)

    pool.close()
    pool.close()

    with pytest.raises(RuntimeError, match="closed"):
        await pool.run(len, "late")


def test_a_call_that_returns_after_the_loop_has_gone_ends_quietly() -> None:
    release = threading.Event()
    threads: list[threading.Thread] = []

    async def leave_it_behind() -> None:
        pool = BlockingPool("left", 1)
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hang() -> None:
            threads.append(threading.current_thread())
            loop.call_soon_threadsafe(begun.set)
            release.wait(PATIENCE_SECONDS)

        call = asyncio.create_task(pool.run(hang))
        await begun.wait()
        pool.close()
        call.cancel()

    asyncio.run(leave_it_behind())
    release.set()
    threads[0].join(PATIENCE_SECONDS)

    # An exception in the thread would fail this test: pytest turns it into a warning, and warnings are errors.
    assert not threads[0].is_alive()


HANGS_FOR_EVER = """
import asyncio, threading
from stocktrack.system.blocking import BlockingPool

async def main():
    pool, begun, loop = BlockingPool("hung", 1), asyncio.Event(), asyncio.get_running_loop()

    def hang():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()

    call = asyncio.create_task(pool.run(hang))
    await begun.wait()
    pool.close()
    call.cancel()
    print("closed")

asyncio.run(main())
print("gone")
"""


def test_a_call_that_hangs_for_ever_holds_up_neither_close_nor_the_exit_of_the_process() -> None:
    ended = subprocess.run(  # noqa: S603 - our own interpreter and our own script
        [sys.executable, "-c", HANGS_FOR_EVER], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )

    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, ["closed", "gone"], "")


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a thread has a priority of its own")
async def test_a_nice_pool_lowers_its_own_threads_and_nobody_elses() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    nice, plain = BlockingPool("nice", 1, niceness=3), BlockingPool("plain", 1)
    try:

        def priority() -> int:
            return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

        assert await nice.run(priority) == max(before, 3)
        assert await plain.run(priority) == before
        assert os.getpriority(os.PRIO_PROCESS, 0) == before
    finally:
        nice.close()
        plain.close()
