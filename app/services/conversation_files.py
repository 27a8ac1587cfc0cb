"""Conversations spelled as files, to be brought back: the one place that writes them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

import msgspec

from app.core.errors import NotFound
from app.database import Database
from app.domain.chat import Conversation, Message
from app.domain.compactions import Compaction
from app.domain.conversation_files import FORMAT, VERSION, CompactionPart, ConversationPart, MessagePart, encode
from app.domain.downloads import Piece
from app.repositories.base import now
from app.services.conversation_reading import Reader

_AT_ONCE = 10
"""Compactions, each of which may be long."""


class ConversationFiles:
    def __init__(self, database: Database, reader: Reader) -> None:
        self._database = database
        self._reader = reader

    async def pieces(
        self, name: str, conversation: Conversation, *, leaf_id: str | None = None, lenient: bool = False
    ) -> AsyncGenerator[Piece, None]:
        """The file of a conversation, in which the active path ends in `leaf_id` if that is given.

        An answer that is being written is told with its text so far. Raises NotFound when the conversation is deleted
        meanwhile; the file of one who is `lenient` then ends with what it has, and says so.
        """
        part = ConversationPart.of(conversation, leaf_id or conversation.leaf_id)
        yield Piece(name, partial(_head, part))
        deleted = False
        try:
            async with aclosing(self._messages(name, conversation.id)) as pieces:
                async for piece in pieces:
                    yield piece
            yield Piece(name, lambda: b'],"compactions":[')
            async with aclosing(self._compactions(name, conversation.id)) as pieces:
                async for piece in pieces:
                    yield piece
        except NotFound:
            if not lenient:
                raise
            deleted = True
        yield Piece(name, lambda: b'],"deleted":true}\n' if deleted else b"]}\n")

    async def _messages(self, name: str, conversation_id: str) -> AsyncGenerator[Piece, None]:
        before = b""
        async with aclosing(self._reader.tree(conversation_id)) as pages:
            async for page in pages:
                yield Piece(name, partial(_spell_messages, before, page))
                before = b","

    async def _compactions(self, name: str, conversation_id: str) -> AsyncGenerator[Piece, None]:
        before = b""
        cursor: str | None = None
        while True:
            async with self._database.snapshot() as tx:
                page = await tx.compactions.page(conversation_id, limit=_AT_ONCE, cursor=cursor)
            if page.items:
                yield Piece(name, partial(_spell_compactions, before, page.items))
                before = b","
            cursor = page.next_cursor
            if cursor is None:
                return


def _head(conversation: ConversationPart) -> bytes:
    head = {"format": FORMAT, "version": VERSION, "exported_at": now(), "conversation": conversation}
    return msgspec.json.encode(head).removesuffix(b"}") + b',"messages":['


def _spell_messages(before: bytes, page: Sequence[Message]) -> bytes:
    return before + b",".join(b"\n" + encode(MessagePart.of(each)) for each in page)


def _spell_compactions(before: bytes, page: Sequence[Compaction]) -> bytes:
    parts = (CompactionPart(each.message_id, each.tokens, each.summary, each.model, each.created_at) for each in page)
    return before + b",".join(b"\n" + encode(part) for part in parts)
