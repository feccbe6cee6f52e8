"""What the commands of alerts answer."""

from collections.abc import Sequence

from stocktrack.alert_targets.base import TargetError
from stocktrack.errors import Code, CommandError
from stocktrack.messages import (
    Alert,
    AlertInfo,
    AlertReply,
    AlertTest,
    AlertTestReply,
    MyAlerts,
    MyAlertsReply,
    Unalert,
    UnalertReply,
)
from stocktrack.sessions.answering import REPLY_HEAD_BYTES, answers
from stocktrack.sessions.contracts import Asker
from stocktrack.storage.alerts import NewAlert, StoredAlert

# So many are read for a page, which has room for more of them than that only where they have told little so far.
_MOST_OF_A_PAGE = 500


@answers(Alert)
async def alert(session: Asker, command: Alert) -> AlertReply:
    """Tell the user when a condition holds; the alert is on disk when this is answered."""
    desk, symbol = session.services.alerts, command.symbol
    desk.check_targets(session.user, command.targets)
    error = (await session.services.feed.known((symbol,), session)).get(symbol)
    if error is not None and error.code is Code.NOT_FOUND:
        raise CommandError(error.reason, error.message)
    await session.check_login()  # the source may have taken its time
    quote = session.services.board.quote(symbol)
    wanted = NewAlert(
        symbol,
        command.when,
        command.value,
        command.minutes,
        command.repeat,
        command.cooldown_seconds,
        command.quiet_hours,
        command.timezone,
        tuple(dict.fromkeys(command.targets)),
        quote.price if quote is not None and not quote.stale else None,
    )
    replaced = None if command.replaces is None else _number(command.replaces)
    return AlertReply(id=command.id, alert=_as_info(await desk.add(session.user, wanted, replaced=replaced)))


@answers(MyAlerts)
async def my_alerts(session: Asker, command: MyAlerts) -> MyAlertsReply:
    """The user's alerts, as many as one line can carry, and the targets there are."""
    desk = session.services.alerts
    after = 0 if command.after is None else _number(command.after)
    found = await desk.of_user(session.user, symbol=command.symbol, after=after, most=_MOST_OF_A_PAGE + 1)
    infos = _first_infos(found[:_MOST_OF_A_PAGE], session.services.rules.max_reply_bytes - REPLY_HEAD_BYTES)
    return MyAlertsReply(
        id=command.id,
        alerts=tuple(infos),
        targets=tuple(desk.targets_of(session.user)),
        more=True if len(infos) < len(found) else None,
    )


@answers(Unalert)
async def unalert(session: Asker, command: Unalert) -> UnalertReply:
    """Take an alert out."""
    removed = await session.services.alerts.remove(session.user, _number(command.alert))
    return UnalertReply(id=command.id, alert=command.alert, symbol=removed.wanted.symbol)


@answers(AlertTest)
async def test_alert(session: Asker, command: AlertTest) -> AlertTestReply:
    """Try a target with a test message, once."""
    try:
        await session.services.alerts.test(session.user, command.target)
    except TargetError as error:
        return AlertTestReply(id=command.id, target=command.target, delivered=False, message=error.message)
    return AlertTestReply(
        id=command.id, target=command.target, delivered=True, message=f"{command.target} took a test message."
    )


def _number(name: str) -> int:
    """The number in an alert's name, which the model has checked: of eighteen digits at most."""
    return int(name[1:])


def _first_infos(found: Sequence[StoredAlert], room_bytes: int) -> list[AlertInfo]:
    infos: list[AlertInfo] = []
    for each in found:
        info = _as_info(each)
        room_bytes -= len(info.model_dump_json(exclude_none=True).encode()) + 1
        if room_bytes < 0 and infos:
            break
        infos.append(info)
    return infos


def _as_info(stored: StoredAlert) -> AlertInfo:
    wanted = stored.wanted
    return AlertInfo(
        alert=f"a{stored.id}",
        symbol=wanted.symbol,
        when=wanted.when,
        value=wanted.value,
        minutes=wanted.minutes,
        repeat=wanted.repeat,
        cooldown_seconds=wanted.cooldown_seconds,
        quiet_hours=wanted.quiet_hours,
        timezone=wanted.timezone,
        targets=wanted.targets,
        state=stored.state,
        why=stored.why,
        created_at=stored.created_at_ms,
        fired_at=stored.fired_at_ms,
        fired_count=stored.fired_count,
        message=stored.message,
        undelivered=stored.undelivered or None,
        error=stored.error if stored.undelivered else None,
    )
