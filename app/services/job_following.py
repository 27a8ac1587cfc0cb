"""How jobs that somebody follows are told of: one look at the database for all of them, each half second."""

import asyncio
import logging

import msgspec

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.documents import Job, JobStatus
from app.domain.events import Kind
from app.generation.log import EventLog

logger = logging.getLogger(__name__)

_LOOKED_EACH = 0.5
_LONGEST = 3600.0
"""Seconds that one stream goes on; whoever wants more of it asks again."""
_UNREAD = 30.0
"""Seconds that a log nobody reads is kept, for whoever is about to."""
_AT_ONCE = 500


class _Followed:
    """A job with its log: what its followers have been told of it."""

    def __init__(self, at: float) -> None:
        self.log = EventLog()
        self.began = at
        self.read_at = at
        self._told: Job | None = None

    def tell(self, job: Job) -> None:
        if job == self._told:
            return
        self._told = job
        self.log.append(Kind.PROGRESS, _progress(job))
        if job.status.ended:
            self.log.append(Kind.DONE, _done(job.status))
            self.log.end()
        else:
            self.log.publish()

    def gone(self) -> None:
        """Its document was deleted."""
        self.log.append(Kind.DONE, _done(JobStatus.CANCELLED))
        self.log.end()


class JobFollowing:
    """Any number of followers cost what the jobs do that they follow."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followed: dict[str, _Followed] = {}
        self._looking: asyncio.Task[None] | None = None

    def follow(self, job: Job) -> tuple[EventLog, int]:
        """What there is to be told of a job: how it stands, whenever that changes, and its end; and behind which event
        of the log a new follower begins. Where the log parts, it goes on when it is asked for again."""
        if job.status.ended:
            ended = _Followed(_now())
            ended.tell(job)
            return ended.log, 0
        followed = self._followed.get(job.id)
        if followed is None:
            followed = self._followed[job.id] = _Followed(_now())
            followed.tell(job)
        followed.read_at = _now()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_followed(), name="follow jobs")
        return followed.log, max(0, followed.log.last_seq - 1)

    def part(self) -> None:
        """Send all followers elsewhere: this process is about to end."""
        for followed in self._followed.values():
            followed.log.part()
        self._followed.clear()

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look_while_followed(self) -> None:
        """The edge of a task that nobody waits for."""
        while self._followed:
            await asyncio.sleep(_LOOKED_EACH)
            self._forget()
            try:
                await self._look()
            except DatabaseUnavailable:
                pass  # followers know no more, until it is back
            except Exception:
                logger.exception("followed jobs were not looked at")

    async def _look(self) -> None:
        ids = list(self._followed)
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found = {job.id: job for job in await self._database.now.jobs.some(some)}
            for job_id in some:
                self._tell(job_id, found.get(job_id))

    def _tell(self, job_id: str, job: Job | None) -> None:
        followed = self._followed.get(job_id)
        if followed is None:
            return
        if job is None:
            followed.gone()
        else:
            followed.tell(job)
        if followed.log.ended:
            del self._followed[job_id]

    def _forget(self) -> None:
        """What nobody reads any more; and whoever has read for so long is to ask again."""
        now = _now()
        for job_id, followed in list(self._followed.items()):
            if followed.log.followed:
                followed.read_at = now
            if now - followed.began > _LONGEST:
                followed.log.part()
            elif now - followed.read_at <= _UNREAD:
                continue
            del self._followed[job_id]


def _now() -> float:
    return asyncio.get_running_loop().time()


def _progress(job: Job) -> bytes:
    return msgspec.json.encode(
        {
            "status": job.status.value,
            "stage": job.stage,
            "pages_done": job.pages_done,
            "page_count": job.page_count,
            "error": None if job.mishap is None else {"code": job.mishap.code, "detail": job.mishap.detail},
        }
    )


def _done(status: JobStatus) -> bytes:
    return msgspec.json.encode({"done": True, "status": status.value})
