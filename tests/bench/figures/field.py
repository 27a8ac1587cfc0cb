"""The contestants of one vendor, all running at once, and the order of their turns."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from tests.bench.answers import check
from tests.bench.contestants import Bare, Contestant, Converser, Ours, Tutorial, ledger, succeeded
from tests.bench.load import Reply, in_turn, once
from tests.bench.options import Amounts
from tests.bench.processes import Served

_C = TypeVar("_C", bound=Contestant)


@dataclass(frozen=True, slots=True)
class Field:
    straight: Bare  # the vendor itself, without anyone in between
    contestants: Sequence[Converser]
    ours: Ours
    amounts: Amounts

    def turns(self, round_: int) -> Sequence[Converser]:
        return in_turns(self.contestants, round_)

    async def cpu_of(
        self, contestant: Contestant, load: Callable[[], Awaitable[Sequence[Reply]]], chunks: int
    ) -> float:
        """The seconds that its process spends on a load, all of whose answers are looked at afterwards."""
        await asyncio.sleep(self.amounts.settling)
        before = contestant.served.cpu()
        replies = await load()
        # What a target still does after the last byte of an answer belongs to that answer.
        await asyncio.sleep(self.amounts.settling)
        used = contestant.served.cpu() - before
        examine(contestant, replies, chunks)
        return used

    async def forget(self) -> None:
        """The vendor keeps what it saw, with whole histories."""
        await once(self.straight.port, ledger(self.straight.port, "DELETE"))


@asynccontextmanager
async def field(straight: Bare, ours: Ours, amounts: Amounts, *, twin: bool) -> AsyncIterator[Field]:
    """Starts everyone, and warms them up. With `twin`, bare runs against itself too: what differs then is noise."""
    vendor, upstream = straight.vendor, straight.served
    names = ("bare", "twin") if twin else ("bare",)
    relays = [Bare(vendor, Served("tests.bench.targets.bare", ("{port}", upstream.url)), name) for name in names]
    contestants: list[Converser] = [*relays, Tutorial(vendor, upstream), ours]
    async with AsyncExitStack() as stack:
        for contestant in contestants:
            await stack.enter_async_context(contestant.served)
        for contestant in contestants:
            await contestant.served.ready()
        await ours.sign_in()
        for contestant in contestants:
            await warm(contestant, amounts.warmth)
        yield Field(straight, contestants, ours, amounts)


def examine(contestant: Contestant, replies: Sequence[Reply], chunks: int) -> None:
    """Raises WrongAnswer unless every answer is whole."""
    for reply in replies:
        check(contestant.read(succeeded(reply).body), chunks, contestant.name)


def in_turns(contestants: Sequence[_C], round_: int) -> Sequence[_C]:
    """Another one begins each round, so that nobody always follows the same."""
    first = round_ % len(contestants)
    return [*contestants[first:], *contestants[:first]]


async def warm(contestant: Contestant, number: int) -> None:
    """With so many connections, and as many requests of each."""
    queues = [[contestant.first_message("count-20-1ms") for _ in range(number)] for _ in range(number)]
    for replies in await in_turn(contestant.port, queues):
        examine(contestant, replies, 20)
