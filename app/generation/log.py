"""The event log of one generation in this process, and where such logs are found."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from app.domain.events import Kind, LogEvent


class EventLog:
    """Numbered events, appended by one writer and read by any number of readers, each at its own pace.

    Appending and waking are apart so that all that arrived together wakes a reader once.
    """

    __slots__ = ("_events", "_listeners", "ended")

    def __init__(self, events: Sequence[LogEvent] = (), *, ended: bool = False) -> None:
        self._events = list(events)
        self._listeners: set[Callable[[], None]] = set()
        self.ended = ended

    @property
    def last_seq(self) -> int:
        return len(self._events)

    @property
    def followed(self) -> bool:
        """Whether anybody reads along."""
        return bool(self._listeners)

    def append(self, kind: Kind, payload: bytes) -> None:
        self._events.append(LogEvent(len(self._events) + 1, kind, payload))

    def extend(self, events: Sequence[LogEvent]) -> None:
        """Take over events that are numbered already and go on from `last_seq`."""
        self._events.extend(events)

    def end(self) -> None:
        """Nothing follows any more."""
        self.ended = True
        self.wake()

    def wake(self) -> None:
        for listener in self._listeners:
            listener()

    def after(self, seq: int) -> Sequence[LogEvent]:
        """The events with a number above `seq`."""
        return self._events[seq:]

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever something was appended or the log has ended; it must not block or raise."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)

    async def wait_ended(self) -> None:
        await self._wait(lambda: self.ended)

    async def wait_for(self, seq: int) -> None:
        """Wait for the event of this number, or for the end."""
        await self._wait(lambda: self.ended or self.last_seq >= seq)

    async def _wait(self, arrived: Callable[[], bool]) -> None:
        woken = asyncio.Event()
        self.listen(woken.set)
        try:
            while not arrived():
                woken.clear()
                await woken.wait()
        finally:
            self.unlisten(woken.set)


class EventLogs(Protocol):
    """Where the logs of live and just ended generations are: in memory for one process, shared between several."""

    def create(self, generation_id: str) -> EventLog: ...

    def find(self, generation_id: str) -> EventLog | None: ...

    def retire(self, generation_id: str) -> None:
        """The generation has ended and is saved: the log may go once nobody has read it for a while."""
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

    def _drop(self, generation_id: str) -> None:
        log = self._logs.get(generation_id)
        if log is not None and log.followed:
            self.retire(generation_id)
        else:
            self._logs.pop(generation_id, None)
