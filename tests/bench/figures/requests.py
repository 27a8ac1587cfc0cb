"""CPU per request with an answer of one chunk, as the conversation gets longer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.contestants import Contestant, Converser
from tests.bench.figures import Series
from tests.bench.figures.field import Field
from tests.bench.load import Reply, in_turn

_AT_ONCE = 4
_MODEL = "count-1"


@dataclass(frozen=True, slots=True)
class Requests:
    """Milliseconds of CPU for one request, by the number of messages before it; 0: it begins a conversation."""

    by_length: dict[int, Series] = field(default_factory=dict)


async def measure(on: Field) -> Requests:
    found = Requests({length: {} for length in on.amounts.lengths})
    for round_ in range(on.amounts.rounds):
        for length, series in found.by_length.items():
            for contestant in on.turns(round_):
                requests = await prepare(on, contestant, length)
                series.setdefault(contestant.name, []).append(await cost(on, contestant, requests))
            await on.forget()
    return found


async def prepare(on: Field, contestant: Converser, length: int) -> Sequence[Sequence[bytes]]:
    """Requests in new conversations of this length: one for each connection, for each has one answer at a time."""
    if not length:
        return beginnings(on, contestant)
    each = on.amounts.requests // _AT_ONCE
    conversations = await asyncio.gather(*(contestant.conversation(length) for _ in range(_AT_ONCE)))
    return [[go_on(_MODEL)] * each for go_on in conversations]


def beginnings(on: Field, contestant: Contestant) -> Sequence[Sequence[bytes]]:
    """Requests that begin conversations."""
    each = on.amounts.requests // _AT_ONCE
    return [[contestant.first_message(_MODEL) for _ in range(each)] for _ in range(_AT_ONCE)]


async def cost(on: Field, contestant: Contestant, queues: Sequence[Sequence[bytes]]) -> float:
    """Milliseconds of CPU for one of these requests."""

    async def load() -> Sequence[Reply]:
        return [reply for replies in await in_turn(contestant.port, queues) for reply in replies]

    return await on.cpu_of(contestant, load, 1) / sum(map(len, queues)) * 1000
