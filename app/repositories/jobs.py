"""The jobs that read documents: who works on which until when, by the database's clock, and how far it is.

A write of whoever works on a job is refused once the job is another's or was cancelled: each names the fence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, bindparam, case, func, insert, or_, select, update

from app.domain.documents import Job, JobStatus, Mishap
from app.models.base import DatabaseClock
from app.models.documents import documents, jobs
from app.repositories.base import Repository, now

READING, PACKING, INDEXING = "reading", "packing", "indexing"

_J = jobs.c
_ONE = _J.id == bindparam("job")
_OF_DOCUMENT = _J.document_id == bindparam("of_document")
_EXPIRY = DatabaseClock() + bindparam("seconds")
_RUNNING = _J.status == JobStatus.RUNNING.value
# While it is indexed nobody owns it: that is the index's own work.
_UP = _RUNNING & (_J.stage != INDEXING) & (_J.expires_at < DatabaseClock())
_FREE = or_(_J.status == JobStatus.QUEUED.value, _UP)
_HELD = _ONE & (_J.fence == bindparam("held_fence")) & _RUNNING
_ADD = insert(jobs)
# Of a document that was deleted there is none.
_THERE = select(jobs).join(documents, documents.c.id == _J.document_id).where(documents.c.user_id.is_not(None))
_GET = _THERE.where(_ONE, _J.user_id == bindparam("user"))
_LOOK = _THERE.where(_ONE)
_FIND = _THERE.where(_OF_DOCUMENT, _J.user_id == bindparam("user"))
_OF = _THERE.where(_J.document_id.in_(bindparam("documents", expanding=True)), _J.user_id == bindparam("user"))
_CLAIM = (
    update(jobs)
    .where(_ONE, _FREE)
    .values(
        status=JobStatus.RUNNING.value,
        owner_id=bindparam("owner"),
        expires_at=_EXPIRY,
        fence=_J.fence + 1,
        attempts=_J.attempts + 1,
        updated_at=bindparam("moment"),
    )
)
# Ids grow with time: the smallest is the oldest.
_OLDEST = func.min(_J.id).label("oldest")
_WAITING = (
    select(_J.user_id, _OLDEST)
    .where(
        _J.status.in_((JobStatus.QUEUED.value, JobStatus.RUNNING.value)),
        _FREE,
        _J.id.not_in(bindparam("but", expanding=True)),
    )
    .group_by(_J.user_id)
    .order_by(_OLDEST)
    .limit(bindparam("at_most"))
)
_UNATTENDED = (
    select(_J.id)
    .where(_J.status.in_((JobStatus.QUEUED.value, JobStatus.RUNNING.value)), _FREE)
    .order_by(_J.status, _J.created_at, _J.id)
    .limit(bindparam("at_most"))
)
_WAITING_COUNT = select(func.count().label("total")).where(
    _J.status.in_((JobStatus.QUEUED.value, JobStatus.RUNNING.value)), _FREE
)
_KEEP = update(jobs).where(_HELD).values(expires_at=_EXPIRY)
_PROGRESS = (
    update(jobs)
    .where(_HELD)
    .values(
        expires_at=_EXPIRY,
        updated_at=bindparam("moment"),
        # Whoever gets further does not die over the same again and again.
        attempts=case((_J.pages_done < bindparam("upto"), 1), else_=_J.attempts),
    )
)
_HAND_OVER = (
    update(jobs).where(_HELD).values(stage=INDEXING, owner_id=None, expires_at=None, updated_at=bindparam("moment"))
)
# Nobody has died over it.
_FEWER = case((_J.attempts > 0, _J.attempts - 1), else_=0)
_LET_GO = (
    update(jobs)
    .where(_HELD)
    .values(
        status=JobStatus.QUEUED.value,
        owner_id=None,
        expires_at=None,
        attempts=_FEWER,
        updated_at=bindparam("moment"),
    )
)
_POSTPONE = update(jobs).where(_HELD).values(expires_at=_EXPIRY, attempts=_FEWER)
_ABANDON = (
    update(jobs)
    .where(_RUNNING, _J.stage != INDEXING)
    .values(status=JobStatus.QUEUED.value, owner_id=None, expires_at=None, fence=_J.fence + 1)
)
_END = update(jobs).where(_HELD)
_INDEXED = update(jobs).where(_OF_DOCUMENT, _RUNNING, _J.stage == INDEXING)
_CANCEL = (
    update(jobs)
    .where(_OF_DOCUMENT, _J.status.in_((JobStatus.QUEUED.value, JobStatus.RUNNING.value)))
    .values(status=JobStatus.CANCELLED.value, fence=_J.fence + 1, owner_id=None, expires_at=None)
    .values(updated_at=bindparam("moment"), ended_at=bindparam("moment"))
)
_RETRY = (
    update(jobs)
    .where(_OF_DOCUMENT, _J.status.in_((JobStatus.FAILED.value, JobStatus.CANCELLED.value)))
    .values(
        status=JobStatus.QUEUED.value,
        stage=READING,
        fence=_J.fence + 1,
        attempts=0,
        pages_done=0,
        page_count=None,
        failure_code=None,
        failure_detail=None,
        updated_at=bindparam("moment"),
        ended_at=None,
    )
)
_UNDER_WAY = select(func.count().label("total")).where(
    _J.user_id == bindparam("user"),
    _J.status.in_((JobStatus.QUEUED.value, JobStatus.RUNNING.value)),
    _J.stage != INDEXING,
)
_SOME = _THERE.where(_J.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that nobody works on."""

    job_id: str
    user_id: str


