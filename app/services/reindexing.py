"""The standing work of making search entries where they were left for later: of old rows, of copies, of new rules."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.entries import Entry, entries
from app.repositories.reindexing import Part

logger = logging.getLogger(__name__)

_AT_ONCE = 20
"""Conversations looked up at a time."""
_EACH = 60.0
"""Seconds after which it looks without being asked: another instance may have left something behind."""
_AWAY = 5.0


class Reindexing:
    """Requests come first: after each part it rests for as long as the part took.

    Several instances may work on one conversation, which costs time and nothing else.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked = asyncio.Event()

    def wake(self) -> None:
        """Say that a conversation was committed whose entries are to be made."""
        self._asked.set()

    async def run_forever(self) -> None:
        while True:
            self._asked.clear()
            try:
                await self.catch_up()
            except DatabaseUnavailable:
                logger.warning("search entries wait for the database")
                await asyncio.sleep(_AWAY)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_EACH):
                    await self._asked.wait()

    async def catch_up(self) -> None:
        """Make the entries of all conversations that are behind. Raises DatabaseUnavailable."""
        after, count = "", 0
        while found := await self._behind(after):
            for conversation_id in found:
                await self._try(conversation_id)
            after, count = found[-1], count + len(found)
        if count:
            logger.info("search entries were made", extra={"conversations": count})

    async def _behind(self, after: str) -> Sequence[str]:
        async with self._database.snapshot() as tx:
            return await tx.reindexing.behind(after=after, limit=_AT_ONCE)

    async def _try(self, conversation_id: str) -> None:
        """One that cannot be done must not keep the others from it."""
        try:
            await self._reindex(conversation_id)
        except DatabaseUnavailable:
            raise
        except Exception:
            logger.exception("a conversation got no search entries", extra={"conversation_id": conversation_id})

    async def _reindex(self, conversation_id: str) -> None:
        """In order of position, from the beginning: a crash or a second instance leaves nothing twice."""
        after = 0
        while (began := monotonic()) and (part := await self._part(conversation_id, after)) is not None:
            await self._write(conversation_id, part, await asyncio.to_thread(_written, part))
            after = part.upto
            await asyncio.sleep(monotonic() - began)

    async def _part(self, conversation_id: str, after: int) -> Part | None:
        async with self._database.snapshot() as tx:
            return await tx.reindexing.part(conversation_id, after=after)

    async def _write(self, conversation_id: str, part: Part, written: Mapping[str, Sequence[Entry]]) -> None:
        async with self._database.transaction(durable=False) as tx:
            title = await tx.reindexing.enter(conversation_id)
            if title is None:
                return  # it has gone, or another instance has finished it
            tx.search.replace(conversation_id, written)
            if part.ends:
                tx.search.retitle(part.user_id, conversation_id, title)
                tx.reindexing.done(conversation_id)


def _written(part: Part) -> Mapping[str, Sequence[Entry]]:
    return {message_id: entries(part.user_id, text) for message_id, text in part.texts.items()}
