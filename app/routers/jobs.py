"""Jobs, each the reading of one document: how far they are, as JSON or live; cancelled, and done anew."""

from typing import Any

from fastapi import APIRouter, Response

from app.dependencies import CurrentUser, HouseDep, admitted
from app.domain.identity import Scope
from app.schemas.base import EntityId
from app.schemas.jobs import JobAnswer
from app.wire import jobs
from app.wire.response import EventStreamResponse

router = APIRouter(prefix="/jobs", tags=["documents"], route_class=admitted(Scope.RAG))

_EVENT = {
    "type": "object",
    "title": "One event of a job",
    "required": ["data"],
    "properties": {
        "event": {
            "description": "`message` is one without an event line: the end.",
            "enum": ["progress", "message", "goodbye"],
        },
        "data": {"type": "string", "contentMediaType": "application/json", "description": "One object, on one line."},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `progress` whenever something has changed, and last one with `done`.",
        "content": {
            "text/event-stream": {
                "schema": _EVENT,
                "example": 'event: progress\ndata: {"status": "running", "stage": "reading", "pages_done": 50, '
                '"page_count": 150, "error": null}\n\ndata: {"done": true, "status": "complete"}\n\n',
            }
        },
    }
}


@router.get("/{job_id}", summary="Show a job", response_description="How far the job is.")
async def get_job(job_id: EntityId, user: CurrentUser, house: HouseDep) -> JobAnswer:
    return JobAnswer.of(await house.jobs.get(user.user.id, job_id))


@router.get("/{job_id}/events", summary="Follow a job", responses=_STREAM, response_class=Response)
async def follow_job(job_id: EntityId, user: CurrentUser, house: HouseDep) -> Response:
    """How far a job is, live: at first how it stands, then at most twice a second what has changed, and its end.

    `goodbye` comes after an hour, and where the server is about to end: ask again.
    """
    log, after = house.following.follow(await house.jobs.get(user.user.id, job_id))
    return EventStreamResponse(
        log,
        jobs.encode,
        after=after,
        headers={},
        limits=house.stream_limits,
        metrics=house.metrics,
        farewell=jobs.goodbye,
    )


@router.delete("/{job_id}", status_code=204, summary="Cancel a job")
async def cancel_job(job_id: EntityId, user: CurrentUser, house: HouseDep) -> None:
    """Stop reading a document; one that has ended stays as it is. The document stays, and can be read anew."""
    await house.jobs.cancel(user.user.id, job_id)


@router.post(
    "/{job_id}/retry", status_code=202, summary="Do a job anew", response_description="The job as it stands now."
)
async def retry_job(job_id: EntityId, user: CurrentUser, house: HouseDep) -> JobAnswer:
    """Read a document anew where that failed or was cancelled; else the job stays as it is."""
    return JobAnswer.of(await house.jobs.retry(user.user.id, job_id))
