"""CPU per relayed chunk, by slope: long answers less short ones, so that what a request costs cancels out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.contestants import Contestant
from tests.bench.figures import Series
from tests.bench.figures.field import Field
from tests.bench.load import Reply, together

# Seconds. Real streams are not in step. Begun at once, they would be on a target that begins them quickly, and chunks
# that one wake-up of the event loop finds together cost less than one wake-up each.
_APART = 0.2


@dataclass(frozen=True, slots=True)
class Chunks:
    per_thousand: Series = field(default_factory=dict)  # milliseconds of CPU
    client: list[float] = field(default_factory=list)  # what our own client took of a core
    vendor: list[float] = field(default_factory=list)  # and the vendor


async def measure(on: Field) -> Chunks:
    found = Chunks()
    for round_ in range(on.amounts.rounds):
        for contestant in on.turns(round_):
            await add(found, on, contestant)
            await on.forget()
    return found


async def add(found: Chunks, on: Field, contestant: Contestant) -> None:
    """What a contestant takes in one round."""
    amounts = on.amounts
    low = await paced(on, contestant, amounts.short)
    began, client, vendor = time.monotonic(), time.process_time(), on.straight.served.cpu()
    high = await paced(on, contestant, amounts.long)
    took = time.monotonic() - began
    found.client.append((time.process_time() - client) / took)
    found.vendor.append((on.straight.served.cpu() - vendor) / took)
    per_chunk = (high - low) / (amounts.streams * (amounts.long - amounts.short))
    found.per_thousand.setdefault(contestant.name, []).append(per_chunk * 1e6)


async def paced(on: Field, contestant: Contestant, chunks: int) -> float:
    """Seconds of CPU for the streams, 20 ms between two chunks."""
    requests = [contestant.first_message(f"count-{chunks}-20ms") for _ in range(on.amounts.streams)]

    async def load() -> Sequence[Reply]:
        return await together(contestant.port, requests, within=_APART)

    return await on.cpu_of(contestant, load, chunks)
