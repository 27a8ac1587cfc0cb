"""Generations, the checkpoints of their logs while they run and the whole log when they have ended."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import RowMapping, bindparam, delete, func, insert, or_, select, update

from app.core.errors import ConversationBusy
from app.domain.chat import Generation, Status
from app.domain.failures import FailureCode
from app.models.chat import conversations
from app.models.generations import generation_checkpoints, generation_logs, generations, instances
from app.models.identity import users
from app.repositories.base import Repository, now

LOG_KEPT = timedelta(hours=24)

_ONE = generations.c.id == bindparam("generation")
_STREAMING = generations.c.status == Status.STREAMING.value
_OF_RUN = generation_checkpoints.c.generation_id == bindparam("generation")
_ADD = insert(generations)
# A conversation that was deleted is nobody's while it is cleared.
_GET = (
    select(generations)
    .join(conversations, conversations.c.id == generations.c.conversation_id)
    .where(_ONE, conversations.c.user_id.is_not(None))
)
_LIVE_IN = select(generations.c.id).where(generations.c.live_conversation_id == bindparam("conversation"))
_LIVE_OF = select(generations.c.id).where(generations.c.user_id == bindparam("user"), _STREAMING)
_RUNS = _STREAMING & (generations.c.fence == bindparam("held_fence"))
_ENDED_BY_US = (generations.c.fence == bindparam("held_fence") + 1) & (
    func.coalesce(generations.c.failure_code, "") != FailureCode.INSTANCE_LOST.value
)
_HELD = _ONE & (generations.c.owner_id == bindparam("owner"))
_END = update(generations).where(_HELD, _RUNS)
_END_AGAIN = update(generations).where(_HELD, _RUNS | _ENDED_BY_US)
_REQUEST_STOP = update(generations).where(_ONE, _STREAMING)
# Not joined, for MariaDB would lock the users, too: a tick must not wait for whoever changes one, nor the other way
# about.
_USER_IS_ACTIVE = select(users.c.is_active).where(users.c.id == generations.c.user_id).scalar_subquery()
_OWNED = (
    select(generations.c.id, or_(generations.c.stop_requested, _USER_IS_ACTIVE.is_(False)).label("to_stop"))
    .where(generations.c.id.in_(bindparam("runs", expanding=True)), generations.c.owner_id == bindparam("owner"))
    .where(_STREAMING)
    .with_for_update(read=True)
)
_ADD_CHECKPOINTS = insert(generation_checkpoints)
_DROP_CHECKPOINTS = delete(generation_checkpoints).where(_OF_RUN)
_DROP_CHECKPOINTS_FROM = _DROP_CHECKPOINTS.where(generation_checkpoints.c.first_seq >= bindparam("from_seq"))
_CHECKPOINTS = (
    select(generation_checkpoints.c.events)
    .where(_OF_RUN, generation_checkpoints.c.first_seq > bindparam("after"))
    .order_by(generation_checkpoints.c.first_seq)
)
_ADD_LOG = insert(generation_logs)
_DROP_LOG = delete(generation_logs).where(generation_logs.c.generation_id == bindparam("generation"))
_LOG = select(generation_logs.c.events).where(
    generation_logs.c.generation_id == bindparam("generation"), generation_logs.c.expires_at > bindparam("moment")
)
_ORPHANS = (
    select(generations)
    .where(_STREAMING, generations.c.owner_id.not_in(select(instances.c.id)))
    .limit(bindparam("at_most"))
)
_STREAMING_OF = select(generations).where(_STREAMING, generations.c.owner_id == bindparam("owner"))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log gained since its last checkpoint, encoded."""

    generation_id: str
    first_seq: int
    events: bytes


class NotRunning(Exception):
    """The run that was to be ended is not ours to end any more."""


