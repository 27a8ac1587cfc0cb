"""The index learns a document: what it holds of it is made what the rows say, from the first chunk to the last."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from time import monotonic

from app.core.metrics import Metrics
from app.database import Database
from app.domain.documents import Chunk, Document, DocumentStatus, Mishap
from app.domain.embedding import Embedder, EmbedderUnavailable, Vector
from app.domain.indexed import terms, whole_text
from app.domain.vectors import Point, Space
from app.services.index import DUTY, Index

logger = logging.getLogger(__name__)

_BATCH = 32
"""Chunks that are looked up, made vectors of and written at once: 20 ms of a core."""
_OF_INDEX = (DocumentStatus.INDEXING, DocumentStatus.READY)
_FAILED = Mishap("index_failed", "The document was read, but could not be made searchable. Try it again.")


class Outcome(Enum):
    LEARNT = "learnt"
    GONE = "gone"
    """There is nothing to learn but that nothing is there."""
    WITHOUT_MEANING = "without meaning"
    """It is found by its terms; the embedder is away, and the change stays."""
    CHANGED = "changed"
    """It was changed meanwhile, and is to be learnt again."""


@dataclass(frozen=True, slots=True)
class Target:
    """A space that learns. `leads`: a document that it has learnt is ready."""

    space: Space
    leads: bool
    embedder: Embedder | None
    """Of its vectors; None where it has none, or others' than can be made now."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A document, and all that was noted of it by now."""

    user_id: str
    document_id: str
    change_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Written:
    """How many chunks, and whether with their meaning, if that was asked for."""

    count: int
    whole: bool


