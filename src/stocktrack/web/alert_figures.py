"""What `/metrics` tells of the alerts that this process judges; nothing where another one beside it does."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stocktrack.alerts.alerts import JudgedAlerts


class AlertFigures(Collector):
    """Reads what judges the alerts when it is asked; names no user, no symbol and no target."""

    def __init__(self, alerts: JudgedAlerts | None) -> None:
        self._alerts = alerts

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the settings."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        if self._alerts is None:
            return
        judge, courier = self._alerts.judge, self._alerts.courier
        yield GaugeMetricFamily("stocktrack_alerts_judged", "Alerts that are judged by each price.", len(judge))
        yield GaugeMetricFamily("stocktrack_alerts_symbols", "Symbols that these are on.", judge.symbols)
        yield CounterMetricFamily("stocktrack_alerts_fired", "How often an alert fired.", judge.count_fired)
        yield CounterMetricFamily("stocktrack_alerts_delivered", "Messages that a target has taken.", courier.delivered)
        yield CounterMetricFamily(
            "stocktrack_alerts_failures", "How often a target did not take a message.", courier.failures
        )
        yield GaugeMetricFamily(
            "stocktrack_alerts_waiting",
            "Messages that no target has taken yet, as counted within the last minute.",
            self._alerts.waiting,
        )
