"""Chats that stream, each one answer after the other, until they are told to stop: the gaps between their chunks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise

from tests.bench.answers import WrongAnswer
from tests.load import client
from tests.load.client import Watched
from tests.load.crowd import STREAM
from tests.load.people import Person
from tests.load.vendor import Plan
from tests.load.worker import Stage, said

_STAGGERED = 5.0
"""Seconds in which all of them begin."""
_AGAIN = 1.0
"""Seconds after what went wrong."""


@dataclass(slots=True)
class Talks:
    answers: int = 0
    gaps: list[tuple[float, float]] = field(default_factory=list)  # when the later chunk came, and by how much later
    digests: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def gaps_between(self, begin: float, end: float) -> Sequence[float]:
        """Those of this time, in seconds."""
        return [gap for came, gap in self.gaps if begin <= came < end]


@asynccontextmanager
async def talking(on: Stage, people: Sequence[Person], plan: Plan) -> AsyncIterator[Talks]:
    """They talk within, and end their answers behind; then all of these have been compared with the vendor's."""
    found, over = Talks(), asyncio.Event()
    tasks = [
        asyncio.create_task(_talk(on, person, number, _STAGGERED * number / len(people), plan, over, found))
        for number, person in enumerate(people)
    ]
    try:
        yield found
    finally:
        over.set()
        await asyncio.gather(*tasks)
    kept = await said(on.vendor)
    wrong = [whose for whose, digest in found.digests.items() if kept.get(whose) != digest]
    found.errors += [f"{whose} got another answer than was given" for whose in wrong]


async def _talk(
    on: Stage, person: Person, number: int, later: float, plan: Plan, over: asyncio.Event, found: Talks
) -> None:
    await asyncio.sleep(later)
    turns = count(1)
    while not over.is_set():
        with await Watched.open(on.worker.port) as connection:
            try:
                while not over.is_set():
                    await _ask(connection, person.asks(STREAM, plan.model, f"talk-{number}-{next(turns)}"), found)
            except WrongAnswer as wrong:
                found.errors.append(str(wrong))
                await asyncio.sleep(_AGAIN)


async def _ask(connection: Watched, request: bytes, found: Talks) -> None:
    connection.came = []
    reply = await connection.ask(request)
    if reply.status != 200:
        raise WrongAnswer(f"{reply.status}: {reply.body[:300].decode(errors='replace')}")
    arrivals = client.streamed(reply, connection.came)
    if not client.complete(reply):
        raise WrongAnswer(f"not complete: {reply.body[-300:]!r}")
    found.answers += 1
    found.digests[arrivals.whose] = arrivals.digest
    found.gaps += [(later, later - earlier) for earlier, later in pairwise(arrivals.came)]
