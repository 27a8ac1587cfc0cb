"""Documents that are brought: what has come is kept as files, and their reading is asked for, in one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.core.errors import Conflict, NotFound, TooManyDocuments, Unauthenticated, UnsupportedDocument
from app.database import Database
from app.domain.documents import ATTACHMENTS, Document
from app.domain.files import StoredFile
from app.domain.ports import JobQueue
from app.parsing.errors import BY_CODE
from app.services.collections import found_or_made, own_collection
from app.services.document_entry import KINDS, Entry
from app.services.idempotency import IdempotencyKey, find_replay, remember
from app.services.intake import Received
from app.services.uploads import LOST_RACES, Keeping, Receiving, own_file

_ROUNDS = 5
_LASTING = {*BY_CODE, "crashed"}
"""Why reading it anew would come to nothing again."""
_BUSY = "This document is being added and deleted elsewhere."


@dataclass(frozen=True, slots=True)
class Offered:
    """A file that has come, and what the document is to be called."""

    received: Received
    title: str


@dataclass(frozen=True, slots=True)
class Added:
    document_id: str
    job_id: str
    title: str


def expect_document(received: Received) -> None:
    """Raises UnsupportedDocument."""
    if received.kind.media_type not in KINDS or KINDS[received.kind.media_type] is not received.kind:
        raise UnsupportedDocument(f"{received.name}: files of this kind cannot be read as documents.")


class DocumentAdding:
    """`most` is how many of a user's documents may wait to be read."""

    def __init__(self, database: Database, queue: JobQueue, *, most: int | None) -> None:
        self._database = database
        self._queue = queue
        self._most = most

    async def check_room(self, user_id: str) -> None:
        """Before anything is sent. Raises TooManyDocuments."""
        if self._most is not None and await self._database.now.jobs.under_way(user_id) >= self._most:
            raise TooManyDocuments(limit=self._most, retry_after=30)

    async def add(
        self, receiving: Receiving, name: str, offered: Sequence[Offered], key: IdempotencyKey | None
    ) -> Sequence[Added]:
        """All of them, in this order, or none. The collection is made if it is new; content that it has already is the
        same document, which is read again only where that came to nothing before.

        Raises TooManyDocuments, StorageQuotaExceeded, KeyReused, Unauthenticated, DatabaseUnavailable, and NotFound
        where something that an equal request has made was deleted. The key's fingerprint is found here.
        """
        if key is not None:
            key = replace(key, fingerprint=_fingerprint(offered))
        for _ in range(_ROUNDS):
            try:
                async with receiving.keeping() as keeping:
                    files, added, begun = await self._add(keeping, name, offered, key)
            except LOST_RACES:
                continue  # an equal request was faster
            self._wake(begun)
            pairs = zip(files, offered, strict=False)
            if all([await receiving.mended(file, each.received) for file, each in pairs]):
                return added
        raise Conflict(_BUSY)

    async def attach(self, user_id: str, file: StoredFile) -> Document:
        """The document of a file that was attached to a message: it is found by nothing but that. One that could not
        be read is not tried again, unless it was not its own fault.

        Raises UnsupportedDocument, TooManyDocuments, NotFound (the file is gone), Unauthenticated.
        """
        kind = KINDS.get(file.media_type)
        if kind is None:
            raise UnsupportedDocument(f"{file.name}: files of this kind cannot be read as documents.")
        for _ in range(_ROUNDS):
            try:
                document, begun = await self._attach(user_id, file)
            except LOST_RACES:
                continue
            self._wake(begun)
            return document
        raise Conflict(_BUSY)

    async def _add(
        self, keeping: Keeping, name: str, offered: Sequence[Offered], key: IdempotencyKey | None
    ) -> tuple[Sequence[StoredFile], Sequence[Added], Sequence[str]]:
        tx, user_id = keeping.tx, keeping.user_id
        await keeping.enter()
        if key is not None and await find_replay(tx, user_id, key) is not None:
            return (), await _added_before(keeping, name, offered), ()
        collection = await found_or_made(tx, user_id, name)
        entry = Entry(tx, user_id)
        files, added = [], []
        for each in offered:
            file = await keeping.keep(each.received, uploaded=False)
            document, job = await entry.add(collection.id, file, each.title, each.received.kind.media_type)
            files.append(file)
            added.append(Added(document.id, job.id, document.title))
        await entry.admit(self._most)
        if key is not None:
            remember(tx, user_id, key, collection.id)
        return files, added, entry.begun

    async def _attach(self, user_id: str, file: StoredFile) -> tuple[Document, Sequence[str]]:
        async with self._database.transaction() as tx:
            if await tx.users.enter(user_id) is None:
                raise Unauthenticated
            await own_file(tx, user_id, file.id)
            collection = await found_or_made(tx, user_id, ATTACHMENTS)
            there = await tx.documents.find(user_id, collection.id, file.sha256)
            if there is not None and there.mishap is not None and there.mishap.code in _LASTING:
                return there, ()
            entry = Entry(tx, user_id)
            document, _ = await entry.add(collection.id, file, file.name, file.media_type)
            await entry.admit(self._most)
        return document, entry.begun

    def _wake(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            self._queue.wake(job_id)


async def _added_before(keeping: Keeping, name: str, offered: Sequence[Offered]) -> Sequence[Added]:
    """What the first request with this key has added, as it is now."""
    tx, user_id = keeping.tx, keeping.user_id
    collection = await own_collection(tx, user_id, name)
    added = []
    for each in offered:
        document = await tx.documents.find(user_id, collection.id, each.received.sha256)
        job = await tx.jobs.find(user_id, document.id) if document else None
        if document is None or job is None:
            raise NotFound("A document that the first of these requests has added was deleted.")
        added.append(Added(document.id, job.id, document.title))
    return added


def _fingerprint(offered: Sequence[Offered]) -> str:
    told = "\n".join(f"{each.received.sha256} {each.title}" for each in offered)
    return hashlib.sha256(told.encode()).hexdigest()
