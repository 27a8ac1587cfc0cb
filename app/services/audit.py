"""The audit trail: how an act is put on record, and how the record is searched."""

from app.core.serving import served
from app.database import Database, Transaction
from app.domain.audit import Action, Actor, AuditEvent, AuditSearch
from app.domain.chat import Page
from app.domain.identity import Principal
from app.repositories.base import new_id, now


def record(
    tx: Transaction,
    action: Action,
    *,
    by: Principal | None = None,
    actor: Actor | None = None,
    target_id: str | None = None,
    **detail: str | int | bool | None,
) -> None:
    """Put an act on record in the transaction that does it: both are kept, or neither is.

    `by` is who acts; nobody, or `actor`, where no credential was shown. `target_id` is whom or what it is done to,
    without it the one who acts. Where from, and in which request, is known of the request that is being served.
    """
    serving = served()
    tx.audit.add(
        AuditEvent(
            id=new_id(),
            created_at=now(),
            action=action,
            actor=actor or _actor(by),
            actor_id=by.user.id if by else None,
            credential_id=(by.session_id or by.key_id) if by else None,
            target_id=target_id or (by.user.id if by else None),
            address=serving.address,
            request_id=serving.request_id,
            detail=detail,
        )
    )


def _actor(by: Principal | None) -> Actor:
    if by is None:
        return Actor.NOBODY
    if by.signed_in:
        return Actor.SESSION
    return Actor.API_KEY if by.key_id else Actor.SERVICE_KEY


class AuditService:
    """What admins may read. Nothing here, nor below, changes or removes what is on record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, search: AuditSearch, *, limit: int, cursor: str | None) -> Page[AuditEvent]:
        """The acts that fit, newest first. Raises InvalidCursor."""
        return await self._database.now.audit.page(search, limit=limit, cursor=cursor)
