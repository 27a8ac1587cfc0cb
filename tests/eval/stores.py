"""The stores that passages are looked for in, and what they take of the processor."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import sysconf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from app.domain.vectors import VectorStore
from app.stores.vectors.embedded import EmbeddedVectors
from tests.eval.memory import MemoryVectors

_PATIENCE = 60.0
"""Seconds for a call: others may use the machine, and no figure here is one of time by the clock."""


@dataclass(frozen=True, slots=True)
class Opened:
    store: VectorStore
    clock: Callable[[], float]
    """Seconds of processor that this process and the store's own have taken so far."""


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[Opened]:
    if name == "memory":
        yield Opened(MemoryVectors(), process_time)
        return
    with TemporaryDirectory() as folder:
        store = EmbeddedVectors(Path(folder), patience=_PATIENCE)
        try:
            yield Opened(store, lambda: process_time() + _taken_by(store.pid))
        finally:
            await store.close()


def _taken_by(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")
