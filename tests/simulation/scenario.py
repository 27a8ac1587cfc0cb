"""What a seed decides: who asks what, how the vendor answers, and what breaks when."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.simulation.vendor import Script


@dataclass(frozen=True, slots=True)
class Question:
    """One turn: `at` seconds after the start; `follows` the turn before it in a conversation."""

    text: str
    at: float
    scripts: Sequence[Script]
    follows: bool = False
    leaves_after: float = 1000.0
    restless: float = 0.0
    tabs: int = 0
    stopped_after: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` is crash, freeze, drain or cut (of a machine; from the database); or database_down or database_frozen; or
    redis_down, redis_lost (and comes back empty), redis_frozen or redis_flushed."""

    kind: str
    at: float
    machine: int = 0
    seconds: float = 0.0
    """How long it lasts; of a crash or drain, until the machine is started again."""
    steps: int = 0
    """Of a crash: how many steps later."""


@dataclass(frozen=True, slots=True)
class Scenario:
    machines: int
    questions: Sequence[Question]
    faults: Sequence[Fault] = ()
    redis: bool = False
    lost_commits: float = 0.0
    lost_replies: float = 0.0
    slow: bool = False
    crash_at_post: int | None = None
    """Crash the machine that is first posted to, so many steps after that."""
    crash_at_end: int | None = None
    """Crash the machine whose call of the vendor ends first, so many steps after that."""


def drawn(chance: Random) -> Scenario:
    """A scenario as the dice fall."""
    machines = chance.choice((2, 2, 3))
    redis = chance.random() < 0.7
    questions = [_question(number, chance) for number in range(chance.randint(1, 4))]
    return Scenario(
        machines,
        questions,
        sorted(
            (_fault(machines, redis, chance) for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3)))),
            key=lambda each: each.at,
        ),
        redis=redis,
        lost_replies=chance.choice((0.0, 0.0, 0.02, 0.05)),
        lost_commits=chance.choice((0.0, 0.0, 0.0, 0.02, 0.1)),
        slow=chance.random() < 0.1,
        crash_at_post=chance.randint(1, 90) if chance.random() < 0.15 else None,
        crash_at_end=chance.randint(1, 60) if chance.random() < 0.15 else None,
    )


def one_answer(
    *,
    redis: bool,
    machines: int = 2,
    stopped_after: float | None = None,
    faults: Sequence[Fault] = (),
    crash_at_post: int | None = None,
) -> Scenario:
    """A short answer with two readers; nothing breaks unless it is asked to."""
    batches = [(0.15, ["one "]), (0.15, ["two ", "three "]), (0.9, ["four"])]
    question = Question("q0", 1.0, [Script(batches, "usage")], tabs=1, stopped_after=stopped_after)
    return Scenario(machines, [question], faults, redis=redis, crash_at_post=crash_at_post)


def long_answer(*, redis: bool, faults: Sequence[Fault]) -> Scenario:
    """Of half a minute, which is read at many places while something breaks."""
    batches = [(0.15, [f"piece {number} "]) for number in range(180)]
    question = Question("q0", 1.0, [Script(batches, "usage")], tabs=3, restless=0.3)
    return Scenario(2, [question], faults, redis=redis)


def _question(number: int, chance: Random) -> Question:
    scripts = [_script(number, call, chance) for call in range(2)]
    return Question(
        f"q{number}",
        chance.uniform(0.5, 6.0),
        scripts,
        follows=number > 0 and chance.random() < 0.25,
        leaves_after=chance.uniform(0.0, 4.0) if chance.random() < 0.5 else 1000.0,
        restless=chance.choice((0.0, 0.5, 0.9)),
        tabs=chance.choice((0, 1, 1, 2)),
        stopped_after=chance.uniform(0.0, 4.0) if chance.random() < 0.25 else None,
    )


def _script(number: int, call: int, chance: Random) -> Script:
    count = chance.choice((0, 1, 4, 12, 25))
    pace = chance.choice((0.02, 0.1, 0.3, 1.5))
    batches = []
    for piece in range(count):
        pause = chance.expovariate(1 / pace) if chance.random() < 0.95 else chance.uniform(1.0, 5.0)
        pieces = [f"{number}.{call}.{piece}.{each} " for each in range(chance.choice((1, 1, 2, 5)))]
        batches.append((min(pause, 3.9 if pace > 1 else 5.0), pieces))
    end = chance.choice(("usage",) * 6 + ("finish", "late", "cut", "error", "refusal", "stall"))
    return Script(batches, end, pause=chance.uniform(0.0, 0.3), reasoning=chance.random() < 0.2)


def _fault(machines: int, redis: bool, chance: Random) -> Fault:
    kinds = ("crash",) * 4 + ("freeze",) * 3 + ("drain", "drain", "cut", "database_down", "database_frozen")
    away = ("redis_down", "redis_lost", "redis_frozen", "redis_frozen", "redis_flushed") if redis else ()
    kind = chance.choice(kinds + away)
    at = chance.uniform(0.5, 12.0)
    seconds = {
        "crash": chance.uniform(0.5, 8.0),
        "freeze": chance.choice((chance.uniform(0.3, 5.0), chance.uniform(14.0, 24.0), chance.uniform(16.0, 40.0))),
        "cut": chance.uniform(1.0, 30.0),
        "drain": chance.uniform(0.0, 6.0),
    }.get(kind, chance.choice((chance.uniform(0.3, 3.0), chance.uniform(3.0, 25.0))))
    return Fault(kind, at, chance.randrange(machines), seconds, steps=chance.randint(1, 40))
