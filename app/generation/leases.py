"""This instance's lease on the runs that it owns."""

import asyncio
import logging
from collections.abc import Callable

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.repositories.base import new_id

logger = logging.getLogger(__name__)

GOOD_FOR = 15.0
RENEWED_EACH = 5.0
_SURE_FOR = 14.0
"""Within a term, less what the clocks of two machines may disagree in it."""
_RETRIED_AFTER = 1.0
_LONGEST_TRY = 8.0
"""What a database that is away can make a try take: in one that took longer this process stood still."""


class Lease:
    """One row by the database's clock. While it stands nobody else ends this instance's runs.

    An embedded database belongs to one process, which its file lock proves: there every other lease is void at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_lost: Callable[[str], None] = lambda instance_id: None
        """Told the id whose runs are no longer ours."""
        self.on_sure: Callable[[], None] = lambda: None
        """Told whenever it is known anew whose our runs are."""
        self._known_at = 0.0
        self._steady_since: float | None = None
        self._wanted = False
        self.instance_id = new_id()
        self.held = False

    @property
    def steady(self) -> bool:
        """Whether it could be renewed for a whole term.

        After an outage every lease has run out: only an instance with a steady one judges others.
        """
        return self._steady_since is not None and _now() - self._steady_since >= GOOD_FOR

    @property
    def doubtful(self) -> bool:
        """Whether this process has not looked for so long that others may have taken over: it stood still.

        While the database is away it looks in vain; but so do the others.
        """
        return self.held and _now() - self._known_at > _SURE_FOR

    async def acquire(self) -> None:
        """Register this instance, and stay registered from now on. Raises DatabaseUnavailable."""
        self._wanted = True
        began = _now()
        async with self._database.transaction(durable=False) as tx:
            if self._database.embedded:
                await tx.instances.remove_all()
            await tx.instances.add(self.instance_id, GOOD_FOR)
        self.held = True
        self._steady_since = _now()
        self._know(began)

    async def renew_forever(self) -> None:
        """Hold on to a lease that was acquired; one that was lost is told, and acquired anew."""
        pause = RENEWED_EACH
        while True:
            await asyncio.sleep(pause)
            began, pause = _now(), RENEWED_EACH
            try:
                await self._renew()
            except DatabaseUnavailable:
                if self._steady_since is not None:
                    logger.warning("lease waits for the database")
                self._steady_since = None
                pause = _RETRIED_AFTER
                if _now() - began < _LONGEST_TRY:
                    self._know(_now())

    async def release(self) -> None:
        """Give the lease up, at the end of the process."""
        if not self._wanted:
            return
        self.held = self._wanted = False
        async with self._database.transaction(durable=False) as tx:
            await tx.instances.remove(self.instance_id)

    async def _renew(self) -> None:
        if not self._wanted:
            return
        if not self.held:
            await self.acquire()
            return
        began = _now()
        async with self._database.transaction(durable=False) as tx:
            renewed = await tx.instances.renew(self.instance_id, GOOD_FOR)
        if renewed:
            self._steady_since = self._steady_since or _now()
            self._know(began)
            return
        lost, self.instance_id, self.held = self.instance_id, new_id(), False
        logger.error("lease lost: another instance took over", extra={"instance_id": lost})
        self.on_lost(lost)
        await self.acquire()

    def _know(self, since: float) -> None:
        self._known_at = since
        self.on_sure()


def _now() -> float:
    return asyncio.get_running_loop().time()
