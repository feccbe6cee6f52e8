"""A client of HTTP for tests: it waits for an answer as long as any test does, not httpx's five seconds.

async with patient_http(base_url=server.web_url) as http:
    assert (await http.get("/healthz")).status_code == 200
"""

from typing import Any

import httpx2

from patience import PATIENCE_SECONDS


def patient_http(**options: Any) -> httpx2.AsyncClient:
    """The client with these options of its own."""
    return httpx2.AsyncClient(**{"timeout": PATIENCE_SECONDS, **options})
