"""A process with workers, as an operator sees them: by its log and its metrics."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tests.backend import Process
from tests.scrape import Scrape

_STARTED = re.compile(r"Started server process \[(\d+)\]")
Look = Callable[[], bool]


class Workers:
    def __init__(self, process: Process) -> None:
        self.process = process

    @property
    def pids(self) -> dict[int, int]:
        """The newest process of each worker."""
        return dict(self._told)

    def kill(self, number: int) -> None:
        os.kill(self.pids[number], signal.SIGKILL)

    def messages(self, message: str) -> list[dict[str, object]]:
        return [entry for entry in self.process.log if entry["message"] == message]

    async def complete(self, count: int = 2, *, within: float = 30.0) -> Scrape:
        """Wait until so many answer; what they measure then."""
        async with asyncio.timeout(within):
            while True:
                with suppress(AssertionError, OSError):
                    scrape = await Scrape.of(self.process)
                    if scrape.value("ai_worker_up") == count:
                        return scrape
                await asyncio.sleep(0.1)

    async def measured(self, name: str, **labels: str) -> dict[int, float]:
        """What each worker says of itself."""
        scrape = await self.complete(len(self.pids))
        return {number: scrape.value(name, worker=str(number), **labels) for number in sorted(self.pids)}

    @property
    def _told(self) -> list[tuple[int, int]]:
        starts = ((entry, _STARTED.fullmatch(entry["message"])) for entry in self.process.log)
        return [(entry["worker"], int(start[1])) for entry, start in starts if start]


@asynccontextmanager
async def ending(workers: Workers) -> AsyncIterator[Workers]:
    """None is left behind, nor their folder, whatever becomes of the test."""
    try:
        yield workers
    finally:
        with suppress(ProcessLookupError, TimeoutError):
            workers.process.signal(signal.SIGTERM)
            await workers.process.exited(within=30)
        for _, pid in workers._told:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
