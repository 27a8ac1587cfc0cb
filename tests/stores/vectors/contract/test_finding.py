"""What is found, and in which order."""

import asyncio
import math

import pytest

from app.core.errors import VectorsUnavailable
from app.domain.vectors import Found, Point, Space, SparseVector, VectorStore
from tests.stores.vectors.points import ALICE, NOTES, PAPERS, name, point, query, terms


async def test_a_rare_term_weighs_more_than_one_that_all_have(store: VectorStore, space: Space) -> None:
    rare, common = point({1: 1.0, 2: 1.0}), [point({1: 1.0}) for _ in range(9)]
    await store.upsert(space, ALICE, [rare, *common])

    found = await store.search(space, ALICE, query({1: 1.0, 2: 1.0}))

    assert next(iter(found.sparse)) == rare.passage_id
    assert len(found.sparse) == 10
    # ln(1 + (N - df + ½) / (df + ½)), as BM25 has it.
    assert found.sparse[common[0].passage_id] == pytest.approx(math.log(1 + 0.5 / 10.5), rel=1e-3)
    assert found.sparse[rare.passage_id] == pytest.approx(math.log(1 + 0.5 / 10.5) + math.log(1 + 9.5 / 1.5), rel=1e-3)


async def test_the_weights_of_passage_and_question_are_multiplied(store: VectorStore, space: Space) -> None:
    once, twice, other = point({7: 1.5}), point({7: 3.0}), point({8: 1.0})
    await store.upsert(space, ALICE, [once, twice, other])

    plain = await store.search(space, ALICE, query({7: 1.0}))
    doubled = await store.search(space, ALICE, query({7: 2.0}))

    assert list(plain.sparse) == [twice.passage_id, once.passage_id]
    assert plain.sparse[twice.passage_id] == pytest.approx(2 * plain.sparse[once.passage_id], rel=1e-4)
    assert doubled.sparse[once.passage_id] == pytest.approx(2 * plain.sparse[once.passage_id], rel=1e-4)


async def test_dense_vectors_are_scored_by_their_cosine(store: VectorStore, space: Space) -> None:
    same, near, far = point({1: 1.0}, [1, 0, 0]), point({1: 1.0}, [0.6, 0.8, 0]), point({1: 1.0}, [0, 0, -1])
    await store.upsert(space, ALICE, [far, near, same])

    found = await store.search(space, ALICE, query(dense=[1, 0, 0]))

    assert list(found.dense) == [each.passage_id for each in (same, near, far)]
    assert list(found.dense.values()) == pytest.approx([1, 0.6, 0], abs=1e-4)
    assert not found.sparse


async def test_each_channel_has_its_own_best(store: VectorStore, space: Space) -> None:
    by_term, by_direction = point({1: 1.0}, [0, 1, 0]), point({2: 1.0}, [1, 0, 0])
    await store.upsert(space, ALICE, [by_term, by_direction])

    found = await store.search(space, ALICE, query({1: 1.0}, [1, 0, 0], limit=1))

    assert (list(found.sparse), list(found.dense)) == ([by_term.passage_id], [by_direction.passage_id])


async def test_a_passage_without_a_dense_vector_is_found_by_its_terms(store: VectorStore, space: Space) -> None:
    plain = point({1: 1.0})
    await store.upsert(space, ALICE, [plain])

    found = await store.search(space, ALICE, query({1: 1.0}, [1, 0, 0]))

    assert (list(found.sparse), list(found.dense)) == ([plain.passage_id], [])


async def test_a_space_need_not_have_dense_vectors(store: VectorStore, sparse_space: Space) -> None:
    plain = point({1: 1.0})
    await store.upsert(sparse_space, ALICE, [plain])

    found = await store.search(sparse_space, ALICE, query({1: 1.0}))

    assert list(found.sparse) == [plain.passage_id]


async def test_it_is_looked_where_one_says(store: VectorStore, space: Space) -> None:
    note, paper, other = point({1: 1.0}), point({1: 1.0}, collection=PAPERS), point({1: 1.0}, collection=name())
    await store.upsert(space, ALICE, [note, paper, other])

    both = await store.search(space, ALICE, query({1: 1.0}, collections=[NOTES, PAPERS]))
    one = await store.search(space, ALICE, query({1: 1.0}, collections=[NOTES, PAPERS], documents=[paper.document_id]))
    foreign = await store.search(space, ALICE, query({1: 1.0}, collections=[NOTES], documents=[paper.document_id]))

    assert both.sparse.keys() == {note.passage_id, paper.passage_id}
    assert one.sparse.keys() == {paper.passage_id}
    assert not foreign.sparse


