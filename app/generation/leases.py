"""This instance's lease on the runs that it owns, and the sweep of what dead instances left."""

import asyncio
import logging
from collections.abc import Callable

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.generation.endings import Endings
from app.repositories.base import new_id

logger = logging.getLogger(__name__)

GOOD_FOR = 15.0
RENEWED_EACH = 5.0
SWEPT_EACH = 2.0


class Lease:
    """One row by the database's clock. While it stands nobody else ends this instance's runs.

    An embedded database belongs to one process, which its file lock proves: there every other lease is void at once.
    """

    def __init__(self, database: Database, endings: Endings) -> None:
        self._database = database
        self._endings = endings
        self.on_lost: Callable[[str], None] = lambda instance_id: None
        """Told the id whose runs are no longer ours."""
        self._steady_since: float | None = None
        self.instance_id = new_id()
        self.held = False
        self._wanted = False

    async def acquire(self) -> None:
        """Register this instance, and stay registered from now on. Raises DatabaseUnavailable."""
        self._wanted = True
        async with self._database.transaction() as tx:
            if self._database.embedded:
                await tx.instances.remove_all()
            await tx.instances.add(self.instance_id, GOOD_FOR)
        self.held = True
        self._steady_since = asyncio.get_running_loop().time()
        if self._database.embedded:
            await self._sweep()

    async def renew_forever(self) -> None:
        """Hold on to a lease that was acquired; one that was lost is told, and acquired anew."""
        while True:
            await asyncio.sleep(RENEWED_EACH)
            try:
                await self._renew()
            except DatabaseUnavailable:
                self._steady_since = None
                logger.warning("lease waits for the database")

    async def sweep_forever(self) -> None:
        """Look for leases that have run out.

        After an outage every lease has: only an instance that could renew its own for a whole term judges others.
        """
        if self._database.embedded:
            return
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEPT_EACH)
            if self._steady_since is None or loop.time() - self._steady_since < GOOD_FOR:
                continue
            try:
                async with self._database.transaction() as tx:
                    await tx.instances.take_expired(but=self.instance_id)
                await self._sweep()
            except DatabaseUnavailable:
                self._steady_since = None

    async def release(self) -> None:
        """Give the lease up, at the end of the process."""
        self.held = self._wanted = False
        async with self._database.transaction() as tx:
            await tx.instances.remove(self.instance_id)

    async def _renew(self) -> None:
        if not self._wanted:
            return
        if not self.held:
            await self.acquire()
            return
        async with self._database.transaction() as tx:
            renewed = await tx.instances.renew(self.instance_id, GOOD_FOR)
        if renewed:
            self._steady_since = self._steady_since or asyncio.get_running_loop().time()
            return
        lost, self.instance_id, self.held = self.instance_id, new_id(), False
        logger.error("lease lost: another instance took over", extra={"instance_id": lost})
        self.on_lost(lost)
        await self.acquire()

    async def _sweep(self) -> None:
        while True:
            async with self._database.snapshot() as tx:
                orphans = await tx.generations.orphans()
            if not orphans:
                return
            for generation in orphans:
                logger.warning("ending what a lost instance left", extra={"generation_id": generation.id})
                await self._endings.end_lost(generation)
