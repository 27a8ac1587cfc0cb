"""What an open stream holds: growth of resident memory with all of them open at the same moment."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.bench.figures.field import Field, examine
from tests.bench.load import Reply, ramp
from tests.bench.processes import Served

_CHUNKS = 20


@dataclass(frozen=True, slots=True)
class Memory:
    kilobytes: dict[str, float] = field(default_factory=dict)  # for each stream
    at_once: dict[str, int] = field(default_factory=dict)  # how many were open at the same moment


async def measure(on: Field) -> Memory:
    """On targets that are warm but have never had a crowd: what an earlier one left would hide the growth."""
    found, streams = Memory(), on.amounts.crowd
    for contestant in on.contestants:
        # The first streams last until the last has begun.
        requests = [contestant.first_message(f"count-{_CHUNKS}-{on.amounts.spacing}ms") for _ in range(streams)]
        async with _growth(contestant.served) as growth:
            replies = await ramp(contestant.port, requests)
        examine(contestant, replies, _CHUNKS)
        found.kilobytes[contestant.name] = max(growth) / streams / 1024
        found.at_once[contestant.name] = _at_once(replies)
        await on.forget()
    return found


def _at_once(replies: Sequence[Reply]) -> int:
    """The most that had begun to speak and had not ended."""
    changes = sorted([(r.first or r.ended, 1) for r in replies] + [(r.ended, -1) for r in replies])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@asynccontextmanager
async def _growth(served: Served) -> AsyncIterator[Sequence[int]]:
    """By how many bytes it is larger than now, looked at time and again."""
    before = served.memory()
    seen = [0]

    async def look() -> None:
        while True:
            seen.append(served.memory() - before)
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
