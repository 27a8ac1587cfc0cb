"""Documents read to rows: a page is stored once, and reading goes on behind the last one that is."""

import asyncio
from contextlib import aclosing

from app.core.document_metrics import DocumentMetrics
from app.core.errors import FileUnreadable
from app.database import Database
from app.domain.files import StoredFile
from app.parsing.errors import Unsupported
from app.parsing.limits import ReadingLimits
from app.parsing.reading import Told, read
from app.repositories.jobs import READING
from app.services.batching import batches
from app.services.document_entry import KINDS
from app.services.held_job import HeldJob
from app.services.scratch import Scratch

_LOOKED_AT = 50
"""Pages at a time, of those that are stored."""


class PageStoring:
    def __init__(self, database: Database, scratch: Scratch, limits: ReadingLimits, metrics: DocumentMetrics) -> None:
        self._database = database
        self._scratch = scratch
        self._limits = limits
        self._metrics = metrics

    async def store(self, held: HeldJob) -> None:
        """Store all pages that are not yet.

        Raises Unreadable, FileUnreadable, StorageUnavailable, StorageFull, OSError, Lost, DatabaseUnavailable.
        """
        job = held.job
        if job.stage != READING:
            return
        kind = KINDS.get(held.document.media_type)
        if kind is None:
            raise Unsupported
        if not job.pages_done:
            await held.forget_text(pages=True)
        told = await self._told(held)
        file = await self._file(held)
        async with (
            self._scratch.copy(file) as path,
            read(path, kind, self._limits, told) as reading,
            aclosing(reading.pages()) as pages,
            aclosing(batches(pages)) as parts,
        ):
            await asyncio.to_thread(self._scratch.drop, path)  # it is open: a crash leaves nothing behind
            await held.opened(reading.page_count)
            async for part in parts:
                await held.read(part)
                self._metrics.pages(len(part), sum(page.flaw is not None for page in part))

    async def _file(self, held: HeldJob) -> StoredFile:
        document = held.document
        file_id = document.file_id
        file = await self._database.now.files.get(document.user_id, file_id) if file_id is not None else None
        if file is None:
            raise FileUnreadable("The file of this document was deleted before it was read.")
        return file

    async def _told(self, held: HeldJob) -> Told:
        """What the pages hold that an earlier try has stored."""
        characters, flaws = 0, set[str]()
        for after in range(0, held.job.pages_done, _LOOKED_AT):
            for page in await self._database.now.chunks.pages(held.document.id, after=after, limit=_LOOKED_AT):
                characters += len(page.text)
                flaws |= {page.flaw} if page.flaw else set()
        return Told(held.job.pages_done, characters, frozenset(flaws))
