"""Spaces, and what is taken out of them."""

from uuid import uuid4

import pytest

from app.core.errors import VectorsUnavailable
from app.domain.vectors import Space, VectorStore
from tests.stores.vectors.points import ALICE, BOB, name, point, query


async def test_to_open_again_changes_nothing(store: VectorStore, space: Space) -> None:
    mine = point({1: 1.0})
    await store.upsert(space, ALICE, [mine])

    await store.open(space)

    assert list((await store.search(space, ALICE, query({1: 1.0}))).sparse) == [mine.passage_id]


@pytest.mark.parametrize("dimensions", [None, 4])
async def test_a_space_keeps_its_dimensions(store: VectorStore, space: Space, dimensions: int | None) -> None:
    with pytest.raises(VectorsUnavailable):
        await store.open(Space(space.name, dimensions))


@pytest.mark.parametrize("crooked", ["", ".", "..", "../x", "a/b", "a b", "集合", "a" * 101, "a\x00", "a\n"])
async def test_a_name_that_is_no_space_s_is_a_mistake(store: VectorStore, crooked: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await store.open(Space(crooked))
    with pytest.raises(ValueError, match="name"):
        await store.drop(crooked)
    for call in (store.documents(Space(crooked), ALICE), store.delete(Space(crooked), ALICE)):
        with pytest.raises(ValueError, match="name"):
            await call


async def test_what_is_in_one_space_is_in_no_other(store: VectorStore, space: Space, sparse_space: Space) -> None:
    await store.upsert(space, ALICE, [point({1: 1.0})])

    assert not (await store.search(sparse_space, ALICE, query({1: 1.0}))).sparse
    assert {space.name, sparse_space.name} <= set(await store.spaces())


async def test_a_space_that_is_dropped_is_gone_and_may_come_back_empty(store: VectorStore) -> None:
    space = Space(f"test-{uuid4().hex}", 3)
    await store.open(space)
    await store.upsert(space, ALICE, [point({1: 1.0})])

    await store.drop(space.name)
    assert space.name not in await store.spaces()
    await store.drop(space.name)
    assert await store.tenants(space) == []
    await store.open(Space(space.name))
    assert await store.tenants(space) == []
    await store.drop(space.name)


async def test_a_document_is_taken_out_whole_and_alone(store: VectorStore, space: Space) -> None:
    going, staying = name(), name()
    await store.upsert(space, ALICE, [point({1: 1.0}, document=going) for _ in range(50)])
    await store.upsert(space, ALICE, [point({1: 1.0}, document=staying) for _ in range(3)])

    await store.delete(space, ALICE, document_id=going)

    assert await store.documents(space, ALICE) == {staying: 3}
    assert len((await store.search(space, ALICE, query({1: 1.0}))).sparse) == 3


async def test_all_of_a_tenant_is_taken_out(store: VectorStore, space: Space) -> None:
    for tenant in (ALICE, BOB):
        await store.upsert(space, tenant, [point({1: 1.0}), point({1: 1.0})])

    await store.delete(space, ALICE)

    assert await store.documents(space, ALICE) == {}
    assert list(await store.tenants(space)) == [BOB]


async def test_to_take_out_what_is_not_there_is_harmless(store: VectorStore, space: Space) -> None:
    await store.delete(space, ALICE)
    await store.delete(space, ALICE, document_id=name())
    nowhere = Space("nowhere")
    await store.delete(nowhere, ALICE)

    assert await store.documents(nowhere, ALICE) == {}
    assert list(await store.tenants(nowhere)) == []
    assert list(await store.tenants(space)) == []


async def test_documents_are_counted_however_many_there_are(store: VectorStore, space: Space) -> None:
    points = [point({1: 1.0}) for _ in range(300)]
    await store.upsert(space, ALICE, points)

    assert await store.documents(space, ALICE) == {each.document_id: 1 for each in points}
