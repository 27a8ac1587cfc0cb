"""How much later the first text comes through a target than straight from the vendor, for a single stream."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.bench.contestants import Contestant
from tests.bench.figures import Series, percentile
from tests.bench.figures.field import Field, examine
from tests.bench.load import Connection

_CHUNKS = 5


@dataclass(frozen=True, slots=True)
class First:
    """Milliseconds over the median of the vendor itself."""

    p50: Series = field(default_factory=dict)
    p99: Series = field(default_factory=dict)


async def measure(on: Field) -> First:
    found = First()
    for round_ in range(on.amounts.rounds):
        times = await _times([on.straight, *on.turns(round_)], on.amounts.firsts)
        straight = percentile(times.pop(on.straight.name), 0.5)
        for name, values in times.items():
            found.p50.setdefault(name, []).append(percentile(values, 0.5) - straight)
            found.p99.setdefault(name, []).append(percentile(values, 0.99) - straight)
        await on.forget()
    return found


async def _times(everyone: Sequence[Contestant], requests: int) -> Series:
    """One request of each in turn, over connections that stay open."""
    times: Series = {contestant.name: [] for contestant in everyone}
    with ExitStack() as stack:
        connections = [stack.enter_context(await Connection.open(contestant.port)) for contestant in everyone]
        for _ in range(requests):
            for contestant, connection in zip(everyone, connections, strict=True):
                reply = await connection.ask(contestant.first_message(f"count-{_CHUNKS}-1ms"))
                examine(contestant, [reply], _CHUNKS)
                times[contestant.name].append(reply.until_first * 1000)
    return times
