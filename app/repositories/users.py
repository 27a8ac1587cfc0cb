"""Users."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, insert, select, update

from app.core.errors import EmailTaken
from app.domain.identity import Role, User
from app.models.identity import users
from app.models.usage import usage_records
from app.repositories.base import Repository, new_id, now

_ONE = users.c.id == bindparam("user")
_GET = select(users).where(_ONE)
_WITH_ADDRESS = select(users).where(users.c.email == bindparam("address"))
_ADMINS = select(users.c.id).where(users.c.role == Role.ADMIN.value, users.c.is_active.is_(True)).with_for_update()


def to_user(row: RowMapping) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        is_active=row["is_active"],
        created_at=row["created_at"],
    )


class UserRepository(Repository):
    async def add(self, *, email: str, name: str | None, role: Role, password_hash: str) -> User:
        """A new user. Raises EmailTaken; the unique index decides, so two at once cannot both win."""
        user = User(id=new_id(), email=email, name=name, role=role, is_active=True, created_at=now())
        values = {
            "id": user.id,
            "email": email,
            "name": name,
            "role": role.value,
            "is_active": True,
            "password_hash": password_hash,
            "created_at": user.created_at,
        }
        await self._connection.run(insert(users), values, conflict=EmailTaken)
        return user

    async def get(self, user_id: str) -> User | None:
        row = await self._row(_GET, {"user": user_id})
        return to_user(row) if row else None

    async def with_password(self, email: str) -> tuple[User, str] | None:
        """The user of an address, with the hash of the password."""
        row = await self._row(_WITH_ADDRESS, {"address": email})
        return (to_user(row), row["password_hash"]) if row else None

    async def change(self, user_id: str, values: Mapping[str, Any]) -> None:
        """Set columns by name. Raises EmailTaken."""
        await self._connection.run(update(users).where(_ONE), {"user": user_id, **values}, conflict=EmailTaken)

    async def count_admins(self) -> int:
        """How many active administrators there are, and until this transaction ends nobody else removes one."""
        return len(await self._connection.rows(_ADMINS))

    async def delete(self, user_id: str) -> None:
        """The user and, by cascade, all that is theirs; the ledger refers to no one by key and is cleared by hand."""
        await self._connection.run(delete(usage_records).where(usage_records.c.user_id == user_id))
        await self._connection.run(delete(users).where(_ONE), {"user": user_id})
