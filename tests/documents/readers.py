"""The processes that this service has begun, as the system knows them: those that read documents, and others."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path


def children(of: int, module: str) -> Sequence[int]:
    """The ids of those that run what has such a name."""
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal() and _is_one(each, of, module)]


def readers() -> Sequence[int]:
    """Of this process."""
    return children(os.getpid(), "app.parsing.child")


async def nobody_reads(*, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while readers():
            await asyncio.sleep(0.03)


def _is_one(entry: Path, parent: int, module: str) -> bool:
    try:
        # Behind the name, which may hold anything: the state, and who began it.
        begun_by = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        return begun_by == str(parent) and module.encode() in (entry / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended
