"""The faults of a stand-in's endpoints: an answer other than the truth, or none, as often as a test wants."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass

from aiohttp import web


@dataclass(slots=True)
class Fault:
    """What an endpoint answers instead of the truth, `times` times; `body` None hangs."""

    status: int
    body: bytes | None
    headers: dict[str, str]
    times: int


class EndpointFaults:
    """What a stand-in over HTTP has of it; what hangs goes on once `_closing` is set."""

    def __init__(self) -> None:
        self.hanging = asyncio.Event()
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._closing = asyncio.Event()

    def fail(self, endpoint: str, status: int = 200, body: bytes = b"", *, times: int = 1, **headers: str) -> None:
        """Answer the next `times` requests to `endpoint` with this."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._faults[endpoint].append(Fault(status, body, named, times))

    def hang(self, endpoint: str, *, times: int = 1) -> None:
        """Take the next `times` requests to `endpoint` and never answer; the event `hanging` tells of the first."""
        self._faults[endpoint].append(Fault(500, None, {}, times))

    def heal(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    async def _fault_of(self, endpoint: str) -> web.Response | None:
        """What `endpoint` answers now instead of the truth; None where that is due."""
        if not (faults := self._faults[endpoint]):
            return None
        fault = faults[0]
        fault.times -= 1
        if fault.times == 0:
            faults.popleft()
        if fault.body is None:
            self.hanging.set()
            await self._closing.wait()
        return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
