"""`stocktrack`, also as `python -m stocktrack`: Ctrl-C is quiet even while the command is still being imported."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Import the command line, and run what it is asked for."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        # What Python would print here is where in its imports it was, and nobody is there yet to say anything better.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from stocktrack import cli  # noqa: PLC0415 - the imports are what takes time

    signal.signal(signal.SIGINT, handler)
    cli.main()


if __name__ == "__main__":
    main()
