"""What a run takes place in, all of it real: PostgreSQL, Redis, two instances, the front; and the vendor."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from tests.chaos.faults import INSTANCES
from tests.chaos.front import Front
from tests.chaos.history import History
from tests.chaos.instance import Instance
from tests.chaos.vendor import Vendor
from tests.postgresql import PostgreSQL
from tests.redis_server import RedisServer, executable

DRAIN = 8.0
PING = 5.0
"""Seconds of silence after which a stream sends a comment."""
SETTINGS = {
    "SECRET_KEY": "chaos-needs-no-secret-but-thirty-two-bytes",
    "ACCESS_TOKEN_MINUTES": "1440",
    "MAX_CONCURRENT_GENERATIONS": "",
    "MAX_CONCURRENT_GENERATIONS_PER_USER": "",
    "DRAIN_SECONDS": str(DRAIN),
    "PING_SECONDS": str(PING),
    # So that an upstream that stalls is given up within the run.
    "FIRST_TOKEN_TIMEOUT": "5",
    "CHUNK_TIMEOUT": "4",
    "ANSWER_TIMEOUT": "60",
}


class World:
    """`async with World(folder, history) as world`; the logs of its instances are in `folder`.

    Leaving the block ends every process that it began, however they are.
    """

    def __init__(self, folder: Path, history: History, **settings: str) -> None:
        self.folder = folder
        self.history = history
        self._settings = {**SETTINGS, **settings}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._build(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _build(self, stack: AsyncExitStack) -> None:
        program = executable()
        assert program is not None, "there is no redis-server"
        self.redis = stack.enter_context(RedisServer(program))
        (self.folder / "postgresql").mkdir(mode=0o700, exist_ok=True)
        self.postgresql = await asyncio.to_thread(PostgreSQL, self.folder / "postgresql")
        stack.callback(self.postgresql.close)
        self.database_url = await self.postgresql.database()
        self.vendor = await stack.enter_async_context(Vendor(self.history.calls))
        self.instances = {name: self._instance(name) for name in INSTANCES}
        for instance in self.instances.values():
            await stack.enter_async_context(instance)
        self.front = await stack.enter_async_context(Front([each.port for each in self.instances.values()]))
        for instance in self.instances.values():
            await instance.ready()

    def _instance(self, name: str) -> Instance:
        data = self.folder / f"data-{name}"
        data.mkdir(exist_ok=True)
        environment = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis.url,
            "DATA_DIR": str(data),
            **self.vendor.settings(name),
            **self._settings,
        }
        return Instance(name, self.folder, environment)

    async def whole(self, within: float = 60.0) -> None:
        """Wait until everything is there and every instance says that it is ready."""
        for instance in self.instances.values():
            await instance.ready(within=within)
