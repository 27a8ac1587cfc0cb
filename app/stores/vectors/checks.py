"""What callers hand to an index is looked at before: an engine takes a NaN without a word."""

from collections.abc import Iterator, Sequence
from math import isfinite

from app.domain.vectors import Point, Query, Space, SparseVector
from app.stores.vectors.naming import check_space_name, check_text

BATCH = 32
"""Points that are written at once: few enough that spelling them holds nobody up, nor a query that waits behind."""


def batches(space: Space, points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    """All of them in order, a few at a time. Raises ValueError at the first that does not fit into the space."""
    check_space_name(space.name)
    for start in range(0, len(points), BATCH):
        batch = points[start : start + BATCH]
        for point in batch:
            check_text(point.passage_id, point.document_id, point.collection_id)
            check_sparse(point.sparse)
            check_dense(space, point.dense)
        yield batch


def check_query(space: Space, query: Query) -> None:
    """Raises ValueError for one that cannot be asked in this space."""
    check_space_name(space.name)
    check_text(*query.collection_ids, *(query.document_ids or ()))
    check_sparse(query.sparse)
    check_dense(space, query.dense)
    if query.limit < 1:
        raise ValueError("a query looks for one passage at least")


def check_sparse(vector: SparseVector) -> None:
    indices = vector.indices
    if len(indices) != len(vector.values) or len(set(indices)) != len(indices):
        raise ValueError("a sparse vector has one weight for each of its distinct terms")
    if indices and not (min(indices) >= 0 and max(indices) < 2**32):
        raise ValueError("a term's number has 32 bits")
    _check_finite(vector.values)


def check_dense(space: Space, vector: Sequence[float] | None) -> None:
    """None fits everywhere: not every passage has one."""
    if vector is None:
        return
    if len(vector) != space.dimensions:
        raise ValueError(f"a dense vector has {len(vector)} dimensions; those of its space: {space.dimensions}")
    _check_finite(vector)


def finds_nothing(query: Query) -> bool:
    """Whether it looks nowhere, or for nothing."""
    nowhere = not query.collection_ids or (query.document_ids is not None and not query.document_ids)
    return nowhere or (not query.sparse.indices and query.dense is None)


def _check_finite(values: Sequence[float]) -> None:
    # One addition, not a look at each: a sum with an infinity or a NaN in it is not finite.
    if not isfinite(sum(values)):
        raise ValueError("a vector's numbers are finite")
