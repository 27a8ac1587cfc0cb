"""How content becomes a document of a collection: once, and anew only where reading it came to nothing."""

from dataclasses import replace

from app.core.errors import TooManyDocuments
from app.database import Transaction
from app.domain.documents import Document, DocumentStatus, Job, JobStatus
from app.domain.files import StoredFile
from app.parsing.kinds import FileKind
from app.repositories.base import new_id, now
from app.repositories.documents import DocumentTaken
from app.repositories.jobs import READING

KINDS = {each.media_type: each for each in FileKind if each.is_document} | {
    # Reading it says why it cannot be read.
    FileKind.LOCKED_OFFICE.media_type: FileKind.LOCKED_OFFICE
}
"""Of the files that are taken as documents, by media type."""
_DONE_FOR = (DocumentStatus.FAILED, DocumentStatus.CANCELLED)


class Entry:
    """The documents of one request, in its transaction."""

    def __init__(self, tx: Transaction, user_id: str) -> None:
        self._tx = tx
        self._user_id = user_id
        self.begun: list[str] = []
        """The jobs that wait from now on."""

    async def add(self, collection_id: str, file: StoredFile, title: str, media_type: str) -> tuple[Document, Job]:
        """The document of this content, and its job. The transaction may fail with DocumentTaken."""
        found = await self._find(collection_id, file)
        if found is None:
            return self._make(collection_id, file, title, media_type)
        document, job = found
        if document.file_id != file.id:
            await self._tx.documents.refile(document, file.id)
            document = replace(document, file_id=file.id)
        if document.status in _DONE_FOR and await self.begin_anew(document):
            document = replace(document, status=DocumentStatus.QUEUED, mishap=None)
        return document, job

    async def begin_anew(self, document: Document) -> bool:
        """Have it read once more; false unless that came to nothing. Whoever calls this has entered the document."""
        job = await self._tx.jobs.find(document.user_id, document.id)
        if job is None or not await self._tx.jobs.retry(document.id):
            return False
        await self._tx.documents.change(document, status=DocumentStatus.QUEUED)
        self.begun.append(job.id)
        return True

    async def admit(self, most: int | None) -> None:
        """Raises TooManyDocuments where more would be under way than one user may have."""
        if self.begun and most is not None and await self._tx.jobs.under_way(self._user_id) > most:
            raise TooManyDocuments(limit=most, retry_after=30)

    async def _find(self, collection_id: str, file: StoredFile) -> tuple[Document, Job] | None:
        there = await self._tx.documents.find(self._user_id, collection_id, file.sha256)
        if there is None:
            return None
        document = await self._tx.documents.enter(self._user_id, there.id)
        job = await self._tx.jobs.find(self._user_id, there.id)
        if document is None or job is None:
            raise DocumentTaken  # it has just been deleted
        return document, job

    def _make(self, collection_id: str, file: StoredFile, title: str, media_type: str) -> tuple[Document, Job]:
        moment = now()
        document = Document(
            id=new_id(),
            user_id=self._user_id,
            collection_id=collection_id,
            file_id=file.id,
            title=title,
            media_type=media_type,
            sha256=file.sha256,
            size=file.size,
            status=DocumentStatus.QUEUED,
            mishap=None,
            page_count=None,
            chunk_count=0,
            characters=0,
            packing=0,
            created_at=moment,
            updated_at=moment,
        )
        job = Job(
            id=new_id(),
            user_id=document.user_id,
            document_id=document.id,
            status=JobStatus.QUEUED,
            stage=READING,
            fence=0,
            attempts=0,
            pages_done=0,
            page_count=None,
            mishap=None,
            created_at=moment,
            updated_at=moment,
            ended_at=None,
        )
        self._tx.documents.add(document)
        self._tx.jobs.add(job)
        self.begun.append(job.id)
        return document, job
