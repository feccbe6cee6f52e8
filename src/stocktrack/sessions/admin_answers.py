"""What the commands of administrators answer: who is connected, who has an account, and what is done about it."""

from stocktrack.messages import (
    Announce,
    AnnounceReply,
    Kick,
    KickReply,
    ListSessions,
    ListUsers,
    SessionsReply,
    UserInfo,
    UsersReply,
)
from stocktrack.sessions.answering import answers
from stocktrack.sessions.contracts import Asker

# A name has up to 64 characters of up to four bytes each: so many fit on a line in any case.
USERS_A_PAGE = 500


@answers(ListSessions)
async def sessions(session: Asker, command: ListSessions) -> SessionsReply:
    """Who is connected."""
    page = await session.services.administration.page(command.after, is_brief=bool(command.brief))
    return SessionsReply(
        id=command.id,
        sessions=page.sessions,
        count=page.count,
        more=page.more,
        own=session.name,
        partial=True if page.partial else None,
        message=page.partial,
    )


@answers(ListUsers)
async def users(session: Asker, command: ListUsers) -> UsersReply:
    """Who has an account, and how many sessions each has now."""
    now_ms = session.services.clock.now_ms()
    rows, count = await session.services.authenticator.users_after(command.after, USERS_A_PAGE + 1)
    listed = rows[:USERS_A_PAGE]
    held = await session.services.administration.count_of([row.name for row in listed])
    return UsersReply(
        id=command.id,
        users=tuple(
            UserInfo(
                username=row.name,
                created_at=row.created_at_ms,
                is_admin=row.is_admin,
                is_disabled=row.is_disabled,
                saved_count=row.saved_count,
                tokens=len(row.token_ids),
                sessions=sessions,
                muted_until=row.muted_until_ms if (row.muted_until_ms or 0) > now_ms else None,
            )
            for row, sessions in zip(listed, held.counts, strict=True)
        ),
        count=count,
        more=len(rows) > USERS_A_PAGE,
        partial=True if held.partial else None,
        message=held.partial,
    )


@answers(Kick)
async def kick(session: Asker, command: Kick) -> KickReply:
    """End a session, or all of a user."""
    administration = session.services.administration
    if command.username is not None:
        ended = await administration.kick_user(command.username, session)
        return KickReply(
            id=command.id,
            username=command.username,
            count=ended.count,
            partial=True if ended.partial else None,
            message=ended.partial,
        )
    assert command.session is not None  # noqa: S101 - the model lets no KICK through that has neither
    username = await administration.kick(command.session, session)
    return KickReply(id=command.id, session=command.session, username=username, count=1)


@answers(Announce)
async def announce(session: Asker, command: Announce) -> AnnounceReply:
    """Tell everybody something."""
    told = await session.services.administration.announce(command.text, session)
    return AnnounceReply(
        id=command.id, recipients=told.count, partial=True if told.partial else None, message=told.partial
    )
