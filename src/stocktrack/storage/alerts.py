"""The alerts of all users, the prices by which they were judged last, and what is to be told of them.

What fires and what it tells are written in one transaction: an alert that has fired has its words on the disk, and no
word is there without it. Whoever fires an alert names how often it had fired before: of two who judge the same alert
the first one counts. A word is told at least once: who takes it up puts off its time (`claim`), and settles it after.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, text, tuple_, update

from stocktrack.alerting import AlertState, AlertWhen, Repeat
from stocktrack.errors import CommandError, Reason
from stocktrack.storage.database import Database
from stocktrack.storage.owners import LOCK_USER_THAT_STAYS, locked_owner
from stocktrack.storage.tables import HIGHEST_ID, alert_deliveries, alert_prices, alert_revision, alerts, users

# So many are read, or changed, at a time: what others want of the database waits behind it.
AT_ONCE: Final = 2_000
# The target of the words to a user's own sessions.
SESSIONS: Final = ""
_PRUNED_AT_ONCE: Final = 2_000
_NAMES_AT_ONCE: Final = 500
# So many words to sessions are looked at, at a time: the sessions of those that come after them wait.
_MOST_TO_SESSIONS: Final = 50_000


@dataclass(frozen=True, slots=True)
class NewAlert:
    """What a user asks for; `value` by `when`, and `price_before` is the price at that moment where one is known."""

    symbol: str
    when: AlertWhen
    value: float
    minutes: int | None = None
    repeat: Repeat = Repeat.ONCE
    cooldown_seconds: int | None = None
    quiet_hours: str | None = None
    timezone: str | None = None
    targets: tuple[str, ...] = ()
    price_before: float | None = None


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as the database knows one; times in epoch milliseconds."""

    id: int
    username: str
    wanted: NewAlert
    state: AlertState
    why: str | None
    created_at_ms: int
    fired_at_ms: int | None
    fired_count: int
    message: str | None
    revision: int
    is_removed: bool
    undelivered: int = 0
    error: str | None = None


class PriceBefore(NamedTuple):
    """The last price of a symbol by which alerts were judged; the names are those of a quote."""

    symbol: str
    price: float
    timestamp: int | None
    market_state: str
    received_at: int


@dataclass(frozen=True, slots=True)
class Word:
    """What is to be told to `target`, or to the user's sessions; `body` is the JSON of it."""

    delivery_id: str
    target: str
    body: str
    due_at_ms: int


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert that fired, or was disarmed where `why` says so, and what it tells; `after` how often it had fired.

    `fired_at_ms` is when it did so last, and `count` how often with this time.
    """

    alert_id: int
    after: int
    count: int
    state: AlertState
    fired_at_ms: int | None
    message: str
    words: Sequence[Word]
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A word that is to be told now, and how often that was tried before."""

    delivery_id: str
    username: str
    target: str
    body: str
    created_at_ms: int
    attempts: int
    due_at_ms: int


class Turn(NamedTuple):
    """Who judges the alerts, until when by its own clock."""

    judge: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a word: it is told, or given up, where `due_at_ms` is None; else it is tried again then."""

    delivery_id: str
    due_at_ms: int | None
    error: str | None = None


@dataclass(slots=True)
class Outcome:
    """What is to be written at once."""

    fired: Sequence[Fired] = ()
    armed: Sequence[int] = ()  # the ids of those whose condition has stopped holding
    prices: Sequence[PriceBefore] = ()


_COLUMNS = (
    alerts.c.id,
    users.c.name,
    alerts.c.symbol,
    alerts.c.condition,
    alerts.c.value,
    alerts.c.minutes,
    alerts.c.repeat,
    alerts.c.cooldown_seconds,
    alerts.c.quiet_hours,
    alerts.c.timezone,
    alerts.c.targets,
    alerts.c.price_before,
    alerts.c.state,
    alerts.c.why,
    alerts.c.created_at_ms,
    alerts.c.fired_at_ms,
    alerts.c.fired_count,
    alerts.c.message,
    alerts.c.revision,
    alerts.c.is_removed,
)
_SELECT = select(*_COLUMNS).join(users, alerts.c.user_id == users.c.id)
_LIVE = (alerts.c.is_removed.is_(False), alerts.c.state.in_((AlertState.ARMED.value, AlertState.HOLDING.value)))
_UNTOLD = (alert_deliveries.c.due_at_ms.is_not(None), alert_deliveries.c.target != SESSIONS)
_CHANGED = _SELECT.where(alerts.c.revision > bindparam("seen")).order_by(alerts.c.revision).limit(AT_ONCE)
_REVISION = select(alert_revision.c.revision)
_TURN = select(alert_revision.c.judge, alert_revision.c.judge_until_ms)
_UPSERT_PRICE = text("""
    INSERT INTO alert_prices (symbol, price, timestamp, market_state, seen_at_ms)
    VALUES (:symbol, :price, :timestamp, :market_state, :received_at)
    ON CONFLICT (symbol) DO UPDATE SET
        price = excluded.price, timestamp = excluded.timestamp,
        market_state = excluded.market_state, seen_at_ms = excluded.seen_at_ms
