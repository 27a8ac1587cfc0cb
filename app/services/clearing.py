"""The clearing of conversations that were deleted: nobody's at once, and gone in parts."""

import asyncio
import logging

from app.core.errors import DatabaseUnavailable
from app.database import Database

logger = logging.getLogger(__name__)


class Clearing:
    """A conversation of 10,000 messages would keep SQLite's one writer for half a second if it went at once.

    What `stop` breaks off, or a crash, is left to `finish`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def wake(self) -> None:
        """There is something to clear."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._cleared(), name="clear conversations")

    async def finish(self) -> None:
        """Clear what there is, and wait for that."""
        self.wake()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def stop(self) -> None:
        """Break off what is being cleared."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _cleared(self) -> None:
        """The edge of a task that nobody may be waiting for."""
        try:
            while self._again:
                self._again = False
                await self._clear()
        except DatabaseUnavailable:
            logger.warning("deleted conversations wait to be cleared")
        except Exception:
            logger.exception("deleted conversations were not cleared")

    async def _clear(self) -> None:
        """Each part waits for its turn behind those who wait already."""
        while True:
            async with self._database.snapshot() as tx:
                parts = await tx.belongings.deleted()
            if not parts:
                return
            for part in parts:
                async with self._database.transaction(durable=False) as tx:
                    await tx.belongings.drop(part)
