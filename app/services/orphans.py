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
_MOST = 40
"""Of one sweep: crashes leave few. More are the sign of an older copy of the database, which knows no later uploads."""
_SLOWEST = 8 * 1024
"""Bytes a second, half of what a body must come with at the least."""


class Orphans:
    """`most_bytes` is what one upload may have: its row comes when all of it is there.

    Only what users of this database have left behind is dropped; the audit log knows those that were deleted. What
    belongs to nobody here is another database's, to which the same folder or bucket was given, or this database is not
    the one that it should be: it is left alone. An older copy of the right one knows the users and not their last
    uploads; where there are many of these, all stay.
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
        found = foreign = 0
        leftovers: list[str] = []
        async with aclosing(self._blobs.every()) as pages:
            async for page in pages:
                old = {each.key for each in page if each.since < now - self._young}
                orphans, unknown = await self._orphans(page)
                found, foreign = found + len(orphans), foreign + unknown
                if found <= _MOST:
                    leftovers += [key for key in orphans if key in old]
        if foreign:
            logger.warning("there are files of users whom this database does not know", extra={"blobs": foreign})
        await self._drop(leftovers, found)

    async def _drop(self, leftovers: list[str], found: int) -> None:
        """Those are the old ones; `found` counts the young ones, too: of a database that was restored an hour ago they
        get old by and by, a few at a time."""
        if found > _MOST:
            logger.error(
                "too many files belong to nothing, and none is removed: is this the right database, and not an older"
                " copy of it? If it is, remove them by hand",
                extra={"blobs": found},
            )
            return
        for key in leftovers:
            await self._blobs.delete(key)
        if leftovers:
            logger.info("what uploads had left was removed", extra={"blobs": len(leftovers)})

    async def _orphans(self, page: list[Kept]) -> tuple[list[str], int]:
        """The keys of those that belong to no file; and how many are of users who are unknown."""
        if not page:
            return [], 0
        owners = {each.key: each.key.partition("/")[::2] for each in page}
        async with self._database.snapshot() as tx:
            known = await tx.files.owners(sorted({user_id for user_id, _ in owners.values()}))
            used = await tx.files.in_use([blob_id for _, blob_id in owners.values()])
        ours = [key for key, (user_id, _) in owners.items() if user_id in known]
        return [key for key in ours if owners[key][1] not in used], len(owners) - len(ours)
