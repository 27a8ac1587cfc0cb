"""Conversations read from one end to the other, as many messages at a time as are not too long together."""

from collections.abc import AsyncGenerator, Sequence
from itertools import accumulate, takewhile

from app.core.errors import NotFound, Unauthenticated
from app.database import Database, Transaction
from app.domain.chat import Conversation, Message
from app.services.acknowledgement import NO_CONVERSATION, NO_MESSAGE, own_conversation
from app.services.conversations import ConversationService

_ROWS = 500
_CHARACTERS = 500_000
"""Of messages that are read at once, unless a single one is longer."""


class Reader:
    """For one user; each page in a short snapshot: what changes meanwhile is told as it was then, or as it is now.

    Everything raises Unauthenticated once the account is closed or inactive.
    """

    def __init__(self, database: Database, conversations: ConversationService, user_id: str) -> None:
        self._database = database
        self._conversations = conversations
        self.user_id = user_id

    async def stay(self, tx: Transaction) -> None:
        user = await tx.users.get(self.user_id)
        if user is None or not user.is_active:
            raise Unauthenticated

    async def head(self, conversation_id: str) -> Conversation | None:
        async with self._database.snapshot() as tx:
            await self.stay(tx)
            return await tx.conversations.get(self.user_id, conversation_id)

    async def tree(self, conversation_id: str) -> AsyncGenerator[Sequence[Message], None]:
        """All messages by creation. Raises NotFound when the conversation is deleted meanwhile."""
        cursor: str | None = "0"
        while cursor is not None:
            async with self._database.snapshot() as tx:
                await self.stay(tx)
                lengths = await tx.messages.lengths(conversation_id, after=int(cursor), limit=_ROWS)
                # Behind them: one that has none by now may have been deleted.
                await own_conversation(tx, self.user_id, conversation_id)
            if not lengths:
                return
            count = _fitting(lengths)
            found = await self._conversations.messages(self.user_id, conversation_id, limit=count, cursor=cursor)
            yield _whole(found.page.items, count)
            cursor = found.page.next_cursor

    async def path(
        self, conversation_id: str, leaf_id: str, *, most: int | None = None
    ) -> AsyncGenerator[Sequence[Message], None]:
        """The messages of a path, or its last so many; raises the same."""
        async with self._database.snapshot() as tx:
            path = await tx.paths.find(conversation_id, leaf_id)
            if path is None:
                raise NotFound(NO_MESSAGE)
            cursor: str | None = str(0 if most is None else await tx.paths.before_last(path, most))
        while cursor is not None:
            async with self._database.snapshot() as tx:
                await self.stay(tx)
                lengths = await tx.paths.lengths(path, after=int(cursor), limit=_ROWS)
            if not lengths:
                raise NotFound(NO_CONVERSATION)
            count = _fitting(lengths)
            found = await self._conversations.path(self.user_id, conversation_id, leaf_id, limit=count, cursor=cursor)
            yield _whole(found.page.items, count)
            cursor = found.page.next_cursor


def _whole(page: Sequence[Message], count: int) -> Sequence[Message]:
    """A page that has as many messages as were there a moment ago; else they went with their conversation."""
    if len(page) < count:
        raise NotFound(NO_CONVERSATION)
    return page


def _fitting(lengths: Sequence[int]) -> int:
    return len(list(takewhile(lambda total: total <= _CHARACTERS, accumulate(lengths)))) or 1
