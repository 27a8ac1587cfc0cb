"""An event loop with virtual time: no sockets, no threads, and every callback belongs to a process that may die."""

import asyncio
import heapq
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

_PROCESS: "ContextVar[Process | None]" = ContextVar("process", default=None)
_END = 2000.0
"""When a world that began at 1000 has gone on for too long."""
_ASIDE = (0.001, 0.05)
"""Seconds that work takes which is done in a thread."""


class Process:
    """Whose callbacks can be stopped, all at once: for a while, or for ever.

    What belongs to none is the world around: clients, servers, the network.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps = 0
        """Callbacks that have run."""
        self.dies_at: int | None = None
        """Before which step it dies."""
        self.on_death: Callable[[], None] = lambda: None
        self.dead = False
        self.frozen = False
        self.held_back: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        """All that it ever began, and so none is finalized whose process is dead: as kill -9, without any `finally`."""

    def context(self) -> Context:
        """One in which what is begun is this process'."""
        context = copy_context()
        context.run(_PROCESS.set, self)
        return context

    def die(self) -> None:
        if not self.dead:
            self.dead = True
            self.on_death()


class VirtualLoop(asyncio.AbstractEventLoop):
    """Time stands still while callbacks run, and jumps to the next timer when none is left."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._now = 1000.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._outside = self.outside()
        self.running: Process | None = None
        """Whose callback runs at this moment."""
        self._world: list[asyncio.Task[Any]] = []
        self.fingerprint = 0
        """Of all that has run, in its order: equal for equal histories."""
        self.steps = 0
        self.errors: list[str] = []
        """What was told to the loop's exception handler."""

    def time(self) -> float:
        return self._now

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run until `main` is done."""
        _set_running_loop(self)
        try:
            task = self.create_task(main, context=self.outside())
            while not task.done():
                self._run_once()
            return task.result()
        finally:
            _set_running_loop(None)

    def of_world(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Call it after so many seconds, whoever asks: what was sent travels on when the sender is dead."""
        handle = asyncio.TimerHandle(self._now + delay, callback, args, self, self._outside)
        self._count += 1
        heapq.heappush(self._timers, (self._now + delay, self._count, handle))

    def outside(self) -> Context:
        """A context for what belongs to the world, whoever begins it."""
        context = Context()
        context.run(_PROCESS.set, None)
        return context

    def thaw(self, process: Process) -> None:
        """What was held back runs now, in the order in which it came."""
        process.frozen = False
        held, process.held_back = process.held_back, []
        self._ready.extendleft(reversed(held))

    def bury(self) -> None:
        """Let go of all tasks, quietly: what they would still do on their way out is nothing to anybody."""
        for task in self._world:
            _close(task)

    def tasks_of(self, process: Process) -> list[asyncio.Task[Any]]:
        """Those that are not done."""
        process.tasks = [task for task in process.tasks if not task.done()]
        return process.tasks

    # What asyncio asks of a loop.

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # its types differ from one Python to the next
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[T]":
        self._adopt(context)
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        process = (context or copy_context()).get(_PROCESS)
        self._world.append(task)
        if process is not None:
            process.tasks.append(task)
        return task

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        self._adopt(context)
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, *args: Any, **options: Any) -> asyncio.Handle:  # type: ignore[override]
        raise RuntimeError("there are no threads")

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._adopt(context)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        """Here and now it would be, were it not for the time that it takes."""
        future = self.create_future()

        def work() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.call_later(self._chance.uniform(*_ASIDE), work)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def _adopt(self, context: Context | None) -> None:
        """What is begun in a context of its own belongs to who begins it."""
        if context is not None and self.running is not None and _PROCESS not in context:
            context.run(_PROCESS.set, self.running)

    def _run_once(self) -> None:
        if not self._ready:
            self._go_on()
        handle = self._ready.popleft()
        if handle.cancelled():
            return
        process = handle._context.get(_PROCESS)  # type: ignore[attr-defined]  # asyncio's own, in all versions
        if process is not None:
            if process.dead:
                return
            if process.frozen:
                process.held_back.append(handle)
                return
            process.steps += 1
            if process.steps == process.dies_at:
                process.die()
                return
        self.steps += 1
        self.fingerprint = hash((self.fingerprint, self._now, process.steps if process else 0))
        self.running = process
        handle._run()
        self.running = None

    def _go_on(self) -> None:
        """To the next moment at which something is due."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise RuntimeError("everybody waits for ever")
        self._now = max(self._now, timers[0][0])
        if self._now > _END:
            raise RuntimeError("it goes on for ever")
        while timers and timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(timers)[2])


def _close(task: "asyncio.Task[Any]") -> None:
    if task.done():
        if not task.cancelled():
            task.exception()  # so that nobody is told that it was never looked at
        return
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # which asyncio has for its own use
    with suppress(BaseException):  # whatever it says on its way out
        task.get_coro().close()
