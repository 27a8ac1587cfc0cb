"""Something to find out, by one task at a time, however many wait for it and whoever of them leaves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class Errand:
    """`work` ends by itself and raises nothing that is expected."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    @property
    def under_way(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> asyncio.Task[None]:
        """Begin, unless it is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return self._task

    async def wait(self, until: float) -> None:
        """Begin, unless it is under way, and wait for its end, at most until that time of the event loop."""
        patience = until - asyncio.get_running_loop().time()
        await asyncio.wait({self.start()}, timeout=max(0.0, patience))

    async def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception:
            logger.exception("an errand failed")
