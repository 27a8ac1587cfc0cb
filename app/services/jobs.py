"""Users' jobs, each the reading of one document: how far it is, that it is cancelled, and that it is done anew."""

from app.core.errors import NotFound
from app.database import Database, Transaction
from app.domain.documents import Document, DocumentStatus, Job
from app.domain.ports import JobQueue
from app.services.document_entry import Entry
from app.services.index_notes import note

NO_JOB = "There is no such job."


class JobService:
    """`most` is how many of a user's documents may wait to be read."""

    def __init__(self, database: Database, queue: JobQueue, *, most: int | None) -> None:
        self._database = database
        self._queue = queue
        self._most = most

    async def get(self, user_id: str, job_id: str) -> Job:
        """Raises NotFound."""
        return await _own_job(self._database.now, user_id, job_id)

    async def cancel(self, user_id: str, job_id: str) -> None:
        """Stop it; one that has ended stays as it is. Raises NotFound.

        Who works on it in this process stops at once, elsewhere within seconds; nobody's writes are taken any more.
        """
        async with self._database.transaction() as tx:
            document, job = await _enter(tx, user_id, job_id)
            if await tx.jobs.cancel(document.id):
                await tx.documents.change(document, status=DocumentStatus.CANCELLED)
                await note(tx, user_id, [document.id])
        self._queue.halt(job.id)

    async def retry(self, user_id: str, job_id: str) -> Job:
        """Have it begin anew where it failed or was cancelled; else it goes on as it is. Raises NotFound,
        TooManyDocuments."""
        async with self._database.transaction() as tx:
            document, _ = await _enter(tx, user_id, job_id)
            entry = Entry(tx, user_id)
            await entry.begin_anew(document)
            await entry.admit(self._most)
            job = await _own_job(tx, user_id, job_id)
        for begun in entry.begun:
            self._queue.wake(begun)
        return job


async def _enter(tx: Transaction, user_id: str, job_id: str) -> tuple[Document, Job]:
    """The job, and its document, which nobody else changes until this transaction ends."""
    job = await _own_job(tx, user_id, job_id)
    document = await tx.documents.enter(user_id, job.document_id)
    if document is None:
        raise NotFound(NO_JOB)
    return document, job


async def _own_job(tx: Transaction, user_id: str, job_id: str) -> Job:
    job = await tx.jobs.get(user_id, job_id)
    if job is None:
        raise NotFound(NO_JOB)
    return job
