"""Sign-in sessions, each a family of refresh tokens."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from app.domain.identity import Session, User
from app.models.identity import sessions, users
from app.repositories.base import Repository, new_id, now
from app.repositories.users import to_user


class SessionRepository(Repository):
    async def add(self, *, user_id: str, refresh_id: str, expires_at: datetime, user_agent: str | None) -> str:
        """A new session; answers its id."""
        session_id, moment = new_id(), now()
        values = {
            "id": session_id,
            "user_id": user_id,
            "refresh_id": refresh_id,
            "created_at": moment,
            "rotated_at": moment,
            "expires_at": expires_at,
            "user_agent": user_agent,
        }
        await self._connection.execute(insert(sessions), values)
        return session_id

    async def get(self, session_id: str) -> Session | None:
        row = (await self._connection.execute(select(sessions).where(sessions.c.id == session_id))).mappings().first()
        if row is None:
            return None
        return Session(
            id=row["id"],
            user_id=row["user_id"],
            refresh_id=row["refresh_id"],
            previous_refresh_id=row["previous_refresh_id"],
            rotated_at=row["rotated_at"],
            expires_at=row["expires_at"],
        )

    async def user_of(self, session_id: str) -> User | None:
        """Whose session this is; None once it was revoked."""
        statement = select(users).join(sessions, sessions.c.user_id == users.c.id).where(sessions.c.id == session_id)
        row = (await self._connection.execute(statement)).mappings().first()
        return to_user(row) if row else None

    async def rotate(self, session_id: str, *, spent: str, fresh: str, expires_at: datetime) -> bool:
        """Spend the refresh token `spent` for `fresh`; false when another request was faster."""
        statement = (
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.refresh_id == spent)
            .values(refresh_id=fresh, previous_refresh_id=spent, rotated_at=now(), expires_at=expires_at)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def revoke(self, session_id: str) -> None:
        await self._connection.execute(delete(sessions).where(sessions.c.id == session_id))

    async def revoke_others(self, user_id: str, *, keep: str | None) -> None:
        """End every session of a user but `keep`."""
        statement = delete(sessions).where(sessions.c.user_id == user_id)
        await self._connection.execute(statement if keep is None else statement.where(sessions.c.id != keep))

    async def forget_expired(self) -> None:
        await self._connection.execute(delete(sessions).where(sessions.c.expires_at < now()))
