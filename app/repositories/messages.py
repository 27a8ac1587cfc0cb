"""The messages of a conversation: a tree by `parent_id`, in order of `position`."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping, func, insert, literal, select, update

from app.core.errors import InvalidCursor
from app.domain.chat import Author, Bill, Failure, Message, Page, Status
from app.domain.failures import FailureCode
from app.domain.prompts import Reasoning
from app.models.chat import messages
from app.repositories.base import Repository, new_id, now

_decode_reasoning = msgspec.json.Decoder(list[Reasoning]).decode

_TURNS_AT_MOST = 2000
"""How far back a branch is read: beyond any model's context, and a bound on what one request loads."""


class MessageRepository(Repository):
    async def append_turn(
        self, conversation_id: str, *, question: str, parent_id: str | None, model: str, generation_id: str
    ) -> str:
        """Add a user's message and the answer to come, as the newest two; answers the id of the latter.

        The caller holds the lock on the conversation.
        """
        newest = select(func.coalesce(func.max(messages.c.position), 0)).where(
            messages.c.conversation_id == conversation_id
        )
        position = (await self._connection.execute(newest)).scalar_one()
        asked = {
            "id": new_id(),
            "conversation_id": conversation_id,
            "parent_id": parent_id,
            "position": position + 1,
            "role": Author.USER.value,
            "content": question,
            "status": Status.COMPLETE.value,
            "model": None,
            "generation_id": None,
            "created_at": now(),
        }
        answer = {
            **asked,
            "id": new_id(),
            "parent_id": asked["id"],
            "position": position + 2,
            "role": Author.ASSISTANT.value,
            "content": "",
            "status": Status.STREAMING.value,
            "model": model,
            "generation_id": generation_id,
        }
        await self._connection.execute(insert(messages), [asked, answer])
        return str(answer["id"])

    async def finish(
        self,
        message_id: str,
        *,
        content: str,
        status: Status,
        bill: Bill | None,
        failure: Failure | None,
        reasoning: Sequence[Reasoning] = (),
    ) -> None:
        """Give a streaming message its text and its ending."""
        await self._connection.execute(
            update(messages)
            .where(messages.c.id == message_id)
            .values(
                content=content,
                reasoning=msgspec.json.encode(reasoning).decode() if reasoning else None,
                status=status.value,
                input_tokens=bill and bill.input_tokens,
                output_tokens=bill and bill.output_tokens,
                cost=bill and bill.cost,
                failure_code=failure and failure.code.value,
                failure_detail=failure and failure.detail,
                failure_retryable=failure and failure.retryable,
            )
        )

    async def get(self, message_id: str) -> Message | None:
        row = (await self._connection.execute(select(messages).where(messages.c.id == message_id))).mappings().first()
        return _to_message(row) if row else None

    async def newest_id(self, conversation_id: str) -> str | None:
        statement = (
            select(messages.c.id)
            .where(messages.c.conversation_id == conversation_id)
            .order_by(messages.c.position.desc())
            .limit(1)
        )
        return (await self._connection.execute(statement)).scalar()

    async def branch(self, conversation_id: str, leaf_id: str) -> Sequence[Message]:
        """The messages from the root to `leaf_id`, oldest first; none when the leaf is not of this conversation."""
        step = (
            select(messages.c.id, messages.c.parent_id, literal(1).label("depth"))
            .where(messages.c.id == leaf_id, messages.c.conversation_id == conversation_id)
            .cte("branch", recursive=True)
        )
        step = step.union_all(
            select(messages.c.id, messages.c.parent_id, step.c.depth + 1)
            .where(messages.c.id == step.c.parent_id, messages.c.conversation_id == conversation_id)
            .where(step.c.depth < _TURNS_AT_MOST)
        )
        statement = select(messages).join(step, messages.c.id == step.c.id).order_by(messages.c.position)
        return [_to_message(row) for row in (await self._connection.execute(statement)).mappings()]

    async def page(self, conversation_id: str, *, limit: int, cursor: str | None) -> Page[Message]:
        """All siblings by creation, oldest first."""
        statement = select(messages).where(messages.c.conversation_id == conversation_id)
        if cursor is not None:
            statement = statement.where(messages.c.position > _to_position(cursor))
        statement = statement.order_by(messages.c.position).limit(limit + 1)
        found = [_to_message(row) for row in (await self._connection.execute(statement)).mappings()]
        return Page(found[:limit], str(found[limit - 1].position) if len(found) > limit else None)


def _to_position(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise InvalidCursor
    return int(cursor)


def _to_message(row: RowMapping) -> Message:
    billed = row["input_tokens"] is not None
    failed = row["failure_code"] is not None
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        parent_id=row["parent_id"],
        position=row["position"],
        role=Author(row["role"]),
        content=row["content"],
        status=Status(row["status"]),
        model=row["model"],
        generation_id=row["generation_id"],
        bill=Bill(row["input_tokens"], row["output_tokens"], row["cost"]) if billed else None,
        failure=Failure(FailureCode(row["failure_code"]), row["failure_detail"], row["failure_retryable"])
        if failed
        else None,
        created_at=row["created_at"],
        reasoning=_decode_reasoning(row["reasoning"]) if row["reasoning"] else (),
    )
