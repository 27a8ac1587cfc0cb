"""What a process has taken of the processor, and its children, those that have ended too, as Linux tells it."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import Served

_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds."""

    own: float = 0.0
    children: float = 0.0

    @classmethod
    def by(cls, served: Served) -> "Taken":
        own, *living = served.pids()
        taken, ended = _of(own)
        for child in living:
            with suppress(OSError):  # it has ended since
                ended += sum(_of(child))
        return cls(taken, ended)

    def since(self, before: "Taken") -> "Taken":
        return Taken(self.own - before.own, self.children - before.children)


def _of(pid: int) -> tuple[float, float]:
    """What it has taken, and what those of its children that have ended took."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, *ended = (int(each) * _TICK for each in after_name[11:15])
    return user + system, sum(ended)
