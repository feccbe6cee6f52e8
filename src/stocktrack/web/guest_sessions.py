"""The sessions of guests who send requests: one an address, so that a thousand requests are one guest.

Its commands a second and its requests to the sources are counted together, and nobody else's with them. Who sends none
for `guest_idle_seconds` is a guest no more, as behind a WebSocket.
"""

from stocktrack.sessions.open_sessions import Sessions
from stocktrack.system.addresses import address_group
from stocktrack.web.rest.sessions import RestSession, RestSessions


class GuestSessions:
    """The guests by their addresses; an IPv6 address counts by its /64. Who is a guest, the caller decides."""

    def __init__(self, sessions: Sessions, rest: RestSessions) -> None:
        self._sessions = sessions
        self._rest = rest
        self._by_address: dict[tuple[str, bool], RestSession] = {}

    def __len__(self) -> int:
        return len(self._by_address)

    def of_address(self, address: str, *, is_forwarded: bool) -> RestSession:
        """The session of the guest at `address`; `SessionEnd` where there are too many guests."""
        key = address_group(address), is_forwarded
        found = self._by_address.get(key)
        if found is None or not found.is_open:
            self._forget(key)
            found = self._open_for(key, address, is_forwarded=is_forwarded)
        self._sessions.note_use(found.session)
        return found

    def close(self) -> None:
        """Close all of them."""
        for key in tuple(self._by_address):
            self._forget(key)

    def _open_for(self, key: tuple[str, bool], address: str, *, is_forwarded: bool) -> RestSession:
        found = self._rest.open(address, lambda: self._ended(key, found), is_forwarded=is_forwarded)
        why_not = found.session.welcome_guest()
        if why_not is not None:
            self._rest.close_session(found)
            raise why_not
        self._by_address[key] = found
        return found

    def _ended(self, key: tuple[str, bool], session: RestSession) -> None:
        self._rest.close_session(session)
        if self._by_address.get(key) is session:
            del self._by_address[key]

    def _forget(self, key: tuple[str, bool]) -> None:
        if (found := self._by_address.pop(key, None)) is not None:
            self._rest.close_session(found)
