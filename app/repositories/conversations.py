"""Conversations, each its owner's alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import RowMapping, bindparam, delete, func, insert, or_, select, update

from app.core.errors import Unauthenticated
from app.domain.chat import Conversation, Page
from app.models.chat import conversations, messages
from app.models.generations import generations
from app.repositories.base import Repository, decode_cursor, encode_cursor, new_id, now

_ONE = conversations.c.id == bindparam("conversation")
_OWN = _ONE & (conversations.c.user_id == bindparam("user"))
_ADD = insert(conversations)
_GET = select(conversations).where(_OWN)
_IDS = (
    select(conversations.c.id)
    .where(conversations.c.user_id == bindparam("user"), conversations.c.id > bindparam("after"))
    .order_by(conversations.c.id)
    .limit(bindparam("limit"))
)
_LIVE = select(generations.c.id).where(generations.c.live_conversation_id == bindparam("conversation"))
_LAST = select(func.max(messages.c.position)).where(messages.c.conversation_id == bindparam("conversation"))
_NEWEST = (
    select(messages.c.id)
    .where(messages.c.conversation_id == bindparam("conversation"))
    .order_by(messages.c.position.desc())
    .limit(1)
)
_ENTER = (
    select(
        conversations,
        _LIVE.scalar_subquery().label("live_id"),
        _NEWEST.scalar_subquery().label("newest_id"),
        _LAST.scalar_subquery().label("last_position"),
    )
    .where(_OWN)
    .with_for_update()
)
_CHANGE = update(conversations).where(_ONE)
_DELETE = delete(conversations).where(_OWN)


@dataclass(frozen=True, slots=True)
class Entered:
    """A conversation that is about to go on: the run that lives in it, if any, and its newest message."""

    conversation: Conversation
    live_id: str | None
    newest_id: str | None
    last_position: int


class ConversationRepository(Repository):
    def add(
        self, *, user_id: str, title: str, model: str, model_given: bool, system_prompt: str | None
    ) -> Conversation:
        moment = now()
        conversation = Conversation(
            id=new_id(),
            user_id=user_id,
            title=title,
            model=model,
            model_given=model_given,
            system_prompt=system_prompt,
            created_at=moment,
            updated_at=moment,
        )
        # It conflicts when the account was deleted while this request was on its way.
        values = {
            "id": conversation.id,
            "user_id": user_id,
            "title": title,
            "model": model,
            "model_given": model_given,
            "system_prompt": system_prompt,
            "created_at": moment,
            "updated_at": moment,
        }
        self._connection.later(_ADD, values, conflict=Unauthenticated)
        return conversation

    async def get(self, user_id: str, conversation_id: str) -> Conversation | None:
        """The user's conversation; None when it is unknown or another's."""
        row = await self._row(_GET, {"user": user_id, "conversation": conversation_id})
        return _to_conversation(row) if row else None

    async def ids(self, user_id: str, *, after: str, limit: int) -> Sequence[str]:
        """The next of a user's conversations by id, which is by age; after "" the first."""
        rows = await self._connection.rows(_IDS, {"user": user_id, "after": after, "limit": limit})
        return [row["id"] for row in rows]

    async def enter(self, user_id: str, conversation_id: str) -> Entered | None:
        """The same to go on with it: other posts to it wait until this transaction ends.

        One that had to wait may know a newest message that is no longer it; its own then conflict.
        """
        row = await self._row(_ENTER, {"user": user_id, "conversation": conversation_id})
        if row is None:
            return None
        return Entered(_to_conversation(row), row["live_id"], row["newest_id"], row["last_position"] or 0)

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Conversation]:
        """The user's conversations, the last used first."""
        statement = select(conversations).where(conversations.c.user_id == user_id)
        if cursor is not None:
            moment, id_ = decode_cursor(cursor)
            statement = statement.where(
                or_(
                    conversations.c.updated_at < moment,
                    (conversations.c.updated_at == moment) & (conversations.c.id < id_),
                )
            )
        statement = statement.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc()).limit(limit + 1)
        found = [_to_conversation(row) for row in await self._connection.rows(statement)]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.updated_at, last.id) if last else None)

    def change(
        self, conversation: Conversation, *, model: str, model_given: bool, system_prompt: str | None
    ) -> Conversation:
        """Note what answers in it from now on; the conversation counts as used now."""
        changed = replace(
            conversation, model=model, model_given=model_given, system_prompt=system_prompt, updated_at=now()
        )
        values = {
            "conversation": conversation.id,
            "model": model,
            "model_given": model_given,
            "system_prompt": system_prompt,
            "updated_at": changed.updated_at,
        }
        self._connection.later(_CHANGE, values)
        return changed

    async def rename(self, conversation_id: str, title: str) -> None:
        await self._connection.run(_CHANGE, {"conversation": conversation_id, "title": title})

    async def delete(self, user_id: str, conversation_id: str) -> bool:
        """The conversation with its messages, generations and logs; false when there is none."""
        return await self._connection.run(_DELETE, {"user": user_id, "conversation": conversation_id}) == 1


def _to_conversation(row: RowMapping) -> Conversation:
    return Conversation(
        id=row["id"],
        user_id=row["user_id"],
        title=row["title"],
        model=row["model"],
        model_given=row["model_given"],
        system_prompt=row["system_prompt"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
