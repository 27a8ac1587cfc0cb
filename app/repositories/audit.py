"""The audit trail: acts are added and looked up; there is no way to change or remove one."""

import msgspec
from sqlalchemy import ColumnElement, RowMapping, insert, or_, select

from app.domain.audit import AuditEvent, AuditSearch
from app.domain.chat import Page
from app.models.audit import audit_events
from app.repositories.base import Repository, decode_cursor, encode_cursor

_ADD = insert(audit_events)
_C = audit_events.c
_NEWEST_FIRST = select(audit_events).order_by(_C.created_at.desc(), _C.id.desc())


class AuditRepository(Repository):
    def add(self, event: AuditEvent) -> None:
        """Record an act, in the transaction that does it."""
        values = {
            "id": event.id,
            "created_at": event.created_at,
            "action": str(event.action),
            "actor": str(event.actor),
            "actor_id": event.actor_id,
            "credential_id": event.credential_id,
            "target_id": event.target_id,
            "address": event.address,
            "request_id": event.request_id,
            "detail": msgspec.json.encode(event.detail).decode(),
        }
        self._connection.later(_ADD, values)

    async def page(self, search: AuditSearch, *, limit: int, cursor: str | None) -> Page[AuditEvent]:
        """The acts that `search` is after, newest first. Raises InvalidCursor."""
        statement = _NEWEST_FIRST.where(*_matching(search))
        if cursor is not None:
            moment, id_ = decode_cursor(cursor)
            # The first of the two is what an index can begin at.
            statement = statement.where(_C.created_at <= moment, or_(_C.created_at < moment, _C.id < id_))
        found = [_to_event(row) for row in await self._connection.rows(statement.limit(limit + 1))]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.created_at, last.id) if last else None)


def _matching(search: AuditSearch) -> list[ColumnElement[bool]]:
    wanted = {
        _C.action: search.action and search.action.value,
        _C.actor_id: search.actor_id,
        _C.target_id: search.target_id,
        _C.address: search.address,
        _C.request_id: search.request_id,
    }
    found = [column == value for column, value in wanted.items() if value is not None]
    if search.since is not None:
        found.append(_C.created_at >= search.since)
    if search.until is not None:
        found.append(_C.created_at < search.until)
    return found


def _to_event(row: RowMapping) -> AuditEvent:
    return AuditEvent(
        id=row["id"],
        created_at=row["created_at"],
        action=row["action"],
        actor=row["actor"],
        actor_id=row["actor_id"],
        credential_id=row["credential_id"],
        target_id=row["target_id"],
        address=row["address"],
        request_id=row["request_id"],
        detail=msgspec.json.decode(row["detail"], type=dict[str, str | int | bool | None]),
    )
