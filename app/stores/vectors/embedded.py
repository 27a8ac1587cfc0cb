"""The index in a folder of this machine, by an engine in a process of its own."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextvars import Context
from pathlib import Path
from typing import TypeVar

from app.core.errors import VectorsUnavailable
from app.domain.vectors import Found, Point, Query, Space
from app.stores.breaker import Away, Breaker
from app.stores.vectors import words
from app.stores.vectors.checks import batches, check_query, finds_nothing
from app.stores.vectors.folder import Folder, FolderInUse
from app.stores.vectors.life import STALL, Crowded, Died, Life
from app.stores.vectors.naming import check_space_name

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=words.Answer)


class EmbeddedVectors:
    """A VectorStore. The process is begun with the first call, and again when it has died; what it had acknowledged is
    there again. Each call waits `patience` seconds at most, once for every few points that it writes; a process that
    gives no answer at all for `stall` seconds is killed.
    """

    def __init__(self, folder: Path, *, patience: float, stall: float = STALL) -> None:
        self._stall = stall
        self._folder = Folder(folder)
        self._beginning: asyncio.Task[Life] | None = None
        self._closed = False
        self._breaker = Breaker("vectors", self._probe, (Died, OSError, FolderInUse), patience=patience)

    @property
    def away(self) -> bool:
        return self._breaker.open

    @property
    def pid(self) -> int | None:
        """Of the engine's process, while one lives."""
        begun = self._begun()
        return None if begun is None or begun.over else begun.pid

    async def claim(self, patience: float | None = None) -> str:
        """Make sure that nobody else has the folder, before anything is asked; answers what it calls itself. Waits for
        a service that is about to go. Raises FolderInUse, OSError.
        """
        await asyncio.to_thread(self._folder.claim, *(() if patience is None else (patience,)))
        return await asyncio.to_thread(self._folder.name)

    async def open(self, space: Space) -> None:
        check_space_name(space.name)
        await self._ask(words.Open(space.name, space.dimensions), words.Done)

    async def upsert(self, space: Space, tenant: str, points: Sequence[Point]) -> None:
        for batch in batches(space, points):
            await self._ask(words.Upsert(space.name, tenant, [words.Row.of(point) for point in batch]), words.Done)

    async def delete(self, space: Space, tenant: str, *, document_id: str | None = None) -> None:
        check_space_name(space.name)
        await self._ask(words.Delete(space.name, tenant, document_id), words.Done)

    async def search(self, space: Space, tenant: str, query: Query) -> Found:
        check_query(space, query)
        if finds_nothing(query):
            return Found({}, {})
        hits = await self._ask(words.Search.of(space.name, tenant, query), words.Hits)
        return Found(dict(hits.sparse), dict(hits.dense))

    async def documents(self, space: Space, tenant: str) -> Mapping[str, int]:
        check_space_name(space.name)
        return (await self._ask(words.Documents(space.name, tenant), words.Counts)).by_document

    async def tenants(self, space: Space) -> Sequence[str]:
        check_space_name(space.name)
        return (await self._ask(words.Tenants(space.name), words.Names)).names

    async def spaces(self) -> Sequence[str]:
        return (await self._ask(words.Spaces(), words.Names)).names

    async def drop(self, space_name: str) -> None:
        check_space_name(space_name)
        await self._ask(words.Drop(space_name), words.Done)

    async def close(self) -> None:
        """What was asked is done and saved, and the folder is free. Harmless when it was never used."""
        self._closed = True
        await self._breaker.aclose()
        if self._beginning is not None:
            await asyncio.wait({self._beginning})
        if (begun := self._begun()) is not None:
            await begun.end()
        self._folder.leave()

    async def _ask(self, request: words.Request, kind: type[A]) -> A:
        try:
            answer = await self._breaker.call(lambda: self._ask_twice(request))
        except (Away, Crowded) as error:
            raise VectorsUnavailable(retry_after=1) from error
        if isinstance(answer, kind):
            return answer
        said = answer.said if isinstance(answer, words.Failed) else type(answer).__name__
        logger.error("the engine did not do it", extra={"asked": type(request).__name__, "said": said})
        raise VectorsUnavailable

    async def _ask_twice(self, request: words.Request) -> words.Answer:
        """Of whoever lives, and once more if it dies over it: to do again what was done already changes nothing."""
        try:
            return await (await self._living()).ask(request)
        except Died:
            return await (await self._living()).ask(request)

    async def _probe(self) -> None:
        await self._ask_twice(words.Ping())

    async def _living(self) -> Life:
        """The process, begun anew where it is dead. Who is cancelled here gives up waiting; it begins all the same."""
        if self._closed:
            raise VectorsUnavailable
        begun = self._begun()
        if self._beginning is None or (self._beginning.done() and (begun is None or begun.over)):
            self._beginning = asyncio.get_running_loop().create_task(self._begin(begun), context=Context())
            self._beginning.add_done_callback(_look_at)
        return await asyncio.shield(self._beginning)

    async def _begin(self, before: Life | None) -> Life:
        if before is not None:
            await before.end()
            logger.warning("the vector engine died, and is begun again")
        lock = await asyncio.to_thread(self._folder.claim)
        return await Life.begin(self._folder.path, lock, self._stall)

    def _begun(self) -> Life | None:
        """What the latest beginning led to."""
        task = self._beginning
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()


def _look_at(task: asyncio.Task[Life]) -> None:
    """That it failed is told to who waits; if nobody does any more, asyncio need not complain."""
    if not task.cancelled():
        task.exception()
