"""Vectors for whoever may ask for them again by an Idempotency-Key: made once, whether anybody waits or not."""

import asyncio
import logging
from collections.abc import Callable

from app.core.errors import AppError, DatabaseUnavailable, Draining, Gone, IdempotencyInProgress
from app.database import Database
from app.domain.embedding import Asked, Made
from app.domain.identity import Principal
from app.generation.engine import Engine
from app.repositories.base import new_id
from app.repositories.kept_answers import KeptAnswer
from app.services.embedding import EmbeddingService, Reserve
from app.services.idempotency import IdempotencyKey
from app.services.kept_answers import KeptAnswers
from app.services.kept_vectors import Failed, pack, pack_failure, unpack

logger = logging.getLogger(__name__)

_TOO_LARGE = b""

Making = asyncio.Task[bytes]
"""One that ends with what is kept, as `kept_vectors` has it."""


class KeptEmbedding:
    """`most_bytes` of one answer are kept; of a longer one only that it was given."""

    def __init__(
        self, *, database: Database, engine: Engine, embedding: EmbeddingService, kept: KeptAnswers, most_bytes: int
    ) -> None:
        self._database = database
        self._engine = engine
        self._embedding = embedding
        self._kept = kept
        self._most_bytes = most_bytes
        self._making: dict[str, Making] = {}

    async def embed(self, principal: Principal, name: str, asked: Asked, key: IdempotencyKey | None) -> Made:
        """As EmbeddingService.embed, and with a `key` once. Raises also KeyReused, IdempotencyInProgress, and Gone for
        what was too large to be kept."""
        if key is None:
            self._refuse_in_a_drain()
            return await self._embedding.embed(principal, name, asked)
        begun = await self._kept.once(
            principal.user.id, key, lambda: self._begin(principal, name, asked, key), self._again
        )
        content = await _end_of(begun) if isinstance(begun, asyncio.Task) else begun
        release = await self._embedding.place(principal.user.id)
        try:
            return await asyncio.to_thread(_made, content, release)
        except BaseException:
            release()
            raise

    async def drain(self, seconds: float) -> None:
        """Give what is being made so long to end by itself, and what is seen through for nobody."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        making = list(self._making.values())
        if making:
            await asyncio.wait(making, timeout=seconds)
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        await self._embedding.drain(max(0.0, until - loop.time()))

    def _refuse_in_a_drain(self) -> None:
        if self._engine.draining:
            raise Draining(retry_after=5)

    async def _begin(self, principal: Principal, name: str, asked: Asked, key: IdempotencyKey) -> Making | bytes | None:
        self._refuse_in_a_drain()
        answer_id = new_id()
        reserved: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def reserve(model: str) -> None:
            owner_id = self._engine.instance_id
            await self._kept.reserve(principal.user.id, key, answer_id, owner_id=owner_id, model=model)
            reserved.set_result(None)

        making = asyncio.create_task(self._make(principal, name, asked, answer_id, reserve, reserved))
        self._making[answer_id] = making
        making.add_done_callback(lambda _: self._making.pop(answer_id))
        await asyncio.wait((making, reserved), return_when=asyncio.FIRST_COMPLETED)
        return making if reserved.done() else await making

    async def _make(
        self,
        principal: Principal,
        name: str,
        asked: Asked,
        answer_id: str,
        reserve: Reserve,
        reserved: "asyncio.Future[None]",
    ) -> bytes:
        """Raises why it was refused before it was reserved; then nothing."""
        try:
            made = await self._embedding.embed(principal, name, asked, reserve)
            try:
                content = await asyncio.to_thread(pack, made.model, made.vectors, made.tokens)
            finally:
                made.release()
        except Exception as error:
            # The edge of a detached task: whoever comes back is to hear of it.
            if not reserved.done():
                raise
            if not isinstance(error, AppError):
                logger.exception("vectors could not be made", extra={"answer_id": answer_id})
            content = pack_failure(error)
        await self._keep(answer_id, content)
        return content

    async def _keep(self, answer_id: str, content: bytes) -> None:
        try:
            async with self._database.transaction() as tx:
                tx.kept_answers.end(answer_id, content if len(content) <= self._most_bytes else _TOO_LARGE)
        except DatabaseUnavailable:
            logger.exception("vectors could not be kept", extra={"answer_id": answer_id})

    async def _again(self, kept: KeptAnswer) -> Making | bytes | None:
        if kept.content is None:
            if kept.id in self._making or self._kept.is_elsewhere(kept):
                raise IdempotencyInProgress(retry_after=1)
            kept = await self._kept.get(kept.id) or kept  # it may have ended in between
        if kept.content == _TOO_LARGE:
            raise Gone("The answer to the first request with this Idempotency-Key was too large to be kept.")
        return kept.content


async def _end_of(making: Making) -> bytes:
    """Whoever leaves does not end it. Raises Draining."""
    await asyncio.wait({making})
    if making.cancelled():
        raise Draining(retry_after=5)
    return making.result()


def _made(content: bytes | None, release: Callable[[], None]) -> Made:
    kept = unpack(content)
    if isinstance(kept, Failed):
        raise kept.refusal()
    return Made(kept.model, kept.each(), kept.tokens, release)
