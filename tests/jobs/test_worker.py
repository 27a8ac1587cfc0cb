"""Documents read by workers: each once, whoever dies over it, and however often they are told of it."""

import asyncio
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.stores.celery_post import CeleryPost
from tests.backend import Process, User
from tests.documents.papers import NOTES, added, ids, job, job_reached, ready, report, shown
from tests.jobs.conftest import Crew
from tests.jobs.papers import long_report, midway
from tests.jobs.worker import Worker
from tests.redis_server import RedisServer


@pytest.fixture
async def rows(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def stored(rows: asyncpg.Connection, document_id: str) -> dict[int, int]:
    """The document's pages, each with the transaction that wrote it."""
    found = await rows.fetch("SELECT number, xmin FROM document_pages WHERE document_id = $1", document_id)
    return {row["number"]: row["xmin"] for row in found}


async def in_time(rows: asyncpg.Connection, job_id: str) -> None:
    """The lease of whoever works on it runs out."""
    await rows.execute("UPDATE jobs SET expires_at = expires_at - 60 WHERE id = $1", job_id)


async def test_a_document_is_read_by_a_worker_and_then_found(alice: User, worker: Worker) -> None:
    (document,) = await added(alice, ("report.pdf", report(12)))

    found = await ready(alice, document["document_id"])

    assert (found["pages"], found["error"]) == (12, None)
    assert (await job(alice, document["job_id"]))["status"] == "complete"


async def test_the_process_that_serves_reads_nothing_itself(alice: User, worker: Worker, crew: Crew) -> None:
    worker.signal(signal.SIGSTOP)
    try:
        (document,) = await added(alice, ("report.pdf", report(1)))
        await asyncio.sleep(1)
        assert (await shown(alice, document["document_id"]))["status"] == "queued"
    finally:
        worker.signal(signal.SIGCONT)

    await ready(alice, document["document_id"])


async def test_a_message_that_comes_again_and_again_has_nothing_done_twice(
    alice: User, worker: Worker, redis: RedisServer, rows: asyncpg.Connection
) -> None:
    documents = await added(alice, *((f"{number}.pdf", report(3)) for number in range(4)))
    job_ids = [each["job_id"] for each in documents]

    await CeleryPost(redis.url).send([*job_ids * 5, "of nothing that is known"])
    for each in documents:
        await ready(alice, each["document_id"])
    await CeleryPost(redis.url).send(job_ids)

    async with asyncio.timeout(20):
        while await CeleryPost(redis.url).length():
            await asyncio.sleep(0.05)
    begun = await rows.fetch("SELECT attempts, fence FROM jobs WHERE id = ANY($1)", job_ids)
    assert [tuple(row) for row in begun] == [(1, 1)] * 4


async def test_one_users_many_documents_do_not_keep_anothers_one_waiting(
    service: Process, alice: User, worker: Worker
) -> None:
    bob = await service.user("bob")
    many = await added(alice, *((f"{number}.pdf", long_report(50)) for number in range(5)))

    (one,) = await added(bob, ("one.pdf", report(1)))
    await ready(bob, one["document_id"])

    waiting = [(await job(alice, each["job_id"]))["status"] for each in many]
    assert "queued" in waiting, waiting
    for each in ids(many):
        await ready(alice, each)


async def test_a_document_that_is_cancelled_is_let_go_of_within_seconds(
    alice: User, worker: Worker, rows: asyncpg.Connection
) -> None:
    (document,) = await added(alice, ("long.pdf", long_report(2000)))
    await midway(alice, document["job_id"])

    assert (await alice.http.delete(f"/jobs/{document['job_id']}")).status_code == 204

    before = len(await stored(rows, document["document_id"]))
    async with asyncio.timeout(15):
        while not worker.said("the reading of a document was cancelled, or taken over"):
            await asyncio.sleep(0.05)
    assert len(await stored(rows, document["document_id"])) == before
    assert (await job(alice, document["job_id"]))["status"] == "cancelled"


async def test_what_was_added_while_redis_was_away_is_read_once_it_is_back(
    alice: User, worker: Worker, redis: RedisServer
) -> None:
    redis.kill()
    try:
        (document,) = await added(alice, ("report.pdf", report(2)))
    finally:
        redis.start()  # empty

    found = await ready(alice, document["document_id"], within=60)

    assert found["pages"] == 2


async def test_a_worker_that_is_told_to_go_leaves_its_document_to_another_at_once(
    alice: User, worker: Worker, crew: Crew, redis: RedisServer, rows: asyncpg.Connection
) -> None:
    (document,) = await added(alice, ("long.pdf", long_report(200)))
    await midway(alice, document["job_id"])

    worker.signal(signal.SIGTERM)
    assert await worker.exited() == 0, worker.output.decode()

    left = await job(alice, document["job_id"])
    assert (left["status"], left["pages_done"] > 0) == ("queued", True)
    assert await CeleryPost(redis.url).length() >= 1
    before = await stored(rows, document["document_id"])
    await crew.another()
    found = await ready(alice, document["document_id"], within=60)
    after = await stored(rows, document["document_id"])
    assert (found["pages"], len(after)) == (200, 200)
    assert {number: after[number] for number in before} == before, "what was read is not read again"


async def test_what_a_worker_died_over_is_finished_by_another_and_nothing_is_done_twice(
    alice: User, worker: Worker, crew: Crew, rows: asyncpg.Connection
) -> None:
    (document,) = await added(alice, ("long.pdf", long_report(200)))
    await midway(alice, document["job_id"])

    worker.signal(signal.SIGKILL)
    await worker.exited()
    before = await stored(rows, document["document_id"])
    assert 0 < len(before) < 200
    await in_time(rows, document["job_id"])
    await crew.another()

    found = await ready(alice, document["document_id"], within=60)
    after = await stored(rows, document["document_id"])
    assert (found["pages"], sorted(after)) == (200, list(range(1, 201)))
    assert {number: after[number] for number in before} == before, "what was read is not read again"
    numbers = await rows.fetch("SELECT number FROM chunks WHERE document_id = $1", document["document_id"])
    assert len({row["number"] for row in numbers}) == len(numbers) == found["chunks"]
    listed = (await alice.http.get(NOTES)).json()["items"]
    assert sum(each["id"] == document["document_id"] for each in listed) == 1
    await job_reached(alice, document["job_id"], "complete")
