"""Event logs in Redis."""

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from app.stores.breaker import Away
from app.stores.redis import PREFIX, RedisServer
from app.stores.streams import MOST_ENTRIES, Batch, Entry, Outcome

T = TypeVar("T")

_LIVES = 3600
"""Seconds that a stream is kept after it was last written: longer than any answer takes."""
_ENDED_LIVES = 60
_AT_ONCE = 200
"""Streams that one call reads."""
_REFUSED_AFTER = 2.0
"""Seconds in which nothing could be written, after which it is away for us, whatever else it answers."""
_NAME = f"{PREFIX}:log:"

# ARGV, for each key: fence, the number before the batch, its last number, its events, the seconds to live.
# Ids are `<fence>-<last number>`, and Redis itself refuses one that is not above the newest. What is no stream goes. An
# entry may hold again what an earlier one held, of which the writer never heard that it had arrived.
_APPEND = """
local told = {}
for i, key in ipairs(KEYS) do
  local fence, after, last = tonumber(ARGV[5 * i - 4]), tonumber(ARGV[5 * i - 3]), tonumber(ARGV[5 * i - 2])
  local newest = redis.pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)
  if newest.err then
    redis.call('DEL', key)
    newest = {}
  end
  local top_fence, top = 0, 0
  if newest[1] then
    local found_fence, found = string.match(newest[1][1], '^(%d+)-(%d+)$')
    top_fence, top = tonumber(found_fence), tonumber(found)
  end
  if top_fence > fence then
    told[i] = 2
  elseif top_fence == fence and top < after or top_fence == 0 and after > 0 then
    told[i] = 1
  else
    if ARGV[5 * i - 1] ~= '' and (top_fence < fence or top < last) then
      redis.call('XADD', key, fence .. '-' .. last, 'e', ARGV[5 * i - 1])
    end
    redis.call('EXPIRE', key, ARGV[5 * i])
    told[i] = 0
  end
end
return told
"""

_SEIZE = """
local newest = redis.pcall('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest.err then
  redis.call('DEL', KEYS[1])
  newest = {}
end
if not newest[1] or tonumber(string.match(newest[1][1], '^(%d+)-')) < tonumber(ARGV[1]) then
  redis.call('XADD', KEYS[1], ARGV[1] .. '-0', 'e', '')
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

# KEYS are streams, ARGV how many entries of each, then the place in each. What is no stream has none.
_READ = """
local found = {}
for i, key in ipairs(KEYS) do
  local entries = redis.pcall('XRANGE', key, '(' .. ARGV[i + 1], '+', 'COUNT', ARGV[1])
  found[i] = entries.err and {} or entries
end
return found
"""

_ERA = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
"""


class RedisStreams:
    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._append = server.client.register_script(_APPEND)
        self._seize = server.client.register_script(_SEIZE)
        self._read = server.client.register_script(_READ)
        self._era = server.client.register_script(_ERA)
        self._failing_since = self._failed_at = -math.inf
        self._refused = False

    @property
    def away(self) -> bool:
        return self._refused or self._server.away

    async def append(self, batches: Sequence[Batch]) -> Sequence[Outcome]:
        keys = [_NAME + each.generation_id for each in batches]
        arguments = [
            value
            for each in batches
            for value in (
                each.fence,
                each.after,
                each.last_seq,
                each.events,
                _ENDED_LIVES if each.ending else _LIVES,
            )
        ]
        told: list[int] = await self._write(lambda: self._append(keys, arguments))
        return [Outcome(each) for each in told]

    async def read(self, places: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        found: dict[str, Sequence[Entry]] = {}
        ids = list(places)
        for start in range(0, len(ids), _AT_ONCE):
            found |= await self._read_some({each: places[each] for each in ids[start : start + _AT_ONCE]})
        return found

    async def _read_some(self, places: Mapping[str, str]) -> dict[str, Sequence[Entry]]:
        keys = [_NAME + generation_id for generation_id in places]
        told: list[list[tuple[bytes, list[bytes]]]] = await self._server.ask(
            lambda: self._read(keys, [MOST_ENTRIES, *places.values()])
        )
        return {
            generation_id: [Entry(place.decode(), b"".join(fields[1:2])) for place, fields in entries]
            for generation_id, entries in zip(places, told, strict=True)
            if entries
        }

    async def seize(self, generation_id: str, fence: int) -> None:
        await self._write(lambda: self._seize([_NAME + generation_id], [fence, _LIVES]))

    async def era(self) -> str:
        word: bytes = await self._server.ask(lambda: self._era([f"{PREFIX}:era"], [secrets.token_hex(8)]))
        return word.decode()

    async def _write(self, work: Callable[[], Awaitable[T]]) -> T:
        """Ask for something that others wait for.

        A server that is full, whose disk fails or that became a replica still lets us read, and a slow one answers what
        is small: the breaker stays shut.
        """
        try:
            result = await self._server.ask(work)
        except Away:
            self._note_failure(asyncio.get_running_loop().time())
            raise
        self._failed_at, self._refused = -math.inf, False
        return result

    def _note_failure(self, now: float) -> None:
        if now - self._failed_at > _REFUSED_AFTER:
            self._failing_since = now
        self._failed_at = now
        self._refused = now - self._failing_since >= _REFUSED_AFTER
