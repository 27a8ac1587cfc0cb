"""A job that this process works on: each step of it is written together with the proof that it is still ours."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from app.core.errors import DatabaseUnavailable
from app.database import Database, TooMuchAtOnce, Transaction
from app.domain.documents import Chunk, Document, DocumentStatus, Job, Mishap
from app.domain.passages import Page
from app.parsing.errors import TooLarge
from app.repositories.chunks import TextRefused
from app.repositories.jobs import PACKING, READING
from app.services.index_notes import note

LEASE = 30.0
"""Seconds for which a job is ours without our saying so again."""
_DROPPED_AT_ONCE = 100


class Lost(Exception):
    """The job was cancelled, or is another's by now; what was about to be written is not."""


class HeldJob:
    """The order in all of these is: the document's rows, then the job's, as it is where a document is deleted."""

    def __init__(self, database: Database, job: Job, document: Document) -> None:
        self._database = database
        self.job = job
        self.document = document
        self.page_count = job.page_count

    @asynccontextmanager
    async def step(self, *, durable: bool = False) -> AsyncIterator[Transaction]:
        """A transaction of whoever works on it. Raises Lost."""
        try:
            async with self._database.transaction(durable=durable) as tx:
                yield tx
        except TextRefused as error:
            raise Lost from error

    async def keep(self) -> None:
        """Raises Lost."""
        async with self.step() as tx:
            _still(await tx.jobs.keep(self.job, LEASE))

    async def begin(self) -> None:
        async with self.step() as tx:
            there = await tx.documents.restate(self.document, DocumentStatus.READING)
            _still(there and await tx.jobs.keep(self.job, LEASE))

    async def opened(self, page_count: int) -> None:
        """It has so many pages."""
        self.page_count = page_count
        async with self.step() as tx:
            await self._progress(tx, self.job.stage, self.job.pages_done)

    async def read(self, pages: Sequence[Page]) -> None:
        """These are the next pages. Raises TooLarge for one that the database would never take."""
        try:
            async with self.step() as tx:
                tx.chunks.add_pages(self.document.id, pages)
                await self._progress(tx, self.job.stage, pages[-1].number)
        except TooMuchAtOnce as error:
            raise TooLarge("One of its pages has more text than the database takes at once.") from error

    async def packing(self) -> None:
        """All pages are stored."""
        async with self.step() as tx:
            await self._progress(tx, PACKING, self.page_count or 0)

    async def packed(self, chunks: Sequence[Chunk]) -> None:
        async with self.step() as tx:
            tx.chunks.add_chunks(chunks)
            _still(await tx.jobs.keep(self.job, LEASE))

    async def forget_text(self, *, pages: bool) -> None:
        """What an earlier try has left: the chunks, and the pages with them."""
        more = True
        while more:
            async with self.step() as tx:
                more = await tx.chunks.drop_chunks(self.document.id, after=0, most=_DROPPED_AT_ONCE)
                if pages and not more:
                    more = await tx.chunks.drop_pages(self.document.id, after=0, most=_DROPPED_AT_ONCE)
                _still(await tx.jobs.keep(self.job, LEASE))

    async def hand_over(self, *, chunk_count: int, characters: int, packing: int) -> None:
        """It is read and packed; the index has to learn it."""
        async with self.step(durable=True) as tx:
            there = await tx.documents.change(
                self.document,
                status=DocumentStatus.INDEXING,
                page_count=self.page_count,
                chunk_count=chunk_count,
                characters=characters,
                packing=packing,
            )
            _still(there and await tx.jobs.hand_over(self.job))
            await note(tx, self.document.user_id, [self.document.id])

    async def fail(self, mishap: Mishap) -> None:
        """It cannot be read, and nothing of it is kept. Who takes over on the way begins anew."""
        async with self.step() as tx:
            await self._progress(tx, READING, 0)
        await self.forget_text(pages=True)
        async with self.step(durable=True) as tx:
            there = await tx.documents.change(
                self.document, status=DocumentStatus.FAILED, mishap=mishap, page_count=self.page_count
            )
            _still(there and await tx.jobs.fail(self.job, mishap))

    async def postpone(self, seconds: float) -> None:
        async with self.step() as tx:
            _still(await tx.jobs.postpone(self.job, seconds))

    async def let_go(self) -> None:
        """For another to go on with at once; where the database is away, once the lease has run out."""
        try:
            async with self.step() as tx:
                await tx.jobs.let_go(self.job)
        except DatabaseUnavailable:
            return

    async def _progress(self, tx: Transaction, stage: str, pages_done: int) -> None:
        ours = await tx.jobs.progress(
            self.job, stage=stage, pages_done=pages_done, page_count=self.page_count, seconds=LEASE
        )
        _still(ours)


def _still(ours: bool) -> None:
    if not ours:
        raise Lost
