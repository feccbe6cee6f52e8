"""How a client command begins and ends: its streams, its errors as one sentence, and its exit code."""

import asyncio
import contextlib
import io
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NoReturn

from stocktrack.client.errors import ClientError
from stocktrack.client.settings import CredentialsMissingError
from stocktrack.terminal.encodings import ERRORS
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of, sentence_of


def run_to_exit(begin: Callable[[], Coroutine[Any, Any, int]]) -> NoReturn:
    """Run the work that `begin` makes and exit with what it returns, or with the code of what it or `begin` raised.

    Questions are asked in `begin`: in an event loop Ctrl-C would wait for the answer.
    """
    exit_with(lambda: asyncio.run(begin()))


def exit_with(run: Callable[[], int]) -> NoReturn:
    """Exit with what `run` returns, or with the code of what it raised, which is told as a sentence."""
    sys.exit(_run(run))


@contextlib.contextmanager
def on_termination(end: Callable[[], object]) -> Iterator[None]:
    """Have SIGTERM and SIGHUP call `end` in the running event loop meanwhile, instead of ending the program at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


def is_live_screen() -> bool:
    """Whether there is a terminal to type on and one that can be drawn on."""
    return is_typed_at() and os.environ.get("TERM", "dumb") != "dumb"


def is_typed_at() -> bool:
    """Whether a person types and reads, be it on a terminal that can do nothing but print."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def say(text: str) -> None:
    """Write a sentence to standard error: progress and errors never mix with the data on standard output."""
    told = f"stocktrack: {text}"
    if sys.stderr.isatty():
        told = textwrap.fill(told, max(20, shutil.get_terminal_size().columns - 1), break_on_hyphens=False)
    print(told, file=sys.stderr)  # noqa: T201 - this is the command line


def write_line(text: str) -> None:
    """Write one line of data at once: the reader may be waiting for it."""
    print(text, flush=True)  # noqa: T201 - this is the command line


def _run(run: Callable[[], int]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that can't show a letter shows a plain one or a question mark, not a traceback.
            stream.reconfigure(errors=ERRORS)
    try:
        code = run()
        sys.stdout.flush()
    except ClientError as error:
        say(sentence_of(error))
        return exit_code_of(error)
    except CredentialsMissingError as error:
        say(str(error))
        return ExitCode.NOT_AUTHORISED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except EOFError:
        sys.stderr.write("\n")
        return ExitCode.FAILED
    except BrokenPipeError:
        # The reader has what it wanted. At exit Python must not try again to write what is left in the buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except OSError as error:
        return unwritable(error)
    return code


def unwritable(error: OSError) -> int:
    """Say that standard output cannot be written, and return the exit code; at exit Python does not try it again."""
    say(f"The output cannot be written: {error.strerror or error}.")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.FAILED