""").bindparams(
    *(
        bindparam(name, type_=alert_prices.c[column].type)
        for name, column in (
            ("symbol", "symbol"),
            ("price", "price"),
            ("timestamp", "timestamp"),
            ("market_state", "market_state"),
            ("received_at", "seen_at_ms"),
        )
    )
)
_FIRE = (
    update(alerts)
    .where(
        alerts.c.id == bindparam("of_id"),
        alerts.c.fired_count == bindparam("after"),
        *_LIVE,
    )
    .values(
        state=bindparam("new_state"),
        why=bindparam("new_why"),
        fired_at_ms=bindparam("at"),
        fired_count=bindparam("count"),
        message=bindparam("told"),
    )
)
_ARM = (
    update(alerts)
    .where(alerts.c.id == bindparam("of_id"), alerts.c.state == AlertState.HOLDING.value)
    .values(state=AlertState.ARMED.value)
)
_OWNER = select(alerts.c.user_id).where(alerts.c.id == bindparam("of_id"))
_WORDS = select(
    alert_deliveries.c.delivery_id,
    users.c.name,
    alert_deliveries.c.target,
    alert_deliveries.c.body,
    alert_deliveries.c.created_at_ms,
    alert_deliveries.c.attempts,
    alert_deliveries.c.due_at_ms,
).join(users, alert_deliveries.c.user_id == users.c.id)
_ORDER = (alert_deliveries.c.due_at_ms, alert_deliveries.c.created_at_ms, alert_deliveries.c.delivery_id)
_AGE = (alert_deliveries.c.created_at_ms, alert_deliveries.c.delivery_id)
_DUE = _WORDS.where(alert_deliveries.c.due_at_ms <= bindparam("now")).order_by(*_ORDER)
_DUE_AT_A_TARGET = _DUE.where(alert_deliveries.c.target == bindparam("at_target")).limit(bindparam("most"))
_DUE_TO_SESSIONS = _DUE.where(
    alert_deliveries.c.target == SESSIONS,
    tuple_(*_ORDER) > tuple_(bindparam("after_due"), bindparam("after_created"), bindparam("after_id")),
).limit(AT_ONCE)
_WAITING_FOR_USERS = (
    _WORDS.where(
        alert_deliveries.c.target == SESSIONS,
        users.c.name.in_(bindparam("names", expanding=True)),
        alert_deliveries.c.due_at_ms.is_not(None),
        # What is held back in quiet hours was never looked at.
        (alert_deliveries.c.due_at_ms <= bindparam("now")) | (alert_deliveries.c.attempts > 0),
        tuple_(*_AGE) > tuple_(bindparam("after_created"), bindparam("after_id")),
    )
    .order_by(*_AGE)
    .limit(AT_ONCE)
)
_PUT_OFF = (
    update(alert_deliveries)
    .where(alert_deliveries.c.delivery_id == bindparam("of_id"), alert_deliveries.c.due_at_ms.is_not(None))
    .values(due_at_ms=bindparam("until"), attempts=alert_deliveries.c.attempts + 1)
)
_CLAIM = (
    update(alert_deliveries)
    .where(alert_deliveries.c.delivery_id == bindparam("of_id"), alert_deliveries.c.due_at_ms == bindparam("was_due"))
    .values(due_at_ms=bindparam("until"), attempts=alert_deliveries.c.attempts + 1)
)
_SETTLE = (
    update(alert_deliveries)
    .where(alert_deliveries.c.delivery_id == bindparam("of_id"), alert_deliveries.c.due_at_ms.is_not(None))
    .values(
        due_at_ms=bindparam("next_due"),
        done_at_ms=bindparam("done"),
        error=bindparam("why"),
    )
)


class Alerts:
    """The alerts in a database that is opened and closed elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- what users do ---------------------------------------------------------------------------------------------

    async def add(
        self, username: str, wanted: NewAlert, *, limit: int, now_ms: int, replaced: int | None = None
    ) -> StoredAlert:
        """Add an alert; `CommandError` where the user has `limit` of them, or was removed meanwhile.

        The alert with the id `replaced` goes in the same transaction; where the user has none, nothing is added.
        """

        def change(connection: Connection) -> StoredAlert:
            user_id = locked_owner(connection, username, LOCK_USER_THAT_STAYS)
            if replaced is not None and _take_out(connection, user_id, replaced) is None:
                raise CommandError(Reason.UNKNOWN_ALERT, f"You have no alert a{replaced}.")
            held = connection.scalar(
                select(func.count()).where(alerts.c.user_id == user_id, alerts.c.is_removed.is_(False))
            )
            if (held or 0) >= limit:
                raise CommandError(
                    Reason.INVALID_COMMAND, f"{username} has {held} alerts, the most allowed. Take some out first."
                )
            values = {
                "user_id": user_id,
                "symbol": wanted.symbol,
                "condition": wanted.when.value,
                "value": wanted.value,
                "minutes": wanted.minutes,
                "repeat": wanted.repeat.value,
                "cooldown_seconds": wanted.cooldown_seconds,
                "quiet_hours": wanted.quiet_hours,
                "timezone": wanted.timezone,
                "targets": json.dumps(wanted.targets, ensure_ascii=False),
                "price_before": wanted.price_before,
                "state": AlertState.ARMED.value,
                "created_at_ms": now_ms,
                "revision": _next_revision(connection),
            }
            made = connection.execute(insert(alerts), values).inserted_primary_key
            assert made is not None  # noqa: S101 - one row was inserted
            return _stored(connection.execute(_SELECT.where(alerts.c.id == made[0])).one())

        return await self._database.write(change, of=username)

    async def remove(self, username: str, alert_id: int) -> StoredAlert | None:
        """Take an alert out; returns what it was, None where the user has none of this id."""

        def change(connection: Connection) -> StoredAlert | None:
            return _take_out(connection, locked_owner(connection, username, LOCK_USER_THAT_STAYS), alert_id)

        return await self._database.write(change, of=username)

    async def of_user(
        self, username: str, *, symbol: str | None = None, after: int = 0, most: int = AT_ONCE
    ) -> Sequence[StoredAlert]:
        """Some of the user's alerts after the one of this id, in order, with what is untold of them."""
        after = min(after, HIGHEST_ID)
        query = _SELECT.where(users.c.name == username, alerts.c.is_removed.is_(False), alerts.c.id > after)
        if symbol is not None:
            query = query.where(alerts.c.symbol == symbol)
        untold = (
            select(alert_deliveries.c.alert_id, func.count(), func.max(alert_deliveries.c.error))
            .where(*_UNTOLD)
            .group_by(alert_deliveries.c.alert_id)
        )

        def find(connection: Connection) -> Sequence[StoredAlert]:
            rows = connection.execute(query.order_by(alerts.c.id).limit(most)).all()
            of_user = select(users.c.id).where(users.c.name == username).scalar_subquery()
            waiting = {
                alert_id: (count, error)
                for alert_id, count, error in connection.execute(untold.where(alert_deliveries.c.user_id == of_user))
            }
            return [_stored(row, *waiting.get(row[0], (0, None))) for row in rows]

        return await self._database.read(find)

    # --- what whoever judges them does -----------------------------------------------------------------------------

    async def turn(self) -> Turn | None:
        """Who judges the alerts; None where there is nothing to judge yet."""
        row = await self._database.read(lambda connection: connection.execute(_TURN).one_or_none())
        return None if row is None else Turn(*row)

    async def take_turn(self, judge: str, *, until_ms: int, instead_of: Turn | None) -> bool:
        """Have `judge` judge the alerts until then, where it is still `instead_of` who does; None: whoever it is."""
        took = update(alert_revision).values(judge=judge, judge_until_ms=until_ms)
        if instead_of is not None:
            took = took.where(
                alert_revision.c.judge == instead_of.judge, alert_revision.c.judge_until_ms == instead_of.until_ms
            )
        return bool(await self._database.write(lambda connection: connection.execute(took).rowcount))

    async def give_turn_up(self, judge: str) -> None:
        """Let the next one have the turn at once."""
        gives_up = update(alert_revision).where(alert_revision.c.judge == judge).values(judge_until_ms=0)
        await self._database.write(lambda connection: connection.execute(gives_up).close())

    async def revision(self) -> int:
        """The highest revision."""
        return await self._database.read(lambda connection: connection.scalar(_REVISION) or 0)

    async def changed(self, seen: int) -> Sequence[StoredAlert]:
        """What users changed after the revision `seen`, some of it at a time and in order; the removed ones too."""
        return await self._database.read(
            lambda connection: [_stored(row) for row in connection.execute(_CHANGED, {"seen": seen})]
        )

    async def count(self) -> int:
        """How many alerts are armed or hold."""
        query = select(func.count()).where(*_LIVE)
        return await self._database.read(lambda connection: connection.scalar(query) or 0)

    async def count_waiting(self) -> int:
        """How many words no target has taken yet."""
        query = select(func.count()).select_from(alert_deliveries).where(*_UNTOLD)
        return await self._database.read(lambda connection: connection.scalar(query) or 0)

    async def live(self) -> frozenset[int]:
        """The ids of the alerts that are armed or hold."""
        query = select(alerts.c.id).where(*_LIVE)
        return frozenset(await self._database.read(lambda connection: connection.execute(query).scalars().all()))

    async def prices(self) -> Mapping[str, PriceBefore]:
        """The prices by which alerts were judged last."""
        rows = await self._database.read(lambda connection: connection.execute(select(alert_prices)).all())
        return {row[0]: PriceBefore(*row) for row in rows}

    async def write(self, outcome: Outcome, now_ms: int) -> Sequence[int]:
        """Write what came of prices, whole; returns the ids of alerts that did not fire, as others were faster."""

        def change(connection: Connection) -> Sequence[int]:
            refused = [
                each.alert_id for each in sorted(outcome.fired, key=_alert_id) if not _fire(connection, each, now_ms)
            ]
            if outcome.armed:
                connection.execute(_ARM, [{"of_id": alert_id} for alert_id in sorted(outcome.armed)])
            if outcome.prices:
                connection.execute(_UPSERT_PRICE, [price._asdict() for price in sorted(outcome.prices, key=_symbol)])
            return refused

        return await self._database.write(change)

    async def read(self, alert_id: int) -> StoredAlert | None:
        """The alert of this id as it is now."""
        query = _SELECT.where(alerts.c.id == alert_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _stored(row)

    async def forget(self, *, done_before_ms: int, removed_before: int) -> int:
        """Delete what was told before, alerts that were taken out up to a revision, and prices of no alert."""

        def change(connection: Connection) -> int:
            old = (
                select(alert_deliveries.c.delivery_id)
                .where(alert_deliveries.c.done_at_ms < done_before_ms)
                .limit(_PRUNED_AT_ONCE)
            )
            gone = (
                select(alerts.c.id)
                .where(alerts.c.is_removed.is_(True), alerts.c.revision <= removed_before)
                .limit(_PRUNED_AT_ONCE)
            )
            used = select(alerts.c.symbol).where(alerts.c.is_removed.is_(False))
            return sum(
                connection.execute(statement).rowcount
                for statement in (
                    delete(alert_deliveries).where(alert_deliveries.c.delivery_id.in_(old)),
                    delete(alerts).where(alerts.c.id.in_(gone)),
                    delete(alert_prices).where(alert_prices.c.symbol.not_in(used)),
                )
            )

        return await self._database.write(change)

    # --- what is told ----------------------------------------------------------------------------------------------

    async def claim(self, target: str, *, now_ms: int, until_ms: int, most: int) -> Sequence[Claimed]:
        """Take up words to a target that are due: nobody else does before `until_ms`."""

        def change(connection: Connection) -> Sequence[Claimed]:
            asked = {"now": now_ms, "at_target": target, "most": most}
            taken = []
            for word in _claimed(connection.execute(_DUE_AT_A_TARGET, asked)):
                lease = {"of_id": word.delivery_id, "was_due": word.due_at_ms, "until": until_ms}
                if connection.execute(_CLAIM, lease).rowcount:
                    taken.append(word)
            return taken

        if not await self._is_due(target, now_ms):
            return []
        return await self._database.write(change)

    async def take_over(self, now_ms: int) -> None:
        """Have what targets were tried with before as due now: whoever was to try it again may be gone.

        What was written by a clock that has been set back since waits no longer than it was to wait then.
        """
        tried = (
            alert_deliveries.c.due_at_ms > now_ms,
            alert_deliveries.c.attempts > 0,
            alert_deliveries.c.target != SESSIONS,
        )
        again = update(alert_deliveries).where(*tried).values(due_at_ms=now_ms)
        of_later = (
            alert_deliveries.c.due_at_ms > now_ms,
            alert_deliveries.c.created_at_ms > now_ms,
            alert_deliveries.c.attempts == 0,
        )
        # At nearly every start there is nothing of the kind, and what changes nothing waits for no disk.
        later = select(alert_deliveries.c.delivery_id).where(alert_deliveries.c.due_at_ms > now_ms).limit(1)
        if await self._database.read(lambda connection: connection.scalar(later)) is None:
            return
        waits_ms = alert_deliveries.c.due_at_ms - alert_deliveries.c.created_at_ms
        earlier = update(alert_deliveries).where(*of_later).values(due_at_ms=now_ms + waits_ms, created_at_ms=now_ms)

        def change(connection: Connection) -> None:
            connection.execute(again)
            connection.execute(earlier)

        await self._database.write(change)

    async def due_targets(self, now_ms: int) -> frozenset[str]:
        """The targets that words are due to."""
        query = (
            select(alert_deliveries.c.target)
            .distinct()
            .where(alert_deliveries.c.due_at_ms <= now_ms, alert_deliveries.c.target != SESSIONS)
        )
        return frozenset(await self._database.read(lambda connection: connection.execute(query).scalars().all()))

    async def due_to_sessions(self, now_ms: int) -> Sequence[Claimed]:
        """Words to the sessions of users that are due; they are claimed by nobody, since each server has its own.

        Some are read at a time: those of many who are away do not stand before those of others.
        """
        found: list[Claimed] = []
        after = (-1, -1, "")
        while len(found) < _MOST_TO_SESSIONS:
            asked = dict(zip(("after_due", "after_created", "after_id"), after, strict=True))
            page = await self._rows(_DUE_TO_SESSIONS, {"now": now_ms, **asked})
            found += _claimed(page)
            if len(page) < AT_ONCE:
                break
            after = (page[-1].due_at_ms, page[-1].created_at_ms, page[-1].delivery_id)
        return found

    async def waiting_for(self, usernames: Sequence[str], now_ms: int) -> Sequence[Claimed]:
        """Words to the sessions of these users that were put off since the users were away."""
        found: list[Claimed] = []
        for start in range(0, len(usernames), _NAMES_AT_ONCE):
            asked = {"now": now_ms, "names": usernames[start : start + _NAMES_AT_ONCE]}
            after = (-1, "")
            while len(found) < _MOST_TO_SESSIONS:
                # All of them: what is left out here would wait until it is due again.
                aged = dict(zip(("after_created", "after_id"), after, strict=True))
                page = await self._rows(_WAITING_FOR_USERS, {**asked, **aged})
                found += _claimed(page)
                if len(page) < AT_ONCE:
                    break
                after = (page[-1].created_at_ms, page[-1].delivery_id)
        return found

    async def put_off(self, words: Sequence[tuple[str, int]]) -> None:
        """Have words, by their ids, due at a later time, since nobody was there to be told."""
        rows = [{"of_id": delivery_id, "until": due_at_ms} for delivery_id, due_at_ms in words]
        await self._database.write(lambda connection: connection.execute(_PUT_OFF, rows).close())

    async def _rows(self, query: Select[Any], asked: Mapping[str, Any]) -> Sequence[Row[Any]]:
        return await self._database.read(lambda connection: connection.execute(query, asked).all())

    async def settle(self, settled: Sequence[Settled], now_ms: int) -> None:
        """Write down what came of words."""
        rows = [
            {
                "of_id": each.delivery_id,
                "next_due": each.due_at_ms,
                "done": now_ms if each.due_at_ms is None else None,
                "why": each.error,
            }
            for each in settled
        ]
        if rows:
            await self._database.write(lambda connection: connection.execute(_SETTLE, rows).close())

    async def _is_due(self, target: str, now_ms: int) -> bool:
        asked = {"now": now_ms, "at_target": target, "most": 1}
        return await self._database.read(
            lambda connection: connection.execute(_DUE_AT_A_TARGET, asked).first() is not None
        )


def _symbol(price: PriceBefore) -> str:
    return price.symbol


def _alert_id(fired: Fired) -> int:
    return fired.alert_id


def _claimed(rows: Iterable[Row[Any]]) -> list[Claimed]:
    return [
        Claimed(row.delivery_id, row.name, row.target, row.body, row.created_at_ms, row.attempts, row.due_at_ms)
        for row in rows
    ]


def _take_out(connection: Connection, user_id: int, alert_id: int) -> StoredAlert | None:
    """Mark an alert of a user as removed; returns what it was, None where the user has none of this id."""
    if alert_id > HIGHEST_ID:
        return None
    where = (alerts.c.id == alert_id, alerts.c.user_id == user_id, alerts.c.is_removed.is_(False))
    found = connection.execute(_SELECT.where(*where)).one_or_none()
    if found is None:
        return None
    values = {"is_removed": True, "revision": _next_revision(connection)}
    connection.execute(update(alerts).where(alerts.c.id == alert_id).values(values))
    return _stored(found)


def _fire(connection: Connection, fired: Fired, now_ms: int) -> bool:
    """Write that an alert fired, with its words; False where another one did, or it is there no longer."""
    values = {
        "of_id": fired.alert_id,
        "after": fired.after,
        "new_state": fired.state.value,
        "new_why": fired.why,
        "at": fired.fired_at_ms,
        "count": fired.count,
        "told": fired.message,
    }
    if not connection.execute(_FIRE, values).rowcount:
        return False
    user_id = connection.scalar(_OWNER, {"of_id": fired.alert_id})
    rows = [
        {
            "delivery_id": word.delivery_id,
            "alert_id": fired.alert_id,
            "user_id": user_id,
            "target": word.target,
            "body": word.body,
            "created_at_ms": now_ms,
            "due_at_ms": word.due_at_ms,
        }
        for word in fired.words
    ]
    if rows:
        connection.execute(insert(alert_deliveries), rows)
    return True


def _next_revision(connection: Connection) -> int:
    """The next revision; until the transaction ends nobody else gets one."""
    if not connection.execute(update(alert_revision).values(revision=alert_revision.c.revision + 1)).rowcount:
        connection.execute(text("INSERT INTO alert_revision (id, revision) VALUES (1, 0) ON CONFLICT (id) DO NOTHING"))
        connection.execute(update(alert_revision).values(revision=alert_revision.c.revision + 1))
    return int(connection.scalar(_REVISION) or 0)


def _stored(row: Sequence[Any], undelivered: int = 0, error: str | None = None) -> StoredAlert:
    """The alert of a row of `_COLUMNS`."""
    (
        alert_id,
        username,
        symbol,
        when,
        value,
        minutes,
        repeat,
        cooldown_seconds,
        quiet_hours,
        timezone,
        targets,
        price_before,
        state,
        why,
        created_at_ms,
        fired_at_ms,
        fired_count,
        message,
        revision,
        is_removed,
    ) = row
    wanted = NewAlert(
        symbol,
        AlertWhen(when),
        value,
        minutes,
        Repeat(repeat),
        cooldown_seconds,
        quiet_hours,
        timezone,
        tuple(json.loads(targets)),
        price_before,
    )
    return StoredAlert(
        alert_id,
        username,
        wanted,
        AlertState(state),
        why,
        created_at_ms,
        fired_at_ms,
        fired_count,
        message,
        revision,
        is_removed,
        undelivered,
        error,
    )
