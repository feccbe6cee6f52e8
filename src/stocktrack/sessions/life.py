"""A session's life: its states, what leads from one to the next, and who may do what in each."""

from collections.abc import Mapping
from enum import Enum

from stocktrack.messages import Who


class SessionState(Enum):
    """Where a session is in its life."""

    GREETED = "greeted"
    GUEST = "guest"
    AUTHENTICATED = "authenticated"
    ENDED = "ended"


class Step(Enum):
    """What happens to a session."""

    WELCOMED = "welcomed as a guest"
    LOGGED_IN = "logged in"
    ENDED = "ended"


# A missing key is a mistake of ours: nothing that a client sends leads there.
TRANSITIONS: Mapping[tuple[SessionState, Step], SessionState] = {
    (SessionState.GREETED, Step.WELCOMED): SessionState.GUEST,
    (SessionState.GREETED, Step.LOGGED_IN): SessionState.AUTHENTICATED,
    (SessionState.GUEST, Step.LOGGED_IN): SessionState.AUTHENTICATED,
    (SessionState.GREETED, Step.ENDED): SessionState.ENDED,
    (SessionState.GUEST, Step.ENDED): SessionState.ENDED,
    (SessionState.AUTHENTICATED, Step.ENDED): SessionState.ENDED,
}

# Whose commands are taken in which state; each command says in its row of `COMMANDS` whose it is. Whether a user is an
# administrator is seen when the command comes: the state does not know it.
PERMISSIONS: Mapping[SessionState, frozenset[Who]] = {
    SessionState.GREETED: frozenset({Who.ANYBODY, Who.STRANGERS}),
    SessionState.GUEST: frozenset({Who.ANYBODY, Who.STRANGERS, Who.GUESTS}),
    SessionState.AUTHENTICATED: frozenset({Who.ANYBODY, Who.GUESTS, Who.USERS, Who.ADMINS}),
    SessionState.ENDED: frozenset(),
}