@pytest.mark.parametrize(
    "nothing", [query(), query({1: 1.0}, collections=[]), query({1: 1.0}, [1, 0, 0], documents=[])]
)
async def test_who_looks_nowhere_or_for_nothing_finds_nothing(
    store: VectorStore, space: Space, nothing: object
) -> None:
    await store.upsert(space, ALICE, [point({1: 1.0}, [1, 0, 0])])

    assert await store.search(space, ALICE, nothing) == Found({}, {})  # type: ignore[arg-type]


async def test_a_passage_that_comes_again_takes_its_own_place(store: VectorStore, space: Space) -> None:
    passage, document = name(), name()
    await store.upsert(space, ALICE, [point({1: 1.0}, [1, 0, 0], passage=passage, document=document)])
    await store.upsert(space, ALICE, [point({2: 1.0}, passage=passage, document=document)])

    before = await store.search(space, ALICE, query({1: 1.0}, [1, 0, 0]))
    after = await store.search(space, ALICE, query({2: 1.0}))

    assert (before.sparse, before.dense) == ({}, {})
    assert list(after.sparse) == [passage]
    assert await store.documents(space, ALICE) == {document: 1}


async def test_terms_have_all_of_32_bits(store: VectorStore, space: Space) -> None:
    first, last = point({0: 1.0}), point({2**32 - 1: 1.0})
    await store.upsert(space, ALICE, [first, last])

    assert list((await store.search(space, ALICE, query({0: 1.0}))).sparse) == [first.passage_id]
    assert list((await store.search(space, ALICE, query({2**32 - 1: 1.0}))).sparse) == [last.passage_id]


@pytest.mark.parametrize(
    "odd", ["中文 集合", "🦉🇨🇭e\u0301", "' OR 1=1 --", '{"match": {"any": ["*"]}}', "../..", "a\x00b"]
)
async def test_names_may_be_any_text(store: VectorStore, space: Space, odd: str) -> None:
    mine = Point(odd, odd, odd, terms({1: 1.0}))
    await store.upsert(space, odd, [mine])

    assert list((await store.search(space, odd, query({1: 1.0}, collections=[odd], documents=[odd]))).sparse) == [odd]
    assert await store.documents(space, odd) == {odd: 1}
    assert odd in await store.tenants(space)
    await store.delete(space, odd, document_id=odd)
    assert await store.documents(space, odd) == {}


@pytest.mark.parametrize(
    "crooked",
    [
        point({1: 1.0}, [1, 0]),
        point({1: 1.0}, [1, 0, math.nan]),
        point({1: math.inf}),
        Point(name(), name(), NOTES, SparseVector([1, 1], [1.0, 1.0])),
        Point(name(), name(), NOTES, SparseVector([1], [])),
        Point(name(), name(), NOTES, SparseVector([2**32], [1.0])),
        Point(name(), name(), NOTES, SparseVector([-1], [1.0])),
    ],
)
async def test_a_point_that_does_not_fit_is_a_mistake(store: VectorStore, space: Space, crooked: Point) -> None:
    with pytest.raises(ValueError, match=r"vector|term"):
        await store.upsert(space, ALICE, [crooked])

    assert await store.documents(space, ALICE) == {}


async def test_a_question_that_does_not_fit_is_a_mistake(store: VectorStore, space: Space) -> None:
    for crooked in (query(dense=[1, 0]), query({1: math.nan}), query({1: 1.0}, limit=0)):
        with pytest.raises(ValueError, match=r"vector|query"):
            await store.search(space, ALICE, crooked)


async def test_half_a_character_is_a_mistake_and_stops_nobody_else(store: VectorStore, space: Space) -> None:
    half = "\ud800"
    calls = [
        store.upsert(space, half, [point({1: 1.0})]),
        store.upsert(space, ALICE, [Point(half, name(), NOTES, terms({1: 1.0}))]),
        store.upsert(space, ALICE, [Point(name(), half, NOTES, terms({1: 1.0}))]),
        store.upsert(space, ALICE, [Point(name(), name(), half, terms({1: 1.0}))]),
        store.search(space, half, query({1: 1.0})),
        store.search(space, ALICE, query({1: 1.0}, collections=[half])),
        store.search(space, ALICE, query({1: 1.0}, documents=[half])),
        store.delete(space, half),
        store.delete(space, ALICE, document_id=half),
        store.documents(space, half),
    ]
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(outcome, ValueError)

    assert await store.documents(space, ALICE) == {}


async def test_a_space_that_was_never_opened_cannot_be_searched(store: VectorStore) -> None:
    nowhere = Space("nowhere")
    with pytest.raises(VectorsUnavailable):
        await store.search(nowhere, ALICE, query({1: 1.0}))
    with pytest.raises(VectorsUnavailable):
        await store.upsert(nowhere, ALICE, [point({1: 1.0})])
