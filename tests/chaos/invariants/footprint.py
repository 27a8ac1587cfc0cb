"""9. After the run, tasks, sockets, pool connections and memory are back where they began."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from tests.chaos.evidence import Evidence, Violation
from tests.chaos.history import Footprint
from tests.chaos.windows import Windows

SOCKETS = 32
"""That the pools of the database, of Redis and to the vendor may hold open after much work; one lost a turn is more."""
TASKS = 4
MEMORY = 96 << 20
"""Bytes that an interpreter takes for its caches and arenas under load and never gives back."""


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """Compare the last footprint of each process that lived to the end with its first."""
    ordered = sorted(evidence.footprints, key=lambda each: (each.instance, each.began, each.at))
    for (instance, _), group in groupby(ordered, key=lambda each: (each.instance, each.began)):
        for wrong in _grown(list(group)):
            yield Violation(9, f"instance {instance}: {wrong}")


def _grown(footprints: Sequence[Footprint]) -> Iterator[str]:
    first, last = footprints[0], footprints[-1]
    if last.sockets > first.sockets + SOCKETS:
        yield f"{last.sockets} sockets, after {first.sockets}"
    if first.tasks is not None and last.tasks is not None and last.tasks > first.tasks + TASKS:
        yield f"{last.tasks} tasks, after {first.tasks}"
    if last.pool_connections:
        yield f"{last.pool_connections} connections of the pool are in use"
    if last.rss_bytes > first.rss_bytes + MEMORY:
        yield f"{last.rss_bytes >> 20} MiB, after {first.rss_bytes >> 20}"
