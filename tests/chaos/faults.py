"""What breaks, and when: a schedule that follows from the seed alone."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

INSTANCES = ("a", "b")


class Breakage(StrEnum):
    """Seconds, where it takes any, are those of `Planned`."""

    KILL = "kill"
    """SIGKILL of an instance, which is started again."""
    TERM = "term"
    """SIGTERM: it drains, ends and is started anew, as a deploy does it."""
    TERM_TWICE = "term-twice"
    """A second one after so many seconds: what still runs is ended at once."""
    TERM_KILL = "term-kill"
    """SIGKILL after so many seconds, before the drain is over."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT after so many seconds."""
    FREEZE_LONG = "freeze-long"
    """The same for longer than its lease holds."""
    REDIS_FREEZE = "redis-freeze"
    REDIS_KILL = "redis-kill"
    """It comes back empty."""
    REDIS_FLUSH = "redis-flush"
    POSTGRESQL_FREEZE = "postgresql-freeze"
    POSTGRESQL_KILL = "postgresql-kill"
    """Every connection breaks, and the start recovers."""
    RESETS = "resets"
    """The front resets some connections, one moment after the other."""


# How many of thirty, and for how many seconds.
_DECK: dict[Breakage, tuple[int, float, float]] = {
    Breakage.KILL: (4, 0, 0),
    Breakage.TERM: (3, 0, 0),
    Breakage.TERM_TWICE: (1, 0.5, 3),
    Breakage.TERM_KILL: (2, 0.3, 3),
    Breakage.FREEZE: (3, 2, 6),
    Breakage.FREEZE_LONG: (1, 18, 30),
    Breakage.REDIS_FREEZE: (4, 1, 8),
    Breakage.REDIS_KILL: (2, 0.2, 4),
    Breakage.REDIS_FLUSH: (2, 0, 0),
    Breakage.POSTGRESQL_FREEZE: (2, 1, 8),
    Breakage.POSTGRESQL_KILL: (2, 0.1, 4),
    Breakage.RESETS: (4, 0, 2),
}
_DRAIN = 8.0
_RESTART = 4.0
"""Seconds, about, until a process that has gone serves again."""
BOTH_DOWN = 4.0
"""Seconds that both instances may be away by plan; by chance it may become more."""
_MARGIN = 1.5
"""Seconds between two faults of one target."""
_TARGET = {
    Breakage.REDIS_FREEZE: "redis",
    Breakage.REDIS_KILL: "redis",
    Breakage.REDIS_FLUSH: "redis",
    Breakage.POSTGRESQL_FREEZE: "postgresql",
    Breakage.POSTGRESQL_KILL: "postgresql",
    Breakage.RESETS: "front",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """`at` is seconds from the start of the run. `target` is an instance, "redis", "postgresql" or "front"."""

    at: float
    breakage: Breakage
    target: str
    seconds: float

    @property
    def until(self) -> float:
        """When the target is itself again, about."""
        match self.breakage:
            case Breakage.KILL:
                return self.at + _RESTART
            case Breakage.TERM:
                return self.at + _DRAIN + _RESTART
            case Breakage.TERM_TWICE | Breakage.TERM_KILL:
                return self.at + self.seconds + _RESTART
            case _:
                return self.at + self.seconds


def schedule(seed: int, seconds: float, number: int) -> Sequence[Planned]:
    """So many faults, in order of time, evenly strewn over a run of `seconds`; all are over when it is."""
    rng = random.Random(f"faults {seed}")  # noqa: S311
    cards = _cards(rng)
    planned: list[Planned] = []
    waiting: list[Breakage] = []  # drawn, and put back for a better moment
    slot = seconds / max(number, 1)
    for index in range(number):
        at = slot * (index + rng.random())
        while len(waiting) < len(_DECK):
            waiting.append(next(cards))
        planned.append(_next(rng, at, seconds, waiting, planned))
    return planned


def _cards(rng: random.Random) -> Iterator[Breakage]:
    """One of each first, so that a short run has them all, then by weight; without end."""
    once = list(_DECK)
    rng.shuffle(once)
    yield from once
    rest = [each for each, (weight, _, _) in _DECK.items() for _ in range(weight - 1)]
    while True:
        rng.shuffle(rest)
        yield from rest
        rest = [each for each, (weight, _, _) in _DECK.items() for _ in range(weight)]


def _next(rng: random.Random, at: float, end: float, waiting: list[Breakage], before: Sequence[Planned]) -> Planned:
    for breakage in waiting:
        _, least, most = _DECK[breakage]
        seconds = round(rng.uniform(least, most), 2)
        targets = [_TARGET[breakage]] if breakage in _TARGET else rng.sample(INSTANCES, len(INSTANCES))
        for target in targets:
            found = Planned(round(at, 2), breakage, target, seconds)
            if found.until <= end and _fits(found, before):
                waiting.remove(breakage)
                return found
    return Planned(round(at, 2), Breakage.RESETS, "front", 0)


def _fits(planned: Planned, before: Sequence[Planned]) -> bool:
    for other in before:
        overlap = min(planned.until, other.until) - max(planned.at, other.at)
        if other.target == planned.target and overlap > -_MARGIN:
            return False
        if {other.target, planned.target} == set(INSTANCES) and overlap > BOTH_DOWN:
            return False
    return True
