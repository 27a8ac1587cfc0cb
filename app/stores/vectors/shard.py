"""One space of the engine, as its process has it: who asks for a tenant's points, or changes them, has to say whose.

The engine itself would read and delete without a tenant, so nobody but this room has it in hand.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import qdrant_edge as engine

from app.stores.vectors.naming import DENSE, DOCUMENT, PASSAGE, TENANT, TERMS, holding_id, point_id
from app.stores.vectors.words import Row, Search, unpacked

_MANY = 1_000_000
"""Names that are counted at most: more than an embedded index can hold documents."""
_NO_GRAPH = engine.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=1_000_000_000)
"""None is built: of 50,000 points a tenant's are looked through in milliseconds, and building takes minutes."""
_TIDY_ALONE = engine.EdgeOptimizersConfig(indexing_threshold=1_000_000_000, default_segment_number=1)
"""What the engine calls to optimize gives back the room of what was deleted, and does nothing else."""
_HOLDING = "holding"
"""What a point says of its tenant and collection in one: to look at 50,000 points for two things takes 20 ms, for this
one 5."""
_WORTH_TIDYING = 10_000
"""Points that have been deleted since the engine was last tidied; and half as many as there are."""


class Shard:
    """What is written is safe from the death of this process when the call returns, and from that of the machine after
    the next `flush`."""

    def __init__(self, folder: Path, dimensions: int | None) -> None:
        self.dimensions = dimensions
        self._shard = engine.EdgeShard.load(str(folder), _config(dimensions))
        self._unsaved_since: float | None = None
        self._deleted = 0

    @staticmethod
    def make(folder: Path, dimensions: int | None) -> None:
        """An empty one, whole on the disk when this returns."""
        shard = engine.EdgeShard.create(str(folder), _config(dimensions))
        for key in (TENANT, _HOLDING, DOCUMENT):
            index = engine.KeywordIndexParams(is_tenant=key == TENANT)
            shard.update(engine.UpdateOperation.create_field_index(key, index))
        shard.flush()
        shard.close()

    def of(self, tenant: str) -> "Holding":
        return Holding(self, self._shard, tenant)

    def tenants(self) -> Sequence[str]:
        request = engine.FacetRequest(TENANT, limit=_MANY, exact=True)
        # Who has no points any more is still named, with none.
        return [str(hit.value) for hit in self._shard.facet(request).hits if hit.count]

    def noted(self, *, deleted: int = 0) -> None:
        """Something was written."""
        self._deleted += deleted
        if self._unsaved_since is None:
            self._unsaved_since = time.monotonic()

    def unsaved_for(self) -> float:
        """Seconds since the oldest write that the machine's death would take along."""
        return 0.0 if self._unsaved_since is None else time.monotonic() - self._unsaved_since

    def flush(self) -> None:
        if self._unsaved_since is not None:
            self._shard.flush()
            self._unsaved_since = None

    def tidy(self) -> None:
        """Give back the room of what was deleted, if it is much: 70 µs for each point that is left, all in one go."""
        if self._deleted >= max(_WORTH_TIDYING, self._shard.info().points_count / 2):
            self._deleted = 0
            self._shard.optimize()
            self.noted()

    def close(self) -> None:
        self.flush()
        self._shard.close()


class Holding:
    """What one tenant has in a space. Every call goes through `_own`, which alone makes filters."""

    def __init__(self, shard: Shard, raw: engine.EdgeShard, tenant: str) -> None:
        self._shard = shard
        self._raw = raw
        self._tenant = tenant

    def upsert(self, rows: Sequence[Row]) -> None:
        self._raw.update(engine.UpdateOperation.upsert_points([self._point(row) for row in rows]))
        self._shard.noted()

    def delete(self, document: str | None) -> None:
        own = self._own(documents=None if document is None else [document])
        gone = self._raw.count(engine.CountRequest(exact=True, filter=own))
        if gone:
            self._raw.update(engine.UpdateOperation.delete_points_by_filter(own))
            self._shard.noted(deleted=gone)

    def search_terms(self, asked: Search) -> Sequence[tuple[str, float]]:
        indices, values = asked.terms.unpacked()
        if not indices:
            return []
        vector = engine.SparseVector(indices, values)
        # How rare a term is, is told by the tenant's own passages: by all, scores would tell what others write of.
        rarity = engine.IdfParams(corpus=self._own())
        return self._nearest(asked, engine.Query.Nearest(vector, using=TERMS), engine.SearchParams(idf=rarity))

    def search_dense(self, asked: Search) -> Sequence[tuple[str, float]]:
        if asked.dense is None:
            return []
        query = engine.Query.Nearest(unpacked(asked.dense), using=DENSE)
        return self._nearest(asked, query, engine.SearchParams(exact=True))

    def documents(self) -> dict[str, int]:
        request = engine.FacetRequest(DOCUMENT, limit=_MANY, exact=True, filter=self._own())
        return {str(hit.value): hit.count for hit in self._raw.facet(request).hits if hit.count}

    def _nearest(self, asked: Search, query: engine.Query, params: engine.SearchParams) -> Sequence[tuple[str, float]]:
        own = self._own(collections=asked.collections, documents=asked.documents)
        request = engine.QueryRequest(limit=asked.limit, query=query, filter=own, params=params, with_payload=[PASSAGE])
        return [(str((hit.payload or {})[PASSAGE]), hit.score) for hit in self._raw.query(request)]

    def _own(
        self, *, collections: Sequence[str] | None = None, documents: Sequence[str] | None = None
    ) -> engine.Filter:
        """The tenant's points: all, or those in one of these collections, and of one of these documents."""
        if collections is None:
            conditions = [_one_of(TENANT, [self._tenant])]
        else:
            conditions = [_one_of(_HOLDING, [holding_id(self._tenant, each) for each in collections])]
        if documents is not None:
            conditions.append(_one_of(DOCUMENT, documents))
        return engine.Filter(must=[*conditions])

    def _point(self, row: Row) -> engine.Point:
        vectors: dict[str, list[float] | engine.SparseVector | list[list[float]]] = {
            TERMS: engine.SparseVector(*row.terms.unpacked())
        }
        if row.dense is not None:
            vectors[DENSE] = unpacked(row.dense)
        said = {
            TENANT: self._tenant,
            _HOLDING: holding_id(self._tenant, row.collection),
            DOCUMENT: row.document,
            PASSAGE: row.passage,
        }
        return engine.Point(point_id(self._tenant, row.passage), vectors, said)


def _one_of(name: str, values: Sequence[str]) -> engine.FieldCondition:
    # Of one value the engine is sure sooner than of a list with one.
    match = engine.MatchValue(values[0]) if len(values) == 1 else engine.MatchAny(list(values))
    return engine.FieldCondition(name, match)


def _config(dimensions: int | None) -> engine.EdgeConfig:
    """As it is made and as it is loaded: what differs is refused by the engine."""
    dense = {} if dimensions is None else {DENSE: engine.EdgeVectorParams(dimensions, engine.Distance.Cosine)}
    return engine.EdgeConfig(
        vectors=dense,
        sparse_vectors={TERMS: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)},
        hnsw_config=_NO_GRAPH,
        optimizers=_TIDY_ALONE,
        max_search_threads=1,
    )
