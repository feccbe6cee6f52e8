"""What users change in their saved lists, told to their sessions at all servers: a message a change, and no answers."""

from collections.abc import Collection
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stocktrack.cluster.bus import Bus
from stocktrack.messages import MAX_LISTS, ListName, Username
from stocktrack.sessions.contracts import Asker
from stocktrack.sessions.list_news import ListNewsroom

# A command names all lists at most, and one of them by two names.
_MOST_NAMES = MAX_LISTS + 1


class Changed(BaseModel):
    """Which lists a user has changed at another server."""

    model_config = ConfigDict(frozen=True)
    username: Username
    lists: Annotated[tuple[ListName, ...], Field(min_length=1, max_length=_MOST_NAMES)]


class ClusterListNews:
    """The sessions of all servers that are there; satisfies `ListNews`.

    Where the others cannot be reached their sessions learn of it when they read the list again.
    """

    def __init__(self, local: ListNewsroom, bus: Bus) -> None:
        self._local = local
        self._bus = bus
        bus.on("lists", Changed, self._changed)

    def follow(self, session: Asker, *, is_wanted: bool) -> None:
        """Tell a session of this server from now on, or no longer."""
        self._local.follow(session, is_wanted=is_wanted)

    def changed(self, username: str, list_names: Collection[str], by: Asker | None) -> None:
        """Have it told soon here and at the others."""
        self._local.changed(username, list_names, by)
        if list_names:
            self._bus.tell("lists", Changed(username=username, lists=tuple(list_names)[:_MOST_NAMES]))

    async def _changed(self, changed: Changed, _sender: str) -> None:
        self._local.changed(changed.username, changed.lists, None)
