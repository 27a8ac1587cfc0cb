"""Finding the passages of a user's documents that answer a question."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.core.errors import MessageTooLong, NotFound, VectorsUnavailable
from app.core.metrics import Metrics
from app.database import Database
from app.domain import coverage
from app.domain.asking import LOOKED_AT, Meaning, Question, ask
from app.domain.documents import Collection, FoundChunk, IndexSpace
from app.domain.embedding import Bill, Embedder, EmbedderUnavailable, Reranker
from app.domain.findings import Findings, Hit, Quote
from app.domain.fusion import Ranked
from app.domain.indexed import terms, whole_text
from app.domain.quoting import quote
from app.domain.spaces import Site, is_of
from app.domain.vectors import Found, Space
from app.services.index import Index

logger = logging.getLogger(__name__)

_WHOLE = 5.5
"""Seconds that a search may take: whoever waits for it is told within six."""
_EMBEDDER_PATIENCE = 3.0
_RERANKED = 30
_LONGEST_QUESTION = 4000
"""Characters of one that count: nobody asks behind them, and an embedder takes no more."""
NOTHING = Findings([], answerable=False, confidence=0.0)


class Retrieval:
    """Searches of one user's documents. What the index says is looked up in the rows again: it is no authority."""

    def __init__(
        self,
        database: Database,
        index: Index,
        metrics: Metrics,
        *,
        embedder: Embedder | None,
        reranker: Reranker | None,
        max_question_chars: int,
    ) -> None:
        self._database = database
        self._index = index
        self._metrics = metrics
        self._embedder = embedder
        self._reranker = reranker
        self._max_question_chars = max_question_chars

    async def collections(self, user_id: str, names: Sequence[str]) -> Sequence[Collection]:
        """The user's collections of these names, in the order asked and each once. Raises NotFound for any that is
        unknown or somebody else's."""
        wanted = list(dict.fromkeys(names))
        found = {each.name: each for each in await self._database.now.collections.named(user_id, wanted)}
        if "" in wanted or not found.keys() >= set(wanted):
            raise NotFound("You have no collection of this name.")
        return [found[name] for name in wanted]

    async def find(
        self,
        user_id: str,
        question: str,
        collection_ids: Sequence[str],
        *,
        top_k: int,
        document_ids: Sequence[str] | None = None,
    ) -> Findings:
        """The best `top_k` chunks for a question, in these collections of the user's, or in these documents of them.

        Of collections and documents that are not the user's nothing is found. Raises VectorsUnavailable within 6 s
        where the index is away, DatabaseUnavailable, and MessageTooLong.
        """
        if len(question) > self._max_question_chars:
            raise MessageTooLong
        async with self._database.snapshot() as tx:
            spaces = await tx.index.spaces()
            passages = await tx.documents.chunk_count(user_id)
        if not passages:
            return NOTHING
        try:
            async with asyncio.timeout(_WHOLE):
                space = await self._space(spaces)
                asked = await self._asked(user_id, question[:_LONGEST_QUESTION], space)
                query = asked.query(collection_ids, document_ids)
                store = await self._index.store()
                found = await store.search(Space(space.name, space.dimensions), user_id, query)
        except TimeoutError as error:
            raise VectorsUnavailable(retry_after=1) from error
        ranked = asked.ranked(found)
        # Twice as many as are wanted: copies of one text are shown once.
        count = max(2 * top_k, LOOKED_AT if self._reranker is None else _RERANKED)
        rows = await self._rows(user_id, collection_ids, ranked, count)
        best = await self._reranked(asked, [each for each in ranked if each.passage_id in rows][:count], rows)
        return await asyncio.to_thread(_judged, asked, found, best, rows, top_k, passages)

    async def _space(self, spaces: Sequence[IndexSpace]) -> IndexSpace:
        """The one that is asked."""
        await self._index.store()
        for space in spaces:
            if space.current and Site.of(space.name).place == self._index.name:
                return space
        raise VectorsUnavailable("The index of your documents is being made; it takes a while.", retry_after=10)

    async def _asked(self, user_id: str, question: str, space: IndexSpace) -> Question:
        asked = await asyncio.to_thread(ask, question)
        if self._embedder is None or not is_of(space, self._embedder):
            return asked
        return replace(asked, meaning=await self._meaning(self._embedder, user_id, question, space.dimensions))

    async def _meaning(self, embedder: Embedder, user_id: str, question: str, dimensions: int | None) -> Meaning | None:
        """None where the embedder is away, or late, or makes other vectors than it did."""
        try:
            async with asyncio.timeout(_EMBEDDER_PATIENCE):
                embedded = await embedder.embed_question(question)
        except EmbedderUnavailable as error:
            await self._book(user_id, error.bill)
            reason = error.reason
        except TimeoutError:
            reason = "late"
        else:
            await self._book(user_id, embedded.bill)
            if len(embedded.vectors[0]) == dimensions:
                return Meaning(embedded.vectors[0], embedder.scripts)
            reason = "other_dimensions"
        self._metrics.searched_without_meaning()
        logger.warning("a search goes by terms alone", extra={"reason": reason})
        return None

    async def _book(self, user_id: str, bill: Bill) -> None:
        if bill.attempt is not None:
            async with self._database.transaction(durable=False) as tx:
                tx.usage.book_embedding(user_id, bill)

    async def _rows(
        self, user_id: str, collection_ids: Sequence[str], ranked: Sequence[Ranked], count: int
    ) -> Mapping[str, FoundChunk]:
        """Of the best so many that are to be had."""
        rows: dict[str, FoundChunk] = {}
        for first in range(0, len(ranked), count):
            batch = [each.passage_id for each in ranked[first : first + count]]
            rows |= await self._true(user_id, collection_ids, batch)
            if len(rows) >= count:
                break
        return rows

    async def _true(
        self, user_id: str, collection_ids: Sequence[str], passage_ids: Sequence[str]
    ) -> Mapping[str, FoundChunk]:
        """Those that are the user's still, and stand on their page word for word."""
        async with self._database.snapshot() as tx:
            found = await tx.chunks.found(user_id, collection_ids, passage_ids)
            standing = await tx.chunks.standing(list(found))
        true = {each: row for each, row in found.items() if standing.get(each) == row.chunk.text}
        if untrue := found.keys() - true.keys():
            self._metrics.dropped_quotes(len(untrue))
            logger.error("passages are not on their page", extra={"chunks": sorted(untrue)})
        return true

    async def _reranked(
        self, asked: Question, best: Sequence[Ranked], rows: Mapping[str, FoundChunk]
    ) -> Sequence[Ranked]:
        """In the reranker's order, if there is one. The scores stay where they are: the first has the highest."""
        if self._reranker is None or len(best) < 2:
            return best
        texts = [whole_text(row.title, row.chunk) for row in (rows[each.passage_id] for each in best)]
        order = await self._reranker.order(asked.text, texts)
        return [replace(best[number], score=place.score) for number, place in zip(order, best, strict=True)]


def _judged(
    asked: Question,
    found: Found,
    best: Sequence[Ranked],
    rows: Mapping[str, FoundChunk],
    top_k: int,
    passages: int,
) -> Findings:
    distinct = {rows[each.passage_id].chunk.text: each for each in reversed(best)}
    shown = [each for each in best if distinct[rows[each.passage_id].chunk.text] is each][:top_k]
    hits = [Hit(rows[each.passage_id], each.score, _quote(asked, rows[each.passage_id])) for each in shown]
    ids = [each.passage_id for each in best]
    confidence = asked.confidence(found, ids, lambda each: terms(rows[each].title, rows[each].chunk), passages)
    return Findings(hits, bool(hits) and confidence >= coverage.ENOUGH, confidence)


def _quote(asked: Question, row: FoundChunk) -> Quote:
    start, end = quote(asked.terms, row.chunk.text)
    return Quote(row.chunk.start + start, row.chunk.start + end, row.chunk.text[start:end])
