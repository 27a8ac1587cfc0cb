"""The state machine of a generation, in worlds that a seed decides: see `tests.simulation`."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.runner import simulate
from tests.simulation.scenario import Fault, Scenario, long_answer, one_answer

_ROOT = Path(__file__).parents[2]
_SWEEPS = (14.0, 19.5)
"""When a lease runs out that was held at the beginning, and others come for what its holder left."""

redis = pytest.mark.parametrize("redis", [False, True], ids=["database-alone", "with-redis"])


def test_in_two_hundred_worlds_all_is_as_it_must_be() -> None:
    lived = _run("--seeds", "200")

    assert lived.returncode == 0, lived.stdout + lived.stderr


def test_a_seed_is_the_same_world_alone_and_among_others() -> None:
    once, again, among_others = (
        _run("11"),
        _run("11"),
        _run("--begin", "5", "--seeds", "10", "--jobs", "1", "--digests"),
    )

    assert once.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]
    digest = once.stdout.split()[-1].rstrip(")")
    assert f"11 {digest}\n" in among_others.stdout


@redis
def test_an_instance_may_crash_at_every_step_of_an_answer(redis: bool) -> None:
    answer = one_answer(redis=redis)

    _crash_at_each(simulate("none", answer).answer_steps, lambda step: replace(answer, crash_at_post=step))


@redis
def test_an_instance_may_crash_at_every_step_of_an_answer_that_is_stopped_elsewhere(redis: bool) -> None:
    answer = one_answer(redis=redis, stopped_after=0.4)

    _crash_at_each(simulate("none", answer).answer_steps, lambda step: replace(answer, crash_at_post=step))


@redis
def test_an_instance_may_crash_at_every_step_of_a_drain(redis: bool) -> None:
    answer = one_answer(redis=redis, faults=[Fault("drain", 1.4, machine, 0.2) for machine in (0, 1)])

    _crash_at_each(simulate("none", answer).answer_steps, lambda step: replace(answer, crash_at_post=step))


@redis
def test_who_takes_over_may_crash_at_every_step_of_that(redis: bool) -> None:
    answer = one_answer(redis=redis, machines=3, crash_at_post=30)
    at, until = _SWEEPS

    def crash(step: int) -> Scenario:
        faults = [Fault("crash", at + (until - at) * step / 60, machine, 30.0, steps=step % 7) for machine in (0, 1)]
        return replace(answer, faults=faults)

    _crash_at_each(60, crash)


_ON_EACH = {
    "stands still": [Fault("freeze", 4.0, 0, 28.0)],
    "loses its database": [Fault("cut", 4.0, 0, 35.0)],
    "and the other lose their database": [Fault("database_down", 8.0, seconds=21.0)],
    "and the other wait for their database": [Fault("database_frozen", 8.0, seconds=21.0)],
    "crashes after redis was emptied": [Fault("redis_flushed", 5.0), Fault("crash", 14.0, 0), Fault("crash", 16.0, 1)],
    "crashes after redis was away": [Fault("redis_lost", 5.0, seconds=4.0), Fault("crash", 20.0, 0)],
}


@redis
@pytest.mark.parametrize("faults", _ON_EACH.values(), ids=_ON_EACH)
def test_in_the_middle_of_an_answer_an_instance(faults: list[Fault], redis: bool) -> None:
    seeds = [f"{number} of these" for number in range(8)]
    verdicts = [simulate(seed, long_answer(redis=redis, faults=faults)) for seed in seeds]
    assert {verdict.seed: verdict.violations for verdict in verdicts if verdict.violations} == {}


def _crash_at_each(steps: int, scenario: Callable[[int], Scenario]) -> None:
    assert steps > 20
    verdicts = [simulate(f"step {step}", scenario(step)) for step in range(1, steps + 1)]
    assert {verdict.seed: verdict.violations for verdict in verdicts if verdict.violations} == {}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=_ROOT, text=True, capture_output=True, check=False)
