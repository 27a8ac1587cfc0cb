"""The audit trail."""

import msgspec
from sqlalchemy import insert

from app.domain.audit import AuditEvent
from app.models.audit import audit_events
from app.repositories.base import Repository

_ADD = insert(audit_events)


class AuditRepository(Repository):
    def add(self, event: AuditEvent) -> None:
        """Record an act, in the transaction that does it."""
        values = {
            "id": event.id,
            "created_at": event.created_at,
            "action": event.action.value,
            "actor": event.actor.value,
            "actor_id": event.actor_id,
            "credential_id": event.credential_id,
            "target_id": event.target_id,
            "address": event.address,
            "request_id": event.request_id,
            "detail": msgspec.json.encode(event.detail).decode(),
        }
        self._connection.later(_ADD, values)
