"""What people thought of answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update

from app.core.errors import NotFound
from app.domain.chat import Author, Feedback, Rating, Status
from app.models.chat import conversations, feedback, messages
from app.repositories.base import Repository, now

_OWN = (
    (conversations.c.id == bindparam("conversation"))
    & (conversations.c.user_id == bindparam("user"))
    & (messages.c.conversation_id == conversations.c.id)
    & (messages.c.id == bindparam("message"))
)
_ROLE = select(messages.c.role).select_from(conversations).join(messages, _OWN)
# The conversation, as everybody locks it first; weaker than what a deletion needs, so that rows which refer to it are
# written meanwhile.
_ROLE_IN_TURN = _ROLE.with_for_update(key_share=True, of=conversations)
_ONE = feedback.c.message_id == bindparam("message")
_GET = select(feedback.c.rating, feedback.c.comment).where(_ONE)
_ADD = insert(feedback)
_CHANGE = update(feedback).where(_ONE)
_DELETE = delete(feedback).where(_ONE)
_OF = select(feedback.c.message_id, feedback.c.rating, feedback.c.comment).where(
    feedback.c.message_id.in_(bindparam("messages", expanding=True))
)
_RATED = (feedback.c.user_id == bindparam("user")) & (feedback.c.rating == bindparam("rated"))
_RATED_TALKS = (
    select(feedback.c.conversation_id)
    .where(_RATED, feedback.c.conversation_id > bindparam("after"))
    .distinct()
    .order_by(feedback.c.conversation_id)
    .limit(bindparam("at_most"))
)
_RATED_ANSWERS = (
    select(messages.c.id, messages.c.branch_id, messages.c.position)
    .select_from(feedback)
    .join(messages, messages.c.id == feedback.c.message_id)
    .where(
        feedback.c.conversation_id == bindparam("conversation"),
        feedback.c.rating == bindparam("rated"),
        messages.c.status.in_((Status.COMPLETE.value, Status.STOPPED.value)),
        messages.c.content != "",
    )
    .order_by(messages.c.position)
)


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """Where it stands in its conversation."""

    message_id: str
    branch_id: str
    position: int


class FeedbackRepository(Repository):
    async def role(
        self, user_id: str, conversation_id: str, message_id: str, *, in_turn: bool = False
    ) -> Author | None:
        """Who speaks in a message; None when the user has no such message.

        `in_turn`: nobody else gives feedback in this conversation until this transaction ends.
        """
        values = {"user": user_id, "conversation": conversation_id, "message": message_id}
        row = await self._row(_ROLE_IN_TURN if in_turn else _ROLE, values)
        return Author(row["role"]) if row else None

    async def put(self, user_id: str, conversation_id: str, message_id: str, given: Feedback) -> None:
        """In place of what was given before; in turn. The transaction may fail with NotFound."""
        values = {"rating": given.rating, "comment": given.comment, "created_at": now()}
        if await self._row(_GET, {"message": message_id}):
            self._connection.later(_CHANGE, {"message": message_id, **values})
        else:
            ids = {"message_id": message_id, "conversation_id": conversation_id, "user_id": user_id}
            # It conflicts when the message was deleted meanwhile: a closed account is cleared message by message.
            self._connection.later(_ADD, {**ids, **values}, conflict=NotFound)

    def delete(self, message_id: str) -> None:
        """Harmless when there is none."""
        self._connection.later(_DELETE, {"message": message_id})

    async def of(self, message_ids: Sequence[str]) -> Mapping[str, Feedback]:
        """What was given, by message."""
        if not message_ids:
            return {}
        rows = await self._connection.rows(_OF, {"messages": message_ids})
        return {row["message_id"]: Feedback(1 if row["rating"] > 0 else -1, row["comment"]) for row in rows}

    async def rated_conversations(self, user_id: str, rating: Rating, *, after: str, limit: int) -> Sequence[str]:
        """The next of a user's conversations in which an answer has this rating, by id, which is by age."""
        values = {"user": user_id, "rated": rating, "after": after, "at_most": limit}
        return [row["conversation_id"] for row in await self._connection.rows(_RATED_TALKS, values)]

    async def rated_answers(self, conversation_id: str, rating: Rating) -> Sequence[RatedAnswer]:
        """The answers in a conversation that have this rating and hold something, by creation."""
        rows = await self._connection.rows(_RATED_ANSWERS, {"conversation": conversation_id, "rated": rating})
        return [RatedAnswer(row["id"], row["branch_id"], row["position"]) for row in rows]
