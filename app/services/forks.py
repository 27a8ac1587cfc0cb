"""A conversation that goes on from a copy of another."""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from app.core.errors import NotFound, Unauthenticated
from app.database import Database, Transaction
from app.domain.chat import Conversation
from app.repositories.idempotency import KeyRace
from app.repositories.imports import NotAdded
from app.services.acknowledgement import NO_MESSAGE, own_conversation
from app.services.idempotency import IdempotencyKey, find_replay, remember


class ForkService:
    """`index` has the search entries of new conversations made, some time."""

    def __init__(self, database: Database, index: Callable[[], None]) -> None:
        self._database = database
        self._index = index
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fork(
        self, user_id: str, conversation_id: str, message_id: str | None, key: IdempotencyKey | None
    ) -> Conversation:
        """A new conversation that holds the path to a message, else the active one.

        Raises NotFound, ConversationBusy where the path ends in an answer that is being written, KeyReused.
        """
        # A long one has SQLite's only writer for a second: one user's take turns, so that others get theirs between.
        # Requests with one key then find what the first has made, and do not all hold a connection to wait for it.
        async with self._turns.setdefault(user_id, asyncio.Lock()):
            try:
                return await self._fork(user_id, conversation_id, message_id, key)
            except KeyRace:  # another instance was faster
                return await self._fork(user_id, conversation_id, message_id, key)

    async def _fork(
        self, user_id: str, conversation_id: str, message_id: str | None, key: IdempotencyKey | None
    ) -> Conversation:
        try:
            async with self._database.transaction() as tx:
                if key is not None and (made := await find_replay(tx, user_id, key)) is not None:
                    return await own_conversation(tx, user_id, made)
                copy = await _copied(tx, user_id, conversation_id, message_id, key)
        except NotAdded as error:
            raise Unauthenticated from error
        self._index()
        return copy


async def _copied(
    tx: Transaction, user_id: str, conversation_id: str, message_id: str | None, key: IdempotencyKey | None
) -> Conversation:
    await tx.forks.hold(user_id, conversation_id)
    origin = await own_conversation(tx, user_id, conversation_id)
    leaf_id = message_id or origin.leaf_id
    path = await tx.paths.find(conversation_id, leaf_id) if leaf_id is not None else None
    if path is None and message_id is not None:
        raise NotFound(NO_MESSAGE)
    copy = tx.conversations.add(
        user_id=user_id,
        title=origin.title,
        model=origin.model,
        model_given=origin.model_given,
        system_prompt=origin.system_prompt,
        terms_version=0,
        conflict=NotAdded,
    )
    if key is not None:
        remember(tx, user_id, key, copy.id)
    if path is None:
        return copy
    end = await tx.forks.copy(path, origin=conversation_id, target=copy.id)
    if end is not None:
        await tx.conversations.switch(copy.id, end)
    return await own_conversation(tx, user_id, copy.id)
