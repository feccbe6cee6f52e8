"""Alerts in a database of each kind: users change them, whoever judges them writes, and what is to be told waits."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.storage.alerts import (
    AT_ONCE,
    SESSIONS,
    Fired,
    NewAlert,
    Outcome,
    PriceBefore,
    Settled,
    StoredAlert,
    Turn,
    Word,
)
from stocktrack.storage.store import Store
from stocktrack.storage.tables import HIGHEST_ID
from stores import ADDED_AT_MS as NOW_MS
from stores import add, opened

WANTED = NewAlert("AAPL", AlertWhen.CROSSES_ABOVE, 200.0)
MINUTE_MS = 60_000


@pytest.fixture
async def ann(store: Store) -> Store:
    """A store with the users ann and bob."""
    await add(store, "ann", "bob")
    return store


async def made(
    store: Store,
    username: str = "ann",
    wanted: NewAlert = WANTED,
    *,
    limit: int = 10_000,
    replaced: int | None = None,
) -> StoredAlert:
    return await store.alerts.add(username, wanted, limit=limit, now_ms=NOW_MS, replaced=replaced)


def fired(alert: StoredAlert, *words: Word, after: int = 0, **fields: Any) -> Fired:
    told: dict[str, Any] = {"state": AlertState.FIRED, "fired_at_ms": NOW_MS, "message": "AAPL rose.", **fields}
    return Fired(alert.id, after, after + 1, words=words, **told)


def word(delivery_id: str, target: str = "phone", *, due_at_ms: int = NOW_MS) -> Word:
    return Word(delivery_id, target, json.dumps({"id": delivery_id}), due_at_ms)


async def told(store: Store, *words: Word, username: str = "ann", now_ms: int = NOW_MS) -> StoredAlert:
    """An alert that has fired with these words."""
    alert = await made(store, username)
    assert await store.alerts.write(Outcome([fired(alert, *words)]), now_ms) == []
    return alert


async def claimed(
    store: Store, target: str = "phone", *, now_ms: int = NOW_MS, until_ms: int = NOW_MS + 2 * MINUTE_MS, most: int = 10
) -> list[str]:
    found = await store.alerts.claim(target, now_ms=now_ms, until_ms=until_ms, most=most)
    return [each.delivery_id for each in found]


async def every_change(store: Store, seen: int = 0) -> Sequence[StoredAlert]:
    changes: list[StoredAlert] = []
    while page := await store.alerts.changed(seen):
        changes += page
        seen = page[-1].revision
    return changes


# --- what users do ---------------------------------------------------------------------------------------------------


async def test_an_alert_is_read_as_it_was_made(ann: Store) -> None:
    wanted = NewAlert(
        "BINANCE:BTCUSDT",
        AlertWhen.PERCENT_WITHIN,
        -2.5,
        minutes=15,
        repeat=Repeat.EVERY,
        cooldown_seconds=600,
        quiet_hours="22:00-07:00",
        timezone="Europe/Berlin",
        targets=("phone", "büro"),
        price_before=67_837.64,
    )
    alert = await made(ann, wanted=wanted)
    assert (alert.username, alert.wanted, alert.state, alert.created_at_ms) == ("ann", wanted, AlertState.ARMED, NOW_MS)
    assert (alert.fired_at_ms, alert.fired_count, alert.message, alert.is_removed) == (None, 0, None, False)
    assert await ann.alerts.of_user("ann") == [alert]
    assert await ann.alerts.read(alert.id) == alert
    assert await ann.alerts.changed(0) == [alert]


async def test_nobody_has_more_alerts_than_the_limit_and_one_taken_out_makes_room(ann: Store) -> None:
    first, _ = await made(ann, limit=2), await made(ann, limit=2)
    with pytest.raises(CommandError, match="ann has 2 alerts, the most allowed") as refused:
        await made(ann, limit=2)
    assert refused.value.reason is Reason.INVALID_COMMAND
    await made(ann, "bob", limit=2)
    await ann.alerts.remove("ann", first.id)
    assert (await made(ann, limit=2)).id > first.id
    assert len(await ann.alerts.of_user("ann")) == 2


async def test_an_alert_takes_the_place_of_another_also_at_the_limit_and_of_none_that_is_somebody_elses(
    ann: Store,
) -> None:
    first, second, bobs = await made(ann, limit=2), await made(ann, limit=2), await made(ann, "bob", limit=2)
    seen = await ann.alerts.revision()
    third = await made(ann, limit=2, replaced=first.id)
    assert await ann.alerts.of_user("ann") == [second, third]
    assert [(each.id, each.is_removed) for each in await ann.alerts.changed(seen)] == [
        (first.id, True),
        (third.id, False),
    ]
    for gone in (first.id, bobs.id, HIGHEST_ID + 1):
        with pytest.raises(CommandError, match=f"You have no alert a{gone}") as refused:
            await made(ann, limit=2, replaced=gone)
        assert refused.value.reason is Reason.UNKNOWN_ALERT
    assert await ann.alerts.of_user("bob") == [bobs]


async def test_where_the_new_one_is_refused_the_one_that_it_would_replace_stays(ann: Store) -> None:
    first, second = await made(ann, limit=2), await made(ann, limit=2)
    with pytest.raises(CommandError, match="the most allowed"):
        await made(ann, limit=1, replaced=first.id)
    assert await ann.alerts.of_user("ann") == [first, second]


async def test_alerts_that_are_added_at_once_do_not_pass_the_limit(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        asked = [made(store, limit=5) for _ in range(6) for store in (one, other)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(each, CommandError) for each in outcomes) == 7
        assert len(await one.alerts.of_user("ann")) == 5


async def test_a_user_who_was_removed_gets_no_alert_and_has_taken_all_along(ann: Store) -> None:
    await told(ann, word("d1"), word("d2", SESSIONS))
    kept = await told(ann, word("d3"), username="bob")
    await ann.remove_user("ann")
    with pytest.raises(CommandError, match="no user 'ann'") as refused:
        await made(ann)
    assert refused.value.reason is Reason.NOT_AUTHENTICATED
    with pytest.raises(CommandError):
        await ann.alerts.remove("ann", kept.id)
    assert [alert.id for alert in await ann.alerts.changed(0)] == [kept.id]
    assert await claimed(ann) == ["d3"]
    assert await ann.alerts.due_to_sessions(NOW_MS) == []
    assert await ann.alerts.of_user("ann") == []


async def test_who_comes_back_under_a_name_has_none_of_the_alerts_of_before(ann: Store) -> None:
    before = await made(ann)
    await ann.remove_user("ann")
    await add(ann, "ann")
    assert await ann.alerts.of_user("ann") == []
    assert (await made(ann)).id > before.id


async def test_only_the_owner_takes_an_alert_out_and_only_once(ann: Store) -> None:
    alert = await made(ann)
    assert await ann.alerts.remove("bob", alert.id) is None
    removed = await ann.alerts.remove("ann", alert.id)
    assert removed is not None
    assert (removed.id, removed.wanted) == (alert.id, WANTED)
    assert await ann.alerts.remove("ann", alert.id) is None
    assert await ann.alerts.of_user("ann") == []
    [change] = await ann.alerts.changed(alert.revision)
    assert (change.id, change.is_removed) == (alert.id, True)


@pytest.mark.parametrize("number", [0, 2**31 - 1, 2**31, 2**63 - 1, 10**18])
async def test_a_number_that_no_alert_can_have_is_no_alert(ann: Store, number: int) -> None:
    await made(ann)
    assert await ann.alerts.remove("ann", number) is None
    assert await ann.alerts.of_user("ann", after=max(number, 1)) == []


async def test_the_alerts_of_a_user_come_in_pages_and_by_symbol(ann: Store) -> None:
    for number in range(7):
        await made(ann, wanted=replace(WANTED, symbol=f"S{number % 2}"))
        await made(ann, "bob")
    first = await ann.alerts.of_user("ann", most=4)
    rest = await ann.alerts.of_user("ann", after=first[-1].id, most=4)
    assert [alert.wanted.symbol for alert in (*first, *rest)] == ["S0", "S1"] * 3 + ["S0"]
    assert len(first) == 4
    assert len(await ann.alerts.of_user("ann", symbol="S1")) == 3
    assert len(await ann.alerts.of_user("ann", symbol="S1", after=first[-1].id)) == 1
    assert await ann.alerts.of_user("ann", symbol="NOPE") == []


async def test_what_is_untold_of_an_alert_is_counted_with_the_last_error(ann: Store) -> None:
    alert = await told(ann, word("d1"), word("d2", "mail"), word("d3", SESSIONS))
    other = await made(ann)
    assert [(each.undelivered, each.error) for each in await ann.alerts.of_user("ann")] == [(2, None), (0, None)]
    await claimed(ann)
    await ann.alerts.settle([Settled("d1", NOW_MS + 1_000, "The target phone refuses.")], NOW_MS)
    found = {each.id: each for each in await ann.alerts.of_user("ann")}
    assert (found[alert.id].undelivered, found[alert.id].error) == (2, "The target phone refuses.")
    await ann.alerts.settle([Settled("d1", None), Settled("d2", None), Settled("d3", None)], NOW_MS)
    assert [each.undelivered for each in await ann.alerts.of_user("ann")] == [0, 0]
    assert found[other.id].undelivered == 0


# --- revisions -------------------------------------------------------------------------------------------------------


async def test_no_change_is_missed_by_who_reads_while_many_users_change_at_many_servers(url: str) -> None:
    async with opened(url) as one, opened(url) as other, opened(url) as reader:
        names = [f"user{number}" for number in range(6)]
        await add(one, *names)
        seen: list[StoredAlert] = []
        is_over = asyncio.Event()

        async def follow() -> None:
            revision = 0
            while True:
                was_over = is_over.is_set()
                for change in await reader.alerts.changed(revision):
                    assert change.revision > revision
                    revision = change.revision
                    seen.append(change)
                if was_over:
                    return

        async def use(store: Store, name: str) -> None:
            for _ in range(5):
                alert = await made(store, name)
                if alert.id % 3 == 0:
                    await store.alerts.remove(name, alert.id)

        following = asyncio.create_task(follow())
        await asyncio.gather(*(use(store, name) for store in (one, other) for name in names))
        is_over.set()
        await following
        now = {alert.id: alert for alert in await every_change(one)}
        assert len(now) == 60
        latest = {alert.id: alert for alert in seen}
        assert latest == now
        assert max(now[number].revision for number in now) == await one.alerts.revision()


async def test_more_changes_than_a_page_has_come_one_page_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "stocktrack.db"
    async with opened(path) as store:
        await add(store, "ann")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executemany(
                "INSERT INTO alerts (user_id, symbol, condition, value, repeat, targets, state, created_at_ms,"
                " revision) VALUES (1, 'AAPL', 'above', 200, 'once', '[]', 'armed', 0, ?)",
                [(revision,) for revision in range(AT_ONCE + 3, 0, -1)],
            )
            connection.commit()
        assert len(await store.alerts.changed(0)) == AT_ONCE
        assert [change.revision for change in await every_change(store)] == list(range(1, AT_ONCE + 4))
        assert await store.alerts.count() == AT_ONCE + 3


async def test_without_alerts_there_is_no_revision_and_nothing_to_read(store: Store) -> None:
    assert (await store.alerts.revision(), await store.alerts.changed(0), await store.alerts.count()) == (0, [], 0)
    assert await store.alerts.read(1) is None
    assert await store.alerts.prices() == {}


# --- what fires ------------------------------------------------------------------------------------------------------


async def test_what_fired_is_written_with_its_words(ann: Store) -> None:
    alert = await told(ann, word("d1", SESSIONS), word("d2"), now_ms=NOW_MS + 7)
    now = await ann.alerts.read(alert.id)
    assert now is not None
    assert (now.state, now.fired_at_ms, now.fired_count, now.message) == (AlertState.FIRED, NOW_MS, 1, "AAPL rose.")
    assert now.revision == alert.revision, "only users change the revision"
    [waiting] = await ann.alerts.due_to_sessions(NOW_MS)
    assert (waiting.delivery_id, waiting.username, waiting.target, waiting.attempts) == ("d1", "ann", SESSIONS, 0)
    assert (waiting.created_at_ms, json.loads(waiting.body)) == (NOW_MS + 7, {"id": "d1"})
    assert await ann.alerts.due_targets(NOW_MS) == {"phone"}
    assert await ann.alerts.count() == 0


async def test_of_two_who_write_that_one_alert_fired_the_first_one_counts(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        alerts = [await made(one) for _ in range(20)]
        refused = await asyncio.gather(
            one.alerts.write(Outcome([fired(alert, word(f"one{alert.id}")) for alert in alerts]), NOW_MS),
            other.alerts.write(Outcome([fired(alert, word(f"other{alert.id}")) for alert in alerts[::-1]]), NOW_MS),
        )
        assert sorted(number for each in refused for number in each) == [alert.id for alert in alerts]
        names = await claimed(one, most=100)
        assert sorted(int(name.lstrip("onethr")) for name in names) == [alert.id for alert in alerts]


@pytest.mark.parametrize("after", [0, 2])
async def test_who_does_not_know_how_often_an_alert_fired_is_refused(ann: Store, after: int) -> None:
    alert = await made(ann)
    first = fired(alert, word("d1"), state=AlertState.HOLDING)
    assert await ann.alerts.write(Outcome([first]), NOW_MS) == []
    assert await ann.alerts.write(Outcome([fired(alert, word("d2"), after=after)]), NOW_MS) == [alert.id]
    assert await ann.alerts.write(Outcome([fired(alert, word("d3"), after=1)]), NOW_MS) == []
    assert await claimed(ann) == ["d1", "d3"]


async def test_an_alert_that_was_taken_out_has_fired_or_is_disarmed_fires_no_more(ann: Store) -> None:
    gone, once, disarmed = await made(ann), await told(ann), await made(ann)
    await ann.alerts.remove("ann", gone.id)
    split = fired(disarmed, state=AlertState.DISARMED, why="AAPL was split.", fired_at_ms=None, message="AAPL split.")
    assert await ann.alerts.write(Outcome([replace(split, count=0)]), NOW_MS) == []
    outcome = Outcome([fired(gone, word("d1")), fired(once, word("d2"), after=1), fired(disarmed, word("d3"))])
    assert await ann.alerts.write(outcome, NOW_MS) == [gone.id, once.id, disarmed.id]
    assert await ann.alerts.due_targets(NOW_MS) == frozenset()
    now = await ann.alerts.read(disarmed.id)
    assert now is not None
    assert (now.state, now.why, now.fired_count, now.fired_at_ms) == (AlertState.DISARMED, "AAPL was split.", 0, None)


async def test_where_a_word_cannot_be_written_nothing_has_fired_and_no_price_was_judged(ann: Store) -> None:
    alert, other = await told(ann, word("d1")), await made(ann)
    prices = [PriceBefore("AAPL", 201.0, None, "open", NOW_MS)]
    twice = fired(other, word("d2"), word("d1"))  # there is a word of this id
    with pytest.raises(StorageError):
        await ann.alerts.write(Outcome([twice], prices=prices), NOW_MS)
    now = await ann.alerts.read(other.id)
    assert now is not None
    assert (now.state, now.fired_count) == (AlertState.ARMED, 0)
    assert await claimed(ann) == ["d1"]
    assert await ann.alerts.prices() == {}
    assert (await ann.alerts.of_user("ann"))[0].id == alert.id


async def test_only_what_holds_is_armed_again(ann: Store) -> None:
    holding, once, armed = await made(ann), await told(ann), await made(ann)
    await ann.alerts.write(Outcome([fired(holding, state=AlertState.HOLDING)]), NOW_MS)
    assert [alert.state for alert in await ann.alerts.of_user("ann")] == ["holding", "fired", "armed"]
    await ann.alerts.write(Outcome(armed=[armed.id, once.id, holding.id, 4_711]), NOW_MS)
    assert [alert.state for alert in await ann.alerts.of_user("ann")] == ["armed", "fired", "armed"]
    assert await ann.alerts.count() == 2
    assert await ann.alerts.live() == {holding.id, armed.id}


async def test_the_price_before_is_the_last_one_that_was_written(ann: Store) -> None:
    old, new = (PriceBefore("AAPL", price, None, "closed", NOW_MS) for price in (189.45, 0.1 + 0.2))
    rate = PriceBefore("EURUSD=X", 1e-9, NOW_MS - 5, "open", NOW_MS + 1)
    await ann.alerts.write(Outcome(prices=[old, rate]), NOW_MS)
    await ann.alerts.write(Outcome(prices=[new]), NOW_MS)
    assert await ann.alerts.prices() == {"AAPL": new, "EURUSD=X": rate}


async def test_users_who_take_alerts_out_while_they_fire_at_another_server_are_not_kept_waiting(url: str) -> None:
    async with opened(url) as judge, opened(url) as door:
        await add(judge, "ann")
        alerts = [await made(judge) for _ in range(30)]

        async def fire() -> None:
            for alert in alerts:
                await judge.alerts.write(Outcome([fired(alert, word(f"d{alert.id}"))]), NOW_MS)

        async def take_out() -> None:
            for alert in alerts:
                await door.alerts.remove("ann", alert.id)

        await asyncio.gather(fire(), take_out())
        assert await door.alerts.of_user("ann") == []
        changes = await every_change(door)
        assert all(change.is_removed for change in changes)
        told_of = set(await claimed(judge, most=100))
        assert told_of == {f"d{change.id}" for change in changes if change.state is AlertState.FIRED}


# --- what is told ----------------------------------------------------------------------------------------------------


async def test_words_are_taken_up_in_their_order_so_many_at_once_and_by_nobody_else(ann: Store) -> None:
    await told(ann, word("d3", due_at_ms=NOW_MS + 2), now_ms=NOW_MS)
    await told(ann, word("d2", due_at_ms=NOW_MS + 1), word("mail", "mail"), now_ms=NOW_MS + 1)
    await told(ann, word("d1", due_at_ms=NOW_MS + 1), word("later", due_at_ms=NOW_MS + 11))
    now_ms = NOW_MS + 10
    assert await claimed(ann, now_ms=now_ms, most=0) == []
    assert await claimed(ann, now_ms=now_ms, most=2) == ["d1", "d2"]
    assert await claimed(ann, now_ms=now_ms, most=2) == ["d3"]
    assert await claimed(ann, now_ms=now_ms, most=2) == []
    assert await ann.alerts.due_targets(now_ms) == {"mail"}


async def test_no_two_take_up_one_word(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        await told(one, *(word(f"d{number}") for number in range(60)))
        taken = await asyncio.gather(*(claimed(store, most=7) for _ in range(6) for store in (one, other)))
        names = [name for each in taken for name in each]
        names += await claimed(one, most=100)
        assert sorted(names) == sorted(f"d{number}" for number in range(60))


async def test_a_word_that_nobody_settled_is_due_again_when_its_time_is_up(ann: Store) -> None:
    await told(ann, word("d1"))
    await claimed(ann, until_ms=NOW_MS + 100)
    assert await claimed(ann, now_ms=NOW_MS + 99) == []
    [again] = await ann.alerts.claim("phone", now_ms=NOW_MS + 100, until_ms=NOW_MS + 200, most=1)
    assert (again.delivery_id, again.attempts) == ("d1", 1)


async def test_what_is_settled_is_told_no_more_or_again_at_its_time(ann: Store) -> None:
    await told(ann, word("d1"), word("d2"))
    await claimed(ann)
    await ann.alerts.settle([Settled("d1", None), Settled("d2", NOW_MS + 50, "no")], NOW_MS)
    await ann.alerts.settle([], NOW_MS)
    assert await claimed(ann, now_ms=NOW_MS + 49) == []
    assert await claimed(ann, now_ms=NOW_MS + 50) == ["d2"]
    await ann.alerts.settle([Settled("d1", NOW_MS)], NOW_MS + 60)  # whoever was too late brings nothing back
    assert await claimed(ann, now_ms=NOW_MS + 10**9) == ["d2"]


async def test_who_takes_over_has_what_was_tried_before_at_once_and_nothing_else(ann: Store) -> None:
    await told(ann, word("tried"), word("quiet", due_at_ms=NOW_MS + MINUTE_MS), word("away", SESSIONS), word("done"))
    assert await claimed(ann) == ["done", "tried"]  # of one moment: by their ids
    await ann.alerts.settle([Settled("done", None)], NOW_MS)
    await ann.alerts.put_off([("away", NOW_MS + MINUTE_MS)])
    await ann.alerts.take_over(NOW_MS + 1)
    assert await claimed(ann, now_ms=NOW_MS + 1) == ["tried"]
    assert await ann.alerts.due_to_sessions(NOW_MS + 1) == [], "sessions are told by who has them"
    assert await claimed(ann, now_ms=NOW_MS + MINUTE_MS) == ["quiet"]


async def test_words_of_quiet_hours_are_not_told_before_although_the_user_comes(ann: Store) -> None:
    night_ms, morning_ms = NOW_MS, NOW_MS + 480 * MINUTE_MS
    await told(ann, word("quiet", SESSIONS, due_at_ms=morning_ms), word("away", SESSIONS))
    await told(ann, word("bobs", SESSIONS), username="bob")
    await ann.alerts.put_off([("away", morning_ms + 1), ("bobs", morning_ms + 1)])
    assert [each.delivery_id for each in await ann.alerts.waiting_for(["ann"], night_ms)] == ["away"]
    assert await ann.alerts.due_to_sessions(morning_ms - 1) == []
    waiting = await ann.alerts.waiting_for(["ann", "nobody"], morning_ms)
    assert sorted(each.delivery_id for each in waiting) == ["away", "quiet"]
    assert [each.delivery_id for each in await ann.alerts.due_to_sessions(morning_ms)] == ["quiet"]
    assert await ann.alerts.waiting_for([], morning_ms) == []


async def test_words_are_found_for_more_users_than_one_question_names(ann: Store) -> None:
    await told(ann, word("d1", SESSIONS))
    await told(ann, word("d2", SESSIONS), username="bob")
    names = ["ann", *(f"user{number}" for number in range(1_200)), "bob"]
    assert {each.username for each in await ann.alerts.waiting_for(names, NOW_MS)} == {"ann", "bob"}


async def test_a_word_that_is_settled_is_not_put_off(ann: Store) -> None:
    await told(ann, word("d1", SESSIONS))
    await ann.alerts.settle([Settled("d1", None)], NOW_MS)
    await ann.alerts.put_off([("d1", NOW_MS)])
    assert await ann.alerts.due_to_sessions(NOW_MS) == []


async def test_words_to_sessions_are_all_seen_however_many_others_wait(ann: Store) -> None:
    await told(ann, *(word(f"ann{number:05}", SESSIONS) for number in range(AT_ONCE + 5)))
    await told(ann, word("bob", SESSIONS, due_at_ms=NOW_MS + 1), username="bob")
    due = [each.delivery_id for each in await ann.alerts.due_to_sessions(NOW_MS + 1)]
    assert len(due) == len(set(due)) == AT_ONCE + 6
    assert due[-1] == "bob"


# --- what is forgotten -----------------------------------------------------------------------------------------------


async def test_what_was_told_long_ago_and_alerts_taken_out_are_forgotten_and_all_else_stays(ann: Store) -> None:
    old, kept = await told(ann, word("old"), word("untold", "mail")), await told(ann, word("new"))
    price = PriceBefore("AAPL", 201.0, None, "open", NOW_MS)
    await ann.alerts.write(Outcome(prices=[price, price._replace(symbol="GONE")]), NOW_MS)
    await ann.alerts.settle([Settled("old", None)], NOW_MS)
    await ann.alerts.settle([Settled("new", None)], NOW_MS + 1)
    removed = await ann.alerts.remove("ann", old.id)
    assert removed is not None
    revision = await ann.alerts.revision()
    assert await ann.alerts.forget(done_before_ms=NOW_MS + 1, removed_before=revision - 1) == 2
    assert await ann.alerts.prices() == {"AAPL": price}
    assert [each.id for each in await ann.alerts.changed(0)] == [kept.id, old.id], "who judges must see that it is gone"
    assert await ann.alerts.forget(done_before_ms=NOW_MS, removed_before=revision) == 1
    assert [each.id for each in await ann.alerts.changed(0)] == [kept.id]
    assert await claimed(ann, "mail") == ["untold"], "what it once told is told"
    assert await ann.alerts.forget(done_before_ms=NOW_MS + 1, removed_before=revision) == 0


# --- whose turn it is ------------------------------------------------------------------------------------------------


async def test_the_turn_is_taken_from_who_has_it_and_from_nobody_else(ann: Store) -> None:
    await made(ann)
    assert await ann.alerts.turn() == Turn("", 0)
    assert await ann.alerts.take_turn("one", until_ms=NOW_MS, instead_of=Turn("", 0))
    assert not await ann.alerts.take_turn("other", until_ms=NOW_MS, instead_of=Turn("", 0))
    assert not await ann.alerts.take_turn("other", until_ms=NOW_MS, instead_of=Turn("one", NOW_MS - 1))
    assert await ann.alerts.take_turn("one", until_ms=NOW_MS + 1, instead_of=Turn("one", NOW_MS))
    assert await ann.alerts.turn() == Turn("one", NOW_MS + 1)
    assert await ann.alerts.take_turn("feed", until_ms=NOW_MS + 2, instead_of=None)
    assert await ann.alerts.turn() == Turn("feed", NOW_MS + 2)


async def test_only_who_has_the_turn_gives_it_up(ann: Store) -> None:
    await made(ann)
    await ann.alerts.take_turn("one", until_ms=NOW_MS, instead_of=None)
    await ann.alerts.give_turn_up("other")
    assert await ann.alerts.turn() == Turn("one", NOW_MS)
    await ann.alerts.give_turn_up("one")
    assert await ann.alerts.turn() == Turn("one", 0)


async def test_of_many_who_want_the_turn_at_once_one_gets_it(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        await made(one)
        free = await one.alerts.turn()
        got = await asyncio.gather(
            *(
                (one, other)[number % 2].alerts.take_turn(f"j{number}", until_ms=NOW_MS, instead_of=free)
                for number in range(10)
            )
        )
        assert sum(got) == 1


async def test_where_there_is_nothing_to_judge_nobody_has_the_turn(store: Store) -> None:
    assert await store.alerts.turn() is None
    assert not await store.alerts.take_turn("one", until_ms=NOW_MS, instead_of=None)
    await store.alerts.give_turn_up("one")
    assert await store.alerts.revision() == 0
