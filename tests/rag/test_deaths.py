"""Whoever keeps the index up dies, at whatever step: nothing is lost, and nothing is left behind."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.errors import VectorsUnavailable
from app.database import Database
from app.domain.documents import Document, DocumentStatus, JobStatus
from app.domain.vectors import Point, Space
from app.services.index import DUTY
from app.services.index_learning import Lesson, Outcome, Target
from app.stores.vectors.embedded import EmbeddedVectors
from tests.backend import Process
from tests.eval.memory import MemoryVectors
from tests.rag import rows
from tests.rag.conftest import Keep
from tests.rag.dying import DyingStore, SharedPlace
from tests.rag.keeper import Keeper, eventually, keeping

PAGES = [f"Machine {n} stands in hall {n % 7}. Its warranty lasts {n} years." for n in range(70)]
CALLS = 14
"""Of the index, from its first space to the last deletion here."""


@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it was done"])
@pytest.mark.parametrize("at", range(1, CALLS))
async def test_a_death_at_any_call_loses_nothing(database: Database, at: int, done: bool) -> None:
    alice = await rows.user(database)
    kept, going = [await rows.read(database, alice, PAGES, title=title) for title in ("Kept", "Going")]
    memory = MemoryVectors()
    dying = DyingStore(memory, at=at, done=done)

    async with keeping(Keeper(database, SharedPlace(dying))):
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await eventually(lambda: _ready(database, kept, going))
                await rows.delete(database, going)
                await dying.died.wait()
    if await rows.status(database, going) is not None:
        await rows.delete(database, going)

    async with keeping(Keeper(database, SharedPlace(memory))) as keeper:
        await eventually(lambda: _ready(database, kept))
        await eventually(lambda: _nothing_waits(database))
        assert {hit.found.title for hit in (await keeper.find(alice, "machine 57")).hits} == {"Kept"}
        space = (await keeper.spaces.tend())[0].space
        assert not await keeper.sweeper.sweep(space)
        assert await memory.documents(space, alice) == {kept.id: kept.chunk_count}


async def test_an_engine_that_is_killed_again_and_again_loses_nothing(database: Database, keep: Keep) -> None:
    chance, alice = random.Random(7), await rows.user(database)  # noqa: S311
    keeper = await keep()
    documents = [await rows.read(database, alice, PAGES, title=f"Manual {n}") for n in range(12)]
    store = keeper.store
    assert isinstance(store, EmbeddedVectors)

    for _ in range(12):
        await asyncio.sleep(chance.random() * 0.4)
        if store.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(store.pid, signal.SIGKILL)
    await eventually(lambda: _ready(database, *documents), within=90)

    assert await keeper.points(alice) == sum(document.chunk_count for document in documents)
    assert not await keeper.sweeper.sweep((await keeper.spaces.tend())[0].space)


async def test_a_service_that_is_killed_again_and_again_loses_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(3)  # noqa: S311
    process = Process(tmp_path, database_url)
    async with process:
        alice = await process.signed_up()
        user_id = str((await alice.http.get("/users/me")).json()["id"])
        documents = [await rows.read(database, user_id, PAGES, title=f"Manual {n}") for n in range(12)]
        for _ in range(4):
            await asyncio.sleep(2 + chance.random())
            process.signal(signal.SIGKILL)
            await process.exited()
            await process.start()

        await eventually(lambda: _ready(database, *documents), within=90)

        for number in (0, 5, 11):
            query = {"query": f"Manual {number} machine 57", "collection": "manuals", "top_k": 12}
            found = (await alice.http.post("/rag/search", json=query)).json()["results"]
            assert {each["title"] for each in found} <= {document.title for document in documents}
            assert found[0]["title"] == f"Manual {number}"
        await rows.delete(database, documents[5])
        process.signal(signal.SIGKILL)
        await process.exited()
        await process.start()
        await eventually(lambda: _nothing_waits(database))


async def test_who_was_replaced_meanwhile_has_it_looked_at_again(database_kind: str, database: Database) -> None:
    alice = await rows.user(database)
    memory = MemoryVectors()
    keeper = Keeper(database, SharedPlace(memory))
    async with keeping(keeper):
        document = await rows.read(database, alice, PAGES)
        await eventually(lambda: _ready(database, document))
    space = Space((await database.now.index.spaces())[0].name)
    async with database.transaction() as tx:
        assert await tx.index.take_duty(DUTY, "another", 60)

    outcome = await keeper.learning.learn(Target(space, leads=True, embedder=None), Lesson(alice, document.id, []))

    assert outcome is Outcome.CHANGED
    assert [change.document_id for change in await database.now.index.next(space.name, limit=9)] == [document.id]


class Overtaking(MemoryVectors):
    """While something is written here, another takes over and has learnt it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.document: Document | None = None
        self._database = database

    async def upsert(self, space: Space, tenant: str, points: Sequence[Point]) -> None:
        await super().upsert(space, tenant, points)
        if self.document is not None:
            async with self._database.transaction() as tx:
                await tx.documents.restate(self.document, DocumentStatus.READY)


async def test_what_was_written_or_taken_out_by_one_who_was_replaced_is_looked_at_again(database: Database) -> None:
    alice = await rows.user(database)
    store = Overtaking(database)
    keeper = Keeper(database, SharedPlace(store))
    async with keeping(keeper):
        document, other = [await rows.read(database, alice, PAGES, title=title) for title in ("One", "Other")]
        await eventually(lambda: _ready(database, document, other))
    space = Space((await database.now.index.spaces())[0].name)
    async with database.transaction() as tx:
        assert await tx.index.take_duty(DUTY, "another", 60)
    store.document = document

    target = Target(space, leads=True, embedder=None)
    assert await keeper.learning.learn(target, Lesson(alice, document.id, [])) is Outcome.CHANGED
    await keeper.learning.forget(space, alice, other.id, [])

    noted = await database.now.index.next(space.name, limit=9)
    assert [change.document_id for change in noted] == [document.id, other.id]


class Picky(MemoryVectors):
    """Refuses one document, as an engine may that stumbles over it."""

    def __init__(self, document_id: str) -> None:
        super().__init__()
        self._refused = document_id

    async def upsert(self, space: Space, tenant: str, points: Sequence[Point]) -> None:
        if any(point.document_id == self._refused for point in points):
            raise VectorsUnavailable
        await super().upsert(space, tenant, points)


async def test_a_document_that_cannot_be_learnt_is_given_up_and_keeps_no_other(database: Database) -> None:
    alice = await rows.user(database)
    bad, good = [await rows.read(database, alice, PAGES[:3], title=title) for title in ("Bad", "Good")]

    async with keeping(Keeper(database, SharedPlace(Picky(bad.id)))):
        await eventually(lambda: _ready(database, good))
        await eventually(lambda: _failed(database, bad), within=60)

    job = await database.now.jobs.find(alice, bad.id)
    assert job is not None
    assert (job.status, job.mishap and job.mishap.code) == (JobStatus.FAILED, "index_failed")
    assert await _nothing_waits(database)


async def _failed(database: Database, document: Document) -> bool:
    return await rows.status(database, document) is DocumentStatus.FAILED


async def _ready(database: Database, *documents: Document) -> bool:
    return all([await rows.status(database, each) is DocumentStatus.READY for each in documents])


async def _nothing_waits(database: Database) -> bool:
    return await database.now.index.waiting() == 0
