"""Conversations that nobody has used for so long are deleted."""

import logging
from datetime import UTC, datetime, timedelta

from app.database import Database
from app.services.clearing import Clearing

logger = logging.getLogger(__name__)

_AT_ONCE = 200


class Expiry:
    """`days` is how long they are kept; 0 is for ever."""

    def __init__(self, database: Database, clearing: Clearing, days: int) -> None:
        self._database = database
        self._clearing = clearing
        self._days = days

    async def sweep(self) -> None:
        """Delete those whose time is over, those first that have waited longest. Raises DatabaseUnavailable.

        One that is used at this moment stays: whether it was is asked again when it is deleted.
        """
        if not self._days:
            return
        before = datetime.now(UTC) - timedelta(days=self._days)
        while deleted := await self._hide(before):
            logger.info("unused conversations were deleted", extra={"conversations": deleted})
            await self._clearing.finish()

    async def _hide(self, before: datetime) -> int:
        async with self._database.snapshot() as tx:
            idle = await tx.conversations.idle(before, limit=_AT_ONCE)
        if not idle:
            return 0
        async with self._database.transaction() as tx:
            return await tx.conversations.hide_idle(idle, before)
