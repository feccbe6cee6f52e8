"""The figures of several processes as those of one, and what they are asked to tell for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

METRICS: Final = "metrics"
READY: Final = "ready"

# Gauges of which the sum over all processes would say nothing: each symbol, source and moment is one and the same for
# all of them. Of these the highest counts, of the next ones the lowest, and all others are added up.
_HIGHEST: Final = frozenset(
    {
        "stocktrack_symbols_watched",
        "stocktrack_quotes_stale",
        "stocktrack_quote_age_seconds",
        "stocktrack_source_state",
        "stocktrack_source_leads",
        "stocktrack_source_budget_used",
        "stocktrack_source_budget_limit",
        "stocktrack_source_last_success_seconds",
        "stocktrack_source_stream_symbols",
    }
)
_LOWEST: Final = frozenset(
    {"stocktrack_provider_up", "stocktrack_source_stream_up", "stocktrack_bus_up", "stocktrack_sink_up"}
)


@dataclass(frozen=True, slots=True)
class Told:
    """What each process told, by its name, and of those that told nothing, why, as a sentence."""

    answers: Mapping[str, Any]
    missing: Mapping[str, str]


class Together(Protocol):
    """The processes that serve as one."""

    @property
    def name(self) -> str:
        """What this process is called among them."""
        ...

    async def gather(self, what: str) -> Told:
        """What all of them tell when they are asked `what`, this one too."""
        ...


def as_values(metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Figures as plain values, to be told to another process."""
    return [
        {
            "name": metric.name,
            "help": metric.documentation,
            "type": metric.type,
            "samples": [[sample.name, sample.labels, sample.value] for sample in metric.samples],
        }
        for metric in metrics
    ]


def page_of_all(told: Iterable[Sequence[Mapping[str, Any]]], *more: Metric) -> bytes:
    """The figures of several processes together, in Prometheus' text format; and `more` that no process has."""
    registry = CollectorRegistry()
    registry.register(_Values([*_merged(told), *more]))
    return exposition.generate_latest(registry)


class _Values(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _merged(told: Iterable[Sequence[Mapping[str, Any]]]) -> list[Metric]:
    metrics: dict[str, Metric] = {}
    samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for family in (family for families in told for family in families):
        name = family["name"]
        metrics.setdefault(name, Metric(name, family["help"], family["type"]))
        values = samples.setdefault(name, {})
        for sample_name, labels, value in family["samples"]:
            key = (sample_name, tuple(labels.items()))
            values[key] = value if key not in values else _together(name, sample_name, values[key], value)
    for name, metric in metrics.items():
        for (sample_name, labels), value in samples[name].items():
            metric.add_sample(sample_name, dict(labels), value)
    return list(metrics.values())


def _together(name: str, sample_name: str, one: float, other: float) -> float:
    if name in _HIGHEST:
        return max(one, other)
    if name in _LOWEST or sample_name.endswith("_created"):
        return min(one, other)
    return one + other
