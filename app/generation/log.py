"""The event log of one generation in this process, and where such logs are found."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from app.domain.events import Kind, LogEvent


class EventLog:
    """Numbered events, appended by one writer and read by any number of readers, each at its own pace.

    Appending and publishing are apart: so all that arrived together wakes a reader once, and an event that instances
    share can reach the place where they do before anybody sees it. `written…` is all that was appended.
    """

    __slots__ = ("_events", "_listeners", "_published", "_sealed", "ended", "parted")

    def __init__(self, events: Sequence[LogEvent] = (), *, ended: bool = False) -> None:
        self._events = list(events)
        self._published = len(self._events)
        self._listeners: dict[Callable[[], None], None] = {}
        self._sealed = False
        self.ended = ended
        self.parted = False
        """Whether its readers are to go on elsewhere."""

    @property
    def last_seq(self) -> int:
        """Of the events that readers may see."""
        return self._published

    def numbered(self, seq: int) -> LogEvent:
        """One of those events."""
        return self._events[seq - 1]

    @property
    def written_seq(self) -> int:
        return len(self._events)

    @property
    def sealed(self) -> bool:
        return self._sealed

    @property
    def followed(self) -> bool:
        """Whether anybody reads along."""
        return bool(self._listeners)

    def append(self, kind: Kind, payload: bytes) -> None:
        self._events.append(LogEvent(len(self._events) + 1, kind, payload))

    def extend(self, events: Sequence[LogEvent]) -> None:
        """Take over events that are numbered already and go on from `written_seq`."""
        self._events.extend(events)

    def publish(self, seq: int | None = None) -> None:
        """Let readers see the events up to this one, or all; of a sealed log, or behind its end, none."""
        if not (self._sealed or self.ended):
            self._published = len(self._events) if seq is None else max(seq, self._published)
            self._tell()

    def seal(self) -> None:
        """Show nothing more but an end: what is appended may not be what will be stored."""
        self._sealed = True

    def end_as(self, events: Sequence[LogEvent]) -> None:
        """End with the log that was stored, of which readers have seen the beginning."""
        self._events[self._published :] = events[self._published :]
        self.end()

    def end(self) -> None:
        """Nothing follows any more."""
        self._published = len(self._events)
        self.ended = True
        self._tell()

    def part(self) -> None:
        """Send the readers elsewhere, where it goes on."""
        self.parted = True
        self._tell()

    def after(self, seq: int) -> Sequence[LogEvent]:
        """The events with a number above `seq` that readers may see."""
        return self._events[seq : self._published]

    def written(self, after: int = 0) -> Sequence[LogEvent]:
        """The events with a number above `after`, whether readers may see them or not."""
        return self._events[after:]

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever there is more to read, or nothing any more; it must not block or raise."""
        self._listeners[listener] = None

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.pop(listener, None)

    async def wait_ended(self) -> None:
        await self._wait(lambda: self.ended)

    async def wait_for(self, seq: int) -> None:
        """Wait for the event of this number, for the end, or until readers are sent elsewhere."""
        await self._wait(lambda: self.ended or self.parted or self.last_seq >= seq)

    async def _wait(self, arrived: Callable[[], bool]) -> None:
        woken = asyncio.Event()
        self.listen(woken.set)
        try:
            while not arrived():
                woken.clear()
                await woken.wait()
        finally:
            self.unlisten(woken.set)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


class EventLogs(Protocol):
    """Where the logs of live and just ended generations are: in memory for one process, shared between several."""

    def create(self, generation_id: str) -> EventLog: ...

    def find(self, generation_id: str) -> EventLog | None: ...

    def retire(self, generation_id: str) -> None:
        """The generation has ended and is saved: the log may go once nobody has read it for a while."""
        ...

    def forget(self, generation_id: str) -> None:
        """Whoever asks from now on is to be told what was stored, which is not what was logged here."""
        ...


class MemoryLogs:
    """Logs in this process; an ended one stays for `kept_seconds` after its last reader."""

    def __init__(self, kept_seconds: float = 60.0) -> None:
        self._kept_seconds = kept_seconds
        self._logs: dict[str, EventLog] = {}

    def create(self, generation_id: str) -> EventLog:
        log = self._logs[generation_id] = EventLog()
        return log

    def find(self, generation_id: str) -> EventLog | None:
        return self._logs.get(generation_id)

    def retire(self, generation_id: str) -> None:
        asyncio.get_running_loop().call_later(self._kept_seconds, self._drop, generation_id)

    def forget(self, generation_id: str) -> None:
        self._logs.pop(generation_id, None)

    def _drop(self, generation_id: str) -> None:
        log = self._logs.get(generation_id)
        if log is not None and log.followed:
            self.retire(generation_id)
        else:
            self._logs.pop(generation_id, None)
