"""Places that all instances share through Redis, and that this process counts alone for as long as Redis is away."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from app.stores.breaker import Away
from app.stores.redis import PREFIX, RedisServer
from app.stores.slots import LocalSlots

logger = logging.getLogger(__name__)

GOOD_FOR = 20.0
"""Seconds, by Redis' clock, after which a slot that nobody prolongs is free: its process was killed, or hangs."""
_PROLONGED = 5
"""Times in which that is done meanwhile."""
_RETRIED_EACH = 0.5
_AT_ONCE = 500
"""Slots that one script looks after: it keeps everybody else waiting for a millisecond."""

# KEYS[1]: a sorted set of slots by when they run out. ARGV: milliseconds that one is good for, how many there may be,
# the slot, and what is free already without Redis having been told. Whatever else stands under the key is forgotten,
# and what claims to run out later than anything that was taken by now: it would lock somebody out for good.
_TAKE = """
local time = redis.call('TIME')
local now, term = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[1])
local kind = redis.call('TYPE', KEYS[1]).ok
local foreign = kind ~= 'zset' and kind ~= 'none'
if foreign then redis.call('DEL', KEYS[1]) end
for i = 4, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. (now + term), '+inf')
local taken = redis.call('ZCARD', KEYS[1])
local granted = taken < tonumber(ARGV[2])
if granted then
  redis.call('ZADD', KEYS[1], now + term, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], term)
end
return {granted and 1 or 0, taken, foreign and 1 or 0}
"""

# KEYS: for each slot the set that it is in. ARGV: as above the milliseconds, then for each slot whether it is held, and
# the slot.
_TELL = """
local time = redis.call('TIME')
local term = tonumber(ARGV[1])
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + term
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', key) end
  if ARGV[2 * i] == '1' then
    redis.call('ZADD', key, ends, ARGV[2 * i + 1])
    redis.call('PEXPIRE', key, term)
  else
    redis.call('ZREM', key, ARGV[2 * i + 1])
  end
end
"""


class _Word(NamedTuple):
    """What Redis is to know of a slot."""

    user_id: str
    slot_id: str
    held: bool


class SharedSlots:
    """`on_local` is told each time that this process counts alone.

    One task tells Redis of what was released, at once, and every few seconds of all that is held: so the slots of a
    process that was killed run out, and those of one that lives are back soon after Redis was emptied or away. It is
    one task, for a slot that is told to be held after it was told to be free would be taken until it runs out.
    """

    def __init__(
        self, server: RedisServer, on_local: Callable[[Literal["away"]], None], *, good_for: float = GOOD_FOR
    ) -> None:
        self._server = server
        self._on_local = on_local
        self._good_for = good_for
        self._take = server.client.register_script(_TAKE)
        self._tell = server.client.register_script(_TELL)
        self._local = LocalSlots()
        self._leaving: dict[str, tuple[str, float]] = {}
        """Released, and Redis may not know: by slot whose it was, and since when. In order of time."""
        self._released = asyncio.Event()
        self._warned = False

    async def take(self, user_id: str, slot_id: str, most: int) -> bool:
        if self._local.count(user_id) >= most:
            return False
        try:
            granted, _ = await self._ask(user_id, slot_id, most)
        except Away:
            self._on_local("away")
            granted = self._local.count(user_id) < most
            if not granted:
                self._leave(user_id, slot_id)  # Redis may have granted it, and not have said so in time
        except asyncio.CancelledError:
            self._leave(user_id, slot_id)
            raise
        if granted:
            self._local.hold(user_id, slot_id)
        return granted

    def release(self, user_id: str, slot_id: str) -> None:
        if not self._local.holds(user_id, slot_id):
            return
        self._local.release(user_id, slot_id)
        self._leave(user_id, slot_id)

    async def taken(self, user_id: str) -> int:
        try:
            _, taken = await self._ask(user_id, "", 0)
        except Away:
            self._on_local("away")
            return self._local.count(user_id)
        return max(taken, self._local.count(user_id))

    async def keep_forever(self) -> None:
        """Redis knows what is held here and what is not, a moment after it can be told."""
        due = 0.0
        while True:
            await self._wait()
            held: Sequence[tuple[str, str]] = ()
            if _now() >= due:
                held, due = list(self._local.held()), _now() + self._good_for / _PROLONGED
            try:
                await self._tell_all(held)
            except Away:
                due = 0.0  # it may come back empty
                await asyncio.sleep(_RETRIED_EACH)

    async def aclose(self) -> None:
        """Say a last time what is free; what is not heard runs out by itself."""
        with suppress(Away):
            await self._tell_all(())

    async def _ask(self, user_id: str, slot_id: str, most: int) -> tuple[bool, int]:
        """Whether it is taken now, and how many were taken before."""

        async def ask() -> list[int]:
            free = [slot for slot, (whose, _) in self._leaving.items() if whose == user_id]
            found: list[int] = await self._take([_key(user_id)], [int(self._good_for * 1000), most, slot_id, *free])
            return found

        granted, taken, foreign = await self._server.ask(ask)
        if foreign and not self._warned:
            self._warned = True
            logger.warning("what was kept in redis for the answers of a user was something else; it is forgotten")
        return bool(granted), taken

    def _leave(self, user_id: str, slot_id: str) -> None:
        """Have Redis told that it is free."""
        self._leaving[slot_id] = user_id, _now()
        self._released.set()

    async def _wait(self) -> None:
        """Until something was released, or half a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETRIED_EACH):
                await self._released.wait()
        self._released.clear()

    async def _tell_all(self, held: Sequence[tuple[str, str]]) -> None:
        """Raises Away; then what was released is told later, as long as it can matter."""
        leaving = [_Word(user_id, slot_id, held=False) for slot_id, (user_id, _) in self._leaving.items()]
        words = [*leaving, *(_Word(user_id, slot_id, held=True) for user_id, slot_id in held)]
        try:
            for first in range(0, len(words), _AT_ONCE):
                await self._tell_some(words[first : first + _AT_ONCE])
        except Away:
            self._forget_old()
            raise
        for word in leaving:
            self._leaving.pop(word.slot_id, None)

    async def _tell_some(self, words: Sequence[_Word]) -> None:
        arguments = [argument for word in words for argument in (int(word.held), word.slot_id)]
        keys = [_key(word.user_id) for word in words]
        await self._server.ask(lambda: self._tell(keys, [int(self._good_for * 1000), *arguments]))

    def _forget_old(self) -> None:
        """What was released so long ago has run out in Redis."""
        oldest = _now() - self._good_for
        for slot_id in [slot_id for slot_id, (_, since) in self._leaving.items() if since < oldest]:
            del self._leaving[slot_id]


def _key(user_id: str) -> str:
    """Who it is does not stand in Redis."""
    return f"{PREFIX}:slots:{hashlib.sha256(user_id.encode()).hexdigest()[:32]}"


def _now() -> float:
    return asyncio.get_running_loop().time()
