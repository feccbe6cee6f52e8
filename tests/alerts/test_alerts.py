"""The alerts of a database are judged by one process at a time, which sees what users change within a look."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from alert_market import NOW_MS
from alert_outbox import FaultyAlerts, ScriptedTarget, refuses
from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.alerts.alerts import LOOK_SECONDS, JudgedAlerts
from stocktrack.alerts.turn import LEASE_SECONDS, Turn
from stocktrack.bars import Split
from stocktrack.clock import ManualClock
from stocktrack.errors import StorageError
from stocktrack.market.board import Board
from stocktrack.quotes import MarketState, Quote
from stocktrack.storage.alerts import NewAlert, StoredAlert
from stocktrack.storage.store import Store
from stocktrack.system.supervised import Supervisor
from stores import add, opened


async def no_splits(symbol: str) -> Sequence[Split]:
    return ()


@dataclass
class Process:
    """A process that judges: its board, its clock and its connection to the database."""

    stored: FaultyAlerts
    clock: ManualClock
    board: Board
    alerts: JudgedAlerts
    supervisor: Supervisor
    phone: ScriptedTarget
    words: list[int] = field(default_factory=list)

    def price(self, price: float, symbol: str = "AAPL") -> None:
        now_ms = self.clock.now_ms()
        quote = Quote(
            symbol=symbol,
            price=price,
            currency="USD",
            market_state=MarketState.OPEN,
            received_at=now_ms,
            timestamp=now_ms,
            provider="scripted",
        )
        self.board.put([quote], self.clock.monotonic())

    async def look(self, seconds: float = LOOK_SECONDS) -> None:
        """Let time pass here."""
        await self.stored.pass_time(self.clock, seconds)

    async def write(self) -> None:
        """Let what fired be written."""
        await self.stored.calm()

    async def close(self) -> None:
        await self.supervisor.close()
        await self.alerts.close()

    async def kill(self) -> None:
        """End it as a kill does: nothing more is written."""
        self.stored.faults.is_failing = True
        await self.supervisor.close()


def a_process(store: Store, **options: Any) -> Process:
    """A process that runs; its tasks end with `close`. `ahead_ms` is how far its clock is ahead."""
    clock, board = ManualClock(NOW_MS + options.pop("ahead_ms", 0)), Board()
    stored, phone = FaultyAlerts(store), ScriptedTarget()
    comes_first: Callable[[], bool] | None = options.pop("comes_first", None)
    if comes_first is not None:
        options["turn"] = Turn(clock, comes_first)
    opened_late: Callable[[], Awaitable[Any]] = options.pop("opened", stored.opened)
    alerts = JudgedAlerts(board, clock, opened_late, targets={"phone": phone}, ask_splits=no_splits, **options)
    process = Process(stored, clock, board, alerts, Supervisor(clock), phone)
    alerts.on_words = lambda: process.words.append(len(process.words))
    alerts.start(process.supervisor)
    return process


@asynccontextmanager
async def running(store: Store, **options: Any) -> AsyncIterator[Process]:
    process = a_process(store, **options)
    try:
        await process.look()
        yield process
    finally:
        await process.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, "ann", "bob")
        yield store


async def made(
    store: Store, when: str = "above", value: float = 200.0, *, username: str = "ann", **wanted: Any
) -> StoredAlert:
    new = NewAlert(wanted.pop("symbol", "AAPL"), AlertWhen(when), value, **wanted)
    return await store.alerts.add(username, new, limit=10_000, now_ms=NOW_MS)


async def state(store: Store, alert: StoredAlert) -> StoredAlert:
    found = await store.alerts.read(alert.id)
    assert found is not None
    return found


async def test_alerts_of_before_are_judged_from_the_start_and_the_target_is_told(store: Store) -> None:
    alert = await made(store, targets=("phone",))
    async with running(store) as process:
        assert process.alerts.is_judging
        assert process.board.is_watched("AAPL"), "an alert is demand"
        process.price(201)
        await process.look(2)
        assert (await state(store, alert)).state is AlertState.FIRED
        assert [message.message for message in process.phone.taken] == ["AAPL 201.00 USD is above 200."]
        assert process.words
        assert not process.board.is_watched("AAPL")


async def test_what_users_change_is_seen_within_a_look_and_at_once_at_their_own_server(store: Store) -> None:
    async with running(store) as process:
        assert process.alerts.is_judging
        alert = await made(store)
        await process.look()
        assert len(process.alerts.judge) == 1
        other = await made(store, symbol="MSFT")
        process.alerts.changed()
        await process.write()
        assert process.alerts.judge.symbols == 2
        await store.alerts.remove("ann", alert.id)
        await process.look()
        assert (len(process.alerts.judge), process.board.is_watched("AAPL")) == (1, False)
        process.price(201)
        process.price(201, "MSFT")
        await process.write()
        assert (await state(store, alert)).fired_count == 0
        assert (await state(store, other)).fired_count == 1


async def test_the_price_before_survives_a_restart_and_a_kill(store: Store) -> None:
    alert = await made(store, "crosses_above", repeat=Repeat.EVERY, cooldown_seconds=10)
    async with running(store) as process:
        process.price(199)
    assert (await store.alerts.prices())["AAPL"].price == 199
    killed = a_process(store)
    await killed.look()
    killed.price(205)
    await killed.write()
    await killed.kill()
    assert (await state(store, alert)).fired_count == 1
    async with running(store) as process:
        process.price(206)
        await process.write()
        assert (await state(store, alert)).fired_count == 1, "it holds still"
        await process.look(30)
        process.price(199)
        process.price(207)
        await process.write()
        assert (await state(store, alert)).fired_count == 2


async def test_an_old_price_of_another_alert_is_not_the_price_before_of_a_new_one(store: Store) -> None:
    first = await made(store, "crosses_above")
    async with running(store) as process:
        process.price(100)
    await store.alerts.remove("ann", first.id)
    wanted = NewAlert("AAPL", AlertWhen.CROSSES_ABOVE, 200.0)
    month_ms = 30 * 86_400_000
    alert = await store.alerts.add("ann", wanted, limit=9, now_ms=NOW_MS + month_ms)
    async with running(store, ahead_ms=month_ms + 1_000) as process:
        process.price(250)
        await process.write()
        assert (await state(store, alert)).fired_count == 0, "it is the first price that this one sees"
        process.price(199)
        process.price(201)
        await process.write()
        assert (await state(store, alert)).message == "AAPL 201.00 USD rose above 200."


async def test_of_two_processes_one_judges_and_the_other_goes_on_when_it_ends(store: Store) -> None:
    alert = await made(store, repeat=Repeat.EVERY, cooldown_seconds=10)
    one = a_process(store, comes_first=lambda: False)
    await one.look()
    async with running(store, comes_first=lambda: False) as other:
        assert (one.alerts.is_judging, other.alerts.is_judging) == (True, False)
        assert not other.board.is_watched("AAPL")
        for process in (one, other):
            process.price(201)
            await process.write()
        assert (await state(store, alert)).fired_count == 1
        await one.close()
        await other.look(5.5)
        assert other.alerts.is_judging
        other.price(199)
        await other.look(20)
        other.price(202)
        await other.write()
        assert (await state(store, alert)).fired_count == 2


@pytest.mark.parametrize("ahead_ms", [-3_600_000, 0, 3_600_000])
async def test_who_was_killed_is_followed_within_a_lease_whatever_its_clock_said(store: Store, ahead_ms: int) -> None:
    await made(store)
    one = a_process(store, comes_first=lambda: False, ahead_ms=ahead_ms)
    await one.look()
    assert one.alerts.is_judging
    async with running(store, comes_first=lambda: False) as other:
        await one.kill()
        await other.look(LEASE_SECONDS + 6)
        assert other.alerts.is_judging


async def test_clocks_that_are_an_hour_apart_do_not_have_the_turn_go_to_and_fro(store: Store) -> None:
    await made(store)
    async with (
        running(store, comes_first=lambda: False) as one,
        running(store, comes_first=lambda: False, ahead_ms=3_600_000) as other,
    ):
        judges = []
        for _ in range(40):
            await one.look(1)
            await other.look(1)
            judges.append((one.alerts.is_judging, other.alerts.is_judging))
        assert set(judges[10:]) == {(False, True)}


async def test_who_leads_the_feed_comes_first_and_the_other_writes_what_it_has_and_lets_go(store: Store) -> None:
    alert = await made(store)
    leads = [False]
    async with (
        running(store, comes_first=lambda: False) as one,
        running(store, comes_first=lambda: leads[0]) as feed,
    ):
        assert (one.alerts.is_judging, feed.alerts.is_judging) == (True, False)
        leads[0] = True
        await feed.look(6)
        assert feed.alerts.is_judging
        one.price(201)
        await one.look(6)
        assert not one.alerts.is_judging
        assert (len(one.alerts.judge), one.board.is_watched("AAPL")) == (0, False)
        assert (await state(store, alert)).fired_count == 1


async def test_two_that_judge_for_a_moment_have_it_told_once(store: Store) -> None:
    alerts = [await made(store, value=200 + number, targets=("phone",)) for number in range(20)]
    # There is nothing that keeps them from it: no turn.
    async with running(store) as one, running(store) as other:
        one.price(300)
        other.price(300)
        await asyncio.gather(one.look(3), other.look(3))
        assert [(await state(store, alert)).fired_count for alert in alerts] == [1] * 20
        told = [message.alert for process in (one, other) for message in process.phone.taken]
        assert set(told) == {f"a{alert.id}" for alert in alerts}
        assert len(told) == 20


async def test_what_fired_while_the_database_is_away_is_told_once_it_is_back_also_by_who_lost_the_turn(
    store: Store,
) -> None:
    alert = await made(store, targets=("phone",))
    leads = [False]
    async with running(store, comes_first=lambda: False) as one, running(store, comes_first=lambda: leads[0]) as feed:
        one.stored.faults.is_failing = True
        with capture_logs() as logs:
            one.price(201)
            await one.look(4)
            leads[0] = True
            await feed.look(6)
            one.stored.faults.is_failing = False
            await one.look(6)
        assert (await state(store, alert)).fired_count == 1
        assert not one.alerts.is_judging
        await feed.look(2)
        assert [message.alert for message in feed.phone.taken] == [f"a{alert.id}"]
        assert [entry["event"] for entry in logs].count("what alerts there are cannot be seen; it is tried again") == 1


async def test_the_alerts_of_users_who_were_removed_go_without_the_others_noticing(store: Store) -> None:
    gone = await made(store, username="bob", symbol="MSFT")
    kept = await made(store, "percent_within", 5.0, minutes=60)
    async with running(store) as process:
        process.price(100)
        await store.remove_user("bob")
        process.price(150, "MSFT")
        await process.look(61)
        assert [*map(process.board.is_watched, ("MSFT", "AAPL"))] == [False, True]
        assert len(process.alerts.judge) == 1
        process.price(105.5)
        await process.write()
        assert (await state(store, kept)).fired_count == 1, "the prices of the last hour are still known"
        assert await store.alerts.read(gone.id) is None


async def test_an_alert_of_a_removed_user_that_fires_before_that_is_seen_is_told_to_nobody(store: Store) -> None:
    await made(store, username="bob", targets=("phone",))
    async with running(store) as process:
        await store.remove_user("bob")
        process.price(201)
        await process.look(2)
        assert process.phone.tried == []
        assert len(process.alerts.judge) == 0
        assert process.alerts.writer.failures == 0


async def test_more_alerts_than_a_page_has_are_all_judged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        await made(store, symbol=f"S{number}")
    async with running(store) as process:
        whole = process.stored.changed

        async def some(seen: int) -> Sequence[StoredAlert]:
            return (await whole(seen))[:2]

        monkeypatch.setattr(process.stored, "changed", some)
        process.alerts.judge.clear()
        process.alerts._seen = None  # as at a start
        await process.look()
        assert process.alerts.judge.symbols == 7


async def test_a_database_that_is_not_there_yet_is_not_made_and_one_that_fails_is_told_of_once(store: Store) -> None:
    asked, is_made = [0], [False]

    async def fails() -> Any:
        asked[0] += 1
        raise StorageError("The database is away.")

    with capture_logs() as logs:
        async with running(store, opened=fails, is_made=lambda: is_made[0]) as process:
            await process.look(3)
            assert asked == [0]
            is_made[0] = True
            await process.look(3)
            assert asked[0] >= 5
            assert not process.alerts.is_judging
    assert [entry["event"] for entry in logs] == ["what alerts there are cannot be seen; it is tried again"]


async def test_what_is_old_is_tidied_away_each_hour_and_a_removed_alert_only_after_all_have_seen_it(
    store: Store,
) -> None:
    alert, kept = await made(store), await made(store)
    async with running(store) as process:
        await store.alerts.remove("ann", alert.id)
        await process.stored.pass_time(process.clock, 3_660, step=60)
        assert await store.alerts.read(alert.id) is not None
        await process.stored.pass_time(process.clock, 3_660, step=60)
        assert await store.alerts.read(alert.id) is None
        assert await store.alerts.read(kept.id) is not None


async def test_a_clock_that_is_set_back_leaves_no_word_to_wait_for_the_time_it_had_before(store: Store) -> None:
    async with running(store) as process:
        process.clock._started_ms += 365 * 86_400_000
        process.phone.error = refuses()
        await made(store, targets=("phone",))
        await process.look()
        process.price(201)
        await process.look(2.0)
        assert len(process.phone.tried) > 0
        # Its clock is right again: what waits for its next try, and what nobody has looked at, are due at once.
        with capture_logs() as logs:
            process.clock._started_ms -= 365 * 86_400_000
            process.phone.error = None
            await process.look(3.0)
        assert len(process.phone.taken) == 1
        assert [word.target for word in await process.stored.due_to_sessions(process.clock.now_ms())] == [""]
        assert sum("clock was set back" in entry["event"] for entry in logs) == 1


async def test_a_clock_that_is_corrected_by_a_little_is_no_reason_for_anything(store: Store) -> None:
    async with running(store) as process:
        with capture_logs() as logs:
            process.clock._started_ms -= 1_000
            await process.look(2.0)
        assert logs == []
