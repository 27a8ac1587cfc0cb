"""The index on a Qdrant server, which may be away, slow or somebody else's at any moment."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import ceil
from typing import TypeVar

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from app.core.errors import VectorsUnavailable
from app.domain.vectors import Found, Point, Query, Space
from app.stores.breaker import Away, Breaker
from app.stores.vectors.answers import Nonsense, NotThere, Refused, Taken, about, check_done, meant, scores
from app.stores.vectors.asking import GRAPHS, INDEXED, channels, dense_vectors, index_of, own, sparse_vectors, struct
from app.stores.vectors.bounded import BoundedTransport
from app.stores.vectors.checks import batches, check_query, finds_nothing
from app.stores.vectors.naming import DENSE, DOCUMENT, TENANT, TERMS, check_space_name

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

PREFIX = "ai-backend-"
"""Of all our collections: others may use the same server."""
_MANY = 1_000_000
"""Names that are counted at most."""
_CONNECTIONS = 20

# The client takes it that answers are what they should be, and trips over others in its own ways.
_MISREAD = (ValueError, AssertionError, AttributeError, LookupError, RecursionError, TypeError)
_FAILURES = (Nonsense, ApiException, QdrantException, OSError, *_MISREAD)


class ServerVectors:
    """A VectorStore. A space is a collection; each call to the server takes `patience` seconds at most."""

    def __init__(self, url: str, api_key: str | None, *, patience: float) -> None:
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self._client = AsyncQdrantClient(
            url=url,
            # Not as `api_key`, which asks for TLS: inside a private network there may be none.
            headers={"api-key": api_key} if api_key else {},
            timeout=ceil(patience),
            check_compatibility=False,
            limits=limits,
            transport=BoundedTransport(limits=limits),
        )
        self._breaker = Breaker("qdrant", self._probe, _FAILURES, patience=patience)

    @property
    def away(self) -> bool:
        return self._breaker.open

    async def open(self, space: Space) -> None:
        name = _collection(space.name)
        try:
            there = await self._ask(lambda: self._client.get_collection(name), about, expected=NotThere)
        except NotThere:
            await self._make(space)
            there = await self._ask(lambda: self._client.get_collection(name), about)
        if (there.dimensions, there.weighs_terms) != (space.dimensions, True):
            logger.error("a collection of this name is there, and is another", extra={"collection": name})
            raise VectorsUnavailable
        for key in sorted(INDEXED - there.indexed):
            await self._index(name, key)

    async def upsert(self, space: Space, tenant: str, points: Sequence[Point]) -> None:
        name = _collection(space.name)
        for batch in batches(space, points):
            structs = [struct(tenant, point) for point in batch]
            await self._ask(partial(self._client.upsert, name, structs, wait=True), check_done)

    async def delete(self, space: Space, tenant: str, *, document_id: str | None = None) -> None:
        name = _collection(space.name)
        theirs = own(tenant) if document_id is None else own(tenant, (DOCUMENT, [document_id]))
        selector = models.FilterSelector(filter=theirs)
        with suppress(NotThere):
            await self._ask(lambda: self._client.delete(name, selector, wait=True), check_done, expected=NotThere)

    async def search(self, space: Space, tenant: str, query: Query) -> Found:
        check_query(space, query)
        if finds_nothing(query):
            return Found({}, {})
        asked = channels(tenant, query)

        def read(responses: Sequence[models.QueryResponse]) -> Mapping[str, Mapping[str, float]]:
            return {name: scores(tenant, each) for name, each in zip(asked, responses, strict=True)}

        name, requests = _collection(space.name), list(asked.values())
        found = await self._ask(lambda: self._client.query_batch_points(name, requests), read)
        return Found(found.get(TERMS, {}), found.get(DENSE, {}))

    async def documents(self, space: Space, tenant: str) -> Mapping[str, int]:
        return await self._counted(space, DOCUMENT, own(tenant))

    async def tenants(self, space: Space) -> Sequence[str]:
        return list(await self._counted(space, TENANT, None))

    async def spaces(self) -> Sequence[str]:
        names = await self._ask(self._client.get_collections, lambda got: [each.name for each in got.collections])
        return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))

    async def drop(self, space_name: str) -> None:
        name = _collection(space_name)
        # The server's answer is whether it was there.
        with suppress(NotThere):
            await self._ask(lambda: self._client.delete_collection(name), bool, expected=NotThere)

    async def close(self) -> None:
        await self._breaker.aclose()
        await self._client.close()

    async def _make(self, space: Space) -> None:
        name = _collection(space.name)
        # Another instance may have made it meanwhile; what it is, is looked at afterwards.
        with suppress(Taken):
            await self._ask(
                lambda: self._client.create_collection(
                    name,
                    vectors_config=dense_vectors(space),
                    sparse_vectors_config=sparse_vectors(),
                    hnsw_config=GRAPHS,
                ),
                bool,
                expected=Taken,
            )

    async def _index(self, name: str, key: str) -> None:
        params = index_of(key)
        await self._ask(lambda: self._client.create_payload_index(name, key, params, wait=True), check_done)

    async def _counted(self, space: Space, key: str, within: models.Filter | None) -> Mapping[str, int]:
        name = _collection(space.name)
        try:
            return await self._ask(
                lambda: self._client.facet(name, key, facet_filter=within, limit=_MANY, exact=True),
                lambda response: {str(hit.value): hit.count for hit in response.hits if hit.count},
                expected=NotThere,
            )
        except NotThere:
            return {}

    async def _ask(
        self, call: Callable[[], Awaitable[T]], read: Callable[[T], R], *, expected: type[Refused] | None = None
    ) -> R:
        """What `read` makes of the server's answer. Raises VectorsUnavailable, and the refusal that is expected."""

        async def work() -> R:
            try:
                return read(await call())
            except UnexpectedResponse as error:
                raise meant(error) from error

        try:
            return await self._breaker.call(work)
        except Away as error:
            raise VectorsUnavailable(retry_after=1) from error
        except Refused as error:
            if expected is not None and isinstance(error, expected):
                raise
            logger.error("qdrant refuses a request", extra={"said": str(error)})
            raise VectorsUnavailable from error

    async def _probe(self) -> None:
        await self._client.get_collections()


def _collection(space_name: str) -> str:
    check_space_name(space_name)
    return PREFIX + space_name
