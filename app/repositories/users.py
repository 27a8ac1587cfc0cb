"""Users."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, bindparam, delete, func, insert, or_, select, update

from app.core.errors import EmailTaken
from app.domain.chat import Page
from app.domain.identity import Claimed, Role, User
from app.models.identity import sessions, users
from app.models.usage import usage_records
from app.repositories.base import Repository, decode_cursor, encode_cursor, new_id, now

# In place of the address of an account that is closed and not yet cleared; no address begins like that.
_BURIED = "deleted:"

_ONE = users.c.id == bindparam("user")
_LIVING = users.c.email.not_like(f"{_BURIED}%")
_GET = select(users).where(_ONE, _LIVING)
# Rows that refer to a user are written meanwhile: these locks keep out those alone who delete or change it.
_HOLD = _GET.with_for_update(read=True, key_share=True)
_ENTER = _GET.with_for_update(key_share=True)
_ACTIVE = select(users.c.id).where(
    users.c.id.in_(bindparam("those", expanding=True)), users.c.is_active.is_(True), _LIVING
)
_GRAVES = select(users.c.id).where(users.c.email.like(f"{_BURIED}%"))
_CHANGE = update(users).where(_ONE, _LIVING)
_WITH_ADDRESS = select(users).where(users.c.email == bindparam("address"))
# Not even another hash is stored meanwhile; many may sign in at once.
_HOLD_AT_ADDRESS = _WITH_ADDRESS.with_for_update(read=True)
_ENTER_AT_ADDRESS = _WITH_ADDRESS.with_for_update(key_share=True)
# The oldest, so that those of one place are told apart in one way.
_SESSION_AT = (
    select(func.min(sessions.c.id))
    .where(
        sessions.c.user_id == users.c.id,
        sessions.c.address == bindparam("place"),
        sessions.c.expires_at > bindparam("moment"),
    )
    .scalar_subquery()
)
_SIGNING_IN = _WITH_ADDRESS.add_columns(_SESSION_AT.label("session_id"))
_RENEW_HASH = (
    update(users).where(_ONE, users.c.password_hash == bindparam("old")).values(password_hash=bindparam("new"))
)
# In one order, so that two who lock them wait for each other and never both.
_ADMINS = (
    select(users.c.id)
    .where(users.c.role == Role.ADMIN.value, users.c.is_active.is_(True), _LIVING)
    .order_by(users.c.id)
    .with_for_update(key_share=True)
)


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
    async def add(
        self, *, email: str, name: str | None, role: Role, password_hash: str, user_id: str | None = None
    ) -> User:
        """A new user. Raises EmailTaken; the unique index decides, so two at once cannot both win."""
        user = User(id=user_id or new_id(), email=email, name=name, role=role, is_active=True, created_at=now())
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

    async def hold_with_password(self, email: str) -> tuple[User, str] | None:
        """The same, and until this transaction ends nobody changes or deletes this user."""
        row = await self._row(_HOLD_AT_ADDRESS, {"address": email})
        return (to_user(row), row["password_hash"]) if row else None

    async def signing_in(self, email: str, place: str | None) -> Claimed | None:
        """Who signs in by this address, with the session, if there is one, that they have at this place."""
        row = await self._row(_SIGNING_IN, {"address": email, "place": place, "moment": now()})
        return Claimed(to_user(row), row["password_hash"], row["session_id"]) if row else None

    async def renew_password_hash(self, user_id: str, *, old: str, new: str) -> bool:
        """Another hash of the same password; false when it is another password by now."""
        return await self._connection.run(_RENEW_HASH, {"user": user_id, "old": old, "new": new}) == 1

    async def change(self, user_id: str, values: Mapping[str, Any]) -> bool:
        """Set columns by name; false when the account was closed meanwhile. Raises EmailTaken."""
        return await self._connection.run(_CHANGE, {"user": user_id, **values}, conflict=EmailTaken) == 1

    async def count_admins(self) -> int:
        """How many active administrators there are, and until this transaction ends nobody else removes one."""
        return len(await self._connection.rows(_ADMINS))

    async def enter(self, user_id: str) -> User | None:
        """The user, whom nobody else changes until this transaction ends."""
        row = await self._row(_ENTER, {"user": user_id})
        return to_user(row) if row else None

    async def enter_at(self, email: str) -> User | None:
        """The same for the user of an address."""
        row = await self._row(_ENTER_AT_ADDRESS, {"address": email})
        return to_user(row) if row else None

    async def hold(self, user_id: str) -> bool:
        """Whether the user is there, and will be until this transaction ends."""
        return await self._row(_HOLD, {"user": user_id}) is not None

    async def active_among(self, user_ids: Collection[str]) -> set[str]:
        """Those of these who are there and may sign in."""
        return {row["id"] for row in await self._connection.rows(_ACTIVE, {"those": list(user_ids)})}

    async def page(
        self, *, q: str | None, role: Role | None, is_active: bool | None, limit: int, cursor: str | None
    ) -> Page[User]:
        """Users, the newest first; `q` is looked for in addresses and names. Raises InvalidCursor."""
        conditions: list[ColumnElement[bool]] = [_LIVING]
        if q:
            conditions.append(_mentions(q))
        if role is not None:
            conditions.append(users.c.role == role.value)
        if is_active is not None:
            conditions.append(users.c.is_active.is_(is_active))
        if cursor is not None:
            moment, id_ = decode_cursor(cursor)
            conditions.append(
                or_(users.c.created_at < moment, (users.c.created_at == moment) & (users.c.id < id_)),
            )
        statement = select(users).where(*conditions).order_by(users.c.created_at.desc(), users.c.id.desc())
        found = [to_user(row) for row in await self._connection.rows(statement.limit(limit + 1))]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.created_at, last.id) if last else None)

    async def bury(self, user_id: str) -> None:
        """Close an account at once and for good: nobody finds it or signs in any more, and its address is free."""
        values = {"email": f"{_BURIED}{user_id}", "name": None, "password_hash": "", "is_active": False}
        await self._connection.run(update(users).where(_ONE), {"user": user_id, **values})

    async def buried(self) -> Sequence[str]:
        """The closed accounts of which something may be left."""
        return [row["id"] for row in await self._connection.rows(_GRAVES)]

    async def delete(self, user_id: str) -> None:
        """The user and, by cascade, all that is theirs; the ledger refers to no one by key and is cleared by hand.

        In this order: who books at this moment holds rows that the cascade waits for, and is booked when it goes on.
        """
        await self._connection.run(delete(users).where(_ONE), {"user": user_id})
        await self._connection.run(delete(usage_records).where(usage_records.c.user_id == user_id))


def _mentions(text: str) -> ColumnElement[bool]:
    # Not every database folds the case of more than ASCII: the usual spellings of other letters are all tried.
    spellings = sorted({text} if text.isascii() else {text, text.lower(), text.upper(), text.title()})
    return or_(
        *(column.icontains(each, autoescape=True) for column in (users.c.email, users.c.name) for each in spellings)
    )
