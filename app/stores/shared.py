"""Counters in Redis that all instances share, and in this process for as long as Redis is away."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

from limits import RateLimitItem

from app.stores.breaker import Away
from app.stores.redis import RedisServer
from app.stores.redis_windows import RedisWindows, Unreadable
from app.stores.windows import Count, Counters, FixedWindows

logger = logging.getLogger(__name__)

T = TypeVar("T")
Reason = Literal["away", "unreadable"]


class SharedCounters:
    """`on_local` is told, with the reason, each time that this process counts alone."""

    def __init__(self, server: RedisServer, local: Counters, on_local: Callable[[Reason], None]) -> None:
        self._server = server
        self._shared = FixedWindows(RedisWindows(server))
        self._local = local
        self._on_local = on_local
        self._warned = False

    async def spend(self, items: Sequence[RateLimitItem], *whose: str) -> Count:
        return await self._ask(lambda counters: counters.spend(items, *whose))

    async def look(self, items: Sequence[RateLimitItem], *whose: str) -> Count:
        return await self._ask(lambda counters: counters.look(items, *whose))

    async def forgive(self, items: Sequence[RateLimitItem], *whose: str) -> None:
        await self._local.forgive(items, *whose)
        await self._ask(lambda counters: counters.forgive(items, *whose))

    async def _ask(self, work: Callable[[Counters], Awaitable[T]]) -> T:
        try:
            return await self._server.ask(lambda: work(self._shared))
        except Away:
            self._on_local("away")
        except Unreadable:
            self._on_local("unreadable")
            if not self._warned:
                self._warned = True
                logger.warning("what is kept in redis for a limit is no count; it is counted in this process")
        return await work(self._local)
