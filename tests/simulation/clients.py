"""Clients as they are: they post, look away, come back elsewhere, and remember every event that they saw."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random

from starlette.types import Message

from app.core.errors import Conflict, Gone, InvalidEventId, NotFound, Unavailable
from app.domain.chat import Generation, Turn
from app.domain.identity import Principal
from app.generation.log import EventLog
from app.services.idempotency import IdempotencyKey
from app.wire.chat import encoder_with_ids, goodbye
from app.wire.response import EventStreamResponse, StreamLimits
from tests.simulation.house import METRICS, House
from tests.simulation.machines import Disconnected, Machine
from tests.simulation.trace import Trace

_PATIENCE = 8.0
"""Seconds that a client waits for the head of an answer."""


@dataclass(frozen=True, slots=True)
class Sight:
    """An event as a client saw it."""

    seq: int
    block: bytes
    at: float
    connection: int


@dataclass(eq=False)
class Reader:
    """Somebody who wants all of one answer."""

    name: str
    sights: list[Sight] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What no client should be told."""
    connections: int = 0
    done: bool = False
    """Whether it was told the end."""
    told_nothing: bool = False
    """Whether it came back and was told that nothing follows."""

    @property
    def over(self) -> bool:
        return self.done or self.told_nothing

    def complain(self, what: str) -> None:
        if what not in self.complaints:
            self.complaints.append(what)

    @property
    def last(self) -> int:
        return self.sights[-1].seq if self.sights else 0


class Pipe:
    """A response's way to a reader, who sees at once what is written."""

    def __init__(self, reader: Reader, clock: Callable[[], float]) -> None:
        self._reader = reader
        self._clock = clock
        self._rest = b""
        self.on_change: Callable[[], None] = lambda: None
        self.paused = False
        self.gone = False
        self.generation: Generation | None = None
        self.said_goodbye = False
        reader.connections += 1

    def write(self, body: bytes) -> None:
        if self.gone:
            return
        *blocks, self._rest = (self._rest + body).split(b"\n\n")
        for block in blocks:
            self._take(block)

    def abort(self) -> None:
        self.leave()

    def leave(self) -> None:
        self.gone = True
        self.on_change()

    def say_nothing(self) -> None:
        """The answer is 204."""
        if not self.gone:
            self._reader.told_nothing = True

    async def send(self, message: Message) -> None:
        self.write(message.get("body", b""))

    def _take(self, block: bytes) -> None:
        if block.startswith((b":", b"retry:")):
            return
        if block.startswith(b"event: goodbye"):
            self.said_goodbye = True
            return
        reader = self._reader
        head, _, rest = block.partition(b"\n")
        seq = int(head.rpartition(b":")[2])
        reader.sights.append(Sight(seq, rest, self._clock(), reader.connections))
        reader.done = reader.done or b'"done": true' in rest


