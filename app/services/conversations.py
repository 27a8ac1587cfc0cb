"""Reading, changing and deleting conversations; each is its owner's alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.errors import Invalid, NotFound
from app.database import Database, Transaction
from app.domain.chat import Author, Conversation, Message, Page, Status
from app.generation.codec import answer_text, unpack
from app.generation.engine import Engine
from app.services.acknowledgement import NO_CONVERSATION, NO_MESSAGE, own_conversation
from app.services.clearing import Clearing
from app.services.generations import GenerationService


@dataclass(frozen=True, slots=True)
class MessagesPage:
    """A page; `siblings` tells by a message's id what was said in its place, itself among it, by creation."""

    page: Page[Message]
    siblings: Mapping[str, Sequence[str]]


class ConversationService:
    def __init__(self, database: Database, engine: Engine, generations: GenerationService, clearing: Clearing) -> None:
        self._database = database
        self._engine = engine
        self._generations = generations
        self._clearing = clearing

    async def get(self, user_id: str, conversation_id: str) -> Conversation:
        async with self._database.snapshot() as tx:
            return await own_conversation(tx, user_id, conversation_id)

    async def change(
        self, user_id: str, conversation_id: str, *, title: str | None = None, leaf_id: str | None = None
    ) -> Conversation:
        """Give it another title, or switch the active path to where the newest goes on from the message `leaf_id`.

        Raises NotFound or Invalid.
        """
        if title is not None:
            title = " ".join(title.split())
            if not title:
                raise Invalid("The title is empty.", field="title")
        async with self._database.transaction() as tx:
            entered = await tx.conversations.enter(user_id, conversation_id)
            if entered is None:
                raise NotFound(NO_CONVERSATION)
            changed = entered.conversation
            if title is not None:
                await tx.conversations.rename(conversation_id, title)
                tx.search.retitle(user_id, conversation_id, title)
                changed = replace(changed, title=title)
            if leaf_id is not None:
                changed = replace(changed, leaf_id=await _switch(tx, conversation_id, leaf_id))
        return changed

    async def delete(self, user_id: str, conversation_id: str) -> None:
        """The conversation with all that was said in it. An answer that is being written is stopped first.

        A long one is nobody's at once, and cleared behind.
        """
        await self.get(user_id, conversation_id)
        await self._generations.stop_in(conversation_id)
        async with self._database.snapshot() as tx:
            short = await tx.belongings.is_short(conversation_id)
        async with self._database.transaction() as tx:
            delete = tx.conversations.delete if short else tx.conversations.hide
            if not await delete(user_id, conversation_id):
                raise NotFound(NO_CONVERSATION)
        if not short:
            self._clearing.wake()

    async def messages(
        self, user_id: str, conversation_id: str, *, limit: int, cursor: str | None, newest_first: bool = False
    ) -> MessagesPage:
        """All siblings by creation; an answer that is being written with its text so far."""
        async with self._database.snapshot() as tx:
            await own_conversation(tx, user_id, conversation_id)
            page = await tx.messages.page(conversation_id, limit=limit, cursor=cursor, newest_first=newest_first)
            return await self._told(tx, page)

    async def path(
        self,
        user_id: str,
        conversation_id: str,
        leaf_id: str,
        *,
        limit: int,
        cursor: str | None,
        newest_first: bool = False,
    ) -> MessagesPage:
        """What was said on the one path that ends in `leaf_id`. Raises NotFound."""
        async with self._database.snapshot() as tx:
            await own_conversation(tx, user_id, conversation_id)
            path = await tx.paths.find(conversation_id, leaf_id)
            if path is None:
                raise NotFound(NO_MESSAGE)
            page = await tx.paths.page(path, limit=limit, cursor=cursor, newest_first=newest_first)
            return await self._told(tx, page)

    async def _told(self, tx: Transaction, page: Page[Message]) -> MessagesPage:
        siblings = await tx.messages.siblings(page.items)
        told = await _with_files(tx, await _with_feedback(tx, await self._with_text(tx, page.items)))
        return MessagesPage(Page(told, page.next_cursor), siblings)

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


async def _with_feedback(tx: Transaction, messages: Sequence[Message]) -> list[Message]:
    given = await tx.feedback.of([each.id for each in messages if each.role is Author.ASSISTANT])
    return [replace(each, feedback=given[each.id]) if each.id in given else each for each in messages]


async def _with_files(tx: Transaction, messages: Sequence[Message]) -> list[Message]:
    attached = await tx.attachments.of([each.id for each in messages if each.role is Author.USER])
    return [replace(each, attached=attached[each.id]) if each.id in attached else each for each in messages]


async def _switch(tx: Transaction, conversation_id: str, message_id: str) -> str:
    """Let the active path go through a message; answers where it ends."""
    spot = await tx.messages.spot(conversation_id, message_id)
    if spot is None:
        raise NotFound(NO_MESSAGE)
    leaf_id = await tx.messages.newest_below(spot, conversation_id)
    await tx.conversations.switch(conversation_id, leaf_id)
    return leaf_id
