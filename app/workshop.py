"""What a process has that reads documents and serves nobody: a loop in a thread of its own, for Celery has none."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from app import migrations
from app.core.config import Settings
from app.core.document_metrics import DocumentMetrics
from app.core.errors import DatabaseUnavailable
from app.core.logging import describe
from app.database import Database
from app.services.document_parts import ingestion
from app.services.runner import Runner
from app.services.scratch import Scratch
from app.stores import parts

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE = 5.0
"""Seconds for which a turn is held back that the database keeps from being used."""
_STALE = timedelta(hours=1)


class Workshop:
    """Its methods are called from other threads; one that waits says so. Raises StartRefused."""

    def __init__(self, settings: Settings, *, at_once: int) -> None:
        self._database = Database(settings)
        self._blobs = parts.blobs(settings)
        self._scratch = Scratch(settings.data_dir / "tmp", self._blobs)
        # Nothing is served here, so nobody can ask for what is counted.
        reading = ingestion(settings, self._database, self._scratch, DocumentMetrics())
        self._runner = Runner(self._database, reading.work, at_once=at_once)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="workshop", daemon=True)
        self._ready = False
        self._away = False

    def open(self) -> None:
        """Begin. Waits for what an earlier process has left to be removed."""
        self._thread.start()
        self._wait(self._tidy())

    def turn(self) -> bool:
        """Read one document to its end, whichever is due, and wait for that. False where another is to do it."""
        return self._wait(self._turn())

    def drain(self) -> None:
        """Let go of what is being read, for another to go on with at once, and begin nothing more. Does not wait, and
        may be called by a signal's handler; `turn` returns soon."""
        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._runner.drain()))

    def close(self) -> None:
        """Waits until all is let go of."""
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _tidy(self) -> None:
        try:
            await self._scratch.tidy(datetime.now(UTC) - _STALE)
        except OSError:
            logger.warning("what crashes have left of files that were being read cannot be removed")

    async def _turn(self) -> bool:
        try:
            await self._expect_schema()
            done = await self._runner.turn()
        except DatabaseUnavailable as error:
            self._note(error)
            await asyncio.sleep(_PAUSE)
            return False
        self._away = False
        return done

    def _note(self, error: DatabaseUnavailable) -> None:
        """Say it once."""
        if not self._away:
            causes = describe(error).get("causes")
            logger.warning("documents wait for the database", extra={"reason": error.detail, "causes": causes})
        self._away = True

    async def _expect_schema(self) -> None:
        """A release may start workers before it has migrated the database."""
        if not self._ready:
            if migrations.shipped().behind(await self._database.revision()):
                raise DatabaseUnavailable("The schema of the database is not the one that this version needs.")
            self._ready = True

    async def _close(self) -> None:
        await self._runner.drain()
        await self._blobs.close()
        await self._database.close()
