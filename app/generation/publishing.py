"""When readers see what a run has logged: at once, or as soon as other instances could show it too."""

from collections.abc import Callable
from typing import Protocol

from app.domain.chat import Generation
from app.generation.leases import Lease
from app.generation.log import EventLog


class Publication(Protocol):
    """One run's log on its way to its readers."""

    def wrote(self, size: int) -> None:
        """The log has grown to about so many bytes; it must not block or raise."""
        ...

    def ended(self) -> None:
        """The log has ended just as it was saved."""
        ...

    def drop(self) -> None:
        """Whatever the log says now was not saved: others are not to hear of it."""
        ...


class Opener(Protocol):
    def open(self, generation: Generation, log: EventLog, fenced: Callable[[], None]) -> Publication:
        """The publication of a run that begins. `fenced` is called when another instance has taken it over."""
        ...


class Publisher(Opener, Protocol):
    async def run_forever(self) -> None:
        """The standing work of it, if there is any."""
        ...

    async def settle(self, seconds: float) -> None:
        """At the end of the process, wait at most so long until what has ended is where others can see it."""
        ...


class DirectPublisher:
    """For a process that shares nothing: at once, unless it stood still and does not know yet what became of it."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._held: dict[EventLog, None] = {}
        lease.on_sure = self._release

    def open(self, generation: Generation, log: EventLog, fenced: Callable[[], None]) -> Publication:
        return _Direct(self, log)

    async def run_forever(self) -> None:
        """Nothing stands."""

    async def settle(self, seconds: float) -> None:
        """Nobody else looks."""

    def publish(self, log: EventLog) -> None:
        if self._lease.doubtful:
            self._held[log] = None
        else:
            log.publish()

    def _release(self) -> None:
        held, self._held = self._held, {}
        for log in held:
            log.publish()


class _Direct:
    __slots__ = ("_log", "_publisher")

    def __init__(self, publisher: DirectPublisher, log: EventLog) -> None:
        self._publisher = publisher
        self._log = log

    def wrote(self, size: int) -> None:
        self._publisher.publish(self._log)

    def ended(self) -> None:
        pass

    def drop(self) -> None:
        pass
