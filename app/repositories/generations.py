"""Generations, the checkpoints of their logs while they run and the whole log when they have ended."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.core.errors import ConversationBusy
from app.domain.chat import Generation, Status
from app.domain.failures import FailureCode
from app.models.generations import generation_checkpoints, generation_logs, generations, instances
from app.repositories.base import Repository, now

LOG_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log gained since its last checkpoint, encoded."""

    generation_id: str
    first_seq: int
    events: bytes


class GenerationRepository(Repository):
    async def add(self, generation: Generation) -> None:
        """A new run. Raises ConversationBusy while another lives in its conversation."""
        values = {
            "id": generation.id,
            "user_id": generation.user_id,
            "conversation_id": generation.conversation_id,
            "live_conversation_id": generation.conversation_id,
            "message_id": generation.message_id,
            "status": generation.status.value,
            "owner_id": generation.owner_id,
            "fence": generation.fence,
            "model": generation.model,
            "last_seq": generation.last_seq,
            "stop_requested": False,
            "created_at": now(),
        }
        try:
            await self._connection.execute(insert(generations), values)
        except IntegrityError as error:
            raise ConversationBusy from error

    async def get(self, generation_id: str) -> Generation | None:
        statement = select(generations).where(generations.c.id == generation_id)
        row = (await self._connection.execute(statement)).mappings().first()
        return _to_generation(row) if row else None

    async def live_in(self, conversation_id: str) -> str | None:
        """The run that lives in a conversation, if any."""
        statement = select(generations.c.id).where(generations.c.live_conversation_id == conversation_id)
        return (await self._connection.execute(statement)).scalar()

    async def live_of(self, user_id: str) -> Sequence[str]:
        """The runs of a user that still live."""
        statement = select(generations.c.id).where(
            generations.c.user_id == user_id, generations.c.status == Status.STREAMING.value
        )
        return (await self._connection.execute(statement)).scalars().all()

    async def end(
        self,
        generation: Generation,
        *,
        status: Status,
        last_seq: int,
        failure_code: FailureCode | None,
        log: bytes,
        revised: bool = False,
    ) -> bool:
        """End a run, once: its checkpoints become the log. False when it was taken over, has ended or is gone.

        `revised` replaces an ending of our own too, of whose commit nobody heard before another was told.
        """
        runs = (generations.c.status == Status.STREAMING.value) & (generations.c.fence == generation.fence)
        ended_by_us = (generations.c.fence == generation.fence + 1) & (
            func.coalesce(generations.c.failure_code, "") != FailureCode.INSTANCE_LOST.value
        )
        statement = (
            update(generations)
            .where(
                generations.c.id == generation.id,
                generations.c.owner_id == generation.owner_id,
                runs | ended_by_us if revised else runs,
            )
            .values(
                status=status.value,
                live_conversation_id=None,
                last_seq=last_seq,
                failure_code=failure_code and failure_code.value,
                fence=generation.fence + 1,
                ended_at=now(),
            )
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            return False
        await self._connection.execute(
            delete(generation_checkpoints).where(generation_checkpoints.c.generation_id == generation.id)
        )
        if revised:
            await self._connection.execute(
                delete(generation_logs).where(generation_logs.c.generation_id == generation.id)
            )
        await self._connection.execute(
            insert(generation_logs),
            {"generation_id": generation.id, "events": log, "expires_at": now() + LOG_KEPT},
        )
        return True

    async def request_stop(self, generation_id: str) -> None:
        """Ask the owner of a run, whichever instance it is, to stop it."""
        await self._connection.execute(
            update(generations)
            .where(generations.c.id == generation_id, generations.c.status == Status.STREAMING.value)
            .values(stop_requested=True)
        )

    async def owned(self, generation_ids: Collection[str], owner_id: str) -> Mapping[str, bool]:
        """Which of these still run under this owner, and will until this transaction ends; and who is to stop."""
        statement = (
            select(generations.c.id, generations.c.stop_requested)
            .where(
                generations.c.id.in_(generation_ids),
                generations.c.owner_id == owner_id,
                generations.c.status == Status.STREAMING.value,
            )
            .with_for_update(read=True)
        )
        return {row.id: row.stop_requested for row in await self._connection.execute(statement)}

    async def add_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Append what the logs of many runs gained, in one statement."""
        rows = [
            {"generation_id": each.generation_id, "first_seq": each.first_seq, "events": each.events}
            for each in checkpoints
        ]
        await self._connection.execute(insert(generation_checkpoints), rows)

    async def drop_checkpoints(self, generation_id: str, *, from_seq: int) -> None:
        """Take back checkpoints of which nobody knows whether they were committed."""
        await self._connection.execute(
            delete(generation_checkpoints).where(
                generation_checkpoints.c.generation_id == generation_id,
                generation_checkpoints.c.first_seq >= from_seq,
            )
        )

    async def checkpoints(self, generation_id: str, *, after: int = 0) -> Sequence[bytes]:
        """The log of a run so far, as its owner last saved it, in order; the batches that begin after `after`."""
        statement = (
            select(generation_checkpoints.c.events)
            .where(
                generation_checkpoints.c.generation_id == generation_id,
                generation_checkpoints.c.first_seq > after,
            )
            .order_by(generation_checkpoints.c.first_seq)
        )
        return (await self._connection.execute(statement)).scalars().all()

    async def log(self, generation_id: str) -> bytes | None:
        """The whole log of a run that has ended; None once it is no longer kept."""
        statement = select(generation_logs.c.events).where(
            generation_logs.c.generation_id == generation_id, generation_logs.c.expires_at > now()
        )
        return (await self._connection.execute(statement)).scalar()

    async def orphans(self, limit: int = 100) -> Sequence[Generation]:
        """Runs whose owner has no lease any more."""
        statement = (
            select(generations)
            .where(
                generations.c.status == Status.STREAMING.value,
                generations.c.owner_id.not_in(select(instances.c.id)),
            )
            .limit(limit)
        )
        return [_to_generation(row) for row in (await self._connection.execute(statement)).mappings()]

    async def streaming_of(self, owner_id: str) -> Sequence[Generation]:
        """Runs that an instance owns, by the database."""
        statement = select(generations).where(
            generations.c.status == Status.STREAMING.value, generations.c.owner_id == owner_id
        )
        return [_to_generation(row) for row in (await self._connection.execute(statement)).mappings()]

    async def forget_expired_logs(self) -> None:
        await self._connection.execute(delete(generation_logs).where(generation_logs.c.expires_at <= now()))


def _to_generation(row: RowMapping) -> Generation:
    return Generation(
        id=row["id"],
        user_id=row["user_id"],
        conversation_id=row["conversation_id"],
        message_id=row["message_id"],
        status=Status(row["status"]),
        owner_id=row["owner_id"],
        fence=row["fence"],
        model=row["model"],
        last_seq=row["last_seq"],
        failure_code=FailureCode(row["failure_code"]) if row["failure_code"] else None,
    )
