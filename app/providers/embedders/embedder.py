"""An embedder over one source: batches, retries, what is too much for the server, and what all of it cost."""

import asyncio
import time
from collections.abc import Collection, Sequence
from contextvars import Context

from app.domain.embedding import Embedded, EmbedderUnavailable, Vector
from app.domain.failures import GenerationFailure
from app.domain.scripts import Script
from app.providers.embedders.billing import Biller, Tally
from app.providers.embedders.known import Traits
from app.providers.embedders.naming import slug
from app.providers.embedders.patience import patiently
from app.providers.embedders.source import Kind, Source, TooMuch
from app.providers.embedders.texts import batches, prepared
from app.providers.embedders.vectors import WrongVectors, units
from app.providers.embedders.waking import Waking

_PLACES = {Kind.QUESTION: 16, Kind.PASSAGE: 2}
"""Calls at once. A server that is asked more only keeps them waiting itself; questions have places of their own."""
_SHORTEST = 64
"""Characters: a text that is refused with fewer is not refused for its length."""
_FEW = 4
"""Vectors, for which another thread is not worth its while."""
_NUMBERS = 2**16
"""Of one answer: to decode them holds up everything else for 10 ms."""
_WORD = "embedding"


class SourceEmbedder:
    """An Embedder. What a server refuses as too much is tried in halves, and texts by their beginnings; how many texts
    it took at last is kept in mind."""

    def __init__(self, name: str, source: Source, traits: Traits, dimensions: int | None, biller: Biller) -> None:
        self._name = name
        self._source = source
        self._traits = traits
        self._prefixes = {Kind.QUESTION: traits.question, Kind.PASSAGE: traits.passage}
        self._slug = slug(name, traits, dimensions)
        self._dimensions = dimensions
        self._biller = biller
        self._at_once = source.at_once
        self._places = {kind: asyncio.Semaphore(places) for kind, places in _PLACES.items()}
        self._finding: asyncio.Task[Embedded] | None = None
        self._waking = Waking(lambda: source.ask([_WORD], Kind.QUESTION))
        self._closed = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def source(self) -> Source:
        """What it asks, for whoever asks the same in another way; it is closed with this."""
        return self._source

    @property
    def slug(self) -> str:
        return self._slug

    @property
    def scripts(self) -> Collection[Script] | None:
        return self._traits.scripts

    async def dimensions(self) -> int:
        if self._dimensions is None:
            if self._finding is None or self._finding.done():
                # In nobody's context, for others may wait for it when who began has left.
                work = self._embed([_WORD], Kind.QUESTION)
                self._finding = asyncio.get_running_loop().create_task(work, context=Context())
                self._finding.add_done_callback(_look_at)
            found = await asyncio.shield(self._finding)
            return len(found.vectors[0])
        return self._dimensions

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        return await self._embed(texts, Kind.PASSAGE)

    async def embed_question(self, text: str) -> Embedded:
        if self._waking.under_way:
            raise EmbedderUnavailable("waking", bill=await self._biller.bill(Tally()))
        began = time.monotonic()
        try:
            return await self._embed([text], Kind.QUESTION)
        except (EmbedderUnavailable, asyncio.CancelledError):
            if not self._closed:
                self._waking.waited(time.monotonic() - began)
            raise

    async def aclose(self) -> None:
        self._closed = True
        await self._waking.cancel()
        if self._finding is not None:
            self._finding.cancel()
        await self._source.aclose()

    async def _embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        tally = Tally()
        try:
            async with self._places[kind]:
                vectors = await self._all([prepared(text, self._prefixes[kind]) for text in texts], kind, tally)
        except GenerationFailure as failure:
            reason, lasting = failure.code.value, not failure.retryable
            bill = await self._biller.bill(tally, reason)
            raise EmbedderUnavailable(reason, bill=bill, lasting=lasting, retry_after=failure.retry_after) from failure
        except WrongVectors as wrong:
            bill = await self._biller.bill(tally, "wrong_vectors")
            raise EmbedderUnavailable("wrong_vectors", bill=bill, lasting=wrong.other) from wrong
        except TooMuch as refused:
            bill = await self._biller.bill(tally, "rejected")
            raise EmbedderUnavailable("rejected", bill=bill, lasting=True) from refused
        return Embedded(vectors, await self._biller.bill(tally))

    async def _all(self, texts: Sequence[str], kind: Kind, tally: Tally) -> Sequence[Vector]:
        vectors: list[Vector] = []
        for batch in batches(texts, min(self._at_once, max(1, _NUMBERS // (self._dimensions or 1)))):
            vectors += await self._halved(batch, kind, tally)
        return vectors

    async def _halved(self, texts: Sequence[str], kind: Kind, tally: Tally) -> Sequence[Vector]:
        """The left half first: where everything is refused, that ends it after ten requests or so."""
        try:
            return await self._asked(texts, kind, tally)
        except TooMuch:
            if len(texts) == 1:
                return await self._shortened(texts[0], kind, tally)
        half = (len(texts) + 1) // 2
        shortened = tally.shortened
        vectors = [*await self._halved(texts[:half], kind, tally), *await self._halved(texts[half:], kind, tally)]
        if tally.shortened == shortened:
            self._at_once = min(self._at_once, half)  # so they were too many, and none was too long
        return vectors

    async def _shortened(self, text: str, kind: Kind, tally: Tally) -> Sequence[Vector]:
        while len(text) > _SHORTEST:
            text = text[: len(text) // 2]
            tally.shortened += 1
            try:
                return await self._asked([text], kind, tally)
            except TooMuch:
                continue
        raise TooMuch

    async def _asked(self, texts: Sequence[str], kind: Kind, tally: Tally) -> Sequence[Vector]:
        reply = await patiently(lambda: self._source.ask(texts, kind), kind, lambda: self._closed)
        tally.add(texts, reply.tokens)
        given = reply.vectors, len(texts), self._dimensions
        found = units(*given) if len(texts) <= _FEW else await asyncio.to_thread(units, *given)
        self._dimensions = self._dimensions or len(found[0])
        return found


def _look_at(finding: asyncio.Task[Embedded]) -> None:
    """Where nobody waited to the end, nobody is to be told of its failure."""
    if not finding.cancelled():
        finding.exception()
