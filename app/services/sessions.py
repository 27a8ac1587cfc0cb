"""Where one is signed in, and ending that from elsewhere."""

from app.core.errors import NotFound
from app.database import Database
from app.domain.audit import Action
from app.domain.chat import Page
from app.domain.identity import Principal, Session
from app.services.audit import record


class SessionService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Session]:
        """The user's sessions that have not expired, the newest first. Raises InvalidCursor."""
        async with self._database.snapshot() as tx:
            return await tx.sessions.page(user_id, limit=limit, cursor=cursor)

    async def end(self, principal: Principal, session_id: str) -> None:
        """End one of the user's sessions, also the one they came by: its tokens, its cookie and its tickets are refused
        from now on, on every instance. Raises NotFound, for another's and for one that has ended, too.
        """
        async with self._database.transaction() as tx:
            if not await tx.sessions.revoke_own(principal.user.id, session_id):
                raise NotFound("There is no such session.")
            record(tx, Action.SESSION_REVOKED, by=principal, target_id=session_id)
