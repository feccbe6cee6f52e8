"""Who is there: each server says so every second, and is forgotten where it does not, by Redis's own clock."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import SERVERS

if TYPE_CHECKING:
    from redis.asyncio import Redis

BEAT_SECONDS: Final = 1.0
# A server that was killed is out after this.
ALIVE_SECONDS: Final = 3.0
_ALIVE_MS: Final = round(ALIVE_SECONDS * 1000)
# Says that ARGV[1] is there, if ARGV[2] tells who it is, and returns whether it was there before, and all who are.
# The hash itself is gone soon after the last of them.
_BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local was = redis.call('HEXISTS', KEYS[1], ARGV[1])
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now + ARGV[3]) .. ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3] * 10)
end
local there = {was}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local over = tonumber(string.match(all[i + 1], '^%d+'))
  if not over or over <= now then
    if all[i] == ARGV[1] then there[1] = 0 end
    redis.call('HDEL', KEYS[1], all[i])
  else
    there[#there + 1] = all[i]
    there[#there + 1] = all[i + 1]
  end
end
return there
"""


@dataclass(frozen=True, slots=True)
class Present:
    """A server that is there: its name, and how people find it."""

    name: str
    host: str = ""
    pid: int = 0

    def __str__(self) -> str:
        return f"{self.name}, process {self.pid} on {self.host}" if self.pid else self.name


class Presence:
    """Says that the server `name` is there, and knows which others are; every method may raise `EngineError`."""

    def __init__(self, redis: "Redis", place: str, name: str) -> None:
        self._redis = redis
        self._place = place
        self._name = name
        self._facts = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})

    async def beat(self) -> bool:
        """Say that it is there; False where Redis did not know: it is new there, was away too long, or forgotten."""
        was_there, _ = await self._ask(self._facts)
        return was_there

    async def others(self) -> Mapping[str, Present]:
        """The other servers that are there, by name."""
        _, there = await self._ask("")
        return {name: present for name, present in sorted(there.items()) if name != self._name}

    async def leave(self) -> None:
        """Say that it is there no more."""
        with translated(self._place):
            await self._redis.hdel(SERVERS, self._name)

    async def _ask(self, facts: str) -> tuple[bool, dict[str, Present]]:
        with translated(self._place):
            was_there, *there = await self._redis.eval(_BEAT, 1, SERVERS, self._name, facts, str(_ALIVE_MS))
        try:
            return bool(was_there), {
                (present := _read(name, value)).name: present
                for name, value in zip(there[::2], there[1::2], strict=True)
            }
        except (TypeError, ValueError):
            raise EngineError(f"{self._place} answered what makes no sense.") from None


def _read(name: bytes, value: bytes) -> Present:
    told = name.decode(errors="replace")
    try:
        facts: Any = json.loads(value.partition(b" ")[2])
        host = "".join(char for char in str(facts["host"])[:64] if char.isprintable())
        return Present(told, host, int(facts["pid"]))
    except (ValueError, KeyError, TypeError):
        return Present(told)
