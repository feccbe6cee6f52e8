"""What SAY and MUTE answer: a word to the others, and who may say none for a while."""

from datetime import UTC, datetime

from stocktrack.errors import CommandError, Reason
from stocktrack.messages import MAX_SAID_CHARS, Mute, MuteReply, Said, Say, SayReply
from stocktrack.quotes import clean_text
from stocktrack.sessions.answering import answers
from stocktrack.sessions.contracts import Asker
from stocktrack.system.acts import Act


@answers(Say)
async def say(session: Asker, command: Say) -> SayReply:
    """Tell the others something, at all servers that know of each other."""
    services = session.services
    if not services.rules.chat:
        raise CommandError(Reason.NOT_OFFERED, "The operator of this server has switched chat off.")
    text = clean_text(command.text, MAX_SAID_CHARS)
    if not text:
        raise CommandError(Reason.INVALID_COMMAND, "SAY: the field 'text' holds nothing that can be shown.")
    await _check_may_speak(session)
    said = Said(username=session.user, symbol=command.symbol, text=text, timestamp=services.clock.now_ms())
    told = await services.chat.say(said, session)
    return SayReply(id=command.id, recipients=told.count, partial=True if told.partial else None, message=told.partial)


@answers(Mute)
async def mute(session: Asker, command: Mute) -> MuteReply:
    """Let a user say nothing for so many minutes, at every server of this database; with 0 minutes, talk again."""
    until_ms = await session.services.authenticator.mute(command.username, command.minutes)
    session.services.trail.record(
        Act.USER_MUTED if until_ms is not None else Act.USER_UNMUTED,
        address=session.address,
        door=session.door,
        user=command.username,
        by=session.user,
        minutes=command.minutes or None,
        session=session.name,
    )
    return MuteReply(id=command.id, username=command.username, muted_until=until_ms)


async def _check_may_speak(session: Asker) -> None:
    user = await session.services.authenticator.user(session.user)
    until_ms = user.muted_until_ms if user is not None else None
    if until_ms is not None and session.services.clock.now_ms() < until_ms:
        until = datetime.fromtimestamp(until_ms / 1000, tz=UTC)
        raise CommandError(Reason.NOT_PERMITTED, f"An administrator has muted you until {until:%Y-%m-%d %H:%M:%S} UTC.")
