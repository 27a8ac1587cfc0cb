"""Users' documents: what there is, how each stands, and that they go."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.core.errors import NotFound
from app.database import Database, Transaction
from app.domain.chat import Page
from app.domain.documents import Document, DocumentStatus, Job, UnreadablePage
from app.domain.ports import JobQueue
from app.services.collections import own_collection
from app.services.document_clearing import DocumentClearing, bury

NO_DOCUMENT = "There is no such document."
_SHOWN = 100
"""Pages that could not be read, of one document."""
_LOOKED_EACH = (0.05, 0.5)
"""Seconds between two looks at one that is waited for, at first and in the end."""
_SETTLED = (DocumentStatus.READY, DocumentStatus.FAILED, DocumentStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Standing:
    """A document, and how it stands. Of the pages that could not be read the first are named, where they are asked
    for."""

    document: Document
    job_id: str | None
    unreadable_count: int
    unreadable: Sequence[UnreadablePage] = ()


class DocumentService:
    def __init__(self, database: Database, clearing: DocumentClearing, queue: JobQueue) -> None:
        self._database = database
        self._clearing = clearing
        self._queue = queue

    async def page(self, user_id: str, name: str, *, limit: int, cursor: str | None) -> Page[Standing]:
        """The documents of a collection, the newest first. Raises NotFound, InvalidCursor."""
        async with self._database.snapshot() as tx:
            collection = await own_collection(tx, user_id, name)
            page = await tx.documents.page(user_id, collection.id, limit=limit, cursor=cursor)
            return Page(await _standing(tx, user_id, page.items), page.next_cursor)

    async def get(self, user_id: str, name: str, document_id: str) -> Standing:
        """Raises NotFound."""
        async with self._database.snapshot() as tx:
            document = await _own_document(tx, user_id, name, document_id)
            (standing,) = await _standing(tx, user_id, [document])
            return replace(standing, unreadable=await tx.chunks.unreadable(document_id, limit=_SHOWN))

    async def delete(self, user_id: str, name: str, document_id: str) -> None:
        """The document with all that was made of it, for good. Raises NotFound.

        Nobody finds any of it from now on. Its file goes with it, unless it was uploaded for itself or is another
        document's, too.
        """
        async with self._database.transaction() as tx:
            await tx.users.enter(user_id)
            await _own_document(tx, user_id, name, document_id)
            job = await tx.jobs.find(user_id, document_id)
            document = await tx.documents.enter(user_id, document_id)
            if document is None:
                raise NotFound(NO_DOCUMENT)
            file = await bury(tx, document)
        if job is not None:
            self._queue.halt(job.id)
        await self._clearing.drop_bytes(file)
        await self._clearing.settle()

    async def settled(self, user_id: str, document_id: str, seconds: float) -> Document:
        """The document once it is ready or has come to nothing, or as it stands after so long. Raises NotFound when it
        is deleted."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        pause, longest = _LOOKED_EACH
        while True:
            document = await self._database.now.documents.get(user_id, document_id)
            if document is None:
                raise NotFound(NO_DOCUMENT)
            left = deadline - loop.time()
            if document.status in _SETTLED or left <= 0:
                return document
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, longest)


async def _own_document(tx: Transaction, user_id: str, name: str, document_id: str) -> Document:
    collection = await own_collection(tx, user_id, name)
    document = await tx.documents.get(user_id, document_id)
    if document is None or document.collection_id != collection.id:
        raise NotFound(NO_DOCUMENT)
    return document


async def _standing(tx: Transaction, user_id: str, documents: Sequence[Document]) -> Sequence[Standing]:
    ids = [each.id for each in documents]
    jobs = {job.document_id: job for job in await tx.jobs.of(user_id, ids)}
    unreadable = await tx.chunks.unreadable_counts(ids)
    return [_standing_of(each, jobs.get(each.id), unreadable.get(each.id, 0)) for each in documents]


def _standing_of(document: Document, job: Job | None, unreadable: int) -> Standing:
    if job is not None and document.page_count is None:
        document = replace(document, page_count=job.page_count)  # which knows it while it is read
    return Standing(document, job.id if job is not None else None, unreadable)
