"""Where each user logged in lately: what others do elsewhere with the user's name does not shut the user out there."""

from collections import OrderedDict

from stocktrack.clock import Clock

PLACE_DAYS = 30
MAX_USERS = 20_000
MAX_PLACES = 16  # of one user

_SECONDS = PLACE_DAYS * 86_400.0


class Places:
    """The networks that users logged in from; a user's are kept for a month after the last login from there.

    They are kept for the life of the process. After a restart everybody comes from a new place, and has the way in of
    whoever does.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Until when each counts. The user who did not log in for the longest time stands first, and so does the place.
        self._until: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._until.values()))

    def add(self, name: str, network: str) -> None:
        """The user of this name logged in from there now."""
        places = self._until.setdefault(name, OrderedDict())
        places[network] = self._clock.monotonic() + _SECONDS
        places.move_to_end(network)
        self._until.move_to_end(name)
        if len(places) > MAX_PLACES:
            places.popitem(last=False)
        if len(self._until) > MAX_USERS:
            self._until.popitem(last=False)

    def has(self, name: str, network: str) -> bool:
        """Whether the user of this name logged in from there lately."""
        places = self._until.get(name)
        return places is not None and places.get(network, 0.0) > self._clock.monotonic()
