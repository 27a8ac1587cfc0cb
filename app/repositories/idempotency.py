"""What a POST with an Idempotency-Key has already begun or made."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, insert, select

from app.models.generations import idempotency_records as records
from app.repositories.base import Repository, now

KEPT = timedelta(hours=24)

_ONE = (
    (records.c.user_id == bindparam("user"))
    & (records.c.route == bindparam("on_route"))
    & (records.c.key == bindparam("named"))
)
_FIND = select(records.c.body_hash, records.c.outcome_id).where(_ONE, records.c.created_at > bindparam("oldest"))
_ADD = insert(records)
_DROP_EXPIRED = delete(records).where(_ONE, records.c.created_at <= bindparam("oldest"))


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    body_hash: str
    outcome_id: str


class KeyRace(Exception):
    """Another request recorded the same key between our look-up and our record: look again."""


class IdempotencyRepository(Repository):
    async def find(self, *, user_id: str, route: str, key: str) -> IdempotencyRecord | None:
        row = await self._row(_FIND, {"user": user_id, "on_route": route, "named": key, "oldest": now() - KEPT})
        return IdempotencyRecord(row["body_hash"], row["outcome_id"]) if row else None

    def add(self, *, user_id: str, route: str, key: str, body_hash: str, outcome_id: str) -> None:
        """Record a key, in the transaction that acknowledges its request, which it may fail with KeyRace."""
        moment = now()
        self._connection.later(
            _DROP_EXPIRED, {"user": user_id, "on_route": route, "named": key, "oldest": moment - KEPT}
        )
        values = {
            "user_id": user_id,
            "route": route,
            "key": key,
            "body_hash": body_hash,
            "outcome_id": outcome_id,
            "created_at": moment,
        }
        self._connection.later(_ADD, values, conflict=KeyRace)

    async def forget_expired(self) -> None:
        await self._connection.run(delete(records).where(records.c.created_at <= now() - KEPT))
