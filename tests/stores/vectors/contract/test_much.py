"""Much, at once, and for long."""

import asyncio
import random

from app.domain.vectors import Point, Query, Space, VectorStore
from tests.stores.vectors.conftest import Restart
from tests.stores.vectors.points import ALICE, BOB, NOTES, direction, name, point, query, sentence


async def test_ten_thousand_passages_are_all_there(store: VectorStore, space: Space) -> None:
    chance = random.Random(1)  # noqa: S311
    documents = [name() for _ in range(100)]
    points = [
        Point(name(), documents[number // 100], NOTES, sentence(chance, 20), direction(chance, 3))
        for number in range(10_000)
    ]
    await store.upsert(space, ALICE, points)

    assert await store.documents(space, ALICE) == dict.fromkeys(documents, 100)
    for wanted in chance.sample(points, 20):
        found = await store.search(space, ALICE, Query([NOTES], wanted.sparse, wanted.dense, limit=5))
        assert wanted.passage_id in found.sparse
        assert wanted.passage_id in found.dense
        assert list(found.sparse.values()) == sorted(found.sparse.values(), reverse=True)
        assert len(found.sparse) == len(found.dense) == 5


async def test_many_write_search_and_delete_at_once(store: VectorStore, space: Space) -> None:
    async def live(number: int) -> None:
        tenant, going, staying = f"tenant {number % 5}", name(), name()
        await store.upsert(space, tenant, [point({number: 1.0}, document=going) for _ in range(40)])
        await store.upsert(space, tenant, [point({number: 1.0}, document=staying) for _ in range(40)])
        assert len((await store.search(space, tenant, query({number: 1.0}))).sparse) == 80
        await store.delete(space, tenant, document_id=going)
        assert len((await store.search(space, tenant, query({number: 1.0}))).sparse) == 40
        assert (await store.documents(space, tenant))[staying] == 40

    await asyncio.gather(*(live(number) for number in range(20)))

    assert set(await store.tenants(space)) == {f"tenant {number}" for number in range(5)}


async def test_the_same_passage_written_by_many_is_there_once(store: VectorStore, space: Space) -> None:
    passage, document = name(), name()
    await asyncio.gather(
        *(store.upsert(space, ALICE, [point({each: 1.0}, passage=passage, document=document)]) for each in range(20))
    )

    assert await store.documents(space, ALICE) == {document: 1}


async def test_many_open_a_new_space_at_once(store: VectorStore, space: Space) -> None:
    new = Space(f"{space.name}-new", 3)

    await asyncio.gather(*(store.open(new) for _ in range(10)))

    await store.upsert(new, ALICE, [point({1: 1.0})])
    assert len(await store.documents(new, ALICE)) == 1
    await store.drop(new.name)


async def test_all_is_there_after_a_restart(restart: Restart) -> None:
    store = await restart()
    space = Space(f"test-{name()}", 3)
    await store.open(space)
    kept, gone = point({1: 1.0}, [1, 0, 0]), point({1: 1.0})
    await store.upsert(space, ALICE, [kept, gone])
    await store.upsert(space, BOB, [point({1: 1.0})])
    await store.delete(space, ALICE, document_id=gone.document_id)
    before = await store.search(space, ALICE, query({1: 1.0}, [1, 0, 0]))

    store = await restart()

    assert space.name in await store.spaces()
    assert await store.search(space, ALICE, query({1: 1.0}, [1, 0, 0])) == before
    assert await store.documents(space, ALICE) == {kept.document_id: 1}
    await store.open(space)
    assert set(await store.tenants(space)) == {ALICE, BOB}
    await store.drop(space.name)
