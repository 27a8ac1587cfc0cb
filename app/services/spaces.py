"""The spaces of the index: made, filled from the rows, switched to when they have learnt all, and dropped."""

import asyncio
import logging
from collections.abc import Sequence

from app.database import Database, Transaction
from app.domain.documents import IndexSpace
from app.domain.embedding import Embedder, EmbedderUnavailable
from app.domain.spaces import Site, is_of, word
from app.domain.vectors import Space
from app.repositories.base import new_id
from app.services.index import DUTY, Index
from app.services.index_learning import Target
from app.services.index_sweeper import IndexSweeper

logger = logging.getLogger(__name__)

_NOTED_AT_ONCE = 100
_LOOKED_AT_EACH = 30.0
"""Seconds after which it is looked whether the spaces are still there: a server may be emptied by others."""
_EMBEDDER_PATIENCE = 10.0
_EMBEDDER_ASKED_EACH = 30.0
OLD_FOR = 20.0
"""Seconds for which a space is kept that is no longer asked: somebody may be about to. It learns no deletions."""


class Spaces:
    """For whoever is on duty. Every call raises VectorsUnavailable and DatabaseUnavailable."""

    def __init__(
        self,
        database: Database,
        index: Index,
        embedder: Embedder | None,
        sweeper: IndexSweeper,
        *,
        old_for: float = OLD_FOR,
    ) -> None:
        self._database = database
        self._index = index
        self._embedder = embedder
        self._sweeper = sweeper
        self._old_for = old_for
        self._looked_at: float | None = None
        self._embedder_asked_at: float | None = None
        self._old_since: dict[str, float] = {}

    def doubt(self) -> None:
        """Look again whether they are there."""
        self._looked_at = None

    async def tend(self) -> Sequence[Target]:
        """Do what is due; answers those that learn, the one that is asked first."""
        rows = await self._database.now.index.spaces()
        if not rows and not await self._database.now.documents.all_indexed(after="", limit=1):
            return []  # who brings no documents needs no engine
        site = self._site(rows)
        await self._look(site, rows)
        wanted = await self._wanted(site, rows)
        if wanted.name not in {row.name for row in rows}:
            await self._make(wanted)
        here = await self._here(site)
        for row in here:
            await self._fill(row, asked=any(each.current for each in here))
        await self._switch(site, wanted)
        await self._drop(site, wanted)
        return self._targets(await self._here(site), wanted)

    def _site(self, rows: Sequence[IndexSpace]) -> Site:
        if self._index.name is None:
            raise RuntimeError("who is on duty has the place")
        home = Site.of(rows[0].name).home if rows else word(new_id())
        return Site(home, self._index.name)

    async def _here(self, site: Site) -> Sequence[IndexSpace]:
        return [row for row in await self._database.now.index.spaces() if site.holds(row.name)]

    async def _look(self, site: Site, rows: Sequence[IndexSpace]) -> None:
        """Whether all are there as the rows say; one that is not is filled anew."""
        now = _now()
        if self._looked_at is not None and now - self._looked_at < _LOOKED_AT_EACH:
            return
        there = await self._index.kept.spaces()
        for row in rows:
            if site.holds(row.name):
                await self._index.kept.open(Space(row.name, row.dimensions))
                if row.name not in there:
                    await self._begin_anew(row)
        self._looked_at = now

    async def _begin_anew(self, row: IndexSpace) -> None:
        logger.warning("a space of the index was lost, and is filled again from the documents")
        async with self._database.transaction() as tx:
            if await tx.index.hold_duty(DUTY, self._index.holder):
                tx.index.begin_anew(row.name)
                if not await tx.documents.any_ready():
                    await tx.index.switch(row.name)

    async def _wanted(self, site: Site, rows: Sequence[IndexSpace]) -> Space:
        """The space of today's rules and embedder. What vectors an embedder makes that is away is not known: until it
        is, its last space will do, else whatever there is, else terms alone."""
        if self._embedder is None:
            return site.space(None, None)
        dimensions = await self._dimensions(self._embedder)
        if dimensions is not None:
            return site.space(self._embedder, dimensions)
        here = [row for row in rows if site.holds(row.name)]
        own = [row for row in here if is_of(row, self._embedder)]
        for row in (*reversed(own), *(row for row in here if row.current)):
            return Space(row.name, row.dimensions)
        return site.space(None, None)

    async def _dimensions(self, embedder: Embedder) -> int | None:
        asked = self._embedder_asked_at
        if asked is not None and _now() - asked < _EMBEDDER_ASKED_EACH:
            return None
        try:
            async with asyncio.timeout(_EMBEDDER_PATIENCE):
                dimensions = await embedder.dimensions()
        except (EmbedderUnavailable, TimeoutError) as error:
            self._embedder_asked_at = _now()
            reason = error.reason if isinstance(error, EmbedderUnavailable) else "late"
            logger.warning("the embedder does not answer", extra={"reason": reason})
            return None
        self._embedder_asked_at = None
        return dimensions

    async def _make(self, space: Space) -> None:
        """Empty, whatever may be there under its name: nobody has kept it up. Where nobody counts on finding anything
        yet, it is asked at once."""
        await self._index.kept.drop(space.name)
        await self._index.kept.open(space)
        async with self._database.transaction() as tx:
            if not await tx.index.hold_duty(DUTY, self._index.holder):
                return
            tx.index.add_space(IndexSpace(space.name, space.dimensions, current=False, filled_to=""))
            if not await tx.documents.any_ready():
                await tx.index.switch(space.name)
        logger.info("a space of the index is being filled")

    async def _fill(self, row: IndexSpace, *, asked: bool) -> None:
        """Note some more documents, once it has learnt most of the last ones. Where none is `asked`, nobody finds
        anything until all are noted: there those are not waited for whose embedder is away."""
        if row.filled_to is None:
            return
        async with self._database.transaction() as tx:
            waiting = await tx.index.next(row.name, limit=_NOTED_AT_ONCE)
            if (asked and len(waiting) == _NOTED_AT_ONCE) or not await tx.index.hold_duty(DUTY, self._index.holder):
                return
            found = await tx.documents.all_indexed(after=row.filled_to, limit=_NOTED_AT_ONCE)
            _note(tx, row.name, found)
            tx.index.filled(row.name, found[-1][0] if len(found) == _NOTED_AT_ONCE else None)

    async def _switch(self, site: Site, wanted: Space) -> None:
        rows = {row.name: row for row in await self._here(site)}
        row = rows.get(wanted.name)
        if row is None or row.current or row.filled_to is not None:
            return
        old = next((each.name for each in rows.values() if each.current), None)
        if not await self._has_caught_up(wanted, asked=old):
            return
        async with self._database.transaction() as tx:
            if not await tx.index.hold_duty(DUTY, self._index.holder):
                return
            # Somebody may wait for what the old one has yet to learn, and the new one may have learnt already.
            left = await tx.index.next(old, limit=_NOTED_AT_ONCE) if old else ()
            if len(left) == _NOTED_AT_ONCE:
                return
            for change in left:
                tx.index.note(wanted.name, change.user_id, [change.document_id])
            await tx.index.switch(wanted.name)
        logger.info("documents are looked for in another space of the index from now on")

    async def _has_caught_up(self, space: Space, *, asked: str | None) -> bool:
        """Where another is asked meanwhile: all that there is to learn, for what is ready is to be found. Where none is
        nobody finds anything: what is ready will do, however much comes after it, and if need be by terms alone."""
        waits = bool(await self._database.now.index.next(space.name, limit=1))
        if asked is not None:
            return not waits and not await self._sweeper.sweep(space)
        if await self._sweeper.is_whole(space):
            return True
        if not waits:
            await self._sweeper.sweep(space)
        return False

    async def _drop(self, site: Site, wanted: Space) -> None:
        """What is neither asked nor wanted."""
        rows = await self._database.now.index.spaces()
        kept = {wanted.name} | {row.name for row in rows if row.current}
        old = {row.name for row in rows} - kept
        self._old_since = {name: self._old_since.get(name, _now()) for name in old}
        for name, since in self._old_since.items():
            if _now() - since < self._old_for:
                continue
            if site.holds(name):
                await self._index.kept.drop(name)
            async with self._database.transaction() as tx:
                tx.index.drop_space(name)

    def _targets(self, rows: Sequence[IndexSpace], wanted: Space) -> Sequence[Target]:
        """The one that is asked and the one that is to be; where none is asked yet, that one leads."""
        learning = [row for row in rows if row.current or row.name == wanted.name]
        learning.sort(key=lambda row: not row.current)
        return [
            Target(Space(row.name, row.dimensions), number == 0, self._embedder_of(row), row.filled_to is None)
            for number, row in enumerate(learning)
        ]

    def _embedder_of(self, row: IndexSpace) -> Embedder | None:
        return self._embedder if self._embedder is not None and is_of(row, self._embedder) else None


def _note(tx: Transaction, space: str, found: Sequence[tuple[str, str]]) -> None:
    by_user: dict[str, list[str | None]] = {}
    for document_id, user_id in found:
        by_user.setdefault(user_id, []).append(document_id)
    for user_id, document_ids in by_user.items():
        tx.index.note(space, user_id, document_ids)


def _now() -> float:
    return asyncio.get_running_loop().time()
