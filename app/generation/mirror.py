"""Follows a generation whose log is not in this process: through what instances share, else through the database."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.chat import Generation, Status
from app.domain.events import Kind, LogEvent
from app.generation import codec
from app.generation.following import end_as_stored, take
from app.generation.log import EventLog
from app.generation.payloads import last_events
from app.stores.breaker import Away
from app.stores.streams import BEGINNING, MOST_ENTRIES, Entry, Streams

logger = logging.getLogger(__name__)

_POLLED_EACH = 1.0
_SELDOM = 5
"""Times as long between two looks at the database while the stream is there and only silent."""
_READ_EACH = 0.05
_AWAY_FOR = 0.5


class Mirrors:
    """Logs of runs on other instances, or of one that died a moment ago, as far as others can know them.

    A stream that is shared says at once what is new, and that it has ended. Of one that is away, lost or silent the
    database knows what was checkpointed, and in any case how it ended.
    """

    def __init__(self, database: Database, streams: Streams | None = None) -> None:
        self._database = database
        self._streams = streams
        self._followed: dict[str, _Mirror] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._parted = False
        self._there = False
        """Whether the streams answered when they were last read."""

    async def live(self, generation: Generation) -> EventLog:
        """A log that grows with the run and ends with it."""
        if (known := self._followed.get(generation.id)) is not None:
            return known.log
        mirror = _Mirror(generation)
        await self._read([mirror])
        if mirror.log.written_seq == 0:
            await self._pull(mirror)
        mirror.log.parted = self._parted
        if mirror.log.ended or (known := self._followed.get(generation.id)) is not None:
            return known.log if known is not None else mirror.log
        # Only now: a look that takes long or fails leaves nothing behind.
        self._followed[generation.id] = mirror
        self._begin(self._poll(mirror))
        if self._streams is not None and (self._reading is None or self._reading.done()):
            self._reading = self._begin(self._read_on())
        return mirror.log

    async def ended(self, generation: Generation) -> EventLog | None:
        """The whole log of a generation that has ended; None once it is no longer kept."""
        async with self._database.snapshot() as tx:
            packed = await tx.generations.log(generation.id)
        return EventLog(await codec.decompress_aside(packed), ended=True) if packed is not None else None

    def part(self) -> None:
        """Send all readers elsewhere, and those that still come."""
        self._parted = True
        for mirror in self._followed.values():
            mirror.log.part()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _read_on(self) -> None:
        """One task for all streams, for as long as any is followed."""
        while self._followed:
            try:
                there = await self._read(list(self._followed.values()))
            except Exception:
                # The edge of a standing task: readers would wait for the database each time.
                logger.exception("the shared logs could not be read")
                there = False
            await asyncio.sleep(_READ_EACH if there else _AWAY_FOR)

    async def _read(self, mirrors: "Sequence[_Mirror]") -> bool:
        """Take all that is new in the streams; whether they are there."""
        if self._streams is None:
            return False
        behind = [mirror for mirror in mirrors if mirror.sound]
        while behind:
            try:
                found = await self._streams.read({each.generation.id: each.place for each in behind})
            except Away:
                self._there = False
                return False
            behind = [mirror for mirror in behind if mirror.takes(found.get(mirror.generation.id, ()))]
        self._there = True
        return True

    async def _poll(self, mirror: "_Mirror") -> None:
        generation, log, silent = mirror.generation, mirror.log, 0
        try:
            while not log.ended:
                await asyncio.sleep(_POLLED_EACH)
                if not log.followed:
                    log.part()  # whoever was about to listen asks anew
                    return
                silent = 0 if mirror.fresh else silent + 1
                mirror.fresh = False
                # A stream that is there says by itself what is new, unless its writer could not write there.
                patience = _SELDOM if self._there and mirror.sound and log.written_seq else 1
                if not silent or silent % patience:
                    continue
                mirror.sound = True  # it may have been written anew
                try:
                    await self._pull(mirror)
                except DatabaseUnavailable:
                    logger.warning("a reader waits for the database", extra={"generation_id": generation.id})
                except Exception:
                    # The edge of a standing task: readers would wait for ever if it ended.
                    logger.exception("a mirror could not be read", extra={"generation_id": generation.id})
        finally:
            del self._followed[generation.id]

    async def _pull(self, mirror: "_Mirror") -> None:
        """Take what the database has."""
        generation, log = mirror.generation, mirror.log
        async with self._database.snapshot() as tx:
            found = await tx.generations.get(generation.id)
            if found is not None and found.status is Status.STREAMING:
                known = mirror.checkpointed
                events = codec.unpack(await tx.generations.checkpoints(generation.id, after=known))
                if events and events[0].seq > known + 1:  # its owner took batches back and wrote longer ones
                    events = codec.unpack(await tx.generations.checkpoints(generation.id))
                mirror.checkpointed = events[-1].seq if events else known
                _extend(log, events)
                return
            packed = await tx.generations.log(generation.id)
        if log.ended or _is_whole(log):
            log.end()
        elif packed is not None:
            end_as_stored(log, generation, await codec.decompress_aside(packed))
        else:
            log.end_as([*log.after(0), *last_events(generation, log.last_seq, Status.STOPPED)])  # it was deleted


class _Mirror:
    __slots__ = ("checkpointed", "fresh", "generation", "log", "place", "sound")

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.log = EventLog()
        self.place = BEGINNING
        """Where to go on reading in the stream."""
        self.checkpointed = 0
        """Where to go on reading in the database: after which number a checkpoint begins."""
        self.fresh = False
        """Whether the stream has said anything since the last look at the database."""
        self.sound = True
        """Whether the stream can be read: nothing is missing in it, and nothing of others is there."""

    def takes(self, entries: Sequence[Entry]) -> bool:
        """Go on with these; whether there may be more of them."""
        if not entries:
            return False
        self.fresh = self.sound = take(self.log, entries)
        self.place = entries[-1].place if self.sound else BEGINNING
        if _is_whole(self.log):
            self.log.end()
        return self.sound and len(entries) >= MOST_ENTRIES


def _extend(log: EventLog, events: Sequence[LogEvent]) -> None:
    log.extend([event for event in events if event.seq > log.last_seq])
    log.publish()


def _is_whole(log: EventLog) -> bool:
    last = log.after(log.last_seq - 1)
    return bool(last) and last[-1].kind is Kind.DONE
