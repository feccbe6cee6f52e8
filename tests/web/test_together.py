"""The figures of several processes as those of one."""

from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from stocktrack.web.metrics import Metrics
from stocktrack.web.together import as_values, page_of_all


def told(sessions: int, up: int, oldest: float) -> list[dict[str, Any]]:
    """What one process tells."""
    delivered = CounterMetricFamily("stocktrack_prices_delivered", "Prices.", 10 * sessions)
    doors = GaugeMetricFamily("stocktrack_sessions", "Open sessions.", labels=("door",))
    doors.add_metric(("tcp",), sessions)
    well = GaugeMetricFamily("stocktrack_provider_up", "Up.", labels=("provider",))
    well.add_metric(("redis",), up)
    age = GaugeMetricFamily("stocktrack_quote_age_seconds", "Age.", labels=("which",))
    age.add_metric(("oldest",), oldest)
    return as_values([delivered, doors, well, age])


def lines(*processes: list[dict[str, Any]], more: Metric | None = None) -> list[str]:
    """The figures of the page, without what is said of them."""
    page = page_of_all(processes, *([] if more is None else [more])).decode()
    return [line for line in page.splitlines() if not line.startswith("#")]


def test_counters_and_sessions_are_added_up_and_of_states_the_worst_counts() -> None:
    assert lines(told(3, 1, 0.5), told(4, 0, 2.5)) == [
        "stocktrack_prices_delivered_total 70.0",
        'stocktrack_sessions{door="tcp"} 7.0',
        'stocktrack_provider_up{provider="redis"} 0.0',
        'stocktrack_quote_age_seconds{which="oldest"} 2.5',
    ]


def test_what_only_one_process_has_stays_as_it_is() -> None:
    up = GaugeMetricFamily("stocktrack_process_up", "Up.", labels=("process",))
    up.add_metric(("worker 2",), 0)
    leading = as_values([GaugeMetricFamily("stocktrack_feed_leading", "Leads.", 1)])
    assert lines(told(1, 1, 0.0), leading, more=up)[-2:] == [
        "stocktrack_feed_leading 1.0",
        'stocktrack_process_up{process="worker 2"} 0.0',
    ]


def test_a_histogram_of_two_processes_counts_both_and_is_as_old_as_the_older_one() -> None:
    one, two = Metrics(), Metrics()
    one.observe("PING", 0.003)
    two.observe("PING", 0.03)
    two.observe("PING", 0.003)
    page = lines(one.values(), two.values())
    assert 'stocktrack_command_seconds_count{command="PING"} 3.0' in page
    assert 'stocktrack_command_seconds_bucket{command="PING",le="0.005"} 2.0' in page
    created = [line for line in page if line.startswith('stocktrack_command_seconds_created{command="PING"}')]
    own = [
        line for line in lines(one.values()) if line.startswith('stocktrack_command_seconds_created{command="PING"}')
    ]
    assert created == own
