"""The index compared with the rows, both ways: what is in one alone, it is to learn."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from app.core.metrics import Metrics
from app.database import Database
from app.domain.spaces import Site
from app.domain.vectors import Space
from app.repositories.documents import Held
from app.services.index import Index

logger = logging.getLogger(__name__)

_USERS_AT_ONCE = 200
_DOCUMENTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """How many documents the index had that are not there, and how many it had not, or not as they are."""

    orphans: int = 0
    missing: int = 0

    def __bool__(self) -> bool:
        return bool(self.orphans or self.missing)


class IndexSweeper:
    """It changes nothing itself: it notes what is to be looked at again. What is noted already is nobody's fault."""

    def __init__(self, database: Database, index: Index, metrics: Metrics) -> None:
        self._database = database
        self._index = index
        self._metrics = metrics

    async def sweep(self, space: Space) -> Swept:
        """Look at everything once. Raises VectorsUnavailable, DatabaseUnavailable."""
        orphans = missing = 0
        done: set[str] = set()
        async for user_id in self._owners():
            done.add(user_id)
            found = await self._sweep_user(space, user_id)
            orphans, missing = orphans + found.orphans, missing + found.missing
        for user_id in await self._index.kept.tenants(space):
            if user_id not in done:
                orphans += (await self._sweep_user(space, user_id)).orphans
        if orphans or missing:
            logger.warning("the index was not what it should be", extra={"orphans": orphans, "missing": missing})
        self._metrics.swept(orphans, missing)
        return Swept(orphans, missing)

    async def is_whole(self, space: Space) -> bool:
        """Whether it has every document that is ready. Raises VectorsUnavailable, DatabaseUnavailable."""
        async for user_id in self._owners():
            began = monotonic()
            rows = await self._rows(user_id)
            there = await self._index.kept.documents(space, user_id)
            if not all(_agree(row, there.get(each, 0)) for each, row in rows.items() if row.ready):
                return False
            await asyncio.sleep(monotonic() - began)
        return True

    async def drop_strangers(self) -> None:
        """Forget spaces that no row speaks of: all in a folder, which is ours alone; on a server those of this
        database's documents. And what such a space was still told while it went. Raises VectorsUnavailable,
        DatabaseUnavailable.
        """
        async with self._database.transaction(durable=False) as tx:
            await tx.index.forget_strangers()
        there = await self._index.kept.spaces()
        known = {row.name for row in await self._database.now.index.spaces()}
        homes = {Site.of(name).home for name in known}
        for name in there:
            if name not in known and (not self._index.shared or Site.of(name).home in homes):
                logger.warning("a space of the index that nobody knows is dropped")
                await self._index.kept.drop(name)

    async def _owners(self) -> AsyncIterator[str]:
        after = ""
        while found := await self._database.now.documents.owners(after=after, limit=_USERS_AT_ONCE):
            for user_id in found:
                yield user_id
            after = found[-1]

    async def _sweep_user(self, space: Space, user_id: str) -> Swept:
        began = monotonic()
        rows = await self._rows(user_id)
        there = await self._index.kept.documents(space, user_id)
        doubtful = _doubtful(rows, there)
        if doubtful:
            # What was noted by the first look, and is learnt by the second, is nobody's fault.
            noted = await self._noted(space, doubtful)
            there = await self._index.kept.documents(space, user_id)
            doubtful = sorted(set(doubtful).intersection(_doubtful(rows, there)).difference(noted))
        found = Swept()
        for first in range(0, len(doubtful), _DOCUMENTS_AT_ONCE):
            part = await self._confirmed(space, user_id, doubtful[first : first + _DOCUMENTS_AT_ONCE], rows, there)
            found = Swept(found.orphans + part.orphans, found.missing + part.missing)
        await asyncio.sleep(monotonic() - began)
        return found

    async def _rows(self, user_id: str) -> Mapping[str, Held]:
        rows: dict[str, Held] = {}
        after = ""
        while found := await self._database.now.documents.indexed(user_id, after=after, limit=_DOCUMENTS_AT_ONCE):
            rows |= {each.document_id: each for each in found}
            after = found[-1].document_id
        return rows

    async def _noted(self, space: Space, document_ids: Sequence[str]) -> Collection[str]:
        noted: set[str] = set()
        for first in range(0, len(document_ids), _DOCUMENTS_AT_ONCE):
            part = document_ids[first : first + _DOCUMENTS_AT_ONCE]
            noted.update(await self._database.now.index.noted(space.name, part))
        return noted

    async def _confirmed(
        self, space: Space, user_id: str, doubtful: Sequence[str], rows: Mapping[str, Held], there: Mapping[str, int]
    ) -> Swept:
        """Note those that are not being looked at anyway, and are now as they were a moment ago."""
        orphans: list[str] = []
        missing: list[str] = []
        async with self._database.transaction(durable=False) as tx:
            noted = await tx.index.noted(space.name, doubtful)
            now = await tx.documents.held(user_id, doubtful)
            for document_id in doubtful:
                held = now.get(document_id)
                if document_id not in noted and held == rows.get(document_id):
                    (missing if held else orphans).append(document_id)
            tx.index.note(space.name, user_id, [*orphans, *missing])
        return Swept(len(orphans), len(missing))


def _doubtful(rows: Mapping[str, Held], there: Mapping[str, int]) -> Sequence[str]:
    names: Iterable[str] = rows.keys() | there.keys()
    return [each for each in sorted(names) if not _agree(rows.get(each), there.get(each, 0))]


def _agree(row: Held | None, points: int) -> bool:
    """A document that is not ready yet is to be learnt, however much of it is there."""
    return points == 0 if row is None else row.ready and row.chunk_count == points
