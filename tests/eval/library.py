"""The way of a document into the index and of a question to its passages, as the product goes it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid5

from app.domain import packing
from app.domain.asking import Meaning, ask
from app.domain.indexed import terms, whole_text
from app.domain.passages import Page, Passage
from app.domain.scripts import Script
from app.domain.vectors import Point, Space, SparseVector, VectorStore

_NAMES = UUID("6c0ad9a4-5f7e-4d3a-9f0e-0d4c2f1b7a11")
_TENANT = str(uuid5(_NAMES, "tenant"))
_COLLECTION = str(uuid5(_NAMES, "collection"))


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    title: str
    pages: Sequence[Page]


@dataclass(frozen=True, slots=True)
class Hit:
    document: str
    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    hits: Sequence[Hit]
    confidence: float


class Embedder(Protocol):
    @property
    def dimensions(self) -> int: ...

    @property
    def scripts(self) -> Collection[Script] | None:
        """Those that it knows; None is all."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    document: Document
    passage: Passage


class Library:
    """One user's collection in a space of its own."""

    def __init__(self, store: VectorStore, name: str, embedder: Embedder | None = None) -> None:
        self._store = store
        self._embedder = embedder
        self._space = Space(name, embedder.dimensions if embedder else None)
        self._entries: dict[str, _Entry] = {}

    async def open(self) -> None:
        await self._store.open(self._space)

    async def add(self, documents: Sequence[Document]) -> None:
        entries = {
            _name(document, passage): _Entry(document, passage)
            for document in documents
            for passage in packing.pack(document.pages, document.title)
        }
        self._entries |= entries
        await self._store.upsert(self._space, _TENANT, list(self._points(entries)))

    async def remove(self, document: Document) -> None:
        gone = [each for each, entry in self._entries.items() if entry.document.name == document.name]
        for each in gone:
            del self._entries[each]
        await self._store.delete(self._space, _TENANT, document_id=str(uuid5(_NAMES, document.name)))

    async def find(self, question: str) -> Answer:
        """The passages for a question, the best first."""
        meaning = Meaning(self._embedder.embed([question])[0], self._embedder.scripts) if self._embedder else None
        asked = ask(question, meaning)
        found = await self._store.search(self._space, _TENANT, asked.query([_COLLECTION]))
        ranked = asked.ranked(found)
        hits = [
            Hit(entry.document.name, entry.passage, each.score)
            for each in ranked
            for entry in [self._entries[each.passage_id]]
        ]
        best = [each.passage_id for each in ranked]
        confidence = asked.confidence(found, best, lambda each: self._vector(self._entries[each]), len(self._entries))
        return Answer(hits, confidence)

    @property
    def passages(self) -> Sequence[Passage]:
        return [entry.passage for entry in self._entries.values()]

    def _points(self, entries: dict[str, _Entry]) -> Iterator[Point]:
        dense = (
            self._embedder.embed([whole_text(entry.document.title, entry.passage) for entry in entries.values()])
            if self._embedder
            else None
        )
        for number, (name, entry) in enumerate(entries.items()):
            document = str(uuid5(_NAMES, entry.document.name))
            yield Point(name, document, _COLLECTION, self._vector(entry), dense[number] if dense is not None else None)

    @staticmethod
    def _vector(entry: _Entry) -> SparseVector:
        return terms(entry.document.title, entry.passage)


def _name(document: Document, passage: Passage) -> str:
    return str(uuid5(_NAMES, f"{document.name}/{passage.number}"))
