"""How many sessions each user has over all servers: counted in Redis, where no two servers give away the last one.

One pipeline at a time goes to Redis, in the order in which things happened here, so that an older count never takes
the place of a newer one. What a server says of its own sessions is how many there are, never one more or less: what is
lost is mended by the next word.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from stocktrack.clock import Clock, within
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import SERVERS, seats_name

if TYPE_CHECKING:
    from redis.asyncio import Redis

# Longer than this no login waits for Redis; then what is counted here decides alone.
PATIENCE_SECONDS: Final = 1.0
_AT_ONCE: Final = 500
_RETRY_SECONDS: Final = 0.2
# What nobody has told again for so long is gone; it is told again in half that time.
_KEPT_SECONDS: Final = 3_600
RETELL_SECONDS: Final = _KEPT_SECONDS / 2
# ARGV: this server, its sessions of the user with the new one, how many of those are behind REST, the most, and how
# long the key is kept. REST has one session a server for what a user sees as one, so it counts with the most of any
# server, and not with all. Servers that are not there count for nothing.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lines, rest = ARGV[2] - ARGV[3], ARGV[3] + 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] then
    local over = tonumber(string.match(redis.call('HGET', KEYS[2], all[i]) or '', '^%d+'))
    local n, r = string.match(all[i + 1], '^(%d+) (%d+)$')
    if over and over > now and n then
      lines = lines + n - r
      rest = math.max(rest, r + 0)
    else
      redis.call('HDEL', KEYS[1], all[i])
    end
  end
end
if lines + rest > ARGV[4] + 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class Held(Protocol):
    """The sessions of this server. `Sessions` is the real one."""

    @property
    def most_of_user(self) -> int:
        """How many sessions a user may have; 0 for no limit."""
        ...

    def users(self) -> Collection[str]:
        """Those who are logged in."""
        ...

    def held_by(self, username: str) -> tuple[int, int]:
        """How many sessions a user has here, and how many of them are behind REST."""
        ...


class ClusterSeats:
    """Satisfies `Seats`. `run` for as long as the server does; ``is_alone()`` where Redis is away."""

    def __init__(
        self,
        redis: "Redis",
        place: str,
        clock: Clock,
        server: str,
        *,
        held: Callable[[], Held],
        is_alone: Callable[[], bool],
    ) -> None:
        self._redis = redis
        self._place = place
        self._clock = clock
        self._server = server
        self._held = held
        self._is_alone = is_alone
        self._reserved: Counter[str] = Counter()
        self._reserved_rest: Counter[str] = Counter()
        self._asked: list[tuple[str, int, int, int, asyncio.Future[bool]]] = []
        self._changed: dict[str, None] = {}
        self._has_work = asyncio.Event()

    async def take(self, username: str, most: int, *, is_rest: bool) -> Callable[[], None] | None:
        """Room for one more session of a user, of at most so many; None where there is none.

        Where Redis does not answer there is room: what this server counts by itself decides.
        """
        self._reserved[username] += 1
        self._reserved_rest[username] += is_rest
        leave = partial(self._leave, username, is_rest=is_rest)
        if self._is_alone():
            return leave
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((username, *self._count(username), most, answer))
        self._has_work.set()
        try:
            may = await within(self._clock, PATIENCE_SECONDS, answer)
        except TimeoutError:
            may = True
        except BaseException:
            leave()
            raise
        if not may:
            leave()
            return None
        return leave

    def changed(self, username: str) -> None:
        """A user has fewer sessions here than before."""
        if self._held().most_of_user:
            self._changed[username] = None
            self._has_work.set()

    def tell_all(self) -> None:
        """Say of everybody again how many sessions there are."""
        for username in self._held().users():
            self.changed(username)

    async def run(self) -> None:
        """Take what was asked and changed to Redis, until it is cancelled."""
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._asked or self._changed:
                asked, self._asked = self._asked[:_AT_ONCE], self._asked[_AT_ONCE:]
                changed = list(self._changed)[:_AT_ONCE]
                for username in changed:
                    del self._changed[username]
                await self._take_to_redis(asked, changed)

    async def retell(self) -> None:
        """Say now and then how many sessions there are, until it is cancelled: nothing is kept in Redis for ever."""
        while True:
            await self._clock.sleep(RETELL_SECONDS)
            self.tell_all()

    async def _take_to_redis(
        self, asked: list[tuple[str, int, int, int, asyncio.Future[bool]]], changed: list[str]
    ) -> None:
        answers: list[object] = []
        try:
            with translated(self._place):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for username, count, rest, most, _ in asked:
                        keys = (seats_name(username), SERVERS)
                        pipe.eval(_TAKE, 2, *keys, self._server, str(count), str(rest), str(most), str(_KEPT_SECONDS))
                    for username in changed:
                        self._note(pipe, username)
                    answers = await pipe.execute(raise_on_error=False)
        except EngineError:
            self._changed |= dict.fromkeys(changed)  # the beat tells the log
        for place, (*_, answer) in enumerate(asked):
            if not answer.done():
                answer.set_result(place >= len(answers) or answers[place] != 0)
        if not answers:
            await self._clock.sleep(_RETRY_SECONDS)

    def _note(self, pipe: "Redis", username: str) -> None:
        count, rest = self._count(username)
        if count:
            pipe.hset(seats_name(username), self._server, f"{count} {rest}")
            pipe.expire(seats_name(username), _KEPT_SECONDS)
        else:
            pipe.hdel(seats_name(username), self._server)

    def _count(self, username: str) -> tuple[int, int]:
        count, rest = self._held().held_by(username)
        return count + self._reserved[username], rest + self._reserved_rest[username]

    def _leave(self, username: str, *, is_rest: bool) -> None:
        self._reserved[username] -= 1
        self._reserved_rest[username] -= is_rest
        for reserved in (self._reserved, self._reserved_rest):
            if reserved[username] <= 0:
                del reserved[username]
        self.changed(username)
