"""Turns: as many are handed out as jobs wait, and each is spent on the job that is due."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from app.core.config import Settings
from app.database import Database
from app.services.handing_out import HandingOut
from app.services.runner import Runner
from app.stores.celery_post import CeleryPost
from tests.rag import rows
from tests.redis_server import RedisServer

LEASE = 30.0


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(Settings(_env_file=None, database_url=database_url))
    yield database
    await database.close()


async def waiting(database: Database, name: str, count: int) -> str:
    """A user with so many documents that are to be read; answers the id."""
    user_id = await rows.user(database, name)
    for number in range(count):
        document = await rows.read(database, user_id, "A text.", title=f"{name} {number}", told=False)
        async with database.transaction() as tx:
            await tx.jobs.cancel(document.id)
            await tx.jobs.retry(document.id)
    return user_id


class Working:
    """Claims jobs, and works on each until it is told to end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.owners: list[str] = []
        self.over = asyncio.Event()
        self.taken_by_others = 0

    async def __call__(self, job_id: str) -> bool:
        async with self._database.transaction() as tx:
            job = await tx.jobs.claim(job_id, "a" * 36, LEASE)
        assert job is not None
        if self.taken_by_others:
            self.taken_by_others -= 1
            return False
        self.owners.append(job.user_id)
        await self.over.wait()
        return True

    async def reached(self, count: int) -> Counter[str]:
        """Of whom jobs are being done, once there are so many."""
        async with asyncio.timeout(10):
            while len(self.owners) < count:
                await asyncio.sleep(0.01)
        return Counter(self.owners)


@asynccontextmanager
async def handing_out(database: Database, redis: RedisServer) -> AsyncIterator[HandingOut]:
    """For a moment longer than what is done with it."""
    queue = HandingOut(database, CeleryPost(redis.url))
    task = asyncio.create_task(queue.run_forever())
    yield queue
    await asyncio.sleep(0.3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def length(redis: RedisServer, at_least: int = 0) -> int:
    async with asyncio.timeout(10):
        while (there := await CeleryPost(redis.url).length()) < at_least:
            await asyncio.sleep(0.02)
    return there


async def test_there_are_as_many_messages_as_jobs_that_nobody_works_on(
    database_kind: str, database: Database, redis_server: RedisServer
) -> None:
    await waiting(database, "alice", 4)
    async with database.transaction() as tx:
        (first, *_) = await tx.jobs.unattended(10)
        await tx.jobs.claim(first, "a" * 36, LEASE)

    async with handing_out(database, redis_server):
        assert await length(redis_server, 3) == 3
    async with handing_out(database, redis_server):
        pass
    assert await length(redis_server) == 3, "what others have sent already is not sent again"

    with redis_server.client() as client:
        client.flushall()
    async with database.transaction() as tx:
        await tx.jobs.abandon()  # whose lease has run out
    async with handing_out(database, redis_server):
        assert await length(redis_server, 4) == 4


async def test_a_job_that_was_just_committed_is_sent_at_once(database: Database, redis_server: RedisServer) -> None:
    async with handing_out(database, redis_server) as queue:
        await asyncio.sleep(0.3)
        queue.wake("one")
        queue.wake("two")
        assert await length(redis_server, 2) == 2


async def test_documents_that_no_worker_takes_are_told_of_in_the_log_once(
    database: Database, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    await waiting(database, "alice", 2)
    queue = HandingOut(database, CeleryPost(redis_server.url), swept_each=0.05, patience=0.2)

    def told() -> list[int]:
        return [each.__dict__["waiting"] for each in caplog.records if "no worker" in each.message]

    running = asyncio.create_task(queue.run_forever())
    async with asyncio.timeout(20):
        while not told():
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running

    assert told() == [2]


async def test_a_turn_is_that_of_the_user_for_whom_the_fewest_jobs_are_being_done(database: Database) -> None:
    alice, bob = await waiting(database, "alice", 5), await waiting(database, "bob", 1)
    working = Working(database)
    runner = Runner(database, working, at_once=3)

    turns = [asyncio.create_task(runner.turn()) for _ in range(3)]

    assert await working.reached(3) == {alice: 2, bob: 1}
    working.over.set()
    assert await asyncio.gather(*turns) == [True, True, True]


async def test_a_turn_for_nothing_is_over_at_once(database: Database) -> None:
    assert await Runner(database, Working(database), at_once=2).turn()


async def test_a_turn_goes_on_to_the_next_job_when_another_process_was_faster(database: Database) -> None:
    await waiting(database, "alice", 3)
    working = Working(database)
    working.taken_by_others = 2
    working.over.set()

    assert await Runner(database, working, at_once=2).turn()

    assert len(working.owners) == 1


async def test_turns_are_given_back_when_this_process_is_told_to_go(database: Database) -> None:
    await waiting(database, "alice", 3)
    working = Working(database)
    runner = Runner(database, working, at_once=2)
    turns = [asyncio.create_task(runner.turn()) for _ in range(2)]
    await working.reached(1)

    await runner.drain()

    async with asyncio.timeout(10):
        assert await asyncio.gather(*turns) == [False, False]
    assert not await runner.turn()
