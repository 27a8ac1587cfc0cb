"""What doors answer to requests with an Idempotency-Key, for those who repeat them."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update

from app.models.generations import instances, kept_answers
from app.repositories.base import Repository, now
from app.repositories.idempotency import KEPT

_ONE = kept_answers.c.id == bindparam("answer")
_ADD = insert(kept_answers)
_END = update(kept_answers).where(_ONE, kept_answers.c.content.is_(None))
_FIND = select(
    kept_answers.c.model,
    kept_answers.c.owner_id,
    kept_answers.c.content,
    kept_answers.c.owner_id.in_(select(instances.c.id)).label("owner_lives"),
).where(_ONE)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`content` is in the words of the service that made it, and None before its end: it is being written if its owner
    still lives, and lost if not."""

    id: str
    model: str
    owner_id: str
    owner_lives: bool
    content: bytes | None


class KeptAnswerRepository(Repository):
    def add(self, answer_id: str, *, user_id: str, owner_id: str, model: str) -> None:
        """One that is about to be made. It is kept a little longer than the record of its key."""
        values = {"id": answer_id, "user_id": user_id, "owner_id": owner_id, "model": model}
        self._connection.later(_ADD, {**values, "expires_at": now() + 2 * KEPT})

    def end(self, answer_id: str, content: bytes) -> None:
        """What became of it, once; nothing is written where it has gone with its user."""
        self._connection.later(_END, {"answer": answer_id, "content": content, "expires_at": now() + KEPT})

    async def find(self, answer_id: str) -> KeptAnswer | None:
        row = await self._row(_FIND, {"answer": answer_id})
        if row is None:
            return None
        return KeptAnswer(answer_id, row["model"], row["owner_id"], bool(row["owner_lives"]), row["content"])

    async def forget_expired(self) -> None:
        await self._connection.run(delete(kept_answers).where(kept_answers.c.expires_at <= now()))
