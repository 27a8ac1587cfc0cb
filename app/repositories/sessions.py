"""Sign-in sessions, each a family of refresh tokens."""

from datetime import datetime

from sqlalchemy import RowMapping, bindparam, delete, insert, or_, select, update

from app.core.errors import Unauthenticated
from app.domain.chat import Page
from app.domain.identity import Session, User
from app.models.identity import sessions, users
from app.repositories.base import Repository, decode_cursor, encode_cursor, new_id, now
from app.repositories.users import to_user

_ONE = sessions.c.id == bindparam("session")
_GET = select(sessions).where(_ONE)
_USER_OF = select(users).join(sessions, sessions.c.user_id == users.c.id).where(_ONE)
_ROTATE = update(sessions).where(_ONE, sessions.c.refresh_id == bindparam("spent"))
_REVOKE = delete(sessions).where(_ONE)
_REVOKE_OWN = delete(sessions).where(
    _ONE, sessions.c.user_id == bindparam("user"), sessions.c.expires_at > bindparam("moment")
)


class SessionRepository(Repository):
    async def add(
        self, *, user_id: str, refresh_id: str, expires_at: datetime, user_agent: str | None, address: str | None
    ) -> str:
        """A new session; answers its id. Raises Unauthenticated when the user was deleted a moment ago."""
        session_id, moment = new_id(), now()
        values = {
            "id": session_id,
            "user_id": user_id,
            "refresh_id": refresh_id,
            "created_at": moment,
            "rotated_at": moment,
            "expires_at": expires_at,
            "user_agent": user_agent,
            "address": address,
        }
        await self._connection.run(insert(sessions), values, conflict=Unauthenticated)
        return session_id

    async def get(self, session_id: str) -> Session | None:
        row = await self._row(_GET, {"session": session_id})
        return _to_session(row) if row else None

    async def user_of(self, session_id: str) -> User | None:
        """Whose session this is; None once it was revoked."""
        row = await self._row(_USER_OF, {"session": session_id})
        return to_user(row) if row else None

    async def rotate(
        self, session_id: str, *, spent: str, fresh: str, expires_at: datetime, address: str | None
    ) -> bool:
        """Spend the refresh token `spent` for `fresh`; false when another request was faster."""
        values = {
            "session": session_id,
            "spent": spent,
            "refresh_id": fresh,
            "previous_refresh_id": spent,
            "rotated_at": now(),
            "expires_at": expires_at,
            "address": address,
        }
        return await self._connection.run(_ROTATE, values) == 1

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Session]:
        """The sessions of a user that have not expired, the newest first. Raises InvalidCursor."""
        statement = select(sessions).where(sessions.c.user_id == user_id, sessions.c.expires_at > now())
        if cursor is not None:
            moment, id_ = decode_cursor(cursor)
            statement = statement.where(
                or_(sessions.c.created_at < moment, (sessions.c.created_at == moment) & (sessions.c.id < id_))
            )
        statement = statement.order_by(sessions.c.created_at.desc(), sessions.c.id.desc()).limit(limit + 1)
        found = [_to_session(row) for row in await self._connection.rows(statement)]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.created_at, last.id) if last else None)

    async def revoke_own(self, user_id: str, session_id: str) -> bool:
        """End a session of this user; false when there is none of this id."""
        values = {"session": session_id, "user": user_id, "moment": now()}
        return await self._connection.run(_REVOKE_OWN, values) == 1

    async def revoke(self, session_id: str) -> None:
        await self._connection.run(_REVOKE, {"session": session_id})

    async def revoke_others(self, user_id: str, *, keep: str | None) -> None:
        """End every session of a user but `keep`."""
        statement = delete(sessions).where(sessions.c.user_id == user_id)
        await self._connection.run(statement if keep is None else statement.where(sessions.c.id != keep))

    async def forget_expired(self) -> None:
        await self._connection.run(delete(sessions).where(sessions.c.expires_at < now()))


def _to_session(row: RowMapping) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        refresh_id=row["refresh_id"],
        previous_refresh_id=row["previous_refresh_id"],
        created_at=row["created_at"],
        rotated_at=row["rotated_at"],
        expires_at=row["expires_at"],
        user_agent=row["user_agent"],
        address=row["address"],
    )
