"""What is asked of a Qdrant server, in its client's words."""

from collections.abc import Mapping, Sequence

from qdrant_client import models

from app.domain.vectors import Point, Query, Space, SparseVector
from app.stores.vectors.naming import COLLECTION, DENSE, DOCUMENT, PASSAGE, TENANT, TERMS, check_text, point_id

INDEXED = frozenset({TENANT, COLLECTION, DOCUMENT})
GRAPHS = models.HnswConfigDiff(m=0, payload_m=16)
"""One for each tenant, and none over all of them: nobody searches there."""


def own(tenant: str, *within: tuple[str, Sequence[str]]) -> models.Filter:
    """The tenant's points, or those of them that have one of these values at each of these names.

    Nothing else here makes a filter, and there is no other way to a point.
    """
    check_text(tenant, *(value for _, values in within for value in values))
    first = models.FieldCondition(key=TENANT, match=models.MatchValue(value=tenant))
    rest = [models.FieldCondition(key=name, match=models.MatchAny(any=list(values))) for name, values in within]
    return models.Filter(must=[first, *rest])


def dense_vectors(space: Space) -> Mapping[str, models.VectorParams]:
    """The dense ones of a collection that is to be made."""
    if space.dimensions is None:
        return {}
    return {DENSE: models.VectorParams(size=space.dimensions, distance=models.Distance.COSINE)}


def sparse_vectors() -> Mapping[str, models.SparseVectorParams]:
    return {TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def index_of(key: str) -> models.KeywordIndexParams:
    return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=key == TENANT)


def channels(tenant: str, query: Query) -> Mapping[str, models.QueryRequest]:
    """What is asked of each channel that there is something to ask of."""
    within = [(COLLECTION, query.collection_ids)]
    if query.document_ids is not None:
        within.append((DOCUMENT, query.document_ids))
    theirs = own(tenant, *within)
    asked = {}
    if query.sparse.indices:
        # How rare a term is, is told by the tenant's own passages: by all, scores would tell what others write of.
        rarity = models.SearchParams(idf=models.IdfCorpusParams(corpus=own(tenant)))
        asked[TERMS] = _request(_sparse(query.sparse), TERMS, theirs, query.limit, rarity)
    if query.dense is not None:
        asked[DENSE] = _request(list(query.dense), DENSE, theirs, query.limit, None)
    return asked


def struct(tenant: str, point: Point) -> models.PointStruct:
    vectors: dict[str, list[float] | models.SparseVector] = {TERMS: _sparse(point.sparse)}
    if point.dense is not None:
        vectors[DENSE] = list(point.dense)
    said = {
        TENANT: tenant,
        COLLECTION: point.collection_id,
        DOCUMENT: point.document_id,
        PASSAGE: point.passage_id,
    }
    return models.PointStruct(id=point_id(tenant, point.passage_id), vector=vectors, payload=said)


def _request(
    vector: models.SparseVector | list[float],
    channel: str,
    within: models.Filter,
    limit: int,
    params: models.SearchParams | None,
) -> models.QueryRequest:
    return models.QueryRequest(
        query=vector, using=channel, filter=within, limit=limit, params=params, with_payload=[PASSAGE]
    )


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))
