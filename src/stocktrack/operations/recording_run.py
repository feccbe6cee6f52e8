"""One run of `stocktrack record`: its symbols, its progress, its signals, and the order in which it ends."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stocktrack.client import ClientError
from stocktrack.client.settings import ClientSettings
from stocktrack.clock import Clock, RealClock, ended, finished
from stocktrack.messages import Missing
from stocktrack.operations.price_sources import PriceSource
from stocktrack.operations.server_prices import ServerPrices
from stocktrack.recording.names import Rotation
from stocktrack.recording.progress import Progress
from stocktrack.recording.recorder import Recorder
from stocktrack.recording.recording import Recording
from stocktrack.recording.rows import RecordingError
from stocktrack.recording.summary import counted
from stocktrack.recording.wanted import SymbolFile, Wanted, typed
from stocktrack.system.blocking import BlockingPool
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of, exit_code_of_missing, missing_sentence, sentence_of
from stocktrack.terminal.run import say

if TYPE_CHECKING:
    from stocktrack.config import Settings

_LOOK_SECONDS = 1.0
_PLAIN_PROGRESS_SECONDS = 60.0
_MOST_NAMED = 20
_MAX_LINE = 65_536


@dataclass(frozen=True, slots=True)
class Order:
    """What to record, where to, and when it ends by itself."""

    symbols: tuple[str, ...]
    out: Path
    rotation: Rotation
    symbols_file: Path | None = None
    reads_stdin: bool = False
    seconds: float | None = None
    count: int | None = None
    timeout_seconds: float = 10.0

    @property
    def takes_lines(self) -> bool:
        """Whether changes are read from standard input: it is open, and no terminal or named."""
        return sys.stdin is not None and (self.reads_stdin or not sys.stdin.isatty())

    def check(self) -> None:
        """`RecordingError` where there is nothing to record."""
        if self.symbols_file is not None:
            try:
                SymbolFile(self.symbols_file, lambda _: None).read()
            except ValueError as error:
                raise RecordingError(str(error)) from None


async def record_from_server(order: Order, settings: ClientSettings) -> int:
    """Record what a server pushes, and return the exit code."""
    clock = RealClock()

    def source(recorder: Recorder, tell: Callable[[str], None]) -> PriceSource:
        return ServerPrices(settings, recorder, clock, tell, timeout_seconds=order.timeout_seconds)

    return await _Run(order, clock).run(source)


async def record_from_providers(order: Order, settings: "Settings") -> int:
    """Record what the sources of `settings` give, and return the exit code."""
    from stocktrack.operations.provider_prices import ProviderPrices

    clock = RealClock()

    def source(recorder: Recorder, tell: Callable[[str], None]) -> PriceSource:
        return ProviderPrices(settings, recorder, clock, tell)

    return await _Run(order, clock).run(source)


class _Run:
    """One run: it knows why it ends, and says what happens."""

    def __init__(self, order: Order, clock: Clock) -> None:
        self._order = order
        self._clock = clock
        self._recorder = Recorder(clock, self._tell, order.count)
        self._wanted = Wanted(order.symbols)
        self._held: set[str] = set()
        self._file = SymbolFile(order.symbols_file, self._tell) if order.symbols_file is not None else None
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._code: int = ExitCode.DONE
        self._missing: list[Missing] = []
        self._draws = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._is_drawn = False
        self._rows_before, self._counted_at = 0, clock.monotonic()
        self._stdin_ended = not order.takes_lines

    async def run(self, make: Callable[[Recorder, Callable[[str], None]], PriceSource]) -> int:
        """Run to the end, and return the exit code."""
        with self._signals():
            source = make(self._recorder, self._tell)
            try:
                return await self._run(source)
            except RecordingError as error:
                self._tell(str(error))
                return ExitCode.FAILED
            finally:
                await source.close()

    async def _run(self, source: PriceSource) -> int:
        if self._file is not None:
            self._wanted.take_file(self._file.read())
        async with self._task(self._read_lines(), "read symbols", is_there=self._order.takes_lines):
            if not self._wanted.symbols and not await self._is_named_by_line():
                self._tell("There is nothing to record: name symbols, as in `stocktrack record AAPL --out ticks.csv`.")
                return ExitCode.USAGE
            if self._over.is_set():
                return self._code
            if not await self._until_over(source.open()):
                return self._code
            began_at = self._clock.now_ms()
            if not await self._until_over(self._follow(source)):
                return self._code
            if not self._held and self._missing:
                return exit_code_of_missing(self._missing)
            recording = Recording(self._order.out, self._order.rotation, self._clock.now_ms, resumed_at=began_at)
            recording.diary.note(
                f"started: {counted(len(self._held), 'symbol')} from {source.name} into {self._order.out}, "
                f"{self._order.rotation.word} (process {os.getpid()})"
            )
            self._recorder.begin(recording)
            writing = asyncio.create_task(self._recorder.run(), name="write rows")
            try:
                async with self._task(self._look_after(source), "look after the recording"):
                    await self._until_over(self._end_of_time())
                    await self._until_over(writing)
            finally:
                source.finish()
                self._recorder.end()
                await finished(writing)
                self._clear()
            writing.result()
        self._tell(f"{counted(self._recorder.rows, 'row')} written to {recording.path}.")
        if self._code == ExitCode.DONE:
            return ExitCode.FAILED if self._recorder.missing_rows else exit_code_of_missing(self._missing)
        return self._code

    # --- its tasks -----------------------------------------------------------------------------------------------

    async def _look_after(self, source: PriceSource) -> None:
        """Take changes of the symbols, show how it goes, and see whether it is over."""
        told_at = self._clock.monotonic()
        while True:
            await self._nap(_LOOK_SECONDS)
            if self._file is not None and (listed := self._file.look()) is not None:
                self._wanted.take_file(listed)
            await self._follow(source)
            self._note_missing(await source.look())
            await self._recorder.sync()
            if (error := source.why_over) is not None:
                self._code = exit_code_of(error)
                self._recorder.note(f"over: {sentence_of(error)}")
                self._over.set()
            now = self._clock.monotonic()
            if self._draws:
                self._draw()
            elif now - told_at >= _PLAIN_PROGRESS_SECONDS:
                told_at = now
                self._tell(self._progress().line())

    async def _follow(self, source: PriceSource) -> None:
        """Have the source give what is wanted now, and nothing else."""
        wanted = self._wanted.symbols
        gone = [symbol for symbol in self._held if symbol not in set(wanted)]
        new = [symbol for symbol in wanted if symbol not in self._held]
        if gone:
            await source.remove(gone)
            self._held.difference_update(gone)
            self._recorder.note(f"removed: {_named(gone)}")
        if new:
            self._held.update(new)
            missing = await source.add(new)
            self._note_missing(missing)
            added = [symbol for symbol in new if symbol in self._held]
            if added:
                self._recorder.note(f"added: {_named(added)}")

    def _note_missing(self, missing: tuple[Missing, ...]) -> None:
        for each in missing:
            self._tell(missing_sentence(each))
            self._recorder.note(f"not recorded: {missing_sentence(each)}")
        gone = [each.symbol for each in missing]
        self._missing += missing
        self._held.difference_update(gone)
        self._wanted.remove(gone)

    async def _end_of_time(self) -> None:
        """Wait until it ends by itself: after so many seconds or prices."""
        ends = [asyncio.ensure_future(self._recorder.is_enough.wait())]
        if self._order.seconds is not None:
            ends.append(asyncio.ensure_future(self._until(self._order.seconds)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._over.set()
        finally:
            for end in ends:
                end.cancel()
            await ended(*ends)

    async def _until(self, seconds: float) -> Literal[True]:
        await self._clock.sleep(seconds)
        return True

    async def _read_lines(self) -> None:
        """Take `+NVDA` and `-TSLA` from standard input; its end ends nothing."""
        # A thread of its own: a terminal, a pipe and a file can all be read by one, and none of them holds up the exit.
        pool = BlockingPool("stdin", 1)
        rest = b""
        try:
            descriptor = sys.stdin.fileno()
            while data := await pool.run(os.read, descriptor, _MAX_LINE):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take_line(line.decode("utf-8", "replace"))
                rest = rest[:_MAX_LINE]
            if rest.strip():
                self._take_line(rest.decode("utf-8", "replace"))
        except OSError as error:
            self._tell(f"Standard input cannot be read: {error.strerror or error}. The symbols stay as they are.")
        finally:
            pool.close()
            self._stdin_ended = True
            self._changed.set()

    def _take_line(self, line: str) -> None:
        if not line.strip():
            return
        try:
            adds, symbols = typed(line)
        except ValueError as error:
            self._tell(f"{line.strip()[:60]!r} is left out: {error}.")
            return
        if adds:
            self._wanted.add(symbols)
        else:
            self._wanted.remove(symbols)
        self._changed.set()

    async def _is_named_by_line(self) -> bool:
        """Whether somebody names a symbol on standard input; wait for it as long as somebody may."""
        while not self._stdin_ended and not self._wanted.symbols and not self._over.is_set():
            self._changed.clear()
            await self._until_over(self._changed.wait())
        return bool(self._wanted.symbols) or self._over.is_set()

    # --- what it says --------------------------------------------------------------------------------------------

    def _tell(self, sentence: str) -> None:
        self._clear()
        # Nobody reads what is said any more: the recording goes on all the same.
        with contextlib.suppress(OSError, ValueError):
            say(sentence)

    def _progress(self) -> Progress:
        now, rows = self._clock.monotonic(), self._recorder.rows
        rate = (rows - self._rows_before) / max(now - self._counted_at, 0.001)
        self._rows_before, self._counted_at = rows, now
        return Progress(
            rows=rows,
            rows_a_second=rate,
            size=self._recorder.size,
            symbols=len(self._held),
            waiting=self._recorder.waiting,
            last=self._recorder.last,
            lag_ms=self._recorder.lag_ms,
        )

    def _draw(self) -> None:
        width = max(20, shutil.get_terminal_size().columns - 1)
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"\r\x1b[K{self._progress().line()[:width]}")
            sys.stderr.flush()
        self._is_drawn = True

    def _clear(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()

    # --- how it ends ---------------------------------------------------------------------------------------------

    async def _until_over(self, work: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> bool:
        """Whether `work` was done before the run was over; its errors are raised."""
        task = asyncio.ensure_future(work)
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return not self._over.is_set()
            return False
        finally:
            over.cancel()
            if isinstance(work, Coroutine):
                task.cancel()
                await ended(task)
            await ended(over)

    async def _nap(self, seconds: float) -> None:
        """Wait until it is time to look again, or a symbol was typed."""
        naps = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._changed.wait())]
        try:
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
            self._changed.clear()
        finally:
            for nap in naps:
                nap.cancel()
            await ended(*naps)

    @contextlib.asynccontextmanager
    async def _task(self, work: Coroutine[Any, Any, None], name: str, *, is_there: bool = True) -> AsyncIterator[None]:
        """Have `work` done beside; what it raises ends the run, and is raised here."""
        if not is_there:
            work.close()
            yield
            return
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._look_at)
        try:
            yield
        finally:
            task.cancel()
            await ended(task)
        if not task.cancelled():
            task.result()

    def _look_at(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, ClientError):
                self._code = exit_code_of(error)
            self._over.set()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """End in order at the first SIGINT, SIGTERM or SIGHUP, and at once at the second."""
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            if self._over.is_set():
                os._exit(128 + number)
            self._code = 128 + number
            self._over.set()

        numbers = [
            number
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN  # as nohup leaves it
        ]
        for number in numbers:
            loop.add_signal_handler(number, stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


def _named(symbols: Iterable[str]) -> str:
    told = list(symbols)
    more = f" and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
    return f"{', '.join(told[:_MOST_NAMED])}{more}"
