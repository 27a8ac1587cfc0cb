"""The reading of a document, from its bytes to rows that wait for the index: one function for every kind of runner."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from app.core.document_metrics import DocumentMetrics
from app.core.errors import DatabaseUnavailable, FileUnreadable, StorageFull, StorageUnavailable
from app.database import Database
from app.domain.documents import Mishap
from app.parsing.errors import Unreadable
from app.repositories.base import new_id
from app.services.chunk_storing import ChunkStoring
from app.services.held_job import LEASE, HeldJob, Lost
from app.services.page_storing import PageStoring

logger = logging.getLogger(__name__)

_KEPT_EACH = 5.0
_MOST_OWNERS = 5
"""Who died over it without getting any further."""
_LATER = 20.0
"""Seconds until it is tried again when something that it needs is away."""
_AWAY = (DatabaseUnavailable, StorageUnavailable, StorageFull, OSError)


class Ingestion:
    """A job is claimed by lease and fence, so that it is nobody else's, and none is lost with a process: whoever takes
    it next goes on behind the last page that is stored."""

    def __init__(
        self,
        database: Database,
        pages: PageStoring,
        chunks: ChunkStoring,
        metrics: DocumentMetrics,
        handed_over: Callable[[], None] = lambda: None,
        *,
        later: float = _LATER,
    ) -> None:
        """`handed_over` is called when there is something that the index has to learn; `later` is in seconds."""
        self._database = database
        self._later = later
        self._handed_over = handed_over
        self._pages = pages
        self._chunks = chunks
        self._metrics = metrics
        self._owner_id = new_id()

    async def work(self, job_id: str) -> bool:
        """Do a job as far as it goes; return once it is done or cannot be done, or is put off. False where it is
        somebody else's.

        Cancelled, it leaves the job for another to go on with at once. Raises DatabaseUnavailable.
        """
        held = await self._claim(job_id)
        if held is None:
            return False
        doing, keeping = asyncio.create_task(self._do(held)), asyncio.create_task(self._keep(held))
        try:
            await asyncio.wait({doing, keeping}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(doing, keeping)
            await held.let_go()
            raise
        await _end(doing, keeping)
        return True

    async def _claim(self, job_id: str) -> HeldJob | None:
        async with self._database.transaction(durable=False) as tx:
            job = await tx.jobs.claim(job_id, self._owner_id, LEASE)
            document = await tx.documents.there(job.document_id) if job is not None else None
        return HeldJob(self._database, job, document) if job and document else None

    async def _keep(self, held: HeldJob) -> None:
        """Until it is lost."""
        while True:
            await asyncio.sleep(_KEPT_EACH)
            try:
                await held.keep()
            except DatabaseUnavailable:
                continue  # whether it is still ours is seen with the next write
            except Lost:
                return

    async def _do(self, held: HeldJob) -> None:
        """The edge of a task: however it ends, the job knows."""
        about = {"job_id": held.job.id, "document_id": held.document.id}
        try:
            mishap = await self._mishap(held)
            if mishap is not None:
                logger.info("a document cannot be read", extra={**about, "code": mishap.code})
                await held.fail(mishap)
                self._metrics.failed(mishap.code)
        except Lost:
            logger.info("the reading of a document was cancelled, or taken over", extra=about)
        except _AWAY as error:
            logger.warning("the reading of a document is put off", extra={**about, "reason": type(error).__name__})
            await self._postpone(held)
        except Exception:
            logger.exception("a document was not read", extra=about)
            await self._give_up(held)

    async def _mishap(self, held: HeldJob) -> Mishap | None:
        """Why it cannot be read; None once it is."""
        if held.job.attempts > _MOST_OWNERS:
            return Mishap("crashed", "Reading this document has ended this service again and again.")
        began = monotonic()
        await held.begin()
        try:
            await self._pages.store(held)
        except (Unreadable, FileUnreadable) as error:
            return Mishap(error.code, error.detail)
        packed = await self._chunks.store(held)
        self._metrics.read(monotonic() - began, whole=not packed.flawed)
        self._handed_over()
        return None

    async def _postpone(self, held: HeldJob) -> None:
        self._metrics.put_off()
        try:
            await held.postpone(self._later)
        except (Lost, DatabaseUnavailable):
            return  # it is another's, or will be when the lease has run out

    async def _give_up(self, held: HeldJob) -> None:
        mishap = Mishap("internal", "Something went wrong on our side.")
        try:
            await held.fail(mishap)
            self._metrics.failed(mishap.code)
        except (Lost, DatabaseUnavailable):
            return


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
