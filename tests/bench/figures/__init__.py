"""What is measured, a figure a module; each takes the contestants and answers numbers, and judges none."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

Series = dict[str, list[float]]
"""The values of each contestant, by round."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over the rounds, with the least and the most."""

    middle: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def ratio(series: Series, one: str, other: str) -> Spread:
    """Of the same round, so that what slows the machine for a while slows both."""
    return spread([mine / theirs for mine, theirs in zip(series[one], series[other], strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
