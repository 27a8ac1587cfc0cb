"""Conversations, each its owner's alone."""

from dataclasses import asdict, replace

from sqlalchemy import RowMapping, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.core.errors import Unauthenticated
from app.domain.chat import Conversation, Page
from app.models.chat import conversations
from app.repositories.base import Repository, decode_cursor, encode_cursor, new_id, now


class ConversationRepository(Repository):
    async def add(
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
        try:
            await self._connection.execute(insert(conversations), asdict(conversation))
        except IntegrityError as error:
            raise Unauthenticated from error  # the account was deleted while this request was on its way
        return conversation

    async def get(self, user_id: str, conversation_id: str, *, lock: bool = False) -> Conversation | None:
        """The user's conversation; None when it is unknown or another's. `lock` keeps other posts to it waiting."""
        statement = select(conversations).where(
            conversations.c.id == conversation_id, conversations.c.user_id == user_id
        )
        if lock:
            statement = statement.with_for_update()
        row = (await self._connection.execute(statement)).mappings().first()
        return _to_conversation(row) if row else None

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
        found = [_to_conversation(row) for row in (await self._connection.execute(statement)).mappings()]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.updated_at, last.id) if last else None)

    async def change(
        self, conversation: Conversation, *, model: str, model_given: bool, system_prompt: str | None
    ) -> Conversation:
        """Note what answers in it from now on; the conversation counts as used now."""
        changed = replace(
            conversation, model=model, model_given=model_given, system_prompt=system_prompt, updated_at=now()
        )
        await self._connection.execute(
            update(conversations).where(conversations.c.id == conversation.id).values(asdict(changed))
        )
        return changed

    async def rename(self, conversation_id: str, title: str) -> None:
        await self._connection.execute(
            update(conversations).where(conversations.c.id == conversation_id).values(title=title)
        )

    async def delete(self, user_id: str, conversation_id: str) -> bool:
        """The conversation with its messages, generations and logs; false when there is none."""
        statement = delete(conversations).where(
            conversations.c.id == conversation_id, conversations.c.user_id == user_id
        )
        return (await self._connection.execute(statement)).rowcount == 1


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
