"""`stocktrack`, also as `python -m stocktrack`: Ctrl-C is quiet even while the command is still being imported."""

import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Import the command line, and run what it is asked for."""
    _open_closed_streams()
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        # What Python would print here is where in its imports it was, and nobody is there yet to say anything better.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from stocktrack import cli  # noqa: PLC0415 - the imports are what takes time

    signal.signal(signal.SIGINT, handler)
    cli.main()


def _open_closed_streams() -> None:
    """Have all three standard streams where the shell has closed some: files and connections would take their places.

    What is read there is at its end, what is said there is heard by nobody, and data cannot be written, which is told.
    """
    if None not in {sys.stdin, sys.stdout, sys.stderr}:
        return
    for descriptor, access in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, access)  # the lowest that is free is this one
    sys.stdin = sys.stdin or open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 - for as long as the program runs
    sys.stdout = sys.stdout or open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115


if __name__ == "__main__":
    main()
