"""Conversations brought back, or brought from elsewhere: made anew of a file, once."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from app.core.errors import Conflict, Unauthenticated, UnknownModel
from app.database import Database
from app.domain.chat import Conversation
from app.domain.conversation_files import ConversationFile, ConversationPart
from app.providers.catalogue import Catalogue
from app.repositories.idempotency import KeyRace
from app.repositories.imports import NotAdded
from app.services.acknowledgement import own_conversation, title_of
from app.services.bodies import Body, BodyRoom
from app.services.idempotency import IdempotencyKey, find_replay, remember
from app.services.import_reading import Bounds, ReadFile, read
from app.services.import_writing import Writing

_ROUNDS = 3
_BUSY = "Other conversations are being imported; try again in a moment."


@dataclass(frozen=True, slots=True)
class Imported:
    """`made` is whether it is new; else it is the one that the same file, or request, has made before."""

    conversation: Conversation
    made: bool


class ImportService:
    """`most_bytes` is of one file; `index` has the search entries of new conversations made, some time."""

    def __init__(
        self, database: Database, catalogue: Catalogue, index: Callable[[], None], *, bounds: Bounds, most_bytes: int
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._index = index
        self._bounds = bounds
        self._room = BodyRoom(most_bytes, busy=_BUSY)

    def body(self, user_id: str) -> AbstractContextManager[Body]:
        """To be filled while a file comes in, as slowly as it may."""
        return self._room.body(user_id)

    async def make(self, user_id: str, body: Body, key: IdempotencyKey | None) -> Imported:
        """Make a conversation of a file, or find the one that it has made before; one at a time in this process.

        Nothing in it is taken for what we know: ids are made anew, and usage is shown as it is told but counts for
        nothing. Raises Malformed, InvalidConversationFile, KeyReused, Overloaded, DatabaseUnavailable, and NotFound
        where the conversation that an equal request has made was deleted. The key's fingerprint is found here.
        """
        async with self._room.turn():
            told = await asyncio.to_thread(lambda: read(body.take(), self._bounds))
            if key is not None:
                key = replace(key, fingerprint=told.fingerprint)
            for _ in range(_ROUNDS):
                try:
                    return await self._find(user_id, told, key) or await self._write(user_id, told, key)
                except (KeyRace, NotAdded):
                    pass  # another instance was faster, or the account is being closed
        async with self._database.snapshot() as tx:
            if not await tx.imports.user_exists(user_id):
                raise Unauthenticated
        raise Conflict("This conversation is being imported and deleted elsewhere.")

    async def _find(self, user_id: str, told: ReadFile, key: IdempotencyKey | None) -> Imported | None:
        async with self._database.transaction() as tx:
            made = await find_replay(tx, user_id, key) if key is not None else None
            if made is None:
                made = await tx.imports.find(user_id, told.fingerprint)
                if made is not None and key is not None:
                    remember(tx, user_id, key, made)
            return None if made is None else Imported(await own_conversation(tx, user_id, made), made=False)

    async def _write(self, user_id: str, told: ReadFile, key: IdempotencyKey | None) -> Imported:
        head = told.file.conversation
        model, given = await self._model(head)
        writing = await asyncio.to_thread(Writing, told.file)
        async with self._database.transaction() as tx:
            conversation = tx.conversations.add(
                user_id=user_id,
                title=_title(told.file),
                model=model,
                model_given=given,
                system_prompt=head.system_prompt or None,
                leaf_id=writing.leaf_id,
                created_at=head.created_at,
                import_hash=told.fingerprint,
                terms_version=0,
                conflict=NotAdded,
            )
            if key is not None:
                remember(tx, user_id, key, conversation.id)
            await writing.write(tx, conversation)
        self._index()
        return Imported(conversation, made=True)

    async def _model(self, head: ConversationPart) -> tuple[str, bool]:
        """The model to name, and whether it is to answer next, too: only one that we have."""
        try:
            if head.model is None:
                return (await self._catalogue.default()).name, False
            if head.model_given:
                return (await self._catalogue.resolve(head.model)).name, True
        except UnknownModel:
            pass
        return head.model or "unknown", False


def _title(file: ConversationFile) -> str:
    """Its own, on one line; without one, as of any new conversation."""
    return " ".join(file.conversation.title.split()) or title_of(file.messages[0].content if file.messages else "")
