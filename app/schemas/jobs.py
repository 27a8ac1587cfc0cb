"""The bodies of jobs."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from app.domain.documents import Job, JobStatus
from app.schemas.base import Answer, Id
from app.schemas.documents import MishapAnswer


class JobAnswer(Answer):
    id: Id = Field(description="The job's id.")
    kind: Literal["ingest"] = Field(description="`ingest`: a document is read, and made findable.")
    status: JobStatus = Field(description="How it stands.")
    stage: Literal["reading", "packing", "indexing"] = Field(description="What it is at, while it runs.")
    document_id: Id = Field(description="The document that it reads.")
    pages_done: int = Field(description="How many pages were read.")
    page_count: int | None = Field(description="How many there are; null until the document was opened.")
    error: MishapAnswer | None = Field(description="Why it failed; null unless it did.")
    created_at: datetime = Field(description="When it was asked for.")
    updated_at: datetime = Field(description="When it got on last.")
    ended_at: datetime | None = Field(description="When it ended; null until then.")

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.model_validate(
            {
                "id": job.id,
                "kind": "ingest",
                "status": job.status,
                "stage": job.stage,
                "document_id": job.document_id,
                "pages_done": job.pages_done,
                "page_count": job.page_count,
                "error": MishapAnswer.of(job.mishap),
                "created_at": job.created_at,
                "updated_at": job.updated_at,
                "ended_at": job.ended_at,
            }
        )
