"""What a POST with an Idempotency-Key has already begun."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from app.models.generations import idempotency_records as records
from app.repositories.base import Repository, now

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    body_hash: str
    generation_id: str


class KeyRace(Exception):
    """Another request recorded the same key between our look-up and our record: look again."""


class IdempotencyRepository(Repository):
    async def find(self, *, user_id: str, route: str, key: str) -> IdempotencyRecord | None:
        statement = select(records).where(
            records.c.user_id == user_id,
            records.c.route == route,
            records.c.key == key,
            records.c.created_at > now() - KEPT,
        )
        row = (await self._connection.execute(statement)).mappings().first()
        return IdempotencyRecord(row["body_hash"], row["generation_id"]) if row else None

    async def add(self, *, user_id: str, route: str, key: str, body_hash: str, generation_id: str) -> None:
        """Record a key, in the transaction that acknowledges its request. Raises KeyRace."""
        await self._connection.execute(
            delete(records).where(
                records.c.user_id == user_id,
                records.c.route == route,
                records.c.key == key,
                records.c.created_at <= now() - KEPT,
            )
        )
        values = {
            "user_id": user_id,
            "route": route,
            "key": key,
            "body_hash": body_hash,
            "generation_id": generation_id,
            "created_at": now(),
        }
        try:
            await self._connection.execute(insert(records), values)
        except IntegrityError as error:
            raise KeyRace from error

    async def forget_expired(self) -> None:
        await self._connection.execute(delete(records).where(records.c.created_at <= now() - KEPT))
