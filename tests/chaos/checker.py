"""Judges a run: every invariant over all of its evidence."""

from collections.abc import Callable, Iterator, Sequence

from tests.chaos.evidence import Evidence, Violation
from tests.chaos.invariants import (
    complete,
    explained,
    footprint,
    ownership,
    prefix,
    sequence,
    stored_once,
    terminal,
    turns,
    usage,
)
from tests.chaos.windows import Windows

INVARIANTS: Sequence[Callable[[Evidence, Windows], Iterator[Violation]]] = (
    explained.check,
    stored_once.check,
    prefix.check,
    complete.check,
    terminal.check,
    sequence.check,
    turns.check,
    ownership.check,
    usage.check,
    footprint.check,
)


def check(evidence: Evidence) -> Sequence[Violation]:
    """All that does not hold, by the number of the invariant."""
    windows = Windows(evidence)
    return [violation for judge in INVARIANTS for violation in judge(evidence, windows)]
