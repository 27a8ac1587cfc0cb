"""Posting to a conversation: acknowledge, then let a model answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from app.core.errors import ConversationBusy, InsufficientScope, Invalid, MessageTooLong, TooMany
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.chat import Author, Conversation, Generation, Turn
from app.domain.identity import Principal, Scope
from app.domain.prompts import ModelRequest
from app.domain.providers import Provider
from app.generation.engine import Engine
from app.generation.indexing import entries_aside
from app.generation.log import EventLog
from app.generation.run import Assignment
from app.providers.catalogue import Catalogue
from app.repositories.idempotency import KeyRace
from app.services.acknowledgement import Acknowledged, acknowledge, own_conversation, title_of
from app.services.context import longest_answer
from app.services.generations import GenerationService
from app.services.grounding import Ground, Grounding, Post
from app.services.idempotency import IdempotencyKey, find_replay
from app.services.limits import Limited, RateLimits
from app.services.tickets import check_ticket
from app.services.titles import Titles

_ON_RECORD_WITHIN = 0.25
"""Seconds from when a post is counted to when it is committed, usually."""


@dataclass(frozen=True, slots=True)
class Started:
    """An acknowledged post and the log of its answer; `replayed` when an earlier request with the same key began it."""

    generation: Generation
    log: EventLog
    replayed: bool = False


class ChatService:
    def __init__(
        self,
        *,
        database: Database,
        catalogue: Catalogue,
        engine: Engine,
        generations: GenerationService,
        limits: RateLimits,
        grounding: Grounding,
        titles: Titles,
        max_message_chars: int,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._engine = engine
        self._generations = generations
        self._limits = limits
        self._grounding = grounding
        self._titles = titles
        self._max_message_chars = max_message_chars
        self._posts: set[asyncio.Task[Started]] = set()
        self._turns: WeakValueDictionary[tuple[str, IdempotencyKey], asyncio.Lock] = WeakValueDictionary()

    async def post(self, principal: Principal, turn: Turn, key: IdempotencyKey | None = None) -> Started:
        """Store the user's message, start the answer and hand out its log.

        Raises Invalid, MessageTooLong, UnknownModel, NotSupported (what the model's vendor cannot do), NotFound (an
        unknown or foreign conversation, message, file or collection), InsufficientScope (a model or documents that the
        API key may not use), ConversationBusy, TooMany (by the rate or at once), KeyReused, Unauthenticated (a ticket
        that is spent), VectorsUnavailable, Draining or DatabaseUnavailable: before the model is called and before
        anything is stored, but for a disk that fails in the last moment.

        It goes on to its end when the caller is cancelled, for between the commit and the start of the run nothing may
        be lost.
        """
        check_ticket(principal, None)
        self._check(principal, turn)
        task = asyncio.create_task(self._post(principal, turn, key))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)
        return await asyncio.shield(task)

    async def check(self, principal: Principal, turn: Turn) -> None:
        """What of a post can be refused before anything that it needs is made: it raises as `post` does."""
        self._check(principal, turn)
        if turn.conversation_id is not None:
            async with self._database.snapshot() as tx:
                await own_conversation(tx, principal.user.id, turn.conversation_id)
        if turn.model is not None and not principal.grants.model((await self._catalogue.resolve(turn.model)).name):
            raise InsufficientScope("This API key may not use this model; name one that it may.")

    async def replayed(self, principal: Principal, key: IdempotencyKey) -> Started | None:
        """What an equal request has begun; None where there was none. Raises KeyReused."""
        async with self._database.snapshot() as tx:
            generation_id = await find_replay(tx, principal.user.id, key)
        if generation_id is None:
            return None
        generation, log = await self._generations.open(principal.user.id, generation_id)
        return Started(generation, log, replayed=True)

    def _check(self, principal: Principal, turn: Turn) -> None:
        if turn.message is not None:
            self._check_message(turn.message)
        if turn.parent_id is not None and turn.conversation_id is None:
            raise Invalid("A parent_id needs the conversation_id that it belongs to.", field="parent_id")
        if turn.file_ids and Scope.FILES not in principal.grants.scopes:
            raise InsufficientScope("This API key may not read files; `file_ids` needs the scope `files`.")
        if turn.collections and Scope.RAG not in principal.grants.scopes:
            raise InsufficientScope("This API key may not read documents; `collection` needs the scope `rag`.")
        if turn.conversation_id is not None and Scope.CHAT not in principal.grants.scopes:
            raise InsufficientScope("This API key may not go on with conversations; that needs the scope `chat`.")

    def _check_message(self, message: str) -> None:
        if not message.strip():
            raise Invalid("The message is empty.", field="message")
        if len(message) > self._max_message_chars:
            raise MessageTooLong(f"A message may have at most {self._max_message_chars:,} characters.", field="message")

    async def _post(self, principal: Principal, turn: Turn, key: IdempotencyKey | None) -> Started:
        if key is None:
            return await self._begin_or_replay(principal, turn, None)
        # Requests with one key take turns: else those that came together would be counted against the limits before
        # the first of them is on record.
        async with self._turns.setdefault((principal.user.id, key), asyncio.Lock()):
            return await self._begin_or_replay(principal, turn, key)

    async def _begin_or_replay(self, principal: Principal, turn: Turn, key: IdempotencyKey | None) -> Started:
        user_id = principal.user.id
        generation_id, conversation = await self._look(user_id, turn, key)
        if generation_id is None:
            kept = conversation.model if conversation is not None and conversation.model_given else None
            card = await self._catalogue.resolve(turn.model or kept)
            if not principal.grants.model(card.name):
                raise InsufficientScope(f"This API key may not use {card.name}; name a model that it may.")
            try:
                return await self._begin(principal, turn, key, card)
            except (KeyRace, ConversationBusy) as error:
                # It may be this very request, come a moment earlier to another instance.
                generation_id, _ = await self._look(user_id, turn, key)
                if generation_id is None:
                    raise ConversationBusy(retry_after=1) from error
            except TooMany:
                # So it may; there it is counted already, and on record in a moment.
                generation_id = await self._look_again(user_id, turn, key)
                if generation_id is None:
                    raise
        generation, log = await self._generations.open(user_id, generation_id)
        return Started(generation, log, replayed=True)

    async def _look_again(self, user_id: str, turn: Turn, key: IdempotencyKey | None) -> str | None:
        if key is None:
            return None
        await asyncio.sleep(_ON_RECORD_WITHIN)
        generation_id, _ = await self._look(user_id, turn, key)
        return generation_id

    async def _look(
        self, user_id: str, turn: Turn, key: IdempotencyKey | None
    ) -> tuple[str | None, Conversation | None]:
        """What an earlier request with this key began, and the conversation that this one names."""
        if key is None and (turn.conversation_id is None or turn.model is not None):
            return None, None  # what the transaction is to find out anyway
        async with self._database.snapshot() as tx:
            if key is not None and (generation_id := await find_replay(tx, user_id, key)) is not None:
                return generation_id, None
            if turn.conversation_id is None:
                return None, None
            return None, await own_conversation(tx, user_id, turn.conversation_id)

    async def _begin(self, principal: Principal, turn: Turn, key: IdempotencyKey | None, card: ModelCard) -> Started:
        user_id = principal.user.id
        provider = self._catalogue.provider(card)
        provider.check(_like(turn, card, turn.system_prompt))
        slot = await self._engine.admit(user_id)
        try:
            await self._limits.spend(Limited.AI, principal.limit_key)
            may_read_documents = Scope.RAG in principal.grants.scopes
            ground = await self._grounding.look(user_id, turn, may_read_documents=may_read_documents)
            found_by = await entries_aside(user_id, turn.message or "")
            async with self._database.transaction(durable=False) as tx:
                post = await acknowledge(
                    tx,
                    user_id,
                    turn,
                    card,
                    key,
                    owner_id=self._engine.instance_id,
                    attached=ground.attached,
                    collection_ids=ground.collection_ids,
                    found_by=found_by,
                    ticket=principal.ticket,
                )
                assignment = self._assignment(principal, turn, card, provider, post, ground)
            # Nothing that could fail may stand here: the post is committed.
            started = Started(post.generation, self._engine.start(assignment, slot))
        except BaseException:
            slot.release()
            raise
        # Nothing is acknowledged before it is on the disk; the model need not wait for that. If it fails, the answer is
        # written all the same: a retry with the same key may find it.
        await self._database.settle()
        return started

    def _assignment(
        self,
        principal: Principal,
        turn: Turn,
        card: ModelCard,
        provider: Provider,
        post: Acknowledged,
        ground: Ground,
    ) -> Assignment:
        like = _like(turn, card, post.system_prompt)
        may_read_files = Scope.FILES in principal.grants.scopes
        committed = Post(
            post.generation, post.memory, post.question, post.attached, turn, like, provider, may_read_files
        )
        request = self._grounding.request(ground, committed)
        return Assignment(post.generation, card, provider, request, self._naming(post))

    def _naming(self, post: Acknowledged) -> Callable[[EventLog], None] | None:
        """What gives the conversation a better title, while nothing was answered in it and nobody gave it another."""
        if not self._titles.on:
            return None
        said = post.memory.said
        first = said[0].content if said else post.question
        answered = any(each.role is Author.ASSISTANT and each.content for each in said)
        if answered or post.title != title_of(first):
            return None
        return self._titles.naming(post.generation, title=post.title, question=first)


def _like(turn: Turn, card: ModelCard, system_prompt: str | None) -> ModelRequest:
    """What is asked of the model, but for what was said."""
    return ModelRequest(
        model=card,
        messages=(),
        system_prompt=system_prompt,
        max_tokens=longest_answer(card, turn.max_tokens),
        temperature=turn.temperature,
        effort=turn.effort,
        options=turn.options,
    )
