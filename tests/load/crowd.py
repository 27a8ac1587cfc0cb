"""Users who ask, read and think: how long their answers take, and how many are answered each second."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

from tests.bench.answers import WrongAnswer, data_lines
from tests.bench.load import Reply
from tests.load import client
from tests.load.client import Watched
from tests.load.people import Person
from tests.load.vendor import Plan
from tests.load.worker import Stage, said

CHAT = "/ai/chat"
STREAM = "/ai/chat/stream"
_PLAN = Plan(chunks=20)
_KEPT = 4.0
"""Seconds after which clients take a new connection: servers close one that is silent after 5."""
_TURNS = 5
"""After which a user begins another conversation."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: how long each user thinks, drawn between the two; how long all of it is let run in, then measured."""

    thinking: tuple[float, float]
    warmth: float
    measured: float


@dataclass(slots=True)
class Crowd:
    """Seconds of each answer that was asked for while it was measured, and of its first text."""

    users: int
    thinking: tuple[float, float]
    whole: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    rate: float = 0.0  # answers that ended each second
    worker: float = 0.0  # of a core, and so the others
    client: float = 0.0
    vendor: float = 0.0
    refused: int = 0  # with 503: more was asked for than the database is waited for
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Asked:
    whose: str
    reply: Reply
    came: Sequence[float]


class _Clock:
    def __init__(self, pace: Pace) -> None:
        self.begins = time.monotonic() + pace.warmth
        self.ends = self.begins + pace.measured

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.ends


async def measure(on: Stage, path: str, pace: Pace) -> Crowd:
    found = Crowd(len(on.people), pace.thinking)
    asked: list[_Asked] = []
    clock = _Clock(pace)
    watching = asyncio.create_task(_watch(on, clock, found))
    with ExitStack() as stack:

        async def connect() -> Watched:
            return stack.enter_context(await Watched.open(on.worker.port))

        await asyncio.gather(*(_user(path, pace, clock, each, connect, asked, found) for each in on.people))
    await watching
    counted = [each for each in asked if clock.begins <= each.reply.sent < clock.ends]
    found.whole = [each.reply.ended - each.reply.sent for each in counted]
    found.first = [each.reply.until_first for each in counted] if path == STREAM else []
    found.rate = sum(clock.begins <= each.reply.ended < clock.ends for each in asked) / pace.measured
    await _examine(on, path, asked, found.errors)
    return found


_numbers = count(1)


async def _user(
    path: str,
    pace: Pace,
    clock: _Clock,
    person: Person,
    connect: Callable[[], Awaitable[Watched]],
    asked: list[_Asked],
    found: Crowd,
) -> None:
    """Turn after turn on one connection while it is kept, each in the conversation of the last."""
    connection = await connect()
    await asyncio.sleep(random.uniform(0, min(_KEPT, max(pace.thinking))))  # noqa: S311
    named: dict[str, str] = {}
    for turn in count(1):
        if clock.over:
            return
        whose = f"{path.rpartition('/')[2]}-{next(_numbers)}"
        connection.came = []
        reply = await connection.ask(person.asks(path, _PLAN.model, whose, **named))
        named = {}
        if reply.status == 200:
            asked.append(_Asked(whose, reply, connection.came))
            named = {"conversation_id": _conversation(path, reply)} if turn % _TURNS else {}
        elif reply.status == 503:
            found.refused += 1
        else:
            found.errors.append(f"{reply.status}: {reply.body[:300].decode(errors='replace')}")
        thought = random.uniform(*pace.thinking)  # noqa: S311
        await asyncio.sleep(thought)
        if thought > _KEPT:
            connection.close()
            connection = await connect()


def _conversation(path: str, reply: Reply) -> str:
    head, _, _ = reply.parts[0].lower().partition(b"\r\n\r\n")
    if path == STREAM:
        return head.partition(b"x-conversation-id: ")[2].partition(b"\r\n")[0].decode()
    return reply.body.partition(b'"conversation_id":"')[2].partition(b'"')[0].decode()


async def _watch(on: Stage, clock: _Clock, found: Crowd) -> None:
    """What each process takes of a core while it is measured."""
    await asyncio.sleep(clock.begins - time.monotonic())
    worker, client_, vendor, began = on.worker.cpu(), time.process_time(), on.vendor.cpu(), time.monotonic()
    await asyncio.sleep(clock.ends - time.monotonic())
    took = time.monotonic() - began
    found.worker = (on.worker.cpu() - worker) / took
    found.client = (time.process_time() - client_) / took
    found.vendor = (on.vendor.cpu() - vendor) / took


async def _examine(on: Stage, path: str, asked: Sequence[_Asked], errors: list[str]) -> None:
    """Whether each got his own answer, as the vendor gave it."""
    kept = await said(on.vendor)
    for each in asked:
        try:
            if path == STREAM:
                arrivals = client.streamed(each.reply, each.came)
                whose, digest = arrivals.whose, arrivals.digest
                if not client.complete(each.reply):
                    errors.append(f"not complete: {list(data_lines(each.reply.body))[-1]}")
            else:
                whose, digest = client.whole(each.reply)
        except WrongAnswer as wrong:
            errors.append(str(wrong))
            continue
        if whose != each.whose or kept.get(whose) != digest:
            errors.append(f"{each.whose} got another answer than was given: {each.reply.body[-300:]!r}")
