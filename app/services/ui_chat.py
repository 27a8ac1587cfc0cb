"""Chats of pages that keep what they show themselves: the same conversations as all others, each found by its page's
name for it. Of what a page sends only the new message is taken; what was said before is what we have stored."""

import binascii
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from uuid import UUID

from app.core.errors import Gone, InsufficientScope, Invalid, MessageTooLong, NotFound
from app.database import Database, Transaction
from app.domain.chat import Author, Conversation, Generation, Spot, Turn
from app.domain.identity import Principal, Scope
from app.domain.ui_chats import InlaidFile, PageTurn
from app.generation.log import EventLog
from app.services.chat import ChatService, Started
from app.services.generations import GenerationService
from app.services.idempotency import IdempotencyKey
from app.services.uploads import Uploads

_BASE64 = 64 * 1024
"""Characters that are decoded at a time: 0.1 ms. A multiple of four."""
_MOST_FILES = 20


class UiChatService:
    def __init__(
        self,
        *,
        database: Database,
        chat: ChatService,
        generations: GenerationService,
        uploads: Uploads,
        max_message_chars: int,
    ) -> None:
        self._database = database
        self._chat = chat
        self._generations = generations
        self._uploads = uploads
        self._max_message_chars = max_message_chars

    async def post(self, principal: Principal, asked: PageTurn, key: IdempotencyKey | None = None) -> Started:
        """Answer what a page asks. Its first message begins a conversation, and one alone, whoever else sends one.

        Raises what `ChatService.post` raises, and of files in the message what `Receiving.keep` does.
        """
        if key is not None and (begun := await self._chat.replayed(principal, key)) is not None:
            return begun
        if asked.message is not None and len(asked.message) > self._max_message_chars:
            raise MessageTooLong(f"A message may have at most {self._max_message_chars:,} characters.")
        async with self._database.snapshot() as tx:
            turn = await _placed(tx, principal.user.id, asked)
        if asked.files and turn.message is not None:
            await self._chat.check(principal, turn)
            turn = replace(turn, file_ids=[*turn.file_ids, *await self._keep(principal, asked.files)])
        return await self._chat.post(principal, turn, key)

    async def running(self, principal: Principal, chat_id: str) -> tuple[Generation, EventLog] | None:
        """The answer that is being written in a chat; None where that is none, or there is no such chat."""
        async with self._database.snapshot() as tx:
            conversation = await _find(tx, principal.user.id, chat_id)
            live = await tx.generations.live_in(conversation.id) if conversation is not None else None
        if live is None:
            return None
        try:
            return await self._generations.open(principal.user.id, live)
        except (NotFound, Gone):
            return None  # deleted meanwhile

    async def _keep(self, principal: Principal, files: Sequence[InlaidFile]) -> list[str]:
        """Make them files of the user's, or find those that have this content already."""
        if Scope.FILES not in principal.grants.scopes:
            raise InsufficientScope("This API key may not keep files, as those in a message are; that needs `files`.")
        if len(files) > _MOST_FILES:
            raise Invalid(f"A message may have at most {_MOST_FILES} files.", field="messages")
        kept: list[str] = []
        async with self._uploads.receiving(principal.user.id) as receiving:
            for file in files:
                received = await receiving.take(file.name, _decoded(file.data))
                kept.append((await receiving.keep(received)).id)
        return kept


async def _placed(tx: Transaction, user_id: str, asked: PageTurn) -> Turn:
    """What a page asks as a turn of its conversation. A page that has shown an answer of another branch goes on there;
    where nothing tells the place, it is the end of the active path."""
    turn = replace(asked.turn, message=asked.message)
    conversation = await _find(tx, user_id, asked.chat_id)
    if conversation is None:
        if asked.message is None:
            raise NotFound("There is nothing in this chat that could be answered once more.")
        return replace(turn, chat_id=asked.chat_id)
    turn = replace(turn, conversation_id=conversation.id)
    after = await _shown_last(tx, conversation, asked.answers)
    if asked.again:
        replaces = await _to_answer_again(tx, conversation, asked, after)
        if replaces is not None:
            return replace(turn, message=None, replaces=replaces, file_ids=())
    elif asked.named is not None:
        replaces = await _edited(tx, conversation, asked, after)
        if replaces is not None:
            return replace(turn, replaces=replaces)
    return replace(turn, parent_id=after)


async def _find(tx: Transaction, user_id: str, chat_id: str) -> Conversation | None:
    """The conversation that has this id, or that a page of this user calls so."""
    id_ = _as_id(chat_id)
    if id_ is not None and (found := await tx.conversations.get(user_id, id_)) is not None:
        return found
    id_ = await tx.ui_chats.find(user_id, chat_id)
    return await tx.conversations.get(user_id, id_) if id_ is not None else None


async def _shown_last(tx: Transaction, conversation: Conversation, answers: Sequence[str]) -> str | None:
    """The last of the answers that a page shows which is ours."""
    ids = [id_ for each in answers if (id_ := _as_id(each)) is not None]
    return await tx.ui_chats.newest_answer(conversation.id, ids) if ids else None


async def _to_answer_again(
    tx: Transaction, conversation: Conversation, asked: PageTurn, after: str | None
) -> str | None:
    """The message that is named, the same question at the same place, or the end where the page shows no question. None
    when the question that it shows has never come: what is to be done once more is its sending."""
    if (named := await _ours(tx, conversation, asked.named)) is not None:
        return named.id
    if asked.message is None:
        return conversation.leaf_id
    return await tx.ui_chats.same_question(conversation.id, asked.message, after=after)


async def _edited(tx: Transaction, conversation: Conversation, asked: PageTurn, after: str | None) -> str | None:
    """The question in whose place another comes, whatever the page calls it; None when it has never come, or nobody can
    tell which it is."""
    named = await _ours(tx, conversation, asked.named)
    if named is not None and named.role is Author.USER:
        return named.id
    if after is None and not asked.first:
        return None
    return await tx.ui_chats.question(conversation.id, after=after)


async def _ours(tx: Transaction, conversation: Conversation, message_id: str | None) -> Spot | None:
    id_ = _as_id(message_id) if message_id is not None else None
    return await tx.messages.spot(conversation.id, id_) if id_ is not None else None


def _as_id(given: str) -> str | None:
    """In our spelling; None for what is no id of ours."""
    try:
        return str(UUID(given)) if len(given) == 36 else None
    except ValueError:
        return None


async def _decoded(data: str) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), _BASE64):
        try:
            yield binascii.a2b_base64(data[start : start + _BASE64], strict_mode=True)
        except ValueError as error:
            raise Invalid("A file in the message is not what its data: URL says.", field="messages") from error