class Learning:
    """To learn what is known already changes nothing, so whatever breaks off is just done again.

    All lessons take turns: what is made of text takes half of a core at most.
    """

    def __init__(self, database: Database, index: Index, metrics: Metrics) -> None:
        self._database = database
        self._index = index
        self._metrics = metrics
        self._making = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def learn(self, target: Target, lesson: Lesson) -> Outcome:
        """Raises VectorsUnavailable, DatabaseUnavailable."""
        document = await self._there(lesson)
        if document is None:
            await self.forget(target.space, lesson.user_id, lesson.document_id, lesson.change_ids)
            return Outcome.GONE
        written = await self._write(target, lesson, document)
        if written is not None and await self._holds(target.space, document) != written.count:
            # It was read anew, and what was made of it before is still there.
            await self._index.kept.delete(target.space, document.user_id, document_id=document.id)
            written = await self._write(target, lesson, document)
        if written is None:
            return Outcome.CHANGED
        return await self._finish(target, document, lesson.change_ids if written.whole else (), whole=written.whole)

    async def forget(self, space: Space, user_id: str, document_id: str | None, change_ids: Sequence[str]) -> None:
        """A document is gone, or a user. Raises VectorsUnavailable, DatabaseUnavailable."""
        if document_id is not None or not await self._has_documents(user_id):
            # Not while another writes: it has looked whether the document is there before this one did.
            async with self._writing:
                await self._index.kept.delete(space, user_id, document_id=document_id)
        async with self._database.transaction(durable=False) as tx:
            if await tx.index.hold_duty(DUTY, self._index.holder):
                tx.index.learnt(change_ids)

    async def give_up(self, target: Target, lesson: Lesson) -> None:
        """It cannot be learnt: who waits for it is told. Raises DatabaseUnavailable."""
        async with self._database.transaction() as tx:
            document = await tx.documents.enter(lesson.user_id, lesson.document_id)
            tx.index.learnt(lesson.change_ids)
            if document is None or document.status is not DocumentStatus.INDEXING or not target.leads:
                return
            await tx.documents.change(
                document,
                status=DocumentStatus.FAILED,
                mishap=_FAILED,
                page_count=document.page_count,
                chunk_count=document.chunk_count,
                characters=document.characters,
                packing=document.packing,
            )
            await tx.jobs.indexed(document.id, _FAILED)
        self._metrics.indexed("failed")

    async def _write(self, target: Target, lesson: Lesson, document: Document) -> _Written | None:
        """In place of what is there of the same chunks; None where the document was changed meanwhile."""
        embedder = target.embedder
        after = count = 0
        while chunks := await self._chunks(document, after):
            vectors: Sequence[Vector] | None = None
            if embedder is not None and (vectors := await self._embedded(embedder, document, chunks)) is None:
                embedder = None
            points = await self._made(document, chunks, vectors)
            async with self._writing:
                if not _same(await self._there(lesson), document):
                    return None
                await self._index.kept.upsert(target.space, document.user_id, points)
            after, count = chunks[-1].number, count + len(chunks)
        return _Written(count, whole=embedder is target.embedder)

    async def _holds(self, space: Space, document: Document) -> int:
        return (await self._index.kept.documents(space, document.user_id)).get(document.id, 0)

    async def _finish(self, target: Target, document: Document, change_ids: Sequence[str], *, whole: bool) -> Outcome:
        async with self._database.transaction() as tx:
            held = await tx.index.hold_duty(DUTY, self._index.holder)
            now = await tx.documents.enter(document.user_id, document.id)
            if not held:
                # Another has taken over, and may have been done with this document before we wrote.
                tx.index.note(target.space.name, document.user_id, [document.id])
                return Outcome.CHANGED
            if now is None or not _same(now, document):
                return Outcome.CHANGED
            new = target.leads and now.status is DocumentStatus.INDEXING
            if new:
                await tx.documents.restate(now, DocumentStatus.READY)
                await tx.jobs.indexed(document.id)
            if change_ids:
                tx.index.learnt(change_ids)
        if new:
            self._metrics.indexed("ready")
        return Outcome.LEARNT if whole else Outcome.WITHOUT_MEANING

    async def _there(self, lesson: Lesson) -> Document | None:
        """The document, if the index is to have it."""
        document = await self._database.now.documents.there(lesson.document_id)
        if document is None or document.user_id != lesson.user_id or document.status not in _OF_INDEX:
            return None
        return document

    async def _has_documents(self, user_id: str) -> bool:
        return bool(await self._database.now.documents.indexed(user_id, after="", limit=1))

    async def _chunks(self, document: Document, after: int) -> Sequence[Chunk]:
        return await self._database.now.chunks.chunks(document.id, after=after, limit=_BATCH)

    async def _embedded(
        self, embedder: Embedder, document: Document, chunks: Sequence[Chunk]
    ) -> Sequence[Vector] | None:
        """None while the embedder is away."""
        try:
            embedded = await embedder.embed_passages([whole_text(document.title, chunk) for chunk in chunks])
        except EmbedderUnavailable as error:
            logger.warning("a document is indexed by its terms alone", extra={"reason": error.reason})
            vectors, bill = None, error.bill
        else:
            vectors, bill = embedded.vectors, embedded.bill
        if bill.attempt is not None:
            async with self._database.transaction(durable=False) as tx:
                tx.usage.book_embedding(document.user_id, bill)
        return vectors

    async def _made(
        self, document: Document, chunks: Sequence[Chunk], vectors: Sequence[Vector] | None
    ) -> Sequence[Point]:
        async with self._making:
            began = monotonic()
            points = await asyncio.to_thread(_points, document, chunks, vectors)
            await asyncio.sleep(monotonic() - began)
        return points


def _points(document: Document, chunks: Sequence[Chunk], vectors: Sequence[Vector] | None) -> Sequence[Point]:
    points = [Point(chunk.id, document.id, document.collection_id, terms(document.title, chunk)) for chunk in chunks]
    if vectors is None:
        return points
    return [replace(point, dense=vector) for point, vector in zip(points, vectors, strict=True)]


def _same(now: Document | None, before: Document) -> bool:
    return now is not None and now.updated_at == before.updated_at
