"""Bytes that belong to no file: what crashes have left is found and dropped."""

import logging
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from app.core.errors import DatabaseUnavailable, StorageFull, StorageUnavailable
from app.database import Database
from app.stores.blobs.keeping import Blobs, Kept

logger = logging.getLogger(__name__)

_IDLE = timedelta(hours=1)
"""An upload that has not gone on for so long was broken off: a body that stands still is given up much sooner."""
_SLOWEST = 8 * 1024
"""Bytes a second, half of what a body must come with at the least."""


class Orphans:
    """`most_bytes` is what one upload may have: its row comes when all of it is there.

    Only what users of this database have left behind is dropped. What belongs to nobody here is another database's, to
    which the same folder or bucket was given, or this database is not the one that it should be: it is left alone.
    """

    def __init__(self, database: Database, blobs: Blobs, most_bytes: int) -> None:
        self._database = database
        self._blobs = blobs
        self._young = timedelta(days=1, seconds=most_bytes / _SLOWEST)

    async def sweep(self) -> None:
        """Look at everything once, and never fail for a part that is away."""
        try:
            await self._sweep(datetime.now(UTC))
        except (DatabaseUnavailable, StorageUnavailable, StorageFull) as error:
            logger.warning("what uploads have left waits to be removed", extra={"code": error.code})

    async def _sweep(self, now: datetime) -> None:
        await self._blobs.tidy(now - _IDLE)
        dropped = foreign = 0
        async with aclosing(self._blobs.every()) as pages:
            async for page in pages:
                old = [each for each in page if each.since < now - self._young]
                orphans, unknown = await self._orphans(old)
                for key in orphans:
                    await self._blobs.delete(key)
                dropped, foreign = dropped + len(orphans), foreign + unknown
        if dropped:
            logger.info("what uploads had left was removed", extra={"blobs": dropped})
        if foreign:
            logger.warning("there are files of users whom this database does not know", extra={"blobs": foreign})

    async def _orphans(self, old: list[Kept]) -> tuple[list[str], int]:
        """The keys of those that belong to no file; and how many are of users who are unknown."""
        if not old:
            return [], 0
        owners = {each.key: each.key.partition("/")[::2] for each in old}
        async with self._database.snapshot() as tx:
            known = await tx.files.owners(sorted({user_id for user_id, _ in owners.values()}))
            used = await tx.files.in_use([blob_id for _, blob_id in owners.values()])
        ours = [key for key, (user_id, _) in owners.items() if user_id in known]
        return [key for key in ours if owners[key][1] not in used], len(owners) - len(ours)
