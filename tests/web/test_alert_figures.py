"""The figures of alerts tell what fired, what targets took and refused, and what waits for them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alert_market import NOW_MS
from alert_outbox import FaultyAlerts, ScriptedTarget, refuses
from stocktrack.alerting import AlertWhen
from stocktrack.alerts.alerts import JudgedAlerts
from stocktrack.bars import Split
from stocktrack.clock import ManualClock
from stocktrack.market.board import Board
from stocktrack.quotes import Quote
from stocktrack.storage.alerts import NewAlert
from stocktrack.storage.store import Store
from stocktrack.system.supervised import Supervisor
from stocktrack.web.alert_figures import AlertFigures
from stores import add, opened


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, "ann")
        yield store


async def no_splits(symbol: str) -> tuple[Split, ...]:
    return ()


def figures(alerts: JudgedAlerts | None) -> dict[str, float]:
    """Each figure by what its name says after `stocktrack_alerts_`."""
    registry = CollectorRegistry()
    registry.register(AlertFigures(alerts))
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {sample.name.removeprefix("stocktrack_alerts_"): sample.value for sample in samples}


async def test_the_figures_follow_alerts_that_fire_and_targets_that_refuse(store: Store) -> None:
    clock, board, stored = ManualClock(NOW_MS), Board(), FaultyAlerts(store)
    supervisor = Supervisor(clock)
    phone, mail = ScriptedTarget("phone"), ScriptedTarget("mail")
    mail.error = refuses("mail")
    alerts = JudgedAlerts(board, clock, stored.opened, targets={"phone": phone, "mail": mail}, ask_splits=no_splits)
    alerts.start(supervisor)
    try:
        for value, symbol in ((200.0, "AAPL"), (300.0, "AAPL"), (1.0, "MSFT")):
            wanted = NewAlert(symbol, AlertWhen.ABOVE, value, targets=("phone", "mail"))
            await stored.add("ann", wanted, limit=9, now_ms=NOW_MS)
        await stored.pass_time(clock, 1.0)
        assert figures(alerts) == {
            "judged": 3, "symbols": 2, "fired_total": 0, "delivered_total": 0, "failures_total": 0, "waiting": 0,
        }  # fmt: skip
        quote = Quote(symbol="AAPL", price=201.0, received_at=clock.now_ms(), provider="scripted")
        board.put([quote], clock.monotonic())
        await stored.pass_time(clock, 61.0)
        told = figures(alerts)
        assert told.pop("failures_total") == len(mail.tried) > 1
        assert told == {"judged": 2, "symbols": 2, "fired_total": 1, "delivered_total": 1, "waiting": 1}
    finally:
        await supervisor.close()
        await alerts.close()


def test_who_judges_no_alerts_tells_no_figures() -> None:
    assert figures(None) == {}
