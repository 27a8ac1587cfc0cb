"""Storages of counters, in this process and in a real Redis."""

from collections.abc import AsyncIterator

import pytest
from limits.aio.storage import Storage

from app.stores.memory import MemoryWindows
from app.stores.redis import RedisServer
from app.stores.redis_windows import RedisWindows
from app.stores.windows import FixedWindows


@pytest.fixture(params=["memory", "redis"])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    if request.param == "memory":
        yield MemoryWindows()
        return
    server = RedisServer(request.getfixturevalue("redis_url"), patience=10)
    yield RedisWindows(server)
    await server.aclose()


@pytest.fixture
def counters(storage: Storage) -> FixedWindows:
    return FixedWindows(storage)
