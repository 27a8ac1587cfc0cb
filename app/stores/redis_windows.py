"""Counters in Redis."""

from collections.abc import Sequence

from limits.aio.storage import RedisStorage

from app.stores.redis import PREFIX, RedisServer
from app.stores.windows import Count, Counter, Window, WindowSupport

# ARGV: whether to spend, then for each key its amount and its milliseconds.
# Nothing is counted where one of the keys has no room. What is no count of ours gives nil. A key that would never end,
# or not in time, is given its end: it would lock somebody out for good.
_COUNT = """
local found = {1}
for i, key in ipairs(KEYS) do
  local used = redis.pcall('GET', key)
  if used == false then used = '0' end
  if type(used) ~= 'string' or #used > 15 or not used:find('^%d+$') then return nil end
  local left, whole = redis.call('PTTL', key), tonumber(ARGV[2 * i + 1])
  if left == -1 or left > whole then redis.call('PEXPIRE', key, whole) end
  if left < 0 or left > whole then left = whole end
  found[2 * i], found[2 * i + 1] = tonumber(used), left
  if found[2 * i] >= tonumber(ARGV[2 * i]) then found[1] = 0 end
end
if found[1] == 1 and ARGV[1] == '1' then
  for i, key in ipairs(KEYS) do
    found[2 * i] = redis.call('INCR', key)
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, found[2 * i + 1]) end
  end
end
return found
"""


class Unreadable(Exception):
    """Something is kept under a key of ours that is no count."""


class RedisWindows(RedisStorage, WindowSupport):
    """limits' storage, with the count and the time that is left in one script and one round trip."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(
            "async+redis://",
            implementation="redispy",
            key_prefix=f"{PREFIX}:limits",
            connection_pool=server.pool,  # type: ignore[arg-type]  # handed on as it is
        )
        self._script = server.client.register_script(_COUNT)

    async def count(self, counters: Sequence[Counter], *, spend: bool) -> Count:
        """Raises Unreadable, or what the client raises."""
        arguments = [number for each in counters for number in (each.amount, each.seconds * 1000)]
        keys = [self.bridge.prefixed_key(each.key) for each in counters]
        found: list[int] | None = await self._script(keys, [int(spend), *arguments])
        if found is None:
            raise Unreadable
        granted, *numbers = found
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return Count(bool(granted), [Window(used, milliseconds / 1000) for used, milliseconds in pairs])
