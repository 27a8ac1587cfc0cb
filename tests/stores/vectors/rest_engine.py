"""What a Qdrant server does with its REST bodies, done by the same engine: bodies are read with the client's models."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge as engine
from pydantic import BaseModel, ValidationError
from qdrant_client import models

M = TypeVar("M", bound=BaseModel)


class Refusal(Exception):
    """A status, and what is said with it."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.said = said


def read(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Refusal(400, f"Format error in JSON body: {error}") from error


class Collections:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Collection] = {}

    def names(self) -> list[str]:
        return [each.name for each in self._folder.iterdir()]

    def of(self, name: str) -> "Collection":
        if name not in self._open:
            if not (self._folder / name).is_dir():
                raise Refusal(404, f"Not found: Collection `{name}` doesn't exist!")
            self._open[name] = Collection(self._folder / name)
        return self._open[name]

    def create(self, name: str, body: bytes) -> None:
        if (self._folder / name).is_dir():
            raise Refusal(409, f"Wrong input: Collection `{name}` already exists!")
        self._open[name] = Collection.make(self._folder / name, read(models.CreateCollection, body))

    def delete(self, name: str) -> bool:
        if name not in self.names():
            return False
        self.of(name).close()
        del self._open[name]
        shutil.rmtree(self._folder / name)
        return True


class Collection:
    def __init__(self, folder: Path) -> None:
        self._shard = engine.EdgeShard.load(str(folder))
        self._about = models.CreateCollection.model_validate_json((folder / "about.json").read_bytes())

    @classmethod
    def make(cls, folder: Path, about: models.CreateCollection) -> "Collection":
        vectors = about.vectors if isinstance(about.vectors, dict) else {}
        config = engine.EdgeConfig(
            vectors={
                name: engine.EdgeVectorParams(each.size, engine.Distance.Cosine) for name, each in vectors.items()
            },
            sparse_vectors={
                name: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf if each.modifier == "idf" else None)
                for name, each in (about.sparse_vectors or {}).items()
            },
        )
        folder.mkdir()
        engine.EdgeShard.create(str(folder), config).close()
        (folder / "about.json").write_text(about.model_dump_json(exclude_unset=True))
        return cls(folder)

    def close(self) -> None:
        self._shard.close()

    def info(self) -> dict[str, Any]:
        schema = {name: {"data_type": "keyword", "points": 0} for name in self._shard.info().payload_schema}
        params = self._about.model_dump(exclude_unset=True, mode="json", include={"vectors", "sparse_vectors"})
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "payload_schema": schema,
            "config": {
                "params": params,
                "hnsw_config": {"m": 0, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5},
            },
        }

    def index(self, body: bytes) -> None:
        asked = read(models.CreateFieldIndex, body)
        if not isinstance(asked.field_schema, models.KeywordIndexParams):
            raise Refusal(400, "here are keyword indexes alone")
        params = engine.KeywordIndexParams(is_tenant=asked.field_schema.is_tenant)
        self._update(engine.UpdateOperation.create_field_index(asked.field_name, params))

    def upsert(self, body: bytes) -> None:
        points = [_point(each) for each in read(models.PointsList, body).points]
        self._update(engine.UpdateOperation.upsert_points(points))

    def delete(self, body: bytes) -> None:
        selected = read(models.FilterSelector, body)
        self._update(engine.UpdateOperation.delete_points_by_filter(_filter(selected.filter)))

    def query_batch(self, body: bytes) -> list[dict[str, Any]]:
        return [{"points": self._query(each)} for each in read(models.QueryRequestBatch, body).searches]

    def facet(self, body: bytes) -> dict[str, Any]:
        asked = read(models.FacetRequest, body)
        if asked.key not in self._shard.info().payload_schema:
            raise Refusal(400, f"Bad request: Index required but not found for {asked.key}")
        within = None if asked.filter is None else _filter(asked.filter)
        request = engine.FacetRequest(asked.key, limit=asked.limit or 10, exact=bool(asked.exact), filter=within)
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in self._shard.facet(request)]}

    def _query(self, asked: models.QueryRequest) -> list[dict[str, Any]]:
        vector = asked.query.nearest if isinstance(asked.query, models.NearestQuery) else asked.query
        if isinstance(vector, models.SparseVector):
            query = engine.Query.Nearest(engine.SparseVector(vector.indices, vector.values), using=asked.using)
        elif isinstance(vector, list):
            query = engine.Query.Nearest([float(each) for each in vector], using=asked.using)  # type: ignore[arg-type]
        else:
            raise Refusal(400, "here are plain vectors alone")
        corpus = asked.params.idf if asked.params else None
        idf = engine.IdfParams(corpus=_filter(corpus.corpus)) if isinstance(corpus, models.IdfCorpusParams) else None
        request = engine.QueryRequest(
            limit=asked.limit or 10,
            query=query,
            filter=None if asked.filter is None else _filter(asked.filter),
            params=engine.SearchParams(idf=idf),
            with_payload=asked.with_payload,  # type: ignore[arg-type]
        )
        try:
            hits = self._shard.query(request)
        except Exception as error:
            raise Refusal(400, f"Wrong input: {error}") from error
        return [{"id": str(hit.id), "version": hit.version, "score": hit.score, "payload": hit.payload} for hit in hits]

    def _update(self, operation: engine.UpdateOperation) -> None:
        try:
            self._shard.update(operation)
        except Exception as error:
            raise Refusal(400, f"Wrong input: {error}") from error


def _point(point: models.PointStruct) -> engine.Point:
    vectors: dict[str, Any] = {}
    for name, vector in (point.vector if isinstance(point.vector, dict) else {}).items():
        if isinstance(vector, models.SparseVector):
            vectors[name] = engine.SparseVector(vector.indices, vector.values)
        else:
            vectors[name] = vector
    return engine.Point(point.id, vectors, json.loads(json.dumps(point.payload)))


def _filter(given: models.Filter) -> engine.Filter:
    """What is of another kind is refused: to pass over a condition would find more than was asked for."""
    if given.should or given.must_not or given.min_should:
        raise Refusal(400, "here are conditions that must hold alone")
    conditions: Sequence[Any] = given.must if isinstance(given.must, list) else [given.must]
    return engine.Filter(must=[_condition(each) for each in conditions])


def _condition(given: Any) -> engine.FieldCondition:
    match = given.match if isinstance(given, models.FieldCondition) else None
    if isinstance(match, models.MatchValue):
        return engine.FieldCondition(given.key, engine.MatchValue(match.value))
    if isinstance(match, models.MatchAny):
        return engine.FieldCondition(given.key, engine.MatchAny(match.any))
    raise Refusal(400, "here are matches alone")
