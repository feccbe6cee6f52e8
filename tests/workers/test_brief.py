"""What a child is started with."""

import json
from pathlib import Path

import pytest

from stocktrack.config import Settings
from stocktrack.workers.brief import Brief, briefs

PORTS = {"port": 7001, "web_port": None, "metrics_port": 7002}


def made(tmp_path: Path, providers: tuple[str, ...], workers: int = 2) -> list[Brief]:
    settings = Settings(
        data_dir=tmp_path, providers=providers, workers=workers, publish_to=("redis://127.0.0.1",), web_port=0
    )
    return briefs(settings, {"workers": str(workers)}, None, PORTS)


def test_there_are_a_feed_for_the_market_and_workers_that_get_its_prices_by_redis(tmp_path: Path) -> None:
    feed, *workers = made(tmp_path, ("simulated", "redis"))
    assert (feed.name, feed.role, feed.settled["providers"]) == ("feed", "feed", ("simulated",))
    assert "publish_to" not in feed.settled
    assert [(each.name, each.is_first) for each in workers] == [("worker 1", True), ("worker 2", False)]
    assert all(each.settled["providers"] == ("redis",) and each.settled["publish_to"] == () for each in workers)


def test_where_others_publish_to_redis_there_is_no_feed(tmp_path: Path) -> None:
    assert [each.role for each in made(tmp_path, ("redis",), workers=3)] == ["worker"] * 3


def test_a_child_has_the_ports_that_were_reserved_whatever_the_settings_say_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STOCKTRACK_PORT", "7003")
    monkeypatch.setenv("STOCKTRACK_MAX_SYMBOLS", "7")
    *_, worker = made(tmp_path, ("simulated",))

    settings = Brief(**json.loads(json.dumps(worker.values()))).load().settings

    assert (settings.port, settings.web_port, settings.metrics_port) == (7001, None, 7002)
    assert (settings.providers, settings.publish_to, settings.data_dir) == (("redis",), (), tmp_path)
    assert settings.max_symbols == 7
