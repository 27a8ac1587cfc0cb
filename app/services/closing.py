"""The closing of an account, by its owner or by an administrator, and the clearing of all that was its own."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import DatabaseUnavailable, LastAdmin, NotFound, StorageUnavailable
from app.database import Database, Transaction
from app.domain.audit import Action
from app.domain.identity import Principal, Role, User
from app.domain.ports import LiveGenerations
from app.repositories.belongings import Part
from app.services.audit import record
from app.services.index_notes import note
from app.stores.blobs.keeping import Blobs

logger = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds that a request waits for the clearing, well below what proxies allow it."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A user whom nobody else changes until the transaction ends, nor who is an administrator."""

    user: User
    is_last_admin: bool


async def enter_user(tx: Transaction, user_id: str) -> Entered:
    """The user, to be changed. Raises NotFound.

    Administrators are counted first: two that take each other's rights at one moment wait for each other here.
    """
    admins = await tx.users.count_admins()
    user = await tx.users.enter(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return Entered(user, user.role is Role.ADMIN and user.is_active and admins <= 1)


class Closing:
    """An account is closed in one short transaction; what it owned is cleared after that, in many.

    That goes on when nobody waits for it any longer. What `stop` breaks off, or a crash, is left to `finish`.
    """

    def __init__(self, database: Database, live: LiveGenerations, blobs: Blobs, patience: float = _PATIENCE) -> None:
        self._database = database
        self._live = live
        self._blobs = blobs
        self._patience = patience
        self._clearing: dict[str, asyncio.Task[None]] = {}

    async def close(self, user_id: str, *, by: Principal) -> None:
        """The account and all its data, for good. Raises NotFound, LastAdmin.

        Once it is closed it is gone for everybody; its data are cleared by then, too, unless there is much of it or
        the database fails.
        """
        async with self._database.transaction() as tx:
            if (await enter_user(tx, user_id)).is_last_admin:
                raise LastAdmin
            await tx.users.bury(user_id)
            await note(tx, user_id, [None])
            record(tx, Action.DELETED, by=by, target_id=user_id)
        await asyncio.wait({self._begin(user_id)}, timeout=self._patience)

    async def finish(self) -> None:
        """Clear what is left of accounts that were closed. Raises DatabaseUnavailable."""
        async with self._database.snapshot() as tx:
            left = await tx.users.buried()
        for user_id in left:
            await asyncio.wait({self._begin(user_id)})

    async def stop(self) -> None:
        """Break off what is being cleared."""
        clearing = list(self._clearing.values())
        for task in clearing:
            task.cancel()
        await asyncio.gather(*clearing, return_exceptions=True)

    def _begin(self, user_id: str) -> asyncio.Task[None]:
        """The one task that clears what this user owned."""
        task = self._clearing.get(user_id)
        if task is None:
            task = self._clearing[user_id] = asyncio.create_task(self._cleared(user_id), name=f"clear {user_id}")
            task.add_done_callback(lambda _: self._clearing.pop(user_id))
        return task

    async def _cleared(self, user_id: str) -> None:
        """The edge of a task that nobody may be waiting for."""
        try:
            await self._live.stop_all_of(user_id)
            await self._clear(user_id)
            # A post that was under way may have begun one in between. It has lost its rows, and should not go on
            # costing money either.
            await self._live.stop_all_of(user_id)
        except (DatabaseUnavailable, StorageUnavailable):
            logger.warning("a closed account waits to be cleared", extra={"user_id": user_id})
        except Exception:
            logger.exception("a closed account was not cleared", extra={"user_id": user_id})

    async def _clear(self, user_id: str) -> None:
        """In parts: SQLite has one writer, and 20,000 messages at once keep all others waiting for half a second.

        Each part waits for its turn behind those who wait already.
        """
        while parts := await self._next(user_id):
            for part in parts:
                async with self._database.transaction(durable=False) as tx:
                    await tx.belongings.drop(part)
        await self._blobs.delete_all_of(user_id)
        async with self._database.transaction() as tx:
            await tx.users.delete(user_id)

    async def _next(self, user_id: str) -> Sequence[Part]:
        # Lengths are looked up where that keeps no writer waiting.
        async with self._database.snapshot() as tx:
            return await tx.belongings.some(user_id)
