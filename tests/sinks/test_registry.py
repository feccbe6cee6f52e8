import pytest

from stocktrack.clock import RealClock
from stocktrack.sinks.registry import build_outlets


def test_each_sink_has_a_name_of_its_own_without_a_password() -> None:
    urls = [
        "redis://:SeCrEt@h?db=1",
        "redis://:SeCrEt@h?db=2",
        "kafka://h/quotes",
        "redis://ann:SeCrEt@h",
        "unix:///run/redis.sock?password=SeCrEt",
    ]
    names = [outlet.name for outlet in build_outlets(urls, "b7c1", RealClock())]

    assert names == ["redis://h", "redis://h (2)", "kafka://h:9092/quotes", "redis://h (3)", "unix:///run/redis.sock"]


@pytest.mark.parametrize(
    ("url", "keeps"), [("redis://h", True), ("rediss://h", True), ("unix:///s", True), ("kafka://h/t", False)]
)
def test_only_where_prices_expire_confirmations_are_written(url: str, keeps: bool) -> None:
    [outlet] = build_outlets([url], "b7c1", RealClock())

    assert outlet.backlog._keeps_renewals is keeps
