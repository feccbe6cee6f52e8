"""What `/metrics` tells of the bars that this server records; nothing where it records none."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stocktrack.market.own_bars import RecordedBars


class BarFigures(Collector):
    """Reads what records the bars when it is asked."""

    def __init__(self, bars: RecordedBars | None) -> None:
        self._bars = bars

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the settings."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        if self._bars is None:
            return
        counts = self._bars.counts
        yield CounterMetricFamily("stocktrack_bars_written", "1-minute bars written to the database.", counts.written)
        yield GaugeMetricFamily("stocktrack_bars_waiting", "Bars that wait to be written.", self._bars.waiting)
        yield CounterMetricFamily(
            "stocktrack_bars_dropped", "Bars lost because too many waited while the database failed.", counts.dropped
        )
        yield CounterMetricFamily(
            "stocktrack_bars_deleted", "Bars deleted because they are older than bars_retention_days.", counts.deleted
        )
        yield CounterMetricFamily(
            "stocktrack_bars_failures", "How often bars could not be written, read or deleted.", counts.failures
        )
