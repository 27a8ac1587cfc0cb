"""Points that tests put into an index, and questions for them."""

import random
from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_DNS, uuid4, uuid5

from app.domain.vectors import Point, Query, SparseVector

# The same in every process: some are part of tests' names.
ALICE, BOB, MALLORY = (str(uuid5(NAMESPACE_DNS, each)) for each in ("alice", "bob", "mallory"))
NOTES, PAPERS = (str(uuid5(NAMESPACE_DNS, each)) for each in ("notes", "papers"))
"""Two collections."""


def name() -> str:
    return str(uuid4())


def terms(weights: Mapping[int, float] | None = None) -> SparseVector:
    weights = weights or {}
    return SparseVector(list(weights), list(weights.values()))


def point(
    weights: Mapping[int, float],
    dense: Sequence[float] | None = None,
    *,
    passage: str | None = None,
    document: str = "",
    collection: str = NOTES,
) -> Point:
    return Point(passage or name(), document or name(), collection, terms(weights), dense)


def query(
    weights: Mapping[int, float] | None = None,
    dense: Sequence[float] | None = None,
    *,
    collections: Sequence[str] = (NOTES,),
    documents: Sequence[str] | None = None,
    limit: int = 100,
) -> Query:
    return Query(collections, terms(weights), dense, limit, documents)


def direction(chance: random.Random, dimensions: int) -> list[float]:
    """A vector of unit length."""
    vector = [chance.gauss(0, 1) for _ in range(dimensions)]
    length = sum(each * each for each in vector) ** 0.5
    return [each / length for each in vector]


def sentence(chance: random.Random, count: int, *, vocabulary: int = 30_000) -> SparseVector:
    """So many terms, a few of which are in many other sentences, as in a language."""
    weights: dict[int, float] = {}
    while len(weights) < count:
        rank = min(int(chance.paretovariate(0.6)), vocabulary)
        weights[rank * 2_654_435_761 % 2**32] = chance.uniform(0.5, 2)
    return terms(weights)
