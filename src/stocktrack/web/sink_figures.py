"""What `/metrics` tells of the sinks, each by its address without a password; nothing where there is none."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stocktrack.messages import SinkState
from stocktrack.sinks.publisher import Publisher


class SinkFigures(Collector):
    """Reads a publisher when it is asked."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the settings."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """What SOURCES tells of the sinks, as figures."""
        if not (sinks := self._publisher.infos()):
            return
        up = GaugeMetricFamily("stocktrack_sink_up", "1 while a sink takes what it is given, else 0.", labels=("sink",))
        waiting = GaugeMetricFamily("stocktrack_sink_waiting", "Changes that wait for a sink.", labels=("sink",))
        written = CounterMetricFamily("stocktrack_sink_written", "Prices that a sink has taken.", labels=("sink",))
        merged = CounterMetricFamily(
            "stocktrack_sink_merged",
            "Changes that a sink never got because a newer one of their symbol took their place.",
            labels=("sink",),
        )
        dropped = CounterMetricFamily(
            "stocktrack_sink_dropped", "Changes of symbols that there was no room to keep for a sink.", labels=("sink",)
        )
        failures = CounterMetricFamily(
            "stocktrack_sink_failures", "How often a sink could not be opened or written to.", labels=("sink",)
        )
        for sink in sinks:
            label = (sink.sink,)
            up.add_metric(label, int(sink.state is SinkState.OK))
            waiting.add_metric(label, sink.waiting)
            written.add_metric(label, sink.written)
            merged.add_metric(label, sink.merged)
            dropped.add_metric(label, sink.dropped)
            failures.add_metric(label, sink.failures)
        yield from (up, waiting, written, merged, dropped, failures)
