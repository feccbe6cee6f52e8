"""Sends everything that the real yfinance asks of Yahoo to a stub on this machine, and anything else nowhere.

The stub stands in as the HTTP proxy, so that addresses, cookie domains and the code of yfinance stay as they are.
"""

from typing import Any
from urllib.parse import urlsplit

import pytest
from curl_cffi import requests


def send_yahoo_to(stub_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends, let every request of curl_cffi to yahoo.com reach the stub, by plain HTTP."""
    real_request: Any = requests.Session.request

    def request(session: Any, method: str, url: str, **options: Any) -> Any:
        parts = urlsplit(url)
        if not f".{parts.hostname}".endswith(".yahoo.com"):
            raise AssertionError(f"a test would have left this machine for {parts.hostname}")
        options["proxies"] = {"http": stub_url}
        return real_request(session, method, parts._replace(scheme="http").geturl(), **options)

    monkeypatch.setattr(requests.Session, "request", request)
