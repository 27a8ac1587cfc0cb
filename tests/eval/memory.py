"""A vector store in memory that leaves nothing out: to measure with, and to hold others against."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from math import log

import numpy as np
from numpy.typing import NDArray

from app.domain.vectors import Found, Point, Query, Space


class MemoryVectors:
    """A VectorStore; it looks at every passage that shares a term."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}

    async def open(self, space: Space) -> None:
        if self._shelves.setdefault(space.name, _Shelf(space.dimensions)).dimensions != space.dimensions:
            raise ValueError(f"{space.name} is there with other dimensions")

    async def upsert(self, space: Space, tenant: str, points: Sequence[Point]) -> None:
        for point in points:
            self._shelves[space.name].put(tenant, point)

    async def delete(self, space: Space, tenant: str, *, document_id: str | None = None) -> None:
        self._shelves[space.name].delete(tenant, document_id)

    async def search(self, space: Space, tenant: str, query: Query) -> Found:
        return self._shelves[space.name].search(tenant, query)

    async def documents(self, space: Space, tenant: str) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for owner, point in self._shelves[space.name].points.values():
            if owner == tenant:
                counts[point.document_id] = counts.get(point.document_id, 0) + 1
        return counts

    async def tenants(self, space: Space) -> Sequence[str]:
        return sorted({owner for owner, _ in self._shelves[space.name].points.values()})

    async def spaces(self) -> Sequence[str]:
        return sorted(self._shelves)

    async def drop(self, space_name: str) -> None:
        self._shelves.pop(space_name, None)

    async def close(self) -> None:
        self._shelves.clear()


_Key = tuple[str, str]
"""A tenant and a passage of it."""


class _Shelf:
    def __init__(self, dimensions: int | None) -> None:
        self.dimensions = dimensions
        self.points: dict[_Key, tuple[str, Point]] = {}
        self._holding: dict[int, dict[_Key, float]] = {}
        """Of each term, the passages that it is in and what it weighs there."""
        self._rows: dict[_Key, NDArray[np.float32]] = {}

    def put(self, tenant: str, point: Point) -> None:
        key = (tenant, point.passage_id)
        self._take(key)
        self.points[key] = (tenant, point)
        for term, weight in zip(point.sparse.indices, point.sparse.values, strict=True):
            self._holding.setdefault(term, {})[key] = weight
        if point.dense is not None:
            self._rows[key] = np.asarray(point.dense, np.float32)

    def delete(self, tenant: str, document_id: str | None) -> None:
        gone = [
            key
            for key, (owner, point) in self.points.items()
            if owner == tenant and document_id in (None, point.document_id)
        ]
        for key in gone:
            self._take(key)

    def search(self, tenant: str, query: Query) -> Found:
        wanted = {key for key, point in self._of(tenant) if _is_wanted(point, query)}
        scores: dict[_Key, float] = {}
        for term, asked in zip(query.sparse.indices, query.sparse.values, strict=True):
            rarity = self._rarity(term)
            for key, weight in self._holding.get(term, {}).items():
                if key in wanted:
                    scores[key] = scores.get(key, 0.0) + asked * weight * rarity
        return Found(_best(scores, query.limit), _best(self._cosines(wanted, query), query.limit))

    def _of(self, tenant: str) -> Iterator[tuple[_Key, Point]]:
        return ((key, point) for key, (owner, point) in self.points.items() if owner == tenant)

    def _rarity(self, term: int) -> float:
        """As Qdrant's IDF modifier has it, over all tenants."""
        held = len(self._holding.get(term, ()))
        return log(1 + (len(self.points) - held + 0.5) / (held + 0.5))

    def _cosines(self, wanted: set[_Key], query: Query) -> dict[_Key, float]:
        keys = [key for key in self._rows if key in wanted]
        if query.dense is None or not keys:
            return {}
        cosines = np.stack([self._rows[key] for key in keys]) @ np.asarray(query.dense, np.float32)
        return dict(zip(keys, cosines.tolist(), strict=True))

    def _take(self, key: _Key) -> None:
        if (before := self.points.pop(key, None)) is None:
            return
        for term in before[1].sparse.indices:
            self._holding[term].pop(key)
        self._rows.pop(key, None)


def _is_wanted(point: Point, query: Query) -> bool:
    return point.collection_id in query.collection_ids and (
        query.document_ids is None or point.document_id in query.document_ids
    )


def _best(scores: Mapping[_Key, float], limit: int) -> dict[str, float]:
    return {key[1]: score for key, score in nlargest(limit, scores.items(), key=lambda each: each[1])}
