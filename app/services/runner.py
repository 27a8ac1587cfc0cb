"""Jobs done in this process: some at a time, and nobody's hundred before another's one."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.repositories.jobs import Waiting

logger = logging.getLogger(__name__)

_LOOKED_EACH = 2.0
"""Seconds after which it looks without being told: for what other instances were told of, or have died over."""
_AWAY = 5.0
_LOOKED_AT = 100
"""Users at a time."""


class Runner:
    """`work` does one job and returns whether it was there to be done. Whose turn it is: that user's of whom the fewest
    are being done here, and among those, whoever was served longest ago. One place is left free by each user where
    there are several."""

    def __init__(self, database: Database, work: Callable[[str], Awaitable[bool]], *, at_once: int) -> None:
        self._database = database
        self._work = work
        self._at_once = at_once
        self._each = max(1, at_once - 1)
        self._running: dict[str, tuple[str, asyncio.Task[bool]]] = {}
        self._served: dict[str, float] = {}
        self._asked = asyncio.Event()
        self._choosing = asyncio.Lock()
        self._draining = False

    def wake(self, job_id: str) -> None:
        self._asked.set()

    def halt(self, job_id: str) -> None:
        if job_id in self._running:
            self._running[job_id][1].cancel()

    async def begin(self) -> None:
        """Nobody else works on this database: what was being done when the last process ended is done at once."""
        async with self._database.transaction(durable=False) as tx:
            await tx.jobs.abandon()

    async def run_forever(self) -> None:
        pause = _LOOKED_EACH
        while True:
            self._asked.clear()
            try:
                await self._fill()
                pause = _LOOKED_EACH
            except DatabaseUnavailable:
                if pause != _AWAY:
                    logger.warning("documents wait for the database")
                pause = _AWAY
            await self._change(pause)

    async def turn(self) -> bool:
        """Do one job, whichever is due, or wait until one is: for a process that is told how many it may do. False
        where it is to be done elsewhere, for this process is about to end. Raises DatabaseUnavailable."""
        while not self._draining:
            self._asked.clear()
            async with self._choosing:
                waiting = await self._database.now.jobs.waiting(_LOOKED_AT, but=list(self._running))
                chosen = None if self._draining else self._choose(waiting)
                task = self._start(chosen) if chosen else None
            if not waiting:
                return True
            if task is None:
                await self._change(_LOOKED_EACH)
                continue
            await asyncio.wait({task})
            if not self._draining and (task.cancelled() or task.result()):
                return True
        return False

    async def drain(self) -> None:
        """Begin nothing more, and leave what is being done for another to go on with."""
        self._draining = True
        self._asked.set()
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self) -> None:
        while not self._draining and len(self._running) < self._at_once:
            waiting = await self._database.now.jobs.waiting(_LOOKED_AT, but=list(self._running))
            chosen = self._choose(waiting)
            if chosen is None or self._draining:
                return
            self._start(chosen)

    def _choose(self, waiting: Sequence[Waiting]) -> Waiting | None:
        here = Counter(user_id for user_id, _ in self._running.values())
        self._served = {each.user_id: self._served.get(each.user_id, 0.0) for each in waiting}
        able = [each for each in waiting if here[each.user_id] < self._each]
        return min(able, key=lambda each: (here[each.user_id], self._served[each.user_id], each.job_id), default=None)

    def _start(self, chosen: Waiting) -> asyncio.Task[bool]:
        self._served[chosen.user_id] = asyncio.get_running_loop().time()
        task = asyncio.create_task(self._done(chosen.job_id), name=f"job {chosen.job_id}")
        self._running[chosen.job_id] = (chosen.user_id, task)
        task.add_done_callback(lambda _: self._ended(chosen.job_id))
        return task

    def _ended(self, job_id: str) -> None:
        del self._running[job_id]
        self._asked.set()

    async def _change(self, seconds: float) -> None:
        """Until something has been asked for, or has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()

    async def _done(self, job_id: str) -> bool:
        """The edge of a task."""
        try:
            return await self._work(job_id)
        except DatabaseUnavailable:
            await asyncio.sleep(_AWAY)
        except Exception:
            logger.exception("a job failed", extra={"job_id": job_id})
            await asyncio.sleep(_AWAY)
        return False
