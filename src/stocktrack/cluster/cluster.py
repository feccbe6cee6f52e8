"""This server among those at the same Redis: its name, its place on the bus, and what counts over all of them."""

import contextlib
import secrets
from typing import Final

from stocktrack.accounts.throttle import LoginThrottle
from stocktrack.clock import Clock
from stocktrack.cluster.administration import ClusterAdministration
from stocktrack.cluster.bus import Bus
from stocktrack.cluster.chat import ClusterChat
from stocktrack.cluster.counting import share_counts
from stocktrack.cluster.figures import ClusterFigures
from stocktrack.cluster.list_news import ClusterListNews
from stocktrack.cluster.seats import ClusterSeats, Held
from stocktrack.engine.client import open_redis, place_of
from stocktrack.sessions.administration import SessionAdministration
from stocktrack.sessions.chat import ChatRoom
from stocktrack.sessions.contracts import Administration, Chat, ListNews, Seats
from stocktrack.sessions.list_news import ListNewsroom
from stocktrack.sessions.open_sessions import Sessions

# What people can read out to each other; of thirty servers at one Redis two have one name once in 60,000 times.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_NAME_CHARS: Final = 5
TIMEOUT_SECONDS: Final = 1.0
# A Redis that is there answers within milliseconds.
JOIN_SECONDS: Final = 1.5


class Cluster:
    """Satisfies `Surroundings`. `start` with its sessions, then `close`; where Redis is away the server is alone."""

    def __init__(self, redis_url: str, clock: Clock) -> None:
        self._redis = open_redis(redis_url, timeout_seconds=TIMEOUT_SECONDS)
        place = place_of(redis_url)
        name = "".join(secrets.choice(_ALPHABET) for _ in range(_NAME_CHARS))
        self.bus = Bus(self._redis, place, clock, name)
        self._sessions: Held | None = None
        self._seats = ClusterSeats(
            self._redis, place, clock, name, held=self._held, is_alone=lambda: self.bus.why_alone is not None
        )
        self.bus.joined = self._seats.tell_all

    def figures(self) -> ClusterFigures:
        """What `/metrics` tells of it."""
        return ClusterFigures(self.bus)

    @property
    def server(self) -> str:
        """The name of this server, which stands in the names of its sessions."""
        return self.bus.name

    @property
    def seats(self) -> Seats:
        """Counts the sessions of each user over all servers."""
        return self._seats

    def administration(self, local: SessionAdministration) -> Administration:
        """What an administrator does with the sessions of all servers."""
        return ClusterAdministration(local, self.bus)

    def chat(self, local: ChatRoom) -> Chat:
        """Tells the sessions of all servers what a user says."""
        return ClusterChat(local, self.bus)

    def list_news(self, local: ListNewsroom) -> ListNews:
        """Tells the sessions of all servers what users change in their lists."""
        return ClusterListNews(local, self.bus)

    async def start(self, sessions: Sessions, throttle: LoginThrottle) -> None:
        """Join the others, before any client comes; where Redis is not there, as soon as it is."""
        self._sessions = sessions
        share_counts(self.bus, sessions, throttle)
        for name, work in (
            ("other servers", self.bus.run),
            ("users' sessions", self._seats.run),
            ("users' sessions, again", self._seats.retell),
        ):
            sessions.supervisor.run(name, work)
        await self.bus.until_up(JOIN_SECONDS)

    async def close(self) -> None:
        """Leave the others; its tasks were ended with those of the sessions."""
        await self.bus.close()
        with contextlib.suppress(Exception):  # they are given up in any case
            await self._redis.aclose()

    def _held(self) -> Held:
        assert self._sessions is not None  # noqa: S101 - `start` comes before any client
        return self._sessions
