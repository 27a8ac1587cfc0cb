"""The closing of an account, by its owner or by an administrator, and the clearing of all that was its own."""

import logging
from dataclasses import dataclass

from app.core.errors import DatabaseUnavailable, LastAdmin, NotFound
from app.database import Database, Transaction
from app.domain.audit import Action
from app.domain.identity import Principal, Role, User
from app.domain.ports import LiveGenerations
from app.services.audit import record

logger = logging.getLogger(__name__)


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
    """An account is closed in one short transaction; what it owned is cleared after that, in many."""

    def __init__(self, database: Database, live: LiveGenerations) -> None:
        self._database = database
        self._live = live

    async def close(self, user_id: str, *, by: Principal) -> None:
        """The account and all its data, for good. Raises NotFound, LastAdmin.

        Once it is closed it is gone for everybody; if the database fails while it is cleared, `finish` goes on.
        """
        async with self._database.transaction() as tx:
            if (await enter_user(tx, user_id)).is_last_admin:
                raise LastAdmin
            await tx.users.bury(user_id)
            record(tx, Action.DELETED, by=by, target_id=user_id)
        try:
            await self._live.stop_all_of(user_id)
            await self._clear(user_id)
            # A post that was under way may have begun one in between. It has lost its rows, and should not go on
            # costing money either.
            await self._live.stop_all_of(user_id)
        except DatabaseUnavailable:
            logger.warning("a closed account waits to be cleared", extra={"user_id": user_id})

    async def finish(self) -> None:
        """Clear what is left of accounts that were closed. Raises DatabaseUnavailable."""
        async with self._database.snapshot() as tx:
            left = await tx.users.buried()
        for user_id in left:
            await self._live.stop_all_of(user_id)
            await self._clear(user_id)

    async def _clear(self, user_id: str) -> None:
        """In parts: SQLite has one writer, and 20,000 messages at once keep all others waiting for half a second."""
        more = True
        while more:
            async with self._database.transaction(durable=False) as tx:
                more = await tx.belongings.clear_some(user_id)
        async with self._database.transaction() as tx:
            await tx.users.delete(user_id)
