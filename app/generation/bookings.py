"""What is to be written to the ledger when a call has ended: soon, and also where the database is away just then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from app.core.errors import DatabaseUnavailable
from app.database import Database, Transaction

logger = logging.getLogger(__name__)

_BOOKED_WITHIN = 2.0
"""Seconds that the end of an answer waits for its row in the ledger; a slower database gets it later."""
_PATIENCE = 60.0
"""Seconds for which a database that is away is tried again before the row is given up."""
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)

Write = Callable[[Transaction], Awaitable[None]]
"""Must come to the same when it is done twice: a commit whose answer was lost is repeated."""


class Bookings:
    """Those of this process that are under way."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._under_way: set[asyncio.Task[None]] = set()

    async def see_to(self, work: Coroutine[None, None, None]) -> None:
        """Have it done, whether the caller is cancelled or not; waits for it for a moment only."""
        task = asyncio.create_task(_logged(work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task}, timeout=_BOOKED_WITHIN)

    async def write(self, write: Write, *, reference: str, durable: bool = True) -> None:
        """In a transaction, as soon as there can be one; `reference` is what a log calls it by."""
        loop = asyncio.get_running_loop()
        until, tries = loop.time() + _PATIENCE, 0
        while True:
            try:
                async with self._database.transaction(durable=durable) as tx:
                    await write(tx)
            except DatabaseUnavailable:
                if loop.time() >= until:
                    logger.exception("what an answer used could not be booked", extra={"generation_id": reference})
                    return
                await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1
            else:
                return

    async def settle(self, seconds: float) -> None:
        """Wait at most so long for what is not done yet, as at the end of the process; log how much is not by then."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        if self._under_way:
            logger.error("what answers used is not booked", extra={"answers": len(self._under_way)})


async def _logged(work: Coroutine[None, None, None]) -> None:
    """The edge of a task that nobody may be waiting for."""
    try:
        await work
    except Exception:
        logger.exception("what an answer used could not be booked")
