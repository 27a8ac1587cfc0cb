"""The clearing of documents and collections that were deleted: nobody's at once, and gone in parts."""

import asyncio
import logging
from collections.abc import Sequence

from app.core.errors import DatabaseUnavailable, StorageFull, StorageUnavailable
from app.database import Database, Transaction
from app.domain.documents import Document
from app.domain.files import StoredFile
from app.services.index_notes import note
from app.stores.blobs.keeping import Blobs

logger = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds that a request waits for the clearing, well below what proxies allow it."""
_AT_ONCE = 20
"""Documents of a deleted collection in one transaction."""


async def bury(tx: Transaction, document: Document) -> StoredFile | None:
    """Make a document nobody's: it is found no more, nobody works on it any longer, and the index is told.

    Its file goes with it where it is nothing else's; it is answered, so that its bytes are dropped once this is
    committed. Whoever calls this has entered the user, and then the document.
    """
    user_id = document.user_id
    await tx.documents.bury(user_id, document.id)
    await tx.jobs.cancel(document.id)
    await note(tx, user_id, [document.id])
    file = await tx.files.enter(user_id, document.file_id) if document.file_id is not None else None
    if file is None or file.uploaded or await tx.documents.uses(user_id, file.id):
        return None
    await tx.files.delete(user_id, file.id)
    return file


class DocumentClearing:
    """A document of 10,000 pages would keep SQLite's one writer for a second if it went at once.

    What `stop` breaks off, or a crash, is left to `finish`.
    """

    def __init__(self, database: Database, blobs: Blobs, *, patience: float = _PATIENCE) -> None:
        self._database = database
        self._blobs = blobs
        self._patience = patience
        self._task: asyncio.Task[None] | None = None
        self._again = False

    async def settle(self) -> None:
        """There is something to clear. Returns when it is done, unless there is much of it or the database fails; then
        it goes on behind."""
        await asyncio.wait({self._wake()}, timeout=self._patience)

    async def finish(self) -> None:
        """Clear what there is, and wait for that."""
        await asyncio.wait({self._wake()})

    async def stop(self) -> None:
        """Break off what is being cleared."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def drop_bytes(self, file: StoredFile | None) -> None:
        """Of a file whose row is gone. What cannot be removed now is found later."""
        if file is None:
            return
        try:
            await self._blobs.delete(file.blob)
        except (StorageUnavailable, StorageFull):
            logger.warning("the content of a deleted file was not removed yet", extra={"file_id": file.id})

    def _wake(self) -> asyncio.Task[None]:
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._cleared(), name="clear documents")
        return self._task

    async def _cleared(self) -> None:
        """The edge of a task that nobody may be waiting for."""
        try:
            while self._again:
                self._again = False
                await self._bury_what_is_left()
                await self._clear()
        except DatabaseUnavailable:
            logger.warning("deleted documents wait to be cleared")
        except Exception:
            logger.exception("deleted documents were not cleared")

    async def _bury_what_is_left(self) -> None:
        """The documents of collections that were deleted."""
        while found := await self._database.now.documents.left_behind(limit=_AT_ONCE):
            user_id = found[0].user_id
            await self._bury(user_id, [each.id for each in found if each.user_id == user_id])

    async def _bury(self, user_id: str, document_ids: Sequence[str]) -> None:
        files: list[StoredFile | None] = []
        async with self._database.transaction() as tx:
            await tx.users.enter(user_id)
            for document_id in document_ids:
                document = await tx.documents.enter(user_id, document_id)
                files.append(await bury(tx, document) if document else None)
        for file in files:
            await self.drop_bytes(file)

    async def _clear(self) -> None:
        """Each part waits for its turn behind those who wait already."""
        while True:
            async with self._database.snapshot() as tx:
                parts = await tx.belongings.deleted_documents()
            if not parts:
                return
            for part in parts:
                async with self._database.transaction(durable=False) as tx:
                    await tx.belongings.drop(part)
