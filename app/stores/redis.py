"""The connection to Redis, which may be lost at any moment and is never waited for long."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.stores.breaker import Away, Breaker

T = TypeVar("T")

PREFIX = "ai-backend"
"""Of all our keys: others may use the same database."""
MOST_CONNECTIONS = 20

# A script that writes, as ours do: PING is answered by a server, too, that is full, read-only or forbids us scripts.
_PROBE = "return redis.call('SET', KEYS[1], '1', 'PX', 60000)"


class RedisServer:
    """One pool of connections, bounded like the wait for one of them, behind a breaker.

    Nothing waits longer than `patience` seconds for it.
    """

    def __init__(self, url: str, *, patience: float) -> None:
        self.pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MOST_CONNECTIONS,
            timeout=patience,
            socket_connect_timeout=patience,
            socket_timeout=patience,
            retry=Retry(NoBackoff(), 0),  # the default's retries turn 0.25 s into many
            protocol=2,  # what Redis 6.2 speaks without being asked
            driver_info=None,  # it would be sent with each connection, and refused by 6.2
        )
        self.client = Redis(connection_pool=self.pool)
        self._breaker = Breaker("redis", self._probe, (RedisError, OSError), patience=patience)

    @property
    def away(self) -> bool:
        return self._breaker.open

    async def ask(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, in time. Raises Away."""
        return await self._breaker.call(work)

    async def answers(self) -> bool:
        """Whether it is there and lets us write."""
        try:
            await self.ask(self._probe)
        except Away:
            return False
        return True

    async def aclose(self) -> None:
        await self._breaker.aclose()
        await self.client.aclose()
        await self.pool.disconnect()

    async def _probe(self) -> None:
        await self.client.eval(_PROBE, 1, f"{PREFIX}:probe")
