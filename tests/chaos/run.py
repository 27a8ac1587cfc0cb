"""One run from beginning to end: start everything, let people live and things break, wait for quiet, judge."""

import asyncio
import gc
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.chaos.breaking import Breaker
from tests.chaos.checker import check
from tests.chaos.clients import Crowd
from tests.chaos.evidence import Evidence, Violation
from tests.chaos.faults import schedule
from tests.chaos.gathering import gather
from tests.chaos.history import WORLD, Fault, FaultKind, History
from tests.chaos.logs import complaints
from tests.chaos.resting import at_rest, before_and_after
from tests.chaos.world import World

SAY_EACH = 10.0
_WARM_UP = 5.0
_QUIET_WITHIN = 40.0
"""Seconds from the last fault until no answer is being written: a lease, a sweep, and what a stalled upstream takes."""
_STALL = 1.0
_LIVE = "SELECT id FROM generations WHERE status = 'streaming'"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """`faults` is how many, over `seconds`; each of the users has so many clients."""

    seed: int
    seconds: float
    faults: int
    users: int
    clients: int
    think: float = 1.0


@dataclass(slots=True)
class Outcome:
    evidence: Evidence
    violations: list[Violation] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What logs hold and no log may."""

    @property
    def turns(self) -> int:
        return sum(post.acknowledged for post in self.evidence.history.posts)


async def chaos(options: Options, folder: Path, say: Say) -> Outcome:
    """Run it all; `folder` keeps the instances' logs. Raises TimeoutError where it does not come to rest."""
    history = History(options.seed, time.monotonic(), time.time())
    async with World(folder, history) as world:
        crowd = Crowd(
            world.front.url,
            history,
            seed=options.seed,
            users=options.users,
            clients=options.clients,
            think=options.think,
        )
        await crowd.sign_up()
        warm = time.monotonic() + _WARM_UP
        await crowd.run(lambda: time.monotonic() >= warm)
        before = await at_rest(world, _QUIET_WITHIN)
        say(f"everything is up, {options.users * options.clients} clients are signed in")
        await _live_and_break(options, world, crowd, say)
        history.quiet = time.monotonic()
        await world.whole()
        await _no_live_generations(world)
        after = await at_rest(world, _QUIET_WITHIN)
        say("quiet; reading everything back")
        evidence = await gather(history, crowd.accounts, world.database_url, before_and_after(before, after))
    logs = [log for instance in world.instances.values() for log in instance.logs]
    outcome = Outcome(evidence, list(check(evidence)), complaints(logs))
    outcome.complaints += world.vendor.strange
    return outcome


async def _live_and_break(options: Options, world: World, crowd: Crowd, say: Say) -> None:
    breaker = Breaker(world, random.Random(f"breaking {options.seed}"))  # noqa: S311
    planned = schedule(options.seed, options.seconds, options.faults)
    end = time.monotonic() + options.seconds
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(_tell(world, breaker, say)), group.create_task(_watch(world.history))]
        breaking = group.create_task(breaker.run(planned))
        await crowd.run(lambda: time.monotonic() >= end and breaking.done())
        for task in beside:
            task.cancel()


async def _tell(world: World, breaker: Breaker, say: Say) -> None:
    history, began = world.history, time.monotonic()
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(SAY_EACH)
            turns = sum(post.acknowledged for post in history.posts)
            gc.collect(1)
            gc.freeze()  # a history of some hundred thousand events is not to be looked through again and again
            say(
                f"{time.monotonic() - began:6.0f} s  {turns} turns, {world.front.open} connections open, "
                f"{breaker.done} faults over, {len(history.oddities)} oddities"
            )


async def _watch(history: History) -> None:
    """Note when this process stood still: then it is the vendor that was late, or a client."""
    with suppress(asyncio.CancelledError):
        while True:
            began = time.monotonic()
            await asyncio.sleep(_STALL / 2)
            if (now := time.monotonic()) - began > _STALL:
                history.faults.append(Fault(FaultKind.STALL, WORLD, began + _STALL / 2, now))


async def _no_live_generations(world: World) -> None:
    connection = await asyncpg.connect(world.database_url)
    try:
        async with asyncio.timeout(_QUIET_WITHIN):
            while live := await connection.fetch(_LIVE):
                await asyncio.sleep(0.5)
    except TimeoutError:
        left = ", ".join(str(row["id"]) for row in live[:5])
        raise TimeoutError(f"{len(live)} answers are not ended {_QUIET_WITHIN} s after all is quiet: {left}") from None
    finally:
        await connection.close()
