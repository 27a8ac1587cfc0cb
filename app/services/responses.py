"""OpenAI's responses, which are conversations of ours wherever they can be."""

import asyncio
from dataclasses import dataclass, replace
from uuid import UUID

from app.core.errors import Gone, Invalid, MessageTooLong, NotFound
from app.database import Database
from app.domain.chat import Generation, Turn
from app.domain.identity import Principal
from app.domain.prompts import ModelRequest, Text
from app.services.chat import ChatService, Started
from app.services.idempotency import IdempotencyKey, find_replay
from app.services.joining import NEW, conversation_of, turn_of
from app.services.passages import Make, Passage, PassageService

PREFIX = "resp_"
"""Before the id of the generation that wrote a response."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked about keeping a response: None leaves it to what can be kept."""

    model: str
    store: bool | None
    previous: str | None
    conversation: str | None


class ResponseService:
    def __init__(
        self, *, database: Database, chat: ChatService, passages: PassageService, max_message_chars: int
    ) -> None:
        self._database = database
        self._chat = chat
        self._passages = passages
        self._max_message_chars = max_message_chars

    async def begin(
        self, principal: Principal, wanted: Wanted, make: Make, key: IdempotencyKey | None, *, aside: bool = False
    ) -> Started | Passage:
        """Have a model answer, in a conversation if it can be one.

        Raises what both ways of answering raise, and NotFound for a response that is not stored, or not this user's.
        """
        if key is not None and (begun := await self._begun(principal, key)) is not None:
            return begun
        joined = conversation_of(wanted.conversation)
        if joined is not None and (wanted.previous is not None or wanted.store is False):
            raise Invalid("With X-Conversation-ID neither `previous_response_id` nor `store: false` can stand.")
        before = await self._stored(principal, wanted.previous) if wanted.previous is not None else None
        card = await self._passages.card(principal, wanted.model)
        request = await asyncio.to_thread(make, card) if aside else make(card)
        if joined is None and before is None and not self._keeps(request, wanted.store):
            return await self._passages.begin(principal, card.name, lambda _: request, key=key)
        turn = turn_of(request, joined or NEW, wanted.model)
        if before is not None:
            turn = self._after(turn, before)
        return await self._chat.post(principal, turn, key)

    async def _begun(self, principal: Principal, key: IdempotencyKey) -> Started | Passage | None:
        """What an equal request has begun, in either way. Raises KeyReused and IdempotencyInProgress."""
        async with self._database.snapshot() as tx:
            if await find_replay(tx, principal.user.id, key) is None:
                return None
        try:
            return await self._passages.begun(principal.user.id, key)
        except Gone:
            return await self._chat.replayed(principal, key)

    def _keeps(self, request: ModelRequest, store: bool | None) -> bool:
        """Whether a conversation is begun: with one text of the user's, and what is expressly to be stored must be."""
        if store is False:
            return False
        fits = (
            not request.tools
            and len(request.messages) == 1
            and request.messages[0].role == "user"
            and all(isinstance(part, Text) for part in request.messages[0].parts)
            and 0 < len(request.messages[0].text.strip()) <= len(request.messages[0].text) <= self._max_message_chars
        )
        if store and not fits:
            if len(request.messages[0].text) > self._max_message_chars:
                raise MessageTooLong(f"A message may have at most {self._max_message_chars:,} characters.")
            raise Invalid("What is stored is one text of the user's, and no tools: leave out `store`.", field="store")
        return fits

    def _after(self, turn: Turn, before: Generation) -> Turn:
        # The system prompt of a response is its own: it is neither kept from the one before nor for the next.
        return replace(
            turn,
            conversation_id=before.conversation_id,
            parent_id=before.message_id,
            system_prompt=turn.system_prompt or "",
        )

    async def _stored(self, principal: Principal, response_id: str) -> Generation:
        try:
            generation_id = str(UUID(response_id.removeprefix(PREFIX)))
        except ValueError:
            generation_id = ""
        async with self._database.snapshot() as tx:
            found = await tx.generations.get(generation_id) if generation_id else None
        if found is None or found.user_id != principal.user.id:
            raise NotFound(
                "There is no such response: answers with tools are not stored, nor what came in several items."
            )
        return found
