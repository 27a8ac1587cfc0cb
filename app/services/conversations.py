"""Reading, renaming and deleting conversations; each is its owner's alone."""

from collections.abc import Sequence
from dataclasses import replace

from app.core.errors import Invalid, NotFound
from app.database import Database, Transaction
from app.domain.chat import Conversation, Message, Page, Status
from app.generation.codec import answer_text, unpack
from app.generation.engine import Engine
from app.services.acknowledgement import NO_CONVERSATION, own_conversation
from app.services.generations import GenerationService


class ConversationService:
    def __init__(self, database: Database, engine: Engine, generations: GenerationService) -> None:
        self._database = database
        self._engine = engine
        self._generations = generations

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Conversation]:
        """The user's conversations, the last used first. Raises InvalidCursor."""
        async with self._database.snapshot() as tx:
            return await tx.conversations.page(user_id, limit=limit, cursor=cursor)

    async def get(self, user_id: str, conversation_id: str) -> Conversation:
        async with self._database.snapshot() as tx:
            return await own_conversation(tx, user_id, conversation_id)

    async def rename(self, user_id: str, conversation_id: str, title: str) -> Conversation:
        title = " ".join(title.split())
        if not title:
            raise Invalid("The title is empty.", field="title")
        async with self._database.transaction() as tx:
            entered = await tx.conversations.enter(user_id, conversation_id)
            if entered is None:
                raise NotFound(NO_CONVERSATION)
            await tx.conversations.rename(conversation_id, title)
        return replace(entered.conversation, title=title)

    async def delete(self, user_id: str, conversation_id: str) -> None:
        """The conversation with all that was said in it. An answer that is being written is stopped first."""
        await self.get(user_id, conversation_id)
        await self._generations.stop_in(conversation_id)
        async with self._database.transaction() as tx:
            if not await tx.conversations.delete(user_id, conversation_id):
                raise NotFound(NO_CONVERSATION)

    async def messages(self, user_id: str, conversation_id: str, *, limit: int, cursor: str | None) -> Page[Message]:
        """All siblings by creation, oldest first; an answer that is being written with its text so far."""
        async with self._database.snapshot() as tx:
            await own_conversation(tx, user_id, conversation_id)
            page = await tx.messages.page(conversation_id, limit=limit, cursor=cursor)
            return Page(await self._with_text(tx, page.items), page.next_cursor)

    async def branch(self, user_id: str, conversation_id: str, leaf_id: str) -> Page[Message]:
        """The one branch that ends in `leaf_id`, from its root. Raises NotFound."""
        async with self._database.snapshot() as tx:
            await own_conversation(tx, user_id, conversation_id)
            messages = await tx.messages.branch(conversation_id, leaf_id)
            if not messages:
                raise NotFound("There is no such message in this conversation.")
            return Page(await self._with_text(tx, messages), None)

    async def _with_text(self, tx: Transaction, messages: Sequence[Message]) -> list[Message]:
        """The messages, those that are being written with their text so far."""
        return [
            replace(each, content=await self._text_so_far(tx, each.generation_id))
            if each.status is Status.STREAMING and each.generation_id
            else each
            for each in messages
        ]

    async def _text_so_far(self, tx: Transaction, generation_id: str) -> str:
        log = self._engine.log(generation_id)
        return answer_text(log.after(0) if log is not None else unpack(await tx.generations.checkpoints(generation_id)))
