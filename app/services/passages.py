"""Answers for clients that hold their conversations themselves: of each nothing is stored but what it used, and for a
day the answer to a request with an Idempotency-Key."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from app.core.errors import DatabaseUnavailable, IdempotencyInProgress, InsufficientScope
from app.database import Database
from app.domain.cards import ModelCard
from app.domain.chat import Generation, Status
from app.domain.identity import Principal
from app.domain.prompts import ModelRequest
from app.generation import codec
from app.generation.engine import Engine
from app.generation.log import EventLog
from app.generation.passages import is_kept, lost
from app.generation.run import Assignment
from app.providers.catalogue import Catalogue
from app.repositories.base import new_id
from app.repositories.kept_answers import KeptAnswer
from app.services.idempotency import IdempotencyKey
from app.services.kept_answers import KeptAnswers
from app.services.limits import Limited, RateLimits

_LOOKED_EACH = 1.0
"""Seconds after which those whose answers pass are looked for again: they may be gone."""

Make = Callable[[ModelCard], ModelRequest]
"""The request for the model that a name turned out to mean. Raises Invalid."""


@dataclass(frozen=True, slots=True)
class Passage:
    """An answer that passes through; `generation` is of no conversation, and in no table. `replayed` when an earlier
    request with the same key began it."""

    generation: Generation
    log: EventLog
    replayed: bool = False


class PassageService:
    def __init__(
        self, *, database: Database, catalogue: Catalogue, engine: Engine, limits: RateLimits, kept: KeptAnswers
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._engine = engine
        self._limits = limits
        self._kept = kept

    async def begin(
        self,
        principal: Principal,
        model: str | None,
        make: Make,
        *,
        key: IdempotencyKey | None = None,
        aside: bool = False,
    ) -> Passage:
        """Have a model answer. Whoever reads it is to `leave` it when it is no longer read; a large request is made
        `aside`, in a thread. With a `key` it is begun once, and kept.

        Raises UnknownModel, InsufficientScope (a model that the API key may not use), Invalid, NotSupported, TooMany
        (by the rate or at once), KeyReused, Gone, Draining or DatabaseUnavailable: before the model is called. And
        IdempotencyInProgress where another instance is writing the answer to an equal request.
        """
        if key is None:
            return await self._begin(principal, model, make, aside=aside)
        return await self._kept.once(
            principal.user.id,
            key,
            lambda: self._begin(principal, model, make, aside=aside, key=key),
            lambda kept: self._again(principal.user.id, kept),
        )

    async def begun(self, user_id: str, key: IdempotencyKey) -> Passage:
        """What an equal request has begun. Raises KeyReused, IdempotencyInProgress, and Gone where it is no passage."""
        return await self._kept.found(user_id, key, lambda kept: self._again(user_id, kept))

    async def _begin(
        self, principal: Principal, model: str | None, make: Make, *, aside: bool, key: IdempotencyKey | None = None
    ) -> Passage:
        card = await self.card(principal, model)
        request = await asyncio.to_thread(make, card) if aside else make(card)
        provider = self._catalogue.provider(card)
        provider.check(request)
        slot = await self._engine.admit(principal.user.id)
        try:
            await self._limits.spend(Limited.AI, principal.limit_key)
            generation = _generation(principal.user.id, card.name, owner_id=self._engine.instance_id if key else "")
            if key is not None:
                await self._kept.reserve(
                    generation.user_id, key, generation.id, owner_id=generation.owner_id, model=generation.model
                )
            log = self._engine.pass_through(Assignment(generation, card, provider, request), slot)
        except BaseException:
            slot.release()
            raise
        return Passage(generation, log)

    async def _again(self, user_id: str, kept: KeptAnswer) -> Passage:
        generation = _generation(user_id, kept.model, identity=kept.id, owner_id=kept.owner_id)
        log = self._engine.log(kept.id)
        if log is None:
            if self._kept.is_elsewhere(kept):
                raise IdempotencyInProgress(retry_after=2)
            events = lost(generation) if kept.content is None else await codec.decompress_aside(kept.content)
            log = EventLog(events, ended=True)
        return Passage(generation, log, replayed=True)

    async def card(self, principal: Principal, model: str | None) -> ModelCard:
        """The model of this name, or the default one. Raises UnknownModel or InsufficientScope."""
        card = await self._catalogue.resolve(model)
        if not principal.grants.model(card.name):
            raise InsufficientScope(f"This API key may not use {card.name}; name a model that it may.")
        return card

    def leave(self, passage: Passage) -> None:
        """It is read no more: if nobody can come back to it, its model is told so at once. Harmless when it has
        ended."""
        if not is_kept(passage.generation):
            self._engine.halt(passage.generation.id)

    async def watch_forever(self) -> None:
        """Stop what passes for users who are gone, or may not be here any more, whichever instance was told so."""
        while True:
            await asyncio.sleep(_LOOKED_EACH)
            passing = self._engine.passing
            if not passing:
                continue
            try:
                async with self._database.snapshot() as tx:
                    there = await tx.users.active_among({each.user_id for each in passing})
            except DatabaseUnavailable:
                continue
            for generation in passing:
                if generation.user_id not in there:
                    self._engine.halt(generation.id)


def _generation(user_id: str, model: str, *, owner_id: str, identity: str | None = None) -> Generation:
    identity = identity or new_id()
    return Generation(
        id=identity,
        user_id=user_id,
        conversation_id="",
        message_id=identity,
        status=Status.STREAMING,
        owner_id=owner_id,
        fence=0,
        model=model,
        last_seq=0,
        failure_code=None,
    )
