"""The index that passages are found in, as services see it: derived from rows, and so never the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Space:
    """All that is indexed alike: by one version of the rules that make passages and terms, and by one embedder.

    `name` is of letters, digits, `-` and `_`; `dimensions` are of its dense vectors, None where it has none.
    """

    name: str
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Weights of terms, by distinct 32-bit numbers. In a query as in a passage; the index multiplies by each term's
    inverse document frequency, as Qdrant's IDF modifier does."""

    indices: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Point:
    """A passage in the index. All names are UUIDs as text; `dense` is of unit length."""

    passage_id: str
    document_id: str
    collection_id: str
    sparse: SparseVector
    dense: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, in which collections, and how many of each channel at most."""

    collection_ids: Sequence[str]
    sparse: SparseVector
    dense: Sequence[float] | None = None
    limit: int = 100
    document_ids: Sequence[str] | None = None
    """Only in these; None is in all."""


@dataclass(frozen=True, slots=True)
class Found:
    """Scores of the best passages by id, the best first: of terms, and as cosines where dense vectors were asked for.

    Each channel is scored on its own; how they are weighed is not the index's business.
    """

    sparse: Mapping[str, float]
    dense: Mapping[str, float]


class VectorStore(Protocol):
    """Every call raises VectorsUnavailable where the index is away, late or talks nonsense, within a bound of time.

    A tenant is a user's id. There is no way to search, count or delete without one but `drop`.
    """

    async def open(self, space: Space) -> None:
        """Make the space if it is new; harmless else. Raises where it is there with other dimensions."""
        ...

    async def upsert(self, space: Space, tenant: str, points: Sequence[Point]) -> None:
        """Put points in, in place of those with the same passage ids; they are found when this returns."""
        ...

    async def delete(self, space: Space, tenant: str, *, document_id: str | None = None) -> None:
        """Take out a document of a tenant, or all that the tenant has; harmless where nothing is."""
        ...

    async def search(self, space: Space, tenant: str, query: Query) -> Found: ...

    async def documents(self, space: Space, tenant: str) -> Mapping[str, int]:
        """How many points each document of a tenant has: for a sweeper to compare with the rows."""
        ...

    async def tenants(self, space: Space) -> Sequence[str]:
        """Who has points at all: for the sweeper."""
        ...

    async def spaces(self) -> Sequence[str]: ...

    async def drop(self, space_name: str) -> None:
        """Forget a space with all that is in it; harmless where it is not."""
        ...

    async def close(self) -> None: ...
