"""Readers that read nothing or a byte a second, beside others: what they hold, when they are dropped, who suffers."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.backend import PLAIN
from tests.bench.answers import WrongAnswer
from tests.bench.contestants import succeeded
from tests.bench.load import Reply
from tests.load import client
from tests.load.client import Watched
from tests.load.crowd import STREAM
from tests.load.people import Person
from tests.load.vendor import Plan, digest
from tests.load.worker import Stage, said

_LOOK = 1.0
_APART = 0.04
"""Seconds between two that begin: all at once they would be more posts than one worker takes in time."""
_SMALL = 4096
"""Bytes that the kernel keeps at most for a reader of single bytes."""


_LONG = Plan(chunks=300, letters=3500)
_PACED = Plan(chunks=50, apart=1000)


@dataclass(frozen=True, slots=True)
class Readers:
    """How many of each, what they ask for, and how long they are watched: seconds."""

    silent: int = 200
    dripping: int = 50
    healthy: int = 50
    long: Plan = _LONG
    paced: Plan = _PACED
    patience: float = 60.0

    @property
    def stuck(self) -> int:
        return self.silent + self.dripping

    @property
    def everybody(self) -> int:
        return self.stuck + self.healthy


@dataclass(slots=True)
class Held:
    readers: Readers
    megabytes: float = 0.0  # of the worker, at the most, for each that is stuck
    kernel: float = 0.0  # megabytes that the kernel held for each of them, at the most
    dropped: list[float] = field(default_factory=list)  # seconds until each was dropped
    healthy: int = 0  # that had their answers whole
    stored: int = 0  # answers of those that were stuck, whole in the database
    delays: list[float] = field(default_factory=list)  # of the healthy, as in `streams`
    errors: list[str] = field(default_factory=list)


class _Stuck:
    """One whose socket is full."""

    def __init__(self, port: int, request: bytes, *, drips: bool) -> None:
        self._socket = socket.socket()
        if drips:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(request)
        self._socket.setblocking(False)
        self._drips = drips
        self.port: int = self._socket.getsockname()[1]
        self._began = time.monotonic()
        self.dropped: float | None = None

    def look(self, served: Collection[int]) -> None:
        """Whether it was dropped, and is not among those any more; else one byte, for those that take one.

        The server's side says so: who does not read does not see it.
        """
        if self.dropped is None and self.port not in served:
            self.dropped = time.monotonic() - self._began
        elif self._drips:
            with suppress(OSError):
                self._socket.recv(1)

    def close(self) -> None:
        self._socket.close()


async def measure(on: Stage, readers: Readers) -> Held:
    found = Held(readers)
    before = on.worker.memory()
    healthy, rest = on.people[: readers.healthy], on.people[readers.healthy : readers.everybody]
    with ExitStack() as stack:
        connections = [stack.enter_context(await Watched.open(on.worker.port)) for _ in healthy]
        asked = [
            connection.ask(person.asks(STREAM, readers.paced.model, f"healthy-{number}"))
            for number, (connection, person) in enumerate(zip(connections, healthy, strict=True))
        ]
        async with _stuck(on, readers, rest) as stuck:
            await _watch(on, stuck, before, found)
        await asyncio.wait(asked)
        await _examine_healthy(on, connections, asked, found)
    await _examine_stored(on, rest, found)
    return found


@asynccontextmanager
async def _stuck(on: Stage, readers: Readers, people: Sequence[Person]) -> AsyncIterator[Sequence[_Stuck]]:
    with ExitStack() as stack:
        each = []
        for number, person in enumerate(people):
            request = person.asks(STREAM, readers.long.model, f"stuck-{number}")
            each.append(_Stuck(on.worker.port, request, drips=number >= readers.silent))
            stack.callback(each[-1].close)
            await asyncio.sleep(_APART)
        yield each


async def _watch(on: Stage, stuck: Sequence[_Stuck], before: int, found: Held) -> None:
    """Until all were dropped, or patience has run out."""
    ends = time.monotonic() + found.readers.patience
    while time.monotonic() < ends and any(each.dropped is None for each in stuck):
        await asyncio.sleep(_LOOK)
        sides = _sides(on.worker.port)
        served = {port for port, side in sides.items() if side.established}
        for each in stuck:
            each.look(served)
        waiting = sum(sides[each.port].waiting for each in stuck if each.port in sides)
        found.megabytes = max(found.megabytes, (on.worker.memory() - before) / len(stuck) / 1024**2)
        found.kernel = max(found.kernel, waiting / len(stuck) / 1024**2)
    found.dropped = [each.dropped for each in stuck if each.dropped is not None]
    if kept := len(stuck) - len(found.dropped):
        found.errors.append(f"{kept} readers that do not read were not dropped")


class _Side(NamedTuple):
    """The server's side of a connection: whether the server holds it, and the bytes that its client has not taken."""

    established: bool
    waiting: int


def _sides(port: int) -> Mapping[int, _Side]:
    """By the client's port."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {
        int(row[2].partition(":")[2], 16): _Side(row[3] == "01", int(row[4].partition(":")[0], 16))
        for row in rows
        if int(row[1].partition(":")[2], 16) == port
    }


async def _examine_healthy(
    on: Stage, connections: Sequence[Watched], asked: Sequence["asyncio.Future[Reply]"], found: Held
) -> None:
    kept = await said(on.vendor)
    for number, (connection, each) in enumerate(zip(connections, asked, strict=True)):
        try:
            reply = succeeded(each.result())
            arrivals = client.streamed(reply, connection.came)
            if not client.complete(reply) or kept.get(f"healthy-{number}") != arrivals.digest:
                raise WrongAnswer(f"not what the vendor said: {reply.body[-300:]!r}")
        except WrongAnswer as wrong:
            found.errors.append(str(wrong))
        else:
            found.healthy += 1
            found.delays += [came - left for left, came in zip(arrivals.left, arrivals.came, strict=True)]


async def _examine_stored(on: Stage, people: Sequence[Person], found: Held) -> None:
    """Nobody who is stuck knows the id of anything; each has one conversation."""
    kept = await said(on.vendor)
    async with httpx.AsyncClient(base_url=on.worker.url, trust_env=False, verify=PLAIN, timeout=30) as http:
        for number, person in enumerate(people):
            conversations = await _items(http, person, "/conversations")
            if not conversations:
                found.errors.append("the post of one that does not read was refused")
                continue
            (conversation,) = conversations
            answer = await _answer(http, person, conversation["id"])
            if answer["status"] == "complete" and digest(answer["content"].encode()) == kept[f"stuck-{number}"]:
                found.stored += 1
            else:
                found.errors.append(f"stored as {answer['status']}: {answer['content'][:200]}")


async def _answer(http: httpx.AsyncClient, person: Person, conversation_id: str) -> Mapping[str, str]:
    """The newest message once it is written, which it may be after who does not read was dropped."""
    async with asyncio.timeout(60):
        while True:
            answer = (await _items(http, person, f"/conversations/{conversation_id}/messages"))[-1]
            if answer["status"] != "streaming":
                return answer
            await asyncio.sleep(0.1)


async def _items(http: httpx.AsyncClient, person: Person, path: str) -> Sequence[dict[str, str]]:
    response = await http.get(path, headers={"Authorization": f"Bearer {person.token}"})
    items: Sequence[dict[str, str]] = response.raise_for_status().json()["items"]
    return items
