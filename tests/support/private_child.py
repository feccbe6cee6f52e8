"""`stocktrack` on a machine of its own: its usual port is another one, and Yahoo a stand-in, where the test says so.

STOCKTRACK_TEST_DEFAULT_PORT is the port that clients call when nobody named one, so that a test meets neither a server
of whoever runs it nor other tests; STOCKTRACK_TEST_YAHOO is the address of a `YahooStub`, STOCKTRACK_TEST_FOLDER the
folder to work in.
"""

import os
import sys
from pathlib import Path
from typing import Any

from stocktrack.system import addresses

SCRIPT = str(Path(__file__))


def _send_yahoo_to(stub_url: str) -> None:
    """Have what the provider asks of Yahoo asked of the stub, from the moment on at which it opens its session."""
    from stocktrack.providers.yahoo import provider as module  # noqa: PLC0415 - only where it is wanted

    provider: Any = module
    real = provider.open_session

    def open_session(*arguments: Any) -> Any:
        import pytest  # noqa: PLC0415 - not part of what the program imports by itself

        from yahoo_redirect import send_yahoo_to  # noqa: PLC0415 - it imports curl_cffi, which takes its time

        send_yahoo_to(stub_url, pytest.MonkeyPatch())
        return real(*arguments)

    provider.open_session = open_session


def main() -> None:
    addresses.DEFAULT_PORT = int(os.environ["STOCKTRACK_TEST_DEFAULT_PORT"])
    if folder := os.environ.get("STOCKTRACK_TEST_FOLDER"):
        os.chdir(folder)
    if stub_url := os.environ.get("STOCKTRACK_TEST_YAHOO"):
        _send_yahoo_to(stub_url)
    sys.argv[0] = "stocktrack"
    from stocktrack import cli  # noqa: PLC0415 - it takes the port from `addresses`

    cli.main()


if __name__ == "__main__":
    main()
