"""What an administrator does with the sessions of all servers: what is done here is done at the others too."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stocktrack.cluster.bus import Bus, Gathered, checked
from stocktrack.messages import SessionInfo
from stocktrack.sessions.administration import (
    PAGE_BYTES,
    SessionAdministration,
    bytes_of,
    no_such_session,
    none_of_user,
)
from stocktrack.sessions.contracts import Asker, HeldSessions, Reached, SessionPage
from stocktrack.sessions.names import read_session_name

_SESSIONS: TypeAdapter[tuple[SessionInfo, ...]] = TypeAdapter(tuple[SessionInfo, ...])


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Administrator(_Told):
    """Who it was, at another server; satisfies `Doer`."""

    address: str
    door: str
    username: str | None

    @classmethod
    def of(cls, asker: Asker) -> "Administrator":
        """The administrator who asks here."""
        return cls(address=asker.address, door=asker.door, username=asker.username)


class CountSessions(_Told):
    """Ask how many sessions there are."""


class ListSome(_Told):
    """Ask for the sessions from a number on, as many as fit into so many bytes."""

    first: int = Field(ge=0)
    room_bytes: int = Field(ge=1, le=PAGE_BYTES)
    is_brief: bool = False


class CountOf(_Told):
    """Ask how many sessions each of some users has."""

    usernames: tuple[str, ...] = Field(max_length=1_000)


class KickOne(_Told):
    """End one session."""

    session: str
    by: Administrator


class KickAll(_Told):
    """End all sessions of a user."""

    username: str
    by: Administrator


class TellAll(_Told):
    """Tell every session that is logged in something."""

    text: str
    by: Administrator


class ClusterAdministration:
    """The sessions of all servers that are there; satisfies `Administration`.

    Whether somebody is an administrator was looked at by the server that the command came to. The trail is told at
    each server whose sessions it concerned.
    """

    def __init__(self, local: SessionAdministration, bus: Bus) -> None:
        self._local = local
        self._bus = bus
        bus.on("count", CountSessions, self._count)
        bus.on("list", ListSome, self._list)
        bus.on("count_of", CountOf, self._count_of)
        bus.on("kick", KickOne, self._kick)
        bus.on("kick_user", KickAll, self._kick_user)
        bus.on("announce", TellAll, self._announce)

    async def count_of(self, usernames: Sequence[str]) -> HeldSessions:
        """How many sessions each of these users has now, at all servers together."""
        counts = [*(await self._local.count_of(usernames)).counts]
        gathered = await self._bus.ask_all("count_of", CountOf(usernames=tuple(usernames)))
        for answer in gathered.answers.values():
            told = answer.get("counts")
            # Of a server of an earlier version, which does not know the question, nothing comes.
            if isinstance(told, list) and len(told) == len(counts) and all(type(each) is int for each in told):
                counts = [count + max(0, each) for count, each in zip(counts, told, strict=True)]
        return HeldSessions(counts, gathered.partial)

    async def page(self, after: str | None, *, is_brief: bool = False) -> SessionPage:
        """The sessions after the one named `after`: server by server, and of each in the order in which they came."""
        number, server = (None, "") if after is None else read_session_name(after)
        counts = await self._bus.ask_all("count", CountSessions())
        count = self._local.count + _sum(counts)
        listed: tuple[SessionInfo, ...] = ()
        room_bytes = PAGE_BYTES
        for name in sorted({self._bus.name, *counts.answers}):
            if name < (server or ""):
                continue
            first = number + 1 if number is not None and name == server else 0
            page = await self._page_of(name, first, room_bytes, is_brief=is_brief)
            listed += page.sessions
            room_bytes -= sum(map(bytes_of, page.sessions))
            if page.more or room_bytes <= 0:
                return SessionPage(listed, count, more=True, partial=counts.partial)
        return SessionPage(listed, count, more=False, partial=counts.partial)

    async def kick(self, name: str, by: Asker) -> str | None:
        """End the session of this name and return its user; `CommandError` where there is none, or it is `by`'s own."""
        _, server = read_session_name(name)
        if server is None or server == self._bus.name:
            return await self._local.kick(name, by)
        asked = KickOne(session=name, by=Administrator.of(by))
        answer = await self._bus.ask_one(server, "kick", asked)
        if answer is None:
            raise no_such_session(name)
        username = checked(answer).get("username")
        self._local.tell_kicked(name, by, username=username if isinstance(username, str) else None, server=server)
        return username if isinstance(username, str) else None

    async def kick_user(self, username: str, by: Asker) -> Reached:
        """End all sessions of a user but `by`; `CommandError` where there are none."""
        ended = await self._local.end_all_of(username, by)
        others = await self._bus.ask_all("kick_user", KickAll(username=username, by=Administrator.of(by)))
        if not (count := ended + _sum(others)):
            raise none_of_user(username, f" {others.partial}" if others.partial else "")
        return Reached(count, others.partial)

    async def announce(self, text: str, by: Asker) -> Reached:
        """Tell every session that is logged in."""
        told = await self._local.tell_all(text, by)
        others = await self._bus.ask_all("announce", TellAll(text=text, by=Administrator.of(by)))
        return Reached(told + _sum(others), others.partial)

    async def _page_of(self, server: str, first: int, room_bytes: int, *, is_brief: bool) -> SessionPage:
        if server == self._bus.name:
            return await self._local.page_from(first, room_bytes, is_brief=is_brief)
        asked = ListSome(first=first, room_bytes=room_bytes, is_brief=is_brief)
        answer = await self._bus.ask_one(server, "list", asked)
        try:
            told = checked(answer or {})
            return SessionPage(_SESSIONS.validate_python(told["sessions"]), 0, more=bool(told["more"]))
        except (KeyError, ValidationError):
            return SessionPage((), 0, more=False)  # it is gone since

    # --- what others ask -----------------------------------------------------------------------------------------

    async def _count(self, _asked: CountSessions, _sender: str) -> dict[str, Any]:
        return {"count": self._local.count}

    async def _list(self, asked: ListSome, _sender: str) -> dict[str, Any]:
        page = await self._local.page_from(asked.first, asked.room_bytes, is_brief=asked.is_brief)
        sessions = [info.model_dump(mode="json", exclude_none=True) for info in page.sessions]
        return {"sessions": sessions, "more": page.more}

    async def _count_of(self, asked: CountOf, _sender: str) -> dict[str, Any]:
        return {"counts": [*(await self._local.count_of(asked.usernames)).counts]}

    async def _kick(self, asked: KickOne, _sender: str) -> dict[str, Any]:
        return {"username": self._local.end_one(asked.session, asked.by)}

    async def _kick_user(self, asked: KickAll, _sender: str) -> dict[str, Any]:
        return {"count": await self._local.end_all_of(asked.username, asked.by)}

    async def _announce(self, asked: TellAll, _sender: str) -> dict[str, Any]:
        return {"count": await self._local.tell_all(asked.text, asked.by)}


def _sum(gathered: Gathered) -> int:
    counts = (answer.get("count") for answer in gathered.answers.values())
    return sum(count for count in counts if isinstance(count, int) and count > 0)
