"""Ends what nobody writes any more: the runs of dead instances, and rows of ours that no run stands behind."""

import asyncio
import logging
from collections.abc import Callable

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.chat import Generation
from app.generation.endings import Endings
from app.generation.leases import Lease

logger = logging.getLogger(__name__)

SWEPT_EACH = 2.0
STRAY_AFTER = 10.0
"""Seconds after which a row without a run is a stray: longer than any post takes from its commit to its run."""

_AT_ONCE = 4
"""Runs that are ended at once: what a dead instance left can be much, and is to be ended soon."""


class Sweeper:
    """`lives` says whether a run lives in this process."""

    def __init__(
        self,
        database: Database,
        endings: Endings,
        lease: Lease,
        lives: Callable[[str], bool],
        *,
        stray_after: float = STRAY_AFTER,
    ) -> None:
        self._database = database
        self._endings = endings
        self._lease = lease
        self._lives = lives
        self._stray_after = stray_after
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._suspects: dict[str, float] = {}

    async def run_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEPT_EACH)
            try:
                if self._lease.steady and not self._database.embedded:
                    async with self._database.transaction() as tx:
                        await tx.instances.take_expired(but=self._lease.instance_id)
                    await self.end_orphans()
                await self.end_strays()
            except DatabaseUnavailable:
                logger.debug("the sweep waits for the database")

    async def end_orphans(self) -> None:
        """End the runs whose owner has no lease."""
        progress = True
        while progress:
            async with self._database.snapshot() as tx:
                orphans = await tx.generations.orphans()
            ended = await asyncio.gather(*map(self._end_in_turn, orphans), return_exceptions=True)
            for error in ended:
                if isinstance(error, BaseException):
                    raise error
            progress = any(ended)

    async def end_strays(self) -> None:
        """End rows of ours without a run: the commit of their post, or of their end, was never heard of."""
        async with self._database.snapshot() as tx:
            owned = await tx.generations.streaming_of(self._lease.instance_id)
        now = asyncio.get_running_loop().time()
        found = [generation for generation in owned if not self._lives(generation.id)]
        self._suspects = {each.id: self._suspects.get(each.id, now) for each in found}
        for generation in found:
            if now - self._suspects[generation.id] >= self._stray_after:
                await self._end(generation)

    async def _end_in_turn(self, generation: Generation) -> bool:
        async with self._turns:
            return await self._end(generation)

    async def _end(self, generation: Generation) -> bool:
        logger.warning("ending what nobody writes any more", extra={"generation_id": generation.id})
        try:
            await self._endings.end_lost(generation)
        except DatabaseUnavailable:
            raise
        except Exception:
            # One row that cannot be read, perhaps of a newer version, must not keep the others from their end.
            logger.exception("a generation could not be ended", extra={"generation_id": generation.id})
            return False
        return True
