"""What the service and the engine's process say to each other: MessagePack, each message with its length before it."""

import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from app.domain.vectors import Point, Query, SparseVector

LENGTH: Final = struct.Struct("<I")
LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a message; what claims to be longer is none."""


class _Word(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One of either side; the kind stands first."""


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """A sparse vector: unsigned and floating numbers of 32 bits, as this machine writes them."""

    indices: bytes
    values: bytes

    @classmethod
    def of(cls, vector: SparseVector) -> "Terms":
        return cls(array("I", vector.indices).tobytes(), packed(vector.values))

    def unpacked(self) -> tuple[list[int], list[float]]:
        indices = array("I")
        indices.frombytes(self.indices)
        return indices.tolist(), unpacked(self.values)


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A point of a tenant who is named beside it."""

    passage: str
    document: str
    collection: str
    terms: Terms
    dense: bytes | None

    @classmethod
    def of(cls, point: Point) -> "Row":
        dense = None if point.dense is None else packed(point.dense)
        return cls(point.passage_id, point.document_id, point.collection_id, Terms.of(point.sparse), dense)


class Ping(_Word, frozen=True):
    pass


class Open(_Word, frozen=True):
    space: str
    dimensions: int | None


class Upsert(_Word, frozen=True):
    space: str
    tenant: str
    rows: Sequence[Row]


class Delete(_Word, frozen=True):
    space: str
    tenant: str
    document: str | None


class Search(_Word, frozen=True):
    space: str
    tenant: str
    collections: Sequence[str]
    documents: Sequence[str] | None
    terms: Terms
    dense: bytes | None
    limit: int

    @classmethod
    def of(cls, space: str, tenant: str, query: Query) -> "Search":
        documents = None if query.document_ids is None else list(query.document_ids)
        dense = None if query.dense is None else packed(query.dense)
        terms = Terms.of(query.sparse)
        return cls(space, tenant, list(query.collection_ids), documents, terms, dense, query.limit)


class Documents(_Word, frozen=True):
    space: str
    tenant: str


class Tenants(_Word, frozen=True):
    space: str


class Spaces(_Word, frozen=True):
    pass


class Drop(_Word, frozen=True):
    space: str


Request = Ping | Open | Upsert | Delete | Search | Documents | Tenants | Spaces | Drop


class Done(_Word, frozen=True):
    pass


class Hits(_Word, frozen=True):
    """Passages and their scores in each channel, the best first."""

    sparse: Sequence[tuple[str, float]]
    dense: Sequence[tuple[str, float]]


class Counts(_Word, frozen=True):
    by_document: Mapping[str, int]


class Names(_Word, frozen=True):
    names: Sequence[str]


class Failed(_Word, frozen=True):
    """It was not done. `said` is for the log."""

    said: str


Answer = Done | Hits | Counts | Names | Failed


class Asked(msgspec.Struct, frozen=True, array_like=True):
    number: int
    request: Request


class Answered(msgspec.Struct, frozen=True, array_like=True):
    number: int
    answer: Answer


def packed(values: Sequence[float]) -> bytes:
    return array("f", values).tobytes()


def unpacked(values: bytes) -> list[float]:
    floats = array("f")
    floats.frombytes(values)
    return floats.tolist()


def frame(word: Asked | Answered) -> bytes:
    body = msgspec.msgpack.encode(word)
    return LENGTH.pack(len(body)) + body
