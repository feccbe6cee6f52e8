"""The client's alerts at a real server: made, told, and listed whole, however many lines that takes."""

from pathlib import Path

import pytest

from fakes import ScriptedProvider
from live_server import PASSWORD, live_server
from stocktrack.alerting import AlertWhen
from stocktrack.client.client import StockTrackClient
from stocktrack.clock import ManualClock
from stocktrack.sessions.contracts import SessionRules


async def test_all_alerts_are_listed_although_they_fit_no_single_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionRules, "max_reply_bytes", property(lambda _: 4_096))
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedProvider(clock), clock=clock) as server,
        StockTrackClient(server.host, server.port, "ann", PASSWORD) as client,
    ):
        made = [await client.alert(f"S{number % 2}", AlertWhen.ABOVE, 200 + number) for number in range(40)]
        listed = await client.my_alerts()
        assert [each.alert for each in listed.alerts] == [each.alert for each in made]
        assert listed.more is None
        assert [each.alert for each in (await client.my_alerts("S1")).alerts] == [
            each.alert for each in made if each.symbol == "S1"
        ]
        await client.unalert(made[0].alert)
        assert len((await client.my_alerts()).alerts) == 39
