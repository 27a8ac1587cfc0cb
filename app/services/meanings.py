"""What passages mean, as vectors: asked of an embedder some at a time, booked, and told apart where it refuses some."""

import logging
from collections.abc import Sequence

from app.database import Database
from app.domain.documents import Chunk, Document
from app.domain.embedding import Bill, Embedder, EmbedderUnavailable, Vector
from app.domain.indexed import whole_text

logger = logging.getLogger(__name__)

_REFUSED = "rejected"
"""The reason of an embedder that is there, and does not take what it was given."""
_WORD = "embedding"
"""What every embedder takes that takes anything."""


class Meanings:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, embedder: Embedder, document: Document, chunks: Sequence[Chunk]
    ) -> Sequence[Vector | None] | None:
        """A vector for each chunk; none for one whose text the embedder refuses, today as tomorrow: to ask for it again
        and again would cost the others' price each time. None while it is away, or refuses everything.
        """
        texts = [whole_text(document.title, chunk) for chunk in chunks]
        try:
            return await self._asked(embedder, document, texts)
        except EmbedderUnavailable as error:
            reason = error.reason
        if reason == _REFUSED:
            try:
                return await self._one_by_one(embedder, document, texts)
            except EmbedderUnavailable as error:
                reason = error.reason
        logger.warning("a document is indexed by its terms alone", extra={"reason": reason})
        return None

    async def _one_by_one(
        self, embedder: Embedder, document: Document, texts: Sequence[str]
    ) -> Sequence[Vector | None]:
        await self._asked(embedder, document, [_WORD])  # else it is not these texts' fault
        vectors = [await self._if_taken(embedder, document, text) for text in texts]
        refused = sum(vector is None for vector in vectors)
        logger.warning(
            "the embedder refuses passages", extra={"document_id": document.id, "passages": refused, "of": len(texts)}
        )
        return vectors

    async def _if_taken(self, embedder: Embedder, document: Document, text: str) -> Vector | None:
        try:
            return (await self._asked(embedder, document, [text]))[0]
        except EmbedderUnavailable as error:
            if error.reason != _REFUSED:
                raise
            return None

    async def _asked(self, embedder: Embedder, document: Document, texts: Sequence[str]) -> Sequence[Vector]:
        try:
            embedded = await embedder.embed_passages(texts)
        except EmbedderUnavailable as error:
            await self._book(document.user_id, error.bill)
            raise
        await self._book(document.user_id, embedded.bill)
        return embedded.vectors

    async def _book(self, user_id: str, bill: Bill) -> None:
        if bill.attempt is not None:
            async with self._database.transaction(durable=False) as tx:
                tx.usage.book_embedding(user_id, bill)
