"""Conversations brought back, or brought from elsewhere: made anew of a file, once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from app.core.errors import Conflict, Overloaded, Unauthenticated, UnknownModel
from app.database import Database
from app.domain.chat import Conversation
from app.domain.conversation_files import ConversationFile, ConversationPart
from app.providers.catalogue import Catalogue
from app.repositories.idempotency import KeyRace
from app.repositories.imports import NotAdded
from app.services.acknowledgement import own_conversation, title_of
from app.services.idempotency import IdempotencyKey, find_replay, remember
from app.services.import_reading import Bounds, ReadFile, read
from app.services.import_writing import Writing

_PATIENCE = 10.0
"""Seconds that an import waits for those before it."""
_BODIES = 4
"""Of the longest, that may be under way at once; half of that for one user."""
_ROUNDS = 3
_BUSY = "Other conversations are being imported; try again in a moment."


@dataclass(frozen=True, slots=True)
class Imported:
    """`made` is whether it is new; else it is the one that the same file, or request, has made before."""

    conversation: Conversation
    made: bool


class Body:
    """What has come of a file so far, counted against the room that all have."""

    def __init__(self, room: Callable[[int], None]) -> None:
        self._room = room
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        """Raises Overloaded."""
        self._room(len(chunk))
        self._chunks.append(chunk)

    def take(self) -> bytes:
        """All of it, which is not kept."""
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


class ImportService:
    """`most_bytes` is of one file; `index` has the search entries of new conversations made, some time."""

    def __init__(
        self, database: Database, catalogue: Catalogue, index: Callable[[], None], *, bounds: Bounds, most_bytes: int
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._index = index
        self._bounds = bounds
        self._most_held = _BODIES * most_bytes
        self._held: Counter[str] = Counter()
        self._turn = asyncio.Semaphore(1)

    @contextmanager
    def body(self, user_id: str) -> Iterator[Body]:
        """To be filled while a file comes in, as slowly as it may."""
        mine = 0

        def room(size: int) -> None:
            nonlocal mine
            if self._held.total() + size > self._most_held or self._held[user_id] + size > self._most_held // 2:
                raise Overloaded(_BUSY, retry_after=10)
            mine += size
            self._held[user_id] += size

        try:
            yield Body(room)
        finally:
            self._held[user_id] -= mine
            if not self._held[user_id]:
                del self._held[user_id]

    async def make(self, user_id: str, body: Body, key: IdempotencyKey | None) -> Imported:
        """Make a conversation of a file, or find the one that it has made before; one at a time in this process.

        Nothing in it is taken for what we know: ids are made anew, and usage is shown as it is told but counts for
        nothing. Raises Malformed, InvalidConversationFile, KeyReused, Overloaded, DatabaseUnavailable, and NotFound
        where the conversation that an equal request has made was deleted. The key's fingerprint is found here.
        """
        async with self._taking_turns():
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

    @asynccontextmanager
    async def _taking_turns(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._turn.acquire()
        except TimeoutError:
            raise Overloaded(_BUSY, retry_after=5) from None
        try:
            yield
        finally:
            self._turn.release()


def _title(file: ConversationFile) -> str:
    """Its own, on one line; without one, as of any new conversation."""
    return " ".join(file.conversation.title.split()) or title_of(file.messages[0].content if file.messages else "")
