"""The machines that instances run on: they crash, stand still, drain and are started anew."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.simulation.house import House
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.sessions import DatabaseServer
from tests.simulation.streams import StreamServer
from tests.simulation.trace import Trace
from tests.simulation.vendor import Vendor

T = TypeVar("T")


class Disconnected(Exception):
    """The client's connection is lost, or there is none."""


@dataclass(eq=False)
class Life:
    """One process on a machine, from its start to its end, as the judges look back on it."""

    name: str
    began: float
    ids: set[str] = field(default_factory=set)
    """Under which it ever owned anything."""
    frozen: list[tuple[float, float]] = field(default_factory=list)
    cut_off: list[tuple[float, float]] = field(default_factory=list)
    """From the database."""
    draining: float | None = None
    ended: float | None = None
    crashed: bool = False

    def left(self, by: float) -> bool:
        """Whether it had ended by then, or had begun to."""
        return any(at is not None and at < by for at in (self.ended, self.draining))


class Machine:
    """It is up, with a house that answers, or it is not."""

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        server: DatabaseServer,
        redis: StreamServer | None,
        vendor: Vendor,
        trace: Trace,
    ) -> None:
        self.name = name
        self._loop = loop
        self._server = server
        self._redis = redis
        self._vendor = vendor
        self._trace = trace
        self._open: dict[asyncio.Future[Any], None] = {}
        self._frozen_at = 0.0
        self.lives: list[Life] = []
        self.process: Process
        self.house: House
        self.up = False

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def accepts(self) -> bool:
        """Whether the front would send it somebody: it does not know of a freeze."""
        return self.up and self.life.draining is None

    def start(self) -> None:
        self.process = process = Process(f"{self.name}{len(self.lives) + 1}")
        process.on_death = self._died
        self.lives.append(Life(process.name, self._loop.time()))
        self._trace.note(process.name, "starts")
        self.up = True
        context = process.context()
        self.house = context.run(House, self._loop, process, self._server, self._redis, self._vendor)
        self.note_owner()
        self._loop.create_task(self.house.open(), context=context)

    def crash(self) -> None:
        if self.up:
            self.process.die()

    def crash_in(self, steps: int) -> None:
        """Before the so manieth step from now."""
        self.process.dies_at = self.process.steps + max(1, steps)

    async def freeze(self, seconds: float) -> None:
        process, life = self.process, self.life
        if not self.up or process.frozen:
            return
        self.note_owner()
        self._trace.note(process.name, f"stands still for {seconds:.1f} s")
        process.frozen = True
        began = self._loop.time()
        life.frozen.append((began, began + seconds))
        self._server.idle(process)
        await asyncio.sleep(seconds)
        if not process.dead:
            self._trace.note(process.name, "goes on")
            self._loop.thaw(process)

    async def cut_off(self, seconds: float) -> None:
        """From the database alone, which others still reach."""
        process, life = self.process, self.life
        if not self.up:
            return
        self.note_owner()
        self._trace.note(process.name, f"is cut off from the database for {seconds:.1f} s")
        life.cut_off.append((self._loop.time(), self._loop.time() + seconds))
        self._server.cut_off.add(process)
        self._server.lose(process)
        await asyncio.sleep(seconds)
        self._server.cut_off.discard(process)

    async def drain(self, seconds: float) -> None:
        process, life, house = self.process, self.life, self.house
        if not self.up or life.draining is not None:
            return
        self.note_owner()
        self._trace.note(process.name, f"drains for {seconds:.1f} s")
        life.draining = self._loop.time()
        closed: asyncio.Task[None] = self._loop.create_task(house.close(seconds), context=process.context())
        while not closed.done() and not process.dead:
            await asyncio.sleep(0.05)
        if not process.dead:
            self._trace.note(process.name, "has closed")
            closed.result()
            life.ended = self._loop.time()
            process.on_death = lambda: None
            process.die()
            self._gone()

    async def call(self, work: Callable[[House], Coroutine[Any, Any, T]]) -> T:
        """What a request to this machine is answered. Raises Disconnected, and what the services raise."""
        if not self.up:
            raise Disconnected
        self.note_owner()
        outcome: asyncio.Future[T] = self._loop.create_future()
        self._open[outcome] = None
        house, context = self.house, self.process.context()

        def begin() -> None:
            task = asyncio.create_task(work(house))
            task.add_done_callback(lambda done: _tell(outcome, done))

        self._loop.call_soon(begin, context=context)
        try:
            return await outcome
        finally:
            self._open.pop(outcome, None)

    def tell(self, callback: Callable[[], None]) -> None:
        """Let something be known to the process, such as that a client has gone."""
        if self.up:
            self._loop.call_soon(callback, context=self.process.context())

    def note_owner(self) -> None:
        self.life.ids.add(self.house.lease.instance_id)

    def _died(self) -> None:
        self._trace.note(self.process.name, "crashes")
        self.life.ids.add(self.house.lease.instance_id)
        self.life.ended = self._loop.time()
        self.life.crashed = True
        self._server.lose(self.process)
        self._gone()

    def _gone(self) -> None:
        self.up = False
        for outcome in self._open:
            if not outcome.done():
                outcome.set_exception(Disconnected())


def _tell(outcome: "asyncio.Future[T]", task: "asyncio.Task[T]") -> None:
    if outcome.done():
        if not task.cancelled():
            task.exception()
        return
    if task.cancelled():
        outcome.set_exception(Disconnected())
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
