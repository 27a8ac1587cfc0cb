"""All that takes, reads and keeps documents, put together."""

from collections.abc import Callable
from dataclasses import dataclass

from app.core.config import Settings
from app.core.document_metrics import DocumentMetrics
from app.database import Database
from app.domain.ports import JobPost, JobRunner
from app.parsing.limits import ReadingLimits
from app.services.chunk_storing import ChunkStoring
from app.services.collections import CollectionService
from app.services.document_adding import DocumentAdding
from app.services.document_clearing import DocumentClearing
from app.services.document_upkeep import DocumentUpkeep
from app.services.documents import DocumentService
from app.services.handing_out import HandingOut
from app.services.ingestion import Ingestion
from app.services.job_following import JobFollowing
from app.services.jobs import JobService
from app.services.page_storing import PageStoring
from app.services.runner import Runner
from app.services.scratch import Scratch
from app.stores.blobs.keeping import Blobs


@dataclass(frozen=True, slots=True)
class DocumentParts:
    collections: CollectionService
    documents: DocumentService
    adding: DocumentAdding
    jobs: JobService
    following: JobFollowing
    ingestion: Ingestion
    runner: JobRunner
    upkeep: DocumentUpkeep
    scratch: Scratch


def document_parts(
    settings: Settings,
    database: Database,
    blobs: Blobs,
    post: JobPost | None = None,
    *,
    metrics: DocumentMetrics | None = None,
    handed_over: Callable[[], None] = lambda: None,
) -> DocumentParts:
    """`post` leads to those who read documents; without it this process does. `handed_over` is called when the index
    has something to learn of one. Without `metrics` nobody hears of what is counted."""
    most = settings.max_documents_under_way_per_user
    scratch = Scratch(settings.data_dir / "tmp", blobs)
    reading = ingestion(settings, database, scratch, metrics or DocumentMetrics(), handed_over)
    runner = HandingOut(database, post) if post else Runner(database, reading.work, at_once=settings.ingest_at_once)
    clearing = DocumentClearing(database, blobs)
    return DocumentParts(
        collections=CollectionService(database, clearing),
        documents=DocumentService(database, clearing, runner),
        adding=DocumentAdding(database, runner, most=most),
        jobs=JobService(database, runner, most=most),
        following=JobFollowing(database),
        ingestion=reading,
        runner=runner,
        upkeep=DocumentUpkeep(runner, clearing, scratch),
        scratch=scratch,
    )


def ingestion(
    settings: Settings,
    database: Database,
    scratch: Scratch,
    metrics: DocumentMetrics,
    handed_over: Callable[[], None] = lambda: None,
) -> Ingestion:
    """The reading of documents alone, for processes that do nothing else."""
    pages = PageStoring(database, scratch, _reading_limits(settings), metrics)
    return Ingestion(database, pages, ChunkStoring(database), metrics, handed_over)


def _reading_limits(settings: Settings) -> ReadingLimits:
    return ReadingLimits(
        pages=settings.max_document_pages,
        characters=settings.max_document_characters,
        seconds=settings.document_seconds,
    )