class GenerationRepository(Repository):
    def add(self, generation: Generation) -> None:
        """A new run. The transaction fails with ConversationBusy while another lives in its conversation."""
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
        self._connection.later(_ADD, values, conflict=ConversationBusy)

    async def get(self, generation_id: str) -> Generation | None:
        row = await self._row(_GET, {"generation": generation_id})
        return _to_generation(row) if row else None

    async def live_in(self, conversation_id: str) -> str | None:
        """The run that lives in a conversation, if any."""
        row = await self._row(_LIVE_IN, {"conversation": conversation_id})
        return row["id"] if row else None

    async def live_of(self, user_id: str) -> Sequence[str]:
        """The runs of a user that still live."""
        return [row["id"] for row in await self._connection.rows(_LIVE_OF, {"user": user_id})]

    def end(
        self,
        generation: Generation,
        *,
        status: Status,
        last_seq: int,
        failure_code: FailureCode | None,
        log: bytes,
        revised: bool = False,
    ) -> None:
        """End a run, once: its checkpoints become the log.

        The transaction fails with NotRunning when it was taken over, has ended or is gone. `revised` replaces an ending
        of our own too, of whose commit nobody heard before another was told.
        """
        moment = now()
        values = {
            "generation": generation.id,
            "owner": generation.owner_id,
            "held_fence": generation.fence,
            "status": status.value,
            "live_conversation_id": None,
            "last_seq": last_seq,
            "failure_code": failure_code and failure_code.value,
            "fence": generation.fence + 1,
            "ended_at": moment,
        }
        self._connection.later(_END_AGAIN if revised else _END, values, missed=NotRunning)
        self._connection.later(_DROP_CHECKPOINTS, {"generation": generation.id})
        if revised:
            self._connection.later(_DROP_LOG, {"generation": generation.id})
        self._connection.later(
            _ADD_LOG, {"generation_id": generation.id, "events": log, "expires_at": moment + LOG_KEPT}
        )

    async def request_stop(self, generation_id: str) -> None:
        """Ask the owner of a run, whichever instance it is, to stop it."""
        await self._connection.run(_REQUEST_STOP, {"generation": generation_id, "stop_requested": True})

    async def owned(self, generation_ids: Collection[str], owner_id: str) -> Mapping[str, bool]:
        """Which of these still run under this owner, and will until this transaction ends; and who is to stop.

        That is who was asked to, and whose user is not active: so deactivation reaches a run on any instance, also one
        that began at the same moment.
        """
        rows = await self._connection.rows(_OWNED, {"runs": list(generation_ids), "owner": owner_id})
        return {row["id"]: row["to_stop"] for row in rows}

    def add_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Append what the logs of many runs gained, in one statement."""
        rows = [
            {"generation_id": each.generation_id, "first_seq": each.first_seq, "events": each.events}
            for each in checkpoints
        ]
        self._connection.later(_ADD_CHECKPOINTS, rows)

    def drop_checkpoints(self, generation_id: str, *, from_seq: int) -> None:
        """Take back checkpoints of which nobody knows whether they were committed."""
        self._connection.later(_DROP_CHECKPOINTS_FROM, {"generation": generation_id, "from_seq": from_seq})

    async def checkpoints(self, generation_id: str, *, after: int = 0) -> Sequence[bytes]:
        """The log of a run so far, as its owner last saved it, in order; the batches that begin after `after`."""
        rows = await self._connection.rows(_CHECKPOINTS, {"generation": generation_id, "after": after})
        return [row["events"] for row in rows]

    async def log(self, generation_id: str) -> bytes | None:
        """The whole log of a run that has ended; None once it is no longer kept."""
        row = await self._row(_LOG, {"generation": generation_id, "moment": now()})
        return row["events"] if row else None

    async def orphans(self, limit: int = 100) -> Sequence[Generation]:
        """Runs whose owner has no lease any more."""
        return [_to_generation(row) for row in await self._connection.rows(_ORPHANS, {"at_most": limit})]

    async def streaming_of(self, owner_id: str) -> Sequence[Generation]:
        """Runs that an instance owns, by the database."""
        return [_to_generation(row) for row in await self._connection.rows(_STREAMING_OF, {"owner": owner_id})]

    async def forget_expired_logs(self) -> None:
        await self._connection.run(delete(generation_logs).where(generation_logs.c.expires_at <= now()))


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
