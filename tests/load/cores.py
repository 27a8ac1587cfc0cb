"""Who runs where: the worker on cores of its own, and all that loads or serves it on another."""

import os
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    worker: Collection[int]
    others: Collection[int]

    @property
    def apart(self) -> bool:
        return not set(self.worker) & set(self.others)


def share() -> Cores:
    """The last core for this process and all that it starts, the rest for the worker; of one core both have it."""
    cores = sorted(os.sched_getaffinity(0))
    found = Cores(cores[:-1], cores[-1:]) if len(cores) > 1 else Cores(cores, cores)
    os.sched_setaffinity(0, found.others)
    return found


def settle(pid: int, cores: Cores) -> None:
    """Before it has threads, which inherit this."""
    os.sched_setaffinity(pid, cores.worker)
