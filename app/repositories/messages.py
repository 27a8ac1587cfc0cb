"""The messages of a conversation: a tree by `parent_id`, in order of `position`."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping, bindparam, func, insert, literal, select, update

from app.core.errors import ConversationBusy, InvalidCursor
from app.domain.chat import Author, Bill, Failure, Message, Page, Said, Status
from app.domain.failures import FailureCode
from app.domain.prompts import Reasoning
from app.models.chat import messages
from app.repositories.base import Repository, new_id, now

_TURNS_AT_MOST = 2000
"""How far back a branch is read: beyond any model's context, and a bound on what one request loads."""

_decode_reasoning = msgspec.json.Decoder(list[Reasoning]).decode

_IN = messages.c.conversation_id == bindparam("conversation")
_ONE = messages.c.id == bindparam("message")
_ADD = insert(messages)
_FINISH = update(messages).where(_ONE)
_GET = select(messages).where(_ONE)
_PAGE = select(messages).where(_IN).order_by(messages.c.position).limit(bindparam("at_most"))
_PAGE_AFTER = _PAGE.where(messages.c.position > bindparam("after"))
_LENGTHS = _PAGE_AFTER.with_only_columns(
    (func.length(messages.c.content) + func.coalesce(func.length(messages.c.reasoning), 0)).label("length")
)
_LEAF = (
    select(messages.c.id, messages.c.parent_id, literal(1).label("depth"))
    .where(messages.c.id == bindparam("leaf"), _IN)
    .cte("branch", recursive=True)
)
_STEP = _LEAF.union_all(
    select(messages.c.id, messages.c.parent_id, _LEAF.c.depth + 1)
    .where(messages.c.id == _LEAF.c.parent_id, _IN)
    .where(_LEAF.c.depth < _TURNS_AT_MOST)
)
_BRANCH = select(messages).join(_STEP, messages.c.id == _STEP.c.id).order_by(messages.c.position)
_SAID = (messages.c.id, messages.c.role, messages.c.content, messages.c.model, messages.c.reasoning)
_HISTORY = _BRANCH.with_only_columns(*_SAID)


class MessageRepository(Repository):
    def append_turn(
        self,
        conversation_id: str,
        *,
        after: int,
        question: str,
        parent_id: str | None,
        model: str,
        generation_id: str,
    ) -> str:
        """Add a user's message and the answer to come, behind the one at position `after`; answers the latter's id.

        The transaction fails with ConversationBusy when another post was faster.
        """
        asked = {
            "id": new_id(),
            "conversation_id": conversation_id,
            "parent_id": parent_id,
            "position": after + 1,
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
            "position": after + 2,
            "role": Author.ASSISTANT.value,
            "content": "",
            "status": Status.STREAMING.value,
            "model": model,
            "generation_id": generation_id,
        }
        self._connection.later(_ADD, [asked, answer], conflict=ConversationBusy)
        return str(answer["id"])

    def finish(
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
        values = {
            "message": message_id,
            "content": content,
            "reasoning": msgspec.json.encode(reasoning).decode() if reasoning else None,
            "status": status.value,
            "input_tokens": bill and bill.input_tokens,
            "output_tokens": bill and bill.output_tokens,
            "cost": bill and bill.cost,
            "failure_code": failure and failure.code.value,
            "failure_detail": failure and failure.detail,
            "failure_retryable": failure and failure.retryable,
        }
        self._connection.later(_FINISH, values)

    async def get(self, message_id: str) -> Message | None:
        row = await self._row(_GET, {"message": message_id})
        return _to_message(row) if row else None

    async def branch(self, conversation_id: str, leaf_id: str) -> Sequence[Message]:
        """The messages from the root to `leaf_id`, oldest first; none when the leaf is not of this conversation."""
        rows = await self._connection.rows(_BRANCH, {"conversation": conversation_id, "leaf": leaf_id})
        return [_to_message(row) for row in rows]

    async def history(self, conversation_id: str, leaf_id: str) -> Sequence[Said]:
        """The same, with no more of each than a model is to know."""
        rows = await self._connection.rows(_HISTORY, {"conversation": conversation_id, "leaf": leaf_id})
        return [
            Said(
                id=row["id"],
                role=Author(row["role"]),
                content=row["content"],
                model=row["model"],
                reasoning=_to_reasoning(row["reasoning"]),
            )
            for row in rows
        ]

    async def page(self, conversation_id: str, *, limit: int, cursor: str | None) -> Page[Message]:
        """All siblings by creation, oldest first."""
        values: dict[str, str | int] = {"conversation": conversation_id, "at_most": limit + 1}
        statement = _PAGE
        if cursor is not None:
            statement, values["after"] = _PAGE_AFTER, _to_position(cursor)
        found = [_to_message(row) for row in await self._connection.rows(statement, values)]
        return Page(found[:limit], str(found[limit - 1].position) if len(found) > limit else None)

    async def lengths(self, conversation_id: str, *, after: int, limit: int) -> Sequence[int]:
        """How many characters each message has, with its reasoning, in order; of those behind position `after`."""
        values: dict[str, str | int] = {"conversation": conversation_id, "after": after, "at_most": limit}
        return [row["length"] for row in await self._connection.rows(_LENGTHS, values)]


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
        reasoning=_to_reasoning(row["reasoning"]),
    )


def _to_reasoning(stored: str | None) -> Sequence[Reasoning]:
    return _decode_reasoning(stored) if stored else ()
