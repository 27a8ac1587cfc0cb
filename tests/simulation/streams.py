"""The simulated Redis: streams that keep what the real ones keep, and everything that goes wrong on the way to them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from app.stores.breaker import Breaker
from app.stores.signals import Signal
from app.stores.streams import MOST_ENTRIES, Batch, Entry, Outcome
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.trace import Trace

T = TypeVar("T")

_PATIENCE = 0.25


class StreamTable:
    """The data alone: what the scripts of `app.stores.redis_streams` do, step for step."""

    def __init__(self) -> None:
        self._streams: dict[str, list[tuple[int, int, bytes]]] = {}
        self._era = 0
        self._eras = 0

    def flush(self) -> None:
        self._streams.clear()
        self._era = 0

    def append(self, batches: Sequence[Batch]) -> Sequence[Outcome]:
        return [self._append(batch) for batch in batches]

    def read(self, places: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        found: dict[str, Sequence[Entry]] = {}
        for generation_id, place in places.items():
            fence, _, last = place.partition("-")
            after = (int(fence), int(last))
            stream = self._streams.get(generation_id, ())
            entries = [Entry(f"{one}-{two}", events) for one, two, events in stream if (one, two) > after]
            if entries:
                found[generation_id] = entries[:MOST_ENTRIES]
        return found

    def seize(self, generation_id: str, fence: int) -> None:
        if self._top(generation_id)[0] < fence:
            self._streams.setdefault(generation_id, []).append((fence, 0, b""))

    def era(self) -> str:
        if not self._era:
            self._eras += 1
            self._era = self._eras
        return str(self._era)

    def _append(self, batch: Batch) -> Outcome:
        top_fence, top = self._top(batch.generation_id)
        if top_fence > batch.fence:
            return Outcome.FENCED
        if (top_fence == batch.fence and top < batch.after) or (top_fence == 0 and batch.after > 0):
            return Outcome.GAP
        if batch.events and (top_fence < batch.fence or top < batch.last_seq):
            entry = (batch.fence, batch.last_seq, batch.events)
            self._streams.setdefault(batch.generation_id, []).append(entry)
        return Outcome.THERE

    def _top(self, generation_id: str) -> tuple[int, int]:
        stream = self._streams.get(generation_id)
        return stream[-1][:2] if stream else (0, 0)


class StreamServer:
    """The table behind a network. What was sent arrives although its sender has died or waits no more."""

    def __init__(self, loop: VirtualLoop, chance: Random, trace: Trace) -> None:
        self._loop = loop
        self._chance = chance
        self._trace = trace
        self._held: list[Callable[[], None]] = []
        self._listening: dict[Process, Callable[[str], object]] = {}
        self.table = StreamTable()
        self.down = False
        self.frozen = False
        self.latency = (0.0001, 0.002)
        self.lost_replies = 0.0

    @property
    def ready(self) -> bool:
        return not self.down and not self.frozen

    def submit(self, work: Callable[[StreamTable], T]) -> "asyncio.Future[T]":
        future: asyncio.Future[T] = self._loop.create_future()
        self._later(self._arrive, work, future)
        return future

    def flush(self) -> None:
        self._trace.note("redis", "is emptied")
        self.table.flush()

    def restart(self, seconds: float, *, empty: bool) -> None:
        self._trace.note("redis", f"is down for {seconds:.1f} s" + (", and comes back empty" if empty else ""))
        self.down = True
        if empty:
            self.table.flush()
        self._loop.of_world(seconds, self._come_back)

    def freeze(self, seconds: float) -> None:
        self._trace.note("redis", f"stands still for {seconds:.1f} s")
        self.frozen = True
        self._loop.of_world(seconds, self._come_back)

    def listen(self, process: Process, heard: Callable[[str], object]) -> None:
        self._listening[process] = heard

    def publish(self, subject: str) -> None:
        for process, heard in self._listening.items():
            if not process.dead and self._chance.random() > self.lost_replies:
                self._loop.call_soon(heard, subject, context=process.context())

    def _come_back(self) -> None:
        self._trace.note("redis", "is back")
        self.down = self.frozen = False
        held, self._held = self._held, []
        for arrived in held:
            arrived()

    def _arrive(self, work: Callable[[StreamTable], T], future: "asyncio.Future[T]") -> None:
        if self.down:
            self._later(_fail, future)
        elif self.frozen:
            self._held.append(lambda: self._arrive(work, future))
        else:
            result = work(self.table)
            if self._chance.random() < self.lost_replies:
                self._later(_fail, future)
            else:
                self._later(_reply, future, result)

    def _later(self, callback: Callable[..., None], *args: object) -> None:
        self._loop.of_world(self._chance.uniform(*self.latency), callback, *args)


class SimulatedStreams:
    """What one process sees of it, behind the app's own breaker."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self._breaker = Breaker("redis", self._probe, (OSError,), patience=_PATIENCE)

    @property
    def away(self) -> bool:
        return self._breaker.open

    async def append(self, batches: Sequence[Batch]) -> Sequence[Outcome]:
        return await self._ask(lambda table: table.append(batches))

    async def read(self, places: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        return await self._ask(lambda table: table.read(places))

    async def seize(self, generation_id: str, fence: int) -> None:
        await self._ask(lambda table: table.seize(generation_id, fence))

    async def era(self) -> str:
        return await self._ask(StreamTable.era)

    async def send(self, signal: Signal, subject: str) -> None:
        """As of `app.stores.signals.Signals`."""
        if not self.away and self._server.ready:
            self._server.publish(subject)

    async def listen_forever(self) -> None:
        """Who listens is known from the beginning."""

    async def aclose(self) -> None:
        await self._breaker.aclose()

    async def _ask(self, work: Callable[[StreamTable], T]) -> T:
        return await self._breaker.call(lambda: self._server.submit(work))

    async def _probe(self) -> None:
        await self._server.submit(StreamTable.era)


def _reply(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[T]") -> None:
    if not future.done():
        future.set_exception(ConnectionResetError("the connection broke"))
