"""Users, as administrators see and change them."""

import logging
from dataclasses import dataclass, replace
from typing import TypedDict

from app.core.errors import Conflict, DatabaseUnavailable, Invalid, LastAdmin, NotFound
from app.database import Database, Transaction
from app.domain.audit import Action, Actor
from app.domain.chat import Page
from app.domain.identity import Principal, Role, User
from app.domain.ports import LiveGenerations
from app.services.audit import record
from app.services.closing import Closing, enter_user
from app.services.service_keys import SERVICE_ID

logger = logging.getLogger(__name__)

# The names that the trail has for them; one is a word of Python's own.
_Roles = TypedDict("_Roles", {"from": str, "to": str})


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Who is looked for: by a part of the address or the name, whatever its case; None is anybody."""

    q: str | None = None
    role: Role | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What to change; None leaves it as it is. `rename` tells a name to be taken off (None) from one not given."""

    role: Role | None = None
    is_active: bool | None = None
    rename: bool = False
    name: str | None = None

    def applied_to(self, user: User) -> User:
        return replace(
            user,
            role=self.role or user.role,
            is_active=user.is_active if self.is_active is None else self.is_active,
            name=self.name if self.rename else user.name,
        )


class UserService:
    """What is changed holds for the next request, on every instance: who may do what is read from the database."""

    def __init__(self, database: Database, live: LiveGenerations, closing: Closing) -> None:
        self._database = database
        self._live = live
        self._closing = closing

    async def page(self, wanted: UserFilter, *, limit: int, cursor: str | None) -> Page[User]:
        """Users, the newest first. Raises InvalidCursor."""
        async with self._database.snapshot() as tx:
            return await tx.users.page(
                q=wanted.q and wanted.q.strip(),
                role=wanted.role,
                is_active=wanted.is_active,
                limit=limit,
                cursor=cursor,
            )

    async def get(self, user_id: str) -> User:
        async with self._database.snapshot() as tx:
            user = await tx.users.get(user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def change(self, user_id: str, change: UserChange, *, by: Principal) -> User:
        """The user as changed. Raises NotFound, LastAdmin, Invalid (the service account as an administrator).

        Deactivation ends every session and every answer that is being written. API keys stay, and are refused until
        the user is activated again.
        """
        async with self._database.transaction() as tx:
            entered = await enter_user(tx, user_id)
            before, after = entered.user, change.applied_to(entered.user)
            if after.role is Role.ADMIN and user_id == SERVICE_ID:
                raise Invalid("The service account cannot be an administrator.", field="role")
            if entered.is_last_admin and not (after.role is Role.ADMIN and after.is_active):
                raise LastAdmin
            if after != before:
                values = {"role": after.role.value, "is_active": after.is_active, "name": after.name}
                await tx.users.change(user_id, values)
            if not after.is_active:
                # Else a stolen one would come back when the user does.
                await tx.sessions.revoke_others(user_id, keep=None)
            record_changes(tx, before, after, by=by)
        if not after.is_active:
            await self._stop_all_of(user_id)
        return after

    async def delete(self, user_id: str, *, by: Principal) -> None:
        """A user and all that is theirs, for good. Raises NotFound, LastAdmin, Conflict (the service account)."""
        if user_id == SERVICE_ID:
            raise Conflict("The service account comes with API_KEYS; it can be deactivated, not deleted.")
        await self._closing.close(user_id, by=by)

    async def _stop_all_of(self, user_id: str) -> None:
        try:
            await self._live.stop_all_of(user_id)
        except DatabaseUnavailable:
            # Done all the same: whoever runs an answer looks every few seconds whether its user is active.
            logger.warning("the answers of a deactivated user were not stopped at once", extra={"user_id": user_id})


def record_changes(
    tx: Transaction, before: User, after: User, *, by: Principal | None = None, actor: Actor | None = None
) -> None:
    """What is another now, each on record as an act of its own; `by` and `actor` as in `record`.

    Names are not told: they would stay behind when the user goes.
    """
    if after.role is not before.role:
        roles: _Roles = {"from": before.role.value, "to": after.role.value}
        record(tx, Action.ROLE_CHANGED, by=by, actor=actor, target_id=after.id, **roles)
    if after.is_active is not before.is_active:
        action = Action.ACTIVATED if after.is_active else Action.DEACTIVATED
        record(tx, action, by=by, actor=actor, target_id=after.id)
    if after.name != before.name:
        record(tx, Action.PROFILE_CHANGED, by=by, actor=actor, target_id=after.id, name=True)
