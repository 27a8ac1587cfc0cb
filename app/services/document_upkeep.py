"""The standing work on documents in one process: they are read, and what is left of deleted ones is cleared."""

import logging
from datetime import UTC, datetime, timedelta

from app.domain.ports import JobRunner
from app.services.document_clearing import DocumentClearing
from app.services.scratch import Scratch

logger = logging.getLogger(__name__)

_STALE = timedelta(hours=1)
"""Nobody copies a file for so long without a byte."""


class DocumentUpkeep:
    def __init__(self, runner: JobRunner, clearing: DocumentClearing, scratch: Scratch) -> None:
        self._runner = runner
        self._clearing = clearing
        self._scratch = scratch

    async def run_forever(self, *, alone: bool) -> None:
        """Have documents read. `alone` is whether all of them are this process's."""
        if alone:
            await self.tidy(datetime.now(UTC))
            await self._runner.begin()
        await self._runner.run_forever()

    async def clear(self) -> None:
        await self._clearing.finish()

    async def tidy(self, before: datetime | None = None) -> None:
        """Remove what is left of files that were being read when a process died; by itself what is old."""
        try:
            await self._scratch.tidy(before or datetime.now(UTC) - _STALE)
        except OSError:
            logger.warning("what crashes have left of files that were being read cannot be removed")

    async def stop(self) -> None:
        await self._clearing.stop()
