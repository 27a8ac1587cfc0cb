"""Readers see what a run has logged as soon as it is in the stream that instances share."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from app.domain.chat import Generation
from app.domain.events import LogEvent
from app.generation import codec
from app.generation.leases import Lease
from app.generation.log import EventLog
from app.generation.publishing import Publication
from app.stores.breaker import Away
from app.stores.streams import Batch, Outcome, Streams

_EACH = 0.05
"""Seconds between two batches of one log."""
_BYTES = 2048
"""Of a log's events that do not wait for so long."""
_PAUSE = 0.005
"""Between two calls, in which the logs of several runs come together."""
_BATCH = 64 * 1024
_CALL = 1024 * 1024
"""Bytes of events, about, in one batch and in one call."""
_LOOKED_EACH = 1.0
"""Seconds between two looks whether what was written is still there."""
_PATIENCE = 60.0
"""Seconds after which an ending that cannot be written is left to the database alone."""


class SharedPublisher:
    """For instances that share streams: what a reader saw is in the stream, so that it outlives this process.

    Writing is one task a process, which gathers the logs of all runs. While the streams are away readers see what is
    logged at once, and what was missed is written when they are back, all of it if they come back empty.
    """

    def __init__(self, streams: Streams, lease: Lease) -> None:
        self._streams = streams
        self._lease = lease
        self._open: dict[_Shared, None] = {}
        self._waiting: dict[_Shared, None] = {}
        self._woken = asyncio.Event()
        self._closed = asyncio.Event()
        self._wakes_at = 0.0
        self._next_look = 0.0
        self._era = ""
        lease.on_sure = self._woken.set

    def open(self, generation: Generation, log: EventLog, fenced: Callable[[], None]) -> Publication:
        publication = _Shared(self, generation, log, fenced)
        self._open[publication] = None
        self.wait(publication)
        return publication

    @property
    def alone(self) -> bool:
        """Whether what is logged reaches only readers of this process, and those at once."""
        return self._streams.away and not self._lease.doubtful

    def wait(self, publication: "_Shared") -> None:
        """Write what is new in this log when it is due."""
        self._waiting[publication] = None
        if publication.due < self._wakes_at:
            self._woken.set()

    def rest(self, publication: "_Shared") -> None:
        """There is nothing to write at present."""
        self._waiting.pop(publication, None)

    def close(self, publication: "_Shared") -> None:
        self._open.pop(publication, None)
        self._waiting.pop(publication, None)
        self._closed.set()

    async def run_forever(self) -> None:
        while True:
            await self._sleep()
            if self._lease.doubtful:
                await asyncio.sleep(_EACH)
                continue
            await self._look()
            await self._write()
            await asyncio.sleep(_PAUSE)

    async def settle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._streams.away and any(each.ended_at is not None for each in self._open):
                    self._closed.clear()
                    await self._closed.wait()

    async def _sleep(self) -> None:
        """Until something is due."""
        self._woken.clear()
        self._wakes_at = min((each.due for each in self._waiting), default=self._next_look)
        self._wakes_at = min(self._wakes_at, self._next_look)
        pause = self._wakes_at - _now()
        if pause > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _look(self) -> None:
        """Have everything written anew when all was lost."""
        if _now() < self._next_look:
            return
        self._next_look = _now() + _LOOKED_EACH
        try:
            era = await self._streams.era()
        except Away:
            return
        if era != self._era:
            self._era = era
            self._waiting |= self._open

    async def _write(self) -> None:
        """One call for all that is due, as far as it is not too much for one."""
        now = _now()
        batches: list[tuple[_Shared, Batch]] = []
        size = 0
        for publication in self._waiting:
            if publication.due <= now and size < _CALL:
                batches.append((publication, publication.batch()))
                size += len(batches[-1][1].events)
        if not batches:
            return
        try:
            outcomes = await self._streams.append([batch for _, batch in batches])
        except Away:
            self._go_alone()
            return
        for (publication, batch), outcome in zip(batches, outcomes, strict=True):
            publication.told(batch, outcome)

    def _go_alone(self) -> None:
        now = _now()
        for publication in list(self._waiting):
            publication.due = now + _EACH
            if self.alone:
                publication.log.publish()
            if publication.ended_at is not None and now > publication.ended_at + _PATIENCE:
                self.close(publication)


class _Shared:
    __slots__ = ("_fenced", "_generation", "_publisher", "_size", "_size_there", "_there", "due", "ended_at", "log")

    def __init__(
        self, publisher: SharedPublisher, generation: Generation, log: EventLog, fenced: Callable[[], None]
    ) -> None:
        self._publisher = publisher
        self._generation = generation
        self._fenced = fenced
        self._there = 0
        """Up to where the stream has the log."""
        self._size = self._size_there = 0
        self.log = log
        self.due = 0.0
        """When it is to be written next."""
        self.ended_at: float | None = None

    def wrote(self, size: int) -> None:
        publisher = self._publisher
        if publisher.alone:
            self.log.publish()
        self._size = size
        if size - self._size_there >= _BYTES:
            self.due = 0.0
        publisher.wait(self)

    def ended(self) -> None:
        self.ended_at = _now()
        self.due = 0.0
        self._publisher.wait(self)

    def drop(self) -> None:
        self._publisher.close(self)

    def batch(self) -> Batch:
        """What is to be written next; nothing of an ending before it is known to be saved."""
        events = () if self._unsure else _some(self.log.written(self._there))
        self._size_there = self._size
        return Batch(
            self._generation.id,
            self._generation.fence,
            after=self._there,
            last_seq=self._there + len(events),
            events=codec.pack(events) if events else b"",
            ending=self.ended_at is not None and self._there + len(events) == self.log.written_seq,
        )

    @property
    def _unsure(self) -> bool:
        return self.log.ended and self.ended_at is None

    def told(self, batch: Batch, outcome: Outcome) -> None:
        """What became of a batch of this log."""
        publisher = self._publisher
        if outcome is Outcome.FENCED:
            publisher.close(self)
            self._fenced()
        elif outcome is Outcome.GAP:
            self._there, self.due = 0, 0.0
        else:
            self._there = batch.last_seq
            self.log.publish(batch.last_seq)
            self.due = _now() + _EACH
            if batch.ending:
                publisher.close(self)
            elif self._there == self.log.written_seq or self._unsure:
                publisher.rest(self)
            elif len(batch.events) > _BATCH // 2 or self.ended_at is not None:
                self.due = 0.0  # it lags behind


def _some(events: Sequence[LogEvent]) -> Sequence[LogEvent]:
    size = 0
    for number, event in enumerate(events):
        size += len(event.payload) + 16
        if size > _BATCH:
            return events[: number + 1]
    return events


def _now() -> float:
    return asyncio.get_running_loop().time()
