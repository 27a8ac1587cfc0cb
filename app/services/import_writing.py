"""A file made into rows: with ids of our own, a piece at a time."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from app.database import Transaction
from app.domain.chat import Conversation, Status
from app.domain.conversation_files import CompactionPart, ConversationFile, MessagePart
from app.domain.trees import branches, newest_below
from app.repositories.base import new_id, now
from app.repositories.imports import Row

T = TypeVar("T")

_ROWS = 100
_CHARACTERS = 200_000
"""Of what is written together, unless a single one is longer: drivers spell them in the event loop."""


class Writing:
    """`file` holds together, and its messages are in order. `leaf_id` is where the active path will end.

    To make one takes some 50 ms where there are very many messages.
    """

    def __init__(self, file: ConversationFile) -> None:
        self._file = file
        self._moment = now()
        messages = file.messages
        self._ids = {each.id: new_id() for each in messages}
        self._positions = {each.id: number for number, each in enumerate(messages, start=1)}
        parents = {each.id: each.parent_id for each in messages}
        self._branches = branches(parents)
        self.leaf_id: str | None = None
        if messages:
            leaf = file.conversation.leaf_id
            self.leaf_id = self._ids[messages[-1].id if leaf is None else newest_below(parents, leaf)]

    async def write(self, tx: Transaction, conversation: Conversation) -> None:
        for piece in _pieces(self._file.messages, _length):
            await tx.imports.add_messages([self._message(each, conversation.id) for each in piece])
            if attached := list(self._files(piece, conversation)):
                await tx.imports.add_files(attached)
            if rated := list(self._feedback(piece, conversation)):
                await tx.imports.add_feedback(rated)
        for part in _pieces(self._file.compactions, lambda each: len(each.summary or "")):
            await tx.imports.add_compactions([self._compaction(each, conversation.id) for each in part])

    def _message(self, told: MessagePart, conversation_id: str) -> Row:
        usage, error = told.usage, told.error
        status = Status.STOPPED if told.status is Status.STREAMING else told.status
        return {
            "id": self._ids[told.id],
            "conversation_id": conversation_id,
            "parent_id": self._ids[told.parent_id] if told.parent_id is not None else None,
            "position": self._positions[told.id],
            "branch_id": self._ids[self._branches[told.id]],
            "role": told.role.value,
            "content": told.content,
            "reasoning": msgspec.json.encode(told.reasoning).decode() if told.reasoning else None,
            "sources": msgspec.json.encode(told.sources).decode() if told.sources else None,
            "status": status.value,
            "model": told.model,
            "generation_id": None,
            "input_tokens": usage and usage.input_tokens,
            "output_tokens": usage and usage.output_tokens,
            "cost": Decimal(usage.cost) if usage and usage.cost is not None else None,
            "failure_code": error and error.code.value,
            "failure_detail": error and error.detail,
            "failure_retryable": error and error.retryable,
            "created_at": told.created_at or self._moment,
        }

    def _files(self, piece: Sequence[MessagePart], conversation: Conversation) -> Iterator[Row]:
        """Whose they are is looked at when a model is to be shown them."""
        for told in piece:
            for number, file in enumerate(told.files or ()):
                yield {
                    "message_id": self._ids[told.id],
                    "position": number,
                    "conversation_id": conversation.id,
                    "file_id": file.file_id,
                    "name": file.name,
                }

    def _feedback(self, piece: Sequence[MessagePart], conversation: Conversation) -> Iterator[Row]:
        for told in piece:
            if told.feedback is not None:
                yield {
                    "message_id": self._ids[told.id],
                    "conversation_id": conversation.id,
                    "user_id": conversation.user_id,
                    "rating": told.feedback.rating,
                    "comment": told.feedback.comment or None,
                    "created_at": self._moment,
                }

    def _compaction(self, told: CompactionPart, conversation_id: str) -> Row:
        return {
            "id": new_id(),
            "conversation_id": conversation_id,
            "message_id": self._ids[told.message_id],
            "branch_id": self._ids[self._branches[told.message_id]],
            "position": self._positions[told.message_id],
            "tokens": told.tokens,
            "summary": told.summary,
            "model": told.model,
            "created_at": told.created_at or self._moment,
        }


def _pieces(parts: Sequence[T], length: Callable[[T], int]) -> Iterator[list[T]]:
    piece: list[T] = []
    room = _CHARACTERS
    for part in parts:
        room -= length(part)
        if piece and (len(piece) == _ROWS or room < 0):
            yield piece
            piece, room = [], _CHARACTERS - length(part)
        piece.append(part)
    if piece:
        yield piece


def _length(message: MessagePart) -> int:
    """In characters, with what was thought and said of it."""
    thoughts = sum(len(f"{each.text}{each.signature}{each.redacted}") for each in message.reasoning or ())
    comment = message.feedback.comment if message.feedback else None
    quoted = sum(len(each.title) + len(each.quote) + 200 for each in message.sources.sources) if message.sources else 0
    attached = 300 * len(message.files or ())
    return len(message.content) + thoughts + len(comment or "") + quoted + attached
