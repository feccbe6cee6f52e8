"""What `/metrics` tells Prometheus; read from the parts when it is asked for, so that a price costs nothing more."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stocktrack.clock import Clock
from stocktrack.market.board import Board
from stocktrack.market.feed import Feed
from stocktrack.messages import COMMAND_TYPES, SourceInfo, SourceState
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.system.supervised import Supervisor
from stocktrack.web.together import as_values

_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DOORS = ("tcp", "web", "rest", "socketio")


class Metrics:
    """The figures of one process: what its `collectors` tell, and how long its answers take."""

    def __init__(self, *collectors: Collector) -> None:
        self._registry = CollectorRegistry()
        for collector in collectors:
            self._registry.register(collector)
        latency = Histogram(
            "stocktrack_command_seconds",
            "Time from a command to its reply.",
            ("command",),
            buckets=_LATENCY_BUCKETS,
            registry=self._registry,
        )
        # Bound once: looking a child up by its label costs three times what counting does.
        self._latency = {command: latency.labels(command) for command in COMMAND_TYPES}

    def page(self) -> tuple[bytes, str]:
        """The figures in Prometheus' text format, and its content type."""
        return exposition.generate_latest(self._registry), exposition.CONTENT_TYPE_PLAIN_0_0_4

    def values(self) -> list[dict[str, Any]]:
        """The same as plain values, to be told to another process."""
        return as_values(self._registry.collect())

    def observe(self, command_type: str, seconds: float) -> None:
        """Count a command of this type, which was answered after so many seconds."""
        self._latency[command_type].observe(seconds)


class Figures(Collector):
    """Figures that are read from the parts when they are asked for."""

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the moment."""
        return ()


class SessionFigures(Figures):
    """Of the sessions, and of what they were pushed."""

    def __init__(self, sessions: Sessions, board: Board) -> None:
        self._sessions = sessions
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        doors = self._sessions.by_door
        sessions = GaugeMetricFamily("stocktrack_sessions", "Open sessions.", labels=("door",))
        for door in sorted({*DOORS, *doors}):
            sessions.add_metric((door,), doors.get(door, 0))
        yield sessions
        yield CounterMetricFamily(
            "stocktrack_prices_delivered", "Prices handed over to sessions.", self._board.pushed_prices
        )
        yield CounterMetricFamily(
            "stocktrack_pushes_merged",
            "Pushes that a session never got because a newer one took their place.",
            self._board.merged_pushes,
        )
        counts = self._sessions.chat_counts
        words = CounterMetricFamily(
            "stocktrack_chat_words",
            "Words that users said, those refused by a limit, and what sessions were told or, being behind, were not.",
            labels=("what",),
        )
        for what, count in dataclasses.asdict(counts).items():
            words.add_metric((what,), count)
        yield words


class MarketFigures(Figures):
    """Of the sources, the quotes on the board, and the tasks that run: the `supervisors`' and the feed's own."""

    def __init__(self, board: Board, feed: Feed, clock: Clock, *supervisors: Supervisor) -> None:
        self._board = board
        self._feed = feed
        self._clock = clock
        self._supervisors = (feed.supervisor, *supervisors)

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        failures = CounterMetricFamily(
            "stocktrack_task_failures",
            "Failures of tasks of the server, and of single sessions; each is in the log.",
            labels=("task",),
        )
        for supervisor in self._supervisors:
            for task, count in sorted(supervisor.failures.items()):
                failures.add_metric((task,), count)
        yield failures
        yield from self._sources()
        yield from self._quotes()

    def _sources(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "stocktrack_upstream_requests", "Requests to the sources.", labels=("provider", "asked", "result")
        )
        up = GaugeMetricFamily(
            "stocktrack_provider_up",
            "1 while a source answers, 0 while it fails or cannot be used.",
            labels=("provider",),
        )
        for upstream in self._feed.routes.upstreams:
            for (capability, result), count in sorted(upstream.results.items()):
                requests.add_metric((upstream.name, capability.value, str(result)), count)
            is_out = upstream.failing or upstream.is_blocked or upstream.unusable is not None
            up.add_metric((upstream.name,), 0 if is_out else 1)
        dropped = CounterMetricFamily(
            "stocktrack_messages_dropped", "Messages that were no quotes, by why.", labels=("provider", "why")
        )
        for upstream in self._feed.routes.upstreams:
            for why, count in sorted(upstream.dropped.items()):
                dropped.add_metric((upstream.name, why), count)
        yield requests
        yield dropped
        yield up
        yield from _source_figures(self._feed.routes.sources())

    def _quotes(self) -> Iterator[Metric]:
        now = self._clock.monotonic()
        entries = [entry for symbol in self._board.watched() if (entry := self._board.entry(symbol)) is not None]
        quoted = [entry for entry in entries if entry.quote is not None]
        ages = [now - entry.refreshed_at for entry in quoted]
        yield GaugeMetricFamily("stocktrack_symbols_watched", "Symbols that somebody watches.", len(entries))
        yield GaugeMetricFamily(
            "stocktrack_quotes_stale",
            "Watched symbols whose quote is stale.",
            sum(1 for entry in quoted if entry.quote is not None and entry.quote.stale),
        )
        age = GaugeMetricFamily(
            "stocktrack_quote_age_seconds", "Time since a source confirmed a watched quote.", labels=("which",)
        )
        age.add_metric(("oldest",), max(ages, default=0.0))
        age.add_metric(("median",), sorted(ages)[len(ages) // 2] if ages else 0.0)
        yield age


def _source_figures(sources: Iterable[SourceInfo]) -> Iterator[Metric]:
    """What SOURCES tells, as figures; a source without a stream or a budget has none of those."""
    state = GaugeMetricFamily(
        "stocktrack_source_state",
        "1 for the state that a source is in, 0 for the others.",
        labels=("provider", "state"),
    )
    leads = _by_provider("leads", "Wanted symbols that a source is asked for before any other.")
    used = _by_provider("budget_used", "Requests to a source in the last seconds of its budget.")
    limit = _by_provider("budget_limit", "How many of them there may be.")
    success = _by_provider("last_success_seconds", "When a source answered last, in seconds since the epoch.")
    is_up = _by_provider("stream_up", "1 while the stream of a source is up, else 0.")
    symbols = _by_provider("stream_symbols", "Symbols that the stream of a source carries.")
    for source in sources:
        label = (source.provider,)
        for each in SourceState:
            state.add_metric((*label, each.value), int(each is source.state))
        leads.add_metric(label, source.leads)
        if source.last_success_at is not None:
            success.add_metric(label, source.last_success_at / 1000)
        if source.budget is not None:
            used.add_metric(label, source.budget.used)
            limit.add_metric(label, source.budget.limit)
        if source.stream is not None:
            is_up.add_metric(label, int(source.stream.is_up))
            symbols.add_metric(label, source.stream.symbols)
    yield from (state, leads, used, limit, success, is_up, symbols)


def _by_provider(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"stocktrack_source_{name}", documentation, labels=("provider",))
