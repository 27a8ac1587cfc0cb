"""Answers that are kept for whoever repeats a request with its Idempotency-Key, where no conversation keeps them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from app.core.errors import Gone, IdempotencyInProgress, TooMany
from app.database import Database
from app.generation.engine import Engine
from app.repositories.idempotency import KeyRace
from app.repositories.kept_answers import KeptAnswer
from app.services.idempotency import IdempotencyKey, find_replay, remember

_ON_RECORD_WITHIN = 0.25
"""Seconds from when a request is counted to when it is reserved, usually."""

T = TypeVar("T")


class KeptAnswers:
    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._beginnings: set[asyncio.Task[object]] = set()
        self._turns: WeakValueDictionary[tuple[str, IdempotencyKey], asyncio.Lock] = WeakValueDictionary()

    async def once(
        self,
        user_id: str,
        key: IdempotencyKey,
        begin: Callable[[], Awaitable[T]],
        again: Callable[[KeptAnswer], Awaitable[T]],
    ) -> T:
        """What `begin` begins, which is to `reserve` it; where an equal request has done that, what is there `again`.

        It goes on to its end when the caller is cancelled. Raises KeyReused, IdempotencyInProgress, Gone for what is
        kept no longer, and what the two raise.
        """
        task = asyncio.create_task(self._in_turn(user_id, key, begin, again))
        self._beginnings.add(task)
        task.add_done_callback(self._beginnings.discard)
        return await asyncio.shield(task)

    async def found(self, user_id: str, key: IdempotencyKey, again: Callable[[KeptAnswer], Awaitable[T]]) -> T:
        """What is there `again` of what an equal request has begun. Raises KeyReused, Gone where that is nothing that
        is kept here, and what `again` raises."""
        async with self._turn(user_id, key):
            kept = await self._find(user_id, key)
            if kept is None:
                raise Gone
            return await again(kept)

    async def reserve(self, user_id: str, key: IdempotencyKey, answer_id: str, *, owner_id: str, model: str) -> None:
        """Put on record what is about to be made, before anything is asked of its model. Raises KeyRace."""
        async with self._database.transaction() as tx:
            remember(tx, user_id, key, answer_id)
            tx.kept_answers.add(answer_id, user_id=user_id, owner_id=owner_id, model=model)

    async def get(self, answer_id: str) -> KeptAnswer | None:
        return await self._database.now.kept_answers.find(answer_id)

    def is_elsewhere(self, kept: KeptAnswer) -> bool:
        """Whether it is being written by another instance. What neither that nor this one writes, and nobody has
        ended, is lost."""
        return kept.content is None and kept.owner_lives and kept.owner_id != self._engine.instance_id

    async def _in_turn(
        self,
        user_id: str,
        key: IdempotencyKey,
        begin: Callable[[], Awaitable[T]],
        again: Callable[[KeptAnswer], Awaitable[T]],
    ) -> T:
        async with self._turn(user_id, key):
            kept = await self._find(user_id, key)
            if kept is None:
                try:
                    return await begin()
                except (KeyRace, TooMany) as error:
                    # It may be this very request, come a moment earlier to another instance, where it is counted.
                    if isinstance(error, TooMany):
                        await asyncio.sleep(_ON_RECORD_WITHIN)
                    kept = await self._find(user_id, key)
                    if kept is None and isinstance(error, TooMany):
                        raise
                    if kept is None:
                        raise IdempotencyInProgress(retry_after=1) from error
            return await again(kept)

    def _turn(self, user_id: str, key: IdempotencyKey) -> asyncio.Lock:
        """Else those that came together would be counted against the limits before the first of them is on record, and
        that would look lost before it is begun."""
        return self._turns.setdefault((user_id, key), asyncio.Lock())

    async def _find(self, user_id: str, key: IdempotencyKey) -> KeptAnswer | None:
        async with self._database.snapshot() as tx:
            answer_id = await find_replay(tx, user_id, key)
            kept = await tx.kept_answers.find(answer_id) if answer_id is not None else None
        if answer_id is not None and kept is None:
            raise Gone
        return kept
