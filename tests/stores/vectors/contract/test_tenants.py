"""No call reaches another's points, whatever is guessed."""

import inspect

import pytest

from app.domain.vectors import Point, Space, VectorStore
from tests.stores.vectors.points import ALICE, BOB, MALLORY, NOTES, name, point, query, terms

OPEN_TO_ALL = {"open", "tenants", "spaces", "drop", "close"}
"""Calls without a tenant: they give nothing of a point, and change none but with its whole space."""


@pytest.fixture
async def secret(store: VectorStore, space: Space) -> Point:
    """What Alice has."""
    hers = point({1: 1.0}, [1, 0, 0])
    await store.upsert(space, ALICE, [hers])
    return hers


async def unharmed(store: VectorStore, space: Space, hers: Point) -> bool:
    found = await store.search(space, ALICE, query({1: 1.0}, [1, 0, 0]))
    counted = await store.documents(space, ALICE)
    return list(found.sparse) == list(found.dense) == [hers.passage_id] and counted == {hers.document_id: 1}


def test_every_call_that_reaches_points_names_a_tenant() -> None:
    calls = {each: member for each, member in inspect.getmembers(VectorStore, inspect.isfunction) if each[0] != "_"}
    assert calls.keys() > OPEN_TO_ALL
    for each in calls.keys() - OPEN_TO_ALL:
        tenant = inspect.signature(calls[each]).parameters["tenant"]
        assert (tenant.annotation, tenant.default) == (str, inspect.Parameter.empty), each


@pytest.mark.parametrize("limit", [1, 1000])
async def test_a_search_with_all_names_guessed_finds_nothing(
    store: VectorStore, space: Space, secret: Point, limit: int
) -> None:
    await store.upsert(space, MALLORY, [point({9: 1.0}, [0, 1, 0], collection=NOTES)])
    guess = query({1: 1.0}, [1, 0, 0], documents=[secret.document_id], limit=limit)

    found = await store.search(space, MALLORY, guess)
    everywhere = await store.search(space, MALLORY, query({1: 1.0}, [1, 0, 0], limit=limit))

    assert not found.sparse
    assert not found.dense
    assert secret.passage_id not in {*everywhere.sparse, *everywhere.dense}


async def test_a_guessed_document_is_not_taken_out(store: VectorStore, space: Space, secret: Point) -> None:
    await store.delete(space, MALLORY, document_id=secret.document_id)
    await store.delete(space, MALLORY)

    assert await unharmed(store, space, secret)


async def test_a_guessed_document_is_not_counted(store: VectorStore, space: Space, secret: Point) -> None:
    await store.upsert(space, MALLORY, [point({1: 1.0}, document=secret.document_id) for _ in range(2)])

    assert await store.documents(space, MALLORY) == {secret.document_id: 2}
    assert await store.documents(space, BOB) == {}
    assert await unharmed(store, space, secret)


async def test_a_guessed_passage_is_not_written_over(store: VectorStore, space: Space, secret: Point) -> None:
    forged = Point(secret.passage_id, secret.document_id, secret.collection_id, terms({5: 1.0}), [0, 1, 0])
    await store.upsert(space, MALLORY, [forged])

    assert await unharmed(store, space, secret)
    assert not (await store.search(space, ALICE, query({5: 1.0}))).sparse
    assert list((await store.search(space, MALLORY, query({5: 1.0}))).sparse) == [secret.passage_id]


@pytest.mark.parametrize("guess", ["", "*", "%", ALICE.upper(), ALICE[:-1], f"{ALICE} ", f"{ALICE}\x00", "null"])
async def test_a_tenant_is_that_name_alone(store: VectorStore, space: Space, secret: Point, guess: str) -> None:
    assert not (await store.search(space, guess, query({1: 1.0}, [1, 0, 0]))).sparse
    assert await store.documents(space, guess) == {}
    await store.delete(space, guess)

    assert await unharmed(store, space, secret)


async def test_scores_do_not_tell_what_others_write_of(store: VectorStore, space: Space) -> None:
    await store.upsert(space, ALICE, [point({1: 1.0}), point({2: 1.0})])
    before = await store.search(space, ALICE, query({1: 1.0}))

    await store.upsert(space, BOB, [point({1: 1.0}) for _ in range(200)])

    assert await store.search(space, ALICE, query({1: 1.0})) == before


async def test_the_points_of_two_names_that_read_alike_when_joined_are_apart(store: VectorStore, space: Space) -> None:
    first, second = Point("bc", name(), NOTES, terms({1: 1.0})), Point("c", name(), NOTES, terms({1: 1.0}))
    await store.upsert(space, "a", [first])
    await store.upsert(space, "ab", [second])

    assert await store.documents(space, "a") == {first.document_id: 1}
    assert await store.documents(space, "ab") == {second.document_id: 1}