class Clients:
    """What they have in common: the machines behind one front, and who they are."""

    def __init__(
        self, machines: Sequence[Machine], principal: Principal, trace: Trace, on_post: Callable[[Machine], None]
    ) -> None:
        self._machines = machines
        self._on_post = on_post
        self._principal = principal
        self._trace = trace
        self.acknowledged: dict[str, Generation] = {}
        """By question."""

    def pick(self, chance: Random) -> Machine | None:
        there = [machine for machine in self._machines if machine.accepts]
        return chance.choice(there) if there else None

    async def post(
        self, reader: Reader, question: str, conversation: str | None, chance: Random, leave_after: float
    ) -> Generation | None:
        """Post until it is acknowledged, and read along for a while. None when that was never."""
        for _ in range(30):
            machine = self.pick(chance)
            if machine is None:
                await asyncio.sleep(0.5)
                continue
            pipe = await self._post(machine, reader, question, conversation, leave_after)
            if pipe.generation is not None:
                self.acknowledged[question] = pipe.generation
                return pipe.generation
            await asyncio.sleep(chance.uniform(0.3, 1.5))
        return None

    async def _post(
        self, machine: Machine, reader: Reader, question: str, conversation: str | None, leave_after: float
    ) -> Pipe:
        pipe = Pipe(reader, asyncio.get_running_loop().time)
        self._trace.note(reader.name, f"posts to {machine.process.name}")
        self._on_post(machine)
        try:
            await self._read(
                machine, pipe, lambda house: self._posting(house, pipe, question, conversation), leave_after
            )
        except (Disconnected, TimeoutError, Unavailable, Conflict) as error:
            self._trace.note(reader.name, f"hears {type(error).__name__}")
        return pipe

    async def follow(self, reader: Reader, generation_id: str, chance: Random, *, restless: float) -> None:
        """Come back until it is done; `restless` is how often one leaves without a reason."""
        while not reader.over:
            machine = self.pick(chance)
            if machine is None:
                await asyncio.sleep(0.5)
                continue
            stays = chance.uniform(0.05, 3.0) if chance.random() < restless else 1000.0
            await self.resume(machine, reader, generation_id, stays)
            if not reader.over:
                await asyncio.sleep(chance.uniform(0.0, 1.0))

    async def resume(self, machine: Machine, reader: Reader, generation_id: str, stays: float) -> None:
        pipe = Pipe(reader, asyncio.get_running_loop().time)
        after = reader.last
        self._trace.note(reader.name, f"resumes after {after} on {machine.process.name}")
        try:
            whole = await self._read(
                machine, pipe, lambda house: self._resuming(house, pipe, generation_id, after), stays
            )
        except (Disconnected, TimeoutError, Unavailable) as error:
            self._trace.note(reader.name, f"hears {type(error).__name__}")
            await asyncio.sleep(0.3)
            return
        except (InvalidEventId, NotFound, Gone) as error:
            self._trace.note(reader.name, f"hears {type(error).__name__}")
            reader.complain(f"{type(error).__name__} after {after}")
            await asyncio.sleep(2.0)
            return
        if whole and not reader.over and not pipe.said_goodbye:
            reader.complain(f"a stream after {after} ended at {reader.last} without its end")
        self._trace.note(reader.name, f"has read to {reader.last}" + (", all" if reader.done else ""))

    async def stop(self, generation_id: str, chance: Random) -> None:
        machine = self.pick(chance)
        if machine is None:
            return
        self._trace.note("stopper", f"stops {generation_id[-4:]} by {machine.process.name}")
        try:
            async with asyncio.timeout(_PATIENCE):
                await machine.call(lambda house: house.generations.stop(self._principal.user.id, generation_id))
        except (Disconnected, TimeoutError, Unavailable) as error:
            self._trace.note("stopper", f"hears {type(error).__name__}")

    async def _read(
        self, machine: Machine, pipe: Pipe, work: Callable[[House], Coroutine[None, None, None]], stays: float
    ) -> bool:
        """Whether the stream came to its end before the reader left."""
        call = asyncio.ensure_future(machine.call(work))
        began = asyncio.get_running_loop().time()
        process = machine.process
        try:
            await asyncio.wait({call}, timeout=min(stays, _PATIENCE))
            if pipe.generation is None and not call.done():
                raise TimeoutError
            left = began + stays - asyncio.get_running_loop().time()
            while not call.done() and left > 0:
                seen = pipe._reader.last
                await asyncio.wait({call}, timeout=min(left, 20.0))
                left = began + stays - asyncio.get_running_loop().time()
                if process.frozen and pipe._reader.last == seen:
                    break  # not even a ping for longer than there should be none
            if call.done():
                call.result()
            return call.done()
        finally:
            pipe.gone = True
            call.cancel()
            if machine.process is process:
                machine.tell(pipe.leave)

    async def _posting(self, house: House, pipe: Pipe, question: str, conversation: str | None) -> None:
        key = IdempotencyKey("chat", question, question)
        started = await house.chat.post(self._principal, Turn(question, conversation_id=conversation), key)
        await self._stream(house, pipe, started.generation, started.log, 0)

    async def _resuming(self, house: House, pipe: Pipe, generation_id: str, after: int) -> None:
        found = await house.generations.resume(self._principal, generation_id, after)
        if found is None:
            pipe.say_nothing()
        else:
            await self._stream(house, pipe, *found)

    async def _stream(self, house: House, pipe: Pipe, generation: Generation, log: EventLog, after: int) -> None:
        if pipe.gone:
            return
        pipe.generation = generation
        response = EventStreamResponse(
            log,
            encoder_with_ids(generation.id),
            after=after,
            headers={},
            limits=StreamLimits(),
            metrics=METRICS,
            farewell=goodbye,
        )
        scope = {"type": "http", "extensions": {"app.pipe": {"pipe": pipe}}}
        await response(scope, _never, pipe.send)


async def _never() -> Message:
    await asyncio.sleep(100_000)
    raise AssertionError
