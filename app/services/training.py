"""Rated conversations as examples to train a model with: JSON Lines, as OpenAI's fine-tuning takes them.

A line is `{"messages": [...]}`, of roles `system`, `user` and `assistant`; an assistant's message with `weight` 0 is
context alone, with 1 it is learnt from. https://platform.openai.com/docs/guides/supervised-fine-tuning
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

import msgspec

from app.database import Database
from app.domain.chat import Author, Conversation, Message, Rating, Status
from app.domain.downloads import Piece
from app.services.conversation_reading import Reader

MOST_MESSAGES = 2000
"""Of one line: the last ones."""
_TALKS = 1000
_NAME = "training.jsonl"
_SAYS = (Status.COMPLETE, Status.STOPPED)


class _Said(msgspec.Struct, omit_defaults=True):
    role: str
    content: str
    weight: int | None = None


class Examples:
    """Of one user, with answers that have this rating: a line for each path that ends in one and goes no further to
    another."""

    def __init__(self, database: Database, reader: Reader, rating: Rating) -> None:
        self._database = database
        self._reader = reader
        self._rating = rating

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """All of them, the oldest conversation first."""
        last = ""
        while True:
            async with self._database.snapshot() as tx:
                ids = await tx.feedback.rated_conversations(
                    self._reader.user_id, self._rating, after=last, limit=_TALKS
                )
            for conversation_id in ids:
                async with aclosing(self.pieces_of(conversation_id)) as pieces:
                    async for piece in pieces:
                        yield piece
            if len(ids) < _TALKS:
                return
            last = ids[-1]

    async def pieces_of(self, conversation_id: str) -> AsyncGenerator[Piece, None]:
        """Those of one conversation; none once it is deleted, NotFound when that happens meanwhile."""
        conversation = await self._reader.head(conversation_id)
        if conversation is None:
            return
        for answer_id in await self._ends(conversation_id):
            async with aclosing(self._line(conversation, answer_id)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _ends(self, conversation_id: str) -> Sequence[str]:
        """The rated answers in which lines end, by creation."""
        async with self._database.snapshot() as tx:
            answers = await tx.feedback.rated_answers(conversation_id, self._rating)
        ends: list[str] = []
        # How far into each branch a line goes already. Whatever follows an answer is newer.
        covered: dict[str, int] = {}
        for answer in reversed(answers):
            if covered.get(answer.branch_id, 0) >= answer.position:
                continue
            async with self._database.snapshot() as tx:
                path = await tx.paths.find(conversation_id, answer.message_id)
            if path is not None:
                ends.append(answer.message_id)
                for stretch in path.stretches:
                    covered[stretch.branch_id] = max(stretch.upto, covered.get(stretch.branch_id, 0))
        return ends[::-1]

    async def _line(self, conversation: Conversation, answer_id: str) -> AsyncGenerator[Piece, None]:
        line = _Line(conversation.system_prompt, self._rating)
        async with aclosing(self._reader.path(conversation.id, answer_id, most=MOST_MESSAGES)) as pages:
            async for page in pages:
                yield Piece(_NAME, partial(line.spell, page))
        yield Piece(_NAME, line.end)


class _Line:
    """Questions with their answers; those without one that says something are left out."""

    def __init__(self, system_prompt: str | None, rating: Rating) -> None:
        self._system_prompt = system_prompt
        self._rating = rating
        self._question: str | None = None
        self._begun = False

    def spell(self, page: Sequence[Message]) -> bytes:
        return b"".join(self._spell(each) for each in page)

    def end(self) -> bytes:
        return b"]}\n" if self._begun else b""

    def _spell(self, message: Message) -> bytes:
        if message.role is Author.USER:
            self._question = message.content
            return b""
        question, self._question = self._question, None
        if question is None or message.status not in _SAYS or not message.content:
            return b""
        weight = int(message.feedback is not None and message.feedback.rating == self._rating)
        return (
            self._opening()
            + _encode(_Said("user", question))
            + b","
            + _encode(_Said("assistant", message.content, weight))
        )

    def _opening(self) -> bytes:
        if self._begun:
            return b","
        self._begun = True
        system = _encode(_Said("system", self._system_prompt)) + b"," if self._system_prompt else b""
        return b'{"messages":[' + system


def _encode(said: _Said) -> bytes:
    return msgspec.json.encode(said)
