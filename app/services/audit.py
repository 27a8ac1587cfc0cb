"""The audit trail: how an act is put on record."""

from app.core.serving import served
from app.database import Transaction
from app.domain.audit import Action, Actor, AuditEvent
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
