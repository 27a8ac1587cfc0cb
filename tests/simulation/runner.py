"""Lives one world and judges it."""

import logging
from dataclasses import dataclass
from functools import cache

from tests.simulation.chance import Chance, determined
from tests.simulation.invariants import judge
from tests.simulation.scenario import Scenario, drawn
from tests.simulation.store import Schema
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Verdict:
    seed: str
    violations: list[str]
    trace: list[str]
    digest: str
    """Of everything that ran, in order: equal for equal histories."""
    steps: int
    answer_steps: int
    """Of the instance that was asked first, until that was answered."""


class _Listener(logging.Handler):
    """What the app logs as an error that nobody expected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.heard.append(f"logged: {record.getMessage()}: {record.exc_info[1]!r}")


@cache
def _schema() -> Schema:
    return Schema()


def simulate(seed: str, scenario: Scenario | None = None, *, whole_trace: bool = False) -> Verdict:
    """One world, from its seed; its scenario is the seed's, too, unless another is given."""
    listener = _Listener()
    loggers = [logging.getLogger(name) for name in ("app", "tests.simulation")]
    schema = _schema()
    for logger in loggers:
        logger.addHandler(listener)
        logger.propagate = False
    try:
        with determined(seed):
            world = World(seed, scenario or drawn(Chance(seed).of("scenario")), schema, whole_trace=whole_trace)
            violations = []
            try:
                world.loop.run(world.live())
            except Exception as error:  # the edge of a world
                violations.append(f"the world broke down: {error!r}")
            violations += [*judge(world), *listener.heard, *world.loop.errors]
            world.loop.bury()
    finally:
        for logger in loggers:
            logger.removeHandler(listener)
            logger.propagate = True
    return Verdict(
        seed=seed,
        violations=violations,
        trace=world.trace.lines,
        digest=f"{world.trace.digest}-{world.loop.fingerprint & 0xFFFFFFFF:08x}",
        steps=world.loop.steps,
        answer_steps=world.answer_steps,
    )
