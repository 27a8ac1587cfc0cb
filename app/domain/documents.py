"""Documents that users give to be asked about: what is known of them, of their collections, and of the work on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ATTACHMENTS = ""
"""The name of the collection that no list shows: files that were attached to messages. No user can give it."""


class DocumentStatus(StrEnum):
    """QUEUED → READING → INDEXING → READY. A document is found once it is READY."""

    QUEUED = "queued"
    READING = "reading"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobStatus(StrEnum):
    """A job leaves QUEUED and RUNNING for one of the others, and comes back only by a retry."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Collection:
    id: str
    user_id: str
    name: str
    description: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Mishap:
    """Why a document could not be read: a stable word, and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Document:
    """`page_count` is None until it was opened; `characters` and `chunk_count` are of what was read.

    `file_id` is None once its file was deleted; `packing` is the version of the rules that made its chunks, 0 while
    there are none.
    """

    id: str
    user_id: str
    collection_id: str
    file_id: str | None
    title: str
    media_type: str
    sha256: str
    size: int
    status: DocumentStatus
    mishap: Mishap | None
    page_count: int | None
    chunk_count: int
    characters: int
    packing: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class UnreadablePage:
    """A page of which there is no text although something is on it; `flaw` as in `Page`."""

    number: int
    flaw: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document, as a row. `text` is `page.text[start:end]`, to the character."""

    id: str
    document_id: str
    number: int
    page: int
    start: int
    end: int
    text: str
    headings: Sequence[str]
    header: str


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A chunk with what is told of its document."""

    chunk: Chunk
    collection_id: str
    title: str
    file_id: str | None
    media_type: str


@dataclass(frozen=True, slots=True)
class Job:
    """The reading of one document. `fence` grows with each owner and each cancellation: writes with an older one are
    refused. `page_count` is None until the document was opened.
    """

    id: str
    user_id: str
    document_id: str
    status: JobStatus
    stage: str
    """`reading`, `packing` or `indexing`, while it runs."""
    fence: int
    attempts: int
    pages_done: int
    page_count: int | None
    mishap: Mishap | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class IndexChange:
    """What the index has to learn: to hold of a document what the rows do, which may be nothing. Without a document:
    the user is gone."""

    id: str
    space: str
    user_id: str
    document_id: str | None


@dataclass(frozen=True, slots=True)
class IndexSpace:
    """A space of the index. The current one is asked; another is being filled. `filled_to` is the last document, by
    id, whose change was noted for it; None once all are."""

    name: str
    dimensions: int | None
    current: bool
    filled_to: str | None
