"""The index as this process has it: whether it may be asked here, where it is, and who of all processes keeps it up."""

import asyncio
import logging
from contextlib import suppress
from typing import Literal

from app.core.errors import DatabaseUnavailable, VectorsUnavailable
from app.database import Database
from app.domain.vectors import VectorStore
from app.repositories.base import new_id
from app.repositories.indexing import DutyTaken
from app.stores.vectors.places import Place

logger = logging.getLogger(__name__)

State = Literal["ok", "away", "elsewhere"]

DUTY = "index"
_GOOD_FOR = 20.0
_RENEWED_EACH = 5.0
_SURE_FOR = 17.0
"""Within a term, less what the clocks of two machines may disagree in it."""
_SETTLING = 3.0
"""Seconds that whoever asks waits after the start for it to be settled whether this process may."""
_ELSEWHERE = (
    "Another process of this service has the search in documents. Several need QDRANT_URL, of a server for all of them."
)


class Index:
    """One process at a time has the duty to keep the index up. A server is asked by all; a folder by that one alone,
    for what is in another's folder need not be what the rows say.
    """

    def __init__(self, database: Database, place: Place) -> None:
        self._database = database
        self._place = place
        self._me = new_id()
        self._held_until = 0.0
        self._elsewhere = False
        self._answering = True
        self._settled = asyncio.Event()
        self._said = False
        self.name: str | None = None
        """Of the place, once this process has it."""

    @property
    def state(self) -> State:
        if self._elsewhere:
            return "elsewhere"
        return "away" if self._place.away or not self._answering else "ok"

    @property
    def shared(self) -> bool:
        return self._place.shared

    @property
    def on_duty(self) -> bool:
        """Whether this process is the one that keeps the index up."""
        return _now() < self._held_until

    @property
    def holder(self) -> str:
        """Who has the duty, for the rows. What only one process can have at a time is the holder itself: whoever has
        the folder, or the database's file, comes in place of one that has died at once."""
        if self._database.embedded:
            return DUTY
        return self._me if self.shared or self.name is None else self.name

    async def store(self) -> VectorStore:
        """To be asked. Raises VectorsUnavailable where another process has it."""
        if not self._settled.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_SETTLING):
                    await self._settled.wait()
        if not self._settled.is_set():
            raise VectorsUnavailable(retry_after=1)
        if self._elsewhere:
            raise VectorsUnavailable(_ELSEWHERE)
        return self._place.store

    @property
    def kept(self) -> VectorStore:
        """The same for whoever is on duty."""
        return self._place.store

    async def answers(self) -> bool:
        """Whether it is there; within the bound of one call."""
        try:
            await self._place.store.spaces()
        except VectorsUnavailable:
            return False
        return True

    async def keep_forever(self) -> None:
        """Have the duty where nobody else has it, and hold on to it."""
        while True:
            try:
                await self._keep()
            except DatabaseUnavailable:
                logger.debug("who keeps the index up waits for the database")
            except OSError as error:
                self._decide(elsewhere=True)
                logger.error("there is no place for the index", extra={"errno": error.errno})
            await asyncio.sleep(_RENEWED_EACH)

    async def lay_down(self) -> None:
        """Leave the duty to another at once, at the end of the process."""
        if not self.on_duty:
            return
        self._held_until = 0.0
        with suppress(DatabaseUnavailable):
            async with self._database.transaction(durable=False) as tx:
                await tx.index.lay_down(DUTY, self.holder)

    async def _keep(self) -> None:
        self.name = await self._place.claim()
        held = self.name is not None and await self._take()
        self._decide(elsewhere=not (self.shared or held))
        # An engine of our own is not begun for that: who never brings a document needs none.
        self._answering = not self.shared or await self.answers()

    async def _take(self) -> bool:
        began = _now()
        try:
            async with self._database.transaction(durable=False) as tx:
                held = await tx.index.take_duty(DUTY, self.holder, _GOOD_FOR)
        except DutyTaken:
            held = False
        self._held_until = began + _SURE_FOR if held else 0.0
        return held

    def _decide(self, *, elsewhere: bool) -> None:
        self._elsewhere = elsewhere
        self._settled.set()
        if elsewhere and not self._said:
            logger.warning(_ELSEWHERE)
        self._said = elsewhere


def _now() -> float:
    return asyncio.get_running_loop().time()
