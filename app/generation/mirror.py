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
from app.generation.payloads import last_events

logger = logging.getLogger(__name__)

_POLLED_EACH = 1.0


class Mirrors:
    """Logs of runs on other instances, or of one that died a moment ago, as far as they were checkpointed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logs: dict[str, EventLog] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def live(self, generation: Generation) -> EventLog:
        """A log that grows with the checkpoints and ends with the generation."""
        if (known := self._logs.get(generation.id)) is not None:
            return known
        log = EventLog()
        await self._pull(generation, log)
        if log.ended or (known := self._logs.get(generation.id)) is not None:
            return known or log
        # Only now: a look that takes long or fails leaves nothing behind, and the caller listens before the next.
        self._logs[generation.id] = log
        task = asyncio.create_task(self._poll(generation, log))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return log

    async def ended(self, generation: Generation) -> EventLog | None:
        """The whole log of a generation that has ended; None once it is no longer kept."""
        async with self._database.snapshot() as tx:
            packed = await tx.generations.log(generation.id)
        return EventLog(await codec.decompress_aside(packed), ended=True) if packed is not None else None

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _poll(self, generation: Generation, log: EventLog) -> None:
        try:
            while not log.ended:
                await asyncio.sleep(_POLLED_EACH)
                if not log.followed:
                    return
                try:
                    await self._pull(generation, log)
                except DatabaseUnavailable:
                    logger.warning("a reader waits for the database", extra={"generation_id": generation.id})
                except Exception:
                    # The edge of a standing task: readers would wait for ever if it ended.
                    logger.exception("a mirror could not be read", extra={"generation_id": generation.id})
        finally:
            del self._logs[generation.id]

    async def _pull(self, generation: Generation, log: EventLog) -> None:
        async with self._database.snapshot() as tx:
            found = await tx.generations.get(generation.id)
            if found is not None and found.status is Status.STREAMING:
                events = codec.unpack(await tx.generations.checkpoints(generation.id, after=log.last_seq))
                if events and events[0].seq > log.last_seq + 1:  # its owner took batches back and wrote longer ones
                    events = codec.unpack(await tx.generations.checkpoints(generation.id))
                _extend(log, events)
                log.wake()
                return
            packed = await tx.generations.log(generation.id)
        if packed is not None:
            _extend(log, await codec.decompress_aside(packed))
        else:
            log.extend(last_events(generation, log.last_seq, Status.STOPPED))  # deleted, with its conversation
        log.end()


def _extend(log: EventLog, events: Sequence[LogEvent]) -> None:
    log.extend([event for event in events if event.seq > log.last_seq])
