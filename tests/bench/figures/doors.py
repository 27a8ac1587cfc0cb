"""What each door costs beside the bare relay: CPU per relayed chunk, and per request."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.contestants import Bare, Contestant
from tests.bench.doors import doors_of
from tests.bench.figures import Series, chunks
from tests.bench.figures.chunks import Chunks
from tests.bench.figures.field import Field, in_turns, warm
from tests.bench.figures.requests import beginnings, cost


@dataclass(frozen=True, slots=True)
class Doors:
    """By the door's path, and for `bare`, which is given the vendor's own request."""

    chunks: Chunks = field(default_factory=Chunks)
    requests: Series = field(default_factory=dict)  # milliseconds of CPU for one


async def measure(on: Field) -> Doors:
    """Raises WrongAnswer for a door that does not tell all that the vendor told."""
    found, doors = Doors(), doors_of(on.ours)
    for door in doors:
        await warm(door, on.amounts.warmth)
    everyone: Sequence[Contestant] = [*(each for each in on.contestants if isinstance(each, Bare)), *doors]
    for round_ in range(on.amounts.rounds):
        for contestant in in_turns(everyone, round_):
            await chunks.add(found.chunks, on, contestant)
            spent = await cost(on, contestant, beginnings(on, contestant))
            found.requests.setdefault(contestant.name, []).append(spent)
            await on.forget()
    return found
