"""Jobs that other processes do: they are told of each, and again where a message got lost."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.ports import JobPost
from app.stores.breaker import Away

logger = logging.getLogger(__name__)

_SWEPT_EACH = 5.0
"""Seconds until what nobody was told of is told: after an outage, or when somebody has died over a job."""
_PATIENCE = 60.0
"""Seconds after which a job that nobody takes is told of in the log: perhaps there is no worker."""
_AT_ONCE = 1000
"""Messages at most that are there; more of them would tell nobody anything."""


@dataclass(frozen=True, slots=True)
class _First:
    """The job that has waited longest, since when this was so, and whether anybody was told."""

    job_id: str
    since: float
    told: bool = False


class HandingOut:
    """The rows say what there is to be done; there are to be as many messages as jobs that wait.

    Messages are sent behind the requests' backs: nobody waits for them, and what cannot be sent is dropped, for the
    next sweep makes up for it.
    """

    def __init__(
        self, database: Database, post: JobPost, *, swept_each: float = _SWEPT_EACH, patience: float = _PATIENCE
    ) -> None:
        self._database = database
        self._post = post
        self._swept_each = swept_each
        self._patience = patience
        self._asked = asyncio.Event()
        self._told = deque[str](maxlen=_AT_ONCE)
        self._away = False
        self._first = _First("", 0.0)

    def wake(self, job_id: str) -> None:
        self._told.append(job_id)
        self._asked.set()

    def halt(self, job_id: str) -> None:
        """Whoever works on it finds its writes refused."""

    async def begin(self) -> None:
        """What others were doing goes on."""

    async def drain(self) -> None:
        """Nothing is done here."""

    async def run_forever(self) -> None:
        """Send what is asked for, and sweep now and then."""
        loop = asyncio.get_running_loop()
        sweep_at = loop.time()
        while True:
            if loop.time() >= sweep_at:
                self._told.clear()
                await self._send_all(await self._forgotten())
                sweep_at = loop.time() + self._swept_each
            with suppress(TimeoutError):
                async with asyncio.timeout_at(sweep_at):
                    await self._asked.wait()
            self._asked.clear()
            await self._send_all(self._take())

    def _take(self) -> Sequence[str]:
        told = list(self._told)
        self._told.clear()
        return told

    async def _forgotten(self) -> Sequence[str]:
        """The jobs that there are no messages for: which ones have theirs nobody can say, nor need."""
        try:
            waiting = await self._database.now.jobs.unattended(_AT_ONCE)
            self._look_for_workers(waiting)
            there = await self._post.length() if waiting or self._away else 0
        except DatabaseUnavailable:
            return ()
        except Away as error:
            self._note(error)
            return ()
        self._note(None)
        return waiting[there:]

    def _look_for_workers(self, waiting: Sequence[str]) -> None:
        """Say that nobody comes, once until nothing waits any more."""
        now = asyncio.get_running_loop().time()
        if not waiting:
            self._first = _First("", now)
        elif waiting[0] != self._first.job_id:
            self._first = _First(waiting[0], now, self._first.told)
        elif now - self._first.since > self._patience and not self._first.told:
            logger.warning("documents wait, and no worker takes one", extra={"waiting": len(waiting)})
            self._first = replace(self._first, told=True)

    async def _send_all(self, job_ids: Sequence[str]) -> None:
        if not job_ids or self._away:
            return
        try:
            await self._post.send(job_ids)
        except Away as error:
            self._note(error)

    def _note(self, error: Away | None) -> None:
        """Say once that it is away, and once that it is back."""
        if error is not None and not self._away:
            cause = type(error.__cause__ or error).__name__
            logger.warning("workers cannot be told of documents", extra={"error": cause})
        elif error is None and self._away:
            logger.warning("workers are told of documents again")
        self._away = error is not None
