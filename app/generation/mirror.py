"""Follows, through the database, a generation whose log is not in this process."""

import asyncio
import logging
from collections.abc import Sequence

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.chat import Generation, Status
from app.domain.events import LogEvent
from app.generation import codec
from app.generation.log import EventLog

logger = logging.getLogger(__name__)

_POLLED_EACH = 1.0


class Mirrors:
    """Logs of runs on other instances, or of one that died a moment ago, as far as they were checkpointed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logs: dict[str, EventLog] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def live(self, generation_id: str) -> EventLog:
        """A log that grows with the checkpoints and ends with the generation."""
        if (log := self._logs.get(generation_id)) is None:
            log = self._logs[generation_id] = EventLog()
            # Before the first look, which may fail: another reader may have found this log by then.
            task = asyncio.create_task(self._poll(generation_id, log))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await self._pull(generation_id, log)
        return log

    async def ended(self, generation: Generation) -> EventLog | None:
        """The whole log of a generation that has ended; None once it is no longer kept."""
        async with self._database.snapshot() as tx:
            packed = await tx.generations.log(generation.id)
        return EventLog(codec.decompress(packed), ended=True) if packed is not None else None

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _poll(self, generation_id: str, log: EventLog) -> None:
        try:
            while not log.ended:
                await asyncio.sleep(_POLLED_EACH)
                if not log.followed:
                    return
                try:
                    await self._pull(generation_id, log)
                except DatabaseUnavailable:
                    logger.warning("a reader waits for the database", extra={"generation_id": generation_id})
        finally:
            del self._logs[generation_id]

    async def _pull(self, generation_id: str, log: EventLog) -> None:
        async with self._database.snapshot() as tx:
            generation = await tx.generations.get(generation_id)
            if generation is None or generation.status is not Status.STREAMING:
                packed = await tx.generations.log(generation_id)
                _extend(log, codec.decompress(packed) if packed is not None else [])
                log.end()
                return
            events = codec.unpack(await tx.generations.checkpoints(generation_id, after=log.last_seq))
            if events and events[0].seq > log.last_seq + 1:  # its owner took batches back and wrote longer ones
                events = codec.unpack(await tx.generations.checkpoints(generation_id))
            _extend(log, events)
        log.wake()


def _extend(log: EventLog, events: Sequence[LogEvent]) -> None:
    log.extend([event for event in events if event.seq > log.last_seq])
