"""The schedule follows from the seed, has some of everything, and leaves somebody to answer."""

from collections import Counter
from itertools import pairwise

import pytest

from tests.chaos.faults import INSTANCES, Breakage, Planned, schedule

SEEDS = pytest.mark.parametrize("seed", range(20))


def test_the_same_seed_breaks_the_same_and_another_other_things() -> None:
    assert schedule(7, 180, 30) == schedule(7, 180, 30)
    assert schedule(7, 180, 30) != schedule(8, 180, 30)


@SEEDS
def test_three_minutes_have_thirty_faults_and_some_of_each(seed: int) -> None:
    planned = schedule(seed, 180, 30)

    assert len(planned) == 30
    assert {each.breakage for each in planned} == set(Breakage)
    assert [each.at for each in planned] == sorted(each.at for each in planned)
    assert all(each.at >= 0 and each.until <= 180 for each in planned)
    hit = Counter(each.target for each in planned)
    assert min(hit[name] for name in INSTANCES) >= 2


@SEEDS
def test_nothing_is_broken_twice_at_once_and_one_instance_is_left(seed: int) -> None:
    planned = schedule(seed, 600, 120)

    for target in {each.target for each in planned} - {"front"}:
        of_it = [each for each in planned if each.target == target]
        assert all(before.until < after.at for before, after in pairwise(of_it))
    down: list[list[Planned]] = [[each for each in planned if each.target == name] for name in INSTANCES]
    assert all(min(a.until, b.until) - max(a.at, b.at) <= 4 for a in down[0] for b in down[1])


def test_no_faults_are_no_faults() -> None:
    assert schedule(1, 60, 0) == []
