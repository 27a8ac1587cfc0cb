"""Thousands of streams that are open at the same moment: what each holds, and by how much its chunks come later."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from tests.bench.answers import WrongAnswer
from tests.bench.contestants import QUESTION, post
from tests.bench.load import Reply
from tests.bench.processes import Served
from tests.load import client
from tests.load.client import Watched
from tests.load.crowd import STREAM
from tests.load.vendor import Plan
from tests.load.worker import Stage, go, said

_STARTING = 32
"""How many wait for their first text at most: a crowd that gathers, not a stampede."""
_LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Size:
    """How many streams, of how many chunks each, drawn between the two, and milliseconds between two chunks.

    `calm` is in seconds: how long after the last end memory is looked at again.
    """

    streams: int = 5000
    chunks: tuple[int, int] = (20, 30)
    apart: int = 1000
    calm: float = 70.0


@dataclass(slots=True)
class Streams:
    streams: int
    gathering: float = 0.0  # seconds until all had begun
    at_once: int = 0
    complete: int = 0
    kilobytes: float = 0.0  # of each, with all of them open
    kilobytes_after: float = 0.0  # of each, when all have gone
    worker: float = 0.0  # of a core, while all were open and spoke
    client: float = 0.0
    vendor: float = 0.0
    delays: list[float] = field(default_factory=list)  # seconds from the vendor to the client
    endings: list[float] = field(default_factory=list)  # seconds from a stream's last chunk to its end
    errors: list[str] = field(default_factory=list)


Request = Callable[[int, Plan], bytes]
"""The one of this number, for such an answer."""


def ours(on: Stage) -> Request:
    """The users take turns."""
    return lambda number, plan: on.people[number % len(on.people)].asks(STREAM, plan.model, str(number))


def bare(number: int, plan: Plan) -> bytes:
    messages = [{"role": "user", "content": f"{QUESTION} #{number}"}]
    return post("/v1/chat/completions", {"model": plan.model, "messages": messages, "stream": True})


@dataclass(frozen=True, slots=True)
class _Open:
    number: int
    connection: Watched
    reply: asyncio.Future[Reply]


async def measure(on: Stage, size: Size, request: Request, *, stored: bool) -> Streams:
    """`stored`: in our own spelling, which says itself whether it is complete."""
    found = Streams(size.streams)
    before = on.worker.memory()
    with ExitStack() as stack:
        began = time.monotonic()
        opened = await _gather(on.worker.port, size, request, stack)
        found.gathering = time.monotonic() - began
        found.at_once = sum(not each.reply.done() for each in opened)
        async with _watching(on, size, before, found):
            await go(on.vendor)
            await asyncio.wait([each.reply for each in opened])
        await _examine(on, opened, found, stored=stored)
    return found


async def afterwards(served: Served, before: int, size: Size) -> float:
    """Kilobytes that each stream has left behind, a while after all of them."""
    await asyncio.sleep(size.calm)
    return (served.memory() - before) / size.streams / 1024


async def _gather(port: int, size: Size, request: Request, stack: ExitStack) -> Sequence[_Open]:
    starting = asyncio.Semaphore(_STARTING)

    async def begin(number: int) -> _Open:
        plan = Plan(random.randint(*size.chunks), apart=size.apart, held=True)  # noqa: S311
        async with starting:
            connection = stack.enter_context(await Watched.open(port))
            asked = connection.ask(request(number, plan))
            await connection.first()
        return _Open(number, connection, asked)

    return await asyncio.gather(*map(begin, range(size.streams)))


@asynccontextmanager
async def _watching(on: Stage, size: Size, before: int, found: Streams) -> AsyncIterator[None]:
    """The most that the worker holds, and what everybody uses until the first streams end."""
    watch = asyncio.create_task(_watch(on, size, before, found))
    try:
        yield
    finally:
        watch.cancel()


async def _watch(on: Stage, size: Size, before: int, found: Streams) -> None:
    began = time.monotonic()
    worker, own, vendor = on.worker.cpu(), time.process_time(), on.vendor.cpu()
    ends = began + (size.chunks[0] - 1) * size.apart / 1000
    while True:
        found.kilobytes = max(found.kilobytes, (on.worker.memory() - before) / size.streams / 1024)
        now = time.monotonic()
        if now <= ends and now > began:
            found.worker = (on.worker.cpu() - worker) / (now - began)
            found.client = (time.process_time() - own) / (now - began)
            found.vendor = (on.vendor.cpu() - vendor) / (now - began)
        await asyncio.sleep(_LOOK)


async def _examine(on: Stage, opened: Sequence[_Open], found: Streams, *, stored: bool) -> None:
    kept = await said(on.vendor)
    for each in opened:
        error = each.reply.exception()
        if error is not None:
            found.errors.append(str(error))
            continue
        reply = each.reply.result()
        try:
            arrivals = client.streamed(reply, each.connection.came)
        except WrongAnswer as wrong:
            found.errors.append(str(wrong))
            continue
        if stored and not client.complete(reply):
            found.errors.append(f"not complete: {reply.body[-300:]!r}")
        elif arrivals.whose != str(each.number) or kept.get(arrivals.whose) != arrivals.digest:
            found.errors.append(f"not what the vendor said: {reply.body[-300:]!r}")
        else:
            found.complete += 1
        # The first came while the crowd still gathered.
        found.delays += [came - left for left, came in zip(arrivals.left[1:], arrivals.came[1:], strict=True)]
        found.endings.append(reply.ended - arrivals.came[-1])
