"""Breaks a world as planned, records when each fault really began and ended, and mends it."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.chaos.faults import BOTH_DOWN, INSTANCES, Breakage, Planned
from tests.chaos.history import FRONT, POSTGRESQL, REDIS, Fault, FaultKind
from tests.chaos.world import World

_RESET_SHARE = 0.3


class Breaker:
    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.done = 0
        """Faults so far that are over."""
        self._under_way: dict[Planned, float] = {}
        """With the time at which each ought to be over."""

    async def run(self, planned: Sequence[Planned]) -> None:
        """Break what is planned, each at its time from now, and mend it; returns when all is mended."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for each in planned:
                await asyncio.sleep(max(0.0, began + each.at - loop.time()))
                group.create_task(self.perform(each))

    async def perform(self, planned: Planned) -> None:
        """Carry out one fault, record when it really began and ended, and mend it."""
        await self._room_for(planned)
        self._under_way[planned] = time.monotonic() + planned.until - planned.at
        try:
            await self._break(planned)
        finally:
            del self._under_way[planned]
        self.done += 1

    async def _room_for(self, planned: Planned) -> None:
        """On a busy machine mending takes longer than planned: then what would hit the same, or leave nobody, waits."""
        while any(self._in_the_way(planned, other, due) for other, due in self._under_way.items()):
            await asyncio.sleep(0.1)

    def _in_the_way(self, planned: Planned, other: Planned, due: float) -> bool:
        if other.target == planned.target:
            return other.target != FRONT
        now = time.monotonic()
        both = min(due - now, planned.until - planned.at)
        return {other.target, planned.target} == set(INSTANCES) and (due < now or both > BOTH_DOWN)

    async def _break(self, planned: Planned) -> None:
        match planned.breakage:
            case Breakage.KILL:
                await self._kill(planned)
            case Breakage.TERM | Breakage.TERM_TWICE | Breakage.TERM_KILL:
                await self._term(planned)
            case Breakage.FREEZE | Breakage.FREEZE_LONG:
                await self._freeze(planned)
            case Breakage.REDIS_FREEZE:
                await self._freeze_redis(planned)
            case Breakage.REDIS_KILL:
                await self._kill_redis(planned)
            case Breakage.REDIS_FLUSH:
                await self._flush_redis()
            case Breakage.POSTGRESQL_FREEZE:
                await self._freeze_postgresql(planned)
            case Breakage.POSTGRESQL_KILL:
                await self._kill_postgresql(planned)
            case Breakage.RESETS:
                await self._reset(planned)

    @asynccontextmanager
    async def _fault(self, kind: FaultKind, target: str) -> AsyncIterator[None]:
        fault = Fault(kind, target, time.monotonic())
        self._world.history.faults.append(fault)
        try:
            yield
        finally:
            fault.ended = time.monotonic()

    async def _kill(self, planned: Planned) -> None:
        instance = self._world.instances[planned.target]
        async with self._fault(FaultKind.KILL, planned.target):
            started = instance.starts
            instance.signal(signal.SIGKILL)
            await instance.ready(after=started)

    async def _term(self, planned: Planned) -> None:
        instance = self._world.instances[planned.target]
        async with self._fault(FaultKind.TERM, planned.target):
            started = instance.starts
            instance.signal(self._rng.choice((signal.SIGTERM, signal.SIGINT)))
            if planned.breakage is Breakage.TERM_TWICE and not await instance.gone(planned.seconds):
                instance.signal(signal.SIGTERM)
            if planned.breakage is Breakage.TERM_KILL and not await instance.gone(planned.seconds):
                await self._kill(planned)
            await instance.ready(after=started)

    async def _freeze(self, planned: Planned) -> None:
        instance = self._world.instances[planned.target]
        async with self._fault(FaultKind.FREEZE, planned.target):
            instance.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(planned.seconds)
            finally:
                instance.signal(signal.SIGCONT)

    async def _freeze_redis(self, planned: Planned) -> None:
        async with self._fault(FaultKind.FREEZE, REDIS):
            self._world.redis.freeze()
            try:
                await asyncio.sleep(planned.seconds)
            finally:
                self._world.redis.thaw()

    async def _kill_redis(self, planned: Planned) -> None:
        async with self._fault(FaultKind.KILL, REDIS):
            self._world.redis.kill()
            try:
                await asyncio.sleep(planned.seconds)
            finally:
                self._world.redis.start()
        async with self._fault(FaultKind.FLUSH, REDIS):
            pass

    async def _flush_redis(self) -> None:
        async with self._fault(FaultKind.FLUSH, REDIS):
            await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        with self._world.redis.client() as client:
            client.flushall()

    async def _freeze_postgresql(self, planned: Planned) -> None:
        async with self._fault(FaultKind.FREEZE, POSTGRESQL):
            self._world.postgresql.freeze()
            try:
                await asyncio.sleep(planned.seconds)
            finally:
                self._world.postgresql.thaw()

    async def _kill_postgresql(self, planned: Planned) -> None:
        async with self._fault(FaultKind.KILL, POSTGRESQL):
            await self._world.postgresql.kill()
            try:
                await asyncio.sleep(planned.seconds)
            finally:
                await self._world.postgresql.start()

    async def _reset(self, planned: Planned) -> None:
        """A few at a time, so that some are hit in the middle of an answer and some just before its end."""
        moments = 1 + int(planned.seconds * 4)
        async with self._fault(FaultKind.RESETS, FRONT):
            for _ in range(moments):
                self._world.front.reset(_RESET_SHARE, self._rng)
                await asyncio.sleep(planned.seconds / moments)
