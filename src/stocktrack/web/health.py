"""`/healthz`, `/readyz` and `/metrics`: for the operator's tools, at the web port or at an address of their own."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from prometheus_client.core import GaugeMetricFamily

from stocktrack.doors.turns import TURNS_AT_ONCE, turns
from stocktrack.errors import StockTrackError
from stocktrack.market.feed import Feed
from stocktrack.messages import SinkInfo, SourceInfo, SourceState
from stocktrack.providers.base import Capability
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sinks.publisher import Publisher
from stocktrack.web.asgi import Receive, Scope, Send, answers_method, respond
from stocktrack.web.metrics import Metrics
from stocktrack.web.together import METRICS, READY, Together, page_of_all

STORAGE_SECONDS = 2.0
_PRICES = frozenset({Capability.QUOTES, Capability.STREAM})
PATHS = ("/healthz", "/readyz", "/metrics")


class Health:
    """The ASGI application of the operator's pages.

    Where several processes serve as one, `together`, the figures are those of all, and ready is none before all are.
    """

    def __init__(
        self,
        sessions: Sessions,
        feed: Feed,
        metrics: Metrics,
        check_storage: Callable[[], Awaitable[object]],
        *,
        publisher: Publisher | None = None,
        together: Together | None = None,
    ) -> None:
        self._publisher = publisher
        self._together = together
        self._sessions = sessions
        self._feed = feed
        self._metrics = metrics
        self._check_storage = check_storage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called for each request."""
        if scope["path"] in PATHS and await answers_method(scope, send, "GET", "HEAD"):
            return
        match scope["path"]:
            case "/healthz":
                await _json(send, HTTPStatus.OK, {"status": "ok"})
            case "/readyz":
                reasons = await self._none_ready()
                status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
                sources = [told_of_source(source) for source in self._feed.routes.sources()]
                content: dict[str, object] = {"ready": not reasons, "reasons": list(reasons), "sources": sources}
                if self._publisher is not None and self._publisher.outlets:
                    content["sinks"] = [told_of_sink(sink) for sink in self._publisher.infos()]
                await _json(send, status, content)
            case "/metrics":
                # Of what a client can ask for without a login, it takes the most time.
                await turns().turn(cost=TURNS_AT_ONCE, is_more=True)
                page, content_type = await self._page()
                await respond(send, HTTPStatus.OK, page, [(b"cache-control", b"no-store")], content_type=content_type)
            case _:
                await respond(send, HTTPStatus.NOT_FOUND, b"There are /healthz, /readyz and /metrics.\n")

    async def tell(self, what: str) -> object:
        """What another process of those that serve as one asks for."""
        return self._metrics.values() if what == METRICS else list(await self.not_ready())

    async def _page(self) -> tuple[bytes, str]:
        content, content_type = self._metrics.page()
        if self._together is not None:
            told = await self._together.gather(METRICS)
            up = GaugeMetricFamily("stocktrack_process_up", "1 for a process that answers.", labels=("process",))
            for name in sorted({*told.answers, *told.missing}):
                up.add_metric((name,), int(name in told.answers))
            content = page_of_all(told.answers.values(), up)
        return content, content_type

    async def _none_ready(self) -> Sequence[str]:
        if self._together is None:
            return await self.not_ready()
        told = await self._together.gather(READY)
        reasons = [f"{name}: {reason}" for name, each in sorted(told.answers.items()) for reason in each]
        return [*reasons, *(f"{name}: {why}" for name, why in sorted(told.missing.items()))]

    async def not_ready(self) -> Sequence[str]:
        """Why no more clients should be sent here, each reason as a sentence; empty where they may come."""
        reasons = []
        if self._sessions.is_closing:
            reasons.append("The server is stopping.")
        elif self._sessions.is_full:
            reasons.append("The limit of sessions is reached.")
        try:
            async with asyncio.timeout(STORAGE_SECONDS):
                await self._check_storage()
        except TimeoutError:
            reasons.append(f"The database did not answer within {STORAGE_SECONDS:g} s.")
        except StockTrackError as error:
            self._sessions.trail.failed(error)
            reasons.append(error.message)
        of_prices = [source for source in self._feed.routes.sources() if _PRICES & set(source.capabilities)]
        if of_prices and not any(map(_gives_prices, of_prices)):
            names = ", ".join(source.provider for source in of_prices)
            reasons.append(f"No source of quotes answers ({names}); prices stay as they were, marked stale.")
        failing = (*self._feed.supervisor.failing, *self._sessions.supervisor.failing)
        reasons += [f"The task {task!r} failed and is started again; the server's log says why." for task in failing]
        return reasons


def _gives_prices(source: SourceInfo) -> bool:
    """Whether prices come from a source, as far as is known: by its stream, or in answers to what it is asked."""
    is_streaming = source.stream is not None and source.stream.is_up
    return is_streaming or source.state in {SourceState.OK, SourceState.UNUSED}


def told_of_source(source: SourceInfo) -> dict[str, object]:
    """What strangers may know of a source: not its sentences, which are for those who log in."""
    told = source.model_dump(mode="json", include={"provider", "state", "reason", "retry_at", "last_success_at"})
    return {name: value for name, value in told.items() if value is not None}


def told_of_sink(sink: SinkInfo) -> dict[str, object]:
    """What strangers may know of a sink. One that is down keeps nobody from being served, so that it is no reason."""
    told = sink.model_dump(mode="json", include={"sink", "state", "waiting", "retry_at", "last_success_at"})
    return {name: value for name, value in told.items() if value is not None}


async def _json(send: Send, status: HTTPStatus, content: object) -> None:
    headers = [(b"cache-control", b"no-store")]
    await respond(send, status, json.dumps(content).encode() + b"\n", headers, content_type="application/json")
