"""What the worker holds at the most, and each kind of child that it has, as Linux tells it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import Served

_LOOK_EACH = 0.25
_READER, _INDEX = b"app.parsing.child", b"app.stores.vectors.child"


@dataclass(slots=True)
class Memory:
    """Resident bytes: of the process itself before, at the most and after; of a child that reads and of the index's at
    the most."""

    before: int = 0
    highest: int = 0
    after: int = 0
    reader: int = 0
    index: int = 0

    @property
    def growth(self) -> int:
        return self.highest - self.before


@asynccontextmanager
async def watched(served: Served) -> AsyncIterator[Memory]:
    """From now on to the end of it; `after` is known then."""
    found = Memory(before=_bytes(served.pid, "VmRSS"))
    _forget_peak(served.pid)
    watching = asyncio.create_task(_watch(served, found))
    try:
        yield found
    finally:
        watching.cancel()
        found.highest = _bytes(served.pid, "VmHWM")
        found.after = _bytes(served.pid, "VmRSS")


async def _watch(served: Served, found: Memory) -> None:
    while True:
        for child in served.pids():
            with suppress(OSError, ValueError):  # it has ended since
                _look(child, found)
        await asyncio.sleep(_LOOK_EACH)


def _look(child: int, found: Memory) -> None:
    command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    if _READER in command:
        found.reader = max(found.reader, _bytes(child, "VmHWM"))
    elif _INDEX in command:
        found.index = max(found.index, _bytes(child, "VmHWM"))


def _forget_peak(pid: int) -> None:
    """`VmHWM` is the most from now on; of a kernel that does not know this, from the start."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _bytes(pid: int, name: str) -> int:
    """Raises OSError, or ValueError for one that has just ended: it holds nothing any more."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(name)
