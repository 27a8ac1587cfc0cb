"""One seed, one world: machines, clients and faults, from the first question until all is quiet."""

import asyncio
from dataclasses import dataclass, field
from random import Random

from app.database import Database
from app.domain.chat import Generation
from app.domain.identity import Principal, Role
from tests.simulation import uptime
from tests.simulation.chance import Chance
from tests.simulation.clients import Clients, Reader
from tests.simulation.house import SETTINGS
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.machines import Machine
from tests.simulation.scenario import Fault, Question, Scenario
from tests.simulation.sessions import DatabaseServer
from tests.simulation.store import Schema, SimulatedStore
from tests.simulation.streams import StreamServer
from tests.simulation.trace import Trace
from tests.simulation.vendor import Call, Vendor

_STILL = 150.0
"""Seconds after the last question and fault in which all has to be quiet."""


@dataclass(eq=False)
class Asked:
    """A question and everybody who reads its answer."""

    question: Question
    readers: list[Reader] = field(default_factory=list)
    generation: Generation | None = None
    posted_at: float = 0.0


class World:
    def __init__(self, seed: str, scenario: Scenario, schema: Schema, *, whole_trace: bool = False) -> None:
        chance = Chance(seed)
        self.scenario = scenario
        self.chance = chance
        self.loop = VirtualLoop(chance.of("threads"))  # type: ignore[abstract]  # it has no sockets
        self.trace = Trace(self.loop.time, whole=whole_trace)
        schema.renew()
        self.server = DatabaseServer(self.loop, chance.of("database"), self.trace, schema.raw, schema.connection)
        self.server.lost_commits = scenario.lost_commits
        if scenario.slow:
            self.server.latency = (0.002, 0.02)
        self.redis = StreamServer(self.loop, chance.of("redis"), self.trace) if scenario.redis else None
        if self.redis is not None:
            self.redis.lost_replies = scenario.lost_replies
        self.vendor = Vendor(self.loop, self._call_ended)
        self.vendor.scripts = {question.text: question.scripts for question in scenario.questions}
        names = "abc"[: scenario.machines]
        self.machines = [Machine(name, self.loop, self.server, self.redis, self.vendor, self.trace) for name in names]
        self.asked = [Asked(question) for question in scenario.questions]
        self.outages: list[tuple[float, float]] = []
        self.redis_outages: list[tuple[float, float]] = []
        self.over_at = uptime.FOREVER
        """When all that was asked and all that broke was over."""
        self.leaks: list[str] = []
        self._first: tuple[Process, int] | None = None
        self.answer_steps = 0
        """Steps of the process that was first posted to, from then until that answer was read."""
        self._crash_at_end = scenario.crash_at_end
        self._crash_at_post = scenario.crash_at_post

    @property
    def breaks(self) -> list[tuple[float, float]]:
        """When the database was not there, and each moment at which it lost a connection."""
        return [*self.outages, *self.server.broke]

    async def live(self) -> None:
        """Everything, until it is quiet, read once more by somebody who was not there, and closed."""
        self._clients = Clients(self.machines, await self._principal(), self.trace, self._posting)
        for machine in self.machines:
            machine.start()
        faults = [asyncio.ensure_future(self._break_later(fault)) for fault in self.scenario.faults]
        turns = [asyncio.ensure_future(self._turn(asked)) for asked in self.asked]
        await asyncio.wait([*faults, *turns], timeout=300)
        for task in [*faults, *turns]:
            if task.done():
                task.result()
            else:
                self.leaks.append("somebody still waits for an answer after 300 s")
        await self._quiet()
        await self._read_again()
        await self._look_for_leaks()
        self.over_at = self.loop.time()
        for machine in self.machines:
            await machine.drain(0)

    async def _principal(self) -> Principal:
        database = Database(SETTINGS, SimulatedStore(self.server, None, 1))
        lost, self.server.lost_commits = self.server.lost_commits, 0.0
        async with database.transaction() as tx:
            user = await tx.users.add(email="alice@example.com", name=None, role=Role.USER, password_hash="none")
        self.server.lost_commits = lost
        return Principal(user)

    async def _turn(self, asked: Asked) -> None:
        question = asked.question
        chance = self.chance.of(question.text)
        await self._until(question.at)
        author = Reader(question.text)
        asked.readers.append(author)
        generation = await self._clients.post(
            author, question.text, self._conversation(asked), chance, question.leaves_after
        )
        if generation is None:
            return
        asked.generation, asked.posted_at = generation, self.loop.time()
        work = [self._clients.follow(author, generation.id, chance, restless=question.restless)]
        work += [self._tab(asked, generation.id, number) for number in range(question.tabs)]
        if question.stopped_after is not None:
            work.append(self._stop(generation.id, question.stopped_after, chance))
        await asyncio.gather(*work)
        if asked is self.asked[0] and self._first is not None:
            process, before = self._first
            self.answer_steps = process.steps - before

    def _conversation(self, asked: Asked) -> str | None:
        number = self.asked.index(asked)
        before = self.asked[number - 1].generation if number and asked.question.follows else None
        return before.conversation_id if before else None

    async def _tab(self, asked: Asked, generation_id: str, number: int) -> None:
        chance = self.chance.of(f"{asked.question.text} tab {number}")
        reader = Reader(f"{asked.question.text}/{number}")
        asked.readers.append(reader)
        await asyncio.sleep(chance.uniform(0.0, 3.0))
        await self._clients.follow(reader, generation_id, chance, restless=asked.question.restless)

    async def _stop(self, generation_id: str, after: float, chance: Random) -> None:
        await asyncio.sleep(after)
        await self._clients.stop(generation_id, chance)

    def _posting(self, machine: Machine) -> None:
        if self._first is None:
            self._first = machine.process, machine.process.steps
        if self._crash_at_post is not None:
            machine.crash_in(self._crash_at_post)
            self._crash_at_post = None
            self.loop.create_task(self._start_again(machine))

    def _call_ended(self, call: Call) -> None:
        """The vendor is about to send the end of an answer."""
        for machine in self.machines:
            if self._crash_at_end is not None and machine.up and machine.process is call.client:
                machine.crash_in(self._crash_at_end)
                self._crash_at_end = None
                self.loop.create_task(self._start_again(machine))

    async def _start_again(self, machine: Machine) -> None:
        await asyncio.sleep(3.0)
        machine.process.dies_at = None
        await self._restart(machine)

    async def _break_later(self, fault: Fault) -> None:
        await self._until(fault.at)
        await self._break(fault)

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, 1000.0 + at - self.loop.time()))

    async def _break(self, fault: Fault) -> None:
        machine = self.machines[fault.machine]
        now = self.loop.time()
        if fault.kind == "crash":
            machine.crash_in(fault.steps)
            await asyncio.sleep(fault.seconds + 2.0)
            machine.process.dies_at = None
            await self._restart(machine)
        elif fault.kind == "freeze":
            await machine.freeze(fault.seconds)
        elif fault.kind == "drain":
            await machine.drain(fault.seconds)
            await asyncio.sleep(0.5)
            await self._restart(machine)
        elif fault.kind == "cut":
            await machine.cut_off(fault.seconds)
        elif fault.kind.startswith("redis"):
            await self._break_redis(fault)
        elif self.server.ready:
            self.outages.append((now, now + fault.seconds))
            getattr(self.server, "restart" if fault.kind == "database_down" else "freeze")(fault.seconds)
            await asyncio.sleep(fault.seconds)

    async def _break_redis(self, fault: Fault) -> None:
        redis, now = self.redis, self.loop.time()
        if redis is None or not redis.ready:
            return
        if fault.kind == "redis_flushed":
            self.redis_outages.append((now, now))
            redis.flush()
            return
        self.redis_outages.append((now, now + fault.seconds))
        if fault.kind == "redis_frozen":
            redis.freeze(fault.seconds)
        else:
            redis.restart(fault.seconds, empty=fault.kind == "redis_lost")
        await asyncio.sleep(fault.seconds)

    async def _restart(self, machine: Machine) -> None:
        if not machine.up:
            machine.start()

    async def _quiet(self) -> None:
        """Until nothing streams, wherever."""
        until = self.loop.time() + _STILL
        while self.loop.time() < until:
            for machine in self.machines:
                await self._restart(machine)
                machine.process.dies_at = None
            streaming = self.server.look("SELECT id FROM generations WHERE status = 'streaming'")
            frozen = any(machine.process.frozen for machine in self.machines)
            if not streaming and not frozen and self.server.ready:
                return
            await asyncio.sleep(1.0)
        self.leaks.append("a generation still streams long after everything else was over")

    async def _read_again(self) -> None:
        for asked in self.asked:
            if asked.generation is None:
                continue
            for machine in self.machines:
                reader = Reader(f"{asked.question.text} on {machine.name}")
                asked.readers.append(reader)
                for _ in range(5):
                    await self._clients.resume(machine, reader, asked.generation.id, 100.0)
                    if reader.over:
                        break

    async def _look_for_leaks(self) -> None:
        await asyncio.sleep(15.0)
        for machine in self.machines:
            name, process = machine.process.name, machine.process
            left = [task for task in self.loop.tasks_of(process) if task not in machine.house.standing]
            if list(machine.house.slots.held()):
                self.leaks.append(f"{name} still has a slot")
            self.leaks += [f"{name} still has the task {task!r}" for task in left]
            for _ in range(20):  # it may be at work just now
                if machine.house.connections_in_use:
                    await asyncio.sleep(0.13)
            if machine.house.connections_in_use:
                self.leaks.append(f"{name} still has a connection to the database")
