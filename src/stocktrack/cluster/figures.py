"""What `/metrics` tells of the other servers: whether they can be reached, and what was left out."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stocktrack.cluster.bus import Bus


class ClusterFigures(Collector):
    """Reads the bus when it is asked."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the moment."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        yield GaugeMetricFamily(
            "stocktrack_bus_up",
            "1 while other servers at the same Redis can be reached, else 0.",
            int(self._bus.why_alone is None),
        )
        dropped = CounterMetricFamily(
            "stocktrack_bus_dropped", "Messages to or from other servers that were left out, by why.", labels=("why",)
        )
        for why, count in sorted(self._bus.dropped.items()):
            dropped.add_metric((why,), count)
        yield dropped
