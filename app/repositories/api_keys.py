"""The API keys that users have made: hashes, of which no list and no answer ever tells."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import RowMapping, bindparam, delete, func, insert, or_, select, update

from app.domain.chat import Page
from app.domain.identity import ApiKey, User
from app.models.identity import api_keys, users
from app.repositories.base import Repository, decode_cursor, encode_cursor, new_id, now
from app.repositories.users import to_user

_OWN = api_keys.c.user_id == bindparam("user")
_KEY = [column.label(f"key_{column.name}") for column in api_keys.c if column is not api_keys.c.key_hash]
_LIST = select(*_KEY).where(_OWN)
_COUNT = select(func.count().label("made")).select_from(api_keys).where(_OWN)
_WITH_OWNER = (
    select(users, *_KEY)
    .join(api_keys, api_keys.c.user_id == users.c.id)
    .where(api_keys.c.key_hash == bindparam("hashed"))
)
# Weaker than what a deletion needs, so that rows which refer to the user are written meanwhile.
_TAKE_TURNS = select(users.c.id).where(users.c.id == bindparam("user")).with_for_update(key_share=True)
_ADD = insert(api_keys)
_USED = update(api_keys).where(
    api_keys.c.id == bindparam("api_key"),
    or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= bindparam("stale")),
)
_DELETE = delete(api_keys).where(api_keys.c.id == bindparam("api_key"), _OWN)


class ApiKeyRepository(Repository):
    async def take_turns(self, user_id: str) -> bool:
        """Until this transaction ends nobody else makes a key for this user; false when there is no such user."""
        return await self._row(_TAKE_TURNS, {"user": user_id}) is not None

    async def count(self, user_id: str) -> int:
        row = await self._row(_COUNT, {"user": user_id})
        return row["made"] if row else 0

    def add(
        self,
        *,
        user_id: str,
        name: str,
        prefix: str,
        key_hash: str,
        scopes: tuple[str, ...] | None,
        expires_at: datetime | None,
    ) -> ApiKey:
        key = ApiKey(
            id=new_id(),
            user_id=user_id,
            name=name,
            prefix=prefix,
            scopes=scopes,
            created_at=now(),
            expires_at=expires_at,
            last_used_at=None,
        )
        values = {
            "id": key.id,
            "user_id": user_id,
            "name": name,
            "prefix": prefix,
            "key_hash": key_hash,
            "scopes": None if scopes is None else msgspec.json.encode(scopes).decode(),
            "created_at": key.created_at,
            "expires_at": expires_at,
        }
        self._connection.later(_ADD, values)
        return key

    async def with_owner(self, key_hash: str) -> tuple[User, ApiKey] | None:
        """The key of a hash and whose it is, in one look."""
        row = await self._row(_WITH_OWNER, {"hashed": key_hash})
        return (to_user(row), _to_key(row)) if row else None

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[ApiKey]:
        """The user's keys, the newest first. Raises InvalidCursor."""
        statement = _LIST
        if cursor is not None:
            moment, id_ = decode_cursor(cursor)
            statement = statement.where(
                or_(
                    api_keys.c.created_at < moment,
                    (api_keys.c.created_at == moment) & (api_keys.c.id < id_),
                )
            )
        statement = statement.order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc()).limit(limit + 1)
        found = [_to_key(row) for row in await self._connection.rows(statement, {"user": user_id})]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.created_at, last.id) if last else None)

    def used(self, key_id: str, *, unless_within: timedelta) -> None:
        """Note that it is used now, unless that was noted already `unless_within` of now."""
        moment = now()
        values = {"api_key": key_id, "stale": moment - unless_within, "last_used_at": moment}
        self._connection.later(_USED, values)

    async def delete(self, user_id: str, key_id: str) -> bool:
        """False when the user has no such key."""
        return await self._connection.run(_DELETE, {"user": user_id, "api_key": key_id}) == 1


def _to_key(row: RowMapping) -> ApiKey:
    scopes = row["key_scopes"]
    return ApiKey(
        id=row["key_id"],
        user_id=row["key_user_id"],
        name=row["key_name"],
        prefix=row["key_prefix"],
        scopes=None if scopes is None else msgspec.json.decode(scopes, type=tuple[str, ...]),
        created_at=row["key_created_at"],
        expires_at=row["key_expires_at"],
        last_used_at=row["key_last_used_at"],
    )
