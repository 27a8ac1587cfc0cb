"""The chats of pages, which name them themselves: the conversation of each, and where what they show stands in it."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, select

from app.core.errors import ConversationBusy
from app.domain.chat import Author
from app.models.chat import conversations, messages, ui_chats
from app.repositories.base import Repository

_ONE = (ui_chats.c.user_id == bindparam("user")) & (ui_chats.c.chat_id == bindparam("chat"))
_FIND = (
    select(ui_chats.c.conversation_id)
    .join(conversations, conversations.c.id == ui_chats.c.conversation_id)
    .where(_ONE, conversations.c.user_id == bindparam("user"))
)
_ADD = insert(ui_chats)
# A conversation that was deleted is nobody's while it is cleared.
_DROP_DELETED = delete(ui_chats).where(
    _ONE, ui_chats.c.conversation_id.in_(select(conversations.c.id).where(conversations.c.user_id.is_(None)))
)
_IN = messages.c.conversation_id == bindparam("conversation")
_ANSWERS = select(messages.c.id).where(
    _IN, messages.c.id.in_(bindparam("among", expanding=True)), messages.c.role == Author.ASSISTANT.value
)
_QUESTION = (
    select(messages.c.id).where(_IN, messages.c.role == Author.USER.value).order_by(messages.c.position.desc()).limit(1)
)
_SAME = messages.c.content == bindparam("said")
_SAME_QUESTION = _QUESTION.where(_SAME)
_NEXT_QUESTION = _QUESTION.where(messages.c.parent_id == bindparam("parent"))
_SAME_NEXT_QUESTION = _NEXT_QUESTION.where(_SAME)
_FIRST_QUESTION = _QUESTION.where(messages.c.parent_id.is_(None))


class UiChatRepository(Repository):
    async def find(self, user_id: str, chat_id: str) -> str | None:
        """The conversation that a user's page calls so."""
        row = await self._row(_FIND, {"user": user_id, "chat": chat_id})
        return row["conversation_id"] if row else None

    def add(self, user_id: str, chat_id: str, conversation_id: str) -> None:
        """The transaction fails with ConversationBusy when another post has just begun one that is called so."""
        self._connection.later(_DROP_DELETED, {"user": user_id, "chat": chat_id})
        values = {"user_id": user_id, "chat_id": chat_id, "conversation_id": conversation_id}
        self._connection.later(_ADD, values, conflict=ConversationBusy)

    async def newest_answer(self, conversation_id: str, among: Sequence[str]) -> str | None:
        """The first of these ids that is an answer of this conversation."""
        rows = await self._connection.rows(_ANSWERS, {"conversation": conversation_id, "among": list(among)})
        there = {row["id"] for row in rows}
        return next((each for each in among if each in there), None)

    async def same_question(self, conversation_id: str, text: str, *, after: str | None) -> str | None:
        """What was asked with these words last: behind the answer `after`, or anywhere."""
        values = {"conversation": conversation_id, "said": text}
        if after is None:
            row = await self._row(_SAME_QUESTION, values)
        else:
            row = await self._row(_SAME_NEXT_QUESTION, {**values, "parent": after})
        return row["id"] if row else None

    async def question(self, conversation_id: str, *, after: str | None) -> str | None:
        """What was asked last behind the answer `after`, or at the beginning."""
        if after is None:
            row = await self._row(_FIRST_QUESTION, {"conversation": conversation_id})
        else:
            row = await self._row(_NEXT_QUESTION, {"conversation": conversation_id, "parent": after})
        return row["id"] if row else None