class JobRepository(Repository):
    def add(self, job: Job) -> None:
        values = {
            "id": job.id,
            "user_id": job.user_id,
            "document_id": job.document_id,
            "status": job.status.value,
            "stage": job.stage,
            "fence": job.fence,
            "attempts": job.attempts,
            "pages_done": job.pages_done,
            "page_count": job.page_count,
            "created_at": job.created_at,
            "updated_at": job.updated_at,
        }
        self._connection.later(_ADD, values)

    async def get(self, user_id: str, job_id: str) -> Job | None:
        """The user's job; None when it is unknown or another's, or its document was deleted."""
        row = await self._row(_GET, {"user": user_id, "job": job_id})
        return _to_job(row) if row else None

    async def look(self, job_id: str) -> Job | None:
        """A job, whoever's: for the work on it."""
        row = await self._row(_LOOK, {"job": job_id})
        return _to_job(row) if row else None

    async def find(self, user_id: str, document_id: str) -> Job | None:
        """The job of a user's document."""
        row = await self._row(_FIND, {"user": user_id, "of_document": document_id})
        return _to_job(row) if row else None

    async def of(self, user_id: str, document_ids: Sequence[str]) -> Sequence[Job]:
        """The jobs of some documents."""
        rows = await self._connection.rows(_OF, {"user": user_id, "documents": document_ids})
        return [_to_job(row) for row in rows]

    async def some(self, job_ids: Sequence[str]) -> Sequence[Job]:
        """Those of some jobs that are there, whoever's."""
        return [_to_job(row) for row in await self._connection.rows(_SOME, {"ids": job_ids})]

    async def waiting(self, limit: int, *, but: Sequence[str] = ()) -> Sequence[Waiting]:
        """Jobs that nobody works on: those that were never begun, and those whose owner has not been heard of; of each
        user the oldest. The longest waiting come first."""
        rows = await self._connection.rows(_WAITING, {"at_most": limit, "but": but})
        return [Waiting(row["oldest"], row["user_id"]) for row in rows]

    async def unattended(self, limit: int) -> Sequence[str]:
        """All jobs that nobody works on, as in `waiting`."""
        rows = await self._connection.rows(_UNATTENDED, {"at_most": limit})
        return [row["id"] for row in rows]

    async def waiting_count(self) -> int:
        """How many jobs nobody works on, as in `waiting`."""
        row = await self._row(_WAITING_COUNT)
        return int(row["total"]) if row else 0

    async def under_way(self, user_id: str) -> int:
        """How many of a user's documents are not read to the end yet."""
        row = await self._row(_UNDER_WAY, {"user": user_id})
        return int(row["total"]) if row else 0

    async def claim(self, job_id: str, owner_id: str, seconds: float) -> Job | None:
        """Take it for so long, under a new fence; None where another has it, or it has ended."""
        values = {"job": job_id, "owner": owner_id, "seconds": seconds, "moment": now()}
        return await self.look(job_id) if await self._connection.run(_CLAIM, values) == 1 else None

    async def keep(self, job: Job, seconds: float) -> bool:
        """Prolong it; false when it is another's, cancelled or gone."""
        return await self._connection.run(_KEEP, _held(job, seconds=seconds)) == 1

    async def progress(self, job: Job, *, stage: str, pages_done: int, page_count: int | None, seconds: float) -> bool:
        """The same, with how far it is."""
        values = _held(job, seconds=seconds, moment=now(), upto=pages_done)
        values |= {"stage": stage, "pages_done": pages_done, "page_count": page_count}
        return await self._connection.run(_PROGRESS, values) == 1

    async def hand_over(self, job: Job) -> bool:
        """All is read and packed, and the index has to learn it; false as in `keep`."""
        return await self._connection.run(_HAND_OVER, _held(job, moment=now())) == 1

    async def let_go(self, job: Job) -> bool:
        """Leave it for another to go on with at once, for this process is about to end."""
        return await self._connection.run(_LET_GO, _held(job, moment=now())) == 1

    async def postpone(self, job: Job, seconds: float) -> bool:
        """Leave it for anybody to go on with after so long: what it needs is away. False as in `keep`."""
        return await self._connection.run(_POSTPONE, _held(job, seconds=seconds)) == 1

    async def abandon(self) -> None:
        """Of all jobs the owners are gone: where the database is one process's, which has just begun."""
        await self._connection.run(_ABANDON)

    async def fail(self, job: Job, mishap: Mishap) -> bool:
        """It cannot be done; false as in `keep`."""
        moment = now()
        values = _held(job) | {
            "status": JobStatus.FAILED.value,
            "owner_id": None,
            "expires_at": None,
            "failure_code": mishap.code,
            "failure_detail": mishap.detail,
            "updated_at": moment,
            "ended_at": moment,
        }
        return await self._connection.run(_END, values) == 1

    async def indexed(self, document_id: str, mishap: Mishap | None = None) -> bool:
        """The index has learnt the document, or cannot; false when that is not waited for."""
        moment = now()
        values = {
            "of_document": document_id,
            "status": (JobStatus.FAILED if mishap else JobStatus.COMPLETE).value,
            "failure_code": mishap and mishap.code,
            "failure_detail": mishap and mishap.detail,
            "updated_at": moment,
            "ended_at": moment,
        }
        return await self._connection.run(_INDEXED, values) == 1

    async def cancel(self, document_id: str) -> bool:
        """Whoever works on it finds its writes refused; false when it had ended."""
        return await self._connection.run(_CANCEL, {"of_document": document_id, "moment": now()}) == 1

    async def retry(self, document_id: str) -> bool:
        """Have it begin anew; false unless it failed or was cancelled."""
        return await self._connection.run(_RETRY, {"of_document": document_id, "moment": now()}) == 1


def _held(job: Job, **more: object) -> dict[str, object]:
    return {"job": job.id, "held_fence": job.fence, **more}


def _to_job(row: RowMapping) -> Job:
    code = row["failure_code"]
    return Job(
        id=row["id"],
        user_id=row["user_id"],
        document_id=row["document_id"],
        status=JobStatus(row["status"]),
        stage=row["stage"],
        fence=row["fence"],
        attempts=row["attempts"],
        pages_done=row["pages_done"],
        page_count=row["page_count"],
        mishap=Mishap(code, row["failure_detail"]) if code else None,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
    )
