"""The index learns a document: what it holds of it is made what the rows say, from the first chunk to the last."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from time import monotonic

from app.core.metrics import Metrics
from app.database import Database
from app.domain.documents import Chunk, Document, DocumentStatus, Mishap
from app.domain.embedding import Embedder, Vector
from app.domain.indexed import terms
from app.domain.vectors import Point, Space
from app.services.index import DUTY, Index
from app.services.meanings import Meanings

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
    """A space that learns. `leads`: a document that it has learnt is ready. `filled`: all were noted for it."""

    space: Space
    leads: bool
    embedder: Embedder | None
    """Of its vectors; None where it has none, or others' than can be made now."""
    filled: bool = True


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


@dataclass(frozen=True, slots=True)
class _Meant:
    """A chunk up to which a document is there with its meaning. Whatever is read anew has chunks of other ids."""

    number: int
    chunk_id: str


class Learning:
    """To learn what is known already changes nothing, so whatever breaks off is just done again.

    All lessons take turns: what is made of text takes half of a core at most.
    """

    def __init__(self, database: Database, index: Index, metrics: Metrics) -> None:
        self._database = database
        self._index = index
        self._metrics = metrics
        self._meanings = Meanings(database)
        self._meant: dict[tuple[str, str], _Meant] = {}
        """By space and document, of those whose embedder went away on the way: to begin anew would be paid again, and a
        long one never came to its end."""
        self._making = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def learn(self, target: Target, lesson: Lesson) -> Outcome:
        """Raises VectorsUnavailable, DatabaseUnavailable."""
        document = await self._there(lesson)
        if document is None:
            await self.forget(target.space, lesson.user_id, lesson.document_id, lesson.change_ids)
            return Outcome.GONE
        key = (target.space.name, document.id)
        written = await self._write(target, lesson, document)
        if written is not None and await self._holds(target.space, document) != written.count:
            # It was read anew, and what was made of it before is still there.
            self._meant.pop(key, None)
            await self._index.kept.delete(target.space, document.user_id, document_id=document.id)
            written = await self._write(target, lesson, document)
        if written is None:
            return await self._changed(target, lesson)
        if written.whole:
            self._meant.pop(key, None)
        return await self._finish(target, document, lesson.change_ids if written.whole else (), whole=written.whole)

    async def forget(self, space: Space, user_id: str, document_id: str, change_ids: Sequence[str]) -> None:
        """A document is gone. Raises VectorsUnavailable, DatabaseUnavailable."""
        self._meant.pop((space.name, document_id), None)
        await self._take_out(space, user_id, document_id)
        async with self._database.transaction(durable=False) as tx:
            if await tx.index.hold_duty(DUTY, self._index.holder):
                tx.index.learnt(change_ids)
            else:
                # Another has taken over, and may have learnt it anew before we took it out.
                tx.index.note(space.name, user_id, [document_id])

    async def forget_user(self, space: Space, user_id: str, change_id: str) -> None:
        """A user is gone, whose documents may take a while to go: as long as any is there it may come in again, so
        until then the change stays. Raises VectorsUnavailable, DatabaseUnavailable."""
        gone = await self._database.now.users.get(user_id) is None
        left = await self._has_documents(user_id)
        if gone or not left:
            await self._take_out(space, user_id, None)
        if gone and left:
            return
        async with self._database.transaction(durable=False) as tx:
            if await tx.index.hold_duty(DUTY, self._index.holder):
                tx.index.learnt([change_id])

    async def give_up(self, target: Target, lesson: Lesson) -> None:
        """It cannot be learnt: who waits for it is told. Raises DatabaseUnavailable."""
        self._meant.pop((target.space.name, lesson.document_id), None)
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
        after = count = await self._meant_upto(target, document)
        while chunks := await self._chunks(document, after):
            vectors: Sequence[Vector | None] | None = None
            if embedder is not None and (vectors := await self._meanings.of(embedder, document, chunks)) is None:
                embedder = None
            points = await self._made(document, chunks, vectors)
            async with self._writing:
                if not _same(await self._there(lesson), document):
                    return None
                await self._index.kept.upsert(target.space, document.user_id, points)
            after, count = chunks[-1].number, count + len(chunks)
            if embedder is not None:
                self._meant[target.space.name, document.id] = _Meant(after, chunks[-1].id)
        return _Written(count, whole=embedder is target.embedder)

    async def _meant_upto(self, target: Target, document: Document) -> int:
        """The number of the last chunk that need not be written again, which is how many those are."""
        meant = self._meant.get((target.space.name, document.id))
        if meant is None or target.embedder is None:
            return 0
        there = await self._database.now.chunks.chunks(document.id, after=meant.number - 1, limit=1)
        return meant.number if there and there[0].id == meant.chunk_id else 0

    async def _changed(self, target: Target, lesson: Lesson) -> Outcome:
        """What has changed it has noted it; but whoever has taken over may be done with it, and we wrote after that."""
        async with self._database.transaction(durable=False) as tx:
            if not await tx.index.hold_duty(DUTY, self._index.holder):
                tx.index.note(target.space.name, lesson.user_id, [lesson.document_id])
        return Outcome.CHANGED

    async def _take_out(self, space: Space, user_id: str, document_id: str | None) -> None:
        # Not while another writes: it has looked whether the document is there before this one did.
        async with self._writing:
            await self._index.kept.delete(space, user_id, document_id=document_id)

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
        """In whatever state."""
        return bool(await self._database.now.documents.of_user(user_id, after="", limit=1))

    async def _chunks(self, document: Document, after: int) -> Sequence[Chunk]:
        return await self._database.now.chunks.chunks(document.id, after=after, limit=_BATCH)

    async def _made(
        self, document: Document, chunks: Sequence[Chunk], vectors: Sequence[Vector | None] | None
    ) -> Sequence[Point]:
        async with self._making:
            began = monotonic()
            points = await asyncio.to_thread(_points, document, chunks, vectors)
            await asyncio.sleep(monotonic() - began)
        return points


def _points(document: Document, chunks: Sequence[Chunk], vectors: Sequence[Vector | None] | None) -> Sequence[Point]:
    points = [Point(chunk.id, document.id, document.collection_id, terms(document.title, chunk)) for chunk in chunks]
    if vectors is None:
        return points
    return [replace(point, dense=vector) for point, vector in zip(points, vectors, strict=True)]


def _same(now: Document | None, before: Document) -> bool:
    return now is not None and now.updated_at == before.updated_at
