"""`/healthz`, `/readyz` and `/metrics` of the feed: its only doors."""

import json
from collections.abc import Iterator
from http import HTTPStatus

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from stocktrack.clock import Clock
from stocktrack.engine.client import EngineError
from stocktrack.feeding.feed import FeedProcess
from stocktrack.web.alert_figures import AlertFigures
from stocktrack.web.asgi import Receive, Scope, Send, respond
from stocktrack.web.bar_figures import BarFigures
from stocktrack.web.health import told_of_sink, told_of_source
from stocktrack.web.metrics import Figures, MarketFigures, Metrics
from stocktrack.web.sink_figures import SinkFigures
from stocktrack.web.together import METRICS

_NOT_STORED = [(b"cache-control", b"no-store")]


class FeedHealth:
    """The ASGI application of the operator's pages of a feed."""

    def __init__(self, process: FeedProcess, clock: Clock) -> None:
        self._process = process
        self._metrics = Metrics(FeedFigures(process, clock))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called for each request."""
        match scope["path"]:
            case "/healthz":
                await _json(send, HTTPStatus.OK, {"status": "ok"})
            case "/readyz":
                await self._tell_ready(send)
            case "/metrics":
                content, content_type = self._metrics.page()
                await respond(send, HTTPStatus.OK, content, _NOT_STORED, content_type=content_type)
            case _:
                await respond(send, HTTPStatus.NOT_FOUND, b"There are /healthz, /readyz and /metrics.\n")

    async def tell(self, what: str) -> object:
        """What another process of those that serve as one asks for."""
        return self._metrics.values() if what == METRICS else await self.not_ready()

    async def not_ready(self) -> list[str]:
        """Why it is not ready: ready is who leads, and who waits and could: whoever reaches Redis."""
        reasons = []
        try:
            await self._process.check()
        except EngineError as error:
            reasons.append(error.message)
        lead = self._process.lead
        if lead is not None:
            failing = lead.feed.supervisor.failing
            reasons += [f"The task {task!r} failed and is started again; the log says why." for task in failing]
        return reasons

    async def _tell_ready(self, send: Send) -> None:
        reasons, lead = await self.not_ready(), self._process.lead
        sources = [] if lead is None else [told_of_source(source) for source in lead.feed.routes.sources()]
        told: dict[str, object] = {
            "ready": not reasons,
            "leading": self._process.is_leading,
            "reasons": reasons,
            "sources": sources,
        }
        if lead is not None and (sinks := [told_of_sink(sink) for sink in lead.sinks.infos()]):
            told["sinks"] = sinks
        await _json(send, HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK, told)


class FeedFigures(Figures):
    """Of a feed, and while it leads of its sources and its board."""

    def __init__(self, process: FeedProcess, clock: Clock) -> None:
        self._process = process
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        lead = self._process.lead
        yield GaugeMetricFamily(
            "stocktrack_feed_leading", "1 for the feed that leads, 0 for one that waits.", int(lead is not None)
        )
        if lead is None:
            return
        published = sum(each.published for each in lead.publishers)
        merged = sum(each.merged for each in lead.publishers)
        failures = sum(each.failures for each in lead.publishers)
        yield GaugeMetricFamily(
            "stocktrack_feed_symbols_wanted", "Symbols that anybody wants at Redis.", sum(map(len, lead.wanted))
        )
        yield CounterMetricFamily("stocktrack_feed_published", "Prices published.", published)
        yield CounterMetricFamily(
            "stocktrack_feed_merged",
            "Prices that a newer one took the place of.",
            merged,
        )
        yield CounterMetricFamily(
            "stocktrack_feed_failures",
            "Times that Redis did not take prices.",
            failures,
        )
        yield CounterMetricFamily("stocktrack_feed_answers", "Questions of servers answered.", lead.answers.answered)
        yield from MarketFigures(lead.board, lead.feed, self._clock, lead.sinks.supervisor).collect()
        yield from SinkFigures(lead.sinks).collect()
        yield from BarFigures(lead.bars).collect()
        yield from AlertFigures(lead.alerts).collect()


async def _json(send: Send, status: HTTPStatus, content: object) -> None:
    await respond(send, status, json.dumps(content).encode() + b"\n", _NOT_STORED, content_type="application/json")
