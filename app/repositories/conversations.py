"""Conversations, each its owner's alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import RowMapping, bindparam, delete, func, insert, or_, select, update

from app.core.errors import Unauthenticated
from app.domain.chat import Conversation, Page
from app.domain.entries import VERSION
from app.models.chat import compactions, conversations, feedback, messages
from app.models.documents import message_files
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
_COMPACTED = select(compactions.c.id).where(compactions.c.conversation_id == bindparam("conversation")).exists()
_FILES = message_files.c
_HAS_FILES = select(_FILES.file_id).where(_FILES.conversation_id == bindparam("conversation")).exists()
_ENTER = (
    select(
        conversations,
        _LIVE.scalar_subquery().label("live_id"),
        _LAST.scalar_subquery().label("last_position"),
        _COMPACTED.label("compacted"),
        _HAS_FILES.label("has_files"),
    )
    .where(_OWN)
    .with_for_update()
)
_HOLD = select(conversations.c.id).where(_ONE).with_for_update(read=True, key_share=True)
_CHANGE = update(conversations).where(_ONE)
_RETITLE = _CHANGE.where(conversations.c.title == bindparam("instead_of"))
_DELETE = delete(conversations).where(_OWN)
_HIDE = update(conversations).where(_OWN)
_IDLE = (conversations.c.updated_at < bindparam("before")) & conversations.c.user_id.is_not(None)
_FIND_IDLE = select(conversations.c.id).where(_IDLE).order_by(conversations.c.updated_at).limit(bindparam("at_most"))
_HIDE_IDLE = update(conversations).where(
    conversations.c.id.in_(bindparam("talks", expanding=True)),
    _IDLE,
    ~select(generations.c.id).where(generations.c.live_conversation_id == conversations.c.id).exists(),
)

# What was thought of answers is looked for by user.
_FORGET_FEEDBACK = delete(feedback).where(
    feedback.c.conversation_id.in_(bindparam("talks", expanding=True)),
    feedback.c.conversation_id.in_(select(conversations.c.id).where(conversations.c.user_id.is_(None))),
)


@dataclass(frozen=True, slots=True)
class Entered:
    """A conversation that is about to go on: the run that lives in it, if any, and how many messages it has."""

    conversation: Conversation
    live_id: str | None
    last_position: int
    compacted: bool
    """Whether a prompt of it did not fit yet, so that it has compactions."""
    has_files: bool
    """Whether any file is attached in it."""


class ConversationRepository(Repository):
    def add(
        self,
        *,
        user_id: str,
        title: str,
        model: str,
        model_given: bool,
        system_prompt: str | None,
        leaf_id: str | None = None,
        created_at: datetime | None = None,
        import_hash: str | None = None,
        terms_version: int = VERSION,
        conflict: type[Exception] = Unauthenticated,
    ) -> Conversation:
        """A new one; with `terms_version` 0 when its search entries are to be made later.

        The transaction fails with `conflict` when the account was deleted while this request was on its way, or when
        the user has another conversation of the same `import_hash`.
        """
        moment = now()
        conversation = Conversation(
            id=new_id(),
            user_id=user_id,
            title=title,
            model=model,
            model_given=model_given,
            system_prompt=system_prompt,
            created_at=created_at or moment,
            updated_at=moment,
            leaf_id=leaf_id,
        )
        values = {
            "id": conversation.id,
            "user_id": user_id,
            "title": title,
            "model": model,
            "model_given": model_given,
            "system_prompt": system_prompt,
            "leaf_id": leaf_id,
            "terms_version": terms_version,
            "import_hash": import_hash,
            "created_at": conversation.created_at,
            "updated_at": moment,
        }
        self._connection.later(_ADD, values, conflict=conflict)
        return conversation

    async def get(self, user_id: str, conversation_id: str) -> Conversation | None:
        """The user's conversation; None when it is unknown or another's."""
        row = await self._row(_GET, {"user": user_id, "conversation": conversation_id})
        return to_conversation(row) if row else None

    async def ids(self, user_id: str, *, after: str, limit: int) -> Sequence[str]:
        """The next of a user's conversations by id, which is by age; after "" the first."""
        rows = await self._connection.rows(_IDS, {"user": user_id, "after": after, "limit": limit})
        return [row["id"] for row in rows]

    async def enter(self, user_id: str, conversation_id: str) -> Entered | None:
        """The same to go on with it: other posts to it wait until this transaction ends.

        One that had to wait may know a last position that is no longer it; its messages then conflict.
        """
        row = await self._row(_ENTER, {"user": user_id, "conversation": conversation_id})
        if row is None:
            return None
        return Entered(
            to_conversation(row),
            row["live_id"],
            row["last_position"] or 0,
            compacted=bool(row["compacted"]),
            has_files=bool(row["has_files"]),
        )

    async def hold(self, conversation_id: str) -> None:
        """Let nobody delete it until this transaction ends."""
        await self._row(_HOLD, {"conversation": conversation_id})

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
        found = [to_conversation(row) for row in await self._connection.rows(statement)]
        items, last = found[:limit], found[limit - 1] if len(found) > limit else None
        return Page(items, encode_cursor(last.updated_at, last.id) if last else None)

    def change(
        self, conversation: Conversation, *, model: str, model_given: bool, system_prompt: str | None, leaf_id: str
    ) -> Conversation:
        """Note what answers in it from now on, and where it ends; the conversation counts as used now."""
        changed = replace(
            conversation,
            model=model,
            model_given=model_given,
            system_prompt=system_prompt,
            updated_at=now(),
            leaf_id=leaf_id,
        )
        values = {
            "conversation": conversation.id,
            "model": model,
            "model_given": model_given,
            "system_prompt": system_prompt,
            "updated_at": changed.updated_at,
            "leaf_id": leaf_id,
        }
        self._connection.later(_CHANGE, values)
        return changed

    async def rename(self, conversation_id: str, title: str) -> None:
        await self._connection.run(_CHANGE, {"conversation": conversation_id, "title": title})

    async def switch(self, conversation_id: str, leaf_id: str) -> None:
        """Let the active path end in another message."""
        await self._connection.run(_CHANGE, {"conversation": conversation_id, "leaf_id": leaf_id})

    async def retitle(self, conversation_id: str, title: str, *, instead_of: str) -> bool:
        """Give it another title unless it has got one meanwhile; false when it has, or is gone."""
        values = {"conversation": conversation_id, "title": title, "instead_of": instead_of}
        return await self._connection.run(_RETITLE, values) == 1

    async def hide(self, user_id: str, conversation_id: str) -> bool:
        """Let it be nobody's from now on, to be cleared; false when there is none."""
        values = {"user": user_id, "conversation": conversation_id, "user_id": None}
        hidden = await self._connection.run(_HIDE, values) == 1
        self._connection.later(_FORGET_FEEDBACK, {"talks": [conversation_id]})
        return hidden

    async def idle(self, before: datetime, *, limit: int) -> Sequence[str]:
        """Conversations that were last used before a time, those first that have waited longest."""
        rows = await self._connection.rows(_FIND_IDLE, {"before": before, "at_most": limit})
        return [row["id"] for row in rows]

    async def hide_idle(self, conversation_ids: Sequence[str], before: datetime) -> int:
        """The same as `hide` for those of them that nobody has used meanwhile; answers how many that were."""
        values = {"talks": conversation_ids, "before": before, "user_id": None}
        hidden = await self._connection.run(_HIDE_IDLE, values)
        self._connection.later(_FORGET_FEEDBACK, {"talks": conversation_ids})
        return hidden

    async def delete(self, user_id: str, conversation_id: str) -> bool:
        """The conversation with its messages, generations and logs; false when there is none."""
        return await self._connection.run(_DELETE, {"user": user_id, "conversation": conversation_id}) == 1


def to_conversation(row: RowMapping) -> Conversation:
    return Conversation(
        id=row["id"],
        user_id=row["user_id"],
        title=row["title"],
        model=row["model"],
        model_given=row["model_given"],
        system_prompt=row["system_prompt"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        leaf_id=row["leaf_id"],
    )
